//! Frames that wait for the socket, and what is delivered and not yet acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp::method::{Method, basic};
use amqp::properties::{write_body_frames, write_header_frame};

use super::consumer::{Consumer, Refusal};
use super::deliveries::Deliveries;
use super::queue_type::{QueueType, Unacked};
use super::starved::Starved;
use crate::message::{Entry, Parts};

/// Bytes an outbox takes before its queues have to wait: enough for a few large writes, and the most a client
/// that does not read can hold.
pub(crate) const OUTBOX_LIMIT: usize = 512 * 1024;

/// See the module's documentation.
pub(crate) struct Outbox {
    pub(crate) frames: Vec<u8>,
    /// Bytes the connection's task took and has not written yet.
    in_flight: usize,
    pub(crate) frame_max: u32,
    /// By channel number.
    channels: Vec<Option<Box<Deliveries>>>,
    /// Queues that found no room here and want to be asked again.
    starved: Starved,
    /// Nothing is sent any more.
    pub(crate) shut: bool,
    /// When bytes last went to the socket, or began to wait.
    last_progress: Instant,
}

/// A message about to be delivered.
pub(crate) struct Delivery<'a> {
    pub(crate) parts: Parts<'a>,
    pub(crate) redelivered: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Outbox {
            frames: Vec::new(),
            in_flight: 0,
            frame_max: amqp::frame::MIN_FRAME_SIZE,
            channels: Vec::new(),
            starved: Starved::default(),
            shut: false,
            last_progress: sched::now(),
        }
    }

    /// Bytes that wait for the client.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.frames.len() + self.in_flight
    }

    /// Whether there is room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting() < OUTBOX_LIMIT
    }

    /// Whether the client has left its deliveries unread for this long.
    pub(crate) fn is_stuck(&self, for_at_least: Duration) -> bool {
        let idle = sched::now().saturating_duration_since(self.last_progress);
        self.waiting() >= OUTBOX_LIMIT && idle >= for_at_least
    }

    /// Swaps the waiting frames into `buffer` (which is empty) and says whether there were any.
    pub(super) fn take_frames(&mut self, buffer: &mut Vec<u8>) -> bool {
        if self.frames.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.frames, buffer);
        self.in_flight = buffer.len();
        true
    }

    /// Notes that `written` bytes went out. Whether there are queues that wait for that, and room enough to ask them.
    pub(super) fn wrote(&mut self, written: usize) -> bool {
        self.in_flight = self.in_flight.saturating_sub(written);
        self.last_progress = sched::now();
        !self.starved.is_empty() && self.waiting() <= OUTBOX_LIMIT / 2
    }

    /// The next of the queues that wait for room, as long as there is some.
    pub(super) fn next_starved(&mut self) -> Option<Arc<dyn QueueType>> {
        if self.has_room() { self.starved.take_first() } else { None }
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
        channel.map(|deliveries| deliveries.into_unacked()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn channel(&mut self, number: u16) -> Option<&mut Deliveries> {
        self.channels.get_mut(usize::from(number))?.as_deref_mut()
    }

    /// Remembers a queue that has something for a consumer which had to refuse it: the queue is told when there is
    /// room, or the channel may have more. (An acknowledgement of the consumer's own comes to the queue anyway.)
    pub(crate) fn starve(&mut self, queue: Arc<dyn QueueType>, consumer: &Consumer, refusal: Refusal) {
        match refusal {
            Refusal::Room => self.starved.add(queue),
            Refusal::SharedCredit => {
                if let Some(deliveries) = self.channel(consumer.channel) {
                    deliveries.starved.add(queue);
                }
            }
            Refusal::Credit | Refusal::Gone => {}
        }
    }

    /// Whether this consumer can be given a message now.
    #[inline]
    pub(crate) fn admits(&self, consumer: &Consumer) -> Result<(), Refusal> {
        if self.shut {
            return Err(Refusal::Gone);
        }
        let channel = self.channels.get(usize::from(consumer.channel)).and_then(Option::as_deref);
        let Some(deliveries) = channel else { return Err(Refusal::Gone) };
        if self.waiting() >= OUTBOX_LIMIT {
            return Err(Refusal::Room);
        }
        if !deliveries.has_credit(consumer) {
            return Err(Refusal::SharedCredit);
        }
        if !consumer.has_credit() {
            return Err(Refusal::Credit);
        }
        Ok(())
    }

    /// Writes a delivery for a consumer that [`admits`](Self::admits) let through, and returns its tag. Where an
    /// acknowledgement is expected, [`track`](Self::track) has to follow.
    pub(crate) fn deliver(&mut self, consumer: &Consumer, delivery: &Delivery<'_>) -> u64 {
        let Some(deliveries) = self.channel(consumer.channel) else { return 0 };
        let tag = deliveries.next_tag();
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
    pub(crate) fn track(
        &mut self,
        tag: u64,
        queue: Arc<dyn QueueType>,
        consumer: &Arc<Consumer>,
        entry: Entry,
    ) {
        let Some(deliveries) = self.channel(consumer.channel) else { return };
        let consumer = Some(Arc::clone(consumer));
        deliveries.track(Unacked { tag, queue, consumer, entry: Some(entry) });
    }

    /// Answers `basic.get` with a message; with `keep` it waits for its acknowledgement.
    pub(crate) fn deliver_got(
        &mut self,
        channel: u16,
        queue: Arc<dyn QueueType>,
        delivery: &Delivery<'_>,
        keep: Option<Entry>,
        message_count: u32,
    ) {
        let Some(deliveries) = self.channel(channel) else { return };
        let delivery_tag = deliveries.next_tag();
        if keep.is_some() {
            deliveries.track(Unacked { tag: delivery_tag, queue, consumer: None, entry: keep });
        }
        let got = basic::GetOk {
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: delivery.parts.exchange,
            routing_key: delivery.parts.routing_key,
            message_count,
        };
        Method::BasicGetOk(got).write_frame(channel, &mut self.frames);
        self.write_content(channel, &delivery.parts);
    }

    /// Header and body frames of a message.
    pub(crate) fn write_content(&mut self, channel: u16, parts: &Parts<'_>) {
        write_header_frame(channel, parts.body.len() as u64, parts.properties, &mut self.frames);
        write_body_frames(channel, parts.body, self.frame_max, &mut self.frames);
    }
}
