//! What the listings show of a connection and its channels: written by the connection's task, read by anyone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

use amqp::table::{FieldTable, RawTable};
use parking_lot::Mutex;

use crate::access::Identity;
use crate::link::Link;
use crate::vhost::Vhost;

/// A connection as others see it.
pub(crate) struct ConnectionCard {
    pub(crate) link: Arc<Link>,
    /// `<node.boot.number.0>`, RabbitMQ's way to name a connection.
    pub(crate) pid: String,
    /// `client address -> server address`.
    pub(crate) name: String,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// Milliseconds since the epoch.
    pub(crate) connected_at: u64,
    pub(crate) identity: OnceLock<Arc<Identity>>,
    pub(crate) vhost: OnceLock<Arc<Vhost>>,
    pub(crate) greeting: OnceLock<Greeting>,
    pub(crate) frame_max: AtomicU32,
    pub(crate) channel_max: AtomicU16,
    pub(crate) heartbeat: AtomicU16,
    /// [`State`] as a number.
    pub(crate) state: AtomicU8,
    pub(crate) channels: Mutex<BTreeMap<u16, Arc<ChannelCard>>>,
}

/// What the client said of itself.
pub(crate) struct Greeting {
    /// A table as it came: taken apart it is many times larger.
    properties: Box<[u8]>,
    pub(crate) mechanism: String,
}

impl Greeting {
    pub(crate) fn new(properties: RawTable<'_>, mechanism: String) -> Greeting {
        Greeting { properties: properties.as_bytes().into(), mechanism }
    }

    pub(crate) fn properties(&self) -> FieldTable {
        RawTable::parse(&self.properties).map(|table| table.to_owned()).unwrap_or_default()
    }

    /// What the client calls itself: `connection_name` (oslo.messaging's `nova-compute:2022:...`), else its `product`.
    pub(crate) fn name(&self) -> Option<String> {
        let table = RawTable::parse(&self.properties).ok()?;
        let text = |key: &str| table.get(key).and_then(|value| value.as_bytes().map(<[u8]>::to_vec));
        let name = text("connection_name").or_else(|| text("product"))?;
        Some(String::from_utf8_lossy(&name).into_owned())
    }
}

/// Where a connection is in its life, as `rabbitmqctl list_connections state` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Starting,
    Tuning,
    Opening,
    Running,
    Flow,
    Blocking,
    Blocked,
    Closing,
}

impl State {
    pub(crate) const ALL: [State; 8] = [
        State::Starting,
        State::Tuning,
        State::Opening,
        State::Running,
        State::Flow,
        State::Blocking,
        State::Blocked,
        State::Closing,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Tuning => "tuning",
            State::Opening => "opening",
            State::Running => "running",
            State::Flow => "flow",
            State::Blocking => "blocking",
            State::Blocked => "blocked",
            State::Closing => "closing",
        }
    }
}

impl ConnectionCard {
    /// What the client calls itself, if it has said so.
    pub(crate) fn client(&self) -> Option<String> {
        self.greeting.get().and_then(Greeting::name)
    }

    /// The vhost it opened, if any.
    pub(crate) fn vhost_name(&self) -> Option<&str> {
        self.vhost.get().map(|vhost| &*vhost.name)
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> State {
        let at = self.state.load(std::sync::atomic::Ordering::Relaxed);
        State::ALL.get(usize::from(at)).copied().unwrap_or(State::Closing)
    }
}

/// A channel as others see it.
#[derive(Default)]
pub(crate) struct ChannelCard {
    pub(crate) pid: String,
    pub(crate) confirm: AtomicBool,
    pub(crate) transactional: AtomicBool,
    pub(crate) prefetch: AtomicU16,
    pub(crate) global_prefetch: AtomicU16,
    pub(crate) consumers: AtomicU32,
    pub(crate) unconfirmed: AtomicU64,
    /// Published in the transaction that is open.
    pub(crate) messages_uncommitted: AtomicU64,
    /// Settled in it; the deliveries still count as outstanding.
    pub(crate) acks_uncommitted: AtomicU64,
}
