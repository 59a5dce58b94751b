//! The types a method's field may have on the wire, as functions that append one.

use crate::table::RawTable;
pub(super) use crate::wire::{long, longlong, longstr, octet, short, shortbytes, shortstr};

/// A field table with its length.
pub(super) fn table(out: &mut Vec<u8>, value: RawTable<'_>) {
    longstr(out, value.as_bytes());
}
