//! Disk space given back: what is still needed of a segment is copied to the log's end, then the segment goes.
//!
//! A live record is carried over as it is. An acknowledgement or deletion is needed only while a record of what it
//! speaks of is still on disk. docs/journal.md says why this stays right if the process dies at any point.

use std::sync::atomic::Ordering;

use journal::SegmentId;
use sched::fault;

use super::Store;
use super::records::{self, Record};

/// One record of a segment, as far as a reclaim looks at it.
struct Found {
    id: u64,
    position: u64,
    size: u32,
    kind: u8,
    index: Vec<u8>,
}

/// Why a segment was not given back.
enum Stuck {
    /// A live record in it cannot be read.
    Unreadable(journal::Error),
    Log(journal::Error),
}

impl From<journal::Error> for Stuck {
    fn from(error: journal::Error) -> Self {
        Stuck::Log(error)
    }
}

impl Store {
    /// Gives back all segments that are worth it, and of the page file those that nothing lives in. Blocks on the disk.
    ///
    /// One at a time: the end of a vhost may meet the node's house-keeping. Who comes second has nothing to do.
    pub(crate) fn reclaim(&self) -> Result<(), journal::Error> {
        if self.reclaiming.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let outcome = self.reclaim_segments();
        self.trim_pages();
        if self.log.state() == journal::State::Full
            && let Err(error) = self.pages.drop_spares()
        {
            tracing::warn!(%error, "space of the page file could not be given back");
        }
        self.reclaiming.store(false, Ordering::Release);
        outcome
    }

    fn reclaim_segments(&self) -> Result<(), journal::Error> {
        if self.log.state() == journal::State::Failed {
            return Ok(());
        }
        while let Some(segment) = self.log.victim() {
            match self.reclaim_segment(segment) {
                Ok(()) => {}
                // One bad place keeps its own segment from being given back, and no other.
                Err(Stuck::Unreadable(_)) if fault::is_back("damage-ends-reclaim") => return Ok(()),
                Err(Stuck::Unreadable(error)) => {
                    if !self.log.set_aside(segment) {
                        return Ok(());
                    }
                    tracing::error!(
                        %error,
                        "a message cannot be read: its part of the log stays until the message is consumed or purged"
                    );
                }
                Err(Stuck::Log(error @ journal::Error::Full(_))) => {
                    self.retire_dead();
                    return Err(error);
                }
                Err(Stuck::Log(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// On a full disk: gives back what needs no copy at all, whatever stands before it.
    fn retire_dead(&self) {
        for segment in self.log.dead() {
            if let Err(Stuck::Unreadable(error) | Stuck::Log(error)) = self.reclaim_segment(segment) {
                tracing::debug!(%segment, %error, "not given back yet");
            }
        }
    }

    fn reclaim_segment(&self, segment: SegmentId) -> Result<(), Stuck> {
        let log = &self.log;
        let mut found = Vec::new();
        log.entries(segment, &mut |entry| {
            found.push(Found {
                id: entry.id,
                position: entry.position,
                size: entry.size,
                kind: entry.kind,
                index: entry.index.to_vec(),
            });
        })?;
        for record in &found {
            sched::yield_point("reclaim: between records");
            match Record::decode(record.kind, &record.index) {
                Some(Record::Ack { queue, ids }) => self.carry_ack(segment, record.id, queue, &ids)?,
                Some(Record::Deleted { id }) if self.is_needed(segment, id) => {
                    let _in_step = self.ledger.lock();
                    log.append_copy(
                        segment,
                        record.id,
                        journal::Record { kind: record.kind, index: &record.index, body: &[] },
                    )?;
                }
                // What was told at a stop is of use at the next start only.
                Some(
                    Record::Deleted { .. } | Record::Delivered { .. } | Record::Stopped | Record::Started,
                )
                | None => {}
                Some(_) => self.carry_live(segment, record)?,
            }
        }
        log.retire(segment)?;
        self.forget_dead();
        Ok(())
    }

    /// Whether a record of `id` will still be on disk when this segment is gone.
    fn is_needed(&self, going: SegmentId, id: u64) -> bool {
        self.log.holds_elsewhere(id, going)
    }

    fn carry_ack(&self, segment: SegmentId, id: u64, queue: u64, ids: &[u64]) -> Result<(), journal::Error> {
        if fault::is_back("acks-dropped") {
            return Ok(());
        }
        let needed: Vec<u64> = ids.iter().copied().filter(|id| self.is_needed(segment, *id)).collect();
        if needed.is_empty() {
            return Ok(());
        }
        let mut index = Vec::new();
        records::encode_ack(queue, needed.into_iter(), &mut index);
        let _in_step = self.ledger.lock();
        self.log.append_copy(
            segment,
            id,
            journal::Record { kind: records::ACK, index: &index, body: &[] },
        )?;
        Ok(())
    }

    fn carry_live(&self, segment: SegmentId, record: &Found) -> Result<(), Stuck> {
        let log = &self.log;
        if !self.ledger.lock().lives_at(record.id, record.position) {
            return Ok(());
        }
        let body = match log.read(record.position) {
            Ok(body) => body,
            // It was damaged at the start already, and nobody has it.
            Err(journal::Error::Damaged(_)) if !log.is_live(segment) => return Ok(()),
            Err(error @ journal::Error::Damaged(_)) => return Err(Stuck::Unreadable(error)),
            Err(error) => return Err(error.into()),
        };
        sched::yield_point("reclaim: between read and copy");
        // Looked at again, and copied in the same breath: an acknowledgement that came meanwhile must not end up
        // before the copy in the log.
        let mut ledger = self.ledger.lock();
        if !ledger.lives_at(record.id, record.position) {
            return Ok(());
        }
        // A copy names the queues that hold the message now. Those that have settled it said so before the copy, and
        // would get it back from one that named them.
        let remaining =
            ledger.holders(record.id).and_then(|holders| records::with_queues(&record.index, holders));
        let remaining = remaining.filter(|_| !fault::is_back("copy-names-all"));
        let index = remaining.as_deref().unwrap_or(&record.index);
        let copy = journal::Record { kind: record.kind, index, body: &[&body] };
        let appended = log.append_copy(segment, record.id, copy)?;
        ledger.relocate(record.id, appended.position, appended.size);
        log.release(appended.cause(), record.position, record.size);
        Ok(())
    }
}
