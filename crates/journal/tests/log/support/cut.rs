//! A disk that is gone after so many steps.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use journal::fault::FaultyStorage;
use journal::{Storage, StorageFile};

/// Lets so many changes and syncs through; everything later fails, and changes nothing.
#[derive(Clone)]
pub(crate) struct Cut {
    disk: FaultyStorage,
    left: Arc<AtomicI64>,
    keeps_names: Arc<AtomicBool>,
}

impl Cut {
    pub(crate) fn after(disk: &FaultyStorage, steps: i64) -> Cut {
        Cut { disk: disk.clone(), left: Arc::new(AtomicI64::new(steps)), keeps_names: Arc::default() }
    }

    /// While true, no file of a segment gets another name or loses it.
    pub(crate) fn keep_names(&self, keeps: bool) {
        self.keeps_names.store(keeps, Ordering::SeqCst);
    }

    /// From now on so many.
    pub(crate) fn reset(&self, steps: i64) {
        self.left.store(steps, Ordering::SeqCst);
    }

    /// Whether it came to that.
    pub(crate) fn is_reached(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn step(&self) -> io::Result<()> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1.. => Ok(()),
            _ => Err(io::Error::other("the machine went down")),
        }
    }

    fn unname(&self, path: &Path) -> io::Result<()> {
        let keeps = path.extension().is_some_and(|e| e == "seg") && self.keeps_names.load(Ordering::SeqCst);
        if keeps { Err(io::ErrorKind::PermissionDenied.into()) } else { self.step() }
    }

    fn file(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(CutFile { file, cut: self.clone() })
    }
}

impl Storage for Cut {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        self.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.step()?;
        Ok(self.file(self.disk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(self.disk.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.unname(from)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.unname(path)?;
        self.disk.remove(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.link(from, to)
    }

    fn links(&self, path: &Path) -> io::Result<u64> {
        self.disk.links(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(path)
    }
}

struct CutFile {
    file: Arc<dyn StorageFile>,
    cut: Cut,
}

impl StorageFile for CutFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.cut.step()?;
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        if let Err(error) = self.cut.step() {
            // The kernel goes on to show what it will never write.
            self.cut.disk.fail_sync(1);
            return self.file.sync().and(Err(error));
        }
        self.file.sync()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.cut.step()?;
        self.file.allocate(len)
    }
}
