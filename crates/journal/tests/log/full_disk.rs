//! No space, and syncs that fail: said so, nothing lost, nothing confirmed that is not stored.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::{ACK, Listener, MESSAGE, Owner, body, open, segments, silent, small};
use journal::fault::{Crash, FaultyStorage};
use journal::{Config, Error, Event, Record, State};

fn listened() -> (Listener, Receiver<Event>) {
    let (tell, told) = channel();
    (Box::new(move |event| tell.send(event).unwrap_or_default()), told)
}

/// The next event other than `Durable`.
fn news(events: &Receiver<Event>) -> Event {
    loop {
        match events.recv_timeout(Duration::from_secs(10)).expect("an event") {
            Event::Durable(_) => {}
            event => return event,
        }
    }
}

#[test]
fn a_full_disk_refuses_keeps_what_it_took_and_goes_on_when_space_is_back() {
    let disk = FaultyStorage::new();
    disk.limit(Some(5 * (16 << 10)));
    let (listener, events) = listened();
    let mut owner = Owner::open(&disk, small(), listener).expect("opens");
    let mut contents = HashMap::new();
    let refused = loop {
        let n = contents.len() as u64;
        let content = (body(n, 20), body(n, 700));
        match owner.publish(&content.0, &content.1) {
            Ok((id, _)) => drop(contents.insert(id, content)),
            Err(error) => break error,
        }
        owner.journal.sync().ok();
    };
    assert!(matches!(&refused, Error::Full(why) if why.contains("reserve space")), "{refused}");
    assert!(matches!(news(&events), Event::Full(_)));
    assert_eq!(owner.journal.state(), State::Full);
    owner.journal.sync().expect("what was taken fits: the warning came early");
    owner.verify(&contents);
    // Consumers make room: acknowledgements are taken, dead segments are retired, and it goes on.
    let all: Vec<_> = owner.live.keys().copied().collect();
    owner.ack(&all[..all.len() / 2]).expect("acks are taken");
    assert!(owner.reclaim().expect("reclaims") > 0);
    assert_eq!(news(&events), Event::SpaceBack);
    assert_eq!(owner.journal.state(), State::Healthy);
    let content = (b"after".to_vec(), b"wards".to_vec());
    let (id, _) = owner.publish(&content.0, &content.1).expect("taken again");
    contents.insert(id, content);
    owner.journal.sync().expect("syncs");
    let disk = disk.crash(Crash::PowerAll);
    let after = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(after.live.keys().collect::<Vec<_>>(), owner.live.keys().collect::<Vec<_>>());
    after.verify(&contents);
}

#[test]
fn what_does_not_fit_is_kept_in_memory_until_it_does() {
    let disk = FaultyStorage::new();
    disk.limit(Some(3 * (16 << 10)));
    let (listener, events) = listened();
    let mut owner = Owner::open(&disk, small(), listener).expect("opens");
    let mut contents = HashMap::new();
    // The last one is more than the disk has: taken before anyone could know.
    for (n, len) in [700, 700, 700, 700, 60_000].into_iter().enumerate() {
        let content = (body(n as u64, 20), body(n as u64, len));
        let (id, _) = owner.publish(&content.0, &content.1).expect("taken");
        contents.insert(id, content);
    }
    assert!(matches!(owner.journal.sync(), Err(Error::Full(_))));
    assert!(matches!(news(&events), Event::Full(_)));
    assert!(matches!(owner.ack(&[]), Err(Error::Full(_))), "nothing is taken that cannot be written");
    owner.verify(&contents);
    disk.limit(None);
    assert_eq!(news(&events), Event::SpaceBack);
    owner.journal.sync().expect("all of it written");
    let disk = disk.crash(Crash::PowerAll);
    let after = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(after.live.len(), contents.len());
    after.verify(&contents);
}

#[test]
fn a_dead_segment_can_be_retired_while_nothing_can_be_written() {
    let disk = FaultyStorage::new();
    disk.limit(Some(4 * (16 << 10)));
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    for n in 0..18 {
        owner.publish(&body(n, 20), &body(n, 700)).expect("taken");
    }
    let all: Vec<_> = owner.live.keys().copied().collect();
    owner.ack(&all[..17]).expect("acks");
    owner.journal.sync().expect("syncs");
    owner.publish(b"", &body(1, 60_000)).expect("taken");
    assert!(matches!(owner.journal.sync(), Err(Error::Full(_))));
    let victim = owner.journal.victim().expect("the first segment is dead");
    assert_eq!(owner.empty(victim).expect("nothing to copy"), 0);
    owner.journal.retire(victim).expect("its acks are on disk: no need to wait");
}

#[test]
fn a_failed_sync_is_the_end_until_restart() {
    let disk = FaultyStorage::new();
    let (listener, events) = listened();
    let mut owner = Owner::open(&disk, small(), listener).expect("opens");
    let (first, end) = owner.publish(b"a", b"stored").expect("taken");
    owner.journal.sync().expect("syncs");
    assert_eq!(owner.journal.durable(), end);
    disk.fail_sync(1);
    let (second, later) = owner.publish(b"b", b"not stored").expect("taken");
    owner.journal.commit(later);
    let Event::Failed(text) = news(&events) else { panic!("not failed") };
    for part in [".seg", "error", "Check the disk", "restart"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(owner.journal.state(), State::Failed);
    assert_eq!(owner.journal.durable(), end, "no second sync made it durable");
    assert!(matches!(owner.publish(b"", b""), Err(Error::Failed(_))));
    assert!(matches!(
        owner.journal.append(Record { kind: ACK, index: b"", body: &[] }),
        Err(Error::Failed(_))
    ));
    assert!(matches!(owner.journal.sync(), Err(Error::Failed(_))));
    assert!(owner.journal.close().is_err());
    assert!(events.try_recv().is_err(), "nothing is durable after a failure");
    drop(owner);
    // The process restarts, the kernel still shows the lost page: what is served now must be on the disk.
    let disk = disk.crash(Crash::Process);
    let owner = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(owner.live.keys().copied().collect::<Vec<_>>(), [first, second]);
    drop(owner);
    let disk = disk.crash(Crash::PowerAll);
    let owner = Owner::open(&disk, small(), silent()).expect("opens");
    assert_eq!(owner.live.keys().copied().collect::<Vec<_>>(), [first, second]);
    assert_eq!(owner.journal.read(second).expect("there"), b"not stored");
}

#[test]
fn a_closed_journal_takes_nothing_and_has_stored_everything() {
    let disk = FaultyStorage::new();
    let (journal, _) = open(&disk, small()).expect("opens");
    let end = journal.append(Record { kind: MESSAGE, index: b"i", body: &[b"b"] }).expect("taken").end;
    journal.close().expect("closes");
    assert_eq!(journal.durable(), end);
    assert!(matches!(journal.append(Record { kind: MESSAGE, index: b"", body: &[] }), Err(Error::Closed)));
    journal.close().expect("once more");
    assert!(matches!(journal.sync(), Ok(())), "there is nothing that is not durable");
}

#[test]
fn a_disk_that_hangs_holds_up_nobody_who_does_not_wait_for_it() {
    let disk = FaultyStorage::new();
    let (listener, events) = listened();
    let mut owner = Owner::open(&disk, small(), listener).expect("opens");
    disk.hang(true);
    let (id, end) = owner.publish(b"", b"waits").expect("taken");
    owner.journal.commit(end);
    assert_eq!(owner.journal.read(id).expect("from memory"), b"waits");
    assert!(events.recv_timeout(Duration::from_millis(50)).is_err(), "nothing is durable yet");
    disk.hang(false);
    assert_eq!(events.recv_timeout(Duration::from_secs(10)), Ok(Event::Durable(end)));
}

#[test]
fn how_long_a_disk_has_not_answered_is_known() {
    let until = |what: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(10);
        while !what() {
            assert!(Instant::now() < end, "it did not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    until(&|| owner.journal.outstanding_for().is_none());
    disk.hang(true);
    let (_, end) = owner.publish(b"", b"waits").expect("taken");
    owner.journal.commit(end);
    let asked = Instant::now();
    until(&|| owner.journal.outstanding_for() > Some(Duration::from_millis(200)));
    assert!(owner.journal.outstanding_for().expect("it hangs") <= asked.elapsed() + Duration::from_secs(1));
    disk.hang(false);
    owner.journal.sync().expect("syncs");
    until(&|| owner.journal.outstanding_for().is_none());
}

#[test]
fn a_write_that_fails_is_the_end_until_restart() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let (first, _) = owner.publish(b"", b"stored").expect("taken");
    owner.journal.sync().expect("syncs");
    disk.fail_write(1);
    owner.publish(b"", b"not stored").expect("taken");
    assert!(matches!(owner.journal.sync(), Err(Error::Failed(_))));
    let after = Owner::open(&disk.crash(Crash::PowerAll), small(), silent()).expect("opens");
    assert_eq!(after.live.keys().copied().collect::<Vec<_>>(), [first]);
}

#[test]
fn a_lack_of_descriptors_passes_like_a_lack_of_space() {
    let disk = FaultyStorage::new();
    let (listener, events) = listened();
    let mut owner = Owner::open(&disk, small(), listener).expect("opens");
    let mut contents = HashMap::new();
    for n in 0..60 {
        if n == 10 {
            disk.no_descriptors(3);
        }
        let content = (body(n, 20), body(n, 700));
        // Refused while there are none, and taken again a second later.
        let id = loop {
            match owner.publish(&content.0, &content.1) {
                Ok((id, _)) => break id,
                Err(Error::Full(why)) => {
                    assert!(why.contains("Too many open files"), "{why}");
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("{error}"),
            }
        };
        contents.insert(id, content);
        owner.journal.sync().ok();
    }
    assert!(matches!(news(&events), Event::Full(_)));
    assert_eq!(news(&events), Event::SpaceBack);
    owner.journal.close().expect("closes");
    drop(owner);
    let owner = Owner::open(&disk.crash(Crash::PowerAll), small(), silent()).expect("opens");
    assert_eq!(owner.live.len(), 60);
    owner.verify(&contents);
}

/// Processor time of this process so far, in hundredths of a second. Each test has a process of its own (nextest).
fn processor_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("read");
    let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

/// The log's thread sleeps while there is nothing that it can do.
fn assert_sleeps(what: &str) {
    let before = processor_time();
    std::thread::sleep(Duration::from_millis(2500));
    let took = processor_time() - before;
    assert!(took < 50, "{what}: {took} ticks of 250");
}

/// All that was taken before is on disk; but acknowledgements were refused since.
#[test]
fn a_failed_journal_does_not_close_in_good_order() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    owner.publish(b"index", &body(1, 700)).expect("taken");
    owner.journal.sync().expect("syncs");
    // The word of how far the log is, about a second later.
    disk.fail_write(1);
    crate::support::until(|| owner.journal.state() == State::Failed);
    assert!(matches!(owner.journal.close(), Err(Error::Failed(_))));
}

#[test]
fn waiting_costs_no_processor_time() {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    owner.publish(b"index", &body(1, 700)).expect("taken");
    owner.journal.sync().expect("syncs");
    // Over the moment at which the manifest is told how far the log is.
    assert_sleeps("nothing to do");
    disk.limit(Some(disk.used()));
    // This is written, and due to be synced; what follows needs a segment of its own, and is taken before the disk is
    // found full.
    owner.publish(b"index", &body(2, 700)).expect("taken");
    std::thread::sleep(Duration::from_millis(100));
    owner.publish(b"index", &body(2, 100_000)).expect("taken");
    assert!(owner.journal.sync().is_err(), "no room");
    assert_sleeps("no room for what was taken");
}

#[test]
fn scratch_files_of_two_earlier_lives_go_together() {
    let scratch = Config { durable: false, ..small() };
    let write = |disk: &FaultyStorage| {
        let (journal, _) = open(disk, scratch).expect("opens");
        for n in 0..60 {
            journal.append(Record { kind: MESSAGE, index: &[], body: &[&body(n, 700)] }).expect("appends");
        }
        journal.sync().expect("syncs");
    };
    let (earlier, later) = (FaultyStorage::new(), FaultyStorage::new());
    write(&earlier);
    write(&later);
    // As a power cut leaves them that takes the word of a removal, when all else of the earlier life was gone before.
    let old = segments(&earlier).into_iter().nth(1).expect("a second segment");
    later.put(&old, earlier.bytes(&old).expect("there"));
    write(&later);
}

/// Publishes and acknowledges over many segments, with reclaims, while the openings from the `nth` on fail so many times.
fn lives_without_descriptors(nth: u64, times: u64) {
    let disk = FaultyStorage::new();
    let mut owner = Owner::open(&disk, small(), silent()).expect("opens");
    let mut contents = HashMap::new();
    disk.no_descriptors_after(nth, times);
    for n in 0..900 {
        let content = (body(n, 20), body(n, 700));
        let id = loop {
            match owner.publish(&content.0, &content.1) {
                Ok((id, _)) => break id,
                Err(Error::Full(_)) => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => panic!("{nth}: {error}"),
            }
        };
        contents.insert(id, content);
        if n % 100 == 99 {
            while let Err(error) = owner.journal.sync() {
                assert!(matches!(error, Error::Full(_)), "{nth}: {error}");
                std::thread::sleep(Duration::from_millis(20));
            }
            let done: Vec<_> = contents.keys().copied().filter(|id| id % 3 != 0).collect();
            // What is refused now stays for the next time.
            if owner.ack(&done).is_ok() {
                contents.retain(|id, _| !done.contains(id));
                drop(owner.reclaim());
            }
        }
    }
    owner.journal.close().unwrap_or_else(|error| panic!("{nth}: {error}"));
    drop(owner);
    disk.no_descriptors(0);
    let owner = Owner::open(&disk.crash(Crash::PowerAll), small(), silent());
    let owner = owner.unwrap_or_else(|error| panic!("{nth}: {error}"));
    assert_eq!(owner.live.len(), contents.len(), "{nth}");
    owner.verify(&contents);
}

#[test]
fn a_lack_of_descriptors_passes_wherever_it_comes() {
    for nth in (0..160).step_by(40) {
        std::thread::scope(|scope| {
            for nth in nth..nth + 40 {
                scope.spawn(move || lives_without_descriptors(nth, 1 + nth % 3));
            }
        });
    }
}
