//! Opens journals that nobody wrote: whatever the files hold, no panic, no loop, no memory beyond their size, and
//! every record that is replayed from a mutated journal is one that was written.
//!
//! The first byte chooses: arbitrary bytes as files, a real journal with bytes changed, or files whose checksums are
//! right and whose contents are not (which no accident makes, so that the code behind the checksums is reached).

#![no_main]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use journal::fault::FaultyStorage;
use journal::{Config, Journal, Record, SegmentId, Storage};
use libfuzzer_sys::fuzz_target;

const DIR: &str = "/j";
const SEGMENT: usize = 16 << 10;

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else { return };
    match mode % 3 {
        0 => arbitrary(data),
        1 => mutated(data),
        _ => well_sealed(data),
    }
});

fn config() -> Config {
    Config { segment_bytes: SEGMENT as u64, ..Config::default() }
}

fn path(base: u64) -> PathBuf {
    Path::new(DIR).join(format!("{base:016x}.seg"))
}

/// A replayed record, with its body where that can be read.
struct Seen {
    position: u64,
    id: u64,
    kind: u8,
    index: Vec<u8>,
    body_len: u32,
    body: Option<Vec<u8>>,
}

/// Opens, replays, reads everything, goes on writing, reclaims, closes. `None`: refused.
fn exercise(disk: &FaultyStorage) -> Option<Vec<Seen>> {
    let mut seen = Vec::new();
    let mut visit = |e: journal::Entry<'_>| {
        let (index, body) = (e.index.to_vec(), None);
        seen.push(Seen { position: e.position, id: e.id, kind: e.kind, index, body_len: e.body_len, body });
    };
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let opened = Journal::open(Path::new(DIR), storage.clone(), config(), &mut visit, Box::new(|_| {}));
    let (journal, _) = match opened {
        Ok(opened) => opened,
        Err(_) => {
            // What is accepted must not be refused again.
            Journal::accept_loss(Path::new(DIR), storage.clone()).ok()?;
            Journal::open(Path::new(DIR), storage, config(), &mut visit, Box::new(|_| {})).unwrap()
        }
    };
    for record in &mut seen {
        record.body = journal.read(record.position).ok();
    }
    let new = journal.append(Record { kind: 1, index: b"new", body: &[b"body"] }).ok()?;
    journal.sync().ok()?;
    assert_eq!(journal.read(new.position).unwrap(), b"body");
    let mut rounds = 0;
    while let Some(victim) = journal.victim()
        && rounds < 8
    {
        let _ = journal.entries(victim, &mut |_| {});
        journal.retire(victim).unwrap();
        rounds += 1;
    }
    journal.close().unwrap();
    Some(seen)
}

fn arbitrary(data: &[u8]) {
    let disk = FaultyStorage::new();
    let (one, more) = data.split_at(data.len() / 3);
    let (two, manifest) = more.split_at(more.len() / 2);
    disk.put(&path(0), one.to_vec());
    disk.put(&path(SEGMENT as u64), two.to_vec());
    if !manifest.is_empty() {
        disk.put(&Path::new(DIR).join("manifest"), manifest.to_vec());
    }
    exercise(&disk);
}

type Written = HashMap<u64, (u64, u8, Vec<u8>, Vec<u8>)>;

/// A journal of some segments: messages, acknowledgements, copies; and what it holds by position.
fn real() -> &'static (Vec<(PathBuf, Vec<u8>)>, Written) {
    static REAL: OnceLock<(Vec<(PathBuf, Vec<u8>)>, Written)> = OnceLock::new();
    REAL.get_or_init(|| {
        let disk = FaultyStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let opened = Journal::open(Path::new(DIR), storage, config(), &mut |_| {}, Box::new(|_| {}));
        let (journal, _) = opened.unwrap();
        let mut written = Written::new();
        for n in 0..120_u64 {
            let kind = if n % 5 == 4 { 128 } else { 1 };
            let (index, body) = (vec![n as u8; n as usize % 40], vec![n as u8; (n as usize * 53) % 700]);
            let record = Record { kind, index: &index, body: &[&body] };
            let (id, appended) = match n % 7 {
                6 => (n * 8, journal.append_copy(SegmentId::at(0), n * 8, record).unwrap()),
                _ => {
                    let appended = journal.append(record).unwrap();
                    (appended.position, appended)
                }
            };
            written.insert(appended.position, (id, kind, index, body));
        }
        journal.close().unwrap();
        let files = disk.paths().into_iter().map(|path| (path.clone(), disk.bytes(&path).unwrap()));
        (files.collect(), written)
    })
}

fn mutated(data: &[u8]) {
    let (files, written) = real();
    let disk = FaultyStorage::new();
    let mut files = files.clone();
    for change in data.chunks_exact(4) {
        let count = files.len();
        let (_, bytes) = &mut files[change[0] as usize % count];
        let at = u16::from_le_bytes([change[1], change[2]]) as usize % bytes.len();
        bytes[at] ^= change[3];
    }
    for (path, bytes) in files {
        disk.put(&path, bytes);
    }
    for seen in exercise(&disk).unwrap_or_default() {
        let (id, kind, index, body) = &written[&seen.position];
        assert_eq!((seen.id, seen.kind, &seen.index), (*id, *kind, index));
        assert_eq!(seen.body_len as usize, body.len());
        assert!(seen.body.is_none_or(|read| read == *body));
    }
}

/// The input as records and index of a sealed file and of a tail, with every checksum put right.
fn well_sealed(data: &[u8]) {
    let disk = FaultyStorage::new();
    let (sealed, tail) = data.split_at(data.len() / 2);
    disk.put(&path(0), file(0, sealed, true));
    disk.put(&path(SEGMENT as u64), file(SEGMENT as u64, tail, false));
    exercise(&disk);
}

fn file(base: u64, data: &[u8], sealed: bool) -> Vec<u8> {
    let mut file = vec![0; SEGMENT];
    let (options, data) = data.split_at(data.len().min(8));
    let options: Vec<u8> = options.iter().copied().chain([0; 8]).collect();
    file[..8].copy_from_slice(b"AILJRNL\0");
    file[8] = 1;
    file[16..24].copy_from_slice(&base.to_le_bytes());
    file[40..44].copy_from_slice(&7_u32.to_le_bytes());
    let capacity = SEGMENT as u64 + if options[0] == 1 { u64::from(options[1]) << (options[2] % 64) } else { 0 };
    file[48..56].copy_from_slice(&capacity.to_le_bytes());
    let mut header = file[..12].to_vec();
    header.extend_from_slice(&file[16..64]);
    file[12..16].copy_from_slice(&crc32fast::hash(&header).to_le_bytes());
    let index = &data[..data.len().min(2000)];
    let mut at = 4096;
    for raw in data.chunks(24) {
        at = record(&mut file, base, at, raw);
    }
    if sealed {
        trailer(&mut file, base, index, at);
    }
    file
}

/// A record whose fields are the input's, checksums fitted. The offset behind it, or as far as there is room.
fn record(file: &mut [u8], base: u64, at: usize, raw: &[u8]) -> usize {
    let raw: Vec<u8> = raw.iter().copied().chain([0; 24]).collect();
    if at + 512 > file.len() - 3000 {
        return at;
    }
    let index_len = usize::from(raw[0]) % 64;
    let body_len = if raw[1] == 255 { u32::from_le_bytes([raw[2], raw[3], raw[4], raw[5]]) } else { u32::from(raw[1]) };
    let copy = raw[6] % 2 == 1;
    file[at + 8..at + 16].copy_from_slice(&(base + at as u64).to_le_bytes());
    file[at + 16..at + 20].copy_from_slice(&body_len.to_le_bytes());
    file[at + 20..at + 24].copy_from_slice(&(index_len as u32).to_le_bytes());
    file[at + 24] = raw[7];
    file[at + 25] = u8::from(copy);
    file[at + 28..at + 32].copy_from_slice(&7_u32.to_le_bytes());
    let index_at = at + if copy { 40 } else { 32 };
    if copy {
        file[at + 32..at + 40].copy_from_slice(&raw[8..16]);
    }
    let body_at = index_at + index_len;
    let body = body_at..(body_at + body_len as usize).min(file.len());
    let body_crc = crc32fast::hash(&file[body.clone()]);
    file[at + 4..at + 8].copy_from_slice(&body_crc.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file[index_at..body_at]);
    if copy {
        crc.update(&file[at + 32..at + 40]);
    }
    crc.update(&file[at + 4..at + 32]);
    file[at..at + 4].copy_from_slice(&crc.finalize().to_le_bytes());
    body.end.next_multiple_of(8)
}

fn trailer(file: &mut [u8], base: u64, index: &[u8], records_end: usize) {
    let at = file.len() - 64;
    file[at - index.len()..at].copy_from_slice(index);
    let mut trailer = [0; 64];
    trailer[..8].copy_from_slice(b"AILINDEX");
    trailer[12..16].copy_from_slice(&7_u32.to_le_bytes());
    trailer[16..24].copy_from_slice(&base.to_le_bytes());
    trailer[32..40].copy_from_slice(&(index.len() as u64).to_le_bytes());
    trailer[40..48].copy_from_slice(&(records_end as u64).to_le_bytes());
    trailer[48..52].copy_from_slice(&crc32fast::hash(index).to_le_bytes());
    // As many entries as there are: any count that the reader finds is made the right one by trying few.
    trailer[24..32].copy_from_slice(&count(index).to_le_bytes());
    let crc = crc32fast::hash(&trailer[12..]);
    trailer[8..12].copy_from_slice(&crc.to_le_bytes());
    file[at..].copy_from_slice(&trailer);
}

/// Entries of the index, read as the format says.
fn count(index: &[u8]) -> u64 {
    let mut rest = index;
    let mut entries = 0;
    let varint = |rest: &mut &[u8]| {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let (&byte, tail) = rest.split_first()?;
            *rest = tail;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    let one = |rest: &mut &[u8]| {
        let (&[_, flags], tail) = rest.split_first_chunk()?;
        *rest = tail;
        let index_len = varint(rest)? as usize;
        varint(rest)?;
        if flags & 2 != 0 {
            varint(rest)?;
        }
        let skip = index_len.checked_add(if flags & 1 != 0 { 8 } else { 0 })?;
        *rest = rest.get(skip..)?;
        Some(())
    };
    while !rest.is_empty() && one(&mut rest).is_some() {
        entries += 1;
    }
    entries
}
