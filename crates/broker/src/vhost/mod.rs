//! A virtual host: a name space of exchanges and queues with one log of its own.
//!
//! | room | what |
//! |---|---|
//! | [`topology`] | the maps of names and who is bound to whom |
//! | [`declare`] | declaring, binding, deleting, with the log kept in step |
//! | [`route`] | from exchange and key to queues |
//! | [`recovery`] | the vhost made again from its log at a start |

pub(crate) mod declare;
pub(crate) mod recovery;
pub(crate) mod route;
pub(crate) mod topology;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use amqp::table::FieldTable;
use parking_lot::RwLock;

use self::topology::Topology;
use crate::error::{Failure, Outcome};
use crate::exchange::{self, Exchange, ExchangeKind};
use crate::memory::Memory;
use crate::queue::Queue;
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

/// See the module's documentation.
pub(crate) struct Vhost {
    pub(crate) name: Arc<str>,
    /// Name of the node, for traces.
    pub(crate) node: Arc<str>,
    pub(crate) store: Store,
    pub(crate) timers: Arc<Timers>,
    pub(crate) memory: Arc<Memory>,
    /// Where work that waits for the disk is started.
    pub(crate) runtime: tokio::runtime::Handle,
    topology: RwLock<Topology>,
    /// Hidden queues of `amq.rabbitmq.reply-to` consumers, by address.
    replies: RwLock<HashMap<Arc<str>, Arc<Queue>>>,
    tracing: AtomicBool,
    next_transient: AtomicU64,
}

impl Vhost {
    /// Every message in and out is copied to `amq.rabbitmq.trace`.
    pub(crate) fn is_tracing(&self) -> bool {
        self.tracing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_tracing(&self, on: bool) {
        self.tracing.store(on, Ordering::Relaxed);
    }

    /// Gives disk space back that nothing lives in. Blocks on the disk.
    pub(crate) fn reclaim(&self) {
        if let Err(error) = self.store.reclaim() {
            tracing::debug!(vhost = %self.name, %error, "disk space could not be given back; tried again soon");
        }
        self.store.trim_pages();
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
