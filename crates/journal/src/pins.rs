//! Segments held in place, so that a record that was located stays there until it is read.

use std::sync::Arc;

use crate::Position;
use crate::error::Error;
use crate::journal::Journal;
use crate::read::BodySink;
use crate::table::Segment;

/// Segments that are not retired as long as this lives. Reading through it never comes too late.
#[must_use]
pub struct Pins<'j> {
    journal: &'j Journal,
    segments: Vec<Arc<Segment>>,
}

impl Journal {
    /// Holds these records (ascending positions) where they are. The owner does this under the lock under which it knows
    /// where they are; it costs one look at the table and no I/O. Where a segment is gone already, reading says so.
    pub fn pin(&self, records: &[(Position, u32)]) -> Pins<'_> {
        let segments = self.shared().table.pin(records.iter().map(|(position, _)| *position));
        Pins { journal: self, segments }
    }
}

impl Journal {
    /// Every segment there is.
    pub(crate) fn pin_all(&self) -> Pins<'_> {
        Pins { journal: self, segments: self.shared().table.pin_all() }
    }
}

impl Pins<'_> {
    /// By base.
    pub(crate) fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// See [`Journal::read`].
    pub fn read(&self, position: Position) -> Result<Vec<u8>, Error> {
        sched::yield_point("journal: between pin and read");
        self.journal.read(position)
    }

    /// See [`Journal::read_many`].
    pub fn read_many(&self, records: &[(Position, u32)], out: &mut BodySink<'_>) {
        sched::yield_point("journal: between pin and read");
        self.journal.read_many(records, out);
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        self.segments.iter().for_each(|segment| segment.unpin());
    }
}
