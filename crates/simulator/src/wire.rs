//! The client's side of the wire: what it sends as bytes, and what it hears as events.

use amqp::frame;
use amqp::method::{Method, basic, channel, connection, exchange, queue};
use amqp::properties::{Properties, write_body_frames, write_header_frame};
use amqp::table::{FieldTable, RawTable, Value};

use crate::plan::Kind;

/// The one channel that a connection uses.
pub const CHANNEL: u16 = 1;
/// The exchange that shares its messages among queues.
pub const FANOUT: &str = "shared";
const FRAME_MAX: u32 = 131_072;

/// What a connection hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A delivery to a consumer.
    Delivered {
        consumer: String,
        tag: u64,
        body: Vec<u8>,
    },
    /// The answer to `basic.get`.
    Got {
        tag: u64,
        body: Vec<u8>,
    },
    GotNothing,
    /// A message that no queue took.
    Returned(Vec<u8>),
    /// Confirms, `good` or not.
    Confirmed {
        tag: u64,
        multiple: bool,
        good: bool,
    },
    Committed,
    RolledBack,
    Purged,
    Deleted(u32),
    Declared,
    /// The broker ended a consumer.
    Cancelled(String),
    ChannelClosed {
        code: u16,
        text: String,
    },
    ConnectionClosed(String),
    /// An answer that says nothing more.
    Ok,
}

/// A queue's name.
pub fn queue_name(number: usize) -> String {
    format!("q{number}")
}

/// What opens a connection with a channel.
pub fn greeting() -> Vec<u8> {
    let mut out = frame_header();
    let mut capabilities = FieldTable::new();
    capabilities.insert("consumer_cancel_notify", Value::Bool(true));
    let mut properties = FieldTable::new();
    properties.insert("capabilities", Value::Table(capabilities));
    let bytes = properties.to_bytes();
    let start = connection::StartOk {
        client_properties: RawTable::parse(&bytes).unwrap_or_default(),
        mechanism: "PLAIN",
        response: b"\0guest\0guest",
        locale: "en_US",
    };
    Method::ConnectionStartOk(start).write_frame(0, &mut out);
    let tune = connection::TuneOk { channel_max: 8, frame_max: FRAME_MAX, heartbeat: 0 };
    Method::ConnectionTuneOk(tune).write_frame(0, &mut out);
    Method::ConnectionOpen(connection::Open { virtual_host: "/" }).write_frame(0, &mut out);
    out
}

fn frame_header() -> Vec<u8> {
    frame::PROTOCOL_HEADER.to_vec()
}

/// One method on the channel.
pub fn method(method: &Method<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    method.write_frame(CHANNEL, &mut out);
    out
}

/// Declares a queue.
pub fn declare(name: &str, kind: Kind, passive: bool) -> Vec<u8> {
    let mut arguments = FieldTable::new();
    if let Some(most) = kind.max_priority {
        arguments.insert("x-max-priority", Value::I32(most.into()));
    }
    if let Some(ttl) = kind.ttl {
        arguments.insert("x-message-ttl", Value::I32(i32::try_from(ttl).unwrap_or(i32::MAX)));
    }
    let bytes = arguments.to_bytes();
    method(&Method::QueueDeclare(queue::Declare {
        queue: name,
        passive,
        durable: kind.durable,
        exclusive: false,
        auto_delete: kind.auto_delete,
        no_wait: false,
        arguments: RawTable::parse(&bytes).unwrap_or_default(),
    }))
}

/// Declares the exchange that shares, and binds a queue to it.
pub fn share(name: &str) -> Vec<u8> {
    let mut out = method(&Method::ExchangeDeclare(exchange::Declare {
        exchange: FANOUT,
        exchange_type: "fanout",
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments: RawTable::default(),
    }));
    out.extend(method(&Method::QueueBind(queue::Bind {
        queue: name,
        exchange: FANOUT,
        routing_key: b"",
        no_wait: false,
        arguments: RawTable::default(),
    })));
    out
}

/// A publish, with its content.
pub fn publish(exchange: &str, key: &str, properties: &Properties<'_>, body: &[u8]) -> Vec<u8> {
    let mut out = method(&Method::BasicPublish(basic::Publish {
        exchange: exchange.as_bytes(),
        routing_key: key.as_bytes(),
        mandatory: true,
        immediate: false,
    }));
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    write_header_frame(CHANNEL, body.len() as u64, &encoded, &mut out);
    write_body_frames(CHANNEL, body, FRAME_MAX, &mut out);
    out
}

/// `channel.close-ok`, and the channel opened again.
pub fn reopen() -> Vec<u8> {
    let mut out = method(&Method::ChannelCloseOk);
    out.extend(method(&Method::ChannelOpen));
    out
}

/// Takes a stream of frames apart.
#[derive(Default)]
pub struct Ear {
    bytes: Vec<u8>,
    content: Option<(Heard, usize)>,
}

impl Ear {
    /// What these bytes, after those before, say.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Heard>, String> {
        self.bytes.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.bytes);
        let (mut heard, mut at) = (Vec::new(), 0);
        while let Some((frame, used)) =
            frame::split(&buffer[at..], FRAME_MAX + 8).map_err(|error| error.to_string())?
        {
            at += used;
            match frame.kind {
                frame::METHOD => {
                    let method = Method::decode(frame.payload).map_err(|error| error.to_string())?;
                    self.method(&method, &mut heard);
                }
                frame::HEADER => {
                    let header =
                        amqp::ContentHeader::parse(frame.payload).map_err(|error| error.to_string())?;
                    let Some((_, left)) = &mut self.content else { return Err("a header alone".into()) };
                    *left = header.body_size as usize;
                    self.whole(&mut heard);
                }
                frame::BODY => {
                    let Some((content, left)) = &mut self.content else { return Err("a body alone".into()) };
                    let (Heard::Delivered { body, .. } | Heard::Got { body, .. } | Heard::Returned(body)) =
                        content
                    else {
                        return Err("a body where none belongs".into());
                    };
                    body.extend_from_slice(frame.payload);
                    *left = left.checked_sub(frame.payload.len()).ok_or("a body that is too long")?;
                    self.whole(&mut heard);
                }
                _ => {}
            }
        }
        self.bytes = buffer[at..].to_vec();
        Ok(heard)
    }

    fn whole(&mut self, heard: &mut Vec<Heard>) {
        if let Some((content, _)) = self.content.take_if(|(_, left)| *left == 0) {
            heard.push(content);
        }
    }

    fn method(&mut self, method: &Method<'_>, heard: &mut Vec<Heard>) {
        let body = Vec::new();
        let said = match method {
            Method::BasicDeliver(d) => {
                let consumer = d.consumer_tag.to_owned();
                self.content = Some((Heard::Delivered { consumer, tag: d.delivery_tag, body }, usize::MAX));
                return;
            }
            Method::BasicGetOk(got) => {
                self.content = Some((Heard::Got { tag: got.delivery_tag, body }, usize::MAX));
                return;
            }
            Method::BasicReturn(_) => {
                self.content = Some((Heard::Returned(body), usize::MAX));
                return;
            }
            Method::BasicGetEmpty => Heard::GotNothing,
            Method::BasicAck(ack) => {
                Heard::Confirmed { tag: ack.delivery_tag, multiple: ack.multiple, good: true }
            }
            Method::BasicNack(nack) => {
                Heard::Confirmed { tag: nack.delivery_tag, multiple: nack.multiple, good: false }
            }
            Method::TxCommitOk => Heard::Committed,
            Method::TxRollbackOk => Heard::RolledBack,
            Method::QueuePurgeOk(_) => Heard::Purged,
            Method::QueueDeleteOk(ok) => Heard::Deleted(ok.message_count),
            Method::QueueDeclareOk(_) => Heard::Declared,
            Method::BasicCancel(cancel) => Heard::Cancelled(cancel.consumer_tag.to_owned()),
            Method::ChannelClose(channel::Close { reply_code, reply_text, .. }) => {
                Heard::ChannelClosed { code: *reply_code, text: (*reply_text).to_owned() }
            }
            Method::ConnectionClose(close) => Heard::ConnectionClosed(close.reply_text.to_owned()),
            _ => Heard::Ok,
        };
        heard.push(said);
    }
}

/// A message's body: its number, and bytes that nobody else has.
pub fn body(id: u64, size: u16) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    let mut dice = crate::dice::Dice::new(id);
    while body.len() < 8 + usize::from(size) {
        body.extend_from_slice(&dice.throw().to_be_bytes());
    }
    body.truncate(8 + usize::from(size));
    body
}

/// The number in a body.
pub fn number(body: &[u8]) -> Option<u64> {
    body.first_chunk().map(|first| u64::from_be_bytes(*first))
}
