//! What is on the disk, and what of it would survive.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Crash;

const SECTOR: usize = 512;
/// EMFILE, as Linux numbers it.
const NO_DESCRIPTORS: i32 = 24;

#[derive(Default)]
pub(super) struct World {
    pub(super) names: Names,
    durable_names: Names,
    /// Changes of names since the folder was synced, oldest first.
    changes: Vec<(PathBuf, Change)>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    pub(super) locked: HashSet<PathBuf>,
    /// Counts crashes: files opened before the last one are dead.
    pub(super) life: u64,
    pub(super) capacity: Option<u64>,
    /// Bytes of the files that have a name.
    pub(super) used: u64,
    /// Counts down to the fault; 0: none.
    pub(super) fail_sync_in: u64,
    pub(super) fail_write_in: u64,
    /// So many openings succeed, and so many more do not.
    pub(super) no_descriptors: (u64, u64),
    pub(super) hangs: bool,
    pub(super) syncs: u64,
}

type Names = BTreeMap<PathBuf, u64>;

#[derive(Clone)]
pub(super) enum Change {
    Add(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// A file's bytes.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) now: Vec<u8>,
    durable: Vec<u8>,
    /// Where each unsynced write went, oldest first; its bytes are the next so many of `written`.
    unsynced: Vec<(usize, usize)>,
    written: Vec<u8>,
    pub(super) names: u32,
    open: u32,
}

impl World {
    pub(super) fn crash(&mut self, how: Crash) {
        self.life += 1;
        self.hangs = false;
        self.locked.clear();
        if how == Crash::Process {
            return;
        }
        let mut dice = match how {
            Crash::Power(seed) => Some(Dice(seed)),
            Crash::Process | Crash::PowerAll => None,
        };
        let mut throw = |sides: u64| dice.as_mut().map_or(0, |dice| dice.throw() % sides);
        let changes = std::mem::take(&mut self.changes);
        // A file system's own journal keeps the order of name changes.
        let kept = throw(changes.len() as u64 + 1) as usize;
        changes.iter().take(kept).for_each(|(_, change)| change.apply(&mut self.durable_names));
        for inode in self.inodes.values_mut() {
            inode.lose(&mut || throw(2) == 1);
        }
        self.names = self.durable_names.clone();
        self.recount();
    }

    /// A new file, for a name.
    pub(super) fn make(&mut self) -> u64 {
        let number = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(number, Inode::default());
        number
    }

    pub(super) fn change(&mut self, change: Change) {
        self.apply(&change);
        let dir = change.path().parent().map(Path::to_path_buf).unwrap_or_default();
        self.changes.push((dir, change));
    }

    fn apply(&mut self, change: &Change) {
        let touched: Vec<u64> = change.paths().filter_map(|path| self.names.get(path).copied()).collect();
        let added = if let Change::Add(_, number) = change { Some(*number) } else { None };
        change.apply(&mut self.names);
        for number in touched.into_iter().chain(added) {
            let names = self.names.values().filter(|named| **named == number).count() as u32;
            let Some(inode) = self.inodes.get_mut(&number) else { continue };
            match (inode.names, names) {
                (0, 1..) => self.used += inode.now.len() as u64,
                (1.., 0) => self.used -= inode.now.len() as u64,
                _ => {}
            }
            inode.names = names;
        }
    }

    /// Counts names and bytes anew, and forgets files that nobody can reach any more.
    fn recount(&mut self) {
        let in_changes = self.changes.iter().filter_map(|(_, change)| match change {
            Change::Add(_, number) => Some(*number),
            _ => None,
        });
        let reachable: HashSet<u64> = self.durable_names.values().copied().chain(in_changes).collect();
        self.inodes.values_mut().for_each(|inode| inode.names = 0);
        for number in self.names.values() {
            if let Some(inode) = self.inodes.get_mut(number) {
                inode.names += 1;
            }
        }
        self.inodes.retain(|number, inode| inode.names + inode.open > 0 || reachable.contains(number));
        let named = self.inodes.values().filter(|inode| inode.names > 0);
        self.used = named.map(|inode| inode.now.len() as u64).sum();
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let (now, later): (Vec<_>, _) =
            std::mem::take(&mut self.changes).into_iter().partition(|(d, _)| d == dir);
        self.changes = later;
        now.iter().for_each(|(_, change)| change.apply(&mut self.durable_names));
        self.recount();
    }

    pub(super) fn grow(&mut self, number: u64, len: usize) -> io::Result<()> {
        let (used, capacity) = (self.used, self.capacity);
        let inode = self.inode(number)?;
        let more = len.saturating_sub(inode.now.len());
        if more == 0 {
            return Ok(());
        }
        if capacity.is_some_and(|capacity| used + more as u64 > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inode.now.resize(len, 0);
        if inode.names > 0 {
            self.used += more as u64;
        }
        Ok(())
    }

    pub(super) fn put(&mut self, path: &Path, bytes: Vec<u8>) {
        let number = self.make();
        self.inodes.insert(number, Inode { durable: bytes.clone(), now: bytes, ..Inode::default() });
        self.names.insert(path.to_path_buf(), number);
        self.durable_names.insert(path.to_path_buf(), number);
        self.recount();
    }

    pub(super) fn take_away(&mut self, path: &Path) {
        self.names.remove(path);
        self.durable_names.remove(path);
        self.recount();
    }

    pub(super) fn list(&self, dir: &Path) -> Vec<(String, u64)> {
        let here = self.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        here.filter_map(|(path, number)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, self.inodes.get(number)?.now.len() as u64))
        })
        .collect()
    }

    /// A file or a folder is about to be opened.
    pub(super) fn open_one(&mut self) -> io::Result<()> {
        match &mut self.no_descriptors {
            (0, 0) => Ok(()),
            (0, times) => {
                *times -= 1;
                Err(io::Error::from_raw_os_error(NO_DESCRIPTORS))
            }
            (openings, _) => {
                *openings -= 1;
                Ok(())
            }
        }
    }

    pub(super) fn number(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn inode(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn inode_at(&mut self, path: &Path) -> Option<&mut Inode> {
        self.inodes.get_mut(self.names.get(path)?)
    }

    pub(super) fn opened(&mut self, number: u64) {
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.open += 1;
        }
    }

    pub(super) fn closed(&mut self, number: u64) {
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.open = inode.open.saturating_sub(1);
        }
    }
}

impl Change {
    /// The first one says in which folder it is.
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let (one, two) = match self {
            Change::Add(path, _) | Change::Remove(path) => (path, None),
            Change::Rename(from, to) => (from, Some(to)),
        };
        std::iter::once(one).chain(two)
    }

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
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.now[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.unsynced.push((offset, bytes.len()));
        self.written.extend_from_slice(bytes);
    }

    pub(super) fn flip(&mut self, offset: usize, bit: u8) {
        for image in [&mut self.now, &mut self.durable] {
            if let Some(byte) = image.get_mut(offset) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    pub(super) fn sync(&mut self) {
        self.reach_disk(&mut || true, usize::MAX);
        self.durable.resize(self.now.len(), 0);
    }

    /// What was written since the last sync will never reach the disk.
    pub(super) fn forget(&mut self) {
        self.unsynced.clear();
        self.written.clear();
    }

    /// Of what was not synced keeps the sectors for which `survives` says so.
    fn lose(&mut self, survives: &mut dyn FnMut() -> bool) {
        self.reach_disk(survives, SECTOR);
        if survives() {
            self.durable.resize(self.durable.len().max(self.now.len()), 0);
        }
        self.now.clone_from(&self.durable);
    }

    /// The unsynced writes, in parts of so many bytes: each reaches the disk for which `survives` says so.
    fn reach_disk(&mut self, survives: &mut dyn FnMut() -> bool, part: usize) {
        let mut from = 0;
        for (start, len) in self.unsynced.drain(..) {
            let bytes = &self.written[from..from + len];
            from += len;
            let mut at = 0;
            while at < len {
                let end = ((start + at) / part + 1).saturating_mul(part).saturating_sub(start).min(len);
                if survives() {
                    let (here, until) = (start + at, start + end);
                    self.durable.resize(self.durable.len().max(until), 0);
                    self.durable[here..until].copy_from_slice(&bytes[at..end]);
                }
                at = end;
            }
        }
        self.written.clear();
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
