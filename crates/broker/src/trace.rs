//! The firehose: while it is on, every message that enters and every delivery is copied to `amq.rabbitmq.trace`.
//! Keys, headers and their types are RabbitMQ's (its documentation, "Firehose Tracer", and recordings).

use std::sync::Arc;

use amqp::properties::Properties;
use amqp::table::{FieldTable, RawTable, Value};

use crate::link::{Consumer, Link};
use crate::message::{Incoming, Message, Parts};
use crate::queue::delivery::Batch;
use crate::queue::{Aftermath, Queue};
use crate::session::card::ConnectionCard;
use crate::vhost::Vhost;

/// The exchange traces go to. What is published there is not traced again.
pub(crate) const EXCHANGE: &str = "amq.rabbitmq.trace";

/// One event to be published.
pub(crate) struct Trace {
    key: String,
    headers: FieldTable,
    body: Message,
}

fn text(text: impl AsRef<[u8]>) -> Value {
    Value::LongStr(text.as_ref().to_vec())
}

impl Trace {
    /// A message came in, for the queues of these names (whether or not they exist).
    pub(crate) fn publish(
        card: &ConnectionCard,
        channel: u16,
        parts: &Parts<'_>,
        addressees: &[Arc<str>],
    ) -> Self {
        let mut headers = common(parts);
        headers.insert("vhost", text(card.vhost.get().map_or("", |vhost| &vhost.name)));
        headers.insert("connection", text(&card.name));
        headers.insert("channel", Value::I32(channel.into()));
        headers.insert("user", text(card.identity.get().map_or("", |identity| &identity.name)));
        // Answers to a client's own requests go past the queues.
        let names = addressees.iter().filter(|name| !name.starts_with("amq.rabbitmq.reply-to."));
        let names = names.map(|name| text(name.as_bytes())).collect();
        headers.insert("routed_queues", Value::Array(names));
        let key = format!("publish.{}", String::from_utf8_lossy(parts.exchange));
        Trace { key, headers, body: Message::new(parts) }
    }

    /// A consumer was given a message.
    pub(crate) fn delivery(queue: &Queue, consumer: &Consumer, parts: &Parts<'_>, redelivered: bool) -> Self {
        Self::delivered(queue, (&consumer.link, consumer.channel, &consumer.user), parts, redelivered)
    }

    /// `basic.get` was given a message.
    pub(crate) fn got(
        queue: &Queue,
        whom: (&Arc<Link>, u16, &Arc<str>),
        parts: &Parts<'_>,
        redelivered: bool,
    ) -> Self {
        Self::delivered(queue, whom, parts, redelivered)
    }

    fn delivered(
        queue: &Queue,
        (link, channel, user): (&Arc<Link>, u16, &Arc<str>),
        parts: &Parts<'_>,
        redelivered: bool,
    ) -> Self {
        let mut headers = common(parts);
        headers.insert("redelivered", Value::I32(redelivered.into()));
        let vhost = queue.vhost.upgrade();
        headers.insert("vhost", text(vhost.as_ref().map_or("", |vhost| &vhost.name)));
        headers.insert("connection", text(link.name()));
        headers.insert("channel", Value::I32(channel.into()));
        headers.insert("user", text(user.as_bytes()));
        Trace { key: format!("deliver.{}", queue.name), headers, body: Message::new(parts) }
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

/// Sends the events out.
pub(crate) fn publish(vhost: &Arc<Vhost>, traces: Vec<Trace>) {
    let Some(exchange) = vhost.find_exchange(EXCHANGE) else { return };
    // A message that is itself a trace is not traced when it is delivered.
    let is_trace = |trace: &Trace| trace.body.parts().exchange == EXCHANGE.as_bytes();
    for mut trace in traces.into_iter().filter(|trace| !is_trace(trace)) {
        let queues = vhost.route(&exchange, trace.key.as_bytes(), None).queues;
        if queues.is_empty() {
            continue;
        }
        trace.headers.insert("node", text(vhost.node.as_bytes()));
        let headers = trace.headers.to_bytes();
        let mut properties = Vec::new();
        Properties { headers_raw: Some(&headers), ..Properties::default() }.encode(&mut properties);
        let parts = Parts {
            exchange: EXCHANGE.as_bytes(),
            routing_key: trace.key.as_bytes(),
            properties: &properties,
            body: trace.body.parts().body,
        };
        let messages = [Incoming::new(parts, false, 0, None)];
        // The trace's own deliveries are not traced: that would never end.
        let batch = Batch { vhost, messages: &messages, now: crate::clock::now_ms(), tracing: false };
        let mut aftermath = Aftermath::default();
        for queue in &queues {
            queue.publish(&batch, &[0], &mut aftermath);
        }
        aftermath.traces.clear();
        aftermath.carry_out(vhost);
    }
}
