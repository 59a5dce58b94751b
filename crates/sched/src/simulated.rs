//! A machine of its own for a simulator: its threads run one at a time, and a seed decides who goes on.
//!
//! A simulated thread is a thread of the system that runs only while it holds the baton. It may lose it at a yield
//! point, and does when it sleeps. The clock moves when everybody sleeps, and a little at each step. The thread that
//! [`Simulator::enter`]s is the driver: it can wait for the others ([`Simulator::settle`], [`Simulator::until`]).
//!
//! Whatever happens is a function of the seed, as long as threads talk to each other through this machine's points
//! only and never sleep or yield with a lock held.

mod pool;
mod schedule;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::schedule::{Schedule, Sleep};
use crate::machine::{Machine, Task, belong_to};

pub use self::schedule::Stuck;

/// A simulated machine. Clones are the same one.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    me: Weak<Inner>,
    schedule: Mutex<Schedule>,
    began: Instant,
}

thread_local! {
    /// The number of the simulated thread that this is.
    static SELF: Cell<usize> = const { Cell::new(0) };
}

/// How often a thread loses the baton at a yield point, in 256ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restlessness(pub u8);

/// What a machine did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Points passed.
    pub steps: u64,
    /// Times that the baton changed hands.
    pub switches: u64,
    /// A number that depends on all of it: two runs that have the same went the same way.
    pub hash: u64,
}

impl Simulator {
    /// A machine whose wall clock shows `wall_ms`.
    pub fn new(seed: u64, wall_ms: u64) -> Simulator {
        let schedule = Mutex::new(Schedule::new(seed, wall_ms));
        Simulator(Arc::new_cyclic(|me| Inner { me: me.clone(), schedule, began: Instant::now() }))
    }

    /// The calling thread becomes the driver for the time of `drive`, whose end is the end of the machine: threads
    /// that have not ended then stand still for good.
    pub fn enter<T>(&self, drive: impl FnOnce() -> T) -> T {
        self.0.schedule.lock().add_driver();
        SELF.set(0);
        belong_to(Some(self.0.clone()));
        let result = drive();
        belong_to(None);
        result
    }

    /// From here on the dice are those of `seed`.
    pub fn reseed(&self, seed: u64, restlessness: Restlessness) {
        self.0.schedule.lock().reseed(seed, restlessness);
    }

    /// The driver waits until all others sleep, without letting time pass for it.
    pub fn settle(&self) {
        if self.stuck().is_none() {
            self.0.sleep(Sleep::Idle);
        }
    }

    /// The driver lets `time` pass.
    pub fn pass(&self, time: Duration) {
        let until = self.0.schedule.lock().after(time);
        loop {
            if self.0.schedule.lock().clock() >= until || self.stuck().is_some() {
                return;
            }
            self.0.sleep(Sleep::Until(until));
        }
    }

    /// The driver waits until `look` says so. `false`: nothing happens any more.
    pub fn until(&self, mut look: impl FnMut() -> bool) -> bool {
        while !look() {
            if !self.0.sleep(Sleep::Look) {
                return look();
            }
        }
        true
    }

    /// The driver gives the baton to somebody else who can go on, if there is one.
    pub fn give_way(&self, place: &'static str) {
        self.0.give_way(place, true);
    }

    /// Sets the wall clock forth, or back.
    pub fn step_wall(&self, by_ms: i64) {
        self.0.schedule.lock().step_wall(by_ms);
    }

    /// What was done so far.
    pub fn steps(&self) -> Steps {
        self.0.schedule.lock().steps()
    }

    /// Mixes something that happened into the hash.
    pub fn note(&self, what: u64) {
        self.0.schedule.lock().mix(what);
    }

    /// The last points passed, oldest first: thread and place.
    pub fn trail(&self) -> Vec<String> {
        self.0.schedule.lock().trail()
    }

    /// How often each point was passed.
    pub fn places(&self) -> BTreeMap<&'static str, u64> {
        self.0.schedule.lock().places()
    }

    /// What threads panicked with.
    pub fn panics(&self) -> Vec<String> {
        self.0.schedule.lock().panics()
    }

    /// Why nothing goes on any more, if that is so.
    pub fn stuck(&self) -> Option<Stuck> {
        self.0.schedule.lock().stuck()
    }

    /// Threads that have not ended, the driver left out.
    pub fn alive(&self) -> Vec<String> {
        self.0.schedule.lock().alive()
    }
}

impl Inner {
    /// Sleeps. `false`: there is nobody who could wake this thread.
    fn sleep(&self, sleep: Sleep) -> bool {
        let me = SELF.get();
        let mut schedule = self.schedule.lock();
        let next = schedule.sleep(me, sleep);
        drop(schedule);
        self.hand_over(me, next);
        self.schedule.lock().woke(me)
    }

    fn give_way(&self, place: &'static str, always: bool) {
        let me = SELF.get();
        let mut schedule = self.schedule.lock();
        let next = schedule.pass_point(me, place, always);
        drop(schedule);
        self.hand_over(me, next);
    }

    /// `next` goes on; returns when it is `me`'s turn again.
    fn hand_over(&self, me: usize, next: usize) {
        if next == me {
            return;
        }
        let schedule = self.schedule.lock();
        let (mine, theirs) = (schedule.baton(me), schedule.baton(next));
        drop(schedule);
        theirs.give();
        mine.take();
    }

    /// The thread has ended.
    fn ended(&self, me: usize, panic: Option<String>) {
        let mut schedule = self.schedule.lock();
        let next = schedule.end(me, panic);
        let baton = schedule.baton(next);
        drop(schedule);
        if next != me {
            baton.give();
        }
    }
}

impl Machine for Inner {
    fn now(&self) -> Instant {
        self.began + self.schedule.lock().clock()
    }

    fn now_ms(&self) -> u64 {
        self.schedule.lock().steady_ms()
    }

    fn wall_ms(&self) -> u64 {
        self.schedule.lock().wall_ms()
    }

    fn yield_point(&self, place: &'static str) {
        self.give_way(place, false);
    }

    fn spawn(&self, name: &str, run: Box<dyn FnOnce() + Send>) -> Arc<dyn Task> {
        let (number, serial, baton) = self.schedule.lock().add(name);
        let (machine, me) = (self.me.upgrade(), self.me.clone());
        pool::run(Box::new(move || {
            let Some(machine) = machine else { return };
            SELF.set(number);
            belong_to(Some(machine.clone()));
            baton.take();
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            belong_to(None);
            machine.ended(number, ended.err().map(|panic| pool::text(panic.as_ref())));
        }));
        Arc::new(Thread { machine: me, number, serial })
    }

    fn park(&self, until: Option<Instant>) {
        let until = until.map(|at| at.saturating_duration_since(self.began));
        self.sleep(until.map_or(Sleep::Parked, Sleep::Until));
    }

    /// # Panics
    ///
    /// On the driver, where nothing can happen any more: it is in the core, and would never come back.
    #[allow(clippy::panic, reason = "the one way out of the core")]
    fn wait(&self) {
        if !self.sleep(Sleep::Look) && SELF.get() == 0 {
            let stuck = self.schedule.lock().stuck();
            std::panic::panic_any(format!("waits for ever: {stuck:?}"));
        }
    }
}

struct Thread {
    machine: Weak<Inner>,
    number: usize,
    serial: u64,
}

impl Task for Thread {
    fn wake(&self) {
        if let Some(machine) = self.machine.upgrade() {
            machine.schedule.lock().wake(self.number, self.serial);
        }
    }

    fn join(&self) {
        let Some(machine) = self.machine.upgrade().filter(|_| SELF.get() != self.number) else { return };
        while !machine.schedule.lock().has_ended(self.number, self.serial) {
            if !machine.sleep(Sleep::Look) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
