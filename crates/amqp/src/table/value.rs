//! One value of a field table, owned ([`Value`]) or borrowed ([`ValueRef`]): its
//! type's letter and name, and what it is worth as an integer or text.
#![deny(clippy::indexing_slicing)]

use super::{FieldTable, RawArray, RawTable};
use crate::error::Malformed;
use crate::wire::{self, Reader};

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

/// A value whose strings, arrays and tables are still on the wire.
///
/// Variants as in [`Value`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
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
    LongStr(&'a [u8]),
    /// `A`
    Array(RawArray<'a>),
    /// `T`: seconds since 1970
    Timestamp(u64),
    /// `F`
    Table(RawTable<'a>),
    /// `V`: no value
    Void,
    /// `x`
    Bytes(&'a [u8]),
}

/// What both twins tell about themselves.
macro_rules! accessors {
    () => {
        /// The letter that stands before this value on the wire.
        pub fn type_letter(&self) -> u8 {
            match self {
                Self::Bool(_) => b't',
                Self::I8(_) => b'b',
                Self::U8(_) => b'B',
                Self::I16(_) => b's',
                Self::U16(_) => b'u',
                Self::I32(_) => b'I',
                Self::U32(_) => b'i',
                Self::I64(_) => b'l',
                Self::F32(_) => b'f',
                Self::F64(_) => b'd',
                Self::Decimal { .. } => b'D',
                Self::LongStr(_) => b'S',
                Self::Array(_) => b'A',
                Self::Timestamp(_) => b'T',
                Self::Table(_) => b'F',
                Self::Void => b'V',
                Self::Bytes(_) => b'x',
            }
        }

        /// The type's name in RabbitMQ's reply texts ("... of type 'signedint'").
        pub fn type_name(&self) -> &'static str {
            match self {
                Self::Bool(_) => "bool",
                Self::I8(_) => "byte",
                Self::U8(_) => "unsignedbyte",
                Self::I16(_) => "short",
                Self::U16(_) => "unsignedshort",
                Self::I32(_) => "signedint",
                Self::U32(_) => "unsignedint",
                Self::I64(_) => "long",
                Self::F32(_) => "float",
                Self::F64(_) => "double",
                Self::Decimal { .. } => "decimal",
                Self::LongStr(_) => "longstr",
                Self::Array(_) => "array",
                Self::Timestamp(_) => "timestamp",
                Self::Table(_) => "table",
                Self::Void => "void",
                Self::Bytes(_) => "binary",
            }
        }

        /// The number, if this is one of the integer types. A timestamp is not.
        pub fn as_int(&self) -> Option<i64> {
            match *self {
                Self::I8(value) => Some(value.into()),
                Self::U8(value) => Some(value.into()),
                Self::I16(value) => Some(value.into()),
                Self::U16(value) => Some(value.into()),
                Self::I32(value) => Some(value.into()),
                Self::U32(value) => Some(value.into()),
                Self::I64(value) => Some(value),
                _ => None,
            }
        }

        /// The truth value, if this is a bool.
        pub fn as_bool(&self) -> Option<bool> {
            match *self {
                Self::Bool(value) => Some(value),
                _ => None,
            }
        }
    };
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
pub(super) fn with_length(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let mark = out.len();
    wire::long(out, 0);
    content(out);
    let size = u32::try_from(out.len().saturating_sub(mark + 4)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(mark..mark + 4) {
        place.copy_from_slice(&size.to_be_bytes());
    }
}

impl<'a> ValueRef<'a> {
    accessors!();

    /// The text, if this is a long string and UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The bytes, if this is a long string.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            ValueRef::LongStr(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<RawArray<'a>> {
        match *self {
            ValueRef::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The table, if this is one.
    pub fn as_table(&self) -> Option<RawTable<'a>> {
        match *self {
            ValueRef::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Copies the value off the wire. One byte of an array may become one whole
    /// [`Value`] (of a few words), never more.
    pub fn to_owned(&self) -> Value {
        match *self {
            ValueRef::Bool(value) => Value::Bool(value),
            ValueRef::I8(value) => Value::I8(value),
            ValueRef::U8(value) => Value::U8(value),
            ValueRef::I16(value) => Value::I16(value),
            ValueRef::U16(value) => Value::U16(value),
            ValueRef::I32(value) => Value::I32(value),
            ValueRef::U32(value) => Value::U32(value),
            ValueRef::I64(value) => Value::I64(value),
            ValueRef::F32(value) => Value::F32(value),
            ValueRef::F64(value) => Value::F64(value),
            ValueRef::Decimal { scale, value } => Value::Decimal { scale, value },
            ValueRef::LongStr(bytes) => Value::LongStr(bytes.to_vec()),
            ValueRef::Array(array) => Value::Array(array.iter().map(|value| value.to_owned()).collect()),
            ValueRef::Timestamp(value) => Value::Timestamp(value),
            ValueRef::Table(table) => Value::Table(table.to_owned()),
            ValueRef::Void => Value::Void,
            ValueRef::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        }
    }

    /// Takes letter and value off the wire. What is inside an array or table is
    /// only delimited here; `raw` checks it.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.octet()? {
            b't' => ValueRef::Bool(reader.octet()? != 0),
            b'b' => ValueRef::I8(reader.octet()?.cast_signed()),
            b'B' => ValueRef::U8(reader.octet()?),
            b's' => ValueRef::I16(reader.short()?.cast_signed()),
            b'u' => ValueRef::U16(reader.short()?),
            b'I' => ValueRef::I32(reader.long()?.cast_signed()),
            b'i' => ValueRef::U32(reader.long()?),
            b'l' | b'L' => ValueRef::I64(reader.longlong()?.cast_signed()),
            b'f' => ValueRef::F32(f32::from_bits(reader.long()?)),
            b'd' => ValueRef::F64(f64::from_bits(reader.longlong()?)),
            b'D' => ValueRef::Decimal { scale: reader.octet()?, value: reader.long()? },
            b'S' => ValueRef::LongStr(reader.longstr()?),
            b'A' => ValueRef::Array(RawArray::unchecked(reader.longstr()?)),
            b'T' => ValueRef::Timestamp(reader.longlong()?),
            b'F' => ValueRef::Table(RawTable::unchecked(reader.longstr()?)),
            b'V' => ValueRef::Void,
            b'x' => ValueRef::Bytes(reader.longstr()?),
            _ => return Err(Malformed("unknown type letter in a field table")),
        })
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
