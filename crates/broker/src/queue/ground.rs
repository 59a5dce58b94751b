//! What a queue stands on: the store its messages lie in, the node's account of memory, and the names of its vhost
//! and node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::memory::Memory;
use crate::store::Store;

/// See the module's documentation.
pub(crate) struct Ground {
    pub(crate) vhost: Arc<str>,
    /// Name of the node, for traces.
    pub(crate) node: Arc<str>,
    pub(crate) store: Store,
    pub(crate) memory: Arc<Memory>,
    tracing: AtomicBool,
}

impl Ground {
    pub(crate) fn new(vhost: Arc<str>, node: Arc<str>, store: Store, memory: Arc<Memory>) -> Self {
        Ground { vhost, node, store, memory, tracing: AtomicBool::new(false) }
    }

    /// Every message in and out is copied to `amq.rabbitmq.trace`.
    pub(crate) fn is_tracing(&self) -> bool {
        self.tracing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_tracing(&self, on: bool) {
        self.tracing.store(on, Ordering::Relaxed);
    }
}
