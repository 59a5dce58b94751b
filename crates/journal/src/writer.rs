//! The one thread that writes: takes what was gathered, writes it in one piece, syncs for whoever waits.
//!
//! While a sync runs the next batch gathers: that is the group commit. A lack of space is waited out with
//! everything kept in memory. Any other failed write or sync ends the journal: after a failed fdatasync the
//! kernel may have dropped the pages, so that a second one that succeeds would prove nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Position;
use crate::depot::Trouble;
use crate::footer::Builder;
use crate::pending::{CHUNK, Chunk};
use crate::record::Front;
use crate::segment::{HEADER_BLOCK, segment_path};
use crate::shared::{AWAKE, DOZING, Event, QUIET, Shared, State};
use crate::storage::StorageFile;
use crate::table::Segment;

/// Records that nobody waits for are written this much later at the latest.
const FLUSH_AFTER: Duration = Duration::from_millis(20);
/// And are on disk this much later.
const SYNC_AFTER: Duration = Duration::from_millis(500);
/// How far the log is on disk is noted for the next start so often.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// A full disk is tried again this often.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Small writes into a new file take this many zeros along, so that the next ones change no metadata.
const ZERO_AHEAD: u64 = 256 << 10;

/// The segment file that is written now.
pub(crate) struct Current {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) footer: Builder,
    /// Offset up to which the file was written before.
    pub(crate) zeroed: u64,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    listener: Box<dyn Fn(Event) + Send + Sync>,
    current: Option<Current>,
    queue: VecDeque<Arc<Chunk>>,
    /// Everything up to here is in the files.
    written: Position,
    /// Where the records of the segment before end, where that is known.
    sealed_end: Option<Position>,
    /// The end that the manifest knows, and when the next one is told.
    noted: Position,
    note_at: Option<Instant>,
    /// Since when there is something written that is not synced.
    unsynced: Option<Instant>,
    /// When what gathers is taken, commit or not.
    flush_at: Option<Instant>,
    /// Set while the disk is full: the next attempt.
    retry_at: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        listener: Box<dyn Fn(Event) + Send + Sync>,
        (current, sealed_end): (Option<Current>, Option<Position>),
    ) -> Self {
        let written = shared.durable.load(Ordering::Acquire);
        let (queue, unsynced, flush_at, retry_at) = (VecDeque::new(), None, None, None);
        let (noted, note_at) = (0, None);
        Writer {
            shared,
            listener,
            current,
            queue,
            written,
            sealed_end,
            noted,
            note_at,
            unsynced,
            flush_at,
            retry_at,
        }
    }

    /// Until the journal is closed or has failed.
    pub(crate) fn run(mut self) {
        loop {
            let stop = self.shared.stop.load(Ordering::SeqCst);
            match self.round(stop) {
                Ok(()) if stop => break,
                Ok(()) => {}
                Err(trouble) => {
                    let lasting = self.trouble(&trouble);
                    if lasting || stop {
                        break;
                    }
                }
            }
            self.rest();
        }
        self.shared.outstanding.end();
        self.shared.gone.store(true, Ordering::Release);
        self.shared.notify();
    }

    fn round(&mut self, stop: bool) -> Result<(), Trouble> {
        let shared = self.shared.clone();
        if shared.state() == State::Failed {
            return Err(Trouble { full: false, text: shared.reason() });
        }
        let freed = shared.space.swap(false, Ordering::AcqRel);
        let now = sched::now();
        let waits = self.retry_at.is_some_and(|at| now < at) && !freed && !stop;
        if waits && shared.stalled.load(Ordering::Acquire) {
            return Ok(());
        }
        self.take(stop, now);
        while let Some(chunk) = self.queue.front().cloned() {
            self.put(&chunk)?;
            self.queue.pop_front();
            let bytes = chunk.bytes.len() as u64;
            shared.pending.lock().written(chunk);
            shared.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        if shared.stalled.swap(false, Ordering::AcqRel) {
            shared.notify();
        }
        let overdue = self.unsynced.is_some_and(|since| now.saturating_duration_since(since) >= SYNC_AFTER);
        if self.commit_waits() || overdue || (stop && self.unsynced.is_some()) {
            self.sync()?;
        }
        if !waits {
            self.prepare()?;
        }
        self.note_end(stop, now)
    }

    /// Tells the manifest how far the open segment is on disk: now and then, and at the end.
    fn note_end(&mut self, stop: bool, now: Instant) -> Result<(), Trouble> {
        let durable = self.shared.durable.load(Ordering::Acquire);
        let is_in = |current: &Current| durable > current.segment.base + HEADER_BLOCK;
        let is_news = self.current.as_ref().is_some_and(is_in) && durable > self.noted;
        if !self.shared.config.durable || !(is_news || stop && self.noted > 0) {
            self.note_at = None;
            return Ok(());
        }
        if !stop && now < *self.note_at.get_or_insert(now + NOTE_AFTER) {
            return Ok(());
        }
        let end = if is_news { durable } else { self.noted };
        self.shared.outstanding.begin();
        if self.shared.depot.note_end(end, stop)? {
            self.noted = end;
        }
        self.note_at = None;
        Ok(())
    }

    /// Takes what gathered, where somebody waits for it, it is much, or it is old.
    fn take(&mut self, stop: bool, now: Instant) {
        let shared = &self.shared;
        let much = shared.pending_bytes.load(Ordering::Relaxed) >= CHUNK as u64;
        let asked = shared.requested.load(Ordering::SeqCst) > self.written;
        let old = self.flush_at.is_some_and(|at| now >= at);
        let mut pending = shared.pending.lock();
        if pending.is_empty() {
            self.flush_at = None;
        } else if stop || much || asked || old {
            self.queue.extend(pending.take().iter().cloned());
            // More is likely to come: look again by the clock rather than be woken by the next record.
            self.flush_at = Some(now + FLUSH_AFTER);
        } else if self.flush_at.is_none() {
            self.flush_at = Some(now + FLUSH_AFTER);
        }
    }

    /// Writes one chunk. May be called again for the same chunk after a lack of space.
    fn put(&mut self, chunk: &Chunk) -> Result<(), Trouble> {
        if self.current.as_ref().is_some_and(|current| current.segment.base != chunk.segment.base) {
            self.seal()?;
        }
        if self.current.is_none() {
            self.current = Some(self.activate(&chunk.segment)?);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let path = || segment_path(&self.shared.dir, current.segment.base);
        let offset = chunk.start - current.segment.base;
        self.shared.outstanding.begin();
        current.file.write_at(&chunk.bytes, offset).map_err(|e| Trouble::on("write", &path())(e))?;
        let end = offset + chunk.bytes.len() as u64;
        if end > current.zeroed {
            let mut zeroed = end;
            if self.shared.config.durable && (chunk.bytes.len() as u64) < ZERO_AHEAD / 4 {
                zeroed = (end + ZERO_AHEAD).min(current.segment.capacity);
                let zeros = vec![0; (zeroed - end) as usize];
                current.file.write_at(&zeros, end).map_err(|e| Trouble::on("write", &path())(e))?;
            }
            current.zeroed = zeroed;
        }
        self.shared.counters.writes.fetch_add(1, Ordering::Relaxed);
        self.written = chunk.end();
        self.unsynced.get_or_insert_with(sched::now);
        if self.shared.config.durable {
            index(&mut current.footer, chunk);
        }
        Ok(())
    }

    /// Ends the current segment: its footer, then everything in it, on disk.
    fn seal(&mut self) -> Result<(), Trouble> {
        let Some(current) = &self.current else { return Ok(()) };
        let segment = current.segment.clone();
        if self.shared.config.durable {
            let footer = current.footer.seal(segment.base, segment.tag.unwrap_or_default());
            let at = segment.capacity - footer.len() as u64;
            let path = segment_path(&self.shared.dir, segment.base);
            self.shared.outstanding.begin();
            current.file.write_at(&footer, at).map_err(Trouble::on("write", &path))?;
        }
        self.sync()?;
        self.sealed_end = Some(self.written);
        segment.seal(self.shared.table.freed.load(Ordering::Relaxed));
        self.current = None;
        Ok(())
    }

    fn activate(&self, segment: &Arc<Segment>) -> Result<Current, Trouble> {
        self.shared.outstanding.begin();
        let active = self.shared.depot.activate(segment, self.sealed_end)?;
        segment.set_file(Some(active.file.clone()));
        self.shared.table.opened(segment.base);
        self.shared.active.store(segment.base, Ordering::Release);
        let zeroed = if active.prewritten { segment.capacity } else { 0 };
        Ok(Current { segment: segment.clone(), file: active.file, footer: Builder::new(), zeroed })
    }

    /// Makes everything written durable and tells so.
    fn sync(&mut self) -> Result<(), Trouble> {
        if let Some(current) = &self.current
            && self.shared.config.durable
        {
            let path = segment_path(&self.shared.dir, current.segment.base);
            self.shared.outstanding.begin();
            current.file.sync().map_err(Trouble::on("sync", &path)).map_err(|trouble| {
                // Even a lack of space: which pages were dropped is not known.
                Trouble { full: false, ..trouble }
            })?;
            self.shared.counters.syncs.fetch_add(1, Ordering::Relaxed);
        }
        self.unsynced = None;
        // What the listener takes is not the disk's.
        self.shared.outstanding.end();
        if self.shared.durable.swap(self.written, Ordering::AcqRel) < self.written {
            self.shared.notify();
            (self.listener)(Event::Durable(self.written));
        }
        Ok(())
    }

    /// Has the next segment's file ready before it is needed, and one in reserve for a reclaim as soon as there can be
    /// something to reclaim; with that a full disk is over.
    fn prepare(&mut self) -> Result<(), Trouble> {
        if let Some(current) = &self.current
            && self.shared.config.durable
        {
            let is_half_full = self.written - current.segment.base >= current.segment.capacity / 2;
            let is_first = self.shared.table.len() < 2;
            self.shared.outstanding.begin();
            let spares = usize::from(is_half_full) + usize::from(is_half_full || !is_first);
            self.shared.depot.prepare(spares)?;
        }
        if self.retry_at.take().is_some() {
            self.shared.set_state(State::Healthy, "");
            (self.listener)(Event::SpaceBack);
        }
        Ok(())
    }

    /// Deals with a failed step; true where it ends the journal.
    fn trouble(&mut self, trouble: &Trouble) -> bool {
        if !trouble.full {
            self.failed(&trouble.text);
            return true;
        }
        // What did fit is made durable: the wait for space may be long.
        if self.unsynced.is_some()
            && let Err(worse) = self.sync()
        {
            self.failed(&worse.text);
            return true;
        }
        self.full(&trouble.text);
        false
    }

    fn full(&mut self, text: &str) {
        let first = self.retry_at.is_none();
        self.retry_at = Some(sched::now() + RETRY_AFTER);
        self.shared.stalled.store(!self.queue.is_empty(), Ordering::Release);
        self.shared.tries.fetch_add(1, Ordering::AcqRel);
        self.shared.set_state(State::Full, text);
        if first {
            tracing::warn!(reason = text, "journal is full");
            (self.listener)(Event::Full(text.to_owned()));
        }
    }

    fn failed(&mut self, text: &str) {
        let durable = self.shared.durable.load(Ordering::Acquire);
        let text = format!(
            "{text}; nothing written after position {durable} of {} counts as stored. \
             Check the disk and the kernel's log, then restart",
            self.shared.dir.display()
        );
        tracing::error!(reason = text, "journal has failed");
        self.shared.set_state(State::Failed, &text);
        (self.listener)(Event::Failed(text));
    }

    fn commit_waits(&self) -> bool {
        let durable = self.shared.durable.load(Ordering::Acquire);
        self.written > durable && self.shared.requested.load(Ordering::SeqCst) > durable
    }

    /// Sleeps until there is something to do.
    fn rest(&mut self) {
        self.shared.outstanding.end();
        let stalled = self.shared.stalled.load(Ordering::Acquire) && !sched::fault::is_back("full-spins");
        let until = match stalled {
            // Nothing else is done before.
            true => self.retry_at,
            false => {
                let overdue = self.unsynced.map(|since| since + SYNC_AFTER);
                [self.flush_at, self.retry_at, self.note_at, overdue].into_iter().flatten().min()
            }
        };
        let depth = if self.flush_at.is_some() || self.retry_at.is_some() { DOZING } else { QUIET };
        // Stored before looking for work; others store work before they look at this. One of both sees the other.
        self.shared.sleep.store(depth, Ordering::SeqCst);
        if !self.work_waits(depth) {
            sched::park(until);
        }
        self.shared.sleep.store(AWAKE, Ordering::SeqCst);
    }

    fn work_waits(&self, depth: u8) -> bool {
        let shared = &self.shared;
        if shared.stop.load(Ordering::SeqCst) || shared.state() == State::Failed {
            return true;
        }
        if shared.space.load(Ordering::Acquire) {
            return true;
        }
        if shared.stalled.load(Ordering::Acquire) {
            return false;
        }
        let much = shared.pending_bytes.load(Ordering::Relaxed) >= CHUNK as u64;
        let asked = shared.requested.load(Ordering::SeqCst) > self.written;
        self.commit_waits() || ((much || asked || depth == QUIET) && !shared.pending.lock().is_empty())
    }
}

/// Adds a written chunk's records to the segment's index.
fn index(footer: &mut Builder, chunk: &Chunk) {
    let mut rest = chunk.bytes.as_slice();
    while let Some(front) = Front::trusted(rest) {
        let entry = front.entry();
        footer.push(entry.position - chunk.segment.base, &entry);
        rest = rest.get(entry.size as usize..).unwrap_or_default();
    }
}
