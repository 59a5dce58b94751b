//! A table of our own: built for the wire or kept after it.
#![deny(clippy::indexing_slicing)]

use super::Value;
use super::value::with_length;
use crate::wire;

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
