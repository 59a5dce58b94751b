//! Values, tables and arrays as they lie in the read buffer. A table is checked once,
//! whole, by [`RawTable::parse`]; after that looking things up cannot fail.
#![deny(clippy::indexing_slicing)]

use super::DEPTH_MAX;
use super::accessors::accessors;
use super::owned::{FieldTable, Value};
use crate::error::{DecodeError, Malformed};
use crate::wire::Reader;

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

/// A field table's bytes, without their length, known to be well-formed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RawTable<'a> {
    bytes: &'a [u8],
}

impl<'a> RawTable<'a> {
    /// Checks `bytes` (a table without its length) down to the last value. The
    /// cost grows with the bytes only.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for a table that ends early, has an unknown
    /// type letter or a name that is not UTF-8, or is deeper than [`DEPTH_MAX`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self::check(bytes)?)
    }

    /// [`RawTable::parse`] for callers that know which method they are in.
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Self, Malformed> {
        check_table(bytes, DEPTH_MAX)?;
        Ok(RawTable { bytes })
    }

    /// For the inside of a table whose check will come, or has been.
    fn unchecked(bytes: &'a [u8]) -> Self {
        RawTable { bytes }
    }

    /// The bytes, without the length before them.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first value of that name. Searches from the front: meant for tables of
    /// a few entries.
    pub fn get(&self, name: &str) -> Option<ValueRef<'a>> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Names and values in the order in which they were sent.
    pub fn iter(&self) -> TableIter<'a> {
        TableIter { reader: Reader::new(self.bytes) }
    }

    /// Copies the table off the wire.
    pub fn to_owned(&self) -> FieldTable {
        self.iter().map(|(name, value)| (name, value.to_owned())).collect()
    }
}

impl std::fmt::Debug for RawTable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for RawTable<'a> {
    type Item = (&'a str, ValueRef<'a>);
    type IntoIter = TableIter<'a>;

    fn into_iter(self) -> TableIter<'a> {
        self.iter()
    }
}

/// Walks a [`RawTable`].
#[derive(Clone)]
pub struct TableIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for TableIter<'a> {
    type Item = (&'a str, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        // The check has been here before: neither can fail.
        let name = self.reader.shortstr().ok()?;
        Some((name, ValueRef::read(&mut self.reader).ok()?))
    }
}

/// An array's bytes, without their length, known to be well-formed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RawArray<'a> {
    bytes: &'a [u8],
}

impl<'a> RawArray<'a> {
    /// For the inside of a table whose check will come, or has been.
    fn unchecked(bytes: &'a [u8]) -> Self {
        RawArray { bytes }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements in order.
    pub fn iter(&self) -> ArrayIter<'a> {
        ArrayIter { reader: Reader::new(self.bytes) }
    }
}

impl std::fmt::Debug for RawArray<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for RawArray<'a> {
    type Item = ValueRef<'a>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

/// Walks a [`RawArray`].
#[derive(Clone)]
pub struct ArrayIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() { None } else { ValueRef::read(&mut self.reader).ok() }
    }
}

/// Checks a table with `levels` left to go down, this one included. Every byte
/// is looked at on its own level only, so the cost is linear.
fn check_table(bytes: &[u8], levels: usize) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        reader.shortstr()?;
        check_value(&mut reader, levels)?;
    }
    Ok(())
}

fn check_value(reader: &mut Reader<'_>, levels: usize) -> Result<(), Malformed> {
    const DEEP: Malformed = Malformed("field table is nested too deep");
    match ValueRef::read(reader)? {
        ValueRef::Table(table) => {
            check_table(table.bytes, levels.checked_sub(1).filter(|&left| left > 0).ok_or(DEEP)?)
        }
        ValueRef::Array(array) => {
            let levels = levels.checked_sub(1).filter(|&left| left > 0).ok_or(DEEP)?;
            let mut reader = Reader::new(array.bytes);
            while !reader.is_empty() {
                check_value(&mut reader, levels)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

impl<'a> Reader<'a> {
    /// A field table with its length, checked to the last byte.
    pub(crate) fn table(&mut self) -> Result<RawTable<'a>, Malformed> {
        RawTable::check(self.longstr()?)
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
    /// only delimited here; [`RawTable::check`] looks into it.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
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
