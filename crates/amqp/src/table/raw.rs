//! Tables and arrays as they lie in the read buffer. Checked once, whole, by
//! [`RawTable::parse`]; after that looking things up cannot fail.
#![deny(clippy::indexing_slicing)]

use super::{DEPTH_MAX, FieldTable, ValueRef};
use crate::error::{DecodeError, Malformed};
use crate::wire::Reader;

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
    pub(super) fn unchecked(bytes: &'a [u8]) -> Self {
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
    pub(super) fn unchecked(bytes: &'a [u8]) -> Self {
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
