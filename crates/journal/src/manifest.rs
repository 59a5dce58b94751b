//! Which segments must exist: a small file beside them, so that a missing, foreign or older one is noticed.
//!
//! A segment is added once its file has its name, and before its first record; it is removed before its file goes.
//! Each of these is one synced write into space that is already the file's: giving a segment back needs none.
//!
//! Layout, little endian (docs/journal.md is the reference): a head of 64 bytes
//! `magic | version u32 | crc u32 | log 16 | end 16 | 0 16`, then entries of 32 bytes
//! `crc u32 | kind u8 | flags u8 | 0 u16 | base u64 | capacity u64 | tag u32 | number u32`, then zeros.
//!
//! The end is a position up to which the newest segment was on disk once. It is written over now and then, and at a stop
//! in good order: a log that ends before it has lost something.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Position;
use crate::error::{Error, lasting};
use crate::segment::{END, FORMAT_VERSION, decode_end, encode_end};
use crate::storage::{Storage, StorageFile};
use crate::table::Segment;

/// The file's name in the journal's folder.
const NAME: &str = "manifest";
/// And while it is written anew.
const NEXT: &str = "manifest.next";
const MAGIC: [u8; 8] = *b"AILMNFST";
const HEAD: usize = 64;
/// Where in the head the end stands, which its checksum does not cover.
const END_AT: usize = 32;
/// Divides a sector, so that no entry is half written.
const ENTRY: usize = 32;
const BLOCK: usize = 4096;
/// A longer one is no manifest: room for a million segments.
const LONGEST: u64 = 64 << 20;

const ADDED: u8 = 1;
const REMOVED: u8 = 2;
/// Something of the log is lost, which was accepted.
const LOST: u8 = 3;
/// What is damaged in the segment, or with base 0 what was accepted to be lost, was dealt with.
const SETTLED: u8 = 4;
/// Flag: that the segment is shorter than it was is accepted.
const SHORT: u8 = 1;

pub(crate) fn manifest_path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// A segment that must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) base: Position,
    pub(crate) capacity: u64,
    /// The tag in its header; 0: not known.
    pub(crate) tag: u32,
    /// Records at its end may be missing: somebody went on without them, on purpose.
    pub(crate) may_be_short: bool,
}

impl Listed {
    pub(crate) fn of(segment: &Segment) -> Listed {
        let (base, capacity) = (segment.base, segment.capacity);
        Listed { base, capacity, tag: segment.tag.unwrap_or_default(), may_be_short: false }
    }

    /// For an entry of which only the base counts.
    fn named(base: Position) -> Listed {
        Listed { base, capacity: 0, tag: 0, may_be_short: false }
    }

    pub(crate) fn end(&self) -> Position {
        self.base.saturating_add(self.capacity)
    }
}

/// What the file says.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) log: [u8; 16],
    pub(crate) listed: BTreeMap<Position, Listed>,
    /// Were listed once: a file of theirs is a retirement that was cut short.
    pub(crate) removed: BTreeMap<Position, Listed>,
    /// The log was on disk up to here.
    pub(crate) end: Option<Position>,
    losses: Losses,
    bytes: Vec<u8>,
    /// Entries that count.
    used: usize,
    /// Behind them is something unfinished.
    torn: bool,
}

/// What was lost of the log, as far as its owner has not dealt with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    /// Something was, and it was accepted.
    pub(crate) accepted: bool,
    /// Segments whose damage was dealt with.
    settled: BTreeSet<Position>,
}

impl Losses {
    /// Whether there is something to deal with, these segments being damaged.
    pub(crate) fn are_new(&self, damaged: &[Position]) -> bool {
        self.accepted || damaged.iter().any(|base| !self.settled.contains(base))
    }

    fn settle(&mut self, base: Position) {
        match base {
            0 => self.accepted = false,
            base => drop(self.settled.insert(base)),
        }
    }

    /// As entries of a file without a history.
    fn entries(&self) -> impl Iterator<Item = (u8, Listed)> {
        let accepted = self.accepted.then_some((LOST, Listed::named(0)));
        accepted.into_iter().chain(self.settled.iter().map(|base| (SETTLED, Listed::named(*base))))
    }
}

impl Image {
    /// The manifest in `dir`, where there is one. An error says what is wrong with it.
    pub(crate) fn read(dir: &Path, storage: &dyn Storage) -> Result<Option<Image>, Error> {
        let path = manifest_path(dir);
        let file = match storage.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Io { action: "open", path, source }),
        };
        let len = file.len().map_err(Error::io("read", &path))?;
        let mut bytes = vec![0; len.min(LONGEST) as usize];
        let read = file.read_at(&mut bytes, 0).map_err(Error::io("read", &path))?;
        bytes.truncate(read);
        if let Some(found) = version(&bytes).filter(|found| *found > FORMAT_VERSION) {
            return Err(Error::NewerFormat { path, found, known: FORMAT_VERSION });
        }
        Image::decode(bytes).map(Some).map_err(|why| Error::Manifest { path, why })
    }

    fn decode(bytes: Vec<u8>) -> Result<Image, &'static str> {
        let head =
            bytes.get(..HEAD).filter(|_| version(&bytes).is_some()).ok_or("its head fails its checksum")?;
        let mut log = [0; 16];
        log.copy_from_slice(&head[16..32]);
        let (listed, removed) = (BTreeMap::new(), BTreeMap::new());
        let end = decode_end(&head[END_AT..]);
        let (losses, bytes_of, used) = (Losses::default(), Vec::new(), 0);
        let mut image = Image { log, listed, removed, end, losses, bytes: bytes_of, used, torn: false };
        for (n, raw) in bytes[HEAD..].chunks_exact(ENTRY).enumerate() {
            match decode_entry(raw, n) {
                Some(_) if n > image.used => return Err("an entry fails its checksum"),
                Some((ADDED, entry)) => drop(image.listed.insert(entry.base, entry)),
                Some((LOST, _)) => image.losses.accepted = true,
                Some((SETTLED, entry)) => image.losses.settle(entry.base),
                Some((_, entry)) => {
                    image.listed.remove(&entry.base);
                    image.losses.settled.remove(&entry.base);
                    image.removed.insert(entry.base, entry);
                }
                None => {
                    image.torn |= raw.iter().any(|byte| *byte != 0);
                    continue;
                }
            }
            image.used = n + 1;
        }
        image.bytes = bytes;
        Ok(image)
    }
}

/// The version in an intact head.
fn version(bytes: &[u8]) -> Option<u32> {
    let head: &[u8; HEAD] = bytes.first_chunk()?;
    let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    (head[..8] == MAGIC && u32_at(12) == head_crc(head)).then(|| u32_at(8))
}

fn head_crc(head: &[u8; HEAD]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[..12]);
    crc.update(&head[16..END_AT]);
    crc.update(&[0; HEAD - END_AT]);
    crc.finalize()
}

fn encode_head(log: [u8; 16], end: Option<Position>) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    head[16..32].copy_from_slice(&log);
    let crc = head_crc(&head);
    head[12..16].copy_from_slice(&crc.to_le_bytes());
    head[END_AT..END_AT + END].copy_from_slice(&encode_end(end));
    head
}

fn encode_entry(kind: u8, entry: &Listed, number: usize) -> [u8; ENTRY] {
    let mut raw = [0; ENTRY];
    raw[4] = kind;
    raw[5] = if entry.may_be_short { SHORT } else { 0 };
    raw[8..16].copy_from_slice(&entry.base.to_le_bytes());
    raw[16..24].copy_from_slice(&entry.capacity.to_le_bytes());
    raw[24..28].copy_from_slice(&entry.tag.to_le_bytes());
    raw[28..32].copy_from_slice(&(number as u32).to_le_bytes());
    let crc = crc32fast::hash(&raw[4..]);
    raw[..4].copy_from_slice(&crc.to_le_bytes());
    raw
}

/// Kind and content of the `number`th entry, if it is one.
fn decode_entry(raw: &[u8], number: usize) -> Option<(u8, Listed)> {
    let raw: &[u8; ENTRY] = raw.first_chunk()?;
    let u32_at = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    let sound = u32_at(0) == crc32fast::hash(&raw[4..]) && u32_at(28) as usize == number;
    let kind = Some(raw[4]).filter(|kind| sound && matches!(*kind, ADDED | REMOVED | LOST | SETTLED))?;
    let may_be_short = raw[5] & SHORT != 0;
    Some((kind, Listed { base: u64_at(8), capacity: u64_at(16), tag: u32_at(24), may_be_short }))
}

/// The manifest of an open journal.
pub(crate) struct Manifest {
    dir: PathBuf,
    storage: Arc<dyn Storage>,
    log: [u8; 16],
    file: Arc<dyn StorageFile>,
    listed: BTreeMap<Position, Listed>,
    /// Removed, and their files could not be: the next start must still know them.
    lingering: Vec<Listed>,
    end: Option<Position>,
    losses: Losses,
    used: usize,
    slots: usize,
    /// The folder does not have to keep the file's name yet: nothing may rely on what is in it.
    is_unnamed: bool,
}

impl Manifest {
    /// Writes a manifest of these segments, in place of what is there. `end` where that is known of the newest;
    /// `accepted`: something is lost, on purpose.
    pub(crate) fn create(
        dir: &Path,
        storage: Arc<dyn Storage>,
        log: [u8; 16],
        listed: impl Iterator<Item = Listed>,
        end: Option<Position>,
        accepted: bool,
    ) -> io::Result<Manifest> {
        let listed: BTreeMap<_, _> = listed.map(|entry| (entry.base, entry)).collect();
        let losses = Losses { accepted, settled: BTreeSet::new() };
        let content = Content { log, end, losses: &losses, listed: &listed, removed: &[] };
        let Written { file, used, slots } = content.replace(dir, &*storage)?;
        let (dir, lingering, is_unnamed) = (dir.to_path_buf(), Vec::new(), true);
        let mut manifest =
            Manifest { dir, storage, log, file, listed, lingering, end, losses, used, slots, is_unnamed };
        manifest.settle_name()?;
        Ok(manifest)
    }

    /// Goes on with the one that was read. First writes it over with itself and syncs it: what was read may be in the
    /// kernel's memory only, and segments are about to be removed by its word.
    pub(crate) fn resume(dir: &Path, storage: Arc<dyn Storage>, image: Image) -> io::Result<Manifest> {
        let file = storage.open(&manifest_path(dir))?;
        let Image { log, listed, losses, mut bytes, used, .. } = image;
        let until = HEAD + used * ENTRY;
        // What was unfinished is cut off, and the log may be about to.
        bytes.iter_mut().skip(until).for_each(|byte| *byte = 0);
        bytes.iter_mut().take(HEAD).skip(END_AT).for_each(|byte| *byte = 0);
        file.write_at(&bytes, 0)?;
        file.sync()?;
        let slots = bytes.len().saturating_sub(HEAD) / ENTRY;
        let (dir, lingering, end) = (dir.to_path_buf(), Vec::new(), None);
        let is_unnamed = false;
        Ok(Manifest { dir, storage, log, file, listed, lingering, end, losses, used, slots, is_unnamed })
    }

    /// The log is on disk up to here, in its newest segment. Not synced: an older word is as true.
    pub(crate) fn note_end(&mut self, end: Position) -> io::Result<()> {
        self.end = Some(end);
        self.file.write_at(&encode_end(self.end), END_AT as u64)
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.settle_name()?;
        self.file.sync().map_err(lasting)
    }

    /// Whether so many more segments can be added, and then all of them removed, without a byte of new space.
    pub(crate) fn has_room(&self, segments: usize) -> bool {
        self.used + self.listed.len() + 2 * segments <= self.slots
    }

    /// Makes it so, by a file without what was removed.
    pub(crate) fn make_room(&mut self, segments: usize) -> io::Result<()> {
        self.settle_name()?;
        if self.has_room(segments) { Ok(()) } else { self.rewrite() }
    }

    /// The segment has its file under its name; records may follow once this returns.
    pub(crate) fn add(&mut self, entry: Listed) -> io::Result<()> {
        self.put(ADDED, &entry)?;
        self.listed.insert(entry.base, entry);
        Ok(())
    }

    /// The segment is gone once this returns, whatever becomes of its file.
    pub(crate) fn remove(&mut self, base: Position) -> io::Result<()> {
        let Some(entry) = self.listed.get(&base).copied() else { return Ok(()) };
        self.put(REMOVED, &entry)?;
        self.listed.remove(&base);
        self.losses.settled.remove(&base);
        Ok(())
    }

    pub(crate) fn losses(&self) -> &Losses {
        &self.losses
    }

    /// What was accepted to be lost, and the damage in these segments, was dealt with.
    pub(crate) fn settle(&mut self, damaged: &[Position]) -> io::Result<()> {
        let accepted = self.losses.accepted.then_some(0);
        let is_new = |base: &Position| !self.losses.settled.contains(base) && self.listed.contains_key(base);
        let bases: Vec<_> = accepted.into_iter().chain(damaged.iter().copied().filter(is_new)).collect();
        self.make_room(bases.len())?;
        for base in bases {
            self.put(SETTLED, &Listed::named(base))?;
            self.losses.settle(base);
        }
        Ok(())
    }

    /// The file of a removed segment could not be removed.
    pub(crate) fn linger(&mut self, base: Position) {
        self.lingering.push(Listed::named(base));
    }

    /// Forgets the removed ones whose files are gone, of which it makes sure.
    fn rewrite(&mut self) -> io::Result<()> {
        self.storage.sync_dir(&self.dir)?;
        let Manifest { log, end, losses, listed, lingering, .. } = &*self;
        let content = Content { log: *log, end: *end, losses, listed, removed: lingering };
        let Written { file, used, slots } = content.replace(&self.dir, &*self.storage)?;
        (self.file, self.used, self.slots) = (file, used, slots);
        self.is_unnamed = true;
        self.settle_name()
    }

    fn put(&mut self, kind: u8, entry: &Listed) -> io::Result<()> {
        self.settle_name()?;
        let raw = encode_entry(kind, entry, self.used);
        self.file.write_at(&raw, (HEAD + self.used * ENTRY) as u64)?;
        self.file.sync().map_err(lasting)?;
        self.used += 1;
        Ok(())
    }

    /// Makes the name of a file that was written anew durable. Tried again where descriptors were lacking.
    fn settle_name(&mut self) -> io::Result<()> {
        if self.is_unnamed {
            self.storage.sync_dir(&self.dir).map_err(lasting)?;
            self.is_unnamed = false;
        }
        Ok(())
    }
}

/// What a manifest is to say.
struct Content<'a> {
    log: [u8; 16],
    end: Option<Position>,
    losses: &'a Losses,
    listed: &'a BTreeMap<Position, Listed>,
    removed: &'a [Listed],
}

/// A file with that, how many entries are in it, and how many it has room for.
struct Written {
    file: Arc<dyn StorageFile>,
    used: usize,
    slots: usize,
}

impl Content<'_> {
    /// Puts a file with this in the manifest's place, synced but for its name.
    fn replace(&self, dir: &Path, storage: &dyn Storage) -> io::Result<Written> {
        let path = dir.join(NEXT);
        let removed = self.removed.iter().map(|entry| (REMOVED, *entry));
        let listed = self.listed.values().map(|entry| (ADDED, *entry));
        let entries: Vec<_> = listed.chain(removed).chain(self.losses.entries()).collect();
        let slots = entries.len() + self.listed.len() * 3 + 64;
        let len = (HEAD + slots * ENTRY).next_multiple_of(BLOCK);
        let mut bytes = vec![0; len];
        bytes[..HEAD].copy_from_slice(&encode_head(self.log, self.end));
        for (n, (place, (kind, entry))) in bytes[HEAD..].chunks_exact_mut(ENTRY).zip(&entries).enumerate() {
            place.copy_from_slice(&encode_entry(*kind, entry, n));
        }
        let file = storage.create(&path)?;
        let written = file.write_at(&bytes, 0).and_then(|()| file.sync());
        if let Err(error) = written {
            drop(storage.remove(&path));
            return Err(error);
        }
        storage.rename(&path, &manifest_path(dir))?;
        Ok(Written { file, used: entries.len(), slots: (len - HEAD) / ENTRY })
    }
}
