//! Records that count as a whole or not at all.
//!
//! They stand one behind the other in one segment, each marked as what it is of the group. A start that finds some of
//! them without the others passes over all: nobody was told of them (see `scan`).

use crate::error::Error;
use crate::footer::needs;
use crate::record::{Draft, Record};

/// Longest group, 1 GiB less 4 MiB as the longest record: it is one write to one segment.
pub const GROUP_MAX: u64 = (1 << 30) - (4 << 20);

/// A group on its way in: laid out, and without a place.
pub struct Group<'a> {
    pub(crate) drafts: Vec<Draft<'a>>,
    pub(crate) bytes: Vec<u8>,
}

impl<'a> Group<'a> {
    /// Lays these records out, which takes time in proportion to their bytes. `Error::TooLarge` where one of them, or all
    /// together, exceed their limit.
    pub fn new(records: impl IntoIterator<Item = Record<'a>>) -> Result<Group<'a>, Error> {
        let mut group = Group { drafts: Vec::new(), bytes: Vec::new() };
        for record in records {
            let draft = Draft::new(record, None)?;
            let size = group.bytes.len() as u64 + u64::from(draft.size);
            if size > GROUP_MAX {
                return Err(Error::TooLarge { size, limit: GROUP_MAX });
            }
            draft.lay_out(&mut group.bytes);
            group.drafts.push(draft);
        }
        Ok(group)
    }

    /// Whether there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Bytes it takes of a segment: those of its records and of their index entries.
    pub(crate) fn needs(&self) -> u64 {
        self.drafts.iter().map(needs).sum()
    }

    /// Whether all of it is auxiliary.
    pub(crate) fn is_auxiliary(&self) -> bool {
        self.drafts.iter().all(|draft| draft.record.kind >= crate::AUXILIARY)
    }
}
