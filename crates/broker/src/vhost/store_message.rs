//! A published message on its way into the log.

use std::sync::Arc;

use journal::Position;
use smallvec::SmallVec;

use super::Vhost;
use crate::message::Incoming;
use crate::queue::Queue;

impl Vhost {
    /// Writes the message to the log if one of its queues must keep it; returns the position that must be on disk.
    pub(crate) fn put(
        &self,
        message: &Incoming<'_>,
        queues: &[Arc<Queue>],
        now: u64,
    ) -> Result<Position, journal::Error> {
        if !message.persistent {
            return Ok(0);
        }
        let mut holders = SmallVec::<[u64; 8]>::new();
        let mut of_queue = None;
        for queue in queues.iter().filter(|queue| queue.durable) {
            holders.push(queue.id);
            of_queue = queue.arguments.message_ttl_ms;
        }
        if holders.is_empty() {
            return Ok(0);
        }
        // One queue's limit on its messages' lives is noted with the message; several cannot be.
        let of_queue = of_queue.filter(|_| holders.len() == 1);
        let ttl = [message.ttl_ms, of_queue].into_iter().flatten().min();
        let expires_at = ttl.map_or(u64::MAX, |ttl| now.saturating_add(ttl));
        self.store().put(message, &holders, expires_at)
    }
}
