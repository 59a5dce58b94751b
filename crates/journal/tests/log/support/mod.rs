//! A small owner of a journal, as the broker is one: messages, acknowledgements, reclaim by the book.

pub(crate) mod cut;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::fault::FaultyStorage;
use journal::{Cause, Config, Entry, Error, Event, Journal, Position, Record, Recovery, SegmentId, Storage};

pub(crate) const MESSAGE: u8 = 1;
pub(crate) const ACK: u8 = 128;
pub(crate) const DIR: &str = "/j";

/// Smallest segments, so that little data makes many.
pub(crate) fn small() -> Config {
    Config { segment_bytes: 16 << 10, ..Config::default() }
}

/// The segment files, in order of base.
pub(crate) fn segments(disk: &FaultyStorage) -> Vec<PathBuf> {
    let is_segment = |path: &PathBuf| path.starts_with(DIR) && path.extension().is_some_and(|e| e == "seg");
    disk.paths().into_iter().filter(is_segment).collect()
}

/// The first position in a segment file.
pub(crate) fn base_of(path: &Path) -> Position {
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
    Position::from_str_radix(name, 16).expect("hex")
}

pub(crate) type Listener = Box<dyn Fn(Event) + Send + Sync>;

pub(crate) fn silent() -> Listener {
    Box::new(|_| {})
}

pub(crate) fn open(disk: &FaultyStorage, config: Config) -> Result<(Journal, Recovery), Error> {
    Journal::open(Path::new(DIR), Arc::new(disk.clone()), config, &mut |_| {}, silent())
}

/// As where the machine went down before the manifest was told how far the log was on disk.
pub(crate) fn forget_end(disk: &FaultyStorage) {
    let manifest = Path::new(DIR).join("manifest");
    let mut bytes = disk.bytes(&manifest).expect("there");
    bytes[32..48].fill(0);
    disk.put(&manifest, bytes);
}

/// Waits for what the writer does by the clock.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it did not come to be so");
}

/// Bytes of a message that tell which one it is.
pub(crate) fn body(n: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (n.wrapping_mul(31).wrapping_add(i * 7) >> (i % 5)) as u8).collect()
}

pub(crate) struct Owner {
    pub(crate) journal: Journal,
    pub(crate) recovery: Recovery,
    /// Where each living message lies.
    pub(crate) live: BTreeMap<Position, Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) size: u32,
    pub(crate) index: Vec<u8>,
}

impl Owner {
    pub(crate) fn open(disk: &FaultyStorage, config: Config, listener: Listener) -> Result<Owner, Error> {
        Owner::open_on(Arc::new(disk.clone()), config, listener)
    }

    pub(crate) fn open_on(
        storage: Arc<dyn Storage>,
        config: Config,
        listener: Listener,
    ) -> Result<Owner, Error> {
        Owner::open_in(Path::new(DIR), storage, config, listener)
    }

    pub(crate) fn open_in(
        dir: &Path,
        storage: Arc<dyn Storage>,
        config: Config,
        listener: Listener,
    ) -> Result<Owner, Error> {
        let mut live: BTreeMap<Position, Place> = BTreeMap::new();
        let mut dead = Vec::new();
        let mut at = 0;
        let mut visit = |entry: Entry<'_>| {
            assert!(entry.position > at, "log order");
            at = entry.position;
            if entry.kind == MESSAGE {
                let place = Place { position: entry.position, size: entry.size, index: entry.index.to_vec() };
                // The later of two copies counts.
                if let Some(earlier) = live.insert(entry.id, place) {
                    dead.push((earlier.position, earlier.size));
                }
            } else {
                for id in ids(entry.index) {
                    if let Some(place) = live.remove(&id) {
                        dead.push((place.position, place.size));
                    }
                }
            }
        };
        let (journal, recovery) = Journal::open(dir, storage, config, &mut visit, listener)?;
        journal.release_many(Cause::replayed(), &dead);
        Ok(Owner { journal, recovery, live })
    }

    pub(crate) fn publish(&mut self, index: &[u8], body: &[u8]) -> Result<(Position, Position), Error> {
        let (one, two) = body.split_at(body.len() / 2);
        let appended = self.journal.append(Record { kind: MESSAGE, index, body: &[one, two] })?;
        let place = Place { position: appended.position, size: appended.size, index: index.to_vec() };
        self.live.insert(appended.position, place);
        Ok((appended.position, appended.end))
    }

    pub(crate) fn ack(&mut self, acked: &[Position]) -> Result<Position, Error> {
        let index: Vec<u8> = acked.iter().flat_map(|id| id.to_le_bytes()).collect();
        let appended = self.journal.append(Record { kind: ACK, index: &index, body: &[] })?;
        for id in acked {
            if let Some(place) = self.live.remove(id) {
                self.journal.release(appended.cause(), place.position, place.size);
            }
        }
        Ok(appended.end)
    }

    /// Copies what is needed of one victim. The victim is left in place, for the caller to retire or not.
    pub(crate) fn empty(&mut self, victim: SegmentId) -> Result<u64, Error> {
        let mut entries: Vec<(Position, Position, u32, u8, Vec<u8>)> = Vec::new();
        self.journal.entries(victim, &mut |e| {
            entries.push((e.position, e.id, e.size, e.kind, e.index.to_vec()));
        })?;
        let mut copied = 0;
        for (position, id, size, kind, index) in entries {
            let needed = match kind {
                MESSAGE => self.live.get(&id).is_some_and(|place| place.position == position),
                _ => ids(&index).any(|id| self.journal.holds_elsewhere(id, victim)),
            };
            if !needed {
                continue;
            }
            let body = self.journal.read(position)?;
            let copy =
                self.journal.append_copy(victim, id, Record { kind, index: &index, body: &[&body] })?;
            copied += 1;
            if kind == MESSAGE {
                self.live.insert(id, Place { position: copy.position, size: copy.size, index });
                self.journal.release(copy.cause(), position, size);
            }
        }
        Ok(copied)
    }

    /// Reclaims until nothing is worth it. The number of segments retired.
    pub(crate) fn reclaim(&mut self) -> Result<usize, Error> {
        let mut retired = 0;
        while let Some(victim) = self.journal.victim() {
            self.empty(victim)?;
            self.journal.retire(victim)?;
            retired += 1;
            assert!(retired < 10_000, "reclaim runs in circles");
        }
        Ok(retired)
    }

    /// Every living message reads back as it was published.
    pub(crate) fn verify(&self, contents: &HashMap<Position, (Vec<u8>, Vec<u8>)>) {
        for (id, place) in &self.live {
            let (index, body) = contents.get(id).unwrap_or_else(|| panic!("{id} was never published"));
            assert_eq!(&place.index, index, "index of {id}");
            assert_eq!(&self.journal.read(place.position).expect("readable"), body, "body of {id}");
        }
        let mut wanted: Vec<_> = self.live.iter().map(|(id, p)| (p.position, p.size, *id)).collect();
        wanted.sort_unstable();
        let list: Vec<_> = wanted.iter().map(|&(position, size, _)| (position, size)).collect();
        let mut seen = 0;
        self.journal.read_many(&list, &mut |n, body| {
            assert_eq!(n, seen, "in order");
            seen += 1;
            assert_eq!(body.expect("readable"), contents[&wanted[n].2].1);
        });
        assert_eq!(seen, list.len());
    }
}

pub(crate) fn ids(index: &[u8]) -> impl Iterator<Item = Position> {
    index.chunks_exact(8).map(|raw| u64::from_le_bytes(raw.try_into().expect("8 bytes")))
}

/// The checksum of the format, bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
