//! A published message on its way into the log.

use std::sync::Arc;

use journal::Position;
use smallvec::SmallVec;

use super::Vhost;
use super::route::Queues;
use crate::message::{Incoming, Stored};
use crate::queue::Queue;
use crate::store::together::Placed;

impl Vhost {
    /// Writes the message to the log if one of its queues must keep it; returns the position that must be on disk.
    pub(crate) fn put(
        &self,
        message: &Incoming<'_>,
        queues: &[Arc<Queue>],
        now: u64,
    ) -> Result<Position, journal::Error> {
        match placed(message, queues, now) {
            Some((holders, expires_at)) => self.store().put(message, &holders, expires_at),
            None => Ok(0),
        }
    }

    /// Writes what a transaction does to the log, whole or not at all: its messages, as `put` does, and that queues are
    /// done with these. Returns the position that must be on disk; 0 where nothing has to be.
    pub(crate) fn put_together(
        &self,
        messages: &[(Incoming<'_>, Queues)],
        settled: &[(u64, Stored)],
        now: u64,
    ) -> Result<Position, journal::Error> {
        let placed = messages.iter().filter_map(|(message, queues)| {
            let (holders, expires_at) = placed(message, queues, now)?;
            Some(Placed { message, holders, expires_at })
        });
        self.store().put_together(&placed.collect::<Vec<_>>(), settled)
    }
}

/// The durable queues that the log names for a message, by identity, and when it expires; `None` for one that no queue
/// must keep.
fn placed(message: &Incoming<'_>, queues: &[Arc<Queue>], now: u64) -> Option<(SmallVec<[u64; 8]>, u64)> {
    if !message.persistent {
        return None;
    }
    let mut holders = SmallVec::<[u64; 8]>::new();
    let mut of_queue = None;
    for queue in queues.iter().filter(|queue| queue.durable) {
        holders.push(queue.id);
        of_queue = queue.arguments.message_ttl_ms;
    }
    if holders.is_empty() {
        return None;
    }
    // One queue's limit on its messages' lives is noted with the message; several cannot be.
    let of_queue = of_queue.filter(|_| holders.len() == 1);
    let ttl = [message.ttl_ms, of_queue].into_iter().flatten().min();
    let expires_at = ttl.map_or(u64::MAX, |ttl| now.saturating_add(ttl));
    Some((holders, expires_at))
}
