//! What happens in a run, as data thrown from a seed: leaving parts out leaves the others what they are.

use crate::dice::Dice;

/// Queues there may be, by number.
pub const QUEUES: usize = 5;
/// Connections there may be, by number.
pub const CONNECTIONS: usize = 4;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was thrown from.
    pub seed: u64,
    /// The queues, by number.
    pub queues: Vec<Kind>,
    /// Bytes of messages the node may hold in memory.
    pub memory: u64,
    /// What happens, one after the other.
    pub rounds: Vec<Round>,
    /// The message whose story is told.
    pub followed: Option<u64>,
}

/// How a queue is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// It outlives a restart.
    pub durable: bool,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// `x-max-priority`
    pub max_priority: Option<u8>,
    /// `x-message-ttl`, in milliseconds.
    pub ttl: Option<u32>,
    /// Bound to the fanout exchange.
    pub shares: bool,
}

/// What happens at the same time.
#[derive(Clone, Debug)]
pub struct Round {
    /// The scheduler's dice.
    pub seed: u64,
    /// How often it changes threads, in 256ths.
    pub restless: u8,
    /// What connections do, each in this order.
    pub works: Vec<(usize, Work)>,
    /// What else goes on.
    pub beside: Vec<Beside>,
    /// How it ends.
    pub end: End,
}

/// What one connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Declares a queue, and binds it where it shares.
    Declare(usize),
    /// Publishes to one queue, or (`None`) to all that share.
    Publish {
        to: Option<usize>,
        count: u16,
        size: u16,
        persistent: bool,
        priority: u8,
        ttl: Option<u16>,
    },
    /// Consumes a queue.
    Consume {
        queue: usize,
        prefetch: u16,
        no_ack: bool,
    },
    /// Ends its oldest consumer.
    Cancel,
    /// Asks a queue for messages.
    Get {
        queue: usize,
        count: u16,
        no_ack: bool,
    },
    /// Acknowledges the oldest it has, one by one or up to the last at once.
    Ack {
        count: u16,
        multiple: bool,
    },
    /// The same, refused; the newest first where it is one by one.
    Nack {
        count: u16,
        multiple: bool,
        requeue: bool,
    },
    /// Commits what a transactional connection holds, or rolls it back.
    Commit {
        rollback: bool,
    },
    Purge(usize),
    Delete {
        queue: usize,
        if_unused: bool,
        if_empty: bool,
    },
    /// Goes without a word, and connects anew.
    HangUp,
}

/// What goes on beside the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Disk space is given back, a few times, with such pauses.
    Reclaim(u64),
    /// What is due expires.
    Timers,
    /// The process is short of memory, or no longer.
    Press(bool),
    /// The disk may grow by this many bytes, or (`None`) without end.
    Room(Option<u32>),
    /// The next writes and syncs wait until the round's end.
    Hang,
    /// So many files cannot be opened.
    NoDescriptors(u8),
    /// A sync fails, the nth from now.
    FailSync(u8),
    /// A write fails, the nth from now.
    FailWrite(u8),
    /// A bit of a log's file flips.
    Flip(u64),
    /// A bit of a message's body flips on the disk.
    FlipBody(u64),
    /// The wall clock is set.
    Wall(i32),
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everybody comes to rest, and so many milliseconds pass.
    Rest(u16),
    /// The same, and all that is in the queues is looked at.
    Audit,
    /// Everybody goes, everything is purged, and the disk stays as full as it may be: there is room again.
    Drain,
    /// Everybody comes to rest, and the node is stopped and started.
    Stop,
    /// The process is killed, so many changes of threads later.
    Kill(u16),
    /// The power goes; `None`: nothing survives that was not synced.
    Power { after: u16, seed: Option<u64> },
}

impl Plan {
    /// Throws a run.
    pub fn new(seed: u64) -> Plan {
        let dice = &mut Dice::new(seed);
        let harsh = Harsh::throw(dice);
        let queues: Vec<Kind> = (0..QUEUES).map(|number| kind(number, dice)).collect();
        let memory = [0, 0, 4000, 50_000, 10_000_000][dice.place(5)];
        let count = 6 + dice.below(14);
        let mut rounds = Vec::new();
        for at in 0..count {
            rounds.push(round(at, &harsh, dice));
            if dice.chance(12) {
                rounds.extend(churn(&harsh, dice));
            }
            if dice.chance(6) {
                rounds.extend(declared_anew(dice));
            }
            if dice.chance(6) {
                rounds.extend(cut_off(dice));
            }
        }
        Plan { seed, queues, memory, rounds, followed: None }
    }
}

/// What sorts of trouble a run has: not all at once, so that each has its day.
struct Harsh {
    disk: bool,
    full: bool,
    clock: bool,
    big: bool,
}

impl Harsh {
    fn throw(dice: &mut Dice) -> Harsh {
        let (disk, full) = (dice.chance(20), dice.chance(25));
        Harsh { disk, full, clock: dice.chance(30), big: dice.chance(5) }
    }
}

fn kind(number: usize, dice: &mut Dice) -> Kind {
    // The first two are plain: what is shared and durable is the heart.
    if number < 2 {
        return Kind { durable: true, auto_delete: false, max_priority: None, ttl: None, shares: true };
    }
    Kind {
        durable: dice.chance(80),
        auto_delete: dice.chance(15),
        max_priority: dice.chance(20).then_some(5),
        ttl: dice.chance(15).then(|| 1 + dice.below(2000) as u32),
        shares: dice.chance(50),
    }
}

fn round(at: u64, harsh: &Harsh, dice: &mut Dice) -> Round {
    let seed = dice.throw();
    let restless = [8, 40, 100, 200][dice.place(4)];
    let mut works = Vec::new();
    if at == 0 {
        works.extend((0..QUEUES).map(|queue| (dice.place(CONNECTIONS), Work::Declare(queue))));
    }
    for _ in 0..2 + dice.below(12) {
        works.push((dice.place(CONNECTIONS), work(harsh, dice)));
    }
    let mut beside = Vec::new();
    for _ in 0..dice.below(3) {
        beside.push(Beside::Reclaim(dice.throw()));
    }
    if dice.chance(40) {
        beside.push(Beside::Timers);
    }
    if dice.chance(10) {
        beside.push(Beside::Press(dice.chance(50)));
    }
    if harsh.full && dice.chance(40) {
        beside.push(Beside::Room(dice.chance(60).then(|| dice.below(100_000) as u32)));
    }
    if harsh.clock && dice.chance(30) {
        beside.push(Beside::Wall(dice.below(200_000) as i32 - 100_000));
    }
    if harsh.disk && dice.chance(30) {
        beside.push(trouble(dice));
    }
    Round { seed, restless, works, beside, end: end(harsh, dice) }
}

/// Two queues whose messages lie side by side: one is emptied, again and again, while the other is read.
fn churn(harsh: &Harsh, dice: &mut Dice) -> Vec<Round> {
    let publish = |to: usize, count: u16, dice: &mut Dice| {
        let size = [100, 1000, 3000][dice.place(3)];
        Work::Publish { to: Some(to), count, size, persistent: true, priority: 0, ttl: None }
    };
    let calm = |works: Vec<(usize, Work)>, beside: Vec<Beside>, dice: &mut Dice| {
        let restless = [8, 40, 100, 200][dice.place(4)];
        Round { seed: dice.throw(), restless, works, beside, end: End::Rest(0) }
    };
    let (kept, emptied) = if dice.chance(50) { (0, 1) } else { (1, 0) };
    let mut fill = vec![(0, Work::Declare(0)), (0, Work::Declare(1))];
    for _ in 0..1 + dice.below(4) {
        fill.push((0, publish(emptied, 20, dice)));
        fill.push((0, publish(kept, 5, dice)));
    }
    let mut rounds = vec![calm(fill, Vec::new(), dice)];
    if harsh.disk && dice.chance(50) {
        // What is damaged is worth reclaiming first: less lives beside it than in each segment that comes after.
        let publish = |to: usize, count: u16, size: u16| {
            (3, Work::Publish { to: Some(to), count, size, persistent: true, priority: 0, ttl: None })
        };
        let mut few = [publish(emptied, 14, 1000), publish(kept, 1, 100)].repeat(3);
        few.push((3, Work::Purge(emptied)));
        rounds.push(calm(few, Vec::new(), dice));
        let flips = (0..3).map(|_| Beside::FlipBody(dice.throw())).collect();
        rounds.push(calm(Vec::new(), flips, dice));
        let again = [publish(emptied, 14, 1000), publish(kept, 1, 1000), (3, Work::Purge(emptied))];
        let last = calm(again.repeat(30), vec![Beside::Reclaim(dice.throw())], dice);
        rounds.push(Round { end: End::Audit, ..last });
    } else {
        let get = Work::Get { queue: kept, count: 100, no_ack: dice.chance(50) };
        let works = vec![(3, Work::Purge(emptied)), (1, get), (0, get)];
        rounds.push(calm(works, vec![Beside::Reclaim(dice.throw()), Beside::Reclaim(dice.throw())], dice));
    }
    rounds
}

/// A queue is deleted and declared again, and gets messages under its new declaration; soon after, the node goes down.
fn declared_anew(dice: &mut Dice) -> Vec<Round> {
    let (queue, connection) = (dice.place(QUEUES), dice.place(CONNECTIONS));
    let publish =
        Work::Publish { to: Some(queue), count: 3, size: 200, persistent: true, priority: 0, ttl: None };
    let delete = Work::Delete { queue, if_unused: false, if_empty: false };
    let works = [Work::Declare(queue), publish, delete, Work::Declare(queue), publish];
    let end = if dice.chance(30) { End::Stop } else { crash(dice) };
    let round = |works, end, dice: &mut Dice| {
        let restless = [8, 40, 100, 200][dice.place(4)];
        Round { seed: dice.throw(), restless, works, beside: Vec::new(), end }
    };
    let works = works.map(|work| (connection, work)).to_vec();
    vec![round(works, end, dice), round(Vec::new(), End::Audit, dice)]
}

/// A transaction that publishes and acknowledges is committed, and the node goes down.
fn cut_off(dice: &mut Dice) -> Vec<Round> {
    let publish = |to: Option<usize>, count: u16| Work::Publish {
        to,
        count,
        size: 200,
        persistent: true,
        priority: 0,
        ttl: None,
    };
    let get = |queue: usize| (2, Work::Get { queue, count: 3, no_ack: false });
    let round = |works, end, dice: &mut Dice| {
        let restless = [8, 40, 100, 200][dice.place(4)];
        Round { seed: dice.throw(), restless, works, beside: Vec::new(), end }
    };
    let fill = vec![(0, Work::Declare(0)), (0, Work::Declare(1)), (0, publish(None, 6))];
    let commit = (2, Work::Commit { rollback: false });
    let ack = (2, Work::Ack { count: 6, multiple: dice.chance(50) });
    let works = vec![get(0), get(1), ack, (2, publish(Some(0), 3)), (2, publish(Some(1), 3)), commit];
    vec![round(fill, End::Rest(30), dice), round(works, crash(dice), dice)]
}

fn crash(dice: &mut Dice) -> End {
    let after = dice.below(400) as u16;
    if dice.chance(50) {
        return End::Kill(after);
    }
    End::Power { after, seed: dice.chance(70).then(|| dice.throw()) }
}

fn trouble(dice: &mut Dice) -> Beside {
    match dice.below(13) {
        0..=2 => Beside::Hang,
        3..=5 => Beside::NoDescriptors(1 + dice.below(4) as u8),
        6 => Beside::FailSync(1 + dice.below(6) as u8),
        7 => Beside::FailWrite(1 + dice.below(6) as u8),
        8 | 9 => Beside::Flip(dice.throw()),
        _ => Beside::FlipBody(dice.throw()),
    }
}

fn end(harsh: &Harsh, dice: &mut Dice) -> End {
    if harsh.full && dice.chance(15) {
        return End::Drain;
    }
    match dice.below(100) {
        0..50 => End::Rest([0, 0, 30, 700][dice.place(4)]),
        50..65 => End::Audit,
        65..75 => End::Stop,
        75..87 => End::Kill(dice.below(400) as u16),
        _ => End::Power { after: dice.below(400) as u16, seed: dice.chance(70).then(|| dice.throw()) },
    }
}

fn work(harsh: &Harsh, dice: &mut Dice) -> Work {
    let queue = if dice.chance(60) { dice.place(2) } else { dice.place(QUEUES) };
    let some = |dice: &mut Dice| [1, 2, 5, 20, 100][dice.place(5)] as u16;
    match dice.below(100) {
        0..6 => Work::Declare(queue),
        6..40 => Work::Publish {
            to: dice.chance(60).then_some(queue),
            count: if harsh.big && dice.chance(20) { 2000 } else { some(dice) },
            size: [0, 20, 200, 1000, 5000][dice.place(5)],
            persistent: dice.chance(85),
            priority: dice.below(8) as u8,
            ttl: dice.chance(6).then(|| dice.below(3000) as u16),
        },
        40..50 => Work::Consume { queue, prefetch: [0, 1, 10][dice.place(3)], no_ack: dice.chance(15) },
        50..54 => Work::Cancel,
        54..64 => Work::Get { queue, count: some(dice), no_ack: dice.chance(20) },
        64..78 => Work::Ack { count: some(dice) * 2, multiple: dice.chance(50) },
        78..84 => Work::Nack { count: some(dice), multiple: dice.chance(50), requeue: dice.chance(70) },
        84..89 => Work::Commit { rollback: dice.chance(20) },
        89..93 => Work::Purge(queue),
        93..97 => Work::Delete { queue, if_unused: dice.chance(40), if_empty: dice.chance(60) },
        _ => Work::HangUp,
    }
}
