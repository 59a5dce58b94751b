//! The peers of a load: publisher, consumer, caller and answerer. Each is a link
//! and what it does with the frames that come and the room there is to send.

use std::io::{ErrorKind, Write as _};
use std::time::Instant;

use amqp::method::basic;
use amqp::properties::{ContentHeader, Properties, write_body_frames, write_header_frame};
use amqp::{Frame, Method, frame};

use crate::Trouble;
use crate::link::{CHANNEL, Link, refuse};

/// What is sent in one write, about.
const RING_BYTES: usize = 128 * 1024;
/// What one peer may send in a turn, so that the others get theirs.
const TURN_BYTES: usize = 512 * 1024;
/// Start of a `basic.deliver` frame's payload.
const DELIVER: [u8; 4] = [0, 60, 0, 60];

/// What a load has got done so far, and the latencies it met.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) published: u64,
    pub(crate) confirmed: u64,
    pub(crate) consumed: u64,
    pub(crate) calls: u64,
    /// Microseconds of round trips, or from publish to confirm.
    pub(crate) latencies: Vec<u32>,
}

impl Tally {
    fn latency(&mut self, since: Instant) {
        let micros = u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.latencies.push(micros);
    }
}

/// Writes one whole message.
pub(crate) fn put_message(
    out: &mut Vec<u8>,
    exchange: &str,
    key: &str,
    properties: &Properties<'_>,
    body: &[u8],
    frame_max: u32,
) {
    let publish = basic::Publish {
        exchange: exchange.as_bytes(),
        routing_key: key.as_bytes(),
        ..basic::Publish::default()
    };
    Method::BasicPublish(publish).write_frame(CHANNEL, out);
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    write_header_frame(CHANNEL, body.len() as u64, &encoded, out);
    write_body_frames(CHANNEL, body, frame_max, out);
}

/// Sends messages that were encoded once, over and over.
#[derive(Debug)]
pub(crate) struct Publisher {
    ring: Vec<u8>,
    /// Bytes of each message; the ring is a whole number of them.
    each: usize,
    at: usize,
    /// 0: no confirms.
    window: u64,
    bytes: u64,
    confirmed: u64,
    /// Now and then a message's number and when it went out: its confirm's latency.
    sample: Option<(u64, Instant)>,
}

impl Publisher {
    /// Messages all of one length, one for each key, as often as they fit the ring.
    pub(crate) fn new(messages: &[Vec<u8>], window: u64) -> Self {
        let once = messages.concat();
        let each = messages.first().map_or(1, Vec::len);
        let laps = (RING_BYTES / once.len().max(1)).max(1);
        Self { ring: once.repeat(laps), each, at: 0, window, bytes: 0, confirmed: 0, sample: None }
    }

    fn sent(&self) -> u64 {
        self.bytes / self.each as u64
    }

    /// Sends until the socket, the window or the turn is full; true when the socket was.
    fn send(&mut self, link: &mut Link, tally: &mut Tally) -> Result<bool, Trouble> {
        let (start, before) = (self.bytes, self.sent());
        let full = loop {
            let mut end = self.ring.len();
            if self.window > 0 {
                let allowed = (self.confirmed + self.window) * self.each as u64 - self.bytes;
                end = end.min(self.at + usize::try_from(allowed).unwrap_or(usize::MAX - self.at));
            }
            if end == self.at || self.bytes - start > TURN_BYTES as u64 {
                break false;
            }
            match link.stream.write(self.ring.get(self.at..end).unwrap_or_default()) {
                Ok(count) => {
                    self.bytes += count as u64;
                    self.at = (self.at + count) % self.ring.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) => return Err(error.into()),
            }
        };
        tally.published += self.sent() - before;
        if self.window > 0 && self.sample.is_none() && self.sent() > before {
            self.sample = Some((self.sent(), Instant::now()));
        }
        Ok(full)
    }

    fn frame(&mut self, frame: Frame<'_>, tally: &mut Tally) -> Result<(), Trouble> {
        if frame.kind != frame::METHOD {
            return Ok(());
        }
        let method = Method::decode(frame.payload)?;
        refuse(&method)?;
        match method {
            Method::BasicAck(ack) => {
                // Single confirms come in any order; for the window only their number counts.
                let upto = if ack.multiple { ack.delivery_tag } else { self.confirmed + 1 };
                tally.confirmed += upto.saturating_sub(self.confirmed);
                self.confirmed = self.confirmed.max(upto);
                if let Some((_, since)) = self.sample.take_if(|(number, _)| *number <= upto) {
                    tally.latency(since);
                }
                Ok(())
            }
            Method::BasicNack(_) => Err("the broker refused a message".into()),
            _ => Ok(()),
        }
    }
}

/// Counts deliveries, and acknowledges them in batches.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) ack_batch: u64,
    pub(crate) acked: u64,
}

impl Consumer {
    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<u8>, tally: &mut Tally) -> Result<(), Trouble> {
        if frame.kind != frame::METHOD {
            return Ok(());
        }
        if !frame.payload.starts_with(&DELIVER) {
            return refuse(&Method::decode(frame.payload)?);
        }
        tally.consumed += 1;
        if self.ack_batch > 0
            && let Method::BasicDeliver(deliver) = Method::decode(frame.payload)?
            && deliver.delivery_tag >= self.acked + self.ack_batch
        {
            self.acked = deliver.delivery_tag;
            let ack = basic::Ack { delivery_tag: self.acked, multiple: self.ack_batch > 1 };
            Method::BasicAck(ack).write_frame(CHANNEL, out);
        }
        Ok(())
    }
}

/// Makes calls, so many at a time, and waits for the answers.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) server: String,
    pub(crate) reply_to: String,
    pub(crate) body: Vec<u8>,
    /// When each call under way was made; its place is its correlation id.
    pub(crate) under_way: Vec<Instant>,
}

impl Caller {
    /// Writes the call of a place.
    pub(crate) fn call(&mut self, place: usize, out: &mut Vec<u8>, frame_max: u32) {
        if let Some(since) = self.under_way.get_mut(place) {
            *since = Instant::now();
        }
        let correlation_id = place.to_string();
        let properties = Properties {
            correlation_id: Some(correlation_id.as_bytes()),
            reply_to: Some(self.reply_to.as_bytes()),
            ..Properties::default()
        };
        put_message(out, "", &self.server, &properties, &self.body, frame_max);
    }

    fn frame(
        &mut self,
        frame: Frame<'_>,
        out: &mut Vec<u8>,
        max: u32,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        match frame.kind {
            frame::METHOD if !frame.payload.starts_with(&DELIVER) => refuse(&Method::decode(frame.payload)?),
            frame::HEADER => {
                let header = ContentHeader::parse(frame.payload)?;
                let id = Properties::parse(header.properties)?.correlation_id.unwrap_or_default();
                let place: usize = std::str::from_utf8(id)?.parse()?;
                let since = *self.under_way.get(place).ok_or("an answer to no call")?;
                tally.latency(since);
                tally.calls += 1;
                self.call(place, out, max);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Answers each call with its own body.
#[derive(Debug, Default)]
pub(crate) struct Answerer {
    reply_to: String,
    correlation_id: Vec<u8>,
}

impl Answerer {
    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<u8>, max: u32) -> Result<(), Trouble> {
        match frame.kind {
            frame::METHOD if !frame.payload.starts_with(&DELIVER) => refuse(&Method::decode(frame.payload)?),
            frame::HEADER => {
                let header = ContentHeader::parse(frame.payload)?;
                let properties = Properties::parse(header.properties)?;
                std::str::from_utf8(properties.reply_to.unwrap_or_default())?.clone_into(&mut self.reply_to);
                self.correlation_id = properties.correlation_id.unwrap_or_default().to_vec();
                Ok(())
            }
            // A call's body fits one frame.
            frame::BODY => {
                let properties =
                    Properties { correlation_id: Some(&self.correlation_id), ..Properties::default() };
                put_message(out, "", &self.reply_to, &properties, frame.payload, max);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Which part a peer plays.
#[derive(Debug)]
pub(crate) enum Part {
    Publisher(Publisher),
    Consumer(Consumer),
    Caller(Caller),
    Answerer(Answerer),
}

/// One connection of a load.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) link: Link,
    pub(crate) part: Part,
    /// The socket took all it was given; it says when it takes more.
    writable: bool,
}

impl Peer {
    pub(crate) fn new(link: Link, part: Part) -> Self {
        Self { link, part, writable: true }
    }

    /// Reads what has come, does its part and sends what there is to send.
    /// True when there may be more to do without waiting for the socket.
    pub(crate) fn turn(&mut self, became_writable: bool, tally: &mut Tally) -> Result<bool, Trouble> {
        self.writable |= became_writable;
        let mut more = self.link.read_some()?;
        let (part, max) = (&mut self.part, self.link.frame_max);
        self.link.frames(|frame, out| match part {
            Part::Publisher(publisher) => publisher.frame(frame, tally),
            Part::Consumer(consumer) => consumer.frame(frame, out, tally),
            Part::Caller(caller) => caller.frame(frame, out, max, tally),
            Part::Answerer(answerer) => answerer.frame(frame, out, max),
        })?;
        if self.writable {
            self.writable = self.link.flush()?;
        }
        if self.writable
            && let Part::Publisher(publisher) = part
        {
            let before = tally.published;
            self.writable = !publisher.send(&mut self.link, tally)?;
            more |= self.writable && tally.published > before;
        }
        Ok(more)
    }
}
