//! Values and tables of our own: built for the wire or kept after it.
#![deny(clippy::indexing_slicing)]

use super::accessors::accessors;
use crate::wire;

/// A value with everything it holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`; `L` is read as this, too
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: `value` divided by ten to the power of `scale`
    Decimal {
        /// Digits after the point.
        scale: u8,
        /// The number without its point.
        value: u32,
    },
    /// `S`: any bytes, mostly text
    LongStr(Vec<u8>),
    /// `A`
    Array(Vec<Value>),
    /// `T`: seconds since 1970
    Timestamp(u64),
    /// `F`
    Table(FieldTable),
    /// `V`: no value
    Void,
    /// `x`
    Bytes(Vec<u8>),
}

/// Names and values in their order. Look-ups search from the front: tables have
/// a few entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldTable(Vec<(String, Value)>);

impl FieldTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a name: replaces the first of that name, else appends.
    /// A name over 255 bytes is cut at a character's boundary when it is encoded.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes the first value of that name out; the order of the others stays.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(place).1)
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many entries there are, on this level.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the table with its length of four bytes before it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        with_length(out, |out| self.encode_entries(out));
    }

    /// The table's bytes without their length, as [`super::RawTable::parse`] takes them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_entries(&mut out);
        out
    }

    fn encode_entries(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            wire::shortstr(out, name);
            value.encode(out);
        }
    }
}

/// Keeps every entry, equal names too, as they came.
impl<N: Into<String>> FromIterator<(N, Value)> for FieldTable {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(entries: I) -> Self {
        FieldTable(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl IntoIterator for FieldTable {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Value {
    accessors!();

    /// The text, if this is a long string and UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The bytes, if this is a long string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::LongStr(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The table, if this is one.
    pub fn as_table(&self) -> Option<&FieldTable> {
        match self {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Appends letter and value, as they stand in a table after the name.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.type_letter());
        match self {
            Value::Bool(value) => out.push(u8::from(*value)),
            Value::I8(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::U8(value) => out.push(*value),
            Value::I16(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::U16(value) => wire::short(out, *value),
            Value::I32(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::U32(value) => wire::long(out, *value),
            Value::I64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::F32(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::F64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::Decimal { scale, value } => {
                out.push(*scale);
                wire::long(out, *value);
            }
            Value::LongStr(bytes) | Value::Bytes(bytes) => wire::longstr(out, bytes),
            Value::Array(values) => {
                with_length(out, |out| values.iter().for_each(|value| value.encode(out)));
            }
            Value::Timestamp(value) => wire::longlong(out, *value),
            Value::Table(table) => table.encode(out),
            Value::Void => {}
        }
    }
}

/// Appends what `content` writes, with its length of four bytes before it.
fn with_length(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let mark = out.len();
    wire::long(out, 0);
    content(out);
    let size = u32::try_from(out.len().saturating_sub(mark + 4)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(mark..mark + 4) {
        place.copy_from_slice(&size.to_be_bytes());
    }
}

/// A long string.
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::LongStr(value.as_bytes().to_vec())
    }
}

/// A long string.
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::LongStr(value.into_bytes())
    }
}

macro_rules! from_plain {
    ($($plain:ty => $variant:ident),* $(,)?) => {
        $(impl From<$plain> for Value {
            fn from(value: $plain) -> Self {
                Value::$variant(value)
            }
        })*
    };
}

from_plain! {
    bool => Bool, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    f32 => F32, f64 => F64, Vec<Value> => Array, FieldTable => Table,
}
