//! A classic queue: messages in order, consumers in turn.
//!
//! | room | what |
//! |---|---|
//! | [`ready`] | the messages that wait, their order and their count |
//! | [`consumers`] | who is served next |
//! | [`delivery`] | the hot path: a batch of publishes in, deliveries out |
//! | [`settlement`] | acknowledgements, requeues, purges |
//! | [`paging`] | what lies on disk only, and reading it back in time |
//! | [`deletion`] | its end, judged and done in one step |
//! | [`ground`] | what it stands on: store, memory, names |
//! | [`queue_type`] | the queue as connections and publishers know it |
//! | [`arguments`] | `x-` arguments: what is accepted, what two declarations have to share |
//!
//! A queue has one lock. It is taken once for a batch of messages; under it consumers' outboxes are locked one
//! at a time, and nothing is awaited. What must not happen under the lock is left as plain data in [`Effects`], and
//! carried out by the vhost when it is free. A queue knows no vhost: it stands on its [`Ground`].

pub(crate) mod arguments;
pub(crate) mod consumers;
pub(crate) mod deletion;
pub(crate) mod delivery;
pub(crate) mod ground;
pub(crate) mod paging;
mod queue_type;
pub(crate) mod ready;
pub(crate) mod settlement;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use amqp::table::FieldTable;
use parking_lot::{Mutex, MutexGuard};

pub(crate) use self::arguments::Arguments;
use self::consumers::Consumers;
pub(crate) use self::ground::Ground;
use self::ready::{Ready, Tally};
use crate::clock::now_ms;
use crate::flow::HeldBack;
use crate::link::{Effects, QueueType};
use crate::message::{Entry, Stored};

/// What a queue is from its declaration to its end.
pub(crate) struct Queue {
    pub(crate) name: Arc<str>,
    /// Position of the declaration in the vhost's log, or a number that no position takes for a transient queue.
    pub(crate) id: u64,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    /// The connection that alone may use it.
    pub(crate) owner: Option<Owner>,
    pub(crate) table: FieldTable,
    pub(crate) arguments: Arguments,
    pub(crate) ground: Arc<Ground>,
    /// Size of the declaration's record in the log, 0 where there is none.
    pub(crate) record_size: u32,
    state: Mutex<State>,
    deleted: AtomicBool,
    /// Publishers that wait for this queue's consumers to catch up.
    held_back: HeldBack,
    pub(crate) counters: Counters,
}

/// The connection an exclusive queue belongs to.
pub(crate) struct Owner {
    pub(crate) link: u64,
    pub(crate) pid: String,
}

/// Totals of a queue since it was declared.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) disk_reads: AtomicU64,
    pub(crate) disk_writes: AtomicU64,
}

pub(crate) struct State {
    pub(crate) ready: Ready,
    pub(crate) unacked: Tally,
    pub(crate) consumers: Consumers,
    next_seq: u64,
    /// Consumers were there once: an auto-delete queue goes with the last of them.
    pub(crate) was_consumed: bool,
    /// When the expiry timer next looks here; `u64::MAX` when it does not.
    timer_at: u64,
    /// When the queue was last used, for `x-expires`.
    last_used: u64,
    /// A read of messages that lie on disk is on its way.
    loading: bool,
    /// Not before this: the last read failed.
    load_at: u64,
    /// When a consumer was last given something, in milliseconds since the epoch.
    last_delivery: u64,
    /// Bytes the node was last told that this queue holds in memory.
    reported: i64,
}

/// How a queue is declared.
pub(crate) struct Declaration {
    pub(crate) name: Arc<str>,
    pub(crate) id: u64,
    pub(crate) record_size: u32,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) owner: Option<Owner>,
    pub(crate) table: FieldTable,
    pub(crate) arguments: Arguments,
}

impl Queue {
    pub(crate) fn new(declaration: Declaration, ground: Arc<Ground>) -> Arc<Self> {
        let Declaration { name, id, record_size, durable, auto_delete, owner, table, arguments } =
            declaration;
        let state = State {
            ready: Ready::new(arguments.max_priority),
            unacked: Tally::default(),
            consumers: Consumers::default(),
            next_seq: 1,
            was_consumed: false,
            timer_at: u64::MAX,
            last_used: now_ms(),
            loading: false,
            load_at: 0,
            last_delivery: 0,
            reported: 0,
        };
        Arc::new(Queue {
            name,
            id,
            durable,
            auto_delete,
            owner,
            table,
            arguments,
            ground,
            record_size,
            state: Mutex::new(state),
            deleted: AtomicBool::new(false),
            held_back: HeldBack::default(),
            counters: Counters::default(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A deleted queue takes nothing any more; whoever still holds it lets go.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Up to where the log has to be on disk for the declaration to outlive a crash; 0 where it is not in the log.
    pub(crate) fn logged_up_to(&self) -> u64 {
        if self.record_size == 0 { 0 } else { self.id + u64::from(self.record_size) }
    }

    /// Whether the connection may use this queue (RabbitMQ's 405 when not).
    pub(crate) fn is_locked_for(&self, link: u64) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.link != link)
    }

    /// Messages ready and consumers, as `queue.declare-ok` states them.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let state = self.lock();
        let messages = u32::try_from(state.ready.tally().messages).unwrap_or(u32::MAX);
        (messages, u32::try_from(state.consumers.len()).unwrap_or(u32::MAX))
    }

    /// The messages in the log that wait here and were delivered before; `None` while deliveries are out.
    pub(crate) fn delivered_before(&self) -> Option<Vec<u64>> {
        let state = self.lock();
        let delivered = |entry: &&Entry| entry.stored.is_in_log() && entry.stored.has(Stored::REDELIVERED);
        let ids = state.ready.iter().filter(delivered).map(|entry| entry.stored.id).collect();
        (state.unacked.messages == 0).then_some(ids)
    }

    /// Arms the timer for what a restart brought back.
    pub(crate) fn rearm(self: &Arc<Self>, effects: &mut Effects) {
        let mut state = self.lock();
        self.arm_timer(&mut state, effects);
    }

    /// Notes a use that starts `x-expires` anew, and arms the timer for it.
    pub(crate) fn touch(self: &Arc<Self>, effects: &mut Effects) {
        if self.arguments.expires_ms.is_some() {
            let mut state = self.lock();
            state.last_used = now_ms();
            self.arm_timer(&mut state, effects);
        }
    }

    /// Sees to it that the timer comes when the head expires or the queue has been unused for too long.
    pub(crate) fn arm_timer(self: &Arc<Self>, state: &mut State, effects: &mut Effects) {
        let unused = self.arguments.expires_ms.filter(|_| state.consumers.is_empty());
        let unused = unused.map(|ms| state.last_used.saturating_add(ms));
        let Some(at) = [unused, state.ready.next_expiry()].into_iter().flatten().min() else { return };
        if at < state.timer_at {
            state.timer_at = at;
            effects.arm.push((at, Arc::downgrade(self) as Weak<dyn QueueType>));
        }
    }

    /// Has the timer come for a head that expires: another one than before, where that was taken.
    #[inline]
    fn arm_timer_for_head(self: &Arc<Self>, state: &mut State, effects: &mut Effects) {
        if state.ready.next_expiry().is_some_and(|at| at < state.timer_at) {
            self.arm_timer(state, effects);
        }
    }

    /// The timer came: drops what has expired, and tries again what could not be read. Returns whether the queue
    /// itself has expired.
    pub(crate) fn expire(self: &Arc<Self>, now: u64, effects: &mut Effects) -> bool {
        let mut state = self.lock();
        state.timer_at = u64::MAX;
        self.drop_expired(&mut state, now, effects);
        if state.load_at != 0 && state.load_at <= now && !self.is_deleted() {
            state.load_at = 0;
            self.pump_locked(&mut state, now, effects);
        }
        let unused_for = now.saturating_sub(state.last_used);
        if state.consumers.is_empty() && self.arguments.expires_ms.is_some_and(|ms| unused_for >= ms) {
            return true;
        }
        self.arm_timer(&mut state, effects);
        false
    }

    fn drop_expired(self: &Arc<Self>, state: &mut State, now: u64, effects: &mut Effects) {
        while let Some(entry) = state.ready.pop_expired(now) {
            effects.settle(self.id, &entry);
        }
    }
}

impl State {
    /// Settles the node's account of memory with this queue's.
    fn report_memory(&mut self, ground: &Ground) {
        let held = i64::try_from(self.ready.memory()).unwrap_or(i64::MAX);
        ground.memory.changed(held - self.reported);
        self.reported = held;
    }

    /// Messages a restart brought back.
    fn refill(&mut self, entries: Vec<Entry>, latest_expiry: u64) {
        for mut entry in entries {
            entry.expires_at = entry.expires_at.min(latest_expiry);
            entry.seq = self.next_seq;
            self.next_seq += 1;
            self.ready.push_back(entry);
        }
    }
}

impl Queue {
    /// Takes the messages a restart brought back, in their order.
    pub(crate) fn refill(&self, entries: Vec<Entry>) {
        // A message that several queues got does not say what their limits were: its time begins anew.
        let latest_expiry =
            self.arguments.message_ttl_ms.map_or(u64::MAX, |ttl| now_ms().saturating_add(ttl));
        self.lock().refill(entries, latest_expiry);
    }
}
