//! What the journal costs here: `cargo run --release -p journal --example journal_bench [dir] [records]`.
//! Prints append cost, commit latency, group commit throughput, reading, and the time of a start.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use journal::{Cause, Config, DiskStorage, Event, Journal, Record};

fn open(dir: &Path, listener: Box<dyn Fn(Event) + Send + Sync>) -> Journal {
    let opened = Journal::open(dir, Arc::new(DiskStorage), Config::default(), &mut |_| {}, listener);
    opened.expect("opens").0
}

fn append(dir: &Path, body: &[u8], count: u32) {
    let journal = open(dir, Box::new(|_| {}));
    let (mut busy, mut worst, started) = (Duration::ZERO, Duration::ZERO, Instant::now());
    for _ in 0..count / 1000 {
        let batch = Instant::now();
        for _ in 0..1000 {
            journal.append(Record { kind: 1, index: &[7; 40], body: &[body] }).expect("appends");
        }
        busy += batch.elapsed();
        worst = worst.max(batch.elapsed());
        // What a broker does: holds publishers back when the disk is behind.
        while journal.pending_bytes() > 64 << 20 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    journal.sync().expect("syncs");
    let all = started.elapsed();
    println!(
        "append {count} x {} B: {:.0} ns each, worst 1000 took {worst:?}; on disk after {all:?}, {:.0} MB/s",
        body.len(),
        busy.as_nanos() as f64 / f64::from(count),
        f64::from(count) * body.len() as f64 / 1e6 / all.as_secs_f64()
    );
    journal.close().expect("closes");
}

fn commits(dir: &Path, batch: usize, body: &[u8]) {
    let (tell, told) = channel();
    let listener = move |event| {
        if let Event::Durable(position) = event {
            let _ = tell.send(position);
        }
    };
    let journal = open(dir, Box::new(listener));
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        let begun = Instant::now();
        let mut end = 0;
        for _ in 0..batch {
            end = journal.append(Record { kind: 1, index: &[7; 40], body: &[body] }).expect("appends").end;
        }
        journal.commit(end);
        while told.recv().expect("the writer lives") < end {}
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "commit of {batch}: p50 {:?}, p99 {:?}, {:.0} records/s",
        at(0.5),
        at(0.99),
        (times.len() * batch) as f64 / started.elapsed().as_secs_f64()
    );
    journal.close().expect("closes");
}

fn start_and_read(dir: &Path) {
    let (mut places, mut bytes) = (Vec::new(), 0);
    let mut visit = |entry: journal::Entry<'_>| {
        places.push((entry.position, entry.size));
        bytes += u64::from(entry.size);
    };
    let opened = Journal::open(dir, Arc::new(DiskStorage), Config::default(), &mut visit, Box::new(|_| {}));
    let (journal, recovery) = opened.expect("opens");
    println!("start: {} records, {:.0} MB, in {:?}", recovery.entries, bytes as f64 / 1e6, recovery.elapsed);
    let each = |count: usize, took: Duration| took.as_nanos() as f64 / count as f64;
    let started = Instant::now();
    for group in places.chunks(100) {
        journal.read_many(group, &mut |_, body| assert!(body.is_ok()));
    }
    println!("read in hundreds: {:.0} ns each", each(places.len(), started.elapsed()));
    let some: Vec<_> = places.iter().step_by(37).collect();
    let started = Instant::now();
    some.iter().for_each(|(position, _)| assert!(journal.read(*position).is_ok()));
    println!("read one by one: {:.0} ns each", each(some.len(), started.elapsed()));
    let started = Instant::now();
    places.iter().for_each(|(position, size)| journal.release(Cause::replayed(), *position, *size));
    println!("release one by one: {:.0} ns each", each(places.len(), started.elapsed()));
    let started = Instant::now();
    while let Some(victim) = journal.victim() {
        journal.retire(victim).expect("retires");
    }
    println!("retire all: {:?}; {:?}", started.elapsed(), journal.stats());
    journal.close().expect("closes");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(|| std::env::temp_dir().join("journal-bench"), PathBuf::from);
    let records = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    drop(std::fs::remove_dir_all(&dir));
    append(&dir.join("small"), &[42; 16], records);
    append(&dir.join("kib"), &[42; 1024], records);
    start_and_read(&dir.join("kib"));
    commits(&dir.join("commit"), 1, &[42; 1024]);
    commits(&dir.join("commit"), 100, &[42; 1024]);
    drop(std::fs::remove_dir_all(&dir));
}
