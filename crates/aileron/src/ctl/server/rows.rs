//! Listings' rows: a broker's record and a column's name in, the term RabbitMQ has there out.

use std::net::IpAddr;

use amqp::table::{FieldTable, Value};
use broker::access::{DEFAULT_VHOST, User, VhostRecord};
use broker::info::{BindingInfo, ChannelInfo, ConnectionInfo, ConsumerInfo, ExchangeInfo, QueueInfo};

use super::super::term::Term;

/// The rows of a listing.
pub(super) fn all<T>(records: &[T], columns: &[String], cell: impl Fn(&T, &str) -> Term) -> Vec<Vec<Term>> {
    records.iter().map(|record| columns.iter().map(|column| cell(record, column)).collect()).collect()
}

/// A queue's cell. Columns of quorum queues, mirrors and streams are empty for a classic queue.
pub(super) fn queue(queue: &QueueInfo, column: &str) -> Term {
    match column {
        "name" => Term::text(&queue.name),
        "durable" => queue.durable.into(),
        "auto_delete" => queue.auto_delete.into(),
        "arguments" => arguments(&queue.arguments),
        "policy" => optional(queue.policy.as_deref()),
        "pid" => Term::pid(&queue.pid),
        "owner_pid" => Term::pid(queue.owner_pid.clone().unwrap_or_default()),
        "exclusive" => queue.exclusive.into(),
        "exclusive_consumer_pid" => Term::pid(queue.exclusive_consumer_pid.clone().unwrap_or_default()),
        "exclusive_consumer_tag" => optional(queue.exclusive_consumer_tag.as_deref()),
        "messages_ready" => Term::int(queue.messages_ready),
        "messages_unacknowledged" => Term::int(queue.messages_unacknowledged),
        "messages" => Term::int(queue.messages),
        "messages_ready_ram" => Term::int(queue.messages_ready_ram),
        "messages_unacknowledged_ram" => Term::int(queue.messages_unacknowledged_ram),
        "messages_ram" => Term::int(queue.messages_ram),
        "messages_persistent" => Term::int(queue.messages_persistent),
        "message_bytes" => Term::int(queue.message_bytes),
        "message_bytes_ready" => Term::int(queue.message_bytes_ready),
        "message_bytes_unacknowledged" => Term::int(queue.message_bytes_unacknowledged),
        "message_bytes_ram" => Term::int(queue.message_bytes_ram),
        "message_bytes_persistent" => Term::int(queue.message_bytes_persistent),
        "head_message_timestamp" => queue.head_message_timestamp.map_or(Term::unknown(), Term::int),
        "disk_reads" => Term::int(queue.disk_reads),
        "disk_writes" => Term::int(queue.disk_writes),
        "consumers" => Term::int(queue.consumers),
        "consumer_utilisation" | "consumer_capacity" if queue.consumers == 0 => Term::int(0),
        "consumer_utilisation" | "consumer_capacity" => Term::float(queue.consumer_utilisation),
        "memory" => Term::int(queue.memory),
        "state" => Term::atom(queue.state),
        "type" => Term::atom(queue.queue_type),
        _ => Term::unknown(),
    }
}

/// An exchange's cell.
pub(super) fn exchange(exchange: &ExchangeInfo, column: &str) -> Term {
    match column {
        "name" => Term::text(&exchange.name),
        "type" => Term::atom(exchange.kind),
        "durable" => exchange.durable.into(),
        "auto_delete" => exchange.auto_delete.into(),
        "internal" => exchange.internal.into(),
        "arguments" => arguments(&exchange.arguments),
        "policy" => optional(exchange.policy.as_deref()),
        _ => Term::unknown(),
    }
}

/// A binding's cell. RabbitMQ keeps a binding's arguments sorted by name.
pub(super) fn binding(binding: &BindingInfo, column: &str) -> Term {
    match column {
        "source_name" => Term::text(&binding.source_name),
        "source_kind" => Term::atom(binding.source_kind),
        "destination_name" => Term::text(&binding.destination_name),
        "destination_kind" => Term::atom(binding.destination_kind),
        "routing_key" => Term::Bytes(binding.routing_key.clone()),
        "arguments" => {
            let mut fields: Vec<_> = binding.arguments.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            Term::List(fields.into_iter().map(|(name, value)| field(name, value)).collect())
        }
        _ => Term::unknown(),
    }
}

/// A connection's cell.
pub(super) fn connection(connection: &ConnectionInfo, column: &str) -> Term {
    match column {
        "pid" => Term::pid(&connection.pid),
        "name" => Term::text(&connection.name),
        "port" => Term::int(connection.port),
        "host" => address(&connection.host),
        "peer_port" => Term::int(connection.peer_port),
        "peer_host" => address(&connection.peer_host),
        "ssl" => false.into(),
        "state" => Term::atom(connection.state),
        "channels" => Term::int(connection.channels),
        "protocol" => protocol(connection.protocol),
        "auth_mechanism" => Term::text(&connection.auth_mechanism),
        "user" => Term::text(&connection.user),
        "vhost" => Term::text(&connection.vhost),
        "timeout" => Term::int(connection.timeout),
        "frame_max" => Term::int(connection.frame_max),
        "channel_max" => Term::int(connection.channel_max),
        "client_properties" => arguments(&connection.client_properties),
        "recv_oct" => Term::int(connection.recv_oct),
        "recv_cnt" => Term::int(connection.recv_cnt),
        "send_oct" => Term::int(connection.send_oct),
        "send_cnt" => Term::int(connection.send_cnt),
        "send_pend" => Term::int(connection.send_pend),
        "connected_at" => Term::int(connection.connected_at),
        _ => Term::unknown(),
    }
}

/// A channel's cell.
pub(super) fn channel(channel: &ChannelInfo, column: &str) -> Term {
    match column {
        "pid" => Term::pid(&channel.pid),
        "connection" => Term::pid(&channel.connection),
        "name" => Term::text(&channel.name),
        "number" => Term::int(channel.number),
        "user" => Term::text(&channel.user),
        "vhost" => Term::text(&channel.vhost),
        "transactional" => channel.transactional.into(),
        "confirm" => channel.confirm.into(),
        "consumer_count" => Term::int(channel.consumer_count),
        "messages_unacknowledged" => Term::int(channel.messages_unacknowledged),
        "messages_uncommitted" => Term::int(channel.messages_uncommitted),
        "acks_uncommitted" => Term::int(channel.acks_uncommitted),
        "messages_unconfirmed" => Term::int(channel.messages_unconfirmed),
        "prefetch_count" => Term::int(channel.prefetch_count),
        "global_prefetch_count" => Term::int(channel.global_prefetch_count),
        _ => Term::unknown(),
    }
}

/// A consumer's cell.
pub(super) fn consumer(consumer: &ConsumerInfo, column: &str) -> Term {
    match column {
        "queue_name" => Term::text(&consumer.queue_name),
        "channel_pid" => Term::pid(&consumer.channel_pid),
        "consumer_tag" => Term::text(&consumer.consumer_tag),
        "ack_required" => consumer.ack_required.into(),
        "prefetch_count" => Term::int(consumer.prefetch_count),
        "active" => consumer.active.into(),
        "activity_status" => Term::atom(consumer.activity_status),
        "arguments" => arguments(&consumer.arguments),
        _ => Term::unknown(),
    }
}

/// A user's cell.
pub(super) fn user(user: &User, column: &str) -> Term {
    match column {
        "user" => Term::text(&user.name),
        "tags" => atoms(&user.tags),
        _ => Term::unknown(),
    }
}

/// A vhost's cell. The tags that `add_vhost` was given are kept by RabbitMQ as one text, also when there are none;
/// a list are only those of the vhost that a first start makes.
pub(super) fn vhost(vhost: &VhostRecord, column: &str, node: &str, is_open: bool) -> Term {
    match column {
        "name" => Term::text(&vhost.name),
        "description" => Term::text(&vhost.description),
        "tags" if vhost.name == DEFAULT_VHOST => atoms(&vhost.tags),
        "tags" => Term::text(vhost.tags.join(",")),
        "default_queue_type" => Term::atom("undefined"),
        "tracing" => vhost.tracing.into(),
        "cluster_state" => {
            let state = if is_open { "running" } else { "stopped" };
            Term::List(vec![Term::pair(node, Term::atom(state))])
        }
        _ => Term::unknown(),
    }
}

fn atoms(names: &[String]) -> Term {
    Term::List(names.iter().map(Term::atom).collect())
}

fn optional(text: Option<&str>) -> Term {
    text.map_or(Term::unknown(), Term::text)
}

/// A field table as RabbitMQ has it: a list of `{Name, Type, Value}`.
fn arguments(table: &FieldTable) -> Term {
    Term::List(table.iter().map(|(name, value)| field(name, value)).collect())
}

fn field(name: &str, value: &Value) -> Term {
    let (kind, value) = typed(value);
    Term::Tuple(vec![Term::text(name), Term::atom(kind), value])
}

/// A field's type by RabbitMQ's name, and its value.
fn typed(value: &Value) -> (&'static str, Term) {
    match value {
        Value::Bool(value) => ("bool", (*value).into()),
        Value::I8(value) => ("byte", Term::int(*value)),
        Value::U8(value) => ("unsignedbyte", Term::int(*value)),
        Value::I16(value) => ("short", Term::int(*value)),
        Value::U16(value) => ("unsignedshort", Term::int(*value)),
        Value::I32(value) => ("signedint", Term::int(*value)),
        Value::U32(value) => ("unsignedint", Term::int(*value)),
        Value::I64(value) => ("long", Term::int(*value)),
        Value::F32(value) => ("float", Term::float(f64::from(*value))),
        Value::F64(value) => ("double", Term::float(*value)),
        Value::Decimal { scale, value } => {
            ("decimal", Term::Tuple(vec![Term::int(*scale), Term::int(*value)]))
        }
        Value::LongStr(bytes) => ("longstr", Term::Bytes(bytes.clone())),
        Value::Array(items) => {
            let pair = |item| {
                let (kind, value) = typed(item);
                Term::Tuple(vec![Term::atom(kind), value])
            };
            ("array", Term::List(items.iter().map(pair).collect()))
        }
        Value::Timestamp(seconds) => ("timestamp", Term::int(*seconds)),
        Value::Table(table) => ("table", arguments(table)),
        Value::Void => ("void", Term::atom("undefined")),
        Value::Bytes(bytes) => ("binary", Term::Bytes(bytes.clone())),
    }
}

/// An IP address as Erlang has it: a tuple of its parts.
fn address(text: &str) -> Term {
    match text.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(address)) => Term::Tuple(address.octets().into_iter().map(Term::int).collect()),
        Ok(IpAddr::V6(address)) => Term::Tuple(address.segments().into_iter().map(Term::int).collect()),
        Err(_) if text.is_empty() => Term::unknown(),
        Err(_) => Term::text(text),
    }
}

/// A protocol's version, `{0,9,1}`, as a tuple.
fn protocol(text: &str) -> Term {
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    let parts: Result<Vec<i64>, _> = inner.split([',', '-']).map(str::parse).collect();
    match parts {
        Ok(parts) => Term::Tuple(parts.into_iter().map(Term::int).collect()),
        Err(_) => Term::unknown(),
    }
}
