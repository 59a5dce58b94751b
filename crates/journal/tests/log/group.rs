//! Groups are there as a whole or not at all, and what a power cut tore is told from damage.

use std::collections::BTreeSet;

use crate::support::{MESSAGE, body, open, segments, silent};
use journal::fault::{Crash, FaultyStorage};
use journal::{Config, Error, GROUP_MAX, Group, Journal, Position, Record};

fn roomy() -> Config {
    Config { segment_bytes: 256 << 10, ..Config::default() }
}

fn opened(disk: &FaultyStorage) -> (Journal, journal::Recovery, Vec<Position>) {
    let mut shown = Vec::new();
    let dir = std::path::Path::new(crate::support::DIR);
    let storage = std::sync::Arc::new(disk.clone());
    let (journal, recovery) =
        Journal::open(dir, storage, roomy(), &mut |entry| shown.push(entry.id), silent()).expect("opens");
    (journal, recovery, shown)
}

fn grouped(journal: &Journal, first: u64, count: u64, len: usize) -> Vec<Position> {
    let bodies: Vec<Vec<u8>> = (0..count).map(|n| body(first + n, len)).collect();
    let parts: Vec<[&[u8]; 1]> = bodies.iter().map(|body| [body.as_slice()]).collect();
    let records = parts.iter().map(|body| Record { kind: MESSAGE, index: b"in a group", body });
    let appended = journal.append_group(Group::new(records).expect("fits")).expect("appends");
    let end = appended.last().expect("some").end;
    assert!(appended.iter().all(|member| member.end == end), "durable together");
    appended.into_iter().map(|member| member.position).collect()
}

#[test]
fn a_group_is_read_back_and_larger_ones_get_a_segment_of_their_own() {
    let disk = FaultyStorage::new();
    let (journal, ..) = opened(&disk);
    let mut ids = Vec::new();
    for count in [1, 2, 7, 300] {
        ids.extend(grouped(&journal, count, count, 200));
    }
    journal.close().expect("closes");
    let (journal, recovery, shown) = opened(&disk.crash(Crash::PowerAll));
    assert_eq!(shown, ids);
    assert!(recovery.damages.is_empty() && recovery.unsynced.is_empty(), "{recovery:?}");
    assert_eq!(journal.read(ids[9]).expect("reads"), body(6 + 300 - 300 + 7, 200)[..].to_vec());
}

#[test]
fn a_group_beyond_its_limit_is_refused() {
    let large = vec![0; 600 << 20];
    let body: [&[u8]; 1] = [&large];
    let records = [Record { kind: MESSAGE, index: b"", body: &body }; 2];
    let Err(Error::TooLarge { limit, .. }) = Group::new(records).map(drop) else { panic!("taken") };
    assert_eq!(limit, GROUP_MAX);
}

/// Whatever a power cut leaves of writes that were not synced.
#[test]
fn a_power_cut_shows_groups_as_a_whole_or_not_at_all_and_tells_no_damage() {
    let mut seen = BTreeSet::new();
    for seed in 0..80 {
        let disk = FaultyStorage::new();
        let (journal, ..) = opened(&disk);
        let mut groups: Vec<_> = (0..4).map(|n| grouped(&journal, n * 10, 2 + n, 700)).collect();
        journal.sync().expect("syncs");
        let synced = groups.len();
        for n in 0..40 {
            groups.push(grouped(&journal, n * 10, 2 + n % 6, 900));
        }
        // Written, and not synced before half a second is over.
        while journal.pending_bytes() > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let disk = disk.crash(Crash::Power(seed));
        let (_, recovery, shown) = opened(&disk);
        let shown: BTreeSet<_> = shown.into_iter().collect();
        for (n, group) in groups.iter().enumerate() {
            let there = group.iter().filter(|id| shown.contains(id)).count();
            assert!(
                there == 0 || there == group.len(),
                "seed {seed}: {there} of group {n} ({})",
                group.len()
            );
            assert!(n >= synced || there > 0, "seed {seed}: group {n} was on disk");
        }
        assert!(recovery.damages.is_empty(), "seed {seed}: {:?}", recovery.damages);
        seen.insert((recovery.unsynced.is_empty(), recovery.torn_tail.is_some()));
        let again = opened(&disk.crash(Crash::PowerAll));
        let then: BTreeSet<_> = again.2.into_iter().collect();
        assert_eq!(then, shown, "seed {seed}: the next start says the same");
        assert!(again.1.damages.is_empty(), "seed {seed}: {:?}", again.1.damages);
    }
    assert!(seen.iter().any(|(no_holes, _)| !no_holes), "some have holes: {seen:?}");
}

#[test]
fn what_was_synced_and_is_not_there_is_damage_even_in_the_newest_file() {
    let disk = FaultyStorage::new();
    let (journal, ..) = opened(&disk);
    let first = grouped(&journal, 1, 3, 500);
    journal.sync().expect("syncs");
    let second = grouped(&journal, 9, 3, 1000);
    journal.sync().expect("syncs");
    drop(journal);
    let disk = disk.crash(Crash::PowerAll);
    let file = segments(&disk).remove(0);
    // In the body of a member: the others count, as they were there.
    disk.flip_bit(&file, first[1] + 100, 3);
    let (_, recovery, shown) = opened(&disk);
    assert_eq!(recovery.damages.len(), 1, "{recovery:?}");
    assert!(recovery.unsynced.is_empty());
    assert_eq!(shown, [&first[..1], &first[2..], &second[..]].concat());
    let again = opened(&disk.crash(Crash::PowerAll));
    assert_eq!(again.2, shown, "and stays so");
}

#[test]
fn an_open_journal_without_groups_reads_as_before() {
    let disk = FaultyStorage::new();
    let (journal, _) = open(&disk, roomy()).expect("opens");
    assert!(Group::new([]).expect("nothing").is_empty());
    let one = Record { kind: MESSAGE, index: b"alone", body: &[] };
    let at = journal.append(one).expect("appends").position;
    journal.close().expect("closes");
    assert_eq!(opened(&disk.crash(Crash::Process)).2, [at]);
}
