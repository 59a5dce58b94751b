//! Sessions without sockets: bytes in by the test's hand, and what waits in the outbox out.

mod input;
mod output;
mod promises;
mod settlement;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32};

use amqp::frame::{self, PROTOCOL_HEADER};
use amqp::method::{Method, basic, channel, connection, queue};
use amqp::properties::{Properties, write_body_frames, write_header_frame};
use amqp::table::{FieldTable, RawTable, Value};
use tempfile::TempDir;

use super::Session;
use crate::card::ConnectionCard;
use crate::link::Link;
use crate::link::tests::{Received, deliveries_in, frames};
use crate::node::Node;
use crate::queue::Queue;
use crate::settings::Settings;

/// A node with its data in a folder of its own.
struct Server {
    node: Arc<Node>,
    _folder: TempDir,
}

impl Server {
    fn new() -> Self {
        Server::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::new("rabbit@test", folder.path());
        settings.segment_bytes = 1 << 20;
        change(&mut settings);
        let node = Node::open(settings, Arc::new(|job| job())).expect("opens");
        Server { node, _folder: folder }
    }

    /// A new connection's card, registered as a listener does it.
    fn card(&self) -> Arc<ConnectionCard> {
        let id = self.node.next_id();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let card = Arc::new(ConnectionCard {
            link: Arc::new(Link::new(id, format!("client {id} -> server"))),
            pid: self.node.pid(id),
            name: format!("client {id} -> server"),
            peer: address,
            local: address,
            connected_at: 0,
            identity: Default::default(),
            vhost: Default::default(),
            greeting: Default::default(),
            frame_max: AtomicU32::new(0),
            channel_max: AtomicU16::new(0),
            heartbeat: AtomicU16::new(0),
            state: AtomicU8::new(0),
            channels: Default::default(),
        });
        self.node.register(&card);
        card
    }

    /// A connection of which nothing has come.
    fn connect(&self) -> Client {
        Client { session: Session::new(Arc::clone(&self.node), self.card()), leftover: Vec::new() }
    }

    /// One that is open, with channel 1.
    fn client(&self) -> Client {
        let mut client = self.connect();
        client.feed(&greeting(0));
        client.say(1, &Method::ChannelOpen);
        client.heard();
        client
    }

    fn queue(&self, name: &str) -> Arc<Queue> {
        self.node.vhost("/").and_then(|vhost| vhost.find_queue(name)).expect("declared")
    }
}

/// Everything a client sends up to `connection.open`.
fn greeting(heartbeat: u16) -> Vec<u8> {
    let mut capabilities = FieldTable::new();
    for name in ["connection.blocked", "consumer_cancel_notify", "authentication_failure_close"] {
        capabilities.insert(name, true);
    }
    let mut properties = FieldTable::new();
    properties.insert("capabilities", Value::Table(capabilities));
    let properties = properties.to_bytes();
    let start = connection::StartOk {
        client_properties: RawTable::parse(&properties).expect("a table"),
        mechanism: "PLAIN",
        response: b"\0guest\0guest",
        locale: "en_US",
    };
    let tune = connection::TuneOk { channel_max: 10, frame_max: 8192, heartbeat };
    let mut bytes = PROTOCOL_HEADER.to_vec();
    for method in [
        Method::ConnectionStartOk(start),
        Method::ConnectionTuneOk(tune),
        Method::ConnectionOpen(connection::Open { virtual_host: "/" }),
    ] {
        method.write_frame(0, &mut bytes);
    }
    bytes
}

/// A publish to the default exchange, its body cut into frames.
fn publish(channel: u16, queue: &str, body: &[u8]) -> Vec<u8> {
    publish_to(channel, "", queue, body)
}

fn publish_to(channel: u16, exchange: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let publish = basic::Publish {
        exchange: exchange.as_bytes(),
        routing_key: key.as_bytes(),
        ..basic::Publish::default()
    };
    Method::BasicPublish(publish).write_frame(channel, &mut bytes);
    let mut properties = Vec::new();
    Properties { delivery_mode: Some(2), ..Properties::default() }.encode(&mut properties);
    write_header_frame(channel, body.len() as u64, &properties, &mut bytes);
    write_body_frames(channel, body, 4096, &mut bytes);
    bytes
}

fn declare(queue: &str) -> Method<'_> {
    Method::QueueDeclare(queue::Declare { queue, durable: true, ..queue::Declare::default() })
}

fn consume<'a>(queue: &'a str, consumer_tag: &'a str) -> Method<'a> {
    Method::BasicConsume(basic::Consume { queue, consumer_tag, ..basic::Consume::default() })
}

fn ack(delivery_tag: u64, multiple: bool) -> Method<'static> {
    Method::BasicAck(basic::Ack { delivery_tag, multiple })
}

/// The methods among some frames: channel, name, and the reply code of a close.
fn said(bytes: &[u8]) -> Vec<String> {
    let mut said = Vec::new();
    for frame in frames(bytes).into_iter().filter(|frame| frame.kind == frame::METHOD) {
        let method = Method::decode(frame.payload).expect("a method");
        let code = match method {
            Method::ChannelClose(channel::Close { reply_code, .. })
            | Method::ConnectionClose(connection::Close { reply_code, .. }) => format!(" {reply_code}"),
            _ => String::new(),
        };
        said.push(format!("{} {}{code}", frame.channel, method.id()));
    }
    said
}

/// One connection's session, and the bytes of a frame that is not whole.
struct Client {
    session: Session,
    leftover: Vec<u8>,
}

impl Client {
    /// One read of the socket.
    fn feed(&mut self, bytes: &[u8]) {
        self.leftover.extend_from_slice(bytes);
        loop {
            let done = self.session.take_in(&self.leftover);
            self.leftover.drain(..done);
            self.keep_promises();
            if done == 0 || !self.session.is_paused {
                break;
            }
        }
    }

    /// What was declared gets to the disk, and is answered.
    fn keep_promises(&mut self) {
        while !self.session.promises.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(1));
            self.session.confirm();
        }
    }

    fn say(&mut self, channel: u16, method: &Method<'_>) {
        let mut bytes = Vec::new();
        method.write_frame(channel, &mut bytes);
        self.feed(&bytes);
    }

    /// What waits for the client, as its task takes it.
    fn heard(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.session.link.take_frames(&mut bytes);
        self.session.link.wrote(bytes.len());
        bytes
    }

    fn answers(&mut self) -> Vec<String> {
        said(&self.heard())
    }

    fn deliveries(&mut self) -> Vec<Received> {
        deliveries_in(&self.heard())
    }

    /// The connection's task ends.
    fn end(mut self) {
        self.session.release_all();
        let card = Arc::clone(&self.session.card);
        self.session.node.unregister(&card);
    }
}

/// The bodies of some deliveries, which are text.
fn bodies(received: &[Received]) -> Vec<String> {
    received.iter().map(|got| String::from_utf8_lossy(&got.body).into_owned()).collect()
}
