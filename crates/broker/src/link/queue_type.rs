//! A queue of any type, as a connection knows it: what a delivery came from and goes back to. RabbitMQ calls the same
//! `rabbit_queue_type`.
//!
//! A queue does nothing to the world around it while it is locked. What it wants done (records settled in the log,
//! tasks woken, timers armed, messages read back, traces published) it leaves as plain data in [`Effects`]; the
//! vhost carries them out when no queue is locked.

use std::sync::{Arc, Weak};
use std::task::Waker;

use super::{Consumer, Relief};
use crate::flow::{Backlog, Wakers};
use crate::message::{Entry, Stored};
use crate::trace::Trace;

/// See the module's documentation. One call settles a whole run of deliveries.
pub(crate) trait QueueType: Send + Sync {
    /// Identity, unique in its vhost.
    fn id(&self) -> u64;

    fn name(&self) -> &Arc<str>;

    /// The deliveries, all of this queue, are done with (acknowledged, or rejected for good); their entries are
    /// taken out.
    fn acknowledge(self: Arc<Self>, deliveries: &mut [Unacked], effects: &mut Effects);

    /// The deliveries, all of this queue, go back to where they stood, marked as redelivered; their entries are
    /// taken out.
    fn requeue(self: Arc<Self>, deliveries: &mut [Unacked], effects: &mut Effects);

    /// What some of its consumers waited for is back: serves consumers, for as long as both they and messages last.
    fn pump(self: Arc<Self>, relief: Relief, effects: &mut Effects);

    /// Reads the next messages back from disk, which it asked for in [`Effects::load`]. Blocks.
    fn load(self: Arc<Self>, effects: &mut Effects);

    /// The time has come that it asked for in [`Effects::arm`]. Returns whether the queue itself has expired.
    fn on_timer(self: Arc<Self>, now: u64, effects: &mut Effects) -> bool;
}

/// One delivery that waits for its acknowledgement.
pub(crate) struct Unacked {
    pub(crate) tag: u64,
    pub(crate) queue: Arc<dyn QueueType>,
    /// `None` for `basic.get`.
    pub(crate) consumer: Option<Arc<Consumer>>,
    /// `None` once it is settled.
    pub(crate) entry: Option<Entry>,
}

/// What queues want done.
#[derive(Default)]
pub(crate) struct Effects {
    /// Records that queues, named by identity, are done with.
    pub(crate) settled: Vec<(u64, Stored)>,
    /// Tasks that have something to send, each once.
    pub(crate) wake: Wakers,
    /// Queues to be called at a time, in milliseconds since the epoch.
    pub(crate) arm: Vec<(u64, Weak<dyn QueueType>)>,
    /// Queues whose next messages lie on disk only.
    pub(crate) load: Vec<Arc<dyn QueueType>>,
    pub(crate) traces: Vec<Trace>,
    /// The busiest queue this batch met that its publisher should wait for.
    pub(crate) backlog: Option<Arc<dyn Backlog>>,
}

impl Effects {
    #[inline]
    pub(crate) fn wake(&mut self, task: &Waker) {
        self.wake.add(task);
    }

    /// The queue is done with the message, which is settled in the log if it has a record there and was not before.
    #[inline]
    pub(crate) fn settle(&mut self, queue: u64, entry: &Entry) {
        if entry.stored.id != 0 && !entry.stored.has(Stored::SETTLED) {
            self.settled.push((queue, entry.stored));
        }
    }
}
