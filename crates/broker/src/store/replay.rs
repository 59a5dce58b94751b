//! What a log says, gathered record by record: the definitions and messages that are still there at its end.

use std::collections::{BTreeMap, HashMap, HashSet};

use journal::Entry as LogEntry;

use super::records::{MessageRecord, Record};

/// A record and where its live form lies.
pub(crate) struct Held<T> {
    pub(crate) id: u64,
    pub(crate) position: u64,
    pub(crate) size: u32,
    pub(crate) what: T,
}

/// A record that is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) id: u64,
    pub(crate) position: u64,
    pub(crate) size: u32,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Replay {
    /// By ascending identity: of two declarations of one name the later one counts.
    pub(crate) definitions: BTreeMap<u64, Held<Record>>,
    /// By ascending identity, as the log has them; one without queues is done with.
    messages: Vec<Held<MessageRecord>>,
    /// Copies whose originals are gone stand late in the log, out of order.
    moved: HashMap<u64, Held<MessageRecord>>,
    pub(crate) dead: Vec<Dead>,
    /// Definitions whose deletion is told.
    pub(crate) deleted: HashSet<u64>,
    /// What the last stop told of deliveries, by queue and message.
    delivered: HashSet<(u64, u64)>,
    /// The last record says that the stop was in good order.
    stopped: bool,
    /// Records of a form this version does not know.
    pub(crate) unreadable: u64,
}

impl Replay {
    pub(crate) fn see(&mut self, entry: &LogEntry<'_>) {
        let Some(record) = Record::decode(entry.kind, entry.index) else {
            self.unreadable += 1;
            return;
        };
        let (id, position, size) = (entry.id, entry.position, entry.size);
        self.stopped = false;
        match record {
            Record::Ack { queue, ids } => ids.into_iter().for_each(|id| self.acknowledge(queue, id)),
            Record::Delivered { queue, ids } => self.delivered.extend(ids.into_iter().map(|id| (queue, id))),
            Record::Stopped => self.stopped = true,
            Record::Started => self.delivered.clear(),
            Record::Deleted { id } => {
                self.deleted.insert(id);
                if let Some(gone) = self.definitions.remove(&id) {
                    self.dead.push(Dead { id, position: gone.position, size: gone.size });
                }
            }
            Record::Message(what) => self.message(Held { id, position, size, what }),
            definition => {
                let held = Held { id, position, size, what: definition };
                if let Some(older) = self.definitions.insert(id, held) {
                    self.dead.push(Dead { id, position: older.position, size: older.size });
                }
            }
        }
    }

    fn message(&mut self, held: Held<MessageRecord>) {
        if self.messages.last().is_none_or(|last| last.id < held.id) {
            self.messages.push(held);
        } else if let Some(older) = self.find(held.id) {
            // A copy after its original: the reclaim that made it did not come to its end. It names the queues that
            // held the message when it was made; those that have settled it since stand behind it.
            let dead = Dead { id: held.id, position: older.position, size: older.size };
            let still_held = |queue: &u64| older.what.queues.contains(queue);
            let queues = held.what.queues.iter().copied().filter(still_held).collect();
            *older = Held { what: MessageRecord { queues, ..held.what }, ..held };
            self.dead.push(dead);
        } else {
            self.moved.insert(held.id, held);
        }
    }

    fn find(&mut self, id: u64) -> Option<&mut Held<MessageRecord>> {
        match self.messages.binary_search_by_key(&id, |held| held.id) {
            Ok(at) => self.messages.get_mut(at).filter(|held| !held.what.queues.is_empty()),
            Err(_) => self.moved.get_mut(&id),
        }
    }

    fn acknowledge(&mut self, queue: u64, id: u64) {
        let Some(message) = self.find(id) else { return };
        message.what.queues.retain(|holder| *holder != queue);
        if message.what.queues.is_empty() {
            let dead = Dead { id, position: message.position, size: message.size };
            self.dead.push(dead);
            self.moved.remove(&id);
        }
    }

    /// What is known of deliveries.
    pub(crate) fn take_deliveries(&mut self) -> Deliveries {
        let told = std::mem::take(&mut self.delivered);
        Deliveries { told: self.stopped.then_some(told) }
    }

    /// The messages that somebody still waits for, by ascending identity.
    pub(crate) fn take_messages(&mut self) -> Vec<Held<MessageRecord>> {
        let mut messages = std::mem::take(&mut self.messages);
        messages.retain(|held| !held.what.queues.is_empty());
        if !self.moved.is_empty() {
            messages.extend(std::mem::take(&mut self.moved).into_values());
            messages.sort_unstable_by_key(|held| held.id);
        }
        messages
    }
}

/// Which messages may have been delivered before the start.
pub(crate) struct Deliveries {
    /// By queue and message; `None`: nobody knows.
    told: Option<HashSet<(u64, u64)>>,
}

impl Deliveries {
    /// Whether the last life ended in good order.
    pub(crate) fn are_known(&self) -> bool {
        self.told.is_some()
    }

    /// The log's word on it is not to be relied on.
    pub(crate) fn forget(&mut self) {
        self.told = None;
    }

    pub(crate) fn may_have(&self, queue: u64, id: u64) -> bool {
        self.told.as_ref().is_none_or(|told| told.contains(&(queue, id)))
    }
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;

    fn see(replay: &mut Replay, id: u64, position: u64, record: &Record) {
        let (kind, index) = record.encode();
        replay.see(&LogEntry { position, id, size: 64, kind, index: &index, body_len: 0 });
    }

    fn message(queues: &[u64]) -> Record {
        let queues: SmallVec<[u64; 2]> = queues.iter().copied().collect();
        let shared = queues.len() > 1;
        Record::Message(MessageRecord { queues, shared, priority: 0, expires_at: u64::MAX, body_len: 1 })
    }

    fn left(replay: &mut Replay) -> Vec<(u64, u64)> {
        replay.take_messages().iter().map(|held| (held.id, held.position)).collect()
    }

    #[test]
    fn what_nobody_acknowledged_is_left() {
        let mut replay = Replay::default();
        for position in [100, 200, 300] {
            see(&mut replay, position, position, &message(&[1, 2]));
        }
        see(&mut replay, 400, 400, &Record::Ack { queue: 1, ids: vec![100, 200] });
        see(&mut replay, 500, 500, &Record::Ack { queue: 2, ids: vec![200] });
        assert_eq!(replay.dead, [Dead { id: 200, position: 200, size: 64 }]);
        assert_eq!(left(&mut replay), [(100, 100), (300, 300)]);
    }

    #[test]
    fn a_copy_says_who_holds_a_shared_message_still() {
        let mut replay = Replay::default();
        see(&mut replay, 100, 100, &message(&[1, 2]));
        see(&mut replay, 200, 200, &Record::Ack { queue: 1, ids: vec![100] });
        see(&mut replay, 100, 300, &message(&[2]));
        let left = replay.take_messages();
        assert_eq!(left.iter().map(|held| held.what.queues.to_vec()).collect::<Vec<_>>(), [[2]]);
        assert!(!left[0].what.shared, "the copy names one queue");
    }

    #[test]
    fn a_copy_gives_no_queue_back_what_it_settled() {
        let mut replay = Replay::default();
        see(&mut replay, 100, 100, &message(&[1, 2]));
        see(&mut replay, 200, 200, &Record::Ack { queue: 1, ids: vec![100] });
        // As releases before format 2 wrote it.
        see(&mut replay, 100, 300, &message(&[1, 2]));
        let left = replay.take_messages();
        assert_eq!(left.iter().map(|held| held.what.queues.to_vec()).collect::<Vec<_>>(), [[2]]);
        assert!(left[0].what.shared, "and its next copy must say so");
    }

    #[test]
    fn the_last_copy_counts_and_acknowledgements_find_it() {
        let mut replay = Replay::default();
        see(&mut replay, 100, 100, &message(&[1]));
        see(&mut replay, 200, 200, &message(&[1]));
        see(&mut replay, 100, 300, &message(&[1]));
        see(&mut replay, 50, 400, &message(&[1]));
        see(&mut replay, 60, 500, &message(&[1]));
        see(&mut replay, 600, 600, &Record::Ack { queue: 1, ids: vec![60] });
        assert_eq!(left(&mut replay), [(50, 400), (100, 300), (200, 200)]);
        assert_eq!(replay.dead.len(), 2, "the original that was copied, and the acknowledged copy");
    }
}
