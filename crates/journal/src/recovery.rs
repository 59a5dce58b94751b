//! From the files of a stopped, killed or damaged journal to one that takes records. Next door: `scan`, `footer`.
//!
//! Nothing is changed before every file was looked at: a newer format or a foreign file is refused untouched.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Position;
use crate::config::Config;
use crate::depot::Depot;
use crate::error::{Damage, Error, is_full};
use crate::footer::{Builder, Entries, TRAILER, Trailer};
use crate::manifest::{Manifest, manifest_path};
use crate::pending::{Pending, draw};
use crate::record::Entry;
use crate::scan::{Ground, Scanned, scan};
use crate::segment::{HEADER_BLOCK, base_in_name};
use crate::shared::Beginning;
use crate::storage::{Storage, StorageFile};
use crate::survey::{Found, Survey, lock};
use crate::table::{Segment, Table, Tally};
use crate::writer::Current;

/// What opening a journal found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Records replayed.
    pub entries: u64,
    /// Segments read.
    pub segments: u64,
    /// Unreadable parts that were skipped, with file and offset. Everything around them was replayed.
    pub damages: Vec<Damage>,
    /// Unreadable parts of what a power cut tore and nobody had been told is on disk: no damage. Everything around them
    /// was replayed, but for groups that they tore.
    pub unsynced: Vec<Damage>,
    /// The last write, cut off because it was not finished: expected after a crash, and confirmed to nobody.
    pub torn_tail: Option<Damage>,
    /// Records may be lost that were on disk, by damage or because somebody went on without a missing file, and the owner
    /// has not said yet that it has dealt with that: [`Journal::settle_losses`](crate::Journal::settle_losses).
    pub has_losses: bool,
    /// Segments with damage.
    pub(crate) damaged: Vec<Position>,
    /// Time it took.
    pub elapsed: Duration,
}

pub(crate) struct Opened {
    pub(crate) beginning: Beginning,
    pub(crate) current: Option<Current>,
    /// Where the records of the newest segment end, where the log does not go on in it.
    pub(crate) sealed_end: Option<Position>,
    pub(crate) recovery: Recovery,
}

pub(crate) fn recover(
    dir: &Path,
    storage: Arc<dyn Storage>,
    config: Config,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<Opened, Error> {
    let started = Instant::now();
    storage.create_dir(dir).map_err(Error::io("make", dir))?;
    let lock = lock(dir, &*storage)?;
    let files = storage.list(dir).map_err(Error::io("list", dir))?;
    let mut survey = Survey::make(dir, &*storage, &files, !config.durable)?;
    survey.refusal()?;
    let mut spares: Vec<_> = files.iter().filter(|(name, _)| Depot::is_spare(name)).collect();
    let manifest = match config.durable {
        true => {
            sync_names(dir, &*storage)?;
            let made = manifest(dir, &storage, &mut survey, &mut spares);
            Some(made.map_err(Error::io("update", &manifest_path(dir)))?)
        }
        false => {
            survey.found.clear();
            for (name, _) in files.iter().filter(|(name, _)| base_in_name(name).is_some()) {
                storage.remove(&dir.join(name)).map_err(Error::io("remove", &dir.join(name)))?;
            }
            None
        }
    };
    let found = survey.found;
    let losses = manifest.as_ref().map(|manifest| manifest.losses().clone()).unwrap_or_default();
    let depot = Depot::new(dir, storage.clone(), config, survey.log, manifest);
    for (name, len) in spares {
        if !depot.adopt(name, *len) {
            storage.remove(&dir.join(name)).map_err(Error::io("remove", &dir.join(name)))?;
        }
    }
    let mut replay = Replay { table: Table::default(), recovery: Recovery::default(), end: None, visit };
    let mut tail = None;
    let last = found.len().saturating_sub(1);
    for (n, found) in found.iter().enumerate() {
        tail = replay.segment(found, n == last).map_err(Error::io("read", &found.path))?;
    }
    let Replay { table, mut recovery, end, .. } = replay;
    let end_of_files = found.last().map_or(0, |last| last.base + last.span);
    let active = found.last().map_or(0, |last| last.base);
    let (pending, current) = begin(tail, end_of_files, &table, &config);
    recovery.segments = found.len() as u64;
    recovery.has_losses = losses.are_new(&recovery.damaged);
    recovery.elapsed = started.elapsed();
    let dir = dir.to_path_buf();
    let beginning = Beginning { config, dir, storage, depot, table, pending, active, lock };
    Ok(Opened { beginning, current, sealed_end: end, recovery })
}

/// The folder itself has to be there after a crash, and names in it that a process killed before its sync left.
fn sync_names(dir: &Path, storage: &dyn Storage) -> Result<(), Error> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        storage.sync_dir(parent).map_err(Error::io("sync", parent))?;
    }
    storage.sync_dir(dir).map_err(Error::io("sync", dir))
}

/// The manifest, with everything that was seen of it on disk; files of retired segments are gone.
fn manifest(
    dir: &Path,
    storage: &Arc<dyn Storage>,
    survey: &mut Survey,
    spares: &mut Vec<&(String, u64)>,
) -> io::Result<Manifest> {
    let Some(image) = survey.manifest.take() else {
        let listed = || survey.found.iter().map(Found::listed);
        return match Manifest::create(dir, storage.clone(), survey.log, listed(), None, false) {
            // A journal of format 1 that filled the disk: its spare file has room for this.
            Err(error) if is_full(&error) && !spares.is_empty() => {
                for (name, _) in spares.drain(..) {
                    storage.remove(&dir.join(name))?;
                }
                Manifest::create(dir, storage.clone(), survey.log, listed(), None, false)
            }
            made => made,
        };
    };
    let mut manifest = Manifest::resume(dir, storage.clone(), image)?;
    for &(base, ref name) in &survey.retired {
        match storage.remove(&dir.join(name)) {
            Ok(()) => tracing::info!(file = name, "a segment that was retired before the stop is removed"),
            Err(error) => {
                tracing::warn!(file = name, %error, "a retired segment's file cannot be removed");
                manifest.linger(base);
            }
        }
    }
    if let Some(newest) = survey.unlisted {
        manifest.make_room(1)?;
        manifest.add(newest)?;
    }
    Ok(manifest)
}

/// The open segment as it was found.
struct Tail {
    segment: Arc<Segment>,
    file: Arc<dyn StorageFile>,
    footer: Builder,
    end: u64,
}

/// Goes on in the tail, or behind the last file.
fn begin(
    tail: Option<Tail>,
    end_of_files: Position,
    table: &Table,
    config: &Config,
) -> (Pending, Option<Current>) {
    if let Some(Tail { segment, file, footer, end }) = tail {
        let log_end = segment.base + end;
        let pending = Pending::new(segment.clone(), end, footer.len(), config.segment_bytes, log_end);
        return (pending, Some(Current { segment, file, footer, zeroed: end }));
    }
    let segment = Arc::new(Segment::new(end_of_files, config.segment_bytes, Some(draw() as u32), false));
    table.insert(segment.clone());
    (Pending::new(segment, HEADER_BLOCK, 0, config.segment_bytes, end_of_files), None)
}

struct Replay<'v> {
    table: Table,
    recovery: Recovery,
    /// Where the records of the newest segment end, where the log does not go on in it.
    end: Option<Position>,
    visit: &'v mut dyn FnMut(Entry<'_>),
}

impl Replay<'_> {
    /// Replays one segment; the result is the tail, where this is it and can be gone on with.
    fn segment(&mut self, found: &Found, last: bool) -> io::Result<Option<Tail>> {
        let tag = found.header.map(|header| header.tag);
        let footer = match tag {
            Some(tag) => Footer::read(&*found.file, found.base, tag, found.span)?,
            None => None,
        };
        match footer {
            // That there is a newer file proves that the sync behind this footer succeeded.
            Some(footer) if !last => {
                let segment = Arc::new(Segment::new(found.base, found.span, tag, false));
                footer.each(&mut |entry| self.entry(&segment, &entry));
                self.add(segment, true);
                Ok(None)
            }
            // The newest one's may have reached the disk without the records it speaks of.
            footer => self.scanned(found, last, footer.as_ref()),
        }
    }

    fn scanned(&mut self, found: &Found, last: bool, claimed: Option<&Footer>) -> io::Result<Option<Tail>> {
        let tag = found.header.map(|header| header.tag);
        let limit = found.span.min(found.file.len()?);
        let ground = Ground { file: &*found.file, path: &found.path, base: found.base, limit, tag };
        // Counted afterwards: whether the file is damaged shows at the end only.
        let mut footer = Builder::new();
        let mut tallies = Vec::new();
        let visit = &mut *self.visit;
        let recovery = &mut self.recovery;
        let done = scan(&ground, &mut |offset, entry| {
            recovery.entries += 1;
            visit(*entry);
            footer.push(offset, entry);
            tallies.push(Tally::of(entry));
        })?;
        let was_durable = |torn: &Damage| found.known_end.is_some_and(|end| found.base + torn.offset < end);
        // Where a loss at the end was accepted, what is torn there may have been on disk as well.
        let torn_for_good = done.torn.as_ref().is_some_and(|torn| found.may_be_short || was_durable(torn));
        let sound = tag.is_some() && done.is_sound() && !torn_for_good;
        let whole = sound
            && done.torn.is_none()
            && claimed.is_some_and(|claimed| claimed.is_for(tallies.len() as u64, done.end));
        let goes_on = last && sound && !whole;
        let segment = Arc::new(Segment::new(found.base, found.span, done.tag, !sound));
        tallies.into_iter().for_each(|tally| segment.count(tally));
        let end = done.end;
        if last {
            settle(&*found.file, if whole { found.span } else { end })?;
        }
        if claimed.is_some() && !whole {
            found.file.write_at(&[0; TRAILER as usize], found.span - TRAILER)?;
            found.file.sync()?;
        }
        let tail = if goes_on {
            cut(&*found.file, &done)?;
            if limit < found.span {
                // Cut short behind its last record: harmless, and to be told from a loss at the next start.
                found.file.allocate(found.span)?;
            }
            self.end = None;
            Some(Tail { segment: segment.clone(), file: found.file.clone(), footer, end })
        } else {
            self.end = Some(found.base + end);
            None
        };
        self.report(found, done, last, sound);
        self.add(segment, !goes_on);
        Ok(tail)
    }

    fn report(&mut self, found: &Found, done: Scanned, last: bool, sound: bool) {
        let recovery = &mut self.recovery;
        let before = recovery.damages.len();
        let damage = |offset, length, what: &str| Damage {
            file: found.path.clone(),
            offset,
            length,
            what: what.to_owned(),
        };
        if found.header.is_none() {
            recovery.damages.push(damage(0, HEADER_BLOCK, "segment header fails its checksum"));
        }
        // A file that a power cut tore got no index: the log went on in the next one.
        let was_torn = !done.unsynced.is_empty() && done.damages.is_empty();
        if !last && !was_torn {
            let what = "segment index is unreadable: its records were read one by one";
            recovery.damages.push(damage(found.span.saturating_sub(TRAILER), TRAILER, what));
        }
        recovery.damages.extend(done.damages);
        recovery.unsynced.extend(done.unsynced);
        match done.torn {
            Some(torn) if last && sound => recovery.torn_tail = Some(torn),
            torn if was_torn => recovery.unsynced.extend(torn),
            torn => recovery.damages.extend(torn),
        }
        if recovery.damages.len() > before {
            recovery.damaged.push(found.base);
        }
    }

    fn entry(&mut self, segment: &Segment, entry: &Entry<'_>) {
        self.recovery.entries += 1;
        segment.count(Tally::of(entry));
        (self.visit)(*entry);
    }

    fn add(&self, segment: Arc<Segment>, sealed: bool) {
        if sealed {
            segment.seal(0);
        }
        self.table.insert(segment);
    }
}

/// Writes the file's beginning over with itself and syncs it. What was read may be in the kernel's memory only
/// (a process killed before its sync), and after a failed sync the kernel takes it for written: only a new
/// write gets it to the disk.
fn settle(file: &dyn StorageFile, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < end {
        let len = (end - at).min(buffer.len() as u64) as usize;
        let filled = file.read_at(buffer.get_mut(..len).unwrap_or_default(), at)?;
        file.write_at(buffer.get(..filled).unwrap_or_default(), at)?;
        at += len as u64;
        if filled < len {
            break;
        }
    }
    file.sync()
}

/// Overwrites an unfinished last write, so that no part of it can ever pass as a record.
fn cut(file: &dyn StorageFile, done: &Scanned) -> io::Result<()> {
    let Some(torn) = &done.torn else { return Ok(()) };
    let zeros = vec![0; torn.length.min(1 << 20) as usize];
    let until = torn.offset + torn.length;
    let mut at = torn.offset;
    while at < until {
        let len = (until - at).min(zeros.len() as u64) as usize;
        file.write_at(zeros.get(..len).unwrap_or_default(), at)?;
        at += len as u64;
    }
    file.sync()
}

/// A sealed segment's index, read and verified.
struct Footer {
    trailer: Trailer,
    index: Vec<u8>,
}

impl Footer {
    /// `None` where there is none, or it is not intact, or another life's.
    fn read(file: &dyn StorageFile, base: Position, tag: u32, capacity: u64) -> io::Result<Option<Footer>> {
        let mut raw = [0; TRAILER as usize];
        let Some(at) = capacity.checked_sub(TRAILER).filter(|&at| at >= HEADER_BLOCK) else {
            return Ok(None);
        };
        let read = file.read_at(&mut raw, at)?;
        let trailer = raw.get(..read).and_then(Trailer::decode);
        let Some(trailer) = trailer.filter(|t| t.base == base && t.tag == tag) else { return Ok(None) };
        let Some(from) = at.checked_sub(trailer.index_len).filter(|&from| from >= trailer.records_end) else {
            return Ok(None);
        };
        let mut index = vec![0; trailer.index_len as usize];
        let read = file.read_at(&mut index, from)?;
        if read < index.len() || !trailer.index_matches(&index) {
            return Ok(None);
        }
        let mut entries = Entries::new(&index, &trailer);
        let count = entries.by_ref().count() as u64;
        let whole = entries.is_intact() && count == trailer.entries;
        Ok(whole.then_some(Footer { trailer, index }))
    }

    /// Whether it lists so many records that end there.
    fn is_for(&self, entries: u64, end: u64) -> bool {
        self.trailer.entries == entries && self.trailer.records_end == end
    }

    fn each(&self, visit: &mut dyn FnMut(Entry<'_>)) {
        Entries::new(&self.index, &self.trailer).for_each(visit);
    }
}

/// The records of a sealed segment: from its footer, else by reading them.
pub(crate) fn segment_entries(
    file: &dyn StorageFile,
    path: &Path,
    segment: &Segment,
    visit: &mut dyn FnMut(Entry<'_>),
) -> io::Result<()> {
    if let Some(tag) = segment.tag
        && let Some(footer) = Footer::read(file, segment.base, tag, segment.capacity)?
    {
        footer.each(visit);
        return Ok(());
    }
    let limit = segment.capacity.min(file.len()?);
    let ground = Ground { file, path, base: segment.base, limit, tag: segment.tag };
    scan(&ground, &mut |_, entry| visit(*entry)).map(drop)
}
