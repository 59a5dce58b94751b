//! Space back: which records are dead, which segment to empty, and taking it out of the log.
//!
//! The owner's protocol and why it stays correct over crashes stand in docs/journal.md, "Reclaim".

use std::sync::atomic::Ordering;

use sched::fault;

use crate::Position;
use crate::cause::Cause;
use crate::error::Error;
use crate::journal::Journal;
use crate::record::Entry;
use crate::recovery::{Recovery, segment_entries};
use crate::segment::{SegmentId, segment_path};
use crate::shared::State;

impl Journal {
    /// The record at `position`, of `size` bytes in the log, is dead. Once for each record of a kind below
    /// [`AUXILIARY`](crate::AUXILIARY), and only with the token of what made it dead.
    pub fn release(&self, cause: Cause, position: Position, size: u32) {
        self.release_many(cause, &[(position, size)]);
    }

    /// `release` for many, under one lock.
    pub fn release_many(&self, cause: Cause, records: &[(Position, u32)]) {
        self.shared().table.release(cause, records);
    }

    /// The segment in which this position lies, if it still exists.
    pub fn segment_of(&self, position: Position) -> Option<SegmentId> {
        self.shared().table.find(position).map(|segment| SegmentId(segment.base))
    }

    /// Whether a segment of the log still has the record `id`, dead or alive, or a relocated copy of it.
    pub fn holds(&self, id: Position) -> bool {
        self.shared().table.holds(id, None)
    }

    /// The same, not counting segment `victim`: whether an auxiliary record in `victim` that names `id` is
    /// still needed once `victim` is gone.
    pub fn holds_elsewhere(&self, id: Position, victim: SegmentId) -> bool {
        self.shared().table.holds(id, Some(victim.0))
    }

    /// The sealed segment to reclaim next: one without anything needed, else the one with the smallest share of
    /// needed bytes, where that is below `Config::reclaim_below` and there is at least a segment's worth of
    /// garbage in all. `None`: nothing is worth it now.
    pub fn victim(&self) -> Option<SegmentId> {
        let shared = self.shared();
        let active = shared.active.load(Ordering::Acquire);
        let config = &shared.config;
        shared.table.victim(active, config.reclaim_below, config.segment_bytes).map(SegmentId)
    }

    /// All sealed segments in which nothing is live, oldest first: for an owner to whom the first of them is of no use
    /// now, because acknowledgements in it are still needed and a full disk has no room for them.
    pub fn dead(&self) -> Vec<SegmentId> {
        let shared = self.shared();
        let active = shared.active.load(Ordering::Acquire);
        shared.table.dead(active).into_iter().map(SegmentId::at).collect()
    }

    /// Shows every record of a sealed segment in order of position, dead or alive; bodies are not read.
    pub fn entries(&self, segment: SegmentId, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), Error> {
        let shared = self.shared();
        let found = shared.table.at(segment.0).ok_or(Error::Gone(segment.0))?;
        if !found.is_sealed() {
            return Err(Error::NotSealed(segment));
        }
        let file = shared.table.file(&found, &shared.dir, &*shared.storage)?;
        let path = segment_path(&shared.dir, found.base);
        segment_entries(&*file, &path, &found, visit).map_err(Error::io("read", &path))
    }

    /// Whether a live record lies in this segment, by the releases so far. A record that was damaged when the journal was
    /// opened, and so never shown, is none.
    pub fn is_live(&self, segment: SegmentId) -> bool {
        self.shared().table.at(segment.0).is_some_and(|found| found.live() > 0)
    }

    /// Something live in this segment cannot be read, so that it cannot be emptied: [`victim`](Self::victim) passes over
    /// it until nothing in it is needed any more. True the first time since the journal was opened.
    pub fn set_aside(&self, segment: SegmentId) -> bool {
        self.shared().table.at(segment.0).is_some_and(|found| found.set_aside())
    }

    /// Whatever depended on records that are lost, by `recovery`'s word, was dealt with, and on disk: the next start does not
    /// tell of these losses again. Damage is told all the same.
    ///
    /// On a full disk this may get `Error::Full`: the next start then asks again.
    pub fn settle_losses(&self, recovery: &Recovery) -> Result<(), Error> {
        let settled = self.shared().depot.settle_losses(&recovery.damaged);
        settled.map_err(|trouble| match trouble.full {
            true => Error::Full(trouble.text),
            false => Error::Failed(trouble.text),
        })
    }

    /// Takes a segment out of the log for good. What the owner still needs of it must have been copied with
    /// `append_copy`: waits until those copies are durable, what else took the place of records released here (see
    /// [`Appended::cause`](crate::Appended::cause)); for nothing
    /// else. An acknowledgement that a crash takes away together with the message it names leaves nothing behind that
    /// could come back.
    ///
    /// `Error::Pinned`: somebody reads it, try again.
    pub fn retire(&self, segment: SegmentId) -> Result<(), Error> {
        let shared = self.shared();
        let found = shared.table.at(segment.0).ok_or(Error::Gone(segment.0))?;
        if !found.is_sealed() || found.base >= shared.active.load(Ordering::Acquire) {
            return Err(Error::NotSealed(segment));
        }
        shared.refuse_failed()?;
        let due = if shared.config.durable { found.due() } else { 0 };
        let due = if fault::is_back("retire-waits-for-all") { shared.pending.lock().end() } else { due };
        self.commit(due);
        shared.wait(due)?;
        sched::yield_point("journal: between the copies' sync and the removal");
        if !shared.table.condemn(&found) {
            return Err(Error::Pinned(segment));
        }
        sched::yield_point("journal: between the last look and the removal");
        let spare = shared.depot.withdraw(&found).map_err(|trouble| {
            // Whether the file would be there after a crash is not known any more, and records that silence
            // its contents may be retired next: stop here.
            shared.set_state(State::Failed, &trouble.text);
            shared.wake();
            Error::Failed(trouble.text)
        })?;
        shared.table.remove(found.base);
        let copied = shared.copied_bytes.swap(0, Ordering::AcqRel);
        let freed =
            i64::try_from(found.used()).unwrap_or(i64::MAX) - i64::try_from(copied).unwrap_or(i64::MAX);
        shared.table.freed.fetch_add(freed, Ordering::AcqRel);
        shared.counters.retired.fetch_add(1, Ordering::Relaxed);
        if let Some(spare) = spare {
            shared.depot.put_back(spare);
        }
        if shared.state() == State::Full {
            shared.space.store(true, Ordering::Release);
            shared.wake();
        }
        Ok(())
    }
}
