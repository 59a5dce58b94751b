//! Where segment files come from and go to: made, renamed into the log, kept as spares for another life.
//!
//! The order of steps is what recovery relies on (docs/journal.md): a file gets its new header, durably, before it
//! gets its name in the log, and its name, durably, before it gets a record.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Config;
use crate::error::is_full;
use crate::pending::draw;
use crate::segment::{FORMAT_VERSION, Header, segment_path};
use crate::storage::{Storage, StorageFile};
use crate::table::Segment;

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

/// An open file that is the segment's now.
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
}

impl Depot {
    pub(crate) fn new(dir: &Path, storage: Arc<dyn Storage>, config: Config, log: [u8; 16]) -> Self {
        Depot { dir: dir.to_path_buf(), storage, config, log, spares: Mutex::new(Vec::new()) }
    }

    /// Whether a file is one that waits, or waited at an earlier crash, for its next life.
    pub(crate) fn is_spare(name: &str) -> bool {
        name.ends_with(".spare")
    }

    /// Takes a spare file found at open; false where there are enough or its size is another.
    pub(crate) fn adopt(&self, name: &str, len: u64) -> bool {
        let mut spares = self.spares.lock();
        let wanted = len == self.config.segment_bytes && spares.len() < self.config.spare_segments;
        if wanted {
            spares.push(Spare { path: self.dir.join(name), prewritten: false });
        }
        wanted
    }

    pub(crate) fn spares(&self) -> usize {
        self.spares.lock().len()
    }

    /// Has so many spares ready, so that their use is no question of space.
    pub(crate) fn prepare(&self, spares: usize) -> Result<(), Trouble> {
        while self.spares() < spares {
            let (spare, _) = self.make(self.config.segment_bytes)?;
            self.spares.lock().push(spare);
        }
        Ok(())
    }

    /// Gives the segment its file, header written, under its name; durable before it returns.
    pub(crate) fn activate(&self, segment: &Segment) -> Result<Active, Trouble> {
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
        match self.begin(segment, &spare, &*file) {
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

    fn begin(&self, segment: &Segment, spare: &Spare, file: &dyn StorageFile) -> Result<(), Trouble> {
        let header = Header {
            version: FORMAT_VERSION,
            base: segment.base,
            log: self.log,
            tag: segment.tag.unwrap_or_default(),
            capacity: segment.capacity,
            scratch: !self.config.durable,
        };
        file.write_at(&header.encode(), 0).map_err(Trouble::on("write", &spare.path))?;
        if self.config.durable {
            file.sync().map_err(Trouble::on("sync", &spare.path))?;
        }
        let path = segment_path(&self.dir, segment.base);
        self.storage.rename(&spare.path, &path).map_err(Trouble::on("rename", &spare.path))?;
        self.sync_dir()
    }

    fn make(&self, len: u64) -> Result<(Spare, Arc<dyn StorageFile>), Trouble> {
        let path = self.dir.join(format!("{:016x}.spare", draw()));
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

    /// Takes a segment's file out of the log, durably: after this no crash brings it back. The result, if any,
    /// goes to `put_back` once nobody looks for the segment any more.
    pub(crate) fn withdraw(&self, segment: &Segment) -> Result<Option<Spare>, Trouble> {
        let path = segment_path(&self.dir, segment.base);
        let again = segment.capacity == self.config.segment_bytes
            && !segment.damaged
            && self.spares() < self.config.spare_segments;
        let spare = if again {
            let spare = self.dir.join(format!("{:016x}.spare", draw()));
            self.storage.rename(&path, &spare).map_err(Trouble::on("rename", &path))?;
            Some(Spare { path: spare, prewritten: true })
        } else {
            self.storage.remove(&path).map_err(Trouble::on("remove", &path))?;
            None
        };
        self.sync_dir()?;
        Ok(spare)
    }

    pub(crate) fn put_back(&self, spare: Spare) {
        self.spares.lock().push(spare);
    }

    fn sync_dir(&self) -> Result<(), Trouble> {
        match self.config.durable {
            true => self.storage.sync_dir(&self.dir).map_err(Trouble::on("sync", &self.dir)),
            false => Ok(()),
        }
    }
}
