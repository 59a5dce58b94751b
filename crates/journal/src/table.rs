//! The segments that exist: who lies where, how much of each is still needed, which one to reclaim.
//!
//! Locks, in the order in which they may be taken: `pending` (see there), the table's map, a segment's copies or
//! file. Nothing here does I/O except opening a file.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::Position;
use crate::cause::Cause;
use crate::error::Error;
use crate::footer::{TRAILER, entry_len};
use crate::record::{AUXILIARY, Entry};
use crate::segment::{HEADER_BLOCK, segment_path};
use crate::storage::{Storage, StorageFile};

/// Segment files kept open; each backlog of 2 GiB then reads without opening files.
const OPEN_FILES: usize = 128;

/// One segment: a range of positions and what is known about the records in it.
pub(crate) struct Segment {
    pub(crate) base: Position,
    pub(crate) capacity: u64,
    /// `None` where header and records were unreadable.
    pub(crate) tag: Option<u32>,
    /// A damaged file is never given another life: the disk may be bad there.
    pub(crate) damaged: bool,
    counts: Counts,
    sealed: AtomicBool,
    /// `Table::freed` when this segment was sealed.
    freed_at_seal: AtomicI64,
    /// Something live in it cannot be read: it is no victim until nothing in it is needed.
    set_aside: AtomicBool,
    /// The log must be durable up to here before the segment goes: what took the place of its records lies before.
    due: AtomicU64,
    /// How many hold it in place. Counted under the table's lock, as is `condemned`.
    pins: AtomicU64,
    /// It is being taken out of the log: nobody pins it any more.
    condemned: AtomicBool,
    copies: Mutex<Copies>,
    /// Least and greatest id in `copies`: most look-ups end here, without the lock.
    copies_span: (AtomicU64, AtomicU64),
    file: Mutex<Option<Arc<dyn StorageFile>>>,
}

/// Bytes of records by what is known of them.
#[derive(Default)]
struct Counts {
    /// Kinds below `AUXILIARY`, not yet released.
    live: AtomicU64,
    /// Auxiliary records that were found still needed and relocated here.
    carried: AtomicU64,
    /// All records.
    used: AtomicU64,
    /// The same with their entries in the index.
    footprint: AtomicU64,
}

/// What a segment counts of one record.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    kind: u8,
    copy_of: Option<Position>,
    size: u64,
    /// `size` and the bytes of the index entry.
    footprint: u64,
}

impl Tally {
    pub(crate) fn of(entry: &Entry<'_>) -> Tally {
        let copy_of = (entry.id != entry.position).then_some(entry.id);
        let size = u64::from(entry.size);
        let footprint = size + entry_len(copy_of.is_some(), entry.index.len(), entry.body_len);
        Tally { kind: entry.kind, copy_of, size, footprint }
    }
}

/// Ids of the relocated copies in a segment (not of auxiliary ones, which nobody names).
enum Copies {
    Open(HashSet<Position>),
    Sealed(Box<[Position]>),
}

impl Segment {
    pub(crate) fn new(base: Position, capacity: u64, tag: Option<u32>, damaged: bool) -> Self {
        Segment {
            base,
            capacity,
            tag,
            damaged,
            counts: Counts::default(),
            sealed: AtomicBool::new(false),
            freed_at_seal: AtomicI64::new(0),
            set_aside: AtomicBool::new(false),
            due: AtomicU64::new(0),
            pins: AtomicU64::new(0),
            condemned: AtomicBool::new(false),
            copies: Mutex::new(Copies::Open(HashSet::new())),
            copies_span: (AtomicU64::new(u64::MAX), AtomicU64::new(0)),
            file: Mutex::new(None),
        }
    }

    /// The position behind the segment.
    pub(crate) fn end(&self) -> Position {
        self.base + self.capacity
    }

    /// Counts a record that was appended or replayed.
    pub(crate) fn count(&self, tally: Tally) {
        self.counts.used.fetch_add(tally.size, Ordering::Relaxed);
        self.counts.footprint.fetch_add(tally.footprint, Ordering::Relaxed);
        let size = tally.size;
        if tally.kind < AUXILIARY {
            self.counts.live.fetch_add(size, Ordering::Relaxed);
            if let Some(id) = tally.copy_of
                && let Copies::Open(ids) = &mut *self.copies.lock()
            {
                ids.insert(id);
                self.copies_span.0.fetch_min(id, Ordering::Relaxed);
                self.copies_span.1.fetch_max(id, Ordering::Relaxed);
            }
        } else if tally.copy_of.is_some() {
            self.counts.carried.fetch_add(size, Ordering::Relaxed);
        }
    }

    pub(crate) fn live(&self) -> u64 {
        self.counts.live.load(Ordering::Relaxed)
    }

    pub(crate) fn used(&self) -> u64 {
        self.counts.used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// No record will be added any more.
    pub(crate) fn seal(&self, freed: i64) {
        let mut copies = self.copies.lock();
        if let Copies::Open(ids) = &mut *copies {
            let mut ids: Vec<_> = ids.drain().collect();
            ids.sort_unstable();
            *copies = Copies::Sealed(ids.into_boxed_slice());
        }
        self.freed_at_seal.store(freed, Ordering::Relaxed);
        self.sealed.store(true, Ordering::Release);
    }

    /// True the first time.
    pub(crate) fn set_aside(&self) -> bool {
        !self.set_aside.swap(true, Ordering::AcqRel)
    }

    /// The segment stays until the log is durable up to `end`.
    pub(crate) fn depend_on(&self, end: Position) {
        self.due.fetch_max(end, Ordering::AcqRel);
    }

    pub(crate) fn due(&self) -> Position {
        self.due.load(Ordering::Acquire)
    }

    pub(crate) fn unpin(&self) {
        self.pins.fetch_sub(1, Ordering::AcqRel);
    }

    fn is_pinned(&self) -> bool {
        self.pins.load(Ordering::Acquire) > 0
    }

    fn release(&self, size: u64, cause: Cause) {
        self.depend_on(cause.due());
        let _ = self
            .counts
            .live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| Some(live.saturating_sub(size)));
    }

    fn holds_copy(&self, id: Position) -> bool {
        let (least, greatest) = (&self.copies_span.0, &self.copies_span.1);
        if id < least.load(Ordering::Relaxed) || id > greatest.load(Ordering::Relaxed) {
            return false;
        }
        match &*self.copies.lock() {
            Copies::Open(ids) => ids.contains(&id),
            Copies::Sealed(ids) => ids.binary_search(&id).is_ok(),
        }
    }

    /// Bytes that a reclaim of this segment would have to write again, as far as is known. Relocated auxiliary
    /// records count as needed until as much was freed elsewhere since: so each byte copied is paid for by a
    /// byte freed, and records that are needed for long are not copied round and round. In the oldest segment
    /// none is needed: whatever they name lies before them.
    fn needed(&self, oldest: bool, freed: i64) -> u64 {
        let carried = self.counts.carried.load(Ordering::Relaxed);
        let since = freed.saturating_sub(self.freed_at_seal.load(Ordering::Relaxed));
        let settled = oldest || since >= i64::try_from(carried).unwrap_or(i64::MAX);
        self.live() + if settled { 0 } else { carried }
    }

    /// The needed part of what the segment has room for, 0 to 1. Headers and indexes are no garbage: a segment
    /// full of needed records counts as full however small they are.
    fn share(&self, needed: u64) -> f64 {
        let used = self.used().max(1) as f64;
        let footprint = self.counts.footprint.load(Ordering::Relaxed) as f64;
        let room = self.capacity.saturating_sub(HEADER_BLOCK + TRAILER).max(1) as f64;
        (needed as f64 / used * footprint / room).min(1.0)
    }

    pub(crate) fn set_file(&self, file: Option<Arc<dyn StorageFile>>) -> Option<Arc<dyn StorageFile>> {
        std::mem::replace(&mut *self.file.lock(), file)
    }
}

/// All segments by base.
#[derive(Default)]
pub(crate) struct Table {
    map: RwLock<BTreeMap<Position, Arc<Segment>>>,
    /// Bases of segments whose file is open, oldest first.
    open: Mutex<VecDeque<Position>>,
    /// Bytes of retired segments less bytes copied to retire them, since the journal was opened.
    pub(crate) freed: AtomicI64,
}

/// Sums over the table.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) segments: u64,
    pub(crate) file_bytes: u64,
    pub(crate) live_bytes: u64,
}

impl Table {
    pub(crate) fn insert(&self, segment: Arc<Segment>) {
        self.map.write().insert(segment.base, segment);
    }

    pub(crate) fn remove(&self, base: Position) {
        self.map.write().remove(&base);
    }

    pub(crate) fn at(&self, base: Position) -> Option<Arc<Segment>> {
        self.map.read().get(&base).cloned()
    }

    /// The segment in which `position` lies.
    pub(crate) fn find(&self, position: Position) -> Option<Arc<Segment>> {
        covering(&self.map.read(), position).cloned()
    }

    pub(crate) fn release(&self, cause: Cause, records: &[(Position, u32)]) {
        let map = self.map.read();
        for &(position, size) in records {
            if let Some(segment) = covering(&map, position) {
                segment.release(u64::from(size), cause);
            }
        }
    }

    /// Holds the segments of these positions in place, one pin for neighbours in one segment.
    pub(crate) fn pin(&self, positions: impl Iterator<Item = Position>) -> Vec<Arc<Segment>> {
        let map = self.map.read();
        let mut pinned: Vec<Arc<Segment>> = Vec::new();
        for position in positions {
            if pinned.last().is_some_and(|last| last.base <= position && position < last.end()) {
                continue;
            }
            let found = covering(&map, position).filter(|found| !found.condemned.load(Ordering::Acquire));
            if let Some(segment) = found {
                segment.pins.fetch_add(1, Ordering::AcqRel);
                pinned.push(Arc::clone(segment));
            }
        }
        pinned
    }

    /// Holds all segments in place, but those that are being taken out: what was needed of them is in others.
    pub(crate) fn pin_all(&self) -> Vec<Arc<Segment>> {
        let map = self.map.read();
        let there: Vec<_> =
            map.values().filter(|segment| !segment.condemned.load(Ordering::Acquire)).cloned().collect();
        for segment in &there {
            segment.pins.fetch_add(1, Ordering::AcqRel);
        }
        there
    }

    /// From now on nobody pins the segment. False where somebody does.
    pub(crate) fn condemn(&self, segment: &Segment) -> bool {
        // Whoever pins reads the map, and so is either before this or behind it.
        let map = self.map.write();
        let free = !segment.is_pinned();
        segment.condemned.store(free, Ordering::Release);
        drop(map);
        free
    }

    /// Whether a segment other than `except` has the record `id` or a copy of it.
    pub(crate) fn holds(&self, id: Position, except: Option<Position>) -> bool {
        let map = self.map.read();
        let other = |segment: &Segment| Some(segment.base) != except;
        covering(&map, id).is_some_and(|segment| other(segment))
            // A copy stands behind its original, so older segments cannot have it.
            || map.range(id..).any(|(_, segment)| other(segment) && segment.holds_copy(id))
    }

    /// The sealed segment that is best reclaimed now: one without a needed byte before all, else the one with
    /// the smallest share of needed bytes, if that is below `threshold` and there are `worth` bytes of garbage.
    /// Segments from `active`, the newest file, on are left alone: the end of the log must stay known.
    pub(crate) fn victim(&self, active: Position, threshold: f64, worth: u64) -> Option<Position> {
        let map = self.map.read();
        let freed = self.freed.load(Ordering::Relaxed);
        let mut best: Option<(f64, Position)> = None;
        let mut garbage = 0.0;
        for (n, segment) in map.values().enumerate() {
            if !segment.is_sealed() || segment.base >= active || segment.is_pinned() {
                continue;
            }
            let needed = segment.needed(n == 0, freed);
            if needed == 0 {
                return Some(segment.base);
            }
            if segment.set_aside.load(Ordering::Acquire) {
                continue;
            }
            let share = segment.share(needed);
            garbage += segment.capacity as f64 * (1.0 - share);
            if share < threshold && best.is_none_or(|(least, _)| share < least) {
                best = Some((share, segment.base));
            }
        }
        best.filter(|_| garbage >= worth as f64).map(|(_, base)| base)
    }

    /// Segments that exist, the open one included.
    pub(crate) fn len(&self) -> usize {
        self.map.read().len()
    }

    /// Sealed segments without a needed byte, oldest first.
    pub(crate) fn dead(&self, active: Position) -> Vec<Position> {
        let map = self.map.read();
        let freed = self.freed.load(Ordering::Relaxed);
        let dead = map.range(..active).enumerate().filter(|(n, (_, segment))| {
            segment.is_sealed() && !segment.is_pinned() && segment.needed(*n == 0, freed) == 0
        });
        dead.map(|(_, (base, _))| *base).collect()
    }

    pub(crate) fn sums(&self) -> Sums {
        let map = self.map.read();
        map.values().fold(Sums::default(), |sums, segment| Sums {
            segments: sums.segments + 1,
            file_bytes: sums.file_bytes + segment.capacity,
            live_bytes: sums.live_bytes + segment.live(),
        })
    }

    /// The segment's open file. `Error::Gone` where the segment was retired meanwhile.
    pub(crate) fn file(
        &self,
        segment: &Segment,
        dir: &Path,
        storage: &dyn Storage,
    ) -> Result<Arc<dyn StorageFile>, Error> {
        let mut slot = segment.file.lock();
        if let Some(file) = &*slot {
            return Ok(file.clone());
        }
        let path = segment_path(dir, segment.base);
        let file = storage.open(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Gone(segment.base),
            _ => Error::Io { action: "open", path, source },
        })?;
        *slot = Some(file.clone());
        drop(slot);
        self.opened(segment.base);
        Ok(file)
    }

    /// Notes that a segment's file is open, and closes the one opened longest ago where there are too many.
    pub(crate) fn opened(&self, base: Position) {
        let mut open = self.open.lock();
        open.push_back(base);
        let oldest = if open.len() > OPEN_FILES { open.pop_front() } else { None };
        drop(open);
        if let Some(segment) = oldest.and_then(|base| self.at(base)) {
            segment.set_file(None);
        }
    }
}

fn covering(map: &BTreeMap<Position, Arc<Segment>>, position: Position) -> Option<&Arc<Segment>> {
    let (_, segment) = map.range(..=position).next_back()?;
    (position < segment.end()).then_some(segment)
}
