//! One ordered log of records in segment files: bytes that survive. Knows nothing of messages.
//!
//! A record has an index part, replayed at start, and a body, read on demand. Its position in the log is its
//! identity for good. Appending is a copy into memory ([`Journal::append`]); a thread of the journal's own writes
//! what gathered and syncs it for everybody who waits ([`Journal::commit`], [`Event::Durable`]). What is dead is
//! told by [`Journal::release`], and segments worth it are emptied and recycled ([`Journal::victim`],
//! [`Journal::retire`]).
//!
//! The tour: `journal` is the front door, `pending` the memory that appenders fill, `writer` the thread that
//! empties it, `outstanding` how long the disk lets it wait, `table` what is known of each segment, `depot` where files come from and go to, `manifest` which must be
//! there, `survey`, `recovery` and `scan` the way back after a stop, `examine` a look from outside, `read`, `reclaim`
//! and `snapshot` the rest of the door, `group` records that count as a whole. `record`, `segment`, `footer` and `manifest` are the format, which docs/journal.md writes down
//! with its invariants. [`Storage`] is the seam to the disk; the feature `fault` adds one in memory that tears writes,
//! fills up and fails on demand.
//!
//! Who does what: appenders and readers on any thread; one owner that reclaims; the listener on the writer's
//! thread.

mod cause;
mod config;
mod depot;
mod error;
mod examine;
#[cfg(any(test, feature = "fault"))]
pub mod fault;
mod footer;
mod group;
mod journal;
mod manifest;
mod outstanding;
mod pending;
mod pins;
mod read;
mod reclaim;
mod record;
mod recovery;
mod scan;
mod segment;
mod shared;
mod snapshot;
mod storage;
mod survey;
mod table;
mod writer;

/// Byte offset in the endless log: a segment's base plus the offset in its file. Never 0, never used twice.
pub type Position = u64;

pub use cause::Cause;
pub use config::Config;
pub use error::{Damage, Error};
pub use group::{GROUP_MAX, Group};
pub use journal::{Journal, Stats};
pub use pending::Appended;
pub use pins::Pins;
pub use read::BodySink;
pub use record::{AUXILIARY, BODY_MAX, Entry, INDEX_MAX, Record};
pub use recovery::Recovery;
pub use segment::{FORMAT_VERSION, SegmentId};
pub use shared::{Event, State};
pub use snapshot::{Copied, Snapshot};
pub use storage::{DiskStorage, Storage, StorageFile};
pub use survey::Refusal;
