//! What the firehose tells: while it is on, every message that enters and every delivery is copied to
//! `amq.rabbitmq.trace`.
//! Keys, headers and their types are RabbitMQ's (its documentation, "Firehose Tracer", and recordings).

use std::sync::Arc;

use amqp::properties::Properties;
use amqp::table::{FieldTable, RawTable, Value};

use crate::message::{Message, Parts};

/// The exchange traces go to. What is published there is not traced again.
pub(crate) const EXCHANGE: &str = "amq.rabbitmq.trace";

/// One event to be published.
pub(crate) struct Trace {
    pub(crate) key: String,
    pub(crate) headers: FieldTable,
    pub(crate) body: Message,
}

/// Whom a message came from or went to.
pub(crate) struct Channel<'a> {
    pub(crate) vhost: &'a str,
    pub(crate) connection: &'a str,
    pub(crate) number: u16,
    pub(crate) user: &'a str,
}

fn text(text: impl AsRef<[u8]>) -> Value {
    Value::LongStr(text.as_ref().to_vec())
}

/// A routing key holds 255 bytes; of a longer one the end is left out. (RabbitMQ's firehose fails there.)
fn short(mut key: String) -> String {
    key.truncate(key.floor_char_boundary(amqp::SHORT_STRING_MAX));
    key
}

impl Trace {
    /// A message came in, for the queues of these names (whether or not they exist).
    pub(crate) fn publish(channel: &Channel<'_>, parts: &Parts<'_>, addressees: &[Arc<str>]) -> Self {
        let mut headers = common(parts);
        channel.describe(&mut headers);
        // Answers to a client's own requests go past the queues.
        let names = addressees.iter().filter(|name| !name.starts_with("amq.rabbitmq.reply-to."));
        let names = names.map(|name| text(name.as_bytes())).collect();
        headers.insert("routed_queues", Value::Array(names));
        let key = short(format!("publish.{}", String::from_utf8_lossy(parts.exchange)));
        Trace { key, headers, body: Message::new(parts) }
    }

    /// A consumer, or `basic.get`, was given a message.
    pub(crate) fn delivery(queue: &str, channel: &Channel<'_>, parts: &Parts<'_>, redelivered: bool) -> Self {
        let mut headers = common(parts);
        headers.insert("redelivered", Value::I32(redelivered.into()));
        channel.describe(&mut headers);
        Trace { key: short(format!("deliver.{queue}")), headers, body: Message::new(parts) }
    }
}

impl Channel<'_> {
    fn describe(&self, headers: &mut FieldTable) {
        headers.insert("vhost", text(self.vhost));
        headers.insert("connection", text(self.connection));
        headers.insert("channel", Value::I32(self.number.into()));
        headers.insert("user", text(self.user));
    }
}

/// What both events state of the message; the node is added when the event is published.
fn common(parts: &Parts<'_>) -> FieldTable {
    let properties = Properties::parse(parts.properties).unwrap_or_default();
    let sent = properties.headers().and_then(Result::ok);
    let mut keys = vec![text(parts.routing_key)];
    for name in ["CC", "BCC"] {
        let more = sent.and_then(|headers| headers.get(name)).map(|value| value.to_owned());
        keys.extend(more.as_ref().and_then(Value::as_array).into_iter().flatten().cloned());
    }
    let mut table = FieldTable::new();
    table.insert("exchange_name", text(parts.exchange));
    table.insert("routing_keys", Value::Array(keys));
    table.insert("properties", Value::Table(described(&properties, sent)));
    table.insert("node", text(""));
    table
}

/// The properties that are set, in the reverse of their order on the wire: so RabbitMQ lists them.
fn described(properties: &Properties<'_>, headers: Option<RawTable<'_>>) -> FieldTable {
    let number = |n: Option<u8>| n.map(|n| Value::I32(n.into()));
    let fields = [
        ("cluster_id", properties.cluster_id.map(text)),
        ("app_id", properties.app_id.map(text)),
        ("user_id", properties.user_id.map(text)),
        ("type", properties.message_type.map(text)),
        ("timestamp", properties.timestamp.map(|t| Value::I32(t as i32))),
        ("message_id", properties.message_id.map(text)),
        ("expiration", properties.expiration.map(text)),
        ("reply_to", properties.reply_to.map(text)),
        ("correlation_id", properties.correlation_id.map(text)),
        ("priority", number(properties.priority)),
        ("delivery_mode", number(properties.delivery_mode)),
        ("headers", headers.map(|headers| Value::Table(headers.to_owned()))),
        ("content_encoding", properties.content_encoding.map(text)),
        ("content_type", properties.content_type.map(text)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
