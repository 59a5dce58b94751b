//! The broker: vhosts, exchanges, queues, and sessions with AMQP 0-9-1 clients.
//!
//! A tour, along the way of a message:
//!
//! 1. [`session`](crate::session) reads a client's bytes, takes frames apart, checks and routes each message,
//!    writes what must survive to the vhost's log ([`store`](crate::store)), and gathers a batch.
//! 2. [`exchange`] says which queues a message goes to; [`vhost`](crate::vhost) holds the names, and the log.
//! 3. [`queue`](crate::queue) hands a message to a consumer that can take it, or keeps it.
//! 4. [`link`](crate::link) is a connection's outbox: deliveries are written into it by whoever has one.
//!
//! Beside the way: `doors` (listening sockets, open or suspended), [`access`] (users and what they may do),
//! `files` (how many each may have open), `flow` (holding publishers back), `memory` (the account of it), `timers` (expiry),
//! `strangers` (what the log says of clients that have not logged in), `trace` (what the firehose
//! tells), `node` (what all sessions share), `snapshot` (a copy of it all), [`definitions`] (what is defined, out of one
//! node and into another) and [`admin`] with [`info`] (what operators
//! ask); [`repair`] (the way on where a start is refused).
//!
//! The rooms stand in layers, and whoever stands lower knows nobody above: message, store, link, queue, exchange,
//! vhost, node, session, and the doors on top. `script/circles` holds them to it.
//!
//! The only door is [`Broker`]; the simulator has one of its own (`simulation`, with the feature `simulated`).

pub mod access;
mod admin;
mod card;
mod clock;
pub mod definitions;
mod doors;
mod error;
mod exchange;
mod files;
mod flow;
mod hung_disk;
pub mod info;
mod link;
mod listener;
mod memory;
mod message;
mod node;
mod queue;
pub mod repair;
mod session;
mod settings;
#[cfg(feature = "simulated")]
pub mod simulation;
mod snapshot;
mod store;
mod strangers;
mod timers;
mod trace;
mod vhost;
mod vhost_folders;

pub use self::admin::AdminError;
pub use self::files::operators;
pub use self::flow::alarms::machine_memory;
pub use self::hung_disk::HungDisk;
pub use self::listener::{Broker, StartError};
pub use self::node::NodeError;
pub use self::settings::Settings;
pub use self::snapshot::{SnapshotError, SnapshotInfo};
pub use self::vhost_folders::FolderError;

/// The RabbitMQ version whose behaviour this broker has, and which it states to clients that ask.
pub const EMULATED_VERSION: &str = "3.10.8";
