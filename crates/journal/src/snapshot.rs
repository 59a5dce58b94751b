//! A copy of the log as it is at one position, made while the log goes on.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::Position;
use crate::error::Error;
use crate::journal::Journal;
use crate::manifest::{Listed, Manifest, manifest_path};
use crate::pins::Pins;
use crate::segment::segment_path;
use crate::storage::StorageFile;
use crate::table::Segment;

/// Bytes copied at a time.
const PART: usize = 1 << 20;

/// The log up to one position, held in place until this is dropped: nothing of it is retired meanwhile.
#[must_use]
pub struct Snapshot<'j> {
    journal: &'j Journal,
    pins: Pins<'j>,
    end: Position,
}

/// What a copy of the log consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The position behind its last record.
    pub end: Position,
    /// Segments in it.
    pub segments: u64,
    /// How many of them share their space with the log's own.
    pub linked: u64,
    /// Bytes of the others.
    pub bytes: u64,
}

impl Journal {
    /// Holds the log as it is now, everything appended so far included. Costs no I/O.
    pub fn snapshot(&self) -> Snapshot<'_> {
        // Under the appenders' lock: no segment begins, and with what is retired from here on its copies are ahead.
        let pending = self.shared().pending.lock();
        let pins = self.pin_all();
        let end = pending.end();
        drop(pending);
        Snapshot { journal: self, pins, end }
    }
}

impl Snapshot<'_> {
    /// Makes a journal of its own of it in `dir`, which is made where it does not exist, on the same storage. All of it is
    /// on disk when this returns, but for the name of `dir` in the folder above. Segments that will not change any more are
    /// linked where the file system can. After an error a part may be there.
    pub fn write_to(&self, dir: &Path) -> Result<Copied, Error> {
        let shared = self.journal.shared();
        if !shared.config.durable {
            return Err(Error::Config("a scratch journal has no snapshots".to_owned()));
        }
        self.journal.commit(self.end);
        shared.wait(self.end)?;
        let storage = &shared.storage;
        storage.create_dir(dir).map_err(Error::io("make", dir))?;
        if Journal::exists(dir, &**storage)? {
            return Err(Error::io("copy a log into", dir)(io::ErrorKind::AlreadyExists.into()));
        }
        let mut copied = Copied { end: self.end, ..Copied::default() };
        // One that got no record, as the first one was too large for it, has no file.
        let is_in =
            |segment: &&Arc<Segment>| segment.base < self.end && (segment.is_sealed() || segment.used() > 0);
        let segments: Vec<_> = self.pins.segments().iter().filter(is_in).collect();
        for (n, segment) in segments.iter().enumerate() {
            sched::yield_point("journal: between two segments of a snapshot");
            let to = segment_path(dir, segment.base);
            // Both logs would go on in the last one.
            let is_last = n + 1 == segments.len();
            let from = segment_path(&shared.dir, segment.base);
            copied.segments += 1;
            if !is_last && segment.is_sealed() && storage.link(&from, &to).is_ok() {
                copied.linked += 1;
                continue;
            }
            let len = if is_last { self.end - segment.base } else { segment.capacity };
            self.copy(segment, len, &to)?;
            copied.bytes += len;
        }
        let listed = segments.iter().map(|segment| Listed::of(segment));
        // Else it is where the next segment was to begin.
        let is_in_last = segments.last().is_some_and(|last| self.end < last.base + last.capacity);
        let end = is_in_last.then_some(self.end);
        let manifest = Manifest::create(dir, storage.clone(), shared.depot.log(), listed, end, false);
        manifest.map_err(Error::io("write", &manifest_path(dir)))?;
        Ok(copied)
    }

    /// The segment's file with its first `len` bytes, and zeros behind them.
    fn copy(&self, segment: &Segment, len: u64, to: &Path) -> Result<(), Error> {
        let shared = self.journal.shared();
        let from = shared.table.file(segment, &shared.dir, &*shared.storage)?;
        let file = shared.storage.create(to).map_err(Error::io("make", to))?;
        fill(&*file, &*from, segment.capacity, len).map_err(Error::io("copy a segment to", to))
    }
}

fn fill(file: &dyn StorageFile, from: &dyn StorageFile, capacity: u64, len: u64) -> io::Result<()> {
    file.allocate(capacity)?;
    let mut part = vec![0; PART.min(len as usize)];
    let mut at = 0;
    while at < len {
        let wanted = part.len().min((len - at) as usize);
        let read = from.read_at(part.get_mut(..wanted).unwrap_or_default(), at)?;
        file.write_at(part.get(..read).unwrap_or_default(), at)?;
        at += read as u64;
        if read < wanted {
            // A damaged file that ends too soon is as damaged in the copy.
            break;
        }
    }
    file.sync()
}
