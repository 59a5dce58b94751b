//! Who goes on: the simulated threads, why they sleep, the dice and the clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::pool::Baton;
use super::{Restlessness, Steps};

/// The driver's number.
const DRIVER: usize = 0;
/// Points that are remembered for histories.
const TRAIL: usize = 64;
/// What a point costs of the simulated clock.
const TICK: Duration = Duration::from_micros(3);
/// Points that others may pass while a thread is held up for long.
const LONG: u32 = 1_500;
/// Numbers that places have: in each round those of one of them are slow.
const PLACES: u64 = 12;
/// So many sleeps of a thread one after the other, each until a time that has come, are no sleep any more.
const MOST_SPINS: u32 = 5_000;

/// Why a thread does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    /// Until it is woken.
    Parked,
    /// Until it is woken, or this time by the machine's clock.
    Until(Duration),
    /// Until this time, and no sooner: the machine has other things to do.
    Held(Duration),
    /// It looks again once somebody else has done something.
    Look,
    /// The driver: until nobody else can go on.
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Asleep(Sleep),
    Ended,
}

struct Known {
    name: Arc<str>,
    /// Sets apart those who had this number one after the other.
    serial: u64,
    state: State,
    /// Woken before it slept.
    token: bool,
    /// The work done by others when it last looked.
    looked: u64,
    /// Times that it slept until a time that had come, one after the other.
    spins: u32,
    /// It was woken because nothing could happen any more.
    in_vain: bool,
    place: &'static str,
    baton: Arc<Baton>,
}

/// Nothing goes on any more, and these wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Threads with the place they passed last, and how they wait.
    pub waiting: Vec<String>,
}

pub(super) struct Schedule {
    threads: Vec<Known>,
    /// Numbers of threads that have ended.
    free: Vec<usize>,
    serials: u64,
    dice: u64,
    restlessness: u8,
    /// Who comes by a place of this number is likely to be held up.
    slow: u64,
    clock: Duration,
    began_ms: u64,
    wall_offset_ms: i64,
    /// Grows with all that another thread may have waited for.
    work: u64,
    steps: Steps,
    trail: VecDeque<(Arc<str>, &'static str)>,
    places: BTreeMap<&'static str, u64>,
    panics: Vec<String>,
    stuck: Option<Stuck>,
}

impl Schedule {
    pub(super) fn new(seed: u64, began_ms: u64) -> Self {
        Schedule {
            threads: Vec::new(),
            free: Vec::new(),
            serials: 0,
            dice: seed,
            restlessness: 64,
            slow: 0,
            clock: Duration::ZERO,
            began_ms,
            wall_offset_ms: 0,
            work: 0,
            steps: Steps::default(),
            trail: VecDeque::with_capacity(TRAIL),
            places: BTreeMap::new(),
            panics: Vec::new(),
            stuck: None,
        }
    }

    pub(super) fn add_driver(&mut self) {
        if self.threads.is_empty() {
            self.add("driver");
        }
    }

    /// A new thread: its number, its serial, and its baton.
    pub(super) fn add(&mut self, name: &str) -> (usize, u64, Arc<Baton>) {
        let baton = Arc::new(Baton::new());
        self.serials += 1;
        let known = Known {
            name: Arc::from(name),
            serial: self.serials,
            state: State::Ready,
            token: false,
            looked: 0,
            spins: 0,
            in_vain: false,
            place: "its beginning",
            baton: Arc::clone(&baton),
        };
        self.work += 1;
        let number = self.free.pop().unwrap_or(self.threads.len());
        match self.threads.get_mut(number) {
            Some(place) => *place = known,
            None => self.threads.push(known),
        }
        (number, self.serials, baton)
    }

    pub(super) fn reseed(&mut self, seed: u64, restlessness: Restlessness) {
        self.dice = seed;
        self.restlessness = restlessness.0;
        self.slow = self.throw() % PLACES;
    }

    pub(super) fn baton(&self, number: usize) -> Arc<Baton> {
        Arc::clone(&self.threads[number].baton)
    }

    pub(super) fn clock(&self) -> Duration {
        self.clock
    }

    pub(super) fn after(&self, time: Duration) -> Duration {
        self.clock + time
    }

    pub(super) fn steady_ms(&self) -> u64 {
        self.began_ms + self.clock.as_millis() as u64
    }

    pub(super) fn wall_ms(&self) -> u64 {
        self.steady_ms().saturating_add_signed(self.wall_offset_ms)
    }

    pub(super) fn step_wall(&mut self, by_ms: i64) {
        self.wall_offset_ms += by_ms;
    }

    pub(super) fn steps(&self) -> Steps {
        self.steps
    }

    pub(super) fn mix(&mut self, what: u64) {
        self.steps.hash = (self.steps.hash ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    pub(super) fn trail(&self) -> Vec<String> {
        self.trail.iter().map(|(who, place)| format!("{who}: {place}")).collect()
    }

    pub(super) fn places(&self) -> BTreeMap<&'static str, u64> {
        self.places.clone()
    }

    pub(super) fn panics(&self) -> Vec<String> {
        self.panics.clone()
    }

    pub(super) fn stuck(&self) -> Option<Stuck> {
        self.stuck.clone()
    }

    pub(super) fn alive(&self) -> Vec<String> {
        let others = self.threads.iter().skip(1).filter(|known| known.state != State::Ended);
        others.map(|known| format!("{}, after {}, {:?}", known.name, known.place, known.state)).collect()
    }

    pub(super) fn has_ended(&self, number: usize, serial: u64) -> bool {
        let known = &self.threads[number];
        known.serial != serial || known.state == State::Ended
    }

    pub(super) fn wake(&mut self, number: usize, serial: u64) {
        if self.has_ended(number, serial) {
            return;
        }
        let known = &mut self.threads[number];
        match known.state {
            State::Asleep(Sleep::Parked | Sleep::Until(_)) => known.state = State::Ready,
            _ => known.token = true,
        }
    }

    /// The thread came by a point; returns who goes on.
    pub(super) fn pass_point(&mut self, me: usize, place: &'static str, always: bool) -> usize {
        self.threads[me].place = place;
        *self.places.entry(place).or_default() += 1;
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        self.trail.push_back((self.threads[me].name.clone(), place));
        self.work += 1;
        self.clock += TICK;
        self.steps.steps += 1;
        self.mix(me as u64 ^ (place.len() as u64) << 32);
        let thrown = self.throw();
        let is_slow = number(place) % PLACES == self.slow;
        if !always && !is_slow && (thrown & 255) as u8 >= self.restlessness {
            return me;
        }
        let lot = if is_slow { 1 } else { 15 };
        if !always && me != DRIVER && thrown >> 8 & lot == 0 {
            // Held up for long: others may do much meanwhile.
            let long = TICK * ((thrown >> 12) as u32 % LONG);
            self.threads[me].state = State::Asleep(Sleep::Held(self.clock + long));
            return self.next(me);
        }
        self.choose(me, |number| !(always && number == me)).unwrap_or(me)
    }

    /// The thread sleeps; returns who goes on, which may be the same.
    pub(super) fn sleep(&mut self, me: usize, sleep: Sleep) -> usize {
        let work = self.work;
        let known = &mut self.threads[me];
        let parks = matches!(sleep, Sleep::Parked | Sleep::Until(_));
        if parks && std::mem::take(&mut known.token) {
            known.state = State::Ready;
        } else {
            // Who only looked and found nothing has done nothing that others wait for.
            known.state = State::Asleep(sleep);
            if parks && me != DRIVER {
                self.work += 1;
            }
            self.threads[me].looked = if sleep == Sleep::Look { work } else { 0 };
        }
        self.steps.steps += 1;
        let clock = self.clock;
        let known = &mut self.threads[me];
        let spins = matches!(sleep, Sleep::Until(at) if at <= clock);
        known.spins = if spins { known.spins + 1 } else { 0 };
        if me != DRIVER && known.spins > MOST_SPINS {
            return self.give_up(me);
        }
        self.next(me)
    }

    fn next(&mut self, me: usize) -> usize {
        loop {
            if let Some(next) = self.choose(me, |_| true) {
                return next;
            }
            let held = self.threads.iter().filter_map(|known| match known.state {
                State::Asleep(Sleep::Held(until)) => Some(until),
                _ => None,
            });
            if let Some(until) = held.min() {
                self.clock = self.clock.max(until);
                continue;
            }
            if self.threads[DRIVER].state == State::Asleep(Sleep::Idle) {
                return self.run(me, DRIVER);
            }
            // Everybody sleeps: it is as late as the first of them waits for.
            let due = self.threads.iter().filter_map(|known| match known.state {
                State::Asleep(Sleep::Until(at)) => Some(at),
                _ => None,
            });
            let Some(due) = due.min() else { break };
            self.clock = self.clock.max(due);
            self.work += 1;
        }
        self.give_up(me)
    }

    /// Nothing will ever happen again, or the same for ever. The driver is told so.
    fn give_up(&mut self, me: usize) -> usize {
        let waiting = self.threads.iter().filter(|known| known.state != State::Ended);
        let waiting =
            waiting.map(|known| format!("{}, after {}, {:?}", known.name, known.place, known.state));
        self.stuck = Some(Stuck { waiting: waiting.collect() });
        self.threads[DRIVER].in_vain = true;
        self.run(me, DRIVER)
    }

    /// Throws dice for one of those who can go on.
    fn choose(&mut self, me: usize, may: impl Fn(usize) -> bool) -> Option<usize> {
        let (clock, work) = (self.clock, self.work);
        let can_go_on = |known: &Known| match known.state {
            State::Ready => true,
            State::Asleep(Sleep::Until(at) | Sleep::Held(at)) => at <= clock,
            State::Asleep(Sleep::Look) => known.looked != work,
            State::Asleep(Sleep::Parked | Sleep::Idle) | State::Ended => false,
        };
        let all = || self.threads.iter().enumerate().filter(|(n, known)| may(*n) && can_go_on(known));
        let count = all().count();
        let nth = match count {
            0 => return None,
            1 => 0,
            _ => (next_dice(self.dice).1 % count as u64) as usize,
        };
        let next = all().nth(nth)?.0;
        if count > 1 {
            self.throw();
        }
        Some(self.run(me, next))
    }

    fn run(&mut self, me: usize, next: usize) -> usize {
        self.threads[next].state = State::Ready;
        if next != me {
            self.steps.switches += 1;
            self.mix(next as u64 + 1);
        }
        next
    }

    /// The thread runs again. `false`: because nothing else could happen.
    pub(super) fn woke(&mut self, me: usize) -> bool {
        !std::mem::take(&mut self.threads[me].in_vain)
    }

    /// The thread has ended; returns who goes on.
    pub(super) fn end(&mut self, me: usize, panic: Option<String>) -> usize {
        self.threads[me].state = State::Ended;
        self.free.push(me);
        if let Some(panic) = panic {
            self.panics.push(format!("{}: {panic}", self.threads[me].name));
        }
        self.work += 1;
        self.next(me)
    }

    fn throw(&mut self) -> u64 {
        let (dice, thrown) = next_dice(self.dice);
        self.dice = dice;
        thrown
    }
}

/// A place's number, the same in every process.
fn number(place: &str) -> u64 {
    place.bytes().fold(0, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()))
}

/// splitmix64.
fn next_dice(dice: u64) -> (u64, u64) {
    let dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = dice;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (dice, (z ^ (z >> 31)) >> 8)
}
