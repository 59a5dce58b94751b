//! Segments that must be there and are not, that do not belong, and a log cut off at every step of coming and going.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::cut::Cut;
use crate::support::{DIR, Owner, base_of, body, segments, silent, small};
use journal::fault::{Crash, FaultyStorage};
use journal::{Error, Journal, Position, State, Storage};

const MANIFEST: &str = "/j/manifest";

type Contents = HashMap<Position, (Vec<u8>, Vec<u8>)>;

fn publish(owner: &mut Owner, contents: &mut Contents, n: u64, len: usize) -> Result<Position, Error> {
    let content = (body(n, 24), body(n + 1, len));
    let (id, _) = owner.publish(&content.0, &content.1)?;
    contents.insert(id, content);
    Ok(id)
}

fn publish_many(owner: &mut Owner, contents: &mut Contents, numbers: Range<u64>) {
    for n in numbers {
        publish(owner, contents, n, 500).expect("taken");
    }
}

/// A stopped journal of `count` messages, and what they are.
fn written(count: u64) -> (FaultyStorage, Contents) {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    for n in 0..count {
        publish(&mut owner, &mut contents, n, 500).expect("taken");
    }
    owner.journal.close().expect("closes");
    drop(owner);
    (disk.crash(Crash::PowerAll), contents)
}

/// The same files on a disk of their own.
fn copy(disk: &FaultyStorage) -> FaultyStorage {
    let copy = FaultyStorage::new();
    for (path, bytes) in image(disk) {
        copy.put(&path, bytes.expect("there"));
    }
    copy
}

fn image(disk: &FaultyStorage) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    disk.paths().into_iter().map(|path| (path.clone(), disk.bytes(&path))).collect()
}

/// The error with which the journal is refused: the same as `examine` tells, and nothing was changed.
fn refusal(disk: &FaultyStorage) -> Error {
    let before = image(disk);
    let error = Owner::open(disk, small(), silent()).err().expect("refused");
    let told = Journal::examine(Path::new(DIR), disk).expect("looked at");
    assert!(told.iter().any(|one| one.error.to_string() == error.to_string()), "{error}: {told:?}");
    assert_eq!(image(disk), before, "nothing is touched");
    error
}

/// Goes on without; what is told as lost, and the journal.
fn accepted(disk: &FaultyStorage) -> (Vec<Error>, Owner) {
    let lost = Journal::accept_loss(Path::new(DIR), Arc::new(disk.clone())).expect("goes on");
    assert!(Journal::examine(Path::new(DIR), disk).expect("looked at").is_empty());
    (lost, Owner::open(disk, small(), silent()).expect("opens"))
}

#[test]
fn any_missing_segment_is_named_and_the_rest_is_served_once_that_is_accepted() {
    let count = segments(&written(100).0).len();
    assert!(count > 3);
    for n in 0..count {
        let (disk, mut contents) = written(100);
        let file = segments(&disk)[n].clone();
        let (base, bytes) = (base_of(&file), disk.bytes(&file).expect("there"));
        disk.take_away(&file);
        let error = refusal(&disk);
        let Error::Missing { path, from, to } = &error else { panic!("{error}") };
        assert_eq!((path, *from, *to), (&file, base, base + (16 << 10)));
        // Put back, all is well.
        disk.put(&file, bytes);
        drop(Owner::open(&disk, small(), silent()).expect("opens"));
        disk.take_away(&file);
        let (lost, mut owner) = accepted(&disk);
        assert!(matches!(&lost[..], [Error::Missing { .. }]), "{lost:?}");
        contents.retain(|id, _| !(base..base + (16 << 10)).contains(id));
        assert_eq!(owner.live.len(), contents.len());
        owner.verify(&contents);
        // And the log goes on.
        publish(&mut owner, &mut contents, 1000, 500).expect("taken");
        owner.journal.sync().expect("syncs");
        let owner = Owner::open(&disk.crash(Crash::PowerAll), small(), silent()).expect("opens");
        assert_eq!(owner.live.len(), contents.len());
    }
}

#[test]
fn every_missing_segment_is_told_at_once() {
    let (disk, _) = written(100);
    for file in segments(&disk) {
        disk.take_away(&file);
    }
    let told = Journal::examine(Path::new(DIR), &disk).expect("looked at");
    assert!(told.len() > 3 && told.iter().all(|one| matches!(one.error, Error::Missing { .. })), "{told:?}");
    let (lost, owner) = accepted(&disk);
    assert_eq!((lost.len(), owner.live.len()), (told.len(), 0));
}

#[test]
fn an_older_manifest_is_noticed() {
    for retires in [false, true] {
        let disk = FaultyStorage::new();
        let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
        let mut contents = Contents::new();
        publish_many(&mut owner, &mut contents, 0..60);
        owner.journal.sync().expect("syncs");
        let older = disk.bytes(Path::new(MANIFEST)).expect("there");
        if retires {
            let all: Vec<_> = owner.live.keys().copied().collect();
            owner.ack(&all).expect("acks");
            owner.journal.sync().expect("syncs");
            assert!(owner.reclaim().expect("reclaims") > 0);
        } else {
            publish_many(&mut owner, &mut contents, 60..150);
        }
        owner.journal.close().expect("closes");
        drop(owner);
        disk.put(Path::new(MANIFEST), older);
        let error = refusal(&disk);
        let expected = if retires { "is missing" } else { "the manifest does not list it" };
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_segment_that_does_not_belong_is_noticed() {
    // One that was retired is put back once the manifest has forgotten it; another life's file has a segment's name.
    let (disk, _) = written(100);
    let retired = segments(&disk)[0].clone();
    let bytes = disk.bytes(&retired).expect("there");
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    churn(&mut owner, &mut Contents::new());
    owner.journal.close().expect("closes");
    drop(owner);
    let one = segments(&disk)[0].clone();
    disk.put(&retired, bytes.clone());
    assert!(matches!(refusal(&disk), Error::Foreign { path, .. } if path == retired));
    disk.take_away(&retired);
    disk.put(&one, bytes);
    assert!(matches!(refusal(&disk), Error::Foreign { path, .. } if path == one));
    // Nothing to accept: it has to be moved away first.
    assert!(Journal::accept_loss(Path::new(DIR), Arc::new(disk.clone())).is_err());
    disk.take_away(&one);
    assert!(matches!(accepted(&disk).0[..], [Error::Missing { .. }]));
}

#[test]
fn segments_that_changed_names_are_noticed_and_not_accepted() {
    let (disk, contents) = written(100);
    let files = segments(&disk);
    let (one, other) = (disk.bytes(&files[0]).expect("there"), disk.bytes(&files[2]).expect("there"));
    disk.put(&files[0], other);
    disk.put(&files[2], one);
    assert!(matches!(refusal(&disk), Error::Foreign { why, .. } if why.contains("was renamed")));
    let told = Journal::examine(Path::new(DIR), &disk).expect("looked at");
    assert!(told.iter().filter(|refusal| !refusal.can_be_accepted).count() == 2, "{told:?}");
    let (one, other) = (disk.bytes(&files[2]).expect("there"), disk.bytes(&files[0]).expect("there"));
    disk.put(&files[0], one);
    disk.put(&files[2], other);
    Owner::open(&disk, small(), silent()).expect("opens").verify(&contents);
}

/// The log after each of several stops in good order, and what is in it then.
fn stops() -> Vec<(FaultyStorage, Contents)> {
    let (disk, mut contents) = written(10);
    let mut stops = vec![(copy(&disk), contents.clone())];
    for n in 1..8 {
        let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
        publish_many(&mut owner, &mut contents, n * 1000..n * 1000 + 9);
        owner.journal.close().expect("closes");
        drop(owner);
        stops.push((copy(&disk), contents.clone()));
    }
    stops
}

#[test]
fn a_segment_that_was_cut_short_emptied_or_replaced_by_its_older_copy_is_noticed() {
    let stops = stops();
    let (last, contents) = stops.last().expect("some");
    let files = segments(last);
    let header = |disk: &FaultyStorage, file: &Path| disk.bytes(file).expect("there")[..4096].to_vec();
    let mut cases = Vec::new();
    for file in &files {
        let whole = last.bytes(file).expect("there");
        for len in [0, 1, 63, 4096, 4096 + 200] {
            cases.push((file, whole[..len].to_vec()));
        }
        cases.push((file, vec![0; whole.len()]));
        let mut emptied = header(last, file);
        emptied.resize(whole.len(), 0);
        cases.push((file, emptied));
        for (older, _) in &stops {
            let copy =
                older.bytes(file).filter(|copy| *copy != whole && header(older, file) == whole[..4096]);
            cases.extend(copy.map(|copy| (file, copy)));
        }
    }
    assert!(cases.len() > files.len() * 3, "older copies of each are there: {}", cases.len());
    for (n, (file, bytes)) in cases.into_iter().enumerate() {
        let disk = copy(last);
        let whole = disk.bytes(file).expect("there");
        disk.put(file, bytes);
        let error = refusal(&disk);
        let Error::Short { path, from, to } = &error else { panic!("{n}: {error}") };
        assert!(path == file && from < to && error.to_string().contains("ends too soon"), "{n}: {error}");
        let lost = contents.keys().filter(|id| (*from..*to).contains(id)).count();
        disk.put(file, whole);
        Owner::open(&copy(&disk), small(), silent()).expect("opens").verify(contents);
        disk.put(file, disk.bytes(file).expect("there")[..4096].to_vec());
        let (told, owner) = accepted(&disk);
        assert!(matches!(&told[..], [Error::Short { .. }]), "{told:?}");
        assert!(lost > 0 || !file.ends_with(files.last().expect("some")), "{n}");
        drop(owner);
        // It stays accepted.
        drop(Owner::open(&copy(&disk), small(), silent()).expect("opens"));
    }
}

#[test]
fn a_newest_segment_cut_behind_its_last_record_is_whole_again() {
    let (disk, contents) = written(100);
    let newest = segments(&disk).pop().expect("some");
    let whole = disk.bytes(&newest).expect("there");
    disk.put(&newest, whole[..whole.len() - 1].to_vec());
    // Killed with nothing more in it than before.
    drop(Owner::open(&disk, small(), silent()).expect("opens"));
    let owner = Owner::open(&disk.crash(Crash::PowerAll), small(), silent()).expect("nothing is lost");
    assert_eq!(owner.live.len(), contents.len());
}

#[test]
fn all_segments_emptied_at_once_are_noticed() {
    for len in [0, 16 << 10] {
        let (disk, _) = written(100);
        let files = segments(&disk);
        files.iter().for_each(|file| disk.put(file, vec![0; len]));
        let told = Journal::examine(Path::new(DIR), &disk).expect("looked at");
        assert_eq!(told.len(), files.len(), "{told:?}");
        assert!(told.iter().all(|one| matches!(one.error, Error::Short { .. })), "{told:?}");
    }
}

/// Whoever finds it after all gets a word, and his messages, however the log went on.
#[test]
fn a_segment_that_is_found_after_its_loss_was_accepted_is_not_removed() {
    let (disk, contents) = written(100);
    let file = segments(&disk)[1].clone();
    let whole = disk.bytes(&file).expect("there");
    disk.put(&file, Vec::new());
    let (lost, mut owner) = accepted(&disk);
    assert!(matches!(&lost[..], [Error::Short { .. }]), "{lost:?}");
    // Nothing lives in what is left of it: the log has no use for it.
    owner.reclaim().expect("reclaims");
    owner.journal.close().expect("closes");
    drop(owner);
    assert!(disk.bytes(&file).is_none(), "it was given back");
    disk.put(&file, whole);
    let error = refusal(&disk);
    assert!(matches!(&error, Error::Foreign { path, .. } if *path == file), "{error}");
    let (_, owner) = accepted(&disk);
    assert_eq!(owner.live.len(), contents.len());
    owner.verify(&contents);
}

#[test]
fn what_is_known_of_the_end_is_told_without_a_stop_too() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    publish_many(&mut owner, &mut contents, 0..10);
    owner.journal.sync().expect("syncs");
    let newest = segments(&disk).pop().expect("some");
    let older = disk.bytes(&newest).expect("there");
    publish_many(&mut owner, &mut contents, 10..12);
    owner.journal.sync().expect("syncs");
    let end = disk.bytes(Path::new(MANIFEST)).expect("there")[32..48].to_vec();
    crate::support::until(|| disk.bytes(Path::new(MANIFEST)).expect("there")[32..48] != end);
    let killed = disk.crash(Crash::Process);
    drop(Owner::open(&copy(&killed), small(), silent()).expect("opens"));
    killed.put(&newest, older);
    assert!(matches!(refusal(&killed), Error::Short { .. }));
}

#[test]
fn a_segment_under_the_name_of_one_with_the_same_base_is_noticed() {
    let (disk, _) = written(100);
    let newest = segments(&disk).pop().expect("some");
    let older = disk.bytes(&newest).expect("there");
    disk.take_away(&newest);
    let (_, mut owner) = accepted(&disk);
    publish(&mut owner, &mut Contents::new(), 1, 500).expect("taken");
    owner.journal.close().expect("closes");
    drop(owner);
    assert_eq!(segments(&disk).pop().as_ref(), Some(&newest), "the position is free again");
    disk.put(&newest, older);
    assert!(matches!(refusal(&disk), Error::Foreign { why, .. } if why.contains("not the file")));
}

#[test]
fn a_manifest_that_is_missing_damaged_short_or_anothers_is_noticed() {
    let (disk, contents) = written(100);
    let whole = disk.bytes(Path::new(MANIFEST)).expect("there");
    disk.take_away(Path::new(MANIFEST));
    assert!(matches!(refusal(&disk), Error::Manifest { .. }));
    for len in [0, 10, 63, 64, 96, 100] {
        disk.put(Path::new(MANIFEST), whole[..len].to_vec());
        let error = refusal(&disk);
        assert!(matches!(error, Error::Manifest { .. } | Error::Foreign { .. }), "{len}: {error}");
    }
    for at in 32..64 {
        // What is not known of the end is no loss.
        let disk = copy(&disk);
        disk.put(Path::new(MANIFEST), whole.clone());
        disk.flip_bit(Path::new(MANIFEST), at, at as u8);
        Owner::open(&disk, small(), silent()).expect("opens").verify(&contents);
    }
    for at in (0..32).chain(64..64 + 3 * 32) {
        disk.put(Path::new(MANIFEST), whole.clone());
        disk.flip_bit(Path::new(MANIFEST), at, at as u8);
        let error = refusal(&disk);
        assert!(
            matches!(&error, Error::Manifest { path, .. } if path == Path::new(MANIFEST)),
            "{at}: {error}"
        );
    }
    let (lost, owner) = accepted(&disk);
    assert!(matches!(&lost[..], [Error::Manifest { .. }]));
    assert_eq!(owner.live.len(), contents.len());
    drop(owner);
    // Another journal's: nothing that could be accepted away.
    let (other, _) = written(100);
    disk.put(Path::new(MANIFEST), other.bytes(Path::new(MANIFEST)).expect("there"));
    assert!(matches!(refusal(&disk), Error::Foreign { .. }));
    assert!(Journal::accept_loss(Path::new(DIR), Arc::new(disk.clone())).is_err());
}

#[test]
fn a_newer_manifest_is_refused() {
    let (disk, _) = written(10);
    let mut bytes = disk.bytes(Path::new(MANIFEST)).expect("there");
    bytes[8] += 1;
    let crc = crate::support::crc32(&[&bytes[..12], &bytes[16..32], &[0; 32]].concat());
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    disk.put(Path::new(MANIFEST), bytes);
    assert!(matches!(refusal(&disk), Error::NewerFormat { .. }));
    assert!(Journal::accept_loss(Path::new(DIR), Arc::new(disk.clone())).is_err());
}

/// What must hold after the machine went down in the midst of `life`.
struct Promised {
    contents: Contents,
    /// Durable and not acknowledged; durably acknowledged. What is in neither may be there or not.
    kept: BTreeSet<Position>,
    gone: BTreeSet<Position>,
}

/// Publishes, acknowledges and reclaims, over many segments, until the disk is gone.
fn life(owner: &mut Owner, promised: &mut Promised) -> Result<(), Error> {
    // Too large for the segment that would be the first.
    publish(owner, &mut promised.contents, 9000, 20_000)?;
    for round in 0..8 {
        let mut ids = Vec::new();
        for n in 0..30 {
            ids.push(publish(owner, &mut promised.contents, round * 100 + n, 500)?);
        }
        owner.journal.sync()?;
        promised.kept.extend(&ids);
        let acked: Vec<_> = owner.live.keys().copied().filter(|id| id / 8 % 7 != 0).collect();
        promised.kept.retain(|id| !acked.contains(id));
        owner.ack(&acked)?;
        owner.journal.sync()?;
        promised.gone.extend(&acked);
        owner.reclaim()?;
    }
    owner.journal.close()
}

#[test]
fn the_power_may_fail_at_any_step_of_a_segments_coming_and_going() {
    let mut steps = 0;
    loop {
        let mut reached = true;
        for seed in 0..2 {
            let disk = FaultyStorage::new();
            let cut = Cut::after(&disk, steps);
            let (contents, kept, gone) = Default::default();
            let mut promised = Promised { contents, kept, gone };
            if let Ok(mut owner) = Owner::open_on(Arc::new(cut.clone()), small(), silent()) {
                let _ = life(&mut owner, &mut promised);
            }
            reached &= cut.is_reached();
            let disk = disk.crash(if seed == 0 { Crash::Process } else { Crash::Power(seed + steps as u64) });
            let mut owner = Owner::open(&disk, small(), silent())
                .unwrap_or_else(|error| panic!("after {steps} steps, seed {seed}: {error}"));
            let live: BTreeSet<_> = owner.live.keys().copied().collect();
            assert!(promised.kept.is_subset(&live), "lost after {steps} steps, seed {seed}");
            assert!(promised.gone.is_disjoint(&live), "back after {steps} steps, seed {seed}");
            owner.verify(&promised.contents);
            // What was seen now must be seen again, although the first time it may have been in the kernel's memory only.
            publish_many(&mut owner, &mut promised.contents, 0..40);
            owner.journal.sync().expect("syncs");
            let again = Owner::open(&disk.crash(Crash::PowerAll), small(), silent())
                .unwrap_or_else(|error| panic!("later, after {steps} steps, seed {seed}: {error}"));
            assert!(again.live.keys().eq(owner.live.keys()), "after {steps} steps, seed {seed}");
        }
        if !reached {
            break;
        }
        steps += 1;
    }
    println!("{steps} steps");
    assert!(steps > 150, "{steps}: a life that is too short shows nothing");
}

#[test]
fn a_full_disk_never_waits_for_the_manifest() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = Contents::new();
    publish(&mut owner, &mut contents, 0, 500).expect("taken");
    owner.journal.sync().expect("syncs");
    // Space for some segments, and not a byte beside them: a new manifest has to wait for one of those.
    disk.limit(Some(disk.used() + 5 * (16 << 10)));
    let mut earlier = BTreeSet::new();
    for round in 0..150 {
        let mut n = 0;
        while publish(&mut owner, &mut contents, round * 1000 + n, 500).is_ok() {
            n += 1;
            owner.journal.sync().expect("what was taken fits");
            assert!(n < 1000, "never full");
        }
        // A fifth stays for a round, so that nearly every segment has to be copied.
        let now: Vec<_> = owner.live.keys().copied().collect();
        let kept = |id: &&Position| !earlier.contains(*id) && (**id / 8).is_multiple_of(5);
        let (stay, go): (Vec<Position>, Vec<Position>) = now.iter().partition(kept);
        owner.ack(&go).expect("acks are taken");
        earlier = stay.into_iter().collect();
        owner.reclaim().expect("reclaims");
        let mut waits = 0;
        while owner.journal.state() != State::Healthy {
            std::thread::sleep(std::time::Duration::from_millis(1));
            waits += 1;
            assert!(waits < 5000, "round {round}: space is not back; {:?}", owner.journal.stats());
        }
    }
    owner.journal.sync().expect("syncs");
    let after = Owner::open(&disk.crash(Crash::Process), small(), silent()).expect("opens");
    assert_eq!(after.live.len(), owner.live.len());
}

/// Fills and empties so many segments that the manifest is written anew more than once.
fn churn(owner: &mut Owner, contents: &mut Contents) {
    for n in 0..6000 {
        publish(owner, contents, n, 500).expect("taken");
        if n % 100 == 0 {
            let all: Vec<_> = owner.live.keys().copied().collect();
            owner.ack(&all).expect("acks");
            owner.journal.sync().expect("syncs");
            owner.reclaim().expect("reclaims");
        }
    }
    owner.journal.sync().expect("syncs");
}

#[test]
fn a_retired_segment_whose_file_could_not_be_removed_stays_known() {
    let disk = FaultyStorage::new();
    let cut = Cut::after(&disk, i64::MAX);
    let mut owner = Owner::open_on(Arc::new(cut.clone()), small(), silent()).expect("opens");
    let mut contents = Contents::new();
    publish_many(&mut owner, &mut contents, 0..100);
    let all: Vec<_> = owner.live.keys().copied().collect();
    owner.ack(&all).expect("acks");
    owner.journal.sync().expect("syncs");
    let stays = segments(&disk)[0].clone();
    cut.keep_names(true);
    let victim = owner.journal.victim().expect("all are dead");
    owner.empty(victim).expect("nothing to copy");
    owner.journal.retire(victim).expect("the manifest's word counts");
    cut.keep_names(false);
    churn(&mut owner, &mut contents);
    assert!(disk.bytes(&stays).is_some());
    // Nor can it at the next start, nor over more than one new manifest from there.
    let disk = disk.crash(Crash::PowerAll);
    let cut = Cut::after(&disk, i64::MAX);
    cut.keep_names(true);
    let mut owner = Owner::open_on(Arc::new(cut.clone()), small(), silent()).expect("opens");
    cut.keep_names(false);
    churn(&mut owner, &mut contents);
    assert!(disk.bytes(&stays).is_some());
    let disk = disk.crash(Crash::PowerAll);
    let after = Owner::open(&disk, small(), silent()).expect("opens");
    assert!(disk.bytes(&stays).is_none(), "removed at last");
    assert_eq!(after.live.len(), owner.live.len());
}

/// The journal that commit 05980a5 wrote, and what is in it: 150 messages of which every fifth is not acknowledged, some
/// segments retired, a segment of one large message, and 30 messages behind it.
fn version_1() -> (FaultyStorage, Vec<Vec<u8>>) {
    let files =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")).expect("there");
    let disk = FaultyStorage::new();
    for file in files {
        let path = file.expect("a file").path();
        disk.put(
            &Path::new(DIR).join(path.file_name().expect("a name")),
            std::fs::read(&path).expect("read"),
        );
    }
    disk.put(&Path::new(DIR).join("0000000000000001.spare"), vec![7; 16 << 10]);
    let small = |n: u64| body(n + 1, 600);
    let mut bodies: Vec<_> = (0..150).filter(|n| n % 5 == 0).map(small).collect();
    bodies.push(body(1000, 20_000));
    bodies.extend((150..180).map(small));
    (disk, bodies)
}

fn bodies(owner: &Owner) -> Vec<Vec<u8>> {
    owner.live.values().map(|place| owner.journal.read(place.position).expect("readable")).collect()
}

#[test]
fn a_journal_of_version_1_opens_with_all_that_is_in_it_and_is_watched_from_then_on() {
    let (disk, expected) = version_1();
    let before = segments(&disk);
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(bodies(&owner), expected);
    assert!(owner.recovery.damages.is_empty() && owner.recovery.torn_tail.is_none());
    owner.reclaim().expect("reclaims");
    let mut contents = Contents::new();
    publish_many(&mut owner, &mut contents, 0..60);
    owner.journal.sync().expect("syncs");
    let disk = disk.crash(Crash::PowerAll);
    let owner = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(bodies(&owner)[..expected.len()], expected);
    assert_eq!(owner.live.len(), expected.len() + 60);
    assert!(
        disk.bytes(segments(&disk).last().expect("some")).expect("there")[8] == 2,
        "new ones are version 2"
    );
    drop(owner);
    let old = before.iter().find(|path| disk.bytes(path).is_some()).expect("some are still there");
    disk.take_away(old);
    assert!(matches!(refusal(&disk), Error::Missing { path, .. } if path == *old));
}

#[test]
fn the_power_may_fail_at_any_step_of_the_upgrade() {
    for steps in 0.. {
        let mut reached = true;
        for seed in 0..4 {
            let (disk, expected) = version_1();
            let cut = Cut::after(&disk, steps);
            drop(Owner::open_on(Arc::new(cut.clone()), small(), silent()));
            reached &= cut.is_reached();
            let disk = disk.crash(if seed == 0 { Crash::Process } else { Crash::Power(seed) });
            let owner = Owner::open(&disk, small(), silent())
                .unwrap_or_else(|error| panic!("after {steps} steps, seed {seed}: {error}"));
            assert_eq!(bodies(&owner), expected, "after {steps} steps, seed {seed}");
        }
        if !reached {
            assert!(steps > 4, "{steps}");
            break;
        }
    }
}

#[test]
fn a_full_disk_does_not_keep_a_journal_of_version_1_from_opening() {
    let (disk, expected) = version_1();
    disk.limit(Some(disk.used()));
    let owner = Owner::open(&disk, small(), silent()).expect("a spare makes room");
    assert_eq!(bodies(&owner), expected);
    assert!(disk.list(Path::new(DIR)).expect("listed").iter().any(|(name, _)| name == "manifest"));
}
