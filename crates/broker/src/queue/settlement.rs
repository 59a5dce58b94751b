//! What becomes of delivered messages: acknowledged, dropped or put back; and `basic.get`, purge, consumers that
//! come and go.

use std::sync::Arc;

use super::{Aftermath, Entry, Queue};
use crate::clock::now_ms;
use crate::link::{Consumer, Delivery, Link};
use crate::message::Stored;
use crate::trace::Trace;
use crate::vhost::Vhost;

/// Why `basic.consume` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumeRefusal {
    /// Somebody consumes exclusively, or it is asked for while others consume.
    Exclusive,
    /// The queue is gone.
    Deleted,
}

impl Queue {
    /// The messages are done with (acknowledged, or rejected for good).
    pub(crate) fn acknowledge(
        self: &Arc<Self>,
        entries: impl IntoIterator<Item = Entry>,
        vhost: &Arc<Vhost>,
        aftermath: &mut Aftermath,
    ) {
        let mut state = self.lock();
        for entry in entries {
            state.unacked.subtract(&entry);
            aftermath.settle(self, &entry);
        }
        self.pump_locked(&mut state, vhost, now_ms(), aftermath);
    }

    /// Puts messages back where they stood, marked as redelivered.
    pub(crate) fn requeue(
        self: &Arc<Self>,
        entries: impl IntoIterator<Item = Entry>,
        vhost: &Arc<Vhost>,
        aftermath: &mut Aftermath,
    ) {
        let mut state = self.lock();
        let deleted = self.is_deleted();
        for mut entry in entries {
            state.unacked.subtract(&entry);
            if deleted {
                aftermath.settle(self, &entry);
            } else {
                entry.stored.flags |= Stored::REDELIVERED;
                state.ready.put_back(entry);
            }
        }
        if !deleted {
            self.pump_locked(&mut state, vhost, now_ms(), aftermath);
            self.arm_timer(&mut state);
            state.report_memory(vhost);
        }
    }

    /// `basic.get`: writes `get-ok` to the link and returns `true`, or `false` when nothing is ready.
    pub(crate) fn get(
        self: &Arc<Self>,
        (link, channel, user): (&Arc<Link>, u16, &Arc<str>),
        no_ack: bool,
        vhost: &Arc<Vhost>,
        aftermath: &mut Aftermath,
    ) -> bool {
        let mut state = self.lock();
        let now = now_ms();
        state.last_used = now;
        self.drop_expired(&mut state, now, aftermath);
        self.read_head(&mut state, vhost, aftermath);
        // A head that cannot be read now stays where it is.
        let Some(message) = state.ready.front().and_then(|head| head.message.clone()) else { return false };
        let Some(entry) = state.ready.pop_front() else { return false };
        let redelivered = entry.stored.has(Stored::REDELIVERED);
        let left = u32::try_from(state.ready.tally().messages).unwrap_or(u32::MAX);
        let delivery = Delivery { parts: message.parts(), redelivered };
        if vhost.is_tracing() {
            aftermath.traces.push(Trace::got(self, (link, channel, user), &message.parts(), redelivered));
        }
        let keep = if no_ack {
            aftermath.settle(self, &entry);
            None
        } else {
            state.unacked.add(&entry);
            Some(entry)
        };
        link.lock().deliver_got(channel, self, &delivery, keep, left);
        true
    }

    /// Drops what is ready and returns how much that was.
    pub(crate) fn purge(self: &Arc<Self>, vhost: &Vhost, aftermath: &mut Aftermath) -> u64 {
        let mut state = self.lock();
        let messages = state.ready.tally().messages;
        for entry in state.ready.drain() {
            aftermath.settle(self, &entry);
        }
        state.report_memory(vhost);
        drop(state);
        self.relieve();
        messages
    }

    /// Lets a consumer in. It is served by the next [`pump`](Self::pump), so that its `consume-ok` goes first.
    pub(crate) fn add_consumer(&self, consumer: Arc<Consumer>) -> Result<(), ConsumeRefusal> {
        let mut state = self.lock();
        if self.is_deleted() {
            return Err(ConsumeRefusal::Deleted);
        }
        if state.consumers.has_exclusive() || (consumer.exclusive && !state.consumers.is_empty()) {
            return Err(ConsumeRefusal::Exclusive);
        }
        state.was_consumed = true;
        state.consumers.add(consumer);
        Ok(())
    }

    /// Lets a consumer go. Returns whether the queue has to go with it (auto-delete).
    pub(crate) fn remove_consumer(self: &Arc<Self>, consumer: &Arc<Consumer>) -> bool {
        let mut state = self.lock();
        let removed = state.consumers.remove(consumer);
        if !removed || !state.consumers.is_empty() {
            return false;
        }
        state.last_used = now_ms();
        self.arm_timer(&mut state);
        drop(state);
        self.relieve();
        self.auto_delete && !self.is_deleted()
    }
}
