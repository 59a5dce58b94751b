//! Transactions (class tx): what a channel publishes and settles waits for its commit.
//!
//! Checks are made, and routes found, when something is published or acknowledged, as outside of transactions; the
//! names of the queues are kept, and looked up again at the commit. Held deliveries count as outstanding until then.
//! At the commit all messages and acknowledgements go to the log as one group, before any message goes to a queue: a crash
//! shows all of it or nothing. `tx.commit-ok` is sent once it is on disk. What is put back into its queue is not in
//! the log, and needs no word there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use amqp::method::{Method, MethodId};
use journal::Position;

use super::Session;
use super::batch::Gathered;
use crate::card::ChannelCard;
use crate::error::{Failure, Outcome};
use crate::link::{Deliveries, Effects, Unacked};
use crate::message::{Incoming, Message, Stored};
use crate::vhost::Vhost;
use crate::vhost::route::Queues;

const COMMIT: MethodId = MethodId { class: 90, method: 20 };

/// What a channel in transaction mode holds.
pub(super) struct Transaction {
    card: Arc<ChannelCard>,
    messages: Vec<Held>,
    /// Bytes of the messages: the vhost's account of memory has them.
    bytes: i64,
    settlements: Vec<(Verdict, Vec<Unacked>)>,
    /// Commits that wait for the disk: the log position each needs.
    committing: VecDeque<Position>,
}

/// What is to become of deliveries at the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Acknowledged,
    /// Rejected for good.
    Dropped,
    Requeued,
}

/// A message that waits for the commit.
struct Held {
    message: Message,
    mandatory: bool,
    persistent: bool,
    priority: u8,
    ttl_ms: Option<u64>,
    addressees: Vec<Arc<str>>,
}

impl Transaction {
    fn new(card: Arc<ChannelCard>) -> Self {
        card.transactional.store(true, Ordering::Relaxed);
        let (messages, settlements, committing) = (Vec::new(), Vec::new(), VecDeque::new());
        Transaction { card, messages, bytes: 0, settlements, committing }
    }

    pub(super) fn hold_message(
        &mut self,
        message: &Incoming<'_>,
        mandatory: bool,
        addressees: Vec<Arc<str>>,
        vhost: &Vhost,
    ) {
        let Incoming { persistent, priority, ttl_ms, .. } = *message;
        let message = message.keep();
        let bytes = i64::try_from(message.len()).unwrap_or(i64::MAX);
        vhost.memory().changed(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        self.messages.push(Held { message, mandatory, persistent, priority, ttl_ms, addressees });
        self.card.messages_uncommitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes deliveries out for a verdict; `None` when the tag is not outstanding (or was settled in this
    /// transaction before).
    pub(super) fn hold_settlement(
        &mut self,
        deliveries: &mut Deliveries,
        (tag, multiple): (u64, bool),
        verdict: Verdict,
    ) -> Option<()> {
        let mut taken = Vec::new();
        deliveries.take_out(tag, multiple, &mut taken)?;
        self.card.acks_uncommitted.fetch_add(taken.len() as u64, Ordering::Relaxed);
        match self.settlements.last_mut() {
            Some((last, held)) if *last == verdict => held.append(&mut taken),
            _ => self.settlements.push((verdict, taken)),
        }
        Some(())
    }

    fn take_messages(&mut self, vhost: &Vhost) -> Vec<Held> {
        vhost.memory().changed(-std::mem::take(&mut self.bytes));
        self.card.messages_uncommitted.store(0, Ordering::Relaxed);
        std::mem::take(&mut self.messages)
    }

    fn take_settlements(&mut self) -> Vec<(Verdict, Vec<Unacked>)> {
        self.card.acks_uncommitted.store(0, Ordering::Relaxed);
        std::mem::take(&mut self.settlements)
    }

    /// What queues are done with by this commit: their identities, and the records.
    fn settled(&self) -> Vec<(u64, Stored)> {
        let done = self.settlements.iter().filter(|(verdict, _)| *verdict != Verdict::Requeued);
        let unacked = done.flat_map(|(_, held)| held);
        unacked.filter_map(|unacked| Some((unacked.queue.id(), unacked.entry.as_ref()?.stored))).collect()
    }

    /// The log has been told of these.
    fn note_settled(&mut self) {
        let done = self.settlements.iter_mut().filter(|(verdict, _)| *verdict != Verdict::Requeued);
        let entries = done.flat_map(|(_, held)| held).filter_map(|unacked| unacked.entry.as_mut());
        for entry in entries.filter(|entry| entry.stored.is_in_log()) {
            entry.stored.flags |= Stored::SETTLED;
        }
    }

    fn take_deliveries(&mut self) -> Vec<Unacked> {
        self.take_settlements().into_iter().flat_map(|(_, held)| held).collect()
    }

    /// The channel ends: messages are forgotten, deliveries have to go back to their queues.
    pub(super) fn abandon(mut self, vhost: &Vhost) -> Vec<Unacked> {
        self.take_messages(vhost);
        self.take_deliveries()
    }

    /// A commit that needs the log on disk up to `end` (0: none) is to be answered, after those before it.
    fn await_disk(&mut self, end: Position) {
        let before = self.committing.back().copied().unwrap_or(0);
        self.committing.push_back(end.max(before));
    }

    /// How many commits are through, now that the log is on disk up to `durable`; they are answered in order.
    pub(super) fn take_committed(&mut self, durable: Position) -> usize {
        let through = self.committing.partition_point(|end| *end <= durable);
        self.committing.drain(..through).count()
    }

    /// The position the last commit waits for.
    pub(super) fn awaited(&self) -> Option<Position> {
        self.committing.back().copied()
    }
}

impl Session {
    pub(super) fn tx_select(&mut self, number: u16) -> Outcome {
        let channel = self.channel(number)?;
        if channel.confirms.is_some() {
            return Err(Failure::precondition("cannot switch from confirm to tx mode"));
        }
        let card = &channel.card;
        channel.tx.get_or_insert_with(|| Transaction::new(Arc::clone(card)));
        self.send(number, &Method::TxSelectOk);
        Ok(())
    }

    pub(super) fn tx_commit(&mut self, number: u16) -> Outcome {
        let vhost = Arc::clone(self.vhost()?);
        let held = self.transaction(number)?.take_messages(&vhost);
        let mut batch = Gathered::new(self.routes.next_batch());
        let messages = self.route_held(number, held, &vhost);
        let end = self.store_held(number, &messages, &vhost, batch.now())?;
        for (message, queues) in messages {
            let groups: Vec<u32> = queues.iter().map(|queue| batch.group(queue)).collect();
            batch.now();
            batch.add(message, &groups);
            if batch.is_wide() {
                self.flush(&mut batch);
            }
        }
        self.flush(&mut batch);
        self.transaction(number)?.await_disk(end);
        // Before the acknowledgements: deliveries they make room for come after `tx.commit-ok`, where it can go now.
        self.awaits_disk = true;
        self.confirm();
        sched::yield_point("tx: between messages and acknowledgements");
        self.settle_held(number, &vhost);
        Ok(())
    }

    pub(super) fn tx_rollback(&mut self, number: u16) -> Outcome {
        let vhost = Arc::clone(self.vhost()?);
        let tx = self.transaction(number)?;
        tx.take_messages(&vhost);
        let deliveries = tx.take_deliveries();
        let mut outbox = self.link.lock();
        if let Some(channel) = outbox.channel(number) {
            channel.put_back(deliveries);
        }
        drop(outbox);
        self.send(number, &Method::TxRollbackOk);
        Ok(())
    }

    fn transaction(&mut self, number: u16) -> Outcome<&mut Transaction> {
        let tx = self.channel(number)?.tx.as_mut();
        tx.ok_or_else(|| Failure::precondition("channel is not transactional"))
    }

    /// Finds the queues of each message, and returns mandatory ones without a queue to the publisher.
    fn route_held(
        &self,
        number: u16,
        held: Vec<Held>,
        vhost: &Arc<Vhost>,
    ) -> Vec<(Incoming<'static>, Queues)> {
        let mut routed = Vec::with_capacity(held.len());
        for held in held {
            let Held { message, mandatory, persistent, priority, ttl_ms, addressees } = held;
            let queues: Queues = addressees.iter().filter_map(|name| vhost.find_addressee(name)).collect();
            if !queues.is_empty() {
                routed.push((Incoming::kept(message, persistent, priority, ttl_ms), queues));
            } else if mandatory {
                self.give_back(number, &message.parts());
            }
        }
        routed
    }

    /// Tells the log all that the transaction does; an error where it does not take all of it, and then nothing is done.
    fn store_held(
        &mut self,
        number: u16,
        messages: &[(Incoming<'static>, Queues)],
        vhost: &Arc<Vhost>,
        now: u64,
    ) -> Outcome<Position> {
        let tx = self.transaction(number)?;
        if sched::fault::is_back("torn-tx") {
            let ends =
                messages.iter().map(|(message, queues)| vhost.put(message, queues, now).unwrap_or_default());
            return Ok(ends.max().unwrap_or_default());
        }
        let end = vhost.put_together(messages, &tx.settled(), now).map_err(|error| Failure::store(&error))?;
        tx.note_settled();
        Ok(end)
    }

    /// Carries out what was decided of deliveries.
    fn settle_held(&mut self, number: u16, vhost: &Arc<Vhost>) {
        let Ok(tx) = self.transaction(number) else { return };
        let mut effects = Effects::default();
        for (verdict, deliveries) in tx.take_settlements() {
            if let Some(channel) = self.link.lock().channel(number) {
                channel.discount(&deliveries);
            }
            match verdict {
                Verdict::Acknowledged | Verdict::Dropped => self.acknowledge(deliveries, &mut effects),
                Verdict::Requeued => {
                    vhost.requeue_all(deliveries);
                    self.link.serve_limited(number, &mut effects);
                }
            }
        }
        vhost.carry_out(&mut effects);
    }

    /// The disk failed under a commit: the client must not believe in it.
    pub(super) fn tear(&mut self, number: u16) {
        self.end_by(number, &Failure::precondition("partial tx completion"), COMMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::QueueType;
    use crate::link::tests::{FakeQueue, entry};

    fn unacked(tags: impl IntoIterator<Item = u64>) -> Vec<Unacked> {
        let queue: Arc<dyn QueueType> = FakeQueue::new(1);
        let unacked = tags.into_iter().map(|tag| Unacked {
            tag,
            queue: Arc::clone(&queue),
            consumer: None,
            entry: Some(entry(tag)),
        });
        unacked.collect()
    }

    #[test]
    fn a_rollback_makes_settled_deliveries_outstanding_again() {
        let mut deliveries = Deliveries::default();
        deliveries.put_back(unacked(1..=6));
        deliveries.outstanding = 6;
        let mut tx = Transaction::new(Arc::default());
        assert_eq!(tx.hold_settlement(&mut deliveries, (4, false), Verdict::Acknowledged), Some(()));
        assert_eq!(
            tx.hold_settlement(&mut deliveries, (4, false), Verdict::Acknowledged),
            None,
            "settled before"
        );
        assert_eq!(tx.hold_settlement(&mut deliveries, (2, true), Verdict::Requeued), Some(()));
        assert_eq!(tx.hold_settlement(&mut deliveries, (6, false), Verdict::Requeued), Some(()));
        let verdicts: Vec<_> = tx.settlements.iter().map(|(verdict, held)| (*verdict, held.len())).collect();
        assert_eq!(verdicts, [(Verdict::Acknowledged, 1), (Verdict::Requeued, 3)]);
        assert_eq!(deliveries.outstanding, 6, "held deliveries make no room for others");
        deliveries.put_back(tx.take_deliveries());
        let mut all = Vec::new();
        assert_eq!(deliveries.settle(0, true, &mut all), Some(()));
        assert_eq!(all.iter().map(|u| u.tag).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(deliveries.outstanding, 0);
    }

    #[test]
    fn commits_are_answered_in_order() {
        let mut tx = Transaction::new(Arc::default());
        for end in [100, 0, 300] {
            tx.await_disk(end);
        }
        assert_eq!(tx.take_committed(99), 0, "the second needs no disk, but stands behind the first");
        assert_eq!(tx.take_committed(100), 2);
        assert_eq!(tx.awaited(), Some(300));
        assert_eq!(tx.take_committed(400), 1);
        assert_eq!(tx.awaited(), None);
    }
}
