//! The sending half of a connection, shared by everyone who has something for that client.
//!
//! Queues write deliveries straight into a connection's [`Outbox`] (whichever task published the message), the
//! connection's own task moves the bytes to the socket. One lock guards the bytes and the channels' delivery
//! states together, so that delivery tags and frames stay in step.
//!
//! | room | what |
//! |---|---|
//! | [`outbox`] | frames that wait for the socket, and how much room there is |
//! | [`deliveries`] | what one channel was sent and has not settled |
//! | [`consumer`] | one `basic.consume` |
//! | [`starved`] | queues that wait for a client |
//! | [`queue_type`] | a queue as a connection knows it, and what queues want done |
//!
//! Lock order: a queue's lock may be held while an outbox is locked, never the other way round, and nobody holds
//! two outboxes.

pub(crate) mod consumer;
pub(crate) mod deliveries;
pub(crate) mod outbox;
pub(crate) mod queue_type;
mod starved;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::time::Instant;

use atomic_waker::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};

pub(crate) use self::consumer::{Consumer, Refusal, Relief};
pub(crate) use self::deliveries::Deliveries;
pub(crate) use self::outbox::{Delivery, OUTBOX_LIMIT, Outbox};
pub(crate) use self::queue_type::{Effects, QueueType, Unacked};

/// The part of a connection that others hold on to.
pub(crate) struct Link {
    /// Number of the connection, unique while the broker runs.
    pub(crate) id: u64,
    name: String,
    outbox: Mutex<Outbox>,
    task: Arc<Task>,
    /// Wakes the connection's task; what whoever may have something for this connection holds on to.
    waker: Waker,
    /// Somebody asked for this connection to end; the task takes it.
    closing: Mutex<Option<String>>,
    /// When somebody first did.
    told_to_end: OnceLock<Instant>,
    /// Consumers whose queues were deleted.
    cancelled: Mutex<Vec<Arc<Consumer>>>,
    pub(crate) traffic: Traffic,
}

/// The connection's task, for others to wake.
#[derive(Default)]
struct Task(AtomicWaker);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

/// Counters of one connection, for listings.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) received_bytes: AtomicU64,
    pub(crate) received_reads: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) sent_writes: AtomicU64,
}

impl Link {
    pub(crate) fn new(id: u64, name: String) -> Self {
        let task = Arc::<Task>::default();
        Link {
            id,
            name,
            outbox: Mutex::new(Outbox::new()),
            waker: Waker::from(Arc::clone(&task)),
            task,
            closing: Mutex::new(None),
            told_to_end: OnceLock::new(),
            cancelled: Mutex::default(),
            traffic: Traffic::default(),
        }
    }

    /// `client address -> server address`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock()
    }

    /// Lets the connection's task look at its outbox, confirms and requests.
    pub(crate) fn wake(&self) {
        self.task.0.wake();
    }

    /// What [`wake`](Self::wake)s, for those who need not know a connection.
    #[inline]
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// `task` is the one that serves this connection.
    pub(crate) fn register(&self, task: &Waker) {
        self.task.0.register(task);
    }

    /// Asks the connection to end with 320 CONNECTION_FORCED and this reason.
    pub(crate) fn request_close(&self, reason: &str) {
        self.told_to_end.get_or_init(sched::now);
        self.closing.lock().get_or_insert_with(|| reason.to_owned());
        self.wake();
    }

    /// When it was first asked to end.
    pub(crate) fn told_to_end(&self) -> Option<Instant> {
        self.told_to_end.get().copied()
    }

    pub(crate) fn take_close_request(&self) -> Option<String> {
        self.closing.lock().take()
    }

    /// The consumer's queue is gone: the connection's task forgets it and tells the client.
    pub(crate) fn cancel(&self, consumer: Arc<Consumer>) {
        self.cancelled.lock().push(consumer);
        self.wake();
    }

    pub(crate) fn take_cancelled(&self) -> Vec<Arc<Consumer>> {
        std::mem::take(&mut *self.cancelled.lock())
    }

    /// Swaps the waiting frames into `buffer` (which is empty) and says whether there were any.
    pub(crate) fn take_frames(&self, buffer: &mut Vec<u8>) -> bool {
        self.lock().take_frames(buffer)
    }

    /// Notes that `written` bytes went out. Whether queues that wait for room [should](Self::serve_starved) be served.
    pub(crate) fn wrote(&self, written: usize) -> bool {
        self.lock().wrote(written)
    }

    /// Serves queues that wait for room, one after the other, as long as there is some.
    pub(crate) fn serve_starved(&self, effects: &mut Effects) {
        let next = || self.lock().next_starved();
        while let Some(queue) = next() {
            queue.pump(Relief::Room { link: self.id }, effects);
        }
    }

    /// Serves queues that wait for the limit which the consumers of a channel share, one after the other, as long as
    /// it lets messages through. To be called when something of the channel was settled, or the limit is another.
    pub(crate) fn serve_limited(&self, channel: u16, effects: &mut Effects) {
        let next = || self.lock().channel(channel).and_then(Deliveries::next_starved);
        while let Some(queue) = next() {
            queue.pump(Relief::Credit { link: self.id, channel }, effects);
        }
    }
}
