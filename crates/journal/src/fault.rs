//! A disk in memory that fails on demand: power cuts that tear what was not synced, no space, failing syncs, bits
//! that flip. For tests, ours and those of crates above.
//!
//! It is meaner than a real disk where that costs nothing: every unsynced 512-byte sector survives a power cut or
//! not by its own throw of dice, whatever was written first; and after a failed sync the data stays readable while
//! a later sync, successful, writes none of it, as Linux does it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::storage::{Storage, StorageFile};

const SECTOR: usize = 512;

/// The disk. Clones are the same disk, as one life of the machine sees it.
#[derive(Clone, Default)]
pub struct FaultyStorage {
    world: Arc<Mutex<World>>,
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

#[derive(Default)]
struct World {
    names: Names,
    durable_names: Names,
    /// Changes of names since the folder was synced, oldest first.
    renames: Vec<(PathBuf, Change)>,
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    locked: HashSet<PathBuf>,
    /// Counts crashes: files opened before the last one are dead.
    life: u64,
    capacity: Option<u64>,
    fail_sync_in: Option<u64>,
    syncs: u64,
}

type Names = BTreeMap<PathBuf, u64>;

#[derive(Clone)]
enum Change {
    Add(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl FaultyStorage {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine goes down. The result is the disk as the next life finds it; this one gets only errors.
    #[must_use]
    pub fn crash(&self, how: Crash) -> FaultyStorage {
        let world = &mut *self.world.lock();
        world.life += 1;
        let next = FaultyStorage { world: self.world.clone(), life: world.life };
        world.locked.clear();
        let mut dice = match how {
            Crash::Power(seed) => Some(Dice(seed)),
            Crash::Process | Crash::PowerAll => None,
        };
        let survives = |dice: &mut Option<Dice>| match dice {
            Some(dice) => dice.throw() % 2 == 0,
            None => how == Crash::Process,
        };
        // A file system's own journal keeps the order of name changes.
        let kept = match &mut dice {
            Some(dice) => dice.throw() as usize % (world.renames.len() + 1),
            None if how == Crash::Process => world.renames.len(),
            None => 0,
        };
        let changes = std::mem::take(&mut world.renames);
        if how != Crash::Process {
            changes.iter().take(kept).for_each(|(_, change)| change.apply(&mut world.durable_names));
            world.names = world.durable_names.clone();
        } else {
            world.renames = changes;
        }
        let mut inodes: Vec<_> = world.inodes.iter_mut().collect();
        inodes.sort_unstable_by_key(|(number, _)| **number);
        for (_, inode) in inodes {
            if how != Crash::Process {
                inode.lose(&mut || survives(&mut dice));
            }
        }
        next
    }

    /// The world, while this life lasts.
    fn alive(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.world.lock();
        match world.life == self.life {
            true => Ok(world),
            false => Err(io::Error::other("the machine went down")),
        }
    }

    /// Flips one bit of a file, on the disk and in the cache.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) {
        let world = &mut *self.world.lock();
        if let Some(inode) = world.names.get(path).and_then(|number| world.inodes.get_mut(number)) {
            for image in [&mut inode.now, &mut inode.durable] {
                if let Some(byte) = image.get_mut(offset as usize) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
    }

    /// From now on all files together may have this many bytes; `None`: any number.
    pub fn limit(&self, bytes: Option<u64>) {
        self.world.lock().capacity = bytes;
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.world.lock().used()
    }

    /// The `nth` file sync from now (1: the next) fails, and what it should have written is lost on the disk.
    pub fn fail_sync(&self, nth: u64) {
        self.world.lock().fail_sync_in = Some(nth);
    }

    /// File syncs so far, failed ones included.
    pub fn syncs(&self) -> u64 {
        self.world.lock().syncs
    }

    /// Puts a whole file there, durably.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let world = &mut *self.world.lock();
        let number = world.add(path);
        world.durable_names.insert(path.to_path_buf(), number);
        if let Some(inode) = world.inodes.get_mut(&number) {
            *inode = Inode { durable: bytes.clone(), now: bytes, unsynced: Vec::new() };
        }
    }

    /// A file's bytes as a reader sees them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let world = self.world.lock();
        let number = world.names.get(path)?;
        world.inodes.get(number).map(|inode| inode.now.clone())
    }

    /// All files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.world.lock().names.keys().cloned().collect()
    }
}

impl World {
    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|number| self.inodes.get(number))
            .map(|inode| inode.now.len() as u64)
            .sum()
    }

    fn add(&mut self, path: &Path) -> u64 {
        let number = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(number, Inode::default());
        self.names.insert(path.to_path_buf(), number);
        number
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        let dir = change.path().parent().map(Path::to_path_buf).unwrap_or_default();
        self.renames.push((dir, change));
    }

    fn grow(&mut self, number: u64, len: usize) -> io::Result<()> {
        let used = self.used();
        let capacity = self.capacity;
        let inode = self.inodes.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        let more = len.saturating_sub(inode.now.len());
        if more > 0 && capacity.is_some_and(|capacity| used + more as u64 > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inode.now.resize(len.max(inode.now.len()), 0);
        Ok(())
    }
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Change::Add(path, _) | Change::Remove(path) | Change::Rename(path, _) => path,
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Change::Add(path, number) => {
                names.insert(path.clone(), *number);
            }
            Change::Rename(from, to) => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
            Change::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl Inode {
    fn write_durable(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.durable.resize(self.durable.len().max(end), 0);
        self.durable[offset..end].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        for (offset, bytes) in std::mem::take(&mut self.unsynced) {
            self.write_durable(offset, &bytes);
        }
        self.durable.resize(self.now.len(), 0);
    }

    /// Of what was not synced keeps the sectors for which `survives` says so.
    fn lose(&mut self, survives: &mut dyn FnMut() -> bool) {
        for (offset, bytes) in std::mem::take(&mut self.unsynced) {
            let mut at = 0;
            while at < bytes.len() {
                let sector_end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
                let end = sector_end.min(bytes.len());
                if survives() {
                    self.write_durable(offset + at, &bytes[at..end]);
                }
                at = end;
            }
        }
        if survives() {
            self.durable.resize(self.durable.len().max(self.now.len()), 0);
        }
        self.now.clone_from(&self.durable);
    }
}

/// Numbers by a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 8
    }
}

impl Storage for FaultyStorage {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let world = self.alive()?;
        let here = world.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(here
            .filter_map(|(path, number)| {
                let name = path.file_name()?.to_str()?.to_owned();
                Some((name, world.inodes.get(number)?.now.len() as u64))
            })
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let mut world = self.alive()?;
        let number = world.add(path);
        world.change(Change::Add(path.to_path_buf(), number));
        Ok(Arc::new(MemoryFile { disk: self.clone(), number }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let world = self.alive()?;
        let number = *world.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), number }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.alive()?;
        if !world.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change(Change::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.alive()?;
        if !world.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let world = &mut *self.alive()?;
        let (now, later) = std::mem::take(&mut world.renames).into_iter().partition(|(d, _)| d == dir);
        world.renames = later;
        let now: Vec<(PathBuf, Change)> = now;
        now.iter().for_each(|(_, change)| change.apply(&mut world.durable_names));
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

impl MemoryFile {
    fn with<T>(&self, act: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        act(&mut *self.disk.alive()?)
    }

    fn inode<T>(&self, act: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        self.with(|world| {
            let inode = world.inodes.get_mut(&self.number).ok_or(io::ErrorKind::NotFound)?;
            Ok(act(inode))
        })
    }
}

impl StorageFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        self.inode(|inode| inode.now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inode(|inode| {
            let there = inode.now.get(offset as usize..).unwrap_or_default();
            let len = there.len().min(buffer.len());
            buffer[..len].copy_from_slice(&there[..len]);
            len
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = offset as usize;
        let end = offset + bytes.len();
        self.with(|world| world.grow(self.number, end))?;
        self.inode(|inode| {
            inode.now[offset..end].copy_from_slice(bytes);
            inode.unsynced.push((offset, bytes.to_vec()));
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|world| {
            world.syncs += 1;
            let fails = world.fail_sync_in == Some(1);
            world.fail_sync_in = match world.fail_sync_in {
                None | Some(0 | 1) => None,
                Some(n) => Some(n - 1),
            };
            let inode = world.inodes.get_mut(&self.number).ok_or(io::ErrorKind::NotFound)?;
            if fails {
                inode.unsynced.clear();
                return Err(io::Error::from_raw_os_error(5));
            }
            inode.sync();
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.with(|world| world.grow(self.number, len as usize))
    }
}
