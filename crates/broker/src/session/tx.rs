//! Transactions (class tx): what a channel publishes and settles waits for its commit.
//!
//! Checks are made, and routes found, when something is published or acknowledged, as outside of transactions; the
//! names of the queues are kept, and looked up again at the commit. Held deliveries count as outstanding until then.
//! At the commit all messages go to the log before any goes to a queue, then acknowledgements follow, so that a
//! message is never gone before its answer is there. `tx.commit-ok` is sent once the messages are on disk.
//!
//! The commit is not one record of the log: a crash in its midst can keep a part of it, of messages always the ones
//! published first. RabbitMQ's transactions are not atomic beyond one queue either. Acknowledgements are not waited
//! for: one that a crash takes away means a message delivered twice, never a lost one.

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
use crate::message::{Incoming, Message};
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
        let (messages, end) = self.store_held(number, held, &vhost, batch.now())?;
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
        // Nothing that is settled here may be gone from the disk before the messages are on it.
        vhost.store().log.retire_after(end);
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

    /// Finds the queues of each message and writes all to the log that must be there, and returns mandatory
    /// messages without a queue to the publisher. When the log does not take all of them, none is delivered.
    fn store_held(
        &self,
        number: u16,
        held: Vec<Held>,
        vhost: &Arc<Vhost>,
        now: u64,
    ) -> Outcome<(Vec<(Incoming<'static>, Queues)>, Position)> {
        let mut routed: Vec<(Incoming<'static>, Queues)> = Vec::with_capacity(held.len());
        let mut returned = Vec::new();
        let mut end = 0;
        for held in held {
            let Held { message, mandatory, persistent, priority, ttl_ms, addressees } = held;
            let queues: Queues = addressees.iter().filter_map(|name| vhost.find_addressee(name)).collect();
            if queues.is_empty() {
                returned.extend(mandatory.then_some(message));
                continue;
            }
            let message = Incoming::kept(message, persistent, priority, ttl_ms);
            match vhost.put(&message, &queues, now) {
                Ok(stored) => end = end.max(stored),
                Err(error) => {
                    forget(&routed, vhost);
                    return Err(Failure::store(&error));
                }
            }
            routed.push((message, queues));
        }
        returned.iter().for_each(|message| self.give_back(number, &message.parts()));
        Ok((routed, end))
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
                    self.serve_limited(&mut effects);
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

/// Messages that were stored are not needed after all.
fn forget(stored: &[(Incoming<'_>, Queues)], vhost: &Vhost) {
    let mut settled = Vec::new();
    for (message, queues) in stored {
        let Some(record) = message.stored.get() else { continue };
        settled.extend(queues.iter().filter(|queue| queue.durable).map(|queue| (queue.id, record)));
    }
    vhost.store().settle(&mut settled);
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
