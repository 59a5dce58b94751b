//! A queue without a vhost: on a ground of its own, with clients whose outboxes are read by the test.

mod consumers;
mod cost;
mod delivery;
mod paging;
mod settlement;

use std::path::Path;
use std::sync::Arc;

use amqp::table::FieldTable;
use journal::Journal;
use journal::fault::FaultyStorage;

use super::delivery::Batch;
use super::{Arguments, Declaration, Ground, Queue};
use crate::clock::now_ms;
use crate::link::tests::{Received, consumer, link, received};
use crate::link::{Consumer, Effects, Link, QueueType, Unacked};
use crate::memory::Memory;
use crate::message::{Incoming, Parts};
use crate::store::ledger::Ledger;
use crate::store::{Store, Waiters};

/// A ground on this disk, with so many bytes for messages.
fn ground(disk: &FaultyStorage, budget: u64) -> Arc<Ground> {
    let open = |name: &str, durable: bool| {
        let config = journal::Config { durable, segment_bytes: 64 << 10, ..journal::Config::default() };
        let storage = Arc::new(disk.clone());
        Journal::open(Path::new(name), storage, config, &mut |_| {}, Box::new(|_| {})).expect("opens").0
    };
    let journals = (open("/log", true), open("/pages", false));
    let store = Store::new(journals, Ledger::default(), Arc::new(Waiters::default()), 64 << 10);
    Arc::new(Ground::new(Arc::from("/"), Arc::from("rabbit@test"), store, Arc::new(Memory::new(budget))))
}

/// A durable queue.
fn queue_on(ground: &Arc<Ground>, arguments: Arguments) -> Arc<Queue> {
    let declaration = Declaration {
        name: Arc::from("q"),
        id: 77,
        record_size: 0,
        durable: true,
        auto_delete: false,
        owner: None,
        table: FieldTable::new(),
        arguments,
    };
    Queue::new(declaration, Arc::clone(ground))
}

/// A durable queue with room in memory for all that a test publishes.
fn queue(arguments: Arguments) -> Arc<Queue> {
    queue_on(&ground(&FaultyStorage::new(), 1 << 30), arguments)
}

/// How a test's messages are published.
#[derive(Clone, Copy)]
struct Publish {
    len: usize,
    persistent: bool,
    priority: u8,
    ttl_ms: Option<u64>,
    /// The time at which they are.
    now: u64,
}

impl Default for Publish {
    fn default() -> Self {
        Publish { len: 8, persistent: true, priority: 0, ttl_ms: None, now: now_ms() }
    }
}

/// Publishes messages whose bodies begin with these numbers, as one batch.
fn publish(queue: &Arc<Queue>, numbers: impl IntoIterator<Item = u64>, how: Publish) -> Effects {
    let bodies: Vec<Vec<u8>> = numbers
        .into_iter()
        .map(|number| {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(how.len, 7);
            body
        })
        .collect();
    let messages: Vec<Incoming<'_>> = bodies
        .iter()
        .map(|body| {
            let parts = Parts { body, ..Parts::default() };
            let message = Incoming::new(parts, how.persistent, how.priority, how.ttl_ms);
            if how.persistent {
                queue.ground.store.put(&message, &[queue.id], u64::MAX).expect("stored");
            }
            message
        })
        .collect();
    let picks: Vec<u32> = (0..messages.len() as u32).collect();
    let mut effects = Effects::default();
    queue.publish(&Batch { messages: &messages, now: how.now, tracing: false }, &picks, &mut effects);
    effects
}

/// Lets a consumer in and serves it.
fn subscribe(queue: &Arc<Queue>, link: &Arc<Link>, consumer: Consumer) -> Arc<Consumer> {
    let consumer = Arc::new(Consumer { link: link.id, ..consumer });
    queue.add_consumer(link, &consumer, || ()).expect("let in");
    let mut effects = Effects::default();
    queue.serve(&mut effects);
    consumer
}

/// The numbers of the messages a client was sent.
fn numbers(received: &[Received]) -> Vec<u64> {
    received.iter().map(Received::number).collect()
}

/// Acknowledges as a session does.
fn acknowledge(queue: &Arc<Queue>, link: &Link, tag: u64, multiple: bool) -> Effects {
    let mut effects = Effects::default();
    Arc::clone(queue).acknowledge(&mut settled(link, tag, multiple), &mut effects);
    link.serve_limited(1, &mut effects);
    effects
}

/// Puts back as a session does.
fn requeue(queue: &Arc<Queue>, link: &Link, tag: u64, multiple: bool) -> Effects {
    let mut effects = Effects::default();
    Arc::clone(queue).requeue(&mut settled(link, tag, multiple), &mut effects);
    link.serve_limited(1, &mut effects);
    effects
}

fn settled(link: &Link, tag: u64, multiple: bool) -> Vec<Unacked> {
    let mut taken = Vec::new();
    let mut outbox = link.lock();
    outbox
        .channel(1)
        .and_then(|deliveries| deliveries.settle(tag, multiple, &mut taken))
        .expect("outstanding");
    taken
}

/// How many messages are ready, and how many delivered and not settled.
fn counts(queue: &Queue) -> (u64, u64) {
    let state = queue.lock();
    (state.ready.tally().messages, state.unacked.messages)
}
