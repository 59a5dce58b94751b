//! The hot path: messages in from a publisher's batch, and out to consumers that can take them.
//!
//! A message that meets an empty queue and a willing consumer goes from the publisher's read buffer straight into
//! that consumer's outbox; it is kept only if it must be acknowledged. All others wait in line.

use std::sync::Arc;

use super::consumers::{Served, Subscription};
use super::paging::forget;
use super::{Queue, State};
use crate::clock::now_ms;
use crate::flow::backlog;
use crate::link::{Consumer, Delivery, Effects, Outbox, QueueType, Refusal};
use crate::message::{Entry, Incoming, Parts, Stored};
use crate::trace::{Channel, Trace};

/// What all messages of one batch share.
pub(crate) struct Batch<'a, 'b> {
    pub(crate) messages: &'a [Incoming<'b>],
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
    pub(crate) tracing: bool,
}

impl Queue {
    /// Takes the messages `picks` of a batch.
    pub(crate) fn publish(self: &Arc<Self>, batch: &Batch<'_, '_>, picks: &[u32], effects: &mut Effects) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut messages = picks.iter().filter_map(|at| batch.messages.get(*at as usize));
        if self.is_deleted() {
            messages.for_each(|m| self.refuse(m, effects));
            return;
        }
        let mut rest = None;
        if state.ready.is_empty() && !state.consumers.is_empty() {
            rest = messages.next();
            let State { consumers, unacked, next_seq, .. } = &mut *state;
            let give = |to: &Subscription, outbox: &mut Outbox| {
                let Some(message) = rest else { return false };
                let consumer = &to.consumer;
                effects.wake(to.link.waker());
                let tag = outbox.deliver(consumer, &Delivery { parts: message.parts(), redelivered: false });
                if batch.tracing {
                    effects.traces.push(self.trace(to, &message.parts(), false));
                }
                if consumer.no_ack {
                    self.refuse(message, effects);
                } else {
                    let mut entry = self.entry(message, batch.now, next_seq);
                    unacked.add(&entry);
                    forget(&mut entry, unacked);
                    outbox.track(tag, self.as_any_type(), consumer, entry);
                }
                rest = messages.next();
                true
            };
            let served = consumers.serve(give, self.starve());
            state.last_delivery = batch.now;
            if served == (Served::Stopped { for_room: true }) {
                effects.backlog = Some(Arc::clone(self) as Arc<_>);
            }
        } else if !state.consumers.is_empty() && !state.ready.is_empty() {
            // Consumers are served in order: the line first.
            self.pump_locked(state, batch.now, effects);
        }
        let mut pushed = false;
        for message in rest.into_iter().chain(messages) {
            let mut entry = self.entry(message, batch.now, &mut state.next_seq);
            self.page_out(&mut entry, &state.ready);
            state.ready.push_back(entry);
            pushed = true;
        }
        if pushed {
            self.after_push(state, batch, effects);
        }
        state.report_memory(&self.ground);
    }

    fn after_push(self: &Arc<Self>, state: &mut State, batch: &Batch<'_, '_>, effects: &mut Effects) {
        if !state.consumers.is_empty() {
            self.pump_locked(state, batch.now, effects);
            let messages = state.ready.tally().messages;
            if backlog::is_worth_waiting_for(messages, state.last_delivery, batch.now) {
                effects.backlog = Some(Arc::clone(self) as Arc<_>);
            }
        }
        self.arm_timer_for_head(state, effects);
    }

    /// The entry that stands for a message from now on.
    fn entry(&self, message: &Incoming<'_>, now: u64, next_seq: &mut u64) -> Entry {
        let seq = *next_seq;
        *next_seq += 1;
        let ttl = match (message.ttl_ms, self.arguments.message_ttl_ms) {
            (Some(own), Some(queue)) => Some(own.min(queue)),
            (own, queue) => own.or(queue),
        };
        let stored = message.stored.get().filter(|_| self.durable);
        Entry {
            seq,
            stored: stored.unwrap_or_default(),
            priority: message.priority,
            expires_at: ttl.map_or(u64::MAX, |ttl| now.saturating_add(ttl)),
            body_len: message.parts().body.len() as u32,
            message: Some(message.keep()),
        }
    }

    /// This queue, for whoever need not know its type.
    #[inline]
    pub(super) fn as_any_type(self: &Arc<Self>) -> Arc<dyn QueueType> {
        Arc::clone(self) as Arc<dyn QueueType>
    }

    fn trace(&self, to: &Subscription, parts: &Parts<'_>, redelivered: bool) -> Trace {
        let channel = Channel {
            vhost: &self.ground.vhost,
            connection: to.link.name(),
            number: to.consumer.channel,
            user: &to.consumer.user,
        };
        Trace::delivery(&self.name, &channel, parts, redelivered)
    }

    /// This queue is done with a message it never held.
    fn refuse(&self, message: &Incoming<'_>, effects: &mut Effects) {
        if let Some(stored) = message.stored.get().filter(|_| self.durable) {
            effects.settled.push((self.id, stored));
        }
    }

    /// What consumers that refuse leave behind: they are asked again when they have what they lack.
    fn starve(self: &Arc<Self>) -> impl FnMut(&mut Outbox, &Consumer, Refusal) {
        |outbox, consumer, refusal| outbox.starve(self.as_any_type(), consumer, refusal)
    }

    /// Serves consumers from the line, for as long as both last.
    pub(crate) fn serve(self: &Arc<Self>, effects: &mut Effects) {
        self.serve_locked(&mut self.lock(), effects);
    }

    pub(super) fn serve_locked(self: &Arc<Self>, state: &mut State, effects: &mut Effects) {
        if !self.is_deleted() {
            self.pump_locked(state, now_ms(), effects);
        }
    }

    pub(super) fn pump_locked(self: &Arc<Self>, state: &mut State, now: u64, effects: &mut Effects) {
        if state.ready.is_empty() || state.consumers.is_empty() {
            return;
        }
        self.drop_expired(state, now, effects);
        let tracing = self.ground.is_tracing();
        let State { ready, consumers, unacked, last_delivery, .. } = &mut *state;
        let give = |to: &Subscription, outbox: &mut Outbox| {
            let consumer = &to.consumer;
            let Some(mut entry) = pop_live(self.id, ready, now, effects) else { return false };
            let Some(message) = &entry.message else { return false };
            effects.wake(to.link.waker());
            let redelivered = entry.stored.has(Stored::REDELIVERED);
            let tag = outbox.deliver(consumer, &Delivery { parts: message.parts(), redelivered });
            if tracing {
                effects.traces.push(self.trace(to, &message.parts(), redelivered));
            }
            if consumer.no_ack {
                effects.settle(self.id, &entry);
            } else {
                unacked.add(&entry);
                forget(&mut entry, unacked);
                outbox.track(tag, self.as_any_type(), consumer, entry);
            }
            *last_delivery = now;
            true
        };
        let served = consumers.serve(give, self.starve());
        if served == Served::All && state.ready.front().is_some_and(|e| e.message.is_none()) {
            self.want_loading(state, now, effects);
        }
        self.arm_timer_for_head(state, effects);
        if backlog::is_worked_off(state.ready.tally().messages) {
            self.held_back.relieve();
        }
        state.report_memory(&self.ground);
    }
}

/// The head of the line if it is in memory; what has expired is dropped on the way.
fn pop_live(queue: u64, ready: &mut super::ready::Ready, now: u64, effects: &mut Effects) -> Option<Entry> {
    loop {
        let head = ready.front()?;
        if head.expires_at > now {
            head.message.as_ref()?;
            return ready.pop_front();
        }
        effects.settle(queue, &ready.pop_front()?);
    }
}
