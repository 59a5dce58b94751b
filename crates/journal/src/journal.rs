//! The journal's front door: open, append, commit, close. Reading is in `read`, reclaiming in `reclaim`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sched::{Thread, fault};

use crate::Position;
use crate::config::Config;
use crate::error::Error;
use crate::footer::needs;
use crate::group::Group;
use crate::pending::{Appended, LARGE, Pending};
use crate::record::{AUXILIARY, Draft, Entry, Record};
use crate::recovery::{Opened, Recovery, recover};
use crate::segment::SegmentId;
use crate::shared::{Event, Shared, State};
use crate::storage::Storage;
use crate::writer::Writer;

/// An open journal. Clones are the same journal; the last one to go closes it.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    writer: Arc<Thread>,
}

/// A look at a journal's size and work. Counters begin at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments in the log, the open one included.
    pub segments: u64,
    /// Spare files.
    pub spares: u64,
    /// Bytes that all of these take on disk.
    pub bytes: u64,
    /// Bytes of records that were not released.
    pub live_bytes: u64,
    /// Bytes appended and not yet in a file.
    pub pending_bytes: u64,
    /// Records appended.
    pub records: u64,
    /// Their bytes in the log.
    pub record_bytes: u64,
    /// Writes to segment files.
    pub writes: u64,
    /// Syncs of segment files.
    pub syncs: u64,
    /// Segments retired.
    pub retired: u64,
}

impl Journal {
    /// Opens the journal in `dir`, made where it does not exist: replays every record in log order through
    /// `visit` (without bodies), then starts the writer's thread, on which `listener` is called. The listener
    /// must be quick, and must not call `sync`, `retire` or `close`.
    ///
    /// Once this returns, everything replayed is on disk. `Error::InUse`, `Error::NewerFormat`,
    /// `Error::Foreign`: nothing was changed.
    pub fn open(
        dir: &Path,
        storage: Arc<dyn Storage>,
        config: Config,
        visit: &mut dyn FnMut(Entry<'_>),
        listener: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Result<(Journal, Recovery), Error> {
        let Opened { beginning, current, sealed_end, recovery } =
            recover(dir, storage, config.checked()?, visit)?;
        let shared = Arc::new(Shared::new(beginning));
        let writer = Writer::new(shared.clone(), listener, (current, sealed_end));
        let thread = sched::spawn("journal", move || writer.run());
        let thread = Arc::new(thread.map_err(Error::io("start the writer of", dir))?);
        drop(shared.thread.set(thread.clone()));
        Ok((Journal(Arc::new(Inner { shared, writer: thread })), recovery))
    }

    /// Takes a record in: a copy into memory, no I/O, never a wait for the disk. Its position is its identity.
    /// While the disk is full (`Error::Full`) only auxiliary records are taken, as far as they fit into the open
    /// segment, so that a consumer can still make room.
    pub fn append(&self, record: Record<'_>) -> Result<Appended, Error> {
        self.put(record, None, false)
    }

    /// The same for an auxiliary record that lets space be given back: while the disk is full it may begin the segment
    /// that is kept in reserve for this. Few and large ones, please: the reserve is one segment.
    pub fn append_reserved(&self, record: Record<'_>) -> Result<Appended, Error> {
        self.put(record, None, true)
    }

    /// The same for a copy, out of the segment `victim`, of the record `id` (the position of the original, not of an
    /// earlier copy). The victim is not retired before the copy is durable.
    ///
    /// While the disk is full it may begin the segment that is kept in reserve for this.
    ///
    /// Live records are found by `holds(id)` afterwards. Auxiliary records that are still needed go this way
    /// too: it tells `victim` not to look at them again too soon.
    pub fn append_copy(
        &self,
        victim: SegmentId,
        id: Position,
        record: Record<'_>,
    ) -> Result<Appended, Error> {
        let appended = self.put(record, Some(id), true)?;
        if let Some(from) = self.shared().table.at(victim.base()) {
            from.depend_on(appended.end);
        }
        Ok(appended)
    }

    fn put(&self, record: Record<'_>, id: Option<Position>, reserved: bool) -> Result<Appended, Error> {
        let shared = &*self.0.shared;
        let refusal = shared.refusal();
        let spared = id.is_some() || record.kind >= AUXILIARY;
        match refusal {
            Err(Error::Full(_)) if spared && !shared.stalled.load(Ordering::Acquire) => {}
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        let draft = Draft::new(record, id)?;
        let large = (draft.size as usize >= LARGE).then(|| {
            let mut bytes = Vec::with_capacity(draft.size as usize);
            draft.lay_out(&mut bytes);
            bytes
        });
        let mut pending = shared.pending.lock();
        // Asked again under the lock: a closing journal takes what is pending only once.
        self.admit(&pending, needs(&draft), spared, reserved)?;
        let appended = pending.append(&draft, large, &shared.table, self.durable());
        drop(pending);
        if id.is_some() {
            shared.copied_bytes.fetch_add(u64::from(appended.size), Ordering::AcqRel);
        }
        shared.appended(u64::from(appended.size));
        Ok(appended)
    }

    /// Whether so many bytes are taken now. On a full disk only what is `spared`, as far as it fits into the open segment
    /// or, `reserved`, into the one kept for this: giving space back must not need space that nobody kept.
    fn admit(&self, pending: &Pending, needs: u64, spared: bool, reserved: bool) -> Result<(), Error> {
        let shared = &*self.0.shared;
        let refusal = shared.refusal();
        let Err(Error::Full(_)) = refusal else { return refusal };
        let reserved = reserved && !fault::is_back("retire-waits-for-all");
        let has_room = || pending.fits(needs) || (reserved && shared.reserve_is_free(pending));
        if spared && !shared.stalled.load(Ordering::Acquire) && has_room() { Ok(()) } else { refusal }
    }

    /// Takes a group in, as `append` does a record: all of it is there after a crash, or nothing. The result has its
    /// records in their order; `end` is that of the group for all of them. While the disk is full only a group of
    /// auxiliary records is taken, as far as it fits into the open segment.
    pub fn append_group(&self, group: Group<'_>) -> Result<Vec<Appended>, Error> {
        let shared = &*self.0.shared;
        let size = group.bytes.len() as u64;
        let mut pending = shared.pending.lock();
        self.admit(&pending, group.needs(), group.is_auxiliary(), false)?;
        let appended = pending.append_group(group, &shared.table, self.durable());
        drop(pending);
        shared.appended(size);
        Ok(appended)
    }

    /// Asks that everything up to `end` becomes durable soon; `Event::Durable` tells when it is. Cheap.
    pub fn commit(&self, end: Position) {
        self.0.shared.request(end);
    }

    /// Every record that ends at or below is on disk.
    pub fn durable(&self) -> Position {
        self.0.shared.durable.load(Ordering::Acquire)
    }

    /// Behind everything appended so far: once the log is durable up to here, all of it is on disk.
    pub fn end(&self) -> Position {
        self.0.shared.pending.lock().end()
    }

    /// Waits until everything appended so far is on disk.
    pub fn sync(&self) -> Result<(), Error> {
        let end = self.end();
        self.commit(end);
        self.0.shared.wait(end)
    }

    /// Bytes appended and not yet in a file: what the owner watches to hold publishers back.
    pub fn pending_bytes(&self) -> u64 {
        self.0.shared.pending_bytes.load(Ordering::Relaxed)
    }

    /// How long the disk has taken for the present write or sync; nothing while none is under way. A disk that hangs is
    /// known by this alone: no error comes of it.
    pub fn outstanding_for(&self) -> Option<Duration> {
        self.0.shared.outstanding.lasts()
    }

    /// Whether it takes records.
    pub fn state(&self) -> State {
        self.0.shared.state()
    }

    /// Removes the files that wait for their next life, so that others have their space. Of use for a scratch journal: a
    /// durable one needs them when the disk is full.
    pub fn drop_spares(&self) -> Result<(), Error> {
        let shared = &self.0.shared;
        shared.depot.drop_spares().map_err(Error::io("remove spare files of", &shared.dir))
    }

    /// Tries now whether a full disk has space again, rather than within the second. Blocks while it is tried.
    pub fn try_again(&self) -> State {
        if self.state() == State::Full {
            self.0.shared.try_again();
        }
        self.state()
    }

    /// What sets this journal apart from others: the same in all its files.
    pub fn identity(&self) -> [u8; 16] {
        self.0.shared.depot.log()
    }

    /// Size and work so far. Costs time in proportion to the number of segments.
    pub fn stats(&self) -> Stats {
        let shared = &*self.0.shared;
        let sums = shared.table.sums();
        let spares = shared.depot.spares() as u64;
        let counters = &shared.counters;
        Stats {
            segments: sums.segments,
            spares,
            bytes: sums.file_bytes + spares * shared.config.segment_bytes,
            live_bytes: sums.live_bytes,
            pending_bytes: self.pending_bytes(),
            records: counters.records.load(Ordering::Relaxed),
            record_bytes: counters.bytes.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            retired: counters.retired.load(Ordering::Relaxed),
        }
    }

    /// Makes everything durable and stops the writer. Later appends get `Error::Closed`. An error where
    /// something taken could not be written, or the journal had failed. A second call does nothing.
    pub fn close(&self) -> Result<(), Error> {
        self.0.stop();
        let shared = &*self.0.shared;
        match shared.state() {
            // Whatever came since then was refused, however much of what came before is on disk.
            State::Failed => Err(Error::Failed(shared.reason())),
            _ if self.durable() >= shared.pending.lock().end() => Ok(()),
            _ => Err(Error::Full(shared.reason())),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }
}

impl Inner {
    fn stop(&self) {
        // Under the lock of the appenders: what they were let in with is what the writer will take.
        let pending = self.shared.pending.lock();
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(pending);
        self.shared.wake();
        // Dropped on the writer's own thread (by its listener) there is nothing to wait for, and join knows it.
        self.writer.join();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}
