//! The hot path: messages in from a publisher's batch, and out to consumers that can take them.
//!
//! A message that meets an empty queue and a willing consumer goes from the publisher's read buffer straight into
//! that consumer's outbox; it is kept only if it must be acknowledged. All others wait in line.

use std::sync::Arc;

use super::consumers::Served;
use super::{Aftermath, Entry, Queue, State};
use crate::clock::now_ms;
use crate::link::{Consumer, Delivery, Outbox};
use crate::message::{Incoming, Stored};
use crate::trace::Trace;
use crate::vhost::Vhost;

/// A backlog at which publishers wait a little, as long as consumers are at work on it.
pub(super) const BUSY_BACKLOG: u64 = 10_000;
/// Consumers that got nothing for this long are not at work.
const IDLE_MS: u64 = 100;

/// What all messages of one batch share.
pub(crate) struct Batch<'a, 'b> {
    pub(crate) vhost: &'a Arc<Vhost>,
    pub(crate) messages: &'a [Incoming<'b>],
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
    pub(crate) tracing: bool,
}

impl Queue {
    /// Takes the messages `picks` of a batch.
    pub(crate) fn publish(self: &Arc<Self>, batch: &Batch<'_, '_>, picks: &[u32], aftermath: &mut Aftermath) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut messages = picks.iter().filter_map(|at| batch.messages.get(*at as usize));
        if self.is_deleted() {
            messages.for_each(|m| self.refuse(m, aftermath));
            return;
        }
        let mut rest = None;
        if state.ready.is_empty() && !state.consumers.is_empty() {
            rest = messages.next();
            let State { consumers, unacked, next_seq, .. } = &mut *state;
            let give = |consumer: &Arc<Consumer>, outbox: &mut Outbox| {
                let Some(message) = rest else { return false };
                aftermath.wake(&consumer.link);
                let tag = outbox.deliver(consumer, &Delivery { parts: message.parts(), redelivered: false });
                if batch.tracing {
                    aftermath.traces.push(Trace::delivery(self, consumer, &message.parts(), false));
                }
                if consumer.no_ack {
                    self.refuse(message, aftermath);
                } else {
                    let entry = self.entry(message, batch.now, next_seq);
                    unacked.add(&entry);
                    outbox.track(tag, self, consumer, entry);
                }
                rest = messages.next();
                true
            };
            let served = consumers.serve(give, |outbox| outbox.starve(self));
            state.last_delivery = batch.now;
            if served == (Served::Stopped { for_room: true }) {
                aftermath.pressure = Some(Arc::clone(self));
            }
        } else if !state.consumers.is_empty() && !state.ready.is_empty() {
            // Consumers are served in order: the line first.
            self.pump_locked(state, batch.vhost, batch.now, aftermath);
        }
        let mut pushed = false;
        for message in rest.into_iter().chain(messages) {
            let mut entry = self.entry(message, batch.now, &mut state.next_seq);
            self.page_out(&mut entry, &state.ready, batch.vhost);
            state.ready.push_back(entry);
            pushed = true;
        }
        if pushed {
            self.after_push(state, batch, aftermath);
        }
        state.report_memory(batch.vhost);
    }

    fn after_push(self: &Arc<Self>, state: &mut State, batch: &Batch<'_, '_>, aftermath: &mut Aftermath) {
        if !state.consumers.is_empty() {
            self.pump_locked(state, batch.vhost, batch.now, aftermath);
            let at_work = batch.now.saturating_sub(state.last_delivery) < IDLE_MS;
            if at_work && state.ready.tally().messages > BUSY_BACKLOG {
                aftermath.pressure = Some(Arc::clone(self));
            }
        }
        if state.ready.next_expiry().is_some_and(|at| at < state.timer_at) {
            self.arm_timer(state);
        }
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

    /// This queue is done with a message it never held.
    fn refuse(&self, message: &Incoming<'_>, aftermath: &mut Aftermath) {
        if let Some(stored) = message.stored.get().filter(|_| self.durable) {
            aftermath.settled.push((self.id, stored));
        }
    }

    /// Serves consumers from the line, for as long as both last.
    pub(crate) fn pump(self: &Arc<Self>, vhost: &Arc<Vhost>, aftermath: &mut Aftermath) {
        let mut state = self.lock();
        if !self.is_deleted() {
            self.pump_locked(&mut state, vhost, now_ms(), aftermath);
        }
    }

    pub(super) fn pump_locked(
        self: &Arc<Self>,
        state: &mut State,
        vhost: &Arc<Vhost>,
        now: u64,
        aftermath: &mut Aftermath,
    ) {
        if state.ready.is_empty() || state.consumers.is_empty() {
            return;
        }
        self.drop_expired(state, now, aftermath);
        let tracing = vhost.is_tracing();
        let State { ready, consumers, unacked, last_delivery, .. } = &mut *state;
        let give = |consumer: &Arc<Consumer>, outbox: &mut Outbox| {
            let Some(entry) = pop_live(self, ready, now, aftermath) else { return false };
            let Some(message) = &entry.message else { return false };
            aftermath.wake(&consumer.link);
            let redelivered = entry.stored.has(Stored::REDELIVERED);
            let tag = outbox.deliver(consumer, &Delivery { parts: message.parts(), redelivered });
            if tracing {
                aftermath.traces.push(Trace::delivery(self, consumer, &message.parts(), redelivered));
            }
            if consumer.no_ack {
                aftermath.settle(self, &entry);
            } else {
                unacked.add(&entry);
                outbox.track(tag, self, consumer, entry);
            }
            *last_delivery = now;
            true
        };
        let served = consumers.serve(give, |outbox| outbox.starve(self));
        if served == Served::All && state.ready.front().is_some_and(|e| e.message.is_none()) {
            self.want_loading(state, now, aftermath);
        }
        if state.ready.tally().messages <= BUSY_BACKLOG / 2 {
            self.relieve();
        }
        state.report_memory(vhost);
    }
}

/// The head of the line if it is in memory; what has expired is dropped on the way.
fn pop_live(
    queue: &Queue,
    ready: &mut super::ready::Ready,
    now: u64,
    aftermath: &mut Aftermath,
) -> Option<Entry> {
    loop {
        let head = ready.front()?;
        if head.expires_at > now {
            head.message.as_ref()?;
            return ready.pop_front();
        }
        aftermath.settle(queue, &ready.pop_front()?);
    }
}
