//! A queue's consumers: the highest priority first, within one priority each in turn.
//!
//! Only those that may take a message stand in the line. Whoever refuses steps out of it until it has what it lacks, and
//! keeps its place meanwhile: serving costs what is given, however many wait. What several lack together, they wait for
//! together: once it is back the first of them is asked, and the next when that one was served.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::link::{Consumer, Link, Outbox, Refusal, Relief};

/// A consumer and the connection it is served by.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) link: Arc<Link>,
    pub(crate) consumer: Arc<Consumer>,
}

/// By descending priority; whoever was just served stands last among its equals.
type Place = (Reverse<i64>, u64);

/// Consumers in their order.
type Line = BTreeMap<Place, Subscription>;

/// The consumers of one queue. Each is in one of the lines.
#[derive(Default)]
pub(crate) struct Consumers {
    /// Those to be asked.
    line: Line,
    /// Those who wait for what is theirs alone, an acknowledgement, or for their end.
    resting: Line,
    /// Those who wait together. The connection or channel tells the queue when what they lack is back (`Outbox::starve`).
    waiting: BTreeMap<Relief, Line>,
    /// How many groups wait for room.
    without_room: usize,
    /// Their connections, and how many each has.
    links: BTreeMap<u64, (Arc<Link>, usize)>,
    len: usize,
    exclusive: usize,
    /// Turns that were taken.
    turns: u64,
    /// How often a consumer was asked: what serving costs.
    #[cfg(test)]
    pub(super) asked: u64,
}

/// What serving all consumers came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// There was nothing more to give.
    All,
    /// Nobody can take more; some for want of room in their outbox.
    Stopped { for_room: bool },
}

impl Consumers {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        let waiting = self.waiting.values().flat_map(BTreeMap::values);
        self.line.values().chain(self.resting.values()).chain(waiting)
    }

    /// The connections they are served by, each once.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.links.values().map(|(link, _)| link)
    }

    pub(crate) fn has_exclusive(&self) -> bool {
        self.exclusive > 0
    }

    pub(crate) fn add(&mut self, subscription: Subscription) {
        self.len += 1;
        self.exclusive += usize::from(subscription.consumer.exclusive);
        let link = &subscription.link;
        self.links.entry(link.id).or_insert_with(|| (Arc::clone(link), 0)).1 += 1;
        self.line_up_last(subscription);
    }

    pub(crate) fn remove(&mut self, consumer: &Arc<Consumer>) -> bool {
        let place = place_of(consumer);
        let removed = self
            .line
            .remove(&place)
            .or_else(|| self.resting.remove(&place))
            .or_else(|| self.leave(Relief::room_of(consumer), |group| group.remove(&place)))
            .or_else(|| self.leave(Relief::credit_of(consumer), |group| group.remove(&place)));
        if removed.is_none() {
            return false;
        }
        self.len -= 1;
        self.exclusive -= usize::from(consumer.exclusive);
        if let Some((_, left)) = self.links.get_mut(&consumer.link) {
            *left -= 1;
            if *left == 0 {
                self.links.remove(&consumer.link);
            }
        }
        self.pass_on(Relief::all_of(consumer));
        true
    }

    /// All of them, in their order.
    pub(crate) fn take_all(&mut self) -> Vec<Subscription> {
        let Consumers { mut line, resting, waiting, .. } = std::mem::take(self);
        line.extend(resting);
        line.extend(waiting.into_values().flatten());
        line.into_values().collect()
    }

    /// Gives messages to consumers as long as both last. `give` writes one message to the outbox and returns
    /// `false` when there is none; `starve` hears of consumers that refuse.
    ///
    /// A lone consumer's outbox stays locked for the whole run.
    pub(crate) fn serve(
        &mut self,
        mut give: impl FnMut(&Subscription, &mut Outbox) -> bool,
        mut starve: impl FnMut(&mut Outbox, &Consumer, Refusal),
    ) -> Served {
        let alone = self.len == 1;
        while let Some((_, subscription)) = self.line.first_key_value() {
            #[cfg(test)]
            {
                self.asked += 1;
            }
            let mut outbox = subscription.link.lock();
            let refusal = loop {
                match outbox.admits(&subscription.consumer) {
                    Err(refusal) => {
                        starve(&mut outbox, &subscription.consumer, refusal);
                        break Some(refusal);
                    }
                    Ok(()) if !give(subscription, &mut outbox) => return Served::All,
                    Ok(()) if alone => {}
                    Ok(()) => break None,
                }
            };
            drop(outbox);
            let Some((place, subscription)) = self.line.pop_first() else { break };
            match refusal {
                None => {
                    let shared = Relief::all_of(&subscription.consumer);
                    self.line_up_last(subscription);
                    self.pass_on(shared);
                }
                Some(refusal) => self.step_out(place, subscription, refusal),
            }
        }
        Served::Stopped { for_room: self.without_room > 0 }
    }

    /// Something of this consumer's was settled: it may have credit of its own again.
    #[inline]
    pub(crate) fn note_settled(&mut self, consumer: &Consumer) {
        if self.resting.is_empty() {
            return;
        }
        let place = place_of(consumer);
        if let Some(subscription) = self.resting.remove(&place) {
            self.line.insert(place, subscription);
        }
    }

    /// What some wait for together is back: the first of them is to be asked.
    pub(crate) fn relieve(&mut self, relief: Relief) {
        if let Some((place, first)) = self.leave(relief, BTreeMap::pop_first) {
            self.line.insert(place, first);
        }
    }

    /// Takes one out of a group that waits.
    fn leave<T>(&mut self, relief: Relief, take: impl FnOnce(&mut Line) -> Option<T>) -> Option<T> {
        let group = self.waiting.get_mut(&relief)?;
        let taken = take(group);
        if group.is_empty() {
            self.waiting.remove(&relief);
            self.without_room -= usize::from(relief.is_room());
        }
        taken
    }

    /// It takes its place behind its equals.
    fn line_up_last(&mut self, subscription: Subscription) {
        self.turns += 1;
        subscription.consumer.turn.store(self.turns, Ordering::Relaxed);
        self.line.insert(place_of(&subscription.consumer), subscription);
    }

    /// This consumer refused: what it lacks is what it waits for from now on. That does not change while the queue is
    /// locked.
    fn step_out(&mut self, place: Place, subscription: Subscription, refusal: Refusal) {
        let consumer = &subscription.consumer;
        let (room, credit) = (Relief::room_of(consumer), Relief::credit_of(consumer));
        match refusal {
            Refusal::Credit | Refusal::Gone => {
                let shared = Relief::all_of(consumer);
                self.resting.insert(place, subscription);
                self.pass_on(shared);
            }
            Refusal::SharedCredit => {
                self.wait_for(credit, place, subscription);
                self.relieve(room);
            }
            // Should it have been asked for credit's sake, it will be so again: nobody takes its part.
            Refusal::Room => self.wait_for(room, place, subscription),
        }
    }

    fn wait_for(&mut self, relief: Relief, place: Place, subscription: Subscription) {
        let group = self.waiting.entry(relief).or_default();
        self.without_room += usize::from(relief.is_room() && group.is_empty());
        group.insert(place, subscription);
    }

    /// One was served or leaves the line: whoever waits for what it may have waited for is next.
    #[inline]
    fn pass_on(&mut self, shared: [Option<Relief>; 2]) {
        if !self.waiting.is_empty() {
            shared.into_iter().flatten().for_each(|relief| self.relieve(relief));
        }
    }
}

fn place_of(consumer: &Consumer) -> Place {
    (Reverse(consumer.priority), consumer.turn.load(Ordering::Relaxed))
}
