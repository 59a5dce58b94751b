//! A connection's sending half, with queues that only note what becomes of their deliveries.

mod deliveries;
mod outbox;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use amqp::frame::{self, Frame};
use amqp::method::Method;
use amqp::table::FieldTable;
use parking_lot::Mutex;

use super::{Consumer, Effects, Link, QueueType, Relief, Unacked};
use crate::message::{Entry, Message, Parts, Stored};

/// Notes what becomes of its deliveries.
pub(crate) struct FakeQueue {
    id: u64,
    name: Arc<str>,
    /// Order of arrival of what was settled for good, and of what came back.
    pub(crate) acknowledged: Mutex<Vec<u64>>,
    pub(crate) requeued: Mutex<Vec<u64>>,
}

impl FakeQueue {
    pub(crate) fn new(id: u64) -> Arc<Self> {
        let (acknowledged, requeued) = Default::default();
        Arc::new(FakeQueue { id, name: Arc::from(format!("q{id}")), acknowledged, requeued })
    }
}

impl QueueType for FakeQueue {
    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn acknowledge(self: Arc<Self>, deliveries: &mut [Unacked], _: &mut Effects) {
        self.acknowledged.lock().extend(deliveries.iter_mut().filter_map(|u| u.entry.take()).map(|e| e.seq));
    }

    fn requeue(self: Arc<Self>, deliveries: &mut [Unacked], _: &mut Effects) {
        self.requeued.lock().extend(deliveries.iter_mut().filter_map(|u| u.entry.take()).map(|e| e.seq));
    }

    fn pump(self: Arc<Self>, _: Relief, _: &mut Effects) {}

    fn load(self: Arc<Self>, _: &mut Effects) {}

    fn on_timer(self: Arc<Self>, _: u64, _: &mut Effects) -> bool {
        false
    }
}

/// A message in memory, with its order of arrival as its body.
pub(crate) fn entry(seq: u64) -> Entry {
    let message = Message::new(&Parts { body: &seq.to_be_bytes(), ..Parts::default() });
    Entry {
        seq,
        stored: Stored::default(),
        priority: 0,
        expires_at: u64::MAX,
        body_len: 8,
        message: Some(message),
    }
}

/// A connection with channel 1 open.
pub(crate) fn link() -> Arc<Link> {
    static LINKS: AtomicU64 = AtomicU64::new(1);
    let id = LINKS.fetch_add(1, Ordering::Relaxed);
    let link = Arc::new(Link::new(id, "client -> server".to_owned()));
    link.lock().open_channel(1);
    link.lock().frame_max = 131_072;
    link
}

/// A consumer on channel 1.
pub(crate) fn consumer(tag: &str, prefetch: u16) -> Consumer {
    Consumer {
        link: 1,
        channel: 1,
        tag: tag.into(),
        no_ack: false,
        exclusive: false,
        priority: 0,
        prefetch,
        in_flight: AtomicU32::new(0),
        turn: AtomicU64::new(0),
        arguments: FieldTable::new(),
        user: Arc::from("guest"),
    }
}

/// What a client was sent, as it tells deliveries apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Empty for `basic.get`.
    pub(crate) consumer: String,
    pub(crate) tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The number its body begins with.
    pub(crate) fn number(&self) -> u64 {
        u64::from_be_bytes(*self.body.first_chunk().expect("a number"))
    }
}

/// The frames of some bytes, which end with a whole one.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Some((frame, used)) = frame::split(bytes, 1 << 24).expect("frames") {
        frames.push(frame);
        bytes = &bytes[used..];
    }
    assert!(bytes.is_empty(), "half a frame is left");
    frames
}

/// The deliveries and gets among some frames.
pub(crate) fn deliveries_in(bytes: &[u8]) -> Vec<Received> {
    let mut received: Vec<Received> = Vec::new();
    for frame in frames(bytes) {
        let received_now = match frame.kind {
            frame::METHOD => match Method::decode(frame.payload).expect("a method") {
                Method::BasicDeliver(d) => (d.consumer_tag.to_owned(), d.delivery_tag, d.redelivered),
                Method::BasicGetOk(got) => (String::new(), got.delivery_tag, got.redelivered),
                _ => continue,
            },
            frame::BODY => {
                received.last_mut().expect("a delivery").body.extend_from_slice(frame.payload);
                continue;
            }
            _ => continue,
        };
        let (consumer, tag, redelivered) = received_now;
        received.push(Received { consumer, tag, redelivered, body: Vec::new() });
    }
    received
}

/// Takes what waits for the client as its task does, and says that all of it was written.
pub(crate) fn received(link: &Link) -> Vec<Received> {
    let mut bytes = Vec::new();
    link.take_frames(&mut bytes);
    link.wrote(bytes.len());
    deliveries_in(&bytes)
}
