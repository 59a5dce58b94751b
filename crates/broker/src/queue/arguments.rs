//! The `x-` arguments of `queue.declare`: which are known, what their values may be, and what two declarations of
//! one queue have to agree on. All as RabbitMQ 3.10.8 has it, whose texts clients match on: recorded in
//! tests/recorded/protocol.json (`argument-*`, `quorum-*`, `stream-*`), the rest tried on a running one.
//!
//! What is asked of a declaration, in this order (rights and the queue's name are checked by the session):
//!
//! 1. [`check_server_named`], where the client gave no name;
//! 2. the queue is there already: [`difference`] alone, however senseless the new values are;
//! 3. it is not: [`dead_letter_exchange`], then the rights on that exchange, then [`Arguments::of_new_queue`].
//!
//! Arguments that no queue type knows (`x-ha-policy`, `x-cancel-on-ha-failover`) are accepted and kept with the
//! queue, and mean nothing. `x-queue-mode`, `x-queue-version` and `x-queue-master-locator` are checked and compared,
//! and mean nothing either: where messages lie is this broker's own business.

#[cfg(test)]
mod tests;
mod without_effect;

use amqp::table::{FieldTable, Value};

pub(crate) use self::without_effect::without_effect;

const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const MASTER_LOCATOR: &str = "x-queue-master-locator";
const QUEUE_TYPE: &str = "x-queue-type";

/// The longest `x-expires` and `x-message-ttl`: ten years of 365 days.
const EXPIRY_MAX_MS: i64 = 315_360_000_000;
const PRIORITY_MAX: i64 = 255;

/// What a queue's arguments ask of it.
///
/// Length limits, overflow, dead-lettering and the single active consumer are read here and kept with the queue;
/// what they do moves in with the next issue.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Arguments {
    /// `x-message-ttl`. 0: a message that no consumer takes at once is gone.
    pub(crate) message_ttl_ms: Option<u64>,
    /// `x-expires`, never 0.
    pub(crate) expires_ms: Option<u64>,
    /// `x-max-priority`. 0 is a priority queue with one priority.
    pub(crate) max_priority: Option<u8>,
    /// `x-max-length`, in messages.
    pub(crate) max_length: Option<u64>,
    /// `x-max-length-bytes`, bodies only.
    pub(crate) max_length_bytes: Option<u64>,
    /// `x-overflow`
    pub(crate) overflow: Overflow,
    /// `x-dead-letter-exchange`; `""` is the default exchange. It need not exist.
    pub(crate) dead_letter_exchange: Option<String>,
    /// `x-dead-letter-routing-key`; without one the message keeps its own.
    pub(crate) dead_letter_routing_key: Option<Vec<u8>>,
    /// `x-single-active-consumer`
    pub(crate) single_active_consumer: bool,
    /// `x-queue-type`
    pub(crate) queue_type: QueueType,
}

/// `x-overflow`: what happens when a length limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overflow {
    #[default]
    DropHead,
    RejectPublish,
    RejectPublishDlx,
}

/// `x-queue-type`. A quorum queue is served by a durable queue like any other; streams are refused so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum QueueType {
    #[default]
    Classic,
    Quorum,
    Stream,
}

/// How a queue is declared, beside its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) durable: bool,
    pub(crate) exclusive: bool,
    pub(crate) auto_delete: bool,
}

/// Why a declaration is refused. Everything but [`Invalid::Internal`] closes the channel with 406.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// The value is of the wrong type, out of range, or none of those allowed: `reason`, an Erlang term.
    Value { name: &'static str, reason: String },
    /// `x-dead-letter-exchange` is not text but of this type.
    DeadLetterExchange { type_name: &'static str },
    /// The argument is one of another queue type.
    Foreign { name: &'static str, queue_type: QueueType },
    /// This queue type cannot be exclusive, auto-deleted or transient.
    Property { property: &'static str },
    /// This queue type needs a name given by the client.
    ServerNamed { queue_type: QueueType },
    /// RabbitMQ fails over the value and closes the whole connection with 541, method 0.0, and no text beyond
    /// `INTERNAL_ERROR`.
    Internal,
}

impl Invalid {
    /// The reply text after `PRECONDITION_FAILED - `; empty for [`Invalid::Internal`], which has none.
    pub(crate) fn text(&self, queue: &str, vhost: &str) -> String {
        let place = format_args!("queue '{queue}' in vhost '{vhost}'");
        match self {
            Invalid::Value { name, reason } => format!("invalid arg '{name}' for {place}: {reason}"),
            Invalid::DeadLetterExchange { type_name } => {
                format!("invalid type '{type_name}' for arg '{DEAD_LETTER_EXCHANGE}' in {place}")
            }
            Invalid::Foreign { name, queue_type } => {
                format!("invalid arg '{name}' for {place} of queue type {}", queue_type.module())
            }
            Invalid::Property { property } => format!("invalid property '{property}' for {place}"),
            Invalid::ServerNamed { queue_type } => {
                format!("Cannot declare a server-named queue for type {}", queue_type.module())
            }
            Invalid::Internal => String::new(),
        }
    }

    /// Whether the connection is closed with 541, and not the channel with 406.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self, Invalid::Internal)
    }
}

impl QueueType {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            b"classic" => Some(QueueType::Classic),
            b"quorum" => Some(QueueType::Quorum),
            b"stream" => Some(QueueType::Stream),
            _ => None,
        }
    }

    /// The type's name in refusals.
    fn module(self) -> &'static str {
        match self {
            QueueType::Classic => "rabbit_classic_queue",
            QueueType::Quorum => "rabbit_quorum_queue",
            QueueType::Stream => "rabbit_stream_queue",
        }
    }

    /// What this type knows, in the order in which two declarations are compared.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            QueueType::Classic => &[
                "x-expires",
                "x-message-ttl",
                DEAD_LETTER_EXCHANGE,
                "x-dead-letter-routing-key",
                "x-max-length",
                "x-max-length-bytes",
                "x-max-priority",
                "x-overflow",
                "x-queue-mode",
                "x-queue-version",
                "x-single-active-consumer",
                QUEUE_TYPE,
                MASTER_LOCATOR,
            ],
            QueueType::Quorum => &[
                DEAD_LETTER_EXCHANGE,
                "x-dead-letter-routing-key",
                "x-dead-letter-strategy",
                "x-expires",
                "x-max-length",
                "x-max-length-bytes",
                "x-max-in-memory-length",
                "x-max-in-memory-bytes",
                "x-overflow",
                "x-single-active-consumer",
                QUEUE_TYPE,
                "x-quorum-initial-group-size",
                "x-delivery-limit",
                "x-message-ttl",
                "x-queue-leader-locator",
            ],
            QueueType::Stream => &[
                "x-max-length-bytes",
                QUEUE_TYPE,
                "x-max-age",
                "x-stream-max-segment-size-bytes",
                "x-initial-cluster-size",
                "x-queue-leader-locator",
            ],
        }
    }

    fn knows(self, name: &str) -> bool {
        self.arguments().contains(&name)
    }
}

/// Whether the client may leave the name to the broker: only for a classic queue. Comes before everything else.
///
/// # Errors
/// [`Invalid::ServerNamed`]; [`Invalid::Internal`] for a queue type that does not exist.
pub(crate) fn check_server_named(table: &FieldTable) -> Result<(), Invalid> {
    let Some(value) = table.get(QUEUE_TYPE) else { return Ok(()) };
    match binary(value).and_then(QueueType::from_bytes) {
        Some(QueueType::Classic) => Ok(()),
        Some(queue_type) => Err(Invalid::ServerNamed { queue_type }),
        None => Err(Invalid::Internal),
    }
}

/// Name of the exchange a new queue's dead letters go to, for the check of rights that comes before all other
/// arguments. A name that is not UTF-8 is one that no exchange has.
///
/// # Errors
/// [`Invalid::DeadLetterExchange`] when it is not text.
pub(crate) fn dead_letter_exchange(table: &FieldTable) -> Result<Option<String>, Invalid> {
    let Some(value) = table.get(DEAD_LETTER_EXCHANGE) else { return Ok(None) };
    match value.as_bytes() {
        Some(name) => Ok(Some(String::from_utf8_lossy(name).into_owned())),
        None => Err(Invalid::DeadLetterExchange { type_name: value.type_name() }),
    }
}

impl Arguments {
    /// The arguments of a named, durable queue that all may use, such as the log keeps.
    ///
    /// # Errors
    /// As [`Arguments::of_new_queue`].
    pub(crate) fn parse(table: &FieldTable) -> Result<Arguments, Invalid> {
        let properties = Properties { durable: true, exclusive: false, auto_delete: false };
        Arguments::of_new_queue(table, properties)
    }

    /// Checks what a queue that is not there yet is declared with.
    ///
    /// # Errors
    /// The first thing RabbitMQ would refuse; after that, a stream: as a queue type that is not supported.
    pub(crate) fn of_new_queue(table: &FieldTable, properties: Properties) -> Result<Arguments, Invalid> {
        let dead_letter_exchange = dead_letter_exchange(table)?;
        let queue_type = queue_type(table)?;
        check_values(table, queue_type)?;
        check_foreign(table, queue_type)?;
        check_properties(queue_type, properties)?;
        if queue_type == QueueType::Classic && !properties.exclusive {
            check_master_locator(table)?;
        }
        if queue_type == QueueType::Stream {
            return Err(unsupported_type(b"stream"));
        }
        let number = |name| table.get(name).and_then(Value::as_int).and_then(|n| u64::try_from(n).ok());
        Ok(Arguments {
            message_ttl_ms: number("x-message-ttl"),
            expires_ms: number("x-expires"),
            max_priority: number("x-max-priority").and_then(|n| u8::try_from(n).ok()),
            max_length: number("x-max-length"),
            max_length_bytes: number("x-max-length-bytes"),
            overflow: match table.get("x-overflow").and_then(Value::as_str) {
                Some("reject-publish") => Overflow::RejectPublish,
                Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
                _ => Overflow::DropHead,
            },
            dead_letter_exchange,
            dead_letter_routing_key: table
                .get("x-dead-letter-routing-key")
                .and_then(Value::as_bytes)
                .map(<[u8]>::to_vec),
            single_active_consumer: table
                .get("x-single-active-consumer")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            queue_type,
        })
    }
}

/// What keeps `received` from declaring the queue that was declared with `current`, as text after
/// `PRECONDITION_FAILED - `; `None` when they agree. Only what the existing queue's type knows is looked at.
///
/// One difference to RabbitMQ: a decimal in place of a number is refused here, where it closes the connection
/// over a failure of its own (541). Arrays and tables are written on one line.
pub(crate) fn difference(
    current: &FieldTable,
    received: &FieldTable,
    queue: &str,
    vhost: &str,
) -> Option<String> {
    let queue_type = current.get(QUEUE_TYPE).and_then(binary).and_then(QueueType::from_bytes);
    let names = queue_type.unwrap_or_default().arguments();
    names.iter().find_map(|&name| {
        let (was, is) = match (current.get(name), received.get(name)) {
            (None, None) => return None,
            (Some(was), Some(is)) if is_same(was, is) => return None,
            (Some(was), Some(is)) => (quoted(was), quoted(is)),
            // To say "classic" and to say nothing is the same.
            (Some(one), None) | (None, Some(one))
                if name == QUEUE_TYPE && one.as_bytes() == Some(b"classic") =>
            {
                return None;
            }
            (was, is) => (described(was), described(is)),
        };
        Some(format!(
            "inequivalent arg '{name}' for queue '{queue}' in vhost '{vhost}': received {is} but current is {was}"
        ))
    })
}

// Checks of a new queue, in the order in which they are made.

fn queue_type(table: &FieldTable) -> Result<QueueType, Invalid> {
    let Some(value) = table.get(QUEUE_TYPE) else { return Ok(QueueType::Classic) };
    let Some(name) = value.as_bytes() else {
        return Err(Invalid::Value { name: QUEUE_TYPE, reason: unacceptable(value) });
    };
    QueueType::from_bytes(name).ok_or_else(|| unsupported_type(name))
}

fn unsupported_type(name: &[u8]) -> Invalid {
    Invalid::Value { name: QUEUE_TYPE, reason: unsupported("type", name) }
}

/// Says what is wrong with a value, as an Erlang term.
type Check = fn(&Value, &FieldTable) -> Result<(), String>;

/// The values that are checked, in this order. (`x-delivery-limit` is never; a stream's own come with streams.)
const CHECKS: &[(&str, Check)] = &[
    ("x-expires", |value, _| match integer(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        ms => expiry(ms),
    }),
    ("x-message-ttl", |value, _| expiry(integer(value)?)),
    ("x-dead-letter-routing-key", |value, table| match (value.as_bytes(), table.get(DEAD_LETTER_EXCHANGE)) {
        (None, _) => Err(unacceptable(value)),
        (Some(_), None) => Err("routing_key_but_no_dlx_defined".to_owned()),
        (Some(_), Some(_)) => Ok(()),
    }),
    ("x-dead-letter-strategy", |value, _| {
        one_of(value, &["at-most-once", "at-least-once"], "invalid_dlx_strategy")
    }),
    ("x-max-length", |value, _| not_negative(value).map(drop)),
    ("x-max-length-bytes", |value, _| not_negative(value).map(drop)),
    ("x-max-in-memory-length", |value, _| not_negative(value).map(drop)),
    ("x-max-in-memory-bytes", |value, _| not_negative(value).map(drop)),
    ("x-max-priority", |value, _| match not_negative(value)? {
        ..=PRIORITY_MAX => Ok(()),
        number => Err(format!("{{max_value_exceeded,{number}}}")),
    }),
    ("x-overflow", |value, _| {
        one_of(value, &["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow")
    }),
    ("x-queue-mode", |value, _| match value.as_bytes() {
        Some(b"default" | b"lazy") => Ok(()),
        Some(mode) => Err(unsupported("mode", mode)),
        None => Err(unacceptable(value)),
    }),
    ("x-queue-version", |value, _| match not_negative(value)? {
        1 | 2 => Ok(()),
        version => Err(unsupported("version", version.to_string().as_bytes())),
    }),
    ("x-single-active-consumer", |value, _| value.as_bool().map(drop).ok_or_else(|| unacceptable(value))),
    ("x-quorum-initial-group-size", |value, _| match not_negative(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        _ => Ok(()),
    }),
    ("x-queue-leader-locator", |value, _| {
        let known = ["client-local", "balanced", "random", "least-leaders"];
        one_of(value, &known, "invalid_queue_locator_arg")
    }),
];

fn check_values(table: &FieldTable, queue_type: QueueType) -> Result<(), Invalid> {
    let known = CHECKS.iter().filter(|(name, _)| queue_type.knows(name));
    for &(name, check) in known {
        if let Some(value) = table.get(name) {
            check(value, table).map_err(|reason| Invalid::Value { name, reason })?;
        }
    }
    Ok(())
}

/// The first argument sent that only other queue types know.
fn check_foreign(table: &FieldTable, queue_type: QueueType) -> Result<(), Invalid> {
    let types = [QueueType::Classic, QueueType::Quorum, QueueType::Stream];
    for (sent, _) in table.iter().filter(|(sent, _)| !queue_type.knows(sent)) {
        let known = types.iter().flat_map(|t| t.arguments()).find(|&&name| name == sent);
        if let Some(&name) = known {
            return Err(Invalid::Foreign { name, queue_type });
        }
    }
    Ok(())
}

fn check_properties(queue_type: QueueType, properties: Properties) -> Result<(), Invalid> {
    if queue_type == QueueType::Classic {
        return Ok(());
    }
    let property = match properties {
        Properties { auto_delete: true, .. } => "auto-delete",
        Properties { exclusive: true, .. } => "exclusive-owner",
        Properties { durable: false, .. } => "non-durable",
        _ => return Ok(()),
    };
    Err(Invalid::Property { property })
}

/// Where in a cluster the queue is to live. An exclusive queue lives with its connection, and is not asked.
fn check_master_locator(table: &FieldTable) -> Result<(), Invalid> {
    match table.get(MASTER_LOCATOR).map(binary) {
        None | Some(Some(b"min-masters" | b"client-local" | b"random")) => Ok(()),
        Some(_) => Err(Invalid::Internal),
    }
}

// What is said of values.

fn integer(value: &Value) -> Result<i64, String> {
    value.as_int().ok_or_else(|| format!("\"expected integer, got {}\"", value.type_name()))
}

fn not_negative(value: &Value) -> Result<i64, String> {
    match integer(value)? {
        number @ ..0 => Err(format!("{{value_negative,{number}}}")),
        number => Ok(number),
    }
}

fn expiry(ms: i64) -> Result<(), String> {
    match ms {
        ..0 => Err(format!("{{value_negative,{ms}}}")),
        0..=EXPIRY_MAX_MS => Ok(()),
        _ => Err(format!("{{value_too_large,{ms}}}")),
    }
}

fn one_of(value: &Value, allowed: &[&str], refusal: &str) -> Result<(), String> {
    match value.as_bytes() {
        None => Err(unacceptable(value)),
        Some(text) if allowed.iter().any(|name| name.as_bytes() == text) => Ok(()),
        Some(_) => Err(refusal.to_owned()),
    }
}

fn unacceptable(value: &Value) -> String {
    format!("{{unacceptable_type,{}}}", value.type_name())
}

fn unsupported(what: &str, value: &[u8]) -> String {
    let text = [format!("unsupported queue {what} '").as_bytes(), value, b"'"].concat();
    string_term(&text).unwrap_or_else(|| format!("[{}]", comma_separated(text)))
}

// Comparing and writing values as Erlang terms, which is what they are in RabbitMQ.

/// Whether two values are one term, whatever their wire types. The elements of arrays and tables carry their types.
fn is_same(one: &Value, other: &Value) -> bool {
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        return one == other;
    }
    if let (Some(one), Some(other)) = (binary(one), binary(other)) {
        return one == other;
    }
    if let (Some(one), Some(other)) = (float(one), float(other)) {
        return one == other;
    }
    one == other || (is_empty_list(one) && is_empty_list(other))
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Timestamp(seconds) => Some((*seconds).into()),
        value => value.as_int().map(i128::from),
    }
}

fn binary(value: &Value) -> Option<&[u8]> {
    match value {
        Value::LongStr(bytes) | Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match *value {
        Value::F32(number) => Some(number.into()),
        Value::F64(number) => Some(number),
        _ => None,
    }
}

fn is_empty_list(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.is_empty(),
        Value::Table(table) => table.is_empty(),
        _ => false,
    }
}

/// A value where both declarations have one.
fn quoted(value: &Value) -> String {
    match value {
        Value::Void => "none".to_owned(),
        value => format!("'{}'", plain(value)),
    }
}

/// A value where only one declaration has one.
fn described(value: Option<&Value>) -> String {
    value.map_or_else(
        || "none".to_owned(),
        |value| format!("the value '{}' of type '{}'", plain(value), value.type_name()),
    )
}

/// Text as it is, everything else as a term.
fn plain(value: &Value) -> String {
    binary(value).map_or_else(|| term(value), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn term(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Void => "undefined".to_owned(),
        Value::Decimal { scale, value } => format!("{{{scale},{value}}}"),
        Value::F32(number) => float_term((*number).into()),
        Value::F64(number) => float_term(*number),
        Value::LongStr(bytes) | Value::Bytes(bytes) => binary_term(bytes),
        Value::Array(values) => {
            let typed = values.iter().map(|value| format!("{{{},{}}}", value.type_name(), term(value)));
            format!("[{}]", comma_separated(typed))
        }
        Value::Table(table) => {
            let typed = table.iter().map(|(name, value)| {
                format!("{{{},{},{}}}", binary_term(name.as_bytes()), value.type_name(), term(value))
            });
            format!("[{}]", comma_separated(typed))
        }
        number => whole(number).map_or_else(String::new, |number| number.to_string()),
    }
}

fn comma_separated(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(",")
}

fn binary_term(bytes: &[u8]) -> String {
    match string_term(bytes) {
        Some(text) if !bytes.is_empty() => format!("<<{text}>>"),
        _ => format!("<<{}>>", comma_separated(bytes)),
    }
}

/// Bytes in double quotes, if all of them can be printed as Latin-1 (which is how Erlang looks at them: of
/// UTF-8, "é" can be, "À" cannot).
fn string_term(bytes: &[u8]) -> Option<String> {
    let mut out = vec![b'"'];
    for &byte in bytes {
        let escaped: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x0b => b"\\v",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0x1b => b"\\e",
            0x20..=0x7e | 0xa0.. => &[byte],
            _ => return None,
        };
        out.extend_from_slice(escaped);
    }
    out.push(b'"');
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// The shorter of `5000.0` and `5.0e3`, the former where they are of one length; numbers so large that a float is
/// not exact any more always as the latter.
fn float_term(number: f64) -> String {
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    let decimal = format!("{number:?}");
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return decimal };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let scientific = format!("{mantissa}{point}e{exponent}");
    let is_decimal = number.abs() < EXACT_BELOW && !decimal.contains('e');
    if is_decimal && decimal.len() <= scientific.len() { decimal } else { scientific }
}
