//! One `basic.consume`, as the connection it belongs to knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use amqp::table::FieldTable;

/// See the module's documentation.
pub(crate) struct Consumer {
    /// Number of the connection.
    pub(crate) link: u64,
    pub(crate) channel: u16,
    pub(crate) tag: Box<str>,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
    pub(crate) priority: i64,
    /// Most deliveries in flight; 0 is no limit.
    pub(crate) prefetch: u16,
    pub(crate) in_flight: AtomicU32,
    /// When its queue served it last, among others: its place there, which changes under the queue's lock.
    pub(crate) turn: AtomicU64,
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
    /// The consumers of its channel have as much as they may have together.
    SharedCredit,
    /// Its client does not read fast enough.
    Room,
    /// The connection or channel is ending.
    Gone,
}

/// What consumers of a queue can wait for together, of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Relief {
    /// Room in the connection's outbox.
    Room { link: u64 },
    /// A part of the limit that the consumers of a channel share.
    Credit { link: u64, channel: u16 },
}

impl Relief {
    #[inline]
    pub(crate) fn room_of(consumer: &Consumer) -> Self {
        Relief::Room { link: consumer.link }
    }

    #[inline]
    pub(crate) fn credit_of(consumer: &Consumer) -> Self {
        Relief::Credit { link: consumer.link, channel: consumer.channel }
    }

    /// All that this consumer may wait for together with others: what is not acknowledged has no limit.
    #[inline]
    pub(crate) fn all_of(consumer: &Consumer) -> [Option<Self>; 2] {
        [Some(Self::room_of(consumer)), (!consumer.no_ack).then(|| Self::credit_of(consumer))]
    }

    pub(crate) fn is_room(self) -> bool {
        matches!(self, Relief::Room { .. })
    }
}
