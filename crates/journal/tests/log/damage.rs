//! Bytes that are not what was written: reported with file and offset, everything else served.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::{DIR, Owner, base_of, body, crc32, forget_end, open, segments, silent, small};
use journal::fault::{Crash, FaultyStorage};
use journal::{Damage, Error, FORMAT_VERSION, Journal, Position, Storage};

type Contents = HashMap<Position, (Vec<u8>, Vec<u8>)>;

/// A closed journal of `count` messages, and what they are.
fn written(count: u64, len: usize) -> (FaultyStorage, Contents) {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    for n in 0..count {
        let (index, body) = (body(n, 24), body(n + 1, len));
        let (id, _) = owner.publish(&index, &body).expect("appends");
        contents.insert(id, (index, body));
    }
    owner.journal.close().expect("closes");
    drop(owner);
    (disk.crash(Crash::PowerAll), contents)
}

/// Where record `id` lies: its file and its offset there.
fn place(disk: &FaultyStorage, id: Position) -> (PathBuf, u64) {
    let bases = segments(disk).into_iter().map(|path| (base_of(&path), path));
    let (base, path) = bases.filter(|(base, _)| *base <= id).max().expect("a segment");
    (path, id - base)
}

/// Opens and checks that all of `contents` is there and right, but for `missing`.
fn reopened(disk: &FaultyStorage, contents: &Contents, missing: &[Position]) -> Owner {
    let owner = Owner::open(disk, small(), silent()).expect("opens");
    let mut expected: Vec<_> = contents.keys().copied().filter(|id| !missing.contains(id)).collect();
    expected.sort_unstable();
    assert_eq!(owner.live.keys().copied().collect::<Vec<_>>(), expected);
    owner.verify(contents);
    owner
}

fn sorted(contents: &Contents) -> Vec<Position> {
    let mut ids: Vec<_> = contents.keys().copied().collect();
    ids.sort_unstable();
    ids
}

#[test]
fn nothing_is_reported_where_nothing_is_wrong() {
    let (disk, contents) = written(100, 500);
    let owner = reopened(&disk, &contents, &[]);
    assert_eq!(owner.recovery.entries, 100);
    assert!(owner.recovery.damages.is_empty() && owner.recovery.torn_tail.is_none());
}

#[test]
fn a_flipped_bit_in_the_tail_costs_one_record_and_is_reported() {
    // Header fields, index, body: every byte of a record in the middle of the tail.
    let (_, contents) = written(8, 60);
    let id = sorted(&contents)[4];
    for byte in 0..116 {
        let (disk, contents) = written(8, 60);
        let (file, offset) = place(&disk, id);
        disk.flip_bit(&file, offset + byte, byte as u8);
        let owner = reopened(&disk, &contents, &[id]);
        let [Damage { file: named, offset: from, length, what }] = &owner.recovery.damages[..] else {
            panic!("one damage: {:?}", owner.recovery.damages)
        };
        assert_eq!((named, *from, *length), (&file, offset, 120), "{what}");
        // The file is left alone, the log goes on in a new one, and the next start sees the same.
        owner.journal.close().expect("closes");
        drop(owner);
        assert!(!reopened(&disk, &contents, &[id]).recovery.damages.is_empty());
    }
}

#[test]
fn an_unfinished_last_record_is_cut_off_and_the_log_goes_on() {
    let (disk, mut contents) = written(8, 600);
    let last = sorted(&contents)[7];
    let (file, offset) = place(&disk, last);
    let mut bytes = disk.bytes(&file).expect("there");
    bytes[offset as usize + 300..].fill(0);
    disk.put(&file, bytes);
    // Killed before the manifest was told of it.
    forget_end(&disk);
    let mut owner = reopened(&disk, &contents, &[last]);
    let torn = owner.recovery.torn_tail.clone().expect("torn");
    assert_eq!((&torn.file, torn.offset), (&file, offset));
    assert!(owner.recovery.damages.is_empty());
    contents.remove(&last);
    let (id, _) = owner.publish(b"next", b"one").expect("appends");
    assert_eq!(id, last, "in place of the unfinished one");
    contents.insert(id, (b"next".to_vec(), b"one".to_vec()));
    owner.journal.close().expect("closes");
    drop(owner);
    let owner = reopened(&disk, &contents, &[]);
    assert!(owner.recovery.torn_tail.is_none() && owner.recovery.damages.is_empty());
}

#[test]
fn a_last_record_that_was_on_disk_is_damaged_and_not_unfinished() {
    let (disk, contents) = written(8, 600);
    let last = sorted(&contents)[7];
    let (file, offset) = place(&disk, last);
    disk.flip_bit(&file, offset + 300, 3);
    let owner = reopened(&disk, &contents, &[last]);
    assert!(owner.recovery.torn_tail.is_none());
    let told: Vec<_> = owner.recovery.damages.iter().map(|damage| (&damage.file, damage.offset)).collect();
    assert_eq!(told, [(&file, offset)]);
}

#[test]
fn a_damaged_body_in_a_sealed_segment_shows_when_it_is_read() {
    let (disk, contents) = written(100, 500);
    let id = sorted(&contents)[3];
    let (file, offset) = place(&disk, id);
    disk.flip_bit(&file, offset + 100, 3);
    let owner = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(owner.live.len(), 100);
    let error = owner.journal.read(id).expect_err("damaged");
    let Error::Damaged(damage) = &error else { panic!("{error}") };
    assert_eq!((&damage.file, damage.offset), (&file, offset));
    let size = owner.live[&id].size;
    let next = sorted(&contents)[4];
    let mut results = Vec::new();
    owner.journal.read_many(&[(id, size), (next, owner.live[&next].size)], &mut |n, body| {
        results.push((n, body.map(<[u8]>::to_vec).map_err(|e| e.to_string())));
    });
    assert_eq!(results, [(0, Err(error.to_string())), (1, Ok(contents[&next].1.clone()))]);
}

#[test]
fn a_damaged_footer_costs_nothing_but_time() {
    let (disk, contents) = written(100, 500);
    let file = segments(&disk)[1].clone();
    for at in [16 * 1024 - 1, 16 * 1024 - 60, 16 * 1024 - 100] {
        disk.flip_bit(&file, at, 0);
        let owner = reopened(&disk, &contents, &[]);
        assert_eq!(owner.recovery.damages.len(), 1);
        assert_eq!(owner.recovery.damages[0].file, file);
        disk.flip_bit(&file, at, 0);
    }
}

#[test]
fn a_damaged_segment_header_costs_no_record() {
    let (disk, contents) = written(100, 500);
    for file in segments(&disk) {
        for at in [0, 9, 20, 41, 50] {
            disk.flip_bit(&file, at, 6);
            let owner = reopened(&disk, &contents, &[]);
            assert!(owner.recovery.damages.iter().any(|d| d.file == file && d.offset == 0));
            drop(owner);
            disk.flip_bit(&file, at, 6);
        }
    }
}

#[test]
fn any_flipped_bit_costs_at_most_one_record() {
    for seed in 0..300_u64 {
        let (disk, contents) = written(60, 500);
        let files = segments(&disk);
        let file = &files[seed as usize % files.len()];
        let at = seed.wrapping_mul(7919) % (16 << 10);
        disk.flip_bit(file, at, seed as u8);
        let owner = Owner::open(&disk, small(), silent()).expect("opens");
        let unreadable =
            owner.live.values().filter(|place| owner.journal.read(place.position).is_err()).count();
        let missing = contents.len() - owner.live.len();
        assert!(unreadable + missing <= 1, "seed {seed}: {:?}", owner.recovery);
        let told = !owner.recovery.damages.is_empty() || owner.recovery.torn_tail.is_some();
        assert!(missing == 0 || told, "seed {seed}: a record went in silence");
        for (id, place) in &owner.live {
            assert_eq!(place.index, contents[id].0, "seed {seed}");
        }
    }
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_touched() {
    let (disk, _) = written(100, 500);
    let file = segments(&disk)[2].clone();
    let mut bytes = disk.bytes(&file).expect("there");
    bytes[8..12].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let mut header = bytes[..12].to_vec();
    header.extend_from_slice(&bytes[16..64]);
    let crc = crc32(&header);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    disk.put(&file, bytes);
    let before: Vec<_> = disk.paths().iter().map(|path| disk.bytes(path)).collect();
    let error = open(&disk, small()).err().expect("refused");
    assert!(matches!(error, Error::NewerFormat { found, .. } if found == FORMAT_VERSION + 1), "{error}");
    assert_eq!(disk.paths().iter().map(|path| disk.bytes(path)).collect::<Vec<_>>(), before);
}

#[test]
fn a_file_of_another_journal_is_refused() {
    let (disk, _) = written(100, 500);
    let (other, _) = written(100, 500);
    let file = segments(&disk)[1].clone();
    disk.put(&file, other.bytes(&file).expect("there"));
    assert!(matches!(open(&disk, small()), Err(Error::Foreign { .. })));
    let scratch = journal::Config { durable: false, ..small() };
    let (disk, _) = written(1, 5);
    assert!(matches!(open(&disk, scratch), Err(Error::Foreign { .. })), "would be removed");
}

#[test]
fn what_a_file_held_in_an_earlier_life_is_never_served() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    for round in 0..40_u64 {
        for n in 0..20 {
            let content = (body(n, 8), body(round * 100 + n, 800));
            let (id, _) = owner.publish(&content.0, &content.1).expect("appends");
            contents.insert(id, content);
        }
        let all: Vec<_> = owner.live.keys().copied().collect();
        owner.ack(&all).expect("acks");
        owner.journal.sync().expect("syncs");
        owner.reclaim().expect("reclaims");
    }
    assert!(owner.journal.stats().retired > 30);
    let (id, _) = owner.publish(b"i", b"last").expect("appends");
    owner.journal.sync().expect("syncs");
    assert!(disk.used() <= 5 * (16 << 10), "spares are few");
    let disk = disk.crash(Crash::PowerAll);
    let owner = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(owner.live.keys().copied().collect::<Vec<_>>(), [id]);
    assert!(owner.recovery.torn_tail.is_none() && owner.recovery.damages.is_empty());
    assert_eq!(owner.journal.read(id).expect("there"), b"last");
}

#[test]
fn a_second_opener_is_refused() {
    let disk = FaultyStorage::new();
    let first = open(&disk, small()).expect("opens");
    assert!(matches!(open(&disk, small()), Err(Error::InUse { .. })));
    drop(first);
    open(&disk, small()).expect("opens again");
    assert!(disk.list(Path::new(DIR)).is_ok());
}

#[test]
fn a_footer_that_reached_the_disk_without_its_records_is_not_believed() {
    // The power goes while a segment is sealed: of its last sync some sectors are there, the footer's among them.
    let (disk, mut contents) = written(40, 500);
    let sealed = segments(&disk)[1].clone();
    let unfinished = FaultyStorage::new();
    for path in segments(&disk).into_iter().filter(|path| *path <= sealed) {
        unfinished.put(&path, disk.bytes(&path).expect("there"));
    }
    let base = base_of(&sealed);
    Journal::accept_loss(Path::new(DIR), Arc::new(unfinished.clone())).expect("a log of two segments");
    contents.retain(|id, _| *id < base + (16 << 10));
    reopened(&unfinished, &contents, &[]);
    let unfinished = unfinished.crash(Crash::PowerAll);
    let last = *sorted(&contents).last().expect("some");
    let mut bytes = unfinished.bytes(&sealed).expect("there");
    let at = (last - base) as usize;
    bytes[at + 300..at + 400].fill(0);
    unfinished.put(&sealed, bytes);
    let newer: Vec<_> = segments(&unfinished).into_iter().filter(|path| *path > sealed).collect();
    assert!(newer.is_empty());
    let mut owner = reopened(&unfinished, &contents, &[last]);
    contents.remove(&last);
    let content = (b"more".to_vec(), body(9, 700));
    let (id, _) = owner.publish(&content.0, &content.1).expect("appends");
    contents.insert(id, content);
    owner.journal.close().expect("closes");
    drop(owner);
    reopened(&unfinished, &contents, &[]);
}

#[test]
fn a_name_that_a_killed_process_left_unsynced_is_synced_before_the_log_goes_on() {
    let (disk, mut contents) = written(5, 100);
    let file = segments(&disk)[0].clone();
    let aside = file.with_extension("spare");
    disk.rename(&file, &aside).expect("renames");
    disk.sync_dir(Path::new(DIR)).expect("syncs");
    disk.rename(&aside, &file).expect("renames");
    let disk = disk.crash(Crash::Process);
    let mut owner = reopened(&disk, &contents, &[]);
    let content = (b"more".to_vec(), body(9, 700));
    let (id, _) = owner.publish(&content.0, &content.1).expect("appends");
    contents.insert(id, content);
    owner.journal.sync().expect("syncs");
    reopened(&disk.crash(Crash::PowerAll), &contents, &[]);
}
