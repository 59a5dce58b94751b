//! Publishing: content put together, checked, routed, stored where it must be, and gathered into a batch.
//!
//! A message that lies whole in the read buffer is never copied here: the batch borrows it. Routes are remembered
//! by exchange and key for as long as neither bindings nor rights change.

mod assembly;
mod checks;
mod routes;

use std::sync::Arc;

use amqp::frame::{self, Frame};
use amqp::method::{Method, MethodId, basic};
use amqp::properties::{ContentHeader, Properties};
use amqp::reply;
use smallvec::SmallVec;

pub(super) use self::assembly::Assembly;
use self::assembly::Progress;
use self::checks::Checked;
pub(super) use self::routes::Routes;
use super::Session;
use super::batch::Gathered;
use crate::error::{Failure, Outcome};
use crate::link::Effects;
use crate::message::{Incoming, Message, Parts};
use crate::queue::Queue;
use crate::queue::delivery::Batch;
use crate::trace::{self, Trace};

/// The class of the only content there is.
const BASIC: u16 = 60;
const PUBLISH: MethodId = MethodId { class: BASIC, method: 40 };
/// A whole message with what its publisher asked for.
struct Published<'b> {
    channel: u16,
    exchange: &'b [u8],
    routing_key: &'b [u8],
    mandatory: bool,
    properties: &'b [u8],
    body: Body<'b>,
}

/// Where the body lies.
enum Body<'b> {
    Borrowed(&'b [u8]),
    /// Put together from frames of several reads, the message is kept already.
    Kept(Message),
}

impl Session {
    /// `basic.publish`; takes its content along when all of it lies in `after`, and returns how much that is.
    pub(super) fn on_publish<'b>(
        &mut self,
        number: u16,
        publish: basic::Publish<'b>,
        after: &'b [u8],
        gathered: &mut Gathered<'b>,
    ) -> Outcome<usize> {
        if self.channels.get(&number).is_some_and(|c| c.is_closing) {
            return Ok(0);
        }
        let frame_max = self.frame_max + frame::OVERHEAD as u32;
        let limit = self.node.settings.max_message_size;
        self.throttle.note_publish();
        let channel = self.channel(number)?;
        if publish.immediate {
            return Err(Failure::connection(reply::NOT_IMPLEMENTED, "immediate=true"));
        }
        // One that is too large is refused where its header is taken.
        let whole = whole_content(number, after, frame_max).filter(|(header, ..)| header.body_size <= limit);
        let Some((header, body, used)) = whole else {
            channel.assembly = Some(Assembly::new(&publish));
            return Ok(0);
        };
        let published = Published {
            channel: number,
            exchange: publish.exchange,
            routing_key: publish.routing_key,
            mandatory: publish.mandatory,
            properties: header.properties,
            body: Body::Borrowed(body),
        };
        self.accept(published, gathered).map(|()| used)
    }

    /// A header or body frame that does not come in one piece with its publish.
    pub(super) fn content_frame(
        &mut self,
        frame: Frame<'_>,
        gathered: &mut Gathered<'_>,
    ) -> Result<(), (Failure, MethodId)> {
        let number = frame.channel;
        if self.channels.get(&number).is_some_and(|c| c.is_closing) {
            return Ok(());
        }
        let limit = self.node.settings.max_message_size;
        let unexpected = || {
            let what = "expected method frame, got non method frame instead";
            (Failure::connection(reply::UNEXPECTED_FRAME, what), super::NO_METHOD)
        };
        let channel = self.channels.get_mut(&number).ok_or_else(unexpected)?;
        let assembly = channel.assembly.as_mut().ok_or_else(unexpected)?;
        match assembly.take(&frame, limit) {
            Ok(Progress::More) => Ok(()),
            Ok(Progress::Whole) => {
                let Some(assembly) = channel.assembly.take() else { return Ok(()) };
                self.accept_assembled(number, &assembly, gathered).map_err(|failure| (failure, PUBLISH))
            }
            Err((failure, method)) => {
                channel.assembly = None;
                Err((failure, method))
            }
        }
    }

    fn accept_assembled(&mut self, number: u16, whole: &Assembly, gathered: &mut Gathered<'_>) -> Outcome {
        let message = Message::new(&whole.parts());
        let held = message.clone();
        let Parts { exchange, routing_key, properties, .. } = held.parts();
        let published = Published {
            channel: number,
            exchange,
            routing_key,
            mandatory: whole.mandatory,
            properties,
            body: Body::Kept(message),
        };
        let mut own = Gathered::new(self.routes.next_batch());
        self.flush(gathered);
        let outcome = self.accept(published, &mut own);
        self.flush(&mut own);
        outcome
    }

    /// Checks, routes, stores and gathers a whole message.
    fn accept<'b>(&mut self, published: Published<'b>, gathered: &mut Gathered<'b>) -> Outcome {
        let vhost = Arc::clone(self.vhost()?);
        let Published { channel: number, exchange, routing_key, mandatory, properties, body } = published;
        let route = self.route_to(&vhost, exchange, routing_key)?;
        let parsed = Properties::parse(properties)
            .map_err(|_| Failure::connection(reply::INTERNAL_ERROR, "malformed content properties"))?;
        let checked = self.check_properties(number, &parsed)?;
        let Checked { persistent, priority, ttl_ms, .. } = checked;
        let message = match body {
            Body::Kept(message) => Incoming::kept(message, persistent, priority, ttl_ms),
            Body::Borrowed(body) => {
                let parts = Parts { exchange, routing_key, properties, body };
                Incoming::new(parts, persistent, priority, ttl_ms)
            }
        };
        let message = match checked.rewritten {
            Some(properties) => {
                let parts = Parts { properties: &properties, ..message.parts() };
                Incoming::kept(Message::new(&parts), persistent, priority, ttl_ms)
            }
            None => message,
        };
        let once = self.routes.varying(route, &vhost, routing_key, &parsed, &checked.more_keys);
        let queues: &[Arc<Queue>] = once.as_deref().unwrap_or_else(|| self.routes.queues(route));
        let addressees = || self.routes.addressees(route, queues, routing_key, &checked.more_keys);
        if vhost.is_tracing() && exchange != trace::EXCHANGE.as_bytes() {
            let channel =
                trace::Channel { vhost: &vhost.name, connection: &self.card.name, number, user: self.user() };
            let trace = Trace::publish(&channel, &message.parts(), &addressees());
            gathered.traces.push(trace);
        }
        if let Some(channel) = self.channels.get_mut(&number)
            && let Some(tx) = &mut channel.tx
        {
            tx.hold_message(&message, mandatory, addressees(), &vhost);
            return Ok(());
        }
        if queues.is_empty() && mandatory {
            self.give_back(number, &message.parts());
        }
        let stored = vhost.put(&message, queues, gathered.now());
        let nowhere = queues.is_empty();
        let unstored = self.note_confirm(number, stored, gathered)?;
        if unstored || nowhere {
            return Ok(());
        }
        if let Some(queues) = once {
            let groups: SmallVec<[u32; 8]> = queues.iter().map(|queue| gathered.group(queue)).collect();
            gathered.add(message, &groups);
        } else {
            let groups = self.routes.groups(route, gathered.batch, |queue| gathered.group(queue));
            gathered.add(message, groups);
        }
        if gathered.is_wide() {
            self.flush(gathered);
        }
        Ok(())
    }

    /// Puts the message in line for its confirm. `true`: the log did not take it, and the publisher was told.
    fn note_confirm(
        &mut self,
        number: u16,
        stored: Result<u64, journal::Error>,
        gathered: &mut Gathered<'_>,
    ) -> Outcome<bool> {
        let channel = self.channel(number)?;
        let next = channel.confirms.as_mut().map(super::confirm::Confirms::next);
        match (stored, next) {
            (Ok(end), Some(next)) => {
                gathered.confirms.push((number, next, end));
                Ok(false)
            }
            (Ok(_), None) => Ok(false),
            (Err(error), Some(delivery_tag)) => {
                tracing::debug!(%error, "a message was not stored: its publisher gets basic.nack");
                let nack = basic::Nack { delivery_tag, multiple: false, requeue: false };
                self.send(number, &Method::BasicNack(nack));
                Ok(true)
            }
            (Err(error), None) => Err(Failure::store(&error)),
        }
    }

    /// `basic.return` for a mandatory message that no queue takes.
    pub(super) fn give_back(&self, channel: u16, parts: &Parts<'_>) {
        let returned = basic::Return {
            reply_code: reply::NO_ROUTE,
            reply_text: "NO_ROUTE",
            exchange: parts.exchange,
            routing_key: parts.routing_key,
        };
        let mut outbox = self.link.lock();
        Method::BasicReturn(returned).write_frame(channel, &mut outbox.frames);
        outbox.write_content(channel, parts);
    }

    /// Carries out what was gathered: acknowledgements, publishes, then confirms.
    pub(super) fn flush(&mut self, gathered: &mut Gathered<'_>) {
        if gathered.is_empty() {
            return;
        }
        let Ok(vhost) = self.vhost().cloned() else { return };
        let traces = std::mem::take(&mut gathered.traces);
        let mut effects = Effects { traces, ..Effects::default() };
        if !gathered.settled.is_empty() {
            self.acknowledge(std::mem::take(&mut gathered.settled), &mut effects);
        }
        sched::yield_point("publish: between log and queues");
        let batch = Batch { messages: &gathered.messages, now: gathered.now, tracing: vhost.is_tracing() };
        for group in &gathered.groups {
            group.queue.publish(&batch, &group.picks, &mut effects);
        }
        gathered.forget_messages();
        // What routes remember of their queues' places is void now.
        gathered.batch = self.routes.next_batch();
        vhost.carry_out(&mut effects);
        if let Some(queue) = effects.backlog.take() {
            self.throttle.meet(queue);
        }
        if !gathered.confirms.is_empty() {
            for (number, next, end) in gathered.confirms.drain(..) {
                let channel = self.channels.get_mut(&number);
                if let Some(confirms) = channel.and_then(|c| c.confirms.as_mut()) {
                    confirms.wait(next, end);
                    self.awaits_disk = true;
                }
            }
            self.confirm();
        }
    }
}

/// Header and body, if both lie whole in `after` and are what they should be.
fn whole_content(channel: u16, after: &[u8], frame_max: u32) -> Option<(ContentHeader<'_>, &[u8], usize)> {
    let (frame, header_used) = frame::split(after, frame_max).ok()??;
    if frame.kind != frame::HEADER || frame.channel != channel {
        return None;
    }
    let header = ContentHeader::parse(frame.payload).ok().filter(|h| h.class == BASIC)?;
    if header.body_size == 0 {
        return Some((header, &[], header_used));
    }
    let (frame, body_used) = frame::split(after.get(header_used..)?, frame_max).ok()??;
    let is_whole = frame.kind == frame::BODY
        && frame.channel == channel
        && frame.payload.len() as u64 == header.body_size;
    is_whole.then_some((header, frame.payload, header_used + body_used))
}
