//! Carries out a plan on a simulated machine, and judges by the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use broker::Settings;
use broker::simulation::SimulatedNode;
use journal::fault::{Crash, FaultyStorage};
use parking_lot::Mutex;
use sched::simulated::{Restlessness, Simulator, Steps};

use crate::client::{self, Desk, Order, World};
use crate::dice::Dice;
use crate::model::{Message, Model, Standing};
use crate::plan::{Beside, CONNECTIONS, End, Plan, QUEUES, Round, Work};
use crate::wire;

/// The number of the connection that looks at queues.
const AUDITOR: usize = CONNECTIONS;
/// Segments that may be left once nothing is in any queue.
const FEW_SEGMENTS: u64 = 8;
/// A disk with room for so many is one that a broker can live on.
const ENOUGH_SEGMENTS: u64 = 8;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What must not be; empty for a good run.
    pub findings: Vec<String>,
    /// What the machine did.
    pub steps: Steps,
    /// Rounds carried out.
    pub rounds: usize,
    /// Messages published.
    pub messages: u64,
    /// The last points that threads passed before the first finding.
    pub trail: Vec<String>,
    /// How often each yield point was passed.
    pub places: BTreeMap<&'static str, u64>,
    /// What became of the message that was followed.
    pub story: Vec<String>,
}

/// Runs it.
pub fn run(plan: &Plan) -> Outcome {
    let machine = Simulator::new(plan.seed, 1_700_000_000_000);
    let folder = folder();
    let driven = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        machine.enter(|| {
            let mut driver = Driver::new(plan, machine.clone(), folder.path());
            let mut rounds = 0;
            for round in &plan.rounds {
                driver.round(round);
                rounds += 1;
                if driver.is_over() {
                    break;
                }
            }
            if !driver.is_over() {
                driver.finish();
            }
            driver.is_over();
            driver.outcome(rounds)
        })
    }));
    driven.unwrap_or_else(|panic| {
        sched::belong_to(None);
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
        let (findings, rounds) = (vec![format!("the driver: {text}")], plan.rounds.len());
        Outcome {
            findings,
            steps: machine.steps(),
            rounds,
            messages: 0,
            trail: machine.trail(),
            places: machine.places(),
            story: Vec::new(),
        }
    })
}

/// House-keeping that happens to come by a few times in a round.
fn reclaim(node: &SimulatedNode, seed: u64) {
    let dice = &mut Dice::new(seed);
    for _ in 0..1 + dice.below(5) {
        node.give_space_back();
        sched::park(Some(sched::now() + Duration::from_micros(dice.below(800))));
    }
}

/// For what is not on the simulated disk: in memory, where that goes.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap_or_else(|error| crate::end(&format!("no folder for a run: {error}")))
}

struct Driver {
    machine: Simulator,
    settings: Settings,
    disk: FaultyStorage,
    /// Bytes that the disk has room for.
    room: Option<u64>,
    /// Bits that flipped: each may keep a segment for as long as what it hit is wanted.
    flips: u64,
    node: Option<SimulatedNode>,
    world: Arc<World>,
    desks: Vec<Arc<Desk>>,
    trail: Vec<String>,
}

impl Driver {
    fn new(plan: &Plan, machine: Simulator, folder: &Path) -> Driver {
        let mut settings = Settings::new("rabbit@simulated", folder);
        settings.heartbeat = 0;
        settings.segment_bytes = 16 << 10;
        settings.memory_for_messages = plan.memory;
        let world = Arc::new(World {
            model: Mutex::new(Model::new(&plan.queues)),
            life: AtomicU64::new(0),
            troubled: AtomicBool::new(false),
            silent: Mutex::default(),
        });
        world.model.lock().followed = plan.followed;
        let disk = FaultyStorage::new();
        let mut driver = Driver {
            machine,
            settings,
            disk,
            room: None,
            flips: 0,
            node: None,
            world,
            desks: Vec::new(),
            trail: Vec::new(),
        };
        driver.open();
        driver
    }

    fn find(&mut self, what: String) {
        self.world.model.lock().find(what);
    }

    /// Whether something was found.
    fn is_over(&mut self) -> bool {
        let mut model = self.world.model.lock();
        for panic in self.machine.panics() {
            model.find(format!("a panic in {panic}"));
        }
        if let Some(stuck) = self.machine.stuck() {
            model.find(format!("nothing goes on any more: {stuck:?}"));
        }
        let is_over = !model.findings.is_empty();
        if is_over && self.trail.is_empty() {
            self.trail = self.machine.trail();
        }
        is_over
    }

    fn outcome(self, rounds: usize) -> Outcome {
        let model = self.world.model.lock();
        let (findings, messages) = (model.findings.clone(), model.messages.len() as u64);
        let story = model.story.clone();
        drop(model);
        if findings.is_empty() {
            // In order, so that nothing of this run is left for the next.
            self.desks.iter().for_each(|desk| desk.tell(Order::Quit));
            self.machine.settle();
        }
        Outcome {
            findings,
            steps: self.machine.steps(),
            rounds,
            messages,
            trail: self.trail,
            places: self.machine.places(),
            story,
        }
    }

    /// A life of the node begins.
    fn open(&mut self) {
        self.settings.storage = Arc::new(self.disk.clone());
        match SimulatedNode::open(self.settings.clone()) {
            Ok(node) => self.node = Some(node),
            Err(error) => return self.find(format!("the node does not start: {error}")),
        }
        self.connect();
        if self.world.life.load(Ordering::SeqCst) > 0 {
            self.look(|_| true);
            self.world.model.lock().started();
        }
    }

    /// Looks which queues are there, of those of which this much is known.
    fn look(&mut self, which: impl Fn(Option<bool>) -> bool) {
        let known: Vec<_> = self.world.model.lock().queues.iter().map(|queue| queue.there).collect();
        for queue in (0..QUEUES).filter(|queue| which(known[*queue])) {
            self.desks[AUDITOR].tell(Order::Look(queue));
        }
        self.machine.settle();
    }

    fn connect(&mut self) {
        let Some(node) = &self.node else { return };
        self.desks = (0..=AUDITOR).map(|number| client::start(number, &self.world, node)).collect();
        self.machine.settle();
    }

    /// All connections end without a word.
    fn disconnect(&mut self) {
        for desk in self.desks.drain(..) {
            desk.forget();
            desk.tell(Order::Quit);
        }
        self.machine.settle();
        self.world.silent.lock().clear();
    }

    fn round(&mut self, round: &Round) {
        self.machine.reseed(round.seed, Restlessness(round.restless));
        round.beside.iter().for_each(|beside| self.beside(*beside));
        for (connection, work) in &round.works {
            self.desks[*connection].tell(Order::Do(*work));
        }
        match round.end {
            End::Rest(ms) => {
                self.rest(ms);
                self.world.model.lock().end_round();
                self.look(|there| there.is_none());
            }
            End::Audit => {
                self.rest(0);
                self.audit();
            }
            End::Drain => {
                self.rest(0);
                self.world.model.lock().end_round();
                self.drain();
            }
            End::Stop => {
                self.rest(0);
                self.world.model.lock().end_round();
                self.stop();
            }
            End::Kill(after) => self.kill(after, Crash::Process),
            End::Power { after, seed } => self.kill(after, seed.map_or(Crash::PowerAll, Crash::Power)),
        }
        if self.node.as_ref().is_some_and(SimulatedNode::has_failed) {
            self.kill(0, Crash::Process);
        }
        let findings = self.world.model.lock().findings.len() as u64;
        self.machine.note(findings);
    }

    /// Something that goes on beside the clients.
    fn beside(&mut self, beside: Beside) {
        let Some(node) = self.node.clone() else { return };
        let trouble = || self.world.troubled.store(true, Ordering::SeqCst);
        match beside {
            Beside::Reclaim(seed) => drop(sched::spawn("reclaim", move || reclaim(&node, seed))),
            Beside::Timers => drop(sched::spawn("timers", move || node.fire_timers())),
            Beside::Press(pressed) => node.press_memory(pressed),
            Beside::Room(None) => {
                self.disk.limit(None);
                self.room = None;
            }
            Beside::Room(Some(bytes)) => {
                trouble();
                self.room = Some(self.disk.used() + u64::from(bytes));
                self.disk.limit(self.room);
            }
            Beside::Hang => {
                trouble();
                self.disk.hang(true);
            }
            Beside::NoDescriptors(times) => {
                trouble();
                self.disk.no_descriptors(times.into());
            }
            Beside::FailSync(nth) => {
                trouble();
                self.disk.fail_sync(nth.into());
            }
            Beside::FailWrite(nth) => {
                trouble();
                self.disk.fail_write(nth.into());
            }
            Beside::Flip(seed) => self.flip(seed),
            Beside::FlipBody(seed) => self.flip_body(seed),
            Beside::Wall(by) => self.machine.step_wall(by.into()),
        }
    }

    /// A bit of a log or of a page file flips. What was in the log may be lost, and what was settled may come back; what is
    /// not in the log may be lost.
    fn flip(&mut self, seed: u64) {
        let dice = &mut Dice::new(seed);
        let mut files = self.disk.paths();
        files.retain(|path| path.extension().is_some_and(|end| end == "seg"));
        files.sort();
        let Some(path) = files.get(dice.place(files.len())) else { return };
        let len = self.disk.bytes(path).map_or(0, |bytes| bytes.len());
        self.flips += 1;
        self.disk.flip_bit(path, dice.below(len as u64), dice.below(8) as u8);
        self.world.troubled.store(true, Ordering::SeqCst);
        let is_log = path.parent().is_some_and(|folder| folder.ends_with("log"));
        self.world.model.lock().damage(is_log);
    }

    /// A bit of a message that must be there flips on the disk: that message may be lost, and nothing else.
    fn flip_body(&mut self, seed: u64) {
        let dice = &mut Dice::new(seed);
        let mut model = self.world.model.lock();
        let must = |message: &Message| message.holds.values().any(|hold| hold.standing == Standing::Must);
        let wanted = model.messages.iter().filter(|(_, message)| message.persistent && message.size > 16);
        let wanted: Vec<_> =
            wanted.filter(|(_, message)| must(message)).map(|(id, m)| (*id, m.size)).collect();
        let Some(&(id, size)) = wanted.get(dice.place(wanted.len())) else { return };
        let body = wire::body(id, size);
        for path in self.disk.paths() {
            let bytes = self.disk.bytes(&path).unwrap_or_default();
            let places = bytes.windows(24).enumerate().filter(|(_, window)| *window == &body[..24]);
            for (at, _) in places {
                self.disk.flip_bit(&path, (at + 8) as u64, dice.below(8) as u8);
                self.flips += 1;
            }
        }
        self.world.troubled.store(true, Ordering::SeqCst);
        model.damage_body(id);
    }

    /// Everybody comes to rest, and some time passes.
    fn rest(&mut self, ms: u16) {
        self.machine.settle();
        self.disk.hang(false);
        self.machine.settle();
        if ms > 0 {
            self.machine.pass(Duration::from_millis(ms.into()));
            self.machine.settle();
        }
    }

    /// The disk does what it is told from here on. `roomy`: and has room without end.
    fn well(&mut self, roomy: bool) {
        self.disk.hang(false);
        self.disk.no_descriptors(0);
        self.disk.fail_sync(0);
        self.disk.fail_write(0);
        if roomy {
            self.disk.limit(None);
            self.room = None;
        }
    }

    /// The disk is well again, and all that was held up by it goes on.
    fn cure(&mut self) {
        self.well(true);
        self.pass_some();
        if self.node.as_ref().is_some_and(SimulatedNode::has_failed) {
            self.kill(0, Crash::Process);
            self.pass_some();
        }
        self.world.troubled.store(false, Ordering::SeqCst);
    }

    /// Some seconds pass, with the node's house-keeping.
    fn pass_some(&mut self) {
        for _ in 0..3 {
            self.machine.pass(Duration::from_millis(1100));
            if let Some(node) = &self.node {
                node.fire_timers();
                node.give_space_back();
            }
            self.machine.settle();
        }
    }

    /// Nobody waits for anything that has to come.
    fn check_answers(&mut self) {
        let Some(node) = self.node.clone() else { return };
        if node.is_full() {
            self.find("the log still waits for space that is there".to_owned());
        }
        for (number, desk) in self.desks.clone().iter().enumerate() {
            let (open, waiting) = (desk.open.load(Ordering::SeqCst), desk.waiting());
            if open > 0 {
                self.find(format!("connection {number} waits for {open} confirms that do not come"));
            }
            if desk.waits.load(Ordering::SeqCst) {
                self.find(format!("connection {number} waits for an answer that does not come"));
            }
            if waiting > 0 || desk.held.load(Ordering::SeqCst) {
                self.find(format!("connection {number} is held back for ever"));
            }
        }
    }

    /// All that is in the queues is looked at.
    fn audit(&mut self) {
        self.cure();
        self.check_answers();
        self.check_size();
        self.world.model.lock().end_round();
        self.disconnect();
        self.connect();
        self.look_through();
        self.world.model.lock().end_round();
    }

    fn look_through(&mut self) {
        (0..QUEUES).for_each(|queue| self.desks[AUDITOR].tell(Order::Audit(queue)));
        self.machine.settle();
    }

    /// A log is no longer than a few times what lives in it.
    fn check_size(&mut self) {
        let Some(node) = &self.node else { return };
        let (segments, live) = node.log_size();
        let most = FEW_SEGMENTS + self.flips + 4 * live / self.settings.segment_bytes;
        if segments > most {
            self.find(format!("the logs have {segments} segments for {live} bytes that live"));
        }
    }

    /// Everything goes, while the disk stays as full as it may be: there is room again then.
    fn drain(&mut self) {
        self.disconnect();
        self.well(false);
        self.connect();
        for queue in 0..QUEUES {
            self.desks[0].tell(Order::Do(Work::Purge(queue)));
        }
        self.rest(0);
        // Where a flip hit a declaration, its messages are in a queue that nobody asked for.
        self.node.as_ref().map(SimulatedNode::delete_stand_ins);
        self.world.model.lock().end_round();
        // What was taken before the disk was found full is written first, and goes then: some segments at a time.
        let is_full = |driver: &Driver| driver.node.as_ref().is_some_and(SimulatedNode::is_full);
        let (mut before, mut idle) = (u64::MAX, 0);
        while idle < 3 {
            self.pass_some();
            if !is_full(self) {
                break;
            }
            let pending = self.node.as_ref().map_or(0, SimulatedNode::pending_bytes);
            idle = if pending < before { 0 } else { idle + 1 };
            before = pending;
        }
        if self.node.as_ref().is_some_and(SimulatedNode::has_failed) {
            return self.kill(0, Crash::Process);
        }
        let enough = self.room.is_none_or(|room| room >= ENOUGH_SEGMENTS * self.settings.segment_bytes);
        // One record or group larger than a segment waits until all of it fits: nothing can be done for it but to give back
        // what is dead.
        let pending = self.node.as_ref().map_or(0, SimulatedNode::pending_bytes);
        let free = self.room.unwrap_or(u64::MAX).saturating_sub(self.disk.used());
        let fits = free >= pending + 3 * self.settings.segment_bytes;
        let (_, live) = self.node.as_ref().map_or((0, 0), SimulatedNode::log_size);
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|end| end == "seg");
        let segments = self.disk.paths().iter().filter(|path| is_segment(path)).count() as u64;
        let is_kept = segments > FEW_SEGMENTS + self.flips;
        if is_full(self) && enough && (fits || is_kept) {
            let (used, room) = (self.disk.used(), self.room);
            self.find(format!(
                "all is purged, and the log waits for space: {used} of {room:?} bytes, {segments} segments, {live} bytes live"
            ));
        }
    }

    /// Stops in good order, and starts again.
    fn stop(&mut self) {
        self.disconnect();
        let Some(node) = self.node.take() else { return };
        let closed = node.close();
        drop(node);
        let troubled = self.world.troubled.load(Ordering::SeqCst);
        if let (Err(error), false) = (&closed, troubled) {
            self.find(format!("the logs did not close: {error}"));
        }
        self.next_life(closed.is_ok(), Crash::PowerAll);
    }

    /// Goes down in the midst of what goes on.
    fn kill(&mut self, after: u16, how: Crash) {
        for _ in 0..after {
            self.machine.give_way("the driver waits");
        }
        self.next_life(false, how);
    }

    fn next_life(&mut self, orderly: bool, how: Crash) {
        // After a stop that did not come to its end, what was written is there.
        let how = if orderly || how != Crash::PowerAll { how } else { Crash::PowerAll };
        self.disk = self.disk.crash(how);
        self.world.life.fetch_add(1, Ordering::SeqCst);
        let silent: BTreeSet<usize> =
            std::mem::take(&mut *self.world.silent.lock()).into_values().flatten().collect();
        self.world.model.lock().life_ends(orderly, &silent);
        for desk in self.desks.drain(..) {
            desk.forget();
            desk.tell(Order::Quit);
        }
        self.machine.settle();
        self.node = None;
        self.machine.pass(Duration::from_secs(2));
        self.machine.settle();
        let alive = self.machine.alive();
        if !alive.is_empty() {
            return self.find(format!("the node is gone, and these threads are not: {alive:?}"));
        }
        self.well(true);
        self.world.troubled.store(false, Ordering::SeqCst);
        self.open();
        if !self.world.model.lock().torn.is_empty() && self.node.is_some() {
            self.look_through();
            self.world.model.lock().judge_commits();
        }
    }

    /// Everything that is left must be there, goes, and stays away; and so does the space it took.
    fn finish(&mut self) {
        self.audit();
        if self.is_over() {
            return;
        }
        self.stop();
        self.audit();
        for queue in 0..QUEUES {
            self.desks[0].tell(Order::Do(Work::Purge(queue)));
        }
        self.rest(0);
        // Where a flip hit a declaration, its messages are in a queue that nobody asked for.
        self.node.as_ref().map(SimulatedNode::delete_stand_ins);
        self.world.model.lock().end_round();
        self.cure();
        let (segments, live) = self.node.as_ref().map_or((0, 0), SimulatedNode::log_size);
        if segments > FEW_SEGMENTS {
            self.find(format!(
                "nothing is in any queue, and the logs have {segments} segments ({live} bytes live)"
            ));
        }
        self.stop();
        self.audit();
    }
}
