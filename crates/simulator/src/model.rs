//! What must be in the queues, what may be, and what must not: plain, and told only what clients see.
//!
//! A copy of a message in a queue is a [`Hold`]. What clients do moves its [`Standing`]; what a crash may take or bring
//! back is judged by [`Model::firm`]: log records are appended in the order in which they are caused, so that once
//! something sent at a time is confirmed, all that was done before is on disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Kind, QUEUES};

/// A message's number: its publisher's messages have ascending ones.
pub type Id = u64;
/// Events so far.
pub type Moment = u64;

/// Whether a copy of a message is in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Confirmed, and nobody is done with it.
    Must,
    /// Nobody can know.
    May,
    /// The queue was done with it then (`MAX`: it is being told so).
    Settled(Moment),
    /// It was never there, or is gone for good.
    Never,
}

/// A copy of a message.
#[derive(Clone, Debug)]
pub struct Hold {
    /// See there.
    pub standing: Standing,
    /// The connection that it was delivered to.
    pub hands: Option<usize>,
    /// Its confirm says nothing of this queue, or it may expire.
    pub vague: bool,
    /// The round in which it last came or moved.
    pub moved: u64,
    /// Somebody was given it.
    pub given: bool,
}

/// What a transaction did: whole or not at all, whatever happens.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Copies that it put into queues.
    put: Vec<(usize, Id)>,
    /// Copies that it acknowledged.
    acked: Vec<(usize, Id)>,
}

/// A message that was published.
#[derive(Clone, Debug)]
pub struct Message {
    pub connection: usize,
    pub size: u16,
    pub persistent: bool,
    pub priority: u8,
    pub sent: Moment,
    /// Something waited for space in the log when it was sent: it may reach the log after this message.
    pub owing: bool,
    pub holds: BTreeMap<usize, Hold>,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    pub kind: Kind,
    /// `None`: nobody knows.
    pub there: Option<bool>,
    /// When that changed last.
    pub since: Moment,
    /// Purges and deletions of this round: all that was there when they began is gone if they came about.
    pub wiped: bool,
    /// It was deleted in this round: what is in somebody's hands has no queue to go back to.
    pub deleted: bool,
    /// Somebody may be deleting it in this round.
    pub shaky: bool,
    /// It was declared in this round.
    pub renewed: bool,
    /// Declarations and deletions of it under way.
    under_way: u32,
    /// More than one were at the same time: nobody knows who came first.
    muddled: bool,
    /// What is known was answered, and nobody has said otherwise since: it holds over a crash.
    promised: bool,
}

impl Queue {
    fn at_sending(&self) -> Standing {
        if self.there == Some(false) && !self.renewed { Standing::Never } else { Standing::May }
    }
}

/// See the module's documentation.
pub struct Model {
    pub now: Moment,
    pub round: u64,
    pub messages: BTreeMap<Id, Message>,
    pub queues: Vec<Queue>,
    /// What was done before this is on disk.
    pub firm: Moment,
    /// Connections that may lose what is in their hands before they hear of it.
    pub loose: BTreeSet<usize>,
    pub findings: Vec<String>,
    /// Transactions whose commits were sent and not answered.
    pub commits: BTreeMap<u64, Commit>,
    /// All that were ever sent.
    groups: Vec<Commit>,
    /// Those of the life before that were not answered: to be judged by what is there.
    pub torn: Vec<Commit>,
    /// What was seen since the start, where there is something to judge.
    found: BTreeSet<(usize, Id)>,
    /// The message whose story is told.
    pub followed: Option<Id>,
    /// What happened to it, and to queues.
    pub story: Vec<String>,
    /// A log was damaged in this life.
    damaged: bool,
    /// A life has begun, and nobody has done anything in it.
    starts: bool,
    next: Id,
}

impl Model {
    /// Nothing is there.
    pub fn new(kinds: &[Kind]) -> Model {
        let queue = |kind| Queue {
            kind,
            there: Some(false),
            since: 0,
            wiped: false,
            deleted: false,
            shaky: false,
            renewed: false,
            under_way: 0,
            muddled: false,
            promised: false,
        };
        Model {
            now: 1,
            round: 0,
            messages: BTreeMap::new(),
            queues: kinds.iter().copied().map(queue).collect(),
            firm: 0,
            loose: BTreeSet::new(),
            findings: Vec::new(),
            commits: BTreeMap::new(),
            groups: Vec::new(),
            torn: Vec::new(),
            found: BTreeSet::new(),
            followed: None,
            story: Vec::new(),
            starts: false,
            damaged: false,
            next: 1,
        }
    }

    /// Something that must not be.
    pub fn find(&mut self, what: String) {
        if self.findings.len() < 20 {
            self.findings.push(what);
        }
    }

    /// Notes what happens to the message that is followed, or (`None`) to a queue or the node.
    pub fn tell(&mut self, id: Option<Id>, what: impl FnOnce() -> String) {
        if self.followed.is_some() && (id.is_none() || id == self.followed) {
            let line = format!("{} (round {}, firm up to {}): {}", self.now, self.round, self.firm, what());
            self.story.push(line);
        }
    }

    /// The moment of what happens now.
    pub fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    /// A message is about to be sent to these queues.
    pub fn send(&mut self, message: &Message, to: &[usize], vague: bool) -> Id {
        let id = self.next;
        self.next += 1;
        let round = self.round;
        let is_shared = to.len() > 1;
        let holds = to.iter().map(|queue| {
            let known = &self.queues[*queue];
            // That another queue took it says nothing of one that is just being bound.
            let unbound = is_shared && (known.renewed || known.there != Some(true));
            let vague = vague || unbound || known.shaky || known.kind.auto_delete || known.kind.ttl.is_some();
            (*queue, Hold { standing: known.at_sending(), hands: None, vague, moved: round, given: false })
        });
        let holds = holds.collect();
        let sent = self.tick();
        self.messages.insert(id, Message { holds, sent, ..message.clone() });
        self.tell(Some(id), || format!("sent to {to:?}"));
        id
    }

    /// The message waits for its commit: it is nowhere.
    pub fn hide(&mut self, id: Id) {
        self.returned(id);
    }

    /// Its commit is about to be sent.
    pub fn reveal(&mut self, id: Id, owing: bool) {
        let (sent, round) = (self.tick(), self.round);
        self.tell(Some(id), || "committed".to_owned());
        let Some(message) = self.messages.get_mut(&id) else { return };
        (message.sent, message.owing) = (sent, owing);
        for (queue, hold) in &mut message.holds {
            let known = &self.queues[*queue];
            hold.standing = known.at_sending();
            hold.vague |= known.shaky;
            hold.moved = round;
        }
    }

    /// A commit is about to be sent: what it publishes, and what it acknowledges.
    pub fn commit(&mut self, number: u64, published: &[Id], acked: &[(usize, Id)]) {
        let confirmed = |(queue, id): &&(usize, Id)| {
            let hold = self.messages.get(id).and_then(|message| message.holds.get(queue));
            hold.is_some_and(|hold| hold.standing == Standing::Must)
        };
        let acked = acked.iter().filter(confirmed).copied().collect();
        let queues = |id: &Id| self.messages.get(id).into_iter().flat_map(|message| message.holds.keys());
        let put = published.iter().flat_map(|id| queues(id).map(|queue| (*queue, *id))).collect();
        let commit = Commit { put, acked };
        self.groups.push(commit.clone());
        self.commits.insert(number, commit);
    }

    /// What of a commit that was not answered must be there as a whole, or not at all.
    fn to_judge(&self, commit: &Commit) -> Option<Commit> {
        let is_plain = |queue: &usize| {
            let queue = &self.queues[*queue];
            let calm = !queue.shaky && !queue.wiped && !queue.deleted && !queue.renewed;
            let lasting = queue.kind.durable && !queue.kind.auto_delete && queue.kind.ttl.is_none();
            calm && lasting && queue.there == Some(true)
        };
        let hold = |copy: &(usize, Id)| {
            let message = self.messages.get(&copy.1).filter(|message| message.persistent)?;
            message.holds.get(&copy.0).filter(|hold| !hold.vague && is_plain(&copy.0))
        };
        let put = commit
            .put
            .iter()
            .filter(|copy| hold(copy).is_some_and(|hold| !hold.given && hold.standing == Standing::May));
        let acked = commit.acked.iter().filter(|copy| hold(copy).is_some());
        let judged = Commit { put: put.copied().collect(), acked: acked.copied().collect() };
        (judged.put.len() + judged.acked.len() > 1).then_some(judged)
    }

    /// All queues have been looked through after a start.
    pub fn judge_commits(&mut self) {
        let found = std::mem::take(&mut self.found);
        for commit in std::mem::take(&mut self.torn) {
            let put = commit.put.iter().filter(|copy| found.contains(copy)).count();
            let acked = commit.acked.iter().filter(|copy| !found.contains(copy)).count();
            let whole = put == commit.put.len() && acked == commit.acked.len();
            if !whole && put + acked > 0 {
                self.find(format!(
                    "a transaction is torn: {put} of {} messages, {acked} of {} acknowledgements ({commit:?})",
                    commit.put.len(),
                    commit.acked.len()
                ));
            }
        }
    }

    /// The publisher was told that the message is safe (`stored`: in the log, where it must be).
    pub fn confirmed(&mut self, id: Id) {
        let firm = self.firm;
        self.tell(Some(id), || "confirmed".to_owned());
        let Some(message) = self.messages.get_mut(&id) else { return };
        let durable = |queue: &usize| self.queues[*queue].kind.durable;
        let mut stored = false;
        for (queue, hold) in &mut message.holds {
            let known = &self.queues[*queue];
            if hold.standing == Standing::Never {
                continue;
            }
            stored |= message.persistent && durable(queue) && known.there == Some(true) && !known.shaky;
            let calm = !hold.vague && !known.shaky && !known.wiped && !known.deleted;
            if hold.standing == Standing::May && calm && known.there == Some(true) {
                hold.standing = Standing::Must;
            }
        }
        if stored && !message.owing {
            self.firm = firm.max(message.sent);
        }
    }

    /// No queue took it.
    pub fn returned(&mut self, id: Id) {
        self.tell(Some(id), || "returned, or held by a transaction".to_owned());
        let holds = self.messages.get_mut(&id).into_iter().flat_map(|message| message.holds.values_mut());
        holds.for_each(|hold| hold.standing = Standing::Never);
    }

    /// A client sees it.
    pub fn delivered(&mut self, queue: usize, id: Id, connection: usize, settles: bool) {
        let round = self.round;
        self.tick();
        self.tell(Some(id), || format!("delivered from {queue} to {connection}, settled {settles}"));
        let said =
            |what: &str| format!("queue {queue} delivered message {id} to connection {connection}, {what}");
        let hold = self.messages.get_mut(&id).and_then(|message| message.holds.get_mut(&queue));
        let Some(hold) = hold else { return self.find(said("which was never sent to it")) };
        let was = hold.standing;
        let held = hold.hands.filter(|other| !self.loose.contains(other));
        hold.moved = round;
        hold.given = true;
        hold.hands = (!settles).then_some(connection);
        if settles {
            // The log may be told a little later than the client: firm from the round's end on.
            hold.standing = Standing::Settled(Moment::MAX);
        }
        match (was, held) {
            (Standing::Never, _) => self.find(said("which cannot be there")),
            (Standing::Settled(when), _) => {
                self.find(said(&format!("which it was done with at {when} (firm up to {})", self.firm)));
            }
            (_, Some(other)) => self.find(said(&format!("while connection {other} has it"))),
            _ => {}
        }
    }

    /// The connection lets go of it, settling it or not: said before it says so to the broker.
    pub fn let_go(&mut self, queue: usize, id: Id, connection: usize, settling: bool) {
        let round = self.round;
        self.tell(Some(id), || format!("let go of by {connection} to {queue}, settled {settling}"));
        let Some(hold) = self.hold(queue, id).filter(|hold| hold.hands == Some(connection)) else { return };
        hold.hands = None;
        hold.moved = round;
        if settling && matches!(hold.standing, Standing::Must | Standing::May) {
            hold.standing = Standing::Settled(Moment::MAX);
        }
    }

    /// What was being settled is settled.
    pub fn settled(&mut self, queue: usize, id: Id) {
        let now = self.tick();
        if let Some(hold) = self.hold(queue, id).filter(|h| h.standing == Standing::Settled(Moment::MAX)) {
            hold.standing = Standing::Settled(now);
        }
    }

    fn hold(&mut self, queue: usize, id: Id) -> Option<&mut Hold> {
        self.messages.get_mut(&id)?.holds.get_mut(&queue)
    }

    /// All copies in a queue.
    pub fn holds(&mut self, queue: usize) -> impl Iterator<Item = (Id, &mut Hold)> {
        self.messages.iter_mut().filter_map(move |(id, m)| Some((*id, m.holds.get_mut(&queue)?)))
    }

    /// What is in the queue may have gone without anybody seeing it.
    pub fn doubt(&mut self, queue: usize) {
        self.tell(None, || format!("queue {queue} may have lost anything"));
        for (_, hold) in self.holds(queue) {
            if hold.standing == Standing::Must {
                hold.standing = Standing::May;
            }
        }
        // Nor does it say anything of a transaction whether a copy of it is still there.
        for commit in self.commits.values_mut() {
            commit.put.retain(|(of, _)| *of != queue);
            commit.acked.retain(|(of, _)| *of != queue);
        }
    }

    /// A bit flipped in a log, or in a page file. What it hit in a log shows at the next start.
    pub fn damage(&mut self, is_log: bool) {
        self.damaged |= is_log;
        for message in self.messages.values_mut() {
            for (queue, hold) in &mut message.holds {
                let logged = message.persistent && self.queues[*queue].kind.durable;
                if logged == is_log && (is_log || hold.standing == Standing::Must) {
                    (hold.standing, hold.vague) = (Standing::May, true);
                }
            }
        }
        if is_log {
            self.queues.iter_mut().filter(|queue| queue.kind.durable).for_each(|queue| queue.there = None);
        }
    }

    /// A message's body was damaged on the disk: it may be lost, and nothing else. But for a transaction of which the log
    /// does not say yet that it was on disk: it looks as if a power cut had torn it, and none of it counts.
    pub fn damage_body(&mut self, id: Id) {
        let of_it = self.groups.iter().filter(|group| group.put.iter().any(|(_, put)| *put == id));
        let mut copies: Vec<_> =
            of_it.flat_map(|group| group.put.iter().chain(&group.acked)).copied().collect();
        let message = self.messages.get(&id);
        copies.extend(message.into_iter().flat_map(|message| message.holds.keys()).map(|queue| (*queue, id)));
        for (queue, id) in copies {
            let Some(hold) = self.hold(queue, id) else { continue };
            if matches!(hold.standing, Standing::Must | Standing::Settled(_)) {
                (hold.standing, hold.vague) = (Standing::May, true);
            }
        }
    }

    /// Everybody is at rest: what wipes came to.
    pub fn end_round(&mut self) {
        let (now, round) = (self.tick(), self.round);
        let holds = self.messages.values_mut().flat_map(|message| message.holds.values_mut());
        for hold in holds.filter(|hold| hold.standing == Standing::Settled(Moment::MAX)) {
            hold.standing = Standing::Settled(now);
        }
        let wiped = |queue: &Queue| (queue.wiped, queue.deleted);
        let wipes: Vec<_> = self.queues.iter().map(wiped).collect();
        self.tell(None, || format!("the round ends, queues wiped and deleted: {wipes:?}"));
        for queue in 0..QUEUES {
            let known = self.queues[queue].clone();
            let gone = known.there == Some(false);
            if known.wiped || known.deleted || gone {
                for (_, hold) in self.holds(queue) {
                    if known.deleted && hold.hands.is_some() && hold.standing == Standing::Must {
                        hold.standing = Standing::May;
                    }
                    wipe(hold, now, round, gone);
                }
            }
            let known = &mut self.queues[queue];
            if known.kind.auto_delete {
                // It goes without a word.
                known.there = None;
            }
            (known.wiped, known.deleted, known.shaky, known.renewed) = (false, false, false, false);
        }
        self.round += 1;
    }

    /// The node is gone. `orderly`: it ended with everything on disk.
    pub fn life_ends(&mut self, orderly: bool, silent: &BTreeSet<usize>) {
        self.tell(None, || format!("the node ends, orderly {orderly}"));
        let now = self.tick();
        if orderly {
            self.firm = now;
        }
        if std::mem::take(&mut self.damaged) {
            // Whatever was seen since then was seen in memory.
            self.damage(true);
            self.damaged = false;
        }
        silent.iter().for_each(|queue| self.doubt(*queue));
        let commits = std::mem::take(&mut self.commits);
        self.torn = commits.values().filter_map(|commit| self.to_judge(commit)).collect();
        self.found.clear();
        for (number, queue) in self.queues.iter_mut().enumerate() {
            let changed = queue.shaky || queue.renewed || queue.deleted || queue.since >= self.firm;
            let unsure = !orderly && changed && !queue.promised;
            let wiped = queue.wiped || queue.deleted || queue.shaky;
            if !queue.kind.durable {
                queue.there = Some(false);
            } else if unsure || queue.kind.auto_delete {
                queue.there = None;
            }
            for message in self.messages.values_mut() {
                let Some(hold) = message.holds.get_mut(&number) else { continue };
                hold.hands = None;
                hold.moved = self.round;
                hold.standing = match hold.standing {
                    _ if !message.persistent || !queue.kind.durable => Standing::Never,
                    Standing::Must if wiped && !orderly => Standing::May,
                    Standing::Settled(when) if when < self.firm => Standing::Never,
                    Standing::Settled(_) => Standing::May,
                    other => other,
                };
            }
            (queue.wiped, queue.deleted, queue.shaky, queue.renewed) = (false, false, false, false);
            (queue.under_way, queue.muddled, queue.promised) = (0, false, false);
        }
        self.loose.clear();
        self.starts = true;
        self.round += 1;
    }

    /// The queues have been looked at after a start.
    pub fn started(&mut self) {
        self.starts = false;
    }

    /// Everything ready in the queue was seen, in this order, and nobody else was about.
    pub fn audited(&mut self, queue: usize, seen: &[Id]) {
        self.tell(None, || format!("queue {queue} is looked through: {} messages", seen.len()));
        let now = self.tick();
        let all: BTreeSet<Id> = seen.iter().copied().collect();
        if !self.torn.is_empty() {
            self.found.extend(seen.iter().map(|id| (queue, *id)));
        }
        let mut lost = Vec::new();
        for (id, hold) in self.holds(queue) {
            if hold.hands.is_some() || all.contains(&id) {
                continue;
            }
            match hold.standing {
                Standing::Must => lost.push(id),
                Standing::May => hold.standing = Standing::Settled(now),
                Standing::Settled(_) | Standing::Never => {}
            }
        }
        if !lost.is_empty() {
            let some: Vec<_> = lost.iter().take(8).collect();
            self.find(format!("queue {queue} lost {} messages that were confirmed: {some:?} …", lost.len()));
            for (id, hold) in self.holds(queue) {
                if lost.contains(&id) {
                    hold.standing = Standing::Settled(now);
                }
            }
        }
        self.check_order(queue, seen);
    }

    fn check_order(&mut self, queue: usize, seen: &[Id]) {
        let levels = self.queues[queue].kind.max_priority;
        let mut last: BTreeMap<(usize, u8), Id> = BTreeMap::new();
        let mut wrong = None;
        for id in seen {
            let Some(message) = self.messages.get(id) else { continue };
            let level = levels.map_or(0, |most| message.priority.min(most));
            if let Some(before) = last.insert((message.connection, level), *id).filter(|before| before > id) {
                wrong = Some((before, *id));
            }
        }
        if let Some((before, after)) = wrong {
            self.find(format!(
                "queue {queue} has message {before} before message {after}, published earlier"
            ));
        }
    }
}

/// A purge or a deletion went over a copy of a message.
fn wipe(hold: &mut Hold, now: Moment, round: u64, gone: bool) {
    if gone {
        hold.hands = None;
    }
    if hold.hands.is_some() || !matches!(hold.standing, Standing::Must | Standing::May) {
        return;
    }
    // What came or moved meanwhile may have come behind it.
    if gone || hold.moved < round {
        hold.standing = Standing::Settled(now);
    } else {
        hold.standing = Standing::May;
        hold.vague = true;
    }
}

mod queues;
