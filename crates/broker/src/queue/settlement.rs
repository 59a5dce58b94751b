//! What becomes of delivered messages: acknowledged, dropped or put back; and `basic.get`, purge, consumers that
//! come and go.

use std::sync::Arc;

use super::consumers::{Consumers, Subscription};
use super::paging::forget;
use super::{Queue, State};
use crate::clock::now_ms;
use crate::link::{Consumer, Delivery, Effects, Link, Unacked};
use crate::message::{Entry, Stored};
use crate::trace::{Channel, Trace};

/// Why `basic.consume` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumeRefusal {
    /// Somebody consumes exclusively, or it is asked for while others consume.
    Exclusive,
    /// The queue is gone.
    Deleted,
}

/// So many messages are settled or put back in one hold of the queue's lock: a client may hold millions.
const SLICE: usize = 4096;

/// The entries of some deliveries; whose they were may have credit again.
fn settled(slice: &mut [Unacked], consumers: &mut Consumers) -> impl Iterator<Item = Entry> {
    slice.iter_mut().filter_map(|unacked| {
        if let Some(consumer) = &unacked.consumer {
            consumers.note_settled(consumer);
        }
        unacked.entry.take()
    })
}

impl Queue {
    /// The messages are done with (acknowledged, or rejected for good).
    pub(super) fn settle(self: &Arc<Self>, deliveries: &mut [Unacked], effects: &mut Effects) {
        let mut slices = deliveries.chunks_mut(SLICE).peekable();
        while let Some(slice) = slices.next() {
            let mut state = self.lock();
            let State { unacked, consumers, .. } = &mut *state;
            for entry in settled(slice, consumers) {
                unacked.subtract(&entry);
                effects.settle(self.id, &entry);
            }
            if slices.peek().is_none() {
                self.pump_locked(&mut state, now_ms(), effects);
            }
        }
    }

    /// Puts messages back where they stood, marked as redelivered.
    pub(super) fn take_back(self: &Arc<Self>, deliveries: &mut [Unacked], effects: &mut Effects) {
        // Others have their turn in between. Nothing of it is delivered before all of it is back, in its order.
        for slice in deliveries.chunks_mut(SLICE) {
            let mut state = self.lock();
            let deleted = self.is_deleted();
            let State { ready, unacked, consumers, .. } = &mut *state;
            for mut entry in settled(slice, consumers) {
                unacked.subtract(&entry);
                if deleted {
                    effects.settle(self.id, &entry);
                } else {
                    entry.stored.flags |= Stored::REDELIVERED;
                    self.page_out(&mut entry, ready);
                    ready.put_back(entry);
                }
            }
            state.report_memory(&self.ground);
        }
        let mut state = self.lock();
        if !self.is_deleted() {
            self.pump_locked(&mut state, now_ms(), effects);
            self.arm_timer(&mut state, effects);
            state.report_memory(&self.ground);
        }
    }

    /// `basic.get`: writes `get-ok` to the link and returns `true`, or `false` when nothing is ready.
    pub(crate) fn get(
        self: &Arc<Self>,
        (link, channel, user): (&Arc<Link>, u16, &Arc<str>),
        no_ack: bool,
        effects: &mut Effects,
    ) -> bool {
        let now = now_ms();
        let mut state = self.lock_head(now, effects);
        state.last_used = now;
        // A head that cannot be read now stays where it is.
        let Some(message) = state.ready.front().and_then(|head| head.message.clone()) else { return false };
        let Some(mut entry) = state.ready.pop_front() else { return false };
        let redelivered = entry.stored.has(Stored::REDELIVERED);
        let left = u32::try_from(state.ready.tally().messages).unwrap_or(u32::MAX);
        let delivery = Delivery { parts: message.parts(), redelivered };
        if self.ground.is_tracing() {
            let whose = Channel { vhost: &self.ground.vhost, connection: link.name(), number: channel, user };
            effects.traces.push(Trace::delivery(&self.name, &whose, &message.parts(), redelivered));
        }
        let keep = if no_ack {
            effects.settle(self.id, &entry);
            None
        } else {
            state.unacked.add(&entry);
            forget(&mut entry, &state.unacked);
            Some(entry)
        };
        self.arm_timer_for_head(&mut state, effects);
        link.lock().deliver_got(channel, self.as_any_type(), &delivery, keep, left);
        true
    }

    /// Drops what is ready and returns how much that was.
    pub(crate) fn purge(&self, effects: &mut Effects) -> u64 {
        let mut state = self.lock();
        let messages = state.ready.tally().messages;
        let purged = state.ready.drain();
        state.report_memory(&self.ground);
        drop(state);
        purged.for_each(|entry| effects.settle(self.id, &entry));
        self.held_back.relieve();
        messages
    }

    /// Lets a consumer in. `welcome` is called before anybody can deliver to it: so its `consume-ok` goes first.
    pub(crate) fn add_consumer(
        &self,
        link: &Arc<Link>,
        consumer: &Arc<Consumer>,
        welcome: impl FnOnce(),
    ) -> Result<(), ConsumeRefusal> {
        let mut state = self.lock();
        if self.is_deleted() {
            return Err(ConsumeRefusal::Deleted);
        }
        if state.consumers.has_exclusive() || (consumer.exclusive && !state.consumers.is_empty()) {
            return Err(ConsumeRefusal::Exclusive);
        }
        state.was_consumed = true;
        welcome();
        state.consumers.add(Subscription { link: Arc::clone(link), consumer: Arc::clone(consumer) });
        Ok(())
    }

    /// Lets a consumer go. Returns whether the queue has to go with it (auto-delete).
    pub(crate) fn remove_consumer(self: &Arc<Self>, consumer: &Arc<Consumer>, effects: &mut Effects) -> bool {
        let mut state = self.lock();
        let removed = state.consumers.remove(consumer);
        if !removed || !state.consumers.is_empty() {
            return false;
        }
        state.last_used = now_ms();
        self.arm_timer(&mut state, effects);
        drop(state);
        self.held_back.relieve();
        self.auto_delete && !self.is_deleted()
    }
}
