//! The messages of a queue that wait for a consumer, in delivery order.

use std::collections::{BTreeMap, VecDeque};

use crate::message::{Entry, Message};

/// Number and bytes of some messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) body_bytes: u64,
    /// Of these, the ones on disk for good.
    pub(crate) persistent: u64,
    pub(crate) persistent_bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, entry: &Entry) {
        let bytes = u64::from(entry.body_len);
        self.messages += 1;
        self.body_bytes += bytes;
        if entry.stored.is_in_log() {
            self.persistent += 1;
            self.persistent_bytes += bytes;
        }
    }

    pub(crate) fn subtract(&mut self, entry: &Entry) {
        let bytes = u64::from(entry.body_len);
        self.messages = self.messages.saturating_sub(1);
        self.body_bytes = self.body_bytes.saturating_sub(bytes);
        if entry.stored.is_in_log() {
            self.persistent = self.persistent.saturating_sub(1);
            self.persistent_bytes = self.persistent_bytes.saturating_sub(bytes);
        }
    }
}

/// Entries an empty line keeps room for.
const KEPT_CAPACITY: usize = 4096;

/// Messages of one priority in the order of their arrival.
#[derive(Debug, Default)]
struct Line {
    /// Those that were taken and came back, by their order. All of them arrived before the others, as only heads are
    /// taken; and they come back in any order, whatever number of them a client held.
    returned: BTreeMap<u64, Entry>,
    fresh: VecDeque<Entry>,
}

impl Line {
    fn front(&self) -> Option<&Entry> {
        match self.returned.is_empty() {
            true => self.fresh.front(),
            false => self.returned.values().next(),
        }
    }

    fn pop_front(&mut self) -> Option<Entry> {
        if !self.returned.is_empty() {
            return self.returned.pop_first().map(|(_, entry)| entry);
        }
        let entry = self.fresh.pop_front()?;
        if self.fresh.is_empty() && self.fresh.capacity() > KEPT_CAPACITY {
            // A backlog that is gone leaves no memory behind.
            self.fresh = VecDeque::new();
        }
        Some(entry)
    }

    fn put_back(&mut self, entry: Entry) {
        debug_assert!(self.fresh.front().is_none_or(|front| entry.seq < front.seq), "only heads are taken");
        self.returned.insert(entry.seq, entry);
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        if let Some(entry) = self.returned.get_mut(&seq) {
            return Some(entry);
        }
        let at = self.fresh.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        self.fresh.get_mut(at)
    }

    fn remove(&mut self, seq: u64) -> Option<Entry> {
        if let Some(entry) = self.returned.remove(&seq) {
            return Some(entry);
        }
        let at = self.fresh.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        self.fresh.remove(at)
    }

    fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.returned.values().chain(&self.fresh)
    }

    fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.returned.into_values().chain(self.fresh)
    }
}

/// Waiting messages: one line, or one for each priority (`x-max-priority`).
#[derive(Debug)]
pub(crate) struct Ready {
    /// Highest priority first; a queue without priorities has one line.
    lines: Vec<Line>,
    tally: Tally,
    /// Bytes of the messages held in memory, and how many these are.
    memory: u64,
    in_memory: u64,
}

impl Ready {
    /// `max_priority` as in `x-max-priority`; `None` for a queue without priorities.
    pub(crate) fn new(max_priority: Option<u8>) -> Self {
        let lines = usize::from(max_priority.unwrap_or(0)) + 1;
        let lines = std::iter::repeat_with(Line::default).take(lines).collect();
        Ready { lines, tally: Tally::default(), memory: 0, in_memory: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tally.messages == 0
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Bytes of message held in memory.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    pub(crate) fn in_memory(&self) -> u64 {
        self.in_memory
    }

    /// Priorities above the queue's highest count as the highest.
    fn line(&mut self, priority: u8) -> Option<&mut Line> {
        let at = (self.lines.len() - 1).saturating_sub(usize::from(priority));
        self.lines.get_mut(at)
    }

    pub(crate) fn push_back(&mut self, entry: Entry) {
        self.count(&entry);
        if let Some(line) = self.line(entry.priority) {
            line.fresh.push_back(entry);
        }
    }

    /// Puts a message back where it stood.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        self.count(&entry);
        if let Some(line) = self.line(entry.priority) {
            line.put_back(entry);
        }
    }

    pub(crate) fn front(&self) -> Option<&Entry> {
        self.lines.iter().find_map(Line::front)
    }

    pub(crate) fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.lines.iter_mut().find_map(Line::pop_front)?;
        self.discount(&entry);
        Some(entry)
    }

    /// The head of each line; only these can have expired as RabbitMQ sees it.
    pub(crate) fn pop_expired(&mut self, now: u64) -> Option<Entry> {
        let line = self.lines.iter_mut().find(|l| l.front().is_some_and(|e| e.expires_at <= now))?;
        let entry = line.pop_front()?;
        self.discount(&entry);
        Some(entry)
    }

    /// When the next head expires.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        let heads = self.lines.iter().filter_map(Line::front);
        heads.map(|e| e.expires_at).min().filter(|at| *at != u64::MAX)
    }

    /// The first messages in delivery order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.lines.iter().flat_map(Line::iter)
    }

    #[cfg(test)]
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.lines.iter_mut().flat_map(|line| line.returned.values_mut().chain(&mut line.fresh))
    }

    /// Gives the entry `seq` its message, read back from disk.
    pub(crate) fn load(&mut self, seq: u64, priority: u8, message: Message) {
        let Some(entry) = self.line(priority).and_then(|line| line.get_mut(seq)) else { return };
        if entry.message.is_none() {
            let len = message.len() as u64;
            entry.message = Some(message);
            self.memory += len;
            self.in_memory += 1;
        }
    }

    /// Takes out one entry, wherever it stands: for a message that cannot be read back.
    pub(crate) fn remove(&mut self, seq: u64, priority: u8) -> Option<Entry> {
        let entry = self.line(priority)?.remove(seq)?;
        self.discount(&entry);
        Some(entry)
    }

    /// Takes everything.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> + use<> {
        self.tally = Tally::default();
        (self.memory, self.in_memory) = (0, 0);
        let lines: Vec<Line> = self.lines.iter_mut().map(std::mem::take).collect();
        lines.into_iter().flat_map(Line::into_entries)
    }

    fn count(&mut self, entry: &Entry) {
        self.tally.add(entry);
        self.memory += entry.memory();
        self.in_memory += u64::from(entry.message.is_some());
    }

    fn discount(&mut self, entry: &Entry) {
        self.tally.subtract(entry);
        self.memory = self.memory.saturating_sub(entry.memory());
        self.in_memory = self.in_memory.saturating_sub(u64::from(entry.message.is_some()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Parts, Stored};

    fn entry(seq: u64, priority: u8) -> Entry {
        let message = Message::new(&Parts { body: &seq.to_be_bytes(), ..Parts::default() });
        Entry {
            seq,
            stored: Stored::default(),
            priority,
            expires_at: u64::MAX,
            body_len: 8,
            message: Some(message),
        }
    }

    fn order(ready: &mut Ready) -> Vec<u64> {
        std::iter::from_fn(|| ready.pop_front()).map(|e| e.seq).collect()
    }

    #[test]
    fn requeued_messages_take_their_old_place() {
        let mut ready = Ready::new(None);
        (0..6).for_each(|seq| ready.push_back(entry(seq, 0)));
        let taken: Vec<_> = std::iter::from_fn(|| ready.pop_front()).take(4).collect();
        for index in [2, 0, 3, 1] {
            ready.put_back(taken[index].clone());
        }
        assert_eq!(ready.tally().messages, 6);
        assert_eq!(order(&mut ready), [0, 1, 2, 3, 4, 5]);
        assert_eq!(ready.memory(), 0);
    }

    /// In any order, whatever their number: a pass over the line for each of these would take an hour.
    #[test]
    fn a_great_many_come_back() {
        let many = 400_000_u64;
        let mut ready = Ready::new(None);
        let bare = |seq| Entry { message: None, ..entry(seq, 0) };
        (0..2 * many).for_each(|seq| ready.push_back(bare(seq)));
        let taken: Vec<_> = std::iter::from_fn(|| ready.pop_front()).take(many as usize).collect();
        // Every second one first, then those between them.
        for parity in [0, 1] {
            for entry in taken.iter().skip(parity).step_by(2) {
                ready.put_back(entry.clone());
            }
        }
        assert!(order(&mut ready).into_iter().eq(0..2 * many));
    }

    #[test]
    fn higher_priorities_go_first_and_too_high_ones_count_as_the_highest() {
        let mut ready = Ready::new(Some(5));
        for (seq, priority) in [(0, 0), (1, 5), (2, 200), (3, 1), (4, 5)] {
            ready.push_back(entry(seq, priority));
        }
        assert_eq!(order(&mut ready), [1, 2, 4, 3, 0]);
    }

    #[test]
    fn only_heads_expire() {
        let mut ready = Ready::new(None);
        for (seq, expires_at) in [(0, 50), (1, 10), (2, u64::MAX)] {
            ready.push_back(Entry { expires_at, ..entry(seq, 0) });
        }
        assert!(ready.pop_expired(20).is_none());
        assert_eq!(ready.next_expiry(), Some(50));
        assert_eq!(ready.pop_expired(50).map(|e| e.seq), Some(0));
        assert_eq!(ready.pop_expired(50).map(|e| e.seq), Some(1));
        assert_eq!(ready.next_expiry(), None);
    }
}
