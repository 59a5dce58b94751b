//! When a header's value equals the value a binding asks for.
//!
//! RabbitMQ compares the values as Erlang terms with `==` and does not look at their types, so all
//! numbers compare by worth (an integer with a timestamp, a float with an integer) and a byte array
//! equals a string of the same bytes. Inside arrays and tables the types stand beside the values and
//! have to be equal, too. Recorded with RabbitMQ 3.10.8: `tests/headers.rs` has the table.

use std::hash::{Hash, Hasher};

use amqp::table::{Value, ValueRef};

/// Whether a binding's `wanted` value equals the message's. A wanted [`Value::Void`] means presence
/// and is the caller's to handle on the outermost level.
pub(super) fn equal(wanted: &Value, found: ValueRef<'_>) -> bool {
    if let (Some(wanted), Some(found)) = (Number::of(wanted), Number::of_ref(found)) {
        return wanted.equals(found);
    }
    if let (Some(wanted), Some(found)) = (bytes(wanted), bytes_ref(found)) {
        return wanted == found;
    }
    match (wanted, found) {
        (Value::Bool(wanted), ValueRef::Bool(found)) => *wanted == found,
        (Value::Decimal { scale, value }, ValueRef::Decimal { scale: found_scale, value: found_value }) => {
            *scale == found_scale && *value == found_value
        }
        (Value::Void, ValueRef::Void) => true,
        (Value::Array(wanted), ValueRef::Array(found)) => {
            let mut found = found.iter();
            wanted.iter().all(|wanted| found.next().is_some_and(|found| equal_typed(wanted, found)))
                && found.next().is_none()
        }
        (Value::Table(wanted), ValueRef::Table(found)) => {
            let mut found = found.iter();
            wanted.iter().all(|(name, wanted)| {
                found.next().is_some_and(|(key, found)| name == key && equal_typed(wanted, found))
            }) && found.next().is_none()
        }
        // Both are the empty list there.
        (Value::Array(wanted), ValueRef::Table(found)) => wanted.is_empty() && found.is_empty(),
        (Value::Table(wanted), ValueRef::Array(found)) => wanted.is_empty() && found.is_empty(),
        _ => false,
    }
}

fn equal_typed(wanted: &Value, found: ValueRef<'_>) -> bool {
    wanted.type_letter() == found.type_letter() && equal(wanted, found)
}

/// Feeds `state` with what equal values have in common. Values that differ may agree here.
pub(super) fn hash_wanted(wanted: &Value, state: &mut impl Hasher) {
    match (Number::of(wanted), bytes(wanted), wanted) {
        (Some(number), ..) => number.hash(state),
        (_, Some(bytes), _) => (1_u8, bytes).hash(state),
        (.., Value::Bool(value)) => (2_u8, value).hash(state),
        (.., Value::Decimal { scale, value }) => (3_u8, scale, value).hash(state),
        (.., other) => hash_rest(matches!(other, Value::Void), state),
    }
}

/// [`hash_wanted`] for the other side of [`equal`].
pub(super) fn hash_found(found: ValueRef<'_>, state: &mut impl Hasher) {
    match (Number::of_ref(found), bytes_ref(found), found) {
        (Some(number), ..) => number.hash(state),
        (_, Some(bytes), _) => (1_u8, bytes).hash(state),
        (.., ValueRef::Bool(value)) => (2_u8, &value).hash(state),
        (.., ValueRef::Decimal { scale, value }) => (3_u8, &scale, &value).hash(state),
        (.., other) => hash_rest(matches!(other, ValueRef::Void), state),
    }
}

/// Arrays and tables are rare as headers to match: they share one hash.
fn hash_rest(void: bool, state: &mut impl Hasher) {
    (if void { 4_u8 } else { 5 }).hash(state);
}

/// A number's worth, whatever its type was.
#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Number> {
        Some(match *value {
            Value::I8(value) => Number::Integer(value.into()),
            Value::U8(value) => Number::Integer(value.into()),
            Value::I16(value) => Number::Integer(value.into()),
            Value::U16(value) => Number::Integer(value.into()),
            Value::I32(value) => Number::Integer(value.into()),
            Value::U32(value) => Number::Integer(value.into()),
            Value::I64(value) => Number::Integer(value.into()),
            Value::Timestamp(value) => Number::Integer(value.into()),
            Value::F32(value) => Number::float(value.into()),
            Value::F64(value) => Number::float(value),
            _ => return None,
        })
    }

    fn of_ref(value: ValueRef<'_>) -> Option<Number> {
        Some(match value {
            ValueRef::I8(value) => Number::Integer(value.into()),
            ValueRef::U8(value) => Number::Integer(value.into()),
            ValueRef::I16(value) => Number::Integer(value.into()),
            ValueRef::U16(value) => Number::Integer(value.into()),
            ValueRef::I32(value) => Number::Integer(value.into()),
            ValueRef::U32(value) => Number::Integer(value.into()),
            ValueRef::I64(value) => Number::Integer(value.into()),
            ValueRef::Timestamp(value) => Number::Integer(value.into()),
            ValueRef::F32(value) => Number::float(value.into()),
            ValueRef::F64(value) => Number::float(value),
            _ => return None,
        })
    }

    /// A float without a fraction is the integer; beyond 2^65 no integer type reaches.
    fn float(value: f64) -> Number {
        const BEYOND: f64 = 36_893_488_147_419_103_232.0;
        if value.fract() == 0.0 && value.abs() < BEYOND {
            // Exact: there is no fraction and it fits.
            #[expect(clippy::cast_possible_truncation, reason = "checked above")]
            return Number::Integer(value as i128);
        }
        Number::Float(value)
    }

    fn equals(self, other: Number) -> bool {
        match (self, other) {
            (Number::Integer(left), Number::Integer(right)) => left == right,
            (Number::Float(left), Number::Float(right)) => left == right,
            _ => false,
        }
    }

    fn hash(self, state: &mut impl Hasher) {
        match self {
            Number::Integer(value) => (6_u8, value).hash(state),
            Number::Float(value) => (7_u8, value.to_bits()).hash(state),
        }
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::LongStr(bytes) | Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn bytes_ref(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::LongStr(bytes) | ValueRef::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}
