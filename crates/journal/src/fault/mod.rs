//! A disk in memory that fails on demand: power cuts that tear what was not synced, no space, failing and hanging
//! writes and syncs, no descriptors, bits that flip. For tests, ours and those of crates above.
//!
//! It is meaner than a real disk where that costs nothing: every unsynced 512-byte sector survives a power cut or
//! not by its own throw of dice, whatever was written first; and after a failed sync the data stays readable while
//! a later sync, successful, writes none of it, as Linux does it.
//!
//! Next door: `world`, what is on the disk and what of it would survive.

mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use sched::Signal;

use self::world::{Change, World};
use crate::storage::{Storage, StorageFile};

/// EIO, as Linux numbers it.
const BROKEN: i32 = 5;

/// The disk. Clones are the same disk, as one life of the machine sees it.
#[derive(Clone, Default)]
pub struct FaultyStorage {
    world: Arc<Mutex<World>>,
    /// Told when the disk hangs no more, or the machine went down.
    moved: Arc<Signal>,
    life: u64,
}

/// How the machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process alone (kill -9): what was written is kept, synced or not.
    Process,
    /// The power: of what was not synced, sectors and renames survive by the seed's dice.
    Power(u64),
    /// The power, and nothing survives that was not synced.
    PowerAll,
}

impl FaultyStorage {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine goes down. The result is the disk as the next life finds it; this one gets only errors.
    #[must_use]
    pub fn crash(&self, how: Crash) -> FaultyStorage {
        let mut world = self.world.lock();
        world.crash(how);
        let life = world.life;
        drop(world);
        self.moved.notify();
        FaultyStorage { world: self.world.clone(), moved: self.moved.clone(), life }
    }

    /// Flips one bit of a file, on the disk and in the cache.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) {
        if let Some(inode) = self.world.lock().inode_at(path) {
            inode.flip(offset as usize, bit);
        }
    }

    /// From now on all files together may have this many bytes; `None`: any number.
    pub fn limit(&self, bytes: Option<u64>) {
        self.world.lock().capacity = bytes;
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.world.lock().used
    }

    /// The `nth` file sync from now (1: the next) fails, and what it should have written is lost on the disk.
    pub fn fail_sync(&self, nth: u64) {
        self.world.lock().fail_sync_in = nth;
    }

    /// The `nth` write from now (1: the next) fails, and nothing of it is written.
    pub fn fail_write(&self, nth: u64) {
        self.world.lock().fail_write_in = nth;
    }

    /// The next so many openings of files and folders, and makings of files, fail for lack of descriptors.
    pub fn no_descriptors(&self, times: u64) {
        self.no_descriptors_after(0, times);
    }

    /// The same once there were so many others.
    pub fn no_descriptors_after(&self, openings: u64, times: u64) {
        self.world.lock().no_descriptors = (openings, times);
    }

    /// While true, writes and syncs wait. Those of a machine that goes down end in errors.
    pub fn hang(&self, hangs: bool) {
        self.world.lock().hangs = hangs;
        self.moved.notify();
    }

    /// File syncs so far, failed ones included.
    pub fn syncs(&self) -> u64 {
        self.world.lock().syncs
    }

    /// Puts a whole file there, durably.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        self.world.lock().put(path, bytes);
    }

    /// Removes a file behind everybody's back, durably. Who has it open keeps it.
    pub fn take_away(&self, path: &Path) {
        self.world.lock().take_away(path);
    }

    /// A file's bytes as a reader sees them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        self.world.lock().inode_at(path).map(|inode| inode.now.clone())
    }

    /// All files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.world.lock().names.keys().cloned().collect()
    }

    /// The world, while this life lasts.
    fn alive(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.world.lock();
        match world.life == self.life {
            true => Ok(world),
            false => Err(io::Error::other("the machine went down")),
        }
    }

    /// The same once the disk does not hang.
    fn working(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.alive()?;
        if !world.hangs {
            return Ok(world);
        }
        drop(world);
        self.moved.wait(|| match self.alive() {
            Ok(world) if world.hangs => None,
            _ => Some(()),
        });
        self.alive()
    }

    fn file(&self, number: u64) -> Arc<dyn StorageFile> {
        Arc::new(MemoryFile { disk: self.clone(), number })
    }
}

/// Counts down to a fault; true when it is due.
fn is_due(count: &mut u64) -> bool {
    let due = *count == 1;
    *count = count.saturating_sub(1);
    due
}

impl Storage for FaultyStorage {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.alive().map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        Ok(self.alive()?.list(dir))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let world = &mut *self.alive()?;
        world.open_one()?;
        let number = world.make();
        world.change(Change::Add(path.to_path_buf(), number));
        world.opened(number);
        Ok(self.file(number))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let world = &mut *self.alive()?;
        world.open_one()?;
        let number = world.number(path)?;
        world.opened(number);
        Ok(self.file(number))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.alive()?;
        world.number(from)?;
        world.change(Change::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.alive()?;
        world.number(path)?;
        world.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.alive()?;
        let number = world.number(from)?;
        if world.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.change(Change::Add(to.to_path_buf(), number));
        Ok(())
    }

    fn links(&self, path: &Path) -> io::Result<u64> {
        let mut world = self.alive()?;
        let number = world.number(path)?;
        Ok(u64::from(world.inode(number)?.names))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.working()?;
        world.open_one()?;
        world.sync_dir(dir);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut world = self.alive()?;
        if !world.locked.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Locked { disk: self.clone(), path: path.to_path_buf() }))
    }
}

struct Locked {
    disk: FaultyStorage,
    path: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Ok(mut world) = self.disk.alive() {
            world.locked.remove(&self.path);
        }
    }
}

struct MemoryFile {
    disk: FaultyStorage,
    number: u64,
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.disk.world.lock().closed(self.number);
    }
}

impl StorageFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.alive()?.inode(self.number)?.now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.disk.alive()?;
        let there = world.inode(self.number)?.now.get(offset as usize..).unwrap_or_default();
        let len = there.len().min(buffer.len());
        buffer[..len].copy_from_slice(&there[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let world = &mut *self.disk.working()?;
        if is_due(&mut world.fail_write_in) {
            return Err(io::Error::from_raw_os_error(BROKEN));
        }
        world.grow(self.number, offset as usize + bytes.len())?;
        world.inode(self.number)?.write(offset as usize, bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let world = &mut *self.disk.working()?;
        world.syncs += 1;
        let fails = is_due(&mut world.fail_sync_in);
        let inode = world.inode(self.number)?;
        if fails {
            inode.forget();
            return Err(io::Error::from_raw_os_error(BROKEN));
        }
        inode.sync();
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.working()?.grow(self.number, len as usize)
    }
}
