//! A session: what the broker does with one client's connection.
//!
//! | room | what |
//! |---|---|
//! | [`io`] | the task: bytes in and out of the socket, timers, alarms |
//! | `pipe` | the same without a socket, for the simulator |
//! | [`handshake`] | from the protocol header to `connection.open-ok` |
//! | [`frames`] | frames taken apart and handed to whom they concern; how errors end channels and connections |
//! | [`channel`] | a channel's state; opening and closing |
//! | [`batch`] | what one read brought, to be carried out together |
//! | [`publish`] | content put together, routed and gathered into a batch |
//! | [`acks`] | acknowledgements, rejections, recover |
//! | [`confirm`] | publisher confirms |
//! | [`promises`] | answers that wait for the disk |
//! | [`tx`] | transactions |
//! | [`consume`] | consumers, `basic.get`, `basic.qos`, direct reply-to |
//! | [`exchanges`], [`queues`] | the classes exchange and queue |
//! | `events` | what the log says of a connection |
//! | [`rights`] | what this user may do, remembered |
//!
//! All frames that one read brought are worked through before anything is awaited: publishes and acknowledgements
//! are gathered, and carried out together when something else comes, or the bytes end.

mod acks;
mod batch;
mod channel;
mod confirm;
mod consume;
mod events;
mod exchanges;
mod frames;
mod handshake;
mod io;
#[cfg(feature = "simulated")]
pub(crate) mod pipe;
mod promises;
mod publish;
mod queues;
mod rights;
#[cfg(test)]
mod tests;
mod tx;

use std::sync::Arc;

use amqp::method::{Method, MethodId};
use hashbrown::HashMap;

use self::channel::Channel;
use self::handshake::Phase;
#[cfg(test)]
pub(crate) use self::io::Ends;
pub(crate) use self::io::serve;
use self::promises::Promises;
use self::publish::Routes;
use self::rights::RightsCache;
use crate::card::ConnectionCard;
use crate::error::{Failure, Outcome};
use crate::flow::Throttle;
use crate::link::Link;
use crate::node::Node;
use crate::vhost::Vhost;

/// One connection's state, owned by its task.
pub(crate) struct Session {
    node: Arc<Node>,
    link: Arc<Link>,
    card: Arc<ConnectionCard>,
    phase: Phase,
    /// The client closed the connection and was told so: closing the socket is its part.
    is_answered: bool,
    /// Why it ends, for the log.
    farewell: Option<String>,
    /// Largest frame either side may send, in bytes with its 8 bytes of frame.
    frame_max: u32,
    channel_max: u16,
    /// Seconds between heartbeats; 0 is none.
    heartbeat: u16,
    channels: HashMap<u16, Channel>,
    routes: Routes,
    rights: RightsCache,
    /// The client can be told that a consumer was cancelled.
    cancel_notify: bool,
    /// The client can be told that it is held back.
    blocked_notify: bool,
    /// Answers that wait for the log.
    promises: Promises,
    /// Confirms, commits or other answers wait for the log.
    awaits_disk: bool,
    /// The rest of what was read waits: for answers that have to go first, or for room.
    is_paused: bool,
    /// Whether this client's publishing is held back.
    throttle: Throttle,
}

impl Session {
    pub(crate) fn new(node: Arc<Node>, card: Arc<ConnectionCard>) -> Self {
        let settings = &node.settings;
        Session {
            link: Arc::clone(&card.link),
            frame_max: handshake::FIRST_FRAMES,
            channel_max: settings.channel_max,
            heartbeat: 0,
            node,
            card,
            phase: Phase::Header,
            is_answered: false,
            farewell: None,
            channels: HashMap::new(),
            routes: Routes::default(),
            rights: RightsCache::default(),
            cancel_notify: false,
            blocked_notify: false,
            promises: Promises::default(),
            awaits_disk: false,
            is_paused: false,
            throttle: Throttle::default(),
        }
    }

    /// Sends a method.
    fn send(&self, channel: u16, method: &Method<'_>) {
        method.write_frame(channel, &mut self.link.lock().frames);
    }

    /// Sends an answer unless the client waived it.
    fn answer(&self, channel: u16, no_wait: bool, method: &Method<'_>) {
        if !no_wait {
            self.send(channel, method);
        }
    }

    /// The vhost that was opened.
    fn vhost(&self) -> Outcome<&Arc<Vhost>> {
        let vhost = self.card.vhost.get();
        vhost.ok_or_else(|| Failure::connection(amqp::reply::INTERNAL_ERROR, "no virtual host is open"))
    }

    fn user(&self) -> &str {
        self.card.identity.get().map_or("", |identity| &identity.name)
    }

    fn channel(&mut self, number: u16) -> Outcome<&mut Channel> {
        let channel = self.channels.get_mut(&number).filter(|c| !c.is_closing);
        channel.ok_or_else(|| Failure::connection(amqp::reply::CHANNEL_ERROR, "expected 'channel.open'"))
    }
}

/// The method a failure is stated for; none where it came before one was known.
const NO_METHOD: MethodId = MethodId { class: 0, method: 0 };
