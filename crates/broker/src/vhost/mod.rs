//! A virtual host: a name space of exchanges and queues with one log of its own.
//!
//! | room | what |
//! |---|---|
//! | [`topology`] | the maps of names and who is bound to whom |
//! | [`declare`] | declaring, binding, deleting, with the log kept in step |
//! | [`replies`] | direct reply-to |
//! | [`route`] | from exchange and key to queues |
//! | [`store_message`] | a message on its way into the log |
//! | [`effects`] | what queues want done, carried out |
//! | [`firehose`] | traces published |
//! | [`recovery`] | the vhost made again from its log at a start |

pub(crate) mod declare;
mod effects;
mod firehose;
pub(crate) mod recovery;
pub(crate) mod replies;
pub(crate) mod route;
mod store_message;
pub(crate) mod topology;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amqp::table::FieldTable;
use parking_lot::RwLock;

use self::topology::Topology;
use crate::error::{Failure, Outcome};
use crate::exchange::{self, Exchange, ExchangeKind};
use crate::memory::Memory;
use crate::queue::{Ground, Queue};
use crate::store::Store;
use crate::timers::Timers;

/// Identities of transient queues and exchanges start here: no log gets that long.
const TRANSIENT_IDS: u64 = 1 << 62;

/// The exchanges every vhost has, with their fixed identities. RabbitMQ declares the same.
const PREDECLARED: [(&str, ExchangeKind, bool); 7] = [
    ("", ExchangeKind::Direct, false),
    ("amq.direct", ExchangeKind::Direct, false),
    ("amq.fanout", ExchangeKind::Fanout, false),
    ("amq.headers", ExchangeKind::Headers, false),
    ("amq.match", ExchangeKind::Headers, false),
    ("amq.rabbitmq.trace", ExchangeKind::Topic, true),
    ("amq.topic", ExchangeKind::Topic, false),
];

/// Starts a job on a thread that may wait for the disk.
pub(crate) type Spawn = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// See the module's documentation.
pub(crate) struct Vhost {
    pub(crate) name: Arc<str>,
    /// What its queues stand on.
    pub(crate) ground: Arc<Ground>,
    timers: Arc<Timers>,
    spawn: Spawn,
    topology: RwLock<Topology>,
    /// Hidden queues of `amq.rabbitmq.reply-to` consumers, by address.
    replies: RwLock<HashMap<Arc<str>, Arc<Queue>>>,
    next_transient: AtomicU64,
}

impl Vhost {
    /// Every message in and out is copied to `amq.rabbitmq.trace`.
    pub(crate) fn is_tracing(&self) -> bool {
        self.ground.is_tracing()
    }

    pub(crate) fn set_tracing(&self, on: bool) {
        self.ground.set_tracing(on);
    }

    pub(crate) fn store(&self) -> &Store {
        &self.ground.store
    }

    /// The node's account of memory.
    pub(crate) fn memory(&self) -> &Memory {
        &self.ground.memory
    }

    /// Gives disk space back that nothing lives in. Blocks on the disk.
    pub(crate) fn reclaim(&self) {
        if let Err(error) = self.store().reclaim() {
            tracing::debug!(vhost = %self.name, %error, "disk space could not be given back; tried again soon");
        }
    }

    /// Ends in good order: everything is on disk then, and which messages were delivered before. Blocks.
    pub(crate) fn close(&self) -> Result<(), journal::Error> {
        let mut queues = self.queues();
        queues.retain(|queue| queue.durable);
        queues.sort_unstable_by_key(|queue| queue.id);
        let delivered: Option<Vec<_>> =
            queues.iter().map(|queue| Some((queue.id, queue.delivered_before()?))).collect();
        // Where deliveries are still out, a connection has not ended: a restart may not take them for news.
        if let Some(delivered) = delivered
            && let Err(error) = self.store().note_stop(&delivered)
        {
            tracing::warn!(vhost = %self.name, %error, "every message counts as redelivered at the next start");
        }
        self.store().close()
    }

    fn transient_id(&self) -> u64 {
        self.next_transient.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn find_exchange(&self, name: &str) -> Option<Arc<Exchange>> {
        self.topology.read().exchanges.get(name).cloned()
    }

    pub(crate) fn find_queue(&self, name: &str) -> Option<Arc<Queue>> {
        self.topology.read().queues.get(name).cloned()
    }

    /// The exchange, or RabbitMQ's 404.
    pub(crate) fn exchange(&self, name: &str) -> Outcome<Arc<Exchange>> {
        self.find_exchange(name).ok_or_else(|| Failure::no_exchange(name, &self.name))
    }

    /// The queue, or RabbitMQ's 404.
    pub(crate) fn queue(&self, name: &str) -> Outcome<Arc<Queue>> {
        self.find_queue(name).ok_or_else(|| Failure::no_queue(name, &self.name))
    }

    pub(crate) fn exchanges(&self) -> Vec<Arc<Exchange>> {
        self.topology.read().exchanges.values().cloned().collect()
    }

    pub(crate) fn queues(&self) -> Vec<Arc<Queue>> {
        self.topology.read().queues.values().cloned().collect()
    }

    pub(crate) fn queue_count(&self) -> usize {
        self.topology.read().queues.len()
    }

    /// The exclusive queues of a connection.
    pub(crate) fn owned_by(&self, link: u64) -> Vec<Arc<Queue>> {
        self.topology.read().owned_by(link)
    }
}

impl Drop for Vhost {
    /// Queues hold on to connections, and these to what they did not acknowledge: let go, so that the log is closed
    /// even if a connection did not end in order.
    fn drop(&mut self) {
        for queue in self.queues() {
            queue.lock().consumers.take_all();
        }
    }
}

/// The exchanges of a new vhost.
fn predeclared() -> impl Iterator<Item = Arc<Exchange>> {
    PREDECLARED.iter().zip(1..).map(|((name, kind, internal), id)| {
        Exchange::new(exchange::Declaration {
            name: Arc::from(*name),
            kind: *kind,
            id,
            record_size: 0,
            durable: true,
            auto_delete: false,
            internal: *internal,
            arguments: FieldTable::default(),
        })
    })
}
