//! Field tables: named, typed values in methods' arguments and messages' headers.
//!
//! [`RawTable`] borrows the bytes and checks them once; [`FieldTable`] owns its
//! values, for what is kept or built. The type letters are those RabbitMQ reads
//! and writes, which differ from the specification's (its errata, section 3):
//!
//! | letter | type | | letter | type |
//! | --- | --- | --- | --- | --- |
//! | `t` | bool, not 0 is true | | `f` `d` | float of 32, 64 bits |
//! | `b` `B` | signed, unsigned 8 bits | | `D` | decimal: scale, unsigned 32 bits |
//! | `s` `u` | signed, unsigned 16 bits | | `S` | long string, any bytes |
//! | `I` `i` | signed, unsigned 32 bits | | `x` | byte array |
//! | `l` (`L`) | signed 64 bits | | `A` `F` | array, table |
//! | `T` | timestamp, unsigned 64 bits, in seconds | | `V` | nothing |
//!
//! `L` is read as `l` and never written. Names are UTF-8; of several equal names
//! the first counts in a look-up, all are kept.

mod accessors;
mod owned;
mod raw;

pub use owned::{FieldTable, Value};
pub use raw::{ArrayIter, RawArray, RawTable, TableIter, ValueRef};

/// How deep tables and arrays may stand in each other; the outermost table is
/// level 1. RabbitMQ has no limit, but real clients need three levels (`x-death`),
/// and the reader's stack must not be in a stranger's hands.
pub const DEPTH_MAX: usize = 32;
