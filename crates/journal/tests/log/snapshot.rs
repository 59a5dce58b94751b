//! Copies of a log that goes on: each opens by itself, with what was in the log when it was asked for, for good.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::cut::Cut;
use crate::support::{DIR, MESSAGE, Owner, body, silent, small};
use journal::fault::{Crash, FaultyStorage};
use journal::{Config, DiskStorage, Error, Journal, Position, Record, Storage};

const COPY: &str = "/copy";

type Contents = HashMap<Position, (Vec<u8>, Vec<u8>)>;

fn publish(owner: &mut Owner, contents: &mut Contents, count: u64) {
    for _ in 0..count {
        let n = contents.len() as u64;
        let content = (body(n, 24), body(n + 1, 500));
        let (id, _) = owner.publish(&content.0, &content.1).expect("taken");
        contents.insert(id, content);
    }
}

fn copy(disk: &FaultyStorage) -> Owner {
    Owner::open_in(Path::new(COPY), Arc::new(disk.clone()), small(), silent()).expect("opens")
}

fn live(owner: &Owner) -> BTreeSet<Position> {
    owner.live.keys().copied().collect()
}

#[test]
fn a_copy_has_what_was_in_the_log_and_goes_its_own_way() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    publish(&mut owner, &mut contents, 100);
    let then = live(&owner);
    let snapshot = owner.journal.snapshot();
    publish_more(&owner.journal);
    let copied = snapshot.write_to(Path::new(COPY)).expect("copied");
    drop(snapshot);
    assert!(copied.segments > 3 && copied.linked + 1 == copied.segments, "{copied:?}");
    assert!(copied.bytes <= 16 << 10 && copied.end > *then.last().expect("some"), "{copied:?}");
    // All of it is on disk, and the log goes on from where it ended.
    let disk = disk.crash(Crash::PowerAll);
    let mut other = copy(&disk);
    assert!(other.recovery.damages.is_empty() && other.recovery.torn_tail.is_none(), "{:?}", other.recovery);
    assert_eq!(live(&other), then);
    other.verify(&contents);
    publish(&mut other, &mut contents, 50);
    other.journal.sync().expect("syncs");
    other.verify(&contents);
    let disk = disk.crash(Crash::PowerAll);
    let other = copy(&disk);
    other.verify(&contents);
    assert_eq!(live(&other).len(), 150);
}

fn publish_more(journal: &Journal) {
    for n in 0..50 {
        journal.append(Record { kind: MESSAGE, index: b"later", body: &[&body(n, 500)] }).expect("taken");
    }
    journal.sync().expect("syncs");
}

#[test]
fn what_it_shares_with_a_copy_is_never_written_over() {
    // Each of the two reclaims everything and writes much more; the other one, opened afterwards, has not noticed.
    for restarts in [false, true] {
        for (first, second) in [(DIR, COPY), (COPY, DIR)] {
            let disk = FaultyStorage::new();
            let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
            let mut contents = Contents::new();
            publish(&mut owner, &mut contents, 100);
            let _ = owner.journal.snapshot().write_to(Path::new(COPY)).expect("copied");
            owner.journal.close().expect("closes");
            drop(owner);
            let mut disk = disk.crash(Crash::PowerAll);
            let open = |disk: &FaultyStorage, dir: &str| {
                Owner::open_in(Path::new(dir), Arc::new(disk.clone()), small(), silent()).expect("opens")
            };
            let mut one = open(&disk, first);
            let mut own = contents.clone();
            for _ in 0..5 {
                let all: Vec<_> = one.live.keys().copied().collect();
                one.ack(&all).expect("acks");
                one.journal.sync().expect("syncs");
                one.reclaim().expect("reclaims");
                publish(&mut one, &mut own, 60);
                if restarts {
                    one.journal.sync().expect("syncs");
                    disk = disk.crash(Crash::Process);
                    one = open(&disk, first);
                }
            }
            one.journal.close().expect("closes");
            let other = open(&disk, second);
            assert_eq!(live(&other).len(), 100, "{second} after {first} went on");
            assert!(other.recovery.damages.is_empty(), "{:?}", other.recovery);
            other.verify(&contents);
        }
    }
}

#[test]
fn a_file_somebody_linked_is_no_spare() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    publish(&mut owner, &mut contents, 60);
    let all: Vec<_> = owner.live.keys().copied().collect();
    owner.ack(&all).expect("acks");
    owner.journal.sync().expect("syncs");
    owner.reclaim().expect("reclaims");
    owner.journal.close().expect("closes");
    drop(owner);
    let disk = disk.crash(Crash::Process);
    let spare =
        disk.paths().into_iter().find(|path| path.extension().is_some_and(|e| e == "spare")).expect("one");
    let before = disk.bytes(&spare).expect("there");
    disk.link(&spare, Path::new("/backup/spare")).expect("linked");
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    publish(&mut owner, &mut contents, 100);
    owner.journal.sync().expect("syncs");
    assert_eq!(disk.bytes(Path::new("/backup/spare")).expect("there"), before);
}

#[test]
fn nothing_of_a_snapshot_is_retired_before_it_is_written() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    publish(&mut owner, &mut contents, 100);
    let then = live(&owner);
    let snapshot = owner.journal.clone();
    let snapshot = snapshot.snapshot();
    let all: Vec<_> = then.iter().copied().collect();
    owner.ack(&all).expect("acks");
    publish(&mut owner, &mut contents, 30);
    owner.journal.sync().expect("syncs");
    assert_eq!(owner.reclaim().expect("nothing may go"), 0);
    let _ = snapshot.write_to(Path::new(COPY)).expect("copied");
    assert_eq!(owner.reclaim().expect("nothing may go"), 0);
    drop(snapshot);
    assert!(owner.reclaim().expect("reclaims") > 3);
    assert_eq!(live(&copy(&disk)), then);
}

#[test]
fn the_first_and_an_empty_log_have_copies() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let copied = owner.journal.snapshot().write_to(Path::new(COPY)).expect("copied");
    assert_eq!((copied.segments, copied.bytes), (0, 0));
    assert!(live(&copy(&disk)).is_empty());
    let error = owner.journal.snapshot().write_to(Path::new(COPY)).expect_err("there is a log already");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    publish(&mut owner, &mut Contents::new(), 1);
    let _ = owner.journal.snapshot().write_to(Path::new("/second")).expect("copied");
    let second =
        Owner::open_in(Path::new("/second"), Arc::new(disk.clone()), small(), silent()).expect("opens");
    assert_eq!(live(&second), live(&owner));
    let scratch = Config { durable: false, ..small() };
    let (scratch, _) =
        Journal::open(Path::new("/s"), Arc::new(disk), scratch, &mut |_| {}, silent()).expect("opens");
    assert!(matches!(scratch.snapshot().write_to(Path::new("/t")), Err(Error::Config(_))));
}

#[test]
fn a_copy_that_is_cut_short_is_an_error_and_harms_nothing() {
    let mut done = false;
    for steps in 0..60 {
        let disk = FaultyStorage::new();
        let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
        let mut contents = Contents::new();
        publish(&mut owner, &mut contents, 60);
        owner.journal.close().expect("closes");
        drop(owner);
        let disk = disk.crash(Crash::PowerAll);
        let cut = Cut::after(&disk, i64::MAX);
        let owner = Owner::open_on(Arc::new(cut.clone()), small(), silent()).expect("opens");
        cut.reset(steps);
        done = owner.journal.snapshot().write_to(Path::new(COPY)).is_ok();
        assert!(done || cut.is_reached());
        drop(owner);
        let disk = disk.crash(Crash::Power(steps as u64));
        let after = Owner::open(&disk, small(), silent()).expect("opens");
        assert_eq!(live(&after).len(), 60);
        after.verify(&contents);
        if done {
            assert_eq!(live(&copy(&disk)).len(), 60);
            break;
        }
    }
    assert!(done, "more steps than expected");
}

#[test]
fn a_full_disk_is_told() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    publish(&mut owner, &mut Contents::new(), 60);
    owner.journal.sync().expect("syncs");
    disk.limit(Some(disk.used() + 1000));
    let error = owner.journal.snapshot().write_to(Path::new(COPY)).expect_err("no room for the tail");
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error}"
    );
}

/// Ends the writer, whatever the test comes to.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn copies_made_under_load_on_the_real_disk_have_every_confirmed_record() {
    let home = tempfile::tempdir().expect("a folder");
    let config = Config { segment_bytes: 64 << 10, ..Config::default() };
    let disk: Arc<dyn Storage> = Arc::new(DiskStorage);
    let dir = home.path().join("log");
    let (journal, _) = Journal::open(&dir, disk.clone(), config, &mut |_| {}, silent()).expect("opens");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::SeqCst) {
                let content = body(n, 700);
                let record = Record { kind: MESSAGE, index: &n.to_le_bytes(), body: &[&content] };
                let end = journal.append(record).expect("taken").end;
                journal.commit(end);
                n += 1;
                if n % 64 == 0 {
                    journal.sync().expect("syncs");
                }
            }
        });
        let at_last = Stop(&stop);
        for round in 0..8 {
            thread::sleep(std::time::Duration::from_millis(30));
            let confirmed = journal.durable();
            let to = home.path().join(format!("copy{round}"));
            let snapshot = journal.snapshot();
            let copied = snapshot.write_to(&to).expect("copied");
            assert!(copied.end >= confirmed);
            assert!(copied.linked > 0 || copied.segments < 2, "{copied:?}");
            let (mut seen, mut end) = (0_u64, 0);
            let mut visit = |entry: journal::Entry<'_>| {
                assert_eq!(entry.index, seen.to_le_bytes());
                seen += 1;
                end = entry.position + u64::from(entry.size);
            };
            let (other, recovery) =
                Journal::open(&to, disk.clone(), config, &mut visit, silent()).expect("opens");
            assert!(recovery.damages.is_empty() && recovery.torn_tail.is_none(), "{recovery:?}");
            assert_eq!(end, copied.end);
            other.close().expect("closes");
        }
        drop(at_last);
        writer.join().expect("no panic");
    });
    journal.close().expect("closes");
}
