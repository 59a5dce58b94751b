//! A vhost on a disk that fails: what was settled stays settled, what was not stays, and space comes back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use amqp::table::FieldTable;
use journal::State;
use journal::fault::{Crash, FaultyStorage};
use sched::{Machine, Task};

use super::Vhost;
use super::declare::QueueRequest;
use super::recovery::Surroundings;
use crate::link::{Effects, Link};
use crate::memory::Memory;
use crate::message::{Incoming, Parts, Stored};
use crate::queue::deletion::{Condition, Kept};
use crate::queue::delivery::Batch;
use crate::queue::{Arguments, Queue};
use crate::store::records::{self, Record};
use crate::timers::Timers;

const SEGMENT: u64 = 16 << 10;
const FOLDER: &str = "/vhost";

fn open(disk: &FaultyStorage) -> Arc<Vhost> {
    let around = Surroundings {
        node: Arc::from("rabbit@test"),
        timers: Arc::new(Timers::default()),
        // Everything that waits lies on disk only.
        memory: Arc::new(Memory::new(0)),
        spawn: Arc::new(|job| job()),
        segment_bytes: SEGMENT,
        storage: Arc::new(disk.clone()),
        on_disk_event: Arc::new(|_, _| {}),
        damages: Arc::default(),
    };
    Vhost::open("/", Path::new(FOLDER), &around).expect("opens")
}

fn declare(vhost: &Arc<Vhost>, name: &str) -> Arc<Queue> {
    let request = QueueRequest {
        name,
        durable: true,
        auto_delete: false,
        owner: None,
        table: FieldTable::new(),
        arguments: Arguments::default(),
    };
    vhost.create_queue(request).expect("declared")
}

/// Publishes `number`, filled up to `len` bytes.
fn publish(
    vhost: &Arc<Vhost>,
    queues: &[&Arc<Queue>],
    number: u32,
    len: usize,
) -> Result<(), journal::Error> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(len, 7);
    let message = Incoming::new(Parts { body: &body, ..Parts::default() }, true, 0, None);
    let holders: Vec<u64> = queues.iter().map(|queue| queue.id).collect();
    vhost.store().put(&message, &holders, u64::MAX)?;
    let batch = Batch { messages: &[message], now: crate::clock::now_ms(), tracing: false };
    let mut effects = Effects::default();
    queues.iter().for_each(|queue| queue.publish(&batch, &[0], &mut effects));
    vhost.carry_out(&mut effects);
    Ok(())
}

/// Takes what is ready with `basic.get` and acknowledges it; the numbers, in order.
fn take(vhost: &Arc<Vhost>, queue: &Arc<Queue>, most: usize) -> Vec<u32> {
    let link = Arc::new(Link::new(1, "test".to_owned()));
    link.lock().open_channel(1);
    link.lock().frame_max = 1 << 20;
    let user = Arc::from("guest");
    let mut numbers = Vec::new();
    while numbers.len() < most {
        let mut effects = Effects::default();
        let got = queue.get((&link, 1, &user), true, &mut effects);
        vhost.carry_out(&mut effects);
        if !got {
            break;
        }
        let frames = std::mem::take(&mut link.lock().frames);
        let mut at = 0;
        while let Ok(Some((frame, used))) = amqp::frame::split(&frames[at..], 1 << 21) {
            if frame.kind == amqp::frame::BODY {
                numbers.push(u32::from_be_bytes(*frame.payload.first_chunk().expect("a number")));
            }
            at += used;
        }
    }
    numbers
}

fn purge(vhost: &Arc<Vhost>, queue: &Arc<Queue>) {
    let mut effects = Effects::default();
    queue.purge(&mut effects);
    vhost.carry_out(&mut effects);
}

fn reclaim(vhost: &Arc<Vhost>) {
    vhost.reclaim();
    vhost.store().pay_owed();
}

/// The next life of the disk, after a stop in good order.
fn stopped(vhost: Arc<Vhost>, disk: &FaultyStorage) -> FaultyStorage {
    vhost.close().expect("closes");
    drop(vhost);
    disk.crash(Crash::PowerAll)
}

/// The real machine, but that something else happens once at a yield point.
struct Meanwhile {
    place: &'static str,
    vhost: Arc<Vhost>,
    happened: AtomicBool,
}

impl Machine for Meanwhile {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn now_ms(&self) -> u64 {
        1
    }
    fn wall_ms(&self) -> u64 {
        1
    }
    fn yield_point(&self, place: &'static str) {
        if place == self.place && !self.happened.swap(true, Ordering::SeqCst) {
            reclaim(&self.vhost);
        }
    }
    fn spawn(&self, _: &str, _: Box<dyn FnOnce() + Send>) -> Arc<dyn Task> {
        unreachable!("nothing is started here")
    }
    fn park(&self, _: Option<Instant>) {
        std::thread::yield_now();
    }
    fn wait(&self) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_reclaim_between_locating_and_reading_loses_nothing() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let (kept, purged) = (declare(&vhost, "kept"), declare(&vhost, "purged"));
    for n in 0..400 {
        let queue = if n % 4 == 0 { &kept } else { &purged };
        publish(&vhost, &[queue], n, 300).expect("stored");
    }
    vhost.store().log.sync().expect("syncs");
    purge(&vhost, &purged);
    let before = vhost.store().log.stats().retired;
    let meanwhile = Arc::new(Meanwhile {
        place: "store: between locate and read",
        vhost: Arc::clone(&vhost),
        happened: AtomicBool::new(false),
    });
    sched::belong_to(Some(meanwhile.clone()));
    let taken = take(&vhost, &kept, usize::MAX);
    sched::belong_to(None);
    assert!(meanwhile.happened.load(Ordering::SeqCst));
    assert!(
        vhost.store().log.stats().retired > before + 5,
        "segments went while their messages were being read"
    );
    assert_eq!(taken, (0..400).step_by(4).collect::<Vec<_>>());
}

#[test]
fn two_that_give_space_back_at_once_do_not_disturb_each_other() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let (kept, purged) = (declare(&vhost, "kept"), declare(&vhost, "purged"));
    for n in 0..400 {
        let queue = if n % 10 == 0 { &kept } else { &purged };
        publish(&vhost, &[queue], n, 300).expect("stored");
    }
    vhost.store().log.sync().expect("syncs");
    purge(&vhost, &purged);
    let meanwhile = Arc::new(Meanwhile {
        place: "journal: between the last look and the removal",
        vhost: Arc::clone(&vhost),
        happened: AtomicBool::new(false),
    });
    sched::belong_to(Some(meanwhile.clone()));
    reclaim(&vhost);
    sched::belong_to(None);
    assert!(meanwhile.happened.load(Ordering::SeqCst));
    assert_eq!(vhost.store().log.state(), State::Healthy);
    assert_eq!(take(&vhost, &kept, usize::MAX), (0..400).step_by(10).collect::<Vec<_>>());
}

#[test]
fn what_one_queue_settled_does_not_come_back_with_the_copy_for_another() {
    let disk = FaultyStorage::new();
    let mut vhost = open(&disk);
    let (first, second, filler) = (declare(&vhost, "a"), declare(&vhost, "b"), declare(&vhost, "filler"));
    for n in 0..300 {
        publish(&vhost, &[&first, &second], n, 100).expect("stored");
        for _ in 0..3 {
            publish(&vhost, &[&filler], n, 100).expect("stored");
        }
    }
    assert_eq!(take(&vhost, &first, 200).len(), 200);
    purge(&vhost, &filler);
    reclaim(&vhost);
    let mut disk = stopped(vhost, &disk);
    // And once more: what is left of the holders is known after a restart too.
    for _ in 0..2 {
        vhost = open(&disk);
        let counts = |name: &str| vhost.find_queue(name).map(|queue| queue.counts().0);
        assert_eq!((counts("a"), counts("b"), counts("filler")), (Some(100), Some(300), Some(0)));
        let more = vhost.find_queue("filler").expect("there");
        for n in 0..600 {
            publish(&vhost, &[&more], n, 100).expect("stored");
        }
        purge(&vhost, &more);
        reclaim(&vhost);
        disk = stopped(vhost, &disk);
    }
    let vhost = open(&disk);
    let (first, second) = (vhost.find_queue("a").expect("there"), vhost.find_queue("b").expect("there"));
    assert_eq!(take(&vhost, &first, usize::MAX), (200..300).collect::<Vec<_>>());
    assert_eq!(take(&vhost, &second, usize::MAX), (0..300).collect::<Vec<_>>());
}

#[test]
fn a_list_of_settled_messages_that_outgrows_a_record_is_written_all_the_same() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    // Ids that lie far apart take the most room: 600,000 of them are several times the longest record.
    let stored = |n: u64| Stored { id: (1 << 40) + n * 1_000_000, size: 64, flags: 0 };
    let mut settled: Vec<_> = (0..600_000).map(|n| (9, stored(n))).collect();
    vhost.store().settle(&mut settled);
    assert!(settled.is_empty());
    vhost.store().close().expect("closes");
    drop(vhost);
    let mut named = 0;
    let visit = &mut |entry: journal::Entry<'_>| {
        if let Some(Record::Ack { queue: 9, ids }) = Record::decode(entry.kind, entry.index) {
            assert!(ids.len() <= records::MOST_ACKS);
            named += ids.len();
        }
    };
    let log = PathBuf::from(FOLDER).join("log");
    let disk = Arc::new(disk.crash(Crash::PowerAll));
    journal::Journal::open(&log, disk, journal::Config::default(), visit, Box::new(|_| {})).expect("opens");
    assert_eq!(named, 600_000);
}

#[test]
fn a_full_disk_that_is_consumed_comes_back_again_and_again() {
    let disk = FaultyStorage::new();
    let mut vhost = open(&disk);
    declare(&vhost, "q");
    declare(&vhost, "kept");
    disk.limit(Some(13 * SEGMENT));
    let mut disk = disk;
    for round in 0..10 {
        let (queue, kept) = (vhost.find_queue("q").expect("there"), vhost.find_queue("kept").expect("there"));
        let mut published = 0;
        // Some that stay among those that go, so that segments are not simply dead.
        if round == 0 {
            publish(&vhost, &[&kept], 4711, 100).expect("stored");
        }
        while publish(&vhost, &[&queue], published, 100).is_ok() {
            published += 1;
            // In every other round much is taken in that cannot be written when the disk turns out to be full.
            if round % 2 == 0 {
                let _ = vhost.store().log.sync();
            }
            assert!(published < 100_000, "round {round}: the disk is never full");
        }
        assert!(published > 200, "round {round}: {published} messages filled the disk");
        let taken = take(&vhost, &queue, usize::MAX);
        assert_eq!(taken, (0..published).collect::<Vec<_>>(), "round {round}");
        let until = Instant::now() + Duration::from_secs(30);
        while vhost.store().log.state() != State::Healthy || vhost.store().log.stats().segments > 6 {
            assert!(Instant::now() < until, "round {round}: no space back: {:?}", vhost.store().log.stats());
            reclaim(&vhost);
            std::thread::sleep(Duration::from_millis(2));
        }
        if round % 3 == 2 {
            disk = stopped(vhost, &disk);
            vhost = open(&disk);
            let back = vhost.find_queue("q").map(|queue| queue.counts().0);
            assert_eq!(back, Some(0), "round {round}: settled messages are back");
        }
    }
    let kept = vhost.find_queue("kept").expect("there");
    assert_eq!(take(&vhost, &kept, usize::MAX), [4711]);
}

#[test]
fn a_stop_on_a_full_disk_brings_nothing_back() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let queue = declare(&vhost, "q");
    disk.limit(Some(12 * SEGMENT));
    let mut published = 0;
    while published < 5000 && publish(&vhost, &[&queue], published, 100).is_ok() {
        published += 1;
        let _ = vhost.store().log.sync();
    }
    let taken = take(&vhost, &queue, usize::MAX);
    assert_eq!(taken.len(), published as usize);
    let disk = stopped(vhost, &disk);
    let back = open(&disk).find_queue("q").map(|queue| queue.counts().0);
    assert_eq!(back, Some(0));
}

#[test]
fn one_damaged_message_keeps_only_its_own_segment() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let (kept, purged) = (declare(&vhost, "kept"), declare(&vhost, "purged"));
    for n in 0..600 {
        let queue = if n % 10 == 0 { &kept } else { &purged };
        publish(&vhost, &[queue], n, 300).expect("stored");
    }
    vhost.store().log.sync().expect("syncs");
    let segments = vhost.store().log.stats().segments;
    let hurt = kept.lock().ready.front().map(|entry| entry.stored.id).expect("a message");
    let file = disk.paths().into_iter().filter(|path| path.starts_with(Path::new(FOLDER).join("log")));
    let first = file.filter(|path| path.extension().is_some_and(|e| e == "seg")).min().expect("a segment");
    // Into the body of the first message that stays.
    disk.flip_bit(&first, hurt + 200, 3);
    purge(&vhost, &purged);
    reclaim(&vhost);
    let left = vhost.store().log.stats().segments;
    assert!(left < segments / 3, "{segments} segments, {left} are left");
    assert_eq!(take(&vhost, &kept, usize::MAX), (10..600).step_by(10).collect::<Vec<_>>());
    reclaim(&vhost);
    assert!(vhost.store().log.stats().segments < 4, "and goes when the damaged message has been dropped");
}

#[test]
fn a_message_that_was_damaged_at_the_start_keeps_no_segment() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let queue = declare(&vhost, "q");
    for n in 0..100 {
        publish(&vhost, &[&queue], n, 300).expect("stored");
    }
    vhost.store().log.sync().expect("syncs");
    // In the second segment: the queue's declaration lives in the first.
    let hurt = queue.lock().ready.iter().nth(60).map(|entry| entry.stored.id).expect("a message");
    let base = vhost.store().log.segment_of(hurt).expect("there").base();
    let disk = disk.crash(Crash::Process);
    let segment = Path::new(FOLDER).join(format!("log/{base:016x}.seg"));
    // Without its header the file is read record by record; its index still tells of the one that is not shown.
    disk.flip_bit(&segment, 20, 3);
    disk.flip_bit(&segment, hurt - base + 16, 3);
    let vhost = open(&disk);
    let queue = vhost.find_queue("q").expect("there");
    let left: Vec<u32> = (0..100).filter(|n| *n != 60).collect();
    assert_eq!(take(&vhost, &queue, usize::MAX), left);
    for n in 0..400 {
        publish(&vhost, &[&queue], n, 300).expect("stored");
    }
    vhost.store().log.sync().expect("syncs");
    purge(&vhost, &queue);
    // Comes to its end, which is half of what is tested.
    reclaim(&vhost);
    assert_eq!(vhost.store().log.segment_of(hurt), None);
    assert!(vhost.store().log.stats().segments < 4, "{:?}", vhost.store().log.stats());
}

#[test]
fn what_found_the_disk_full_is_told_before_the_end() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let queue = declare(&vhost, "q");
    vhost.store().log.sync().expect("syncs");
    disk.limit(Some(disk.used()));
    let mut published = 0;
    // Faster than the disk is found full, so that nothing more fits anywhere.
    while published < 5000 && publish(&vhost, &[&queue], published, 300).is_ok() {
        published += 1;
    }
    let _ = vhost.store().log.sync();
    purge(&vhost, &queue);
    assert_eq!(queue.counts().0, 0);
    disk.limit(None);
    let disk = stopped(vhost, &disk);
    let back = open(&disk).find_queue("q").map(|queue| queue.counts().0);
    assert_eq!(back, Some(0), "of {published}");
}

#[test]
fn of_two_declarations_of_one_name_the_later_one_counts() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let older = declare(&vhost, "q");
    publish(&vhost, &[&older], 1, 50).expect("stored");
    // As a power cut leaves it that takes the deletion between the two.
    let record = Record::Queue { name: "q".to_owned(), auto_delete: false, arguments: FieldTable::new() };
    let (id, _) = vhost.store().define(&record).expect("stored");
    let mut disk = stopped(vhost, &disk);
    for _ in 0..2 {
        let vhost = open(&disk);
        let queue = vhost.find_queue("q").expect("there");
        assert_eq!((queue.id, queue.counts().0), (id, 0));
        disk = stopped(vhost, &disk);
    }
}

#[test]
fn a_queue_is_deleted_only_while_its_condition_holds() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let queue = declare(&vhost, "q");
    publish(&vhost, &[&queue], 1, 50).expect("stored");
    let if_empty = Condition::Asked { if_unused: false, if_empty: true };
    assert_eq!(vhost.delete_queue(&queue, if_empty), Err(Kept::NotEmpty));
    assert_eq!(vhost.delete_queue(&queue, Condition::Expired { now: u64::MAX }), Err(Kept::InUse));
    assert_eq!(take(&vhost, &queue, usize::MAX), [1]);
    assert_eq!(vhost.delete_queue(&queue, if_empty), Ok(0));
    assert_eq!(vhost.delete_queue(&queue, Condition::Always), Err(Kept::Gone));
    publish(&vhost, &[&queue], 2, 50).expect("a message that is on its way meets a deleted queue");
    assert_eq!(queue.counts().0, 0);
    let again = declare(&vhost, "q");
    publish(&vhost, &[&again], 3, 50).expect("stored");
    let disk = stopped(vhost, &disk);
    let vhost = open(&disk);
    let queue = vhost.find_queue("q").expect("there");
    assert_eq!(queue.id, again.id);
    assert_eq!(take(&vhost, &queue, usize::MAX), [3]);
}

#[test]
fn the_messages_of_a_deleted_queue_are_gone_after_a_kill() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let (queue, other) = (declare(&vhost, "q"), declare(&vhost, "other"));
    for n in 0..500 {
        publish(&vhost, &[&queue, &other], n, 100).expect("stored");
    }
    assert_eq!(vhost.delete_queue(&queue, Condition::Always), Ok(500));
    assert_eq!(take(&vhost, &other, 400).len(), 400);
    reclaim(&vhost);
    vhost.store().log.sync().expect("syncs");
    let disk = disk.crash(Crash::PowerAll);
    let vhost = open(&disk);
    assert!(vhost.find_queue("q").is_none());
    let other = vhost.find_queue("other").expect("there");
    assert_eq!(take(&vhost, &other, usize::MAX), (400..500).collect::<Vec<_>>());
    reclaim(&vhost);
    assert!(vhost.store().log.stats().segments < 4, "{:?}", vhost.store().log.stats());
}

#[test]
fn only_what_was_delivered_counts_as_redelivered_after_a_stop_in_good_order() {
    let disk = FaultyStorage::new();
    let vhost = open(&disk);
    let queue = declare(&vhost, "q");
    for n in 0..5 {
        publish(&vhost, &[&queue], n, 50).expect("stored");
    }
    for entry in queue.lock().ready.iter_mut().take(2) {
        entry.stored.flags |= Stored::REDELIVERED;
    }
    let flags = |vhost: &Arc<Vhost>| -> Vec<bool> {
        let queue = vhost.find_queue("q").expect("there");
        let state = queue.lock();
        state.ready.iter().map(|entry| entry.stored.has(Stored::REDELIVERED)).collect()
    };
    let mut disk = stopped(vhost, &disk);
    for _ in 0..2 {
        let vhost = open(&disk);
        assert_eq!(flags(&vhost), [true, true, false, false, false]);
        disk = stopped(vhost, &disk);
    }
    // A life that did nothing and was killed may have delivered all the same.
    let vhost = open(&disk);
    let disk = disk.crash(Crash::PowerAll);
    drop(vhost);
    let vhost = open(&disk);
    assert_eq!(flags(&vhost), [true; 5]);
}
