//! On the real disk: many threads at once, restarts, the lock.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{ACK, Listener, MESSAGE, body, ids, silent};
use journal::{Config, DiskStorage, Entry, Error, Event, Journal, Position, Record, Recovery};

fn open(dir: &Path, config: Config, listener: Listener) -> Result<(Journal, Recovery, u64), Error> {
    let mut count = 0;
    let mut visit = |_: Entry<'_>| count += 1;
    let (journal, recovery) = Journal::open(dir, Arc::new(DiskStorage), config, &mut visit, listener)?;
    Ok((journal, recovery, count))
}

#[test]
fn restarts_keep_everything_and_a_second_process_is_refused() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("deep/er");
    let mut places = Vec::new();
    for round in 0..4_u64 {
        let (journal, recovery, count) = open(&dir, Config::default(), silent()).expect("opens");
        assert_eq!(count, round * 100);
        assert!(recovery.damages.is_empty() && recovery.torn_tail.is_none());
        assert!(matches!(open(&dir, Config::default(), silent()), Err(Error::InUse { .. })));
        for n in 0..100 {
            let body = body(n, 3000);
            let record = Record { kind: MESSAGE, index: &n.to_le_bytes(), body: &[&body] };
            places.push((journal.append(record).expect("taken").position, body));
        }
        for (position, body) in &places {
            assert_eq!(&journal.read(*position).expect("there"), body);
        }
        match round % 2 {
            0 => journal.close().expect("closes"),
            _ => drop(journal),
        }
    }
}

#[test]
fn a_commit_is_told_soon_and_never_early() {
    let home = tempfile::tempdir().expect("a folder");
    let (tell, told) = channel();
    let listener = Box::new(move |event| tell.send(event).unwrap_or_default());
    let (journal, ..) = open(home.path(), Config::default(), listener).expect("opens");
    for n in 0..200 {
        let body = body(n, 100);
        let end = journal.append(Record { kind: MESSAGE, index: b"", body: &[&body] }).expect("taken").end;
        assert!(journal.durable() < end, "nobody asked yet, and it is not half a second later");
        journal.commit(end);
        match told.recv_timeout(Duration::from_secs(30)).expect("told") {
            Event::Durable(position) => assert_eq!(position, end),
            other => panic!("{other:?}"),
        }
    }
    // Nobody asks: durable all the same, a little later.
    let end = journal.append(Record { kind: MESSAGE, index: b"", body: &[] }).expect("taken").end;
    let told = told.recv_timeout(Duration::from_secs(30)).expect("told");
    assert_eq!(told, Event::Durable(end));
}

/// Publishes, commits and reads back, three of them at once.
fn publisher(journal: &Journal, seed: u64, rounds: u64, out: &std::sync::mpsc::Sender<(Position, u32)>) {
    for n in 0..rounds {
        let content = body(seed + n, 50 + (n as usize * 37) % 3000);
        let record =
            Record { kind: MESSAGE, index: &seed.to_le_bytes(), body: &[&content[..20], &content[20..]] };
        let appended = journal.append(record).expect("taken");
        assert_eq!(journal.read(appended.position).expect("at once"), content);
        if n % 7 == 0 {
            journal.commit(appended.end);
        }
        if n % 500 == 0 {
            journal.sync().expect("syncs");
            assert!(journal.durable() >= appended.end);
            assert_eq!(journal.read(appended.position).expect("from the file"), content);
        }
        out.send((appended.position, appended.size)).expect("the consumer lives");
    }
}

/// Acks and releases all but each hundredth, which are the result.
fn consume(journal: &Journal, receive: Receiver<(Position, u32)>, done: &AtomicBool) -> Vec<Position> {
    let mut kept = Vec::new();
    for (n, (position, size)) in receive.into_iter().enumerate() {
        if n % 100 == 0 {
            kept.push(position);
            continue;
        }
        let ack =
            journal.append(Record { kind: ACK, index: &position.to_le_bytes(), body: &[] }).expect("taken");
        journal.release(ack.cause(), position, size);
    }
    done.store(true, Ordering::SeqCst);
    kept
}

#[test]
fn many_threads_append_read_ack_and_reclaim_at_once() {
    let home = tempfile::tempdir().expect("a folder");
    let config = Config { segment_bytes: 256 << 10, ..Config::default() };
    let told = Arc::new(AtomicU64::new(0));
    let seen = told.clone();
    let listener = Box::new(move |event| {
        if let Event::Durable(position) = event {
            assert!(seen.swap(position, Ordering::SeqCst) < position, "durable only grows");
        }
    });
    let (journal, ..) = open(home.path(), config, listener).expect("opens");
    let (send, receive) = channel();
    let done = AtomicBool::new(false);
    let kept = thread::scope(|scope| {
        for seed in 1..=3_u64 {
            let (journal, send) = (journal.clone(), send.clone());
            scope.spawn(move || publisher(&journal, seed * 1_000_000, 3000, &send));
        }
        drop(send);
        let consumer = scope.spawn(|| consume(&journal, receive, &done));
        // Retires what needs no copies while all this goes on.
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                if let Some(victim) = journal.victim() {
                    let mut needed = 0;
                    let look = |e: Entry<'_>| match e.kind {
                        MESSAGE => needed += u64::from(e.size),
                        _ => {
                            needed +=
                                ids(e.index).filter(|id| journal.holds_elsewhere(*id, victim)).count() as u64
                        }
                    };
                    journal.entries(victim, &mut { look }).expect("entries");
                    if needed == 0 {
                        journal.retire(victim).expect("retires");
                    }
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        consumer.join().expect("consumes")
    });
    assert_eq!(kept.len(), 90);
    for position in &kept {
        journal.read(*position).expect("still there");
    }
    journal.close().expect("closes");
    assert_eq!(told.load(Ordering::SeqCst), journal.durable());
}

#[test]
fn a_start_reads_footers_and_not_bodies() {
    let home = tempfile::tempdir().expect("a folder");
    let records = std::env::var("JOURNAL_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000_u64);
    let (journal, ..) = open(home.path(), Config::default(), silent()).expect("opens");
    let body = body(1, 64);
    for n in 0..records {
        journal.append(Record { kind: MESSAGE, index: &n.to_le_bytes(), body: &[&body] }).expect("taken");
    }
    journal.close().expect("closes");
    drop(journal);
    let started = Instant::now();
    let (_, recovery, count) = open(home.path(), Config::default(), silent()).expect("opens");
    println!("replayed {count} records in {:?}", started.elapsed());
    assert_eq!((count, recovery.entries), (records, records));
}
