use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::{Signal, now_ms, park, spawn, yield_point};

/// Three threads write down in which order they came by their points.
fn race(seed: u64) -> (Vec<(u64, u64)>, Steps) {
    let machine = Simulator::new(seed, 1000);
    let seen = Arc::new(Mutex::new(Vec::new()));
    machine.enter(|| {
        for name in 0..3 {
            let seen = Arc::clone(&seen);
            let racer = move || {
                for step in 0..20 {
                    seen.lock().push((name, step));
                    yield_point("racing");
                }
            };
            drop(spawn("racer", racer));
        }
        machine.settle();
        assert!(machine.alive().is_empty());
    });
    let seen = seen.lock().clone();
    (seen, machine.steps())
}

#[test]
fn one_seed_goes_one_way_and_another_seed_another() {
    let first = race(7);
    assert_eq!(first, race(7));
    assert_eq!(first.0.len(), 60);
    assert_ne!(first.0, race(8).0);
}

#[test]
fn time_passes_when_everybody_sleeps() {
    let machine = Simulator::new(1, 5000);
    let woken = Arc::new(AtomicU64::new(0));
    machine.enter(|| {
        let at = crate::now() + Duration::from_secs(3600);
        let seen = Arc::clone(&woken);
        drop(spawn("sleeper", move || {
            park(Some(at));
            seen.store(now_ms(), Ordering::Relaxed);
        }));
        machine.settle();
        assert_eq!(woken.load(Ordering::Relaxed), 0, "waiting for others lets no time pass");
        machine.pass(Duration::from_secs(4000));
    });
    assert_eq!(woken.load(Ordering::Relaxed), 5000 + 3_600_000);
}

#[test]
fn a_wait_ends_when_another_thread_has_done_its_part() {
    let machine = Simulator::new(3, 0);
    machine.enter(|| {
        let (signal, done) = (Arc::new(Signal::default()), Arc::new(AtomicU64::new(0)));
        let (tell, does) = (Arc::clone(&signal), Arc::clone(&done));
        let worker = spawn("worker", move || {
            yield_point("at work");
            does.store(1, Ordering::Relaxed);
            tell.notify();
            park(None);
        })
        .unwrap();
        let found = signal.wait(|| (done.load(Ordering::Relaxed) == 1).then_some(5));
        assert_eq!(found, 5);
        worker.wake();
        worker.join();
        assert!(machine.alive().is_empty());
    });
}

#[test]
fn no_progress_is_told_with_who_waits() {
    let machine = Simulator::new(3, 0);
    machine.enter(|| {
        drop(spawn("sleeper", || {
            yield_point("the last place");
            park(None);
        }));
        assert!(!machine.until(|| false));
        let stuck = machine.stuck().unwrap();
        assert!(stuck.waiting.iter().any(|line| line.contains("the last place")), "{stuck:?}");
    });
}

#[test]
fn a_panic_is_told_and_stops_nobody_else() {
    let machine = Simulator::new(3, 0);
    machine.enter(|| {
        drop(spawn("careless", || panic!("as expected")));
        machine.settle();
    });
    assert_eq!(machine.panics(), ["careless: as expected"]);
}
