//! What a retirement waits for: readers that hold a segment in place, and whatever took the place of its records.

use crate::support::{ACK, MESSAGE, Owner, body, silent, small};
use journal::fault::{Crash, FaultyStorage};
use journal::{Cause, Error, Position, Record, SegmentId};

/// An owner with one message in a sealed segment in which nothing else lives: it, its size, the segment.
fn one_message() -> (FaultyStorage, Owner, Position, u32, SegmentId) {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let (id, _) = owner.publish(b"", &body(1, 300)).expect("appends");
    let filler: Vec<_> = (0..40).map(|n| owner.publish(b"", &body(n, 700)).expect("appends").0).collect();
    owner.journal.sync().expect("syncs");
    owner.ack(&filler).expect("acks");
    owner.journal.sync().expect("syncs");
    let segment = owner.journal.segment_of(id).expect("there");
    let size = owner.live[&id].size;
    (disk, owner, id, size, segment)
}

#[test]
fn a_pinned_segment_stays_until_it_was_read() {
    let (_, mut owner, id, size, segment) = one_message();
    owner.ack(&[id]).expect("acks");
    let pins = owner.journal.pin(&[(id, size)]);
    assert_ne!(owner.journal.victim(), Some(segment));
    assert!(matches!(owner.journal.retire(segment), Err(Error::Pinned(pinned)) if pinned == segment));
    assert_eq!(pins.read(id).expect("held in place"), body(1, 300));
    drop(pins);
    assert_eq!(owner.journal.victim(), Some(segment));
    owner.journal.retire(segment).expect("nobody reads it");
    let late = owner.journal.pin(&[(id, size)]);
    assert!(matches!(late.read(id), Err(Error::Gone(position)) if position == id));
}

#[test]
fn a_segment_stays_until_its_last_reader_is_done() {
    let (_, mut owner, id, size, segment) = one_message();
    owner.ack(&[id]).expect("acks");
    // Several records of one segment are one pin each time.
    let places = [(id, size), (id + u64::from(size), 700), (id + 2 * u64::from(size), 700)];
    let (first, second) = (owner.journal.pin(&places), owner.journal.pin(&places));
    drop(first);
    assert!(matches!(owner.journal.retire(segment), Err(Error::Pinned(_))));
    second.read_many(&places[..1], &mut |_, body| {
        assert_eq!(body.expect("there"), crate::support::body(1, 300))
    });
    drop(second);
    owner.journal.retire(segment).expect("nobody reads it");
}

#[test]
fn what_took_a_messages_place_is_on_disk_before_the_message_goes() {
    let (disk, owner, id, size, segment) = one_message();
    // Dead-lettered: published elsewhere, then acknowledged here. Neither is synced.
    let elsewhere =
        owner.journal.append(Record { kind: MESSAGE, index: b"", body: &[b"again"] }).expect("taken");
    let ack = Record { kind: ACK, index: &id.to_le_bytes(), body: &[] };
    let ack = owner.journal.append(ack).expect("taken");
    owner.journal.release(elsewhere.cause().and(ack.cause()), id, size);
    owner.journal.retire(segment).expect("retires");
    let after = Owner::open(&disk.crash(Crash::PowerAll), small(), silent()).expect("opens");
    assert!(after.live.contains_key(&elsewhere.position), "neither the message nor what became of it");
}

#[test]
fn a_plain_acknowledgement_is_not_waited_for() {
    let (disk, mut owner, id, _, segment) = one_message();
    let durable = owner.journal.durable();
    let end = owner.ack(&[id]).expect("acks");
    owner.journal.retire(segment).expect("retires");
    assert!(owner.journal.durable() == durable && durable < end, "nothing was synced for it");
    let after = Owner::open(&disk.crash(Crash::PowerAll), small(), silent()).expect("opens");
    assert!(after.live.is_empty(), "the message went with its segment");
}

#[test]
fn only_a_lack_of_space_is_a_cause_without_an_append() {
    assert!(Cause::owed(&Error::Full(String::new())).is_some());
    assert!(Cause::owed(&Error::Failed(String::new())).is_none());
    assert!(Cause::owed(&Error::Closed).is_none());
    assert!(Cause::owed(&Error::TooLarge { size: 2, limit: 1 }).is_none());
}
