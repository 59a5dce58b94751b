//! Where segment files come from and go to: made, renamed into the log, kept as spares for another life.
//!
//! The order of steps is what recovery relies on (docs/journal.md): a file gets its new header, durably, before it
//! gets its name in the log, and its name, durably, before it gets a record.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use sched::Signal;

use crate::Position;
use crate::config::Config;

use crate::error::{is_full, lasting};
use crate::manifest::{Listed, Manifest, manifest_path};
use crate::segment::{FORMAT_VERSION, Header, segment_path};
use crate::storage::{Storage, StorageFile};
use crate::table::Segment;

/// The disk counts as full when the manifest, which is rewritten now and then, has no room for so many segments more:
/// a reclaim on a full disk must not be the one that needs a new file for it.
const SEGMENTS_AHEAD: usize = 16;

/// A failed step on a file.
pub(crate) struct Trouble {
    /// Lack of space or descriptors: passes. Anything else does not.
    pub(crate) full: bool,
    pub(crate) text: String,
}

impl Trouble {
    /// Completes "cannot {action} {path}: {cause}".
    pub(crate) fn on(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
        let what = format!("cannot {action} {}", path.display());
        move |error| Trouble { full: is_full(&error), text: format!("{what}: {error}") }
    }
}

/// A file that waits for its next life.
pub(crate) struct Spare {
    path: PathBuf,
    /// Written from end to end: writing into it changes no metadata.
    prewritten: bool,
}

/// A segment's file on its way into the log.
struct Named {
    base: Position,
    active: Active,
}

/// An open file that is the segment's now.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) prewritten: bool,
}

pub(crate) struct Depot {
    dir: PathBuf,
    storage: Arc<dyn Storage>,
    config: Config,
    log: [u8; 16],
    spares: Mutex<Vec<Spare>>,
    next_spare: AtomicU64,
    /// A file that has its name in the log, which the folder does not have to keep yet.
    named: Mutex<Option<Named>>,
    /// Taken out while it is written to, so that no lock is held across a wait for the disk. A scratch journal has none.
    manifest: Mutex<Option<Manifest>>,
    manifest_is_back: Signal,
    /// The manifest needs a new file before there may be many more segments.
    manifest_is_short: AtomicBool,
}

impl Depot {
    pub(crate) fn new(
        dir: &Path,
        storage: Arc<dyn Storage>,
        config: Config,
        log: [u8; 16],
        manifest: Option<Manifest>,
    ) -> Self {
        let durable = config.durable;
        Depot {
            dir: dir.to_path_buf(),
            storage,
            config,
            log,
            spares: Mutex::new(Vec::new()),
            next_spare: AtomicU64::new(1),
            named: Mutex::new(None),
            manifest: Mutex::new(manifest),
            manifest_is_back: Signal::default(),
            manifest_is_short: AtomicBool::new(durable),
        }
    }

    /// What is to be done to the manifest, by one at a time.
    fn manifest<T>(&self, act: impl FnOnce(&mut Manifest) -> io::Result<T>) -> Result<T, Trouble> {
        let mut manifest = self.manifest_is_back.wait(|| self.manifest.lock().take());
        let done = act(&mut manifest);
        self.manifest_is_short.store(!manifest.has_room(SEGMENTS_AHEAD), Ordering::Release);
        *self.manifest.lock() = Some(manifest);
        self.manifest_is_back.notify();
        done.map_err(Trouble::on("update", &manifest_path(&self.dir)))
    }

    /// See [`Journal::settle_losses`](crate::Journal::settle_losses).
    pub(crate) fn settle_losses(&self, damaged: &[Position]) -> Result<(), Trouble> {
        self.manifest(|manifest| manifest.settle(damaged))
    }

    /// The log is on disk up to `end`, in its newest segment: noted for the next start. Where somebody uses the manifest
    /// just now this is left for another time; false then. `for_good` waits, and is on disk when this returns.
    pub(crate) fn note_end(&self, end: Position, for_good: bool) -> Result<bool, Trouble> {
        if for_good {
            self.manifest(|manifest| manifest.note_end(end).and_then(|()| manifest.sync()))?;
            return Ok(true);
        }
        let Some(mut manifest) = self.manifest.lock().take() else { return Ok(false) };
        let noted = manifest.note_end(end);
        *self.manifest.lock() = Some(manifest);
        self.manifest_is_back.notify();
        noted.map_err(Trouble::on("update", &manifest_path(&self.dir))).map(|()| true)
    }

    /// Whether a file is one that waits, or waited at an earlier crash, for its next life.
    pub(crate) fn is_spare(name: &str) -> bool {
        name.ends_with(".spare")
    }

    /// Takes a spare file found at open; false where there are enough or its size is another.
    pub(crate) fn adopt(&self, name: &str, len: u64) -> bool {
        let number = name.strip_suffix(".spare").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.next_spare.fetch_max(number.unwrap_or(0).saturating_add(1), Ordering::Relaxed);
        let mut spares = self.spares.lock();
        let path = self.dir.join(name);
        let wanted = len == self.config.segment_bytes
            && spares.len() < self.config.spare_segments
            && self.is_ours_alone(&path);
        if wanted {
            spares.push(Spare { path, prewritten: false });
        }
        wanted
    }

    pub(crate) fn log(&self) -> [u8; 16] {
        self.log
    }

    pub(crate) fn spares(&self) -> usize {
        self.spares.lock().len()
    }

    /// Removes all spares: there is better use for their space.
    pub(crate) fn drop_spares(&self) -> io::Result<()> {
        let spares = std::mem::take(&mut *self.spares.lock());
        spares.iter().try_for_each(|spare| self.storage.remove(&spare.path))
    }

    /// Has so many spares ready, and room in the manifest, so that their use is no question of space.
    pub(crate) fn prepare(&self, spares: usize) -> Result<(), Trouble> {
        if self.manifest_is_short.load(Ordering::Acquire) {
            self.manifest(|manifest| manifest.make_room(SEGMENTS_AHEAD))?;
        }
        while self.spares() < spares {
            let (spare, _) = self.make(self.config.segment_bytes)?;
            self.spares.lock().push(spare);
        }
        Ok(())
    }

    /// Gives the segment its file, header written, under its name; durable before it returns. `previous_end` is where the
    /// records before it end, where that is known. Tried again after a passing trouble it goes on where it was.
    pub(crate) fn activate(
        &self,
        segment: &Segment,
        previous_end: Option<Position>,
    ) -> Result<Active, Trouble> {
        if self.config.durable {
            self.manifest(|manifest| manifest.make_room(1))?;
        }
        let named = self.named.lock().take().filter(|named| named.base == segment.base);
        let active = match named {
            Some(named) => named.active,
            None => self.name(segment, previous_end)?,
        };
        if let Err(trouble) = self.sync_dir().and_then(|()| self.list(segment)) {
            *self.named.lock() = Some(Named { base: segment.base, active });
            return Err(trouble);
        }
        Ok(active)
    }

    /// Gives the segment a file under its name.
    fn name(&self, segment: &Segment, previous_end: Option<Position>) -> Result<Active, Trouble> {
        let spare = match segment.capacity == self.config.segment_bytes {
            true => self.spares.lock().pop(),
            false => None,
        };
        let (spare, file) = match spare {
            Some(spare) => match self.storage.open(&spare.path) {
                Ok(file) => (spare, file),
                Err(error) => {
                    let trouble = Trouble::on("open", &spare.path)(error);
                    self.spares.lock().push(spare);
                    return Err(trouble);
                }
            },
            None => self.make(segment.capacity)?,
        };
        match self.begin(segment, previous_end, &spare, &*file) {
            Ok(()) => Ok(Active { file, prewritten: spare.prewritten }),
            Err(trouble) => {
                // Tried again as soon as there is space; an odd size would be no spare.
                if segment.capacity == self.config.segment_bytes {
                    self.spares.lock().push(spare);
                } else {
                    drop(self.storage.remove(&spare.path));
                }
                Err(trouble)
            }
        }
    }

    fn begin(
        &self,
        segment: &Segment,
        previous_end: Option<Position>,
        spare: &Spare,
        file: &dyn StorageFile,
    ) -> Result<(), Trouble> {
        let header = Header {
            version: FORMAT_VERSION,
            base: segment.base,
            log: self.log,
            tag: segment.tag.unwrap_or_default(),
            capacity: segment.capacity,
            scratch: !self.config.durable,
            epoch: 0,
            previous_end,
        };
        file.write_at(&header.encode(), 0).map_err(Trouble::on("write", &spare.path))?;
        if self.config.durable {
            file.sync().map_err(Trouble::on("sync", &spare.path))?;
        }
        let path = segment_path(&self.dir, segment.base);
        self.storage.rename(&spare.path, &path).map_err(Trouble::on("rename", &spare.path))
    }

    fn list(&self, segment: &Segment) -> Result<(), Trouble> {
        match self.config.durable {
            true => self.manifest(|manifest| manifest.add(Listed::of(segment))),
            false => Ok(()),
        }
    }

    fn spare_path(&self) -> PathBuf {
        self.dir.join(format!("{:016x}.spare", self.next_spare.fetch_add(1, Ordering::Relaxed)))
    }

    fn make(&self, len: u64) -> Result<(Spare, Arc<dyn StorageFile>), Trouble> {
        let path = self.spare_path();
        let file = self.storage.create(&path).map_err(Trouble::on("create", &path))?;
        match file.allocate(len) {
            Ok(()) => Ok((Spare { path, prewritten: false }, file)),
            Err(error) => {
                // What was reserved of it is better used elsewhere.
                drop(self.storage.remove(&path));
                Err(Trouble::on("reserve space for", &path)(error))
            }
        }
    }

    /// Takes a segment out of the log, durably: after this no crash brings it back. The result, if any, goes to
    /// `put_back` once nobody looks for the segment any more.
    pub(crate) fn withdraw(&self, segment: &Segment) -> Result<Option<Spare>, Trouble> {
        if !self.config.durable {
            return self.clear_away(segment);
        }
        // In one turn: a manifest written anew in between would not know the file that is still there.
        self.manifest(|manifest| {
            manifest.remove(segment.base)?;
            sched::yield_point("journal: between a segment's removal and its file's");
            // By the manifest's word it is gone, whatever happens now; the next start looks after the file.
            Ok(self.clear_away(segment).unwrap_or_else(|trouble| {
                tracing::warn!(reason = trouble.text, "a retired segment's file stays until the next start");
                manifest.linger(segment.base);
                None
            }))
        })
    }

    fn clear_away(&self, segment: &Segment) -> Result<Option<Spare>, Trouble> {
        let path = segment_path(&self.dir, segment.base);
        let again = segment.capacity == self.config.segment_bytes
            && !segment.damaged
            && self.spares() < self.config.spare_segments
            && self.is_ours_alone(&path);
        if !again {
            self.storage.remove(&path).map_err(Trouble::on("remove", &path))?;
            return Ok(None);
        }
        let spare = self.spare_path();
        self.storage.rename(&path, &spare).map_err(Trouble::on("rename", &path))?;
        Ok(Some(Spare { path: spare, prewritten: true }))
    }

    /// Whether no snapshot, and no copy made by somebody with links, has the file too: another life would change it there.
    fn is_ours_alone(&self, path: &Path) -> bool {
        self.storage.links(path).is_ok_and(|links| links == 1)
    }

    pub(crate) fn put_back(&self, spare: Spare) {
        self.spares.lock().push(spare);
    }

    fn sync_dir(&self) -> Result<(), Trouble> {
        match self.config.durable {
            true => self.storage.sync_dir(&self.dir).map_err(lasting).map_err(Trouble::on("sync", &self.dir)),
            false => Ok(()),
        }
    }
}
