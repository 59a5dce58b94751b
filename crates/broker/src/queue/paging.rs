//! Messages that lie on disk only.
//!
//! A persistent message is in the vhost's log anyway, so a queue with a backlog simply does not keep it in memory.
//! A transient one goes to the vhost's page file, but only above the node's budget for messages. Either is read
//! back, many at a time and off the queue's lock, when its turn comes near.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::ready::{Ready, Tally};
use super::{Queue, State};
use crate::link::Effects;
use crate::message::{Entry, Message, Stored};
use crate::store::Unread;

/// Bytes of persistent messages a queue with a backlog keeps in memory.
const MEMORY_PER_QUEUE: u64 = 4 << 20;
/// Bytes of persistent messages that are delivered and not acknowledged which it keeps besides. A consumer without a
/// prefetch limit takes a whole backlog.
const MEMORY_PER_QUEUE_UNACKED: u64 = 4 << 20;
/// Bytes and messages read back at a time.
const LOAD_BYTES: u64 = 2 << 20;
const LOAD_MESSAGES: usize = 4096;
/// What the system did not let us read is tried again after this.
const LOAD_AGAIN_MS: u64 = 1000;

/// Drops a message that was delivered from memory, where it can be read back should the client not want it.
pub(super) fn forget(entry: &mut Entry, unacked: &Tally) {
    if unacked.persistent_bytes > MEMORY_PER_QUEUE_UNACKED && entry.stored.is_in_log() {
        entry.message = None;
    }
}

impl Queue {
    /// Drops the message from memory if it is better off on disk.
    pub(super) fn page_out(&self, entry: &mut Entry, ready: &Ready) {
        if entry.stored.is_in_log() {
            if ready.memory() >= MEMORY_PER_QUEUE || self.ground.memory.is_over_budget() {
                entry.message = None;
            }
        } else if entry.stored.has(Stored::PAGED) {
            // It was there before, and was read back.
            if self.ground.memory.is_over_budget() {
                entry.message = None;
            }
        } else if self.ground.memory.is_over_budget()
            && let Some(message) = &entry.message
            && let Some(place) = self.ground.store.page_out(message)
        {
            entry.stored = Stored { flags: entry.stored.flags | place.flags, ..place };
            entry.message = None;
            self.counters.disk_writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks for the head of the line to be read, unless that is on its way.
    pub(super) fn want_loading(self: &Arc<Self>, state: &mut State, now: u64, effects: &mut Effects) {
        if !state.loading && state.load_at <= now {
            state.loading = true;
            effects.load.push(self.as_any_type());
        }
    }

    /// Reads the next messages. Blocks on the disk.
    pub(super) fn load_next(self: &Arc<Self>, effects: &mut Effects) {
        let mut wanted: Vec<(u64, u8, Stored)> = Vec::new();
        let mut bytes = 0;
        for entry in self.lock().ready.iter().filter(|e| e.message.is_none()).take(LOAD_MESSAGES) {
            wanted.push((entry.seq, entry.priority, entry.stored));
            bytes += u64::from(entry.stored.size);
            if bytes >= LOAD_BYTES {
                break;
            }
        }
        let places: Vec<Stored> = wanted.iter().map(|(_, _, stored)| *stored).collect();
        let mut loaded: Vec<Result<Message, Unread>> = vec![Err(Unread::Failed); wanted.len()];
        self.ground.store.load(&places, &mut |at, message| {
            if let Some(place) = loaded.get_mut(at) {
                *place = message;
            }
        });
        self.counters.disk_reads.fetch_add(wanted.len() as u64, Ordering::Relaxed);
        let mut state = self.lock();
        state.loading = false;
        let now = crate::clock::now_ms();
        let mut failed = false;
        for ((seq, priority, _), message) in wanted.into_iter().zip(loaded) {
            match message {
                Ok(message) => state.ready.load(seq, priority, message),
                // Reported by the store, with file and offset. It can never be delivered.
                Err(Unread::Damaged) => {
                    if let Some(entry) = state.ready.remove(seq, priority) {
                        effects.settle(self.id, &entry);
                    }
                }
                Err(Unread::Settled) => {}
                Err(Unread::Failed) => failed = true,
            }
        }
        if failed {
            state.load_at = now + LOAD_AGAIN_MS;
            effects.arm.push((state.load_at, Arc::downgrade(&self.as_any_type())));
        }
        if !self.is_deleted() {
            self.pump_locked(&mut state, now, effects);
        }
    }

    /// The queue locked, with its head in memory if there is one that can be read: for `basic.get`. It is read without
    /// the lock; a head that is damaged is dropped, and the next one tried.
    pub(super) fn lock_head(self: &Arc<Self>, now: u64, effects: &mut Effects) -> MutexGuard<'_, State> {
        loop {
            let mut state = self.lock();
            self.drop_expired(&mut state, now, effects);
            let Some(head) = state.ready.front().filter(|head| head.message.is_none()) else { return state };
            let (seq, priority, place) = (head.seq, head.priority, head.stored);
            drop(state);
            let mut read = Err(Unread::Failed);
            self.ground.store.load(&[place], &mut |_, message| read = message);
            self.counters.disk_reads.fetch_add(1, Ordering::Relaxed);
            let mut state = self.lock();
            match read {
                Ok(message) => state.ready.load(seq, priority, message),
                Err(Unread::Damaged) => {
                    if let Some(entry) = state.ready.remove(seq, priority) {
                        effects.settle(self.id, &entry);
                    }
                }
                // Somebody else was given it: it is not there any more.
                Err(Unread::Settled) => drop(state.ready.remove(seq, priority)),
                Err(Unread::Failed) => return state,
            }
        }
    }
}
