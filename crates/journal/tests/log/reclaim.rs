//! The store stays in proportion to what lives in it, whatever the traffic, at a bounded cost in copies.

use std::collections::{HashMap, VecDeque};

use crate::support::{MESSAGE, Owner, body, open, silent, small};
use journal::fault::{Crash, FaultyStorage};
use journal::{Config, Group, Position, Record};

const SEGMENT: u64 = 16 << 10;

fn owner() -> (FaultyStorage, Owner) {
    let disk = FaultyStorage::new();
    let owner = Owner::open(&disk, small(), silent()).expect("opens");
    (disk, owner)
}

#[test]
fn a_quiet_queue_does_not_keep_a_busy_ones_records() {
    let (disk, mut owner) = owner();
    // One message of another queue among twenty that are consumed at once.
    let mut quiet = Vec::new();
    for n in 0..4000_u64 {
        let (id, _) = owner.publish(b"", &body(n, 300)).expect("appends");
        if n % 400 == 7 {
            quiet.push(id);
        } else {
            owner.ack(&[id]).expect("acks");
        }
        if n % 50 == 0 {
            owner.journal.sync().expect("syncs");
            owner.reclaim().expect("reclaims");
        }
    }
    owner.journal.sync().expect("syncs");
    owner.reclaim().expect("reclaims");
    assert_eq!(owner.live.keys().copied().collect::<Vec<_>>(), quiet);
    let stats = owner.journal.stats();
    assert!(stats.bytes <= 8 * SEGMENT, "{stats:?}");
    let copies = stats.records - 2 * 4000 + quiet.len() as u64;
    assert!(copies < 1000, "{copies} copies for 8000 records");
    let disk = disk.crash(Crash::PowerAll);
    let after = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(after.live.keys().copied().collect::<Vec<_>>(), quiet);
}

#[test]
fn acknowledgements_that_stay_needed_are_not_copied_round_and_round() {
    let (_, mut owner) = owner();
    // A backlog of which every third message is consumed: its segments are too full to empty.
    let mut ids = Vec::new();
    for n in 0..3000 {
        ids.push(owner.publish(b"", &body(n, 200)).expect("appends").0);
    }
    for id in ids.iter().step_by(3) {
        owner.ack(&[*id]).expect("acks");
    }
    owner.journal.sync().expect("syncs");
    for _ in 0..50 {
        owner.reclaim().expect("reclaims");
        owner.journal.sync().expect("syncs");
    }
    let stats = owner.journal.stats();
    let copies = stats.records - 4000;
    assert!(copies <= 1100, "{copies} copies of 1000 acks");
    // And once the backlog is gone, so are they.
    let rest: Vec<_> = owner.live.keys().copied().collect();
    for some in rest.chunks(50) {
        owner.ack(some).expect("acks");
    }
    owner.journal.sync().expect("syncs");
    owner.reclaim().expect("reclaims");
    let stats = owner.journal.stats();
    assert!(stats.bytes <= 4 * SEGMENT && stats.live_bytes == 0, "{stats:?}");
}

#[test]
fn a_long_backlog_costs_one_copy_for_each_byte_freed_at_most() {
    let (_, mut owner) = owner();
    let mut queue: VecDeque<Position> = VecDeque::new();
    for n in 0..12_000_u64 {
        queue.push_back(owner.publish(b"", &body(n, 150)).expect("appends").0);
        if queue.len() > 500 {
            // Mostly in order, some from the middle.
            let at = if n % 5 == 0 { queue.len() / 2 } else { 0 };
            let id = queue.remove(at).expect("there");
            owner.ack(&[id]).expect("acks");
        }
        if n % 100 == 0 {
            owner.journal.sync().expect("syncs");
            owner.reclaim().expect("reclaims");
        }
    }
    let stats = owner.journal.stats();
    assert!(stats.records < 2 * 24_000, "{stats:?}");
    assert!(stats.bytes < 6 * stats.live_bytes + 8 * SEGMENT, "{stats:?}");
}

#[test]
fn a_half_finished_reclaim_of_a_copy_does_not_bring_acked_messages_back() {
    let (mut disk, mut owner) = owner();
    let mut contents = HashMap::new();
    let mut keep = Vec::new();
    for n in 0..200_u64 {
        let content = (Vec::new(), body(n, 300));
        let (id, _) = owner.publish(&content.0, &content.1).expect("appends");
        contents.insert(id, content);
        if n % 10 == 0 {
            keep.push(id);
        } else {
            owner.ack(&[id]).expect("acks");
        }
    }
    // Three times: copy, crash before the victim is retired; then all are acked and the acks' segments go.
    for round in 0..3 {
        owner.journal.sync().expect("syncs");
        if let Some(victim) = owner.journal.victim() {
            owner.empty(victim).expect("copies");
        }
        owner.journal.sync().expect("syncs");
        disk = disk.crash(Crash::Power(round));
        owner = Owner::open(&disk, small(), silent()).expect("opens");
        assert_eq!(owner.live.keys().copied().collect::<Vec<_>>(), keep);
        owner.verify(&contents);
    }
    owner.ack(&keep).expect("acks");
    owner.journal.sync().expect("syncs");
    while let Some(victim) = owner.journal.victim() {
        owner.empty(victim).expect("copies");
        owner.journal.retire(victim).expect("retires");
        disk = disk.crash(Crash::PowerAll);
        owner = Owner::open(&disk, small(), silent()).expect("opens");
        assert!(owner.live.is_empty(), "an acked message is back");
    }
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_own() {
    let (disk, mut owner) = owner();
    let mut contents = HashMap::new();
    for (n, len) in [100, 100_000, 100, 16_000, 12_192, 12_100, 12_000, 3_000_000, 5].into_iter().enumerate()
    {
        let content = (body(n as u64, 2000), body(n as u64, len));
        let (id, _) = owner.publish(&content.0, &content.1).expect("appends");
        contents.insert(id, content);
    }
    owner.verify(&contents);
    owner.journal.sync().expect("syncs");
    let disk = disk.crash(Crash::PowerAll);
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    owner.verify(&contents);
    assert_eq!(owner.live.len(), contents.len());
    let all: Vec<_> = owner.live.keys().copied().collect();
    owner.ack(&all).expect("acks");
    owner.reclaim().expect("reclaims");
    assert!(disk.used() <= 4 * SEGMENT, "odd sizes are no spares");
    let limit = journal::BODY_MAX;
    let parts = vec![&[0_u8; 1 << 20][..]; limit / (1 << 20) + 1];
    let refused = owner.journal.append(Record { kind: MESSAGE, index: b"", body: &parts });
    assert!(matches!(refused, Err(journal::Error::TooLarge { .. })));
}

#[test]
fn scratch_is_never_synced_and_gone_after_a_restart() {
    let disk = FaultyStorage::new();
    let scratch = Config { durable: false, ..small() };
    let mut owner = Owner::open(&disk, scratch, silent()).expect("opens");
    let mut contents = HashMap::new();
    for n in 0..300 {
        let content = (body(n, 20), body(n, 300));
        let (id, _) = owner.publish(&content.0, &content.1).expect("appends");
        contents.insert(id, content);
    }
    owner.journal.sync().expect("written");
    owner.verify(&contents);
    let most: Vec<_> = owner.live.keys().copied().filter(|id| id % 3 != 0).collect();
    owner.ack(&most).expect("acks");
    assert!(owner.reclaim().expect("reclaims") > 0);
    owner.verify(&contents);
    assert_eq!(disk.syncs(), 0);
    assert_eq!(owner.recovery.entries, 0);
    drop(owner);
    let owner = Owner::open(&disk, scratch, silent()).expect("opens");
    assert_eq!(owner.recovery.entries, 0);
    assert!(disk.used() <= 3 * SEGMENT);
}

#[test]
fn what_is_not_in_a_file_yet_is_read_from_memory_though_its_neighbours_are() {
    let (_, mut owner) = owner();
    let mut contents = HashMap::new();
    for round in 0..50_u64 {
        for n in 0..10 {
            let content = (body(n, 20), body(round * 10 + n, 60));
            let (id, _) = owner.publish(&content.0, &content.1).expect("appends");
            contents.insert(id, content);
            if n == 4 {
                owner.journal.sync().expect("syncs");
            }
        }
        // Half of the round is on disk, the other half most likely nowhere but in memory.
        owner.verify(&contents);
    }
}

#[test]
fn the_newest_file_is_never_retired() {
    let (_, mut owner) = owner();
    let first = owner.publish(b"", &body(1, 300)).expect("appends").0;
    owner.journal.sync().expect("syncs");
    owner.ack(&[first]).expect("acks");
    assert_eq!(owner.journal.victim(), None);
    let (journal, _) = open(&FaultyStorage::new(), small()).expect("opens");
    assert_eq!(journal.victim(), None);
    assert!(!journal.holds(1 << 40));
}

#[test]
fn a_retirement_waits_for_what_its_releases_depend_on_and_for_nothing_else() {
    let (disk, mut owner) = owner();
    for n in 0..200 {
        owner.publish(b"", &body(n, 300)).expect("appends");
    }
    owner.journal.sync().expect("syncs");
    let all: Vec<_> = owner.live.keys().copied().collect();
    owner.ack(&all).expect("acks");
    let end = owner.publish(b"", b"plain").expect("appends").1;
    let victim = owner.journal.victim().expect("all is dead");
    let syncs = disk.syncs();
    owner.journal.retire(victim).expect("retires");
    // The writer may sync by its own clock: only a retirement that had to wait is sure to have it.
    assert!(owner.journal.durable() < end || disk.syncs() > syncs, "nothing was waited for");
    // The acknowledgement of a group counts only with the rest of it.
    let victim = owner.journal.victim().expect("more is dead");
    let group = [(1, &b"message"[..]), (200, &b"acknowledgement"[..])];
    let records = group.iter().map(|(kind, index)| Record { kind: *kind, index, body: &[] });
    let group = owner.journal.append_group(Group::new(records).expect("fits")).expect("appends");
    let (end, cause) = (group[1].end, group[1].cause());
    owner.journal.release(cause, victim.base(), 0);
    owner.journal.retire(victim).expect("retires");
    assert!(owner.journal.durable() >= end, "what the releases depend on is on disk first");
}
