//! Exchanges: where messages arrive, and the bindings that say where they go.

pub(crate) mod routing;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use amqp::table::FieldTable;
use parking_lot::RwLock;

use self::routing::Bindings;
pub(crate) use self::routing::ExchangeKind;
use crate::queue::Queue;

/// One exchange of a vhost.
pub(crate) struct Exchange {
    pub(crate) name: Arc<str>,
    pub(crate) kind: ExchangeKind,
    /// Position of the declaration in the log; small fixed numbers for the predeclared ones, and numbers that no
    /// position takes for transient ones.
    pub(crate) id: u64,
    pub(crate) record_size: u32,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: FieldTable,
    pub(crate) bindings: RwLock<Bindings<Destination>>,
    /// Records of the durable bindings: identity and size.
    pub(crate) records: RwLock<HashMap<BindingKey, (u64, u32)>>,
    generation: AtomicU64,
    deleted: AtomicBool,
}

/// What makes a binding of an exchange the same as another: destination, key, arguments as on the wire.
pub(crate) type BindingKey = (u64, Vec<u8>, Vec<u8>);

/// Where a binding leads.
#[derive(Clone)]
pub(crate) enum Destination {
    Queue(Arc<Queue>),
    Exchange(Arc<Exchange>),
}

impl Destination {
    /// Identity: no queue and exchange share one.
    pub(crate) fn id(&self) -> u64 {
        match self {
            Destination::Queue(queue) => queue.id,
            Destination::Exchange(exchange) => exchange.id,
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Destination::Queue(queue) => &queue.name,
            Destination::Exchange(exchange) => &exchange.name,
        }
    }

    pub(crate) fn is_durable(&self) -> bool {
        match self {
            Destination::Queue(queue) => queue.durable,
            Destination::Exchange(exchange) => exchange.durable,
        }
    }

    pub(crate) fn is_queue(&self) -> bool {
        matches!(self, Destination::Queue(_))
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Destination {}

impl Hash for Destination {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

/// How an exchange is declared.
pub(crate) struct Declaration {
    pub(crate) name: Arc<str>,
    pub(crate) kind: ExchangeKind,
    pub(crate) id: u64,
    pub(crate) record_size: u32,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: FieldTable,
}

impl Exchange {
    pub(crate) fn new(declaration: Declaration) -> Arc<Self> {
        let Declaration { name, kind, id, record_size, durable, auto_delete, internal, arguments } =
            declaration;
        Arc::new(Exchange {
            name,
            kind,
            id,
            record_size,
            durable,
            auto_delete,
            internal,
            arguments,
            bindings: RwLock::new(Bindings::new(kind)),
            records: RwLock::default(),
            generation: AtomicU64::new(0),
            deleted: AtomicBool::new(false),
        })
    }

    /// The exchange with the empty name: every queue is bound to it by its own name.
    pub(crate) fn is_default(&self) -> bool {
        self.name.is_empty()
    }

    /// Up to where the log has to be on disk for the declaration to outlive a crash; 0 where it is not in the log.
    pub(crate) fn logged_up_to(&self) -> u64 {
        if self.record_size == 0 { 0 } else { self.id + u64::from(self.record_size) }
    }

    /// Grows whenever a message published here may have to go elsewhere than before.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn has_changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    pub(crate) fn bury(&self) {
        self.deleted.store(true, Ordering::Release);
        self.has_changed();
    }
}
