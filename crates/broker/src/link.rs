//! The sending half of a connection, shared by everyone who has something for that client.
//!
//! Queues write deliveries straight into a connection's [`Outbox`] (whichever task published the message), the
//! connection's own task moves the bytes to the socket. One lock guards the bytes and the channels' delivery
//! states together, so that delivery tags and frames stay in step.
//!
//! Lock order: a queue's lock may be held while an outbox is locked, never the other way round, and nobody holds
//! two outboxes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::Instant;

use amqp::method::basic;
use amqp::properties::{write_body_frames, write_header_frame};
use amqp::table::FieldTable;
use atomic_waker::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};

use crate::message::Parts;
use crate::queue::{Entry, Queue};

/// Bytes an outbox takes before its queues have to wait: enough for a few large writes, and the most a client
/// that does not read can hold.
pub(crate) const OUTBOX_LIMIT: usize = 512 * 1024;

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
    /// Consumers whose queues were deleted.
    cancelled: Mutex<Vec<Arc<Consumer>>>,
    /// Publishers are held back (memory or disk alarm): the task tells the client and stops reading.
    pub(crate) alarmed: AtomicBool,
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

/// Frames that wait for the socket, and what is delivered and not yet acknowledged.
pub(crate) struct Outbox {
    pub(crate) frames: Vec<u8>,
    /// Bytes the connection's task took and has not written yet.
    in_flight: usize,
    pub(crate) frame_max: u32,
    /// By channel number.
    channels: Vec<Option<Box<Deliveries>>>,
    /// Queues that found no room here and want to be asked again.
    starved: Vec<Arc<Queue>>,
    /// Nothing is sent any more.
    pub(crate) shut: bool,
    /// When bytes last went to the socket, or began to wait.
    last_progress: Instant,
}

/// What one channel was sent.
#[derive(Default)]
pub(crate) struct Deliveries {
    last_tag: u64,
    unacked: VecDeque<Unacked>,
    /// Deliveries outstanding, all in all.
    pub(crate) outstanding: u32,
    /// Those of consumers (`basic.get` is not counted against a prefetch limit).
    consumers_outstanding: u32,
    /// `basic.qos` with `global`: the limit all consumers of the channel share; 0 is none.
    pub(crate) prefetch_limit: u16,
}

/// One delivery that waits for its acknowledgement.
pub(crate) struct Unacked {
    pub(crate) tag: u64,
    pub(crate) queue: Arc<Queue>,
    /// `None` for `basic.get`.
    pub(crate) consumer: Option<Arc<Consumer>>,
    pub(crate) entry: Option<Entry>,
}

/// One `basic.consume`.
pub(crate) struct Consumer {
    pub(crate) link: Arc<Link>,
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
    /// Its queue is gone: the connection's task forgets it and tells the client.
    pub(crate) fn cancelled(self: Arc<Self>) {
        let link = Arc::clone(&self.link);
        link.cancelled.lock().push(self);
        link.wake();
    }

    /// Whether its own prefetch limit lets another message through.
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

/// A message about to be delivered.
pub(crate) struct Delivery<'a> {
    pub(crate) parts: Parts<'a>,
    pub(crate) redelivered: bool,
}

impl Link {
    pub(crate) fn new(id: u64, name: String) -> Self {
        let task = Arc::<Task>::default();
        Link {
            id,
            name,
            outbox: Mutex::new(Outbox {
                frames: Vec::new(),
                in_flight: 0,
                frame_max: amqp::frame::MIN_FRAME_SIZE,
                channels: Vec::new(),
                starved: Vec::new(),
                shut: false,
                last_progress: Instant::now(),
            }),
            waker: Waker::from(Arc::clone(&task)),
            task,
            closing: Mutex::new(None),
            cancelled: Mutex::default(),
            alarmed: AtomicBool::new(false),
            traffic: Traffic::default(),
        }
    }

    /// `client address -> server address`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock()
    }

    /// Lets the connection's task look at its outbox, confirms and requests.
    pub(crate) fn wake(&self) {
        self.task.0.wake();
    }

    /// What [`wake`](Self::wake)s, for those who need not know a connection.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// `task` is the one that serves this connection.
    pub(crate) fn register(&self, task: &Waker) {
        self.task.0.register(task);
    }

    /// Asks the connection to end with 320 CONNECTION_FORCED and this reason.
    pub(crate) fn request_close(&self, reason: &str) {
        self.closing.lock().get_or_insert_with(|| reason.to_owned());
        self.wake();
    }

    pub(crate) fn take_close_request(&self) -> Option<String> {
        self.closing.lock().take()
    }

    pub(crate) fn take_cancelled(&self) -> Vec<Arc<Consumer>> {
        std::mem::take(&mut *self.cancelled.lock())
    }

    /// Swaps the waiting frames into `buffer` (which is empty) and says whether there were any.
    pub(crate) fn take_frames(&self, buffer: &mut Vec<u8>) -> bool {
        let mut outbox = self.lock();
        if outbox.frames.is_empty() {
            return false;
        }
        std::mem::swap(&mut outbox.frames, buffer);
        outbox.in_flight = buffer.len();
        true
    }

    /// Notes that `written` bytes went out and returns the queues that wait for that, once there is room.
    pub(crate) fn wrote(&self, written: usize) -> Vec<Arc<Queue>> {
        let mut outbox = self.lock();
        outbox.in_flight = outbox.in_flight.saturating_sub(written);
        outbox.last_progress = Instant::now();
        if outbox.starved.is_empty() || outbox.waiting() > OUTBOX_LIMIT / 2 {
            return Vec::new();
        }
        std::mem::take(&mut outbox.starved)
    }
}

impl Outbox {
    /// Bytes that wait for the client.
    pub(crate) fn waiting(&self) -> usize {
        self.frames.len() + self.in_flight
    }

    /// Whether the client has left its deliveries unread for this long.
    pub(crate) fn is_stuck(&self, for_at_least: std::time::Duration) -> bool {
        self.waiting() >= OUTBOX_LIMIT && self.last_progress.elapsed() >= for_at_least
    }

    pub(crate) fn open_channel(&mut self, number: u16) {
        let at = usize::from(number);
        if self.channels.len() <= at {
            self.channels.resize_with(at + 1, || None);
        }
        if let Some(place) = self.channels.get_mut(at) {
            *place = Some(Box::default());
        }
    }

    /// Ends a channel and returns what it had not acknowledged, oldest first.
    pub(crate) fn close_channel(&mut self, number: u16) -> Vec<Unacked> {
        let channel = self.channels.get_mut(usize::from(number)).and_then(Option::take);
        let unacked = channel.map(|c| c.unacked).unwrap_or_default();
        unacked.into_iter().filter(|u| u.entry.is_some()).collect()
    }

    pub(crate) fn channel(&mut self, number: u16) -> Option<&mut Deliveries> {
        self.channels.get_mut(usize::from(number))?.as_deref_mut()
    }

    /// Remembers a queue that has something for this client as soon as there is room.
    pub(crate) fn starve(&mut self, queue: &Arc<Queue>) {
        if !self.starved.iter().any(|q| Arc::ptr_eq(q, queue)) {
            self.starved.push(Arc::clone(queue));
        }
    }

    /// Whether this consumer can be given a message now.
    pub(crate) fn admits(&self, consumer: &Consumer) -> Result<(), Refusal> {
        if self.shut {
            return Err(Refusal::Gone);
        }
        let channel = self.channels.get(usize::from(consumer.channel)).and_then(Option::as_deref);
        let Some(deliveries) = channel else { return Err(Refusal::Gone) };
        if self.waiting() >= OUTBOX_LIMIT {
            return Err(Refusal::Room);
        }
        let shared_limit = u32::from(deliveries.prefetch_limit);
        let spent = shared_limit != 0 && !consumer.no_ack && deliveries.consumers_outstanding >= shared_limit;
        if spent || !consumer.has_credit() {
            return Err(Refusal::Credit);
        }
        Ok(())
    }

    /// Writes a delivery for a consumer that [`admits`](Self::admits) let through, and returns its tag. Where an
    /// acknowledgement is expected, [`track`](Self::track) has to follow.
    pub(crate) fn deliver(&mut self, consumer: &Consumer, delivery: &Delivery<'_>) -> u64 {
        let Some(deliveries) = self.channel(consumer.channel) else { return 0 };
        deliveries.last_tag += 1;
        let tag = deliveries.last_tag;
        let Parts { exchange, routing_key, .. } = delivery.parts;
        basic::write_deliver_frame(
            consumer.channel,
            consumer.tag.as_bytes(),
            tag,
            delivery.redelivered,
            exchange,
            routing_key,
            &mut self.frames,
        );
        self.write_content(consumer.channel, &delivery.parts);
        tag
    }

    /// Keeps the message that was just delivered until it is settled.
    pub(crate) fn track(&mut self, tag: u64, queue: &Arc<Queue>, consumer: &Arc<Consumer>, entry: Entry) {
        let Some(deliveries) = self.channel(consumer.channel) else { return };
        deliveries.outstanding += 1;
        deliveries.consumers_outstanding += 1;
        consumer.in_flight.fetch_add(1, Ordering::Relaxed);
        let (queue, consumer) = (Arc::clone(queue), Some(Arc::clone(consumer)));
        deliveries.unacked.push_back(Unacked { tag, queue, consumer, entry: Some(entry) });
    }

    /// Answers `basic.get` with a message; with `keep` it waits for its acknowledgement.
    pub(crate) fn deliver_got(
        &mut self,
        channel: u16,
        queue: &Arc<Queue>,
        delivery: &Delivery<'_>,
        keep: Option<Entry>,
        message_count: u32,
    ) {
        let Some(deliveries) = self.channel(channel) else { return };
        deliveries.last_tag += 1;
        let delivery_tag = deliveries.last_tag;
        if keep.is_some() {
            deliveries.outstanding += 1;
            let queue = Arc::clone(queue);
            deliveries.unacked.push_back(Unacked { tag: delivery_tag, queue, consumer: None, entry: keep });
        }
        let got = basic::GetOk {
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: delivery.parts.exchange,
            routing_key: delivery.parts.routing_key,
            message_count,
        };
        amqp::method::Method::BasicGetOk(got).write_frame(channel, &mut self.frames);
        self.write_content(channel, &delivery.parts);
    }

    /// Header and body frames of a message.
    pub(crate) fn write_content(&mut self, channel: u16, parts: &Parts<'_>) {
        write_header_frame(channel, parts.body.len() as u64, parts.properties, &mut self.frames);
        write_body_frames(channel, parts.body, self.frame_max, &mut self.frames);
    }
}

impl Deliveries {
    /// Takes out the delivery `tag`, or with `multiple` all up to it (0: all there are), oldest first, and appends
    /// them to `out`. `None` when the tag is not outstanding (RabbitMQ wants the very tag, with `multiple` too).
    pub(crate) fn settle(&mut self, tag: u64, multiple: bool, out: &mut Vec<Unacked>) -> Option<()> {
        let from = out.len();
        self.take_out(tag, multiple, out)?;
        self.discount(out.get(from..).unwrap_or_default());
        Some(())
    }

    /// The same, but the deliveries count against the prefetch limits until they are [`discount`](Self::discount)ed:
    /// a transaction only settles at its commit.
    pub(crate) fn take_out(&mut self, tag: u64, multiple: bool, out: &mut Vec<Unacked>) -> Option<()> {
        let is_there = |unacked: &Unacked| unacked.entry.is_some();
        if multiple && tag == 0 {
            out.extend(self.unacked.drain(..).filter(is_there));
            return Some(());
        }
        let at = match self.unacked.front() {
            Some(front) if front.tag == tag => 0,
            _ => self.unacked.binary_search_by_key(&tag, |u| u.tag).ok()?,
        };
        let place = self.unacked.get_mut(at).filter(|u| is_there(u))?;
        if at == 0 {
            out.extend(self.unacked.pop_front());
        } else if multiple {
            out.extend(self.unacked.drain(..=at).filter(is_there));
        } else {
            let entry = place.entry.take();
            out.push(Unacked {
                tag,
                queue: Arc::clone(&place.queue),
                consumer: place.consumer.take(),
                entry,
            });
        }
        // Places settled out of order go as soon as they reach the front.
        while self.unacked.front().is_some_and(|u| u.entry.is_none()) {
            self.unacked.pop_front();
        }
        Some(())
    }

    /// Deliveries that were taken out are settled: they make room for others.
    pub(crate) fn discount(&mut self, settled: &[Unacked]) {
        for unacked in settled {
            self.outstanding = self.outstanding.saturating_sub(1);
            if let Some(consumer) = &unacked.consumer {
                self.consumers_outstanding = self.consumers_outstanding.saturating_sub(1);
                consumer.in_flight.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Deliveries that were taken out and not discounted wait for their acknowledgement again.
    pub(crate) fn put_back(&mut self, mut taken: Vec<Unacked>) {
        taken.sort_unstable_by_key(|u| u.tag);
        // From the newest: each finds its place near the front.
        for unacked in taken.into_iter().rev() {
            match self.unacked.binary_search_by_key(&unacked.tag, |u| u.tag) {
                Ok(at) => {
                    if let Some(place) = self.unacked.get_mut(at) {
                        *place = unacked;
                    }
                }
                Err(at) => self.unacked.insert(at, unacked),
            }
        }
    }
}
