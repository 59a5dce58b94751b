//! One `basic.consume`, as the connection it belongs to knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use amqp::table::FieldTable;

/// See the module's documentation.
pub(crate) struct Consumer {
    pub(crate) channel: u16,
    pub(crate) tag: Box<str>,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
    pub(crate) priority: i64,
    /// Most deliveries in flight; 0 is no limit.
    pub(crate) prefetch: u16,
    pub(crate) in_flight: AtomicU32,
    pub(crate) arguments: FieldTable,
    pub(crate) user: Arc<str>,
}

impl Consumer {
    /// Whether its own prefetch limit lets another message through.
    #[inline]
    pub(crate) fn has_credit(&self) -> bool {
        self.no_ack || self.prefetch == 0 || self.in_flight.load(Ordering::Relaxed) < u32::from(self.prefetch)
    }
}

/// Why a consumer cannot be given a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has as much unacknowledged as it asked for.
    Credit,
    /// Its client does not read fast enough.
    Room,
    /// The connection or channel is ending.
    Gone,
}
