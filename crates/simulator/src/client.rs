//! A client: a simulated thread that does what it is told, and tells the model what it does and hears.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};

use amqp::method::{Method, basic, confirm, queue};
use amqp::properties::Properties;
use amqp::table::RawTable;
use broker::simulation::{SimulatedConnection, SimulatedNode};
use parking_lot::{Mutex, MutexGuard};

use crate::model::{Id, Message, Model};
use crate::plan::Work;
use crate::wire::{self, Ear, Heard, queue_name};

/// What all clients and their driver share.
pub struct World {
    pub model: Mutex<Model>,
    /// The node's lives so far: what clients of an earlier one still do counts for nothing.
    pub life: AtomicU64,
    /// The disk was made to fail: a log may refuse anything.
    pub troubled: AtomicBool,
    /// Queues that some client may have been given messages of that nobody will ever see.
    pub silent: Mutex<BTreeMap<usize, BTreeSet<usize>>>,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Do(Work),
    /// Looks at all that is in the queue, and leaves it there.
    Audit(usize),
    /// Asks whether the queue is there, and binds it once more.
    Look(usize),
    /// The connection ends without a word, and so does the thread.
    Quit,
}

/// Where a client is told.
#[derive(Default)]
pub struct Desk {
    orders: Mutex<VecDeque<Order>>,
    thread: Mutex<Option<sched::Thread>>,
    /// Publishes that were neither confirmed nor refused.
    pub open: AtomicU64,
    /// It has been told that it is held back.
    pub held: AtomicBool,
    /// It waits for an answer.
    pub waits: AtomicBool,
}

impl Wake for Desk {
    fn wake(self: Arc<Self>) {
        if let Some(thread) = &*self.thread.lock() {
            thread.wake();
        }
    }
}

impl Desk {
    /// One more thing to do.
    pub fn tell(self: &Arc<Self>, order: Order) {
        self.orders.lock().push_back(order);
        Arc::clone(self).wake();
    }

    /// Orders that were not carried out.
    pub fn waiting(&self) -> usize {
        self.orders.lock().len()
    }

    /// What was not done is not to be done.
    pub fn forget(&self) {
        self.orders.lock().clear();
    }
}

/// Starts a client.
pub fn start(number: usize, world: &Arc<World>, node: &SimulatedNode) -> Arc<Desk> {
    let desk = Arc::<Desk>::default();
    let client = Client {
        number,
        life: world.life.load(Ordering::SeqCst),
        world: Arc::clone(world),
        desk: Arc::clone(&desk),
        waker: Waker::from(Arc::clone(&desk)),
        node: node.clone(),
        connection: node.connect(),
        ear: Ear::default(),
        open: true,
        published: 0,
        unconfirmed: BTreeMap::new(),
        hands: VecDeque::new(),
        consumers: VecDeque::new(),
        consumed: 0,
        asked: None,
        held: Held::default(),
        committing: VecDeque::new(),
        committed: 0,
        seen: Vec::new(),
        got_nothing: false,
        closed: None,
        under_way: None,
        performed: false,
        waited: false,
    };
    let thread = sched::spawn(&format!("client {number}"), move || client.run());
    *desk.thread.lock() = thread.ok();
    desk
}

/// A delivery that is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hand {
    tag: u64,
    queue: usize,
    id: Id,
}

/// What a transactional channel holds until its commit.
#[derive(Default)]
struct Held {
    published: Vec<Id>,
    acked: Vec<Hand>,
    requeued: Vec<Hand>,
}

pub(crate) struct Client {
    number: usize,
    life: u64,
    world: Arc<World>,
    desk: Arc<Desk>,
    waker: Waker,
    node: SimulatedNode,
    connection: SimulatedConnection,
    ear: Ear,
    open: bool,
    published: u64,
    unconfirmed: BTreeMap<u64, Id>,
    hands: VecDeque<Hand>,
    consumers: VecDeque<(String, usize, bool)>,
    consumed: u64,
    /// The queue of the `basic.get` under way, and whether it acknowledges.
    asked: Option<(usize, bool)>,
    held: Held,
    committing: VecDeque<(u64, Vec<Id>)>,
    committed: u64,
    seen: Vec<Id>,
    got_nothing: bool,
    closed: Option<u16>,
    /// What an answer is awaited for.
    under_way: Option<Work>,
    /// It came about: the answer is no news.
    performed: bool,
    /// What was said last was not answered at once.
    waited: bool,
}

/// The connection that publishes and settles in transactions.
fn is_transactional(number: usize) -> bool {
    number == 2
}

impl Client {
    fn run(mut self) {
        self.greet();
        loop {
            self.wake();
            if !self.open {
                self.connect_anew();
            }
            let held = self.connection.is_held_back();
            self.desk.held.store(held, Ordering::SeqCst);
            let mut orders = self.desk.orders.lock();
            let order = match orders.front() {
                Some(Order::Quit) => orders.pop_front(),
                _ if held => None,
                _ => orders.pop_front(),
            };
            drop(orders);
            match order {
                None => sched::park(None),
                Some(Order::Quit) => break,
                Some(order) => self.carry_out(order),
            }
        }
        self.leave();
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Do(Work::HangUp) => self.connect_anew(),
            Order::Do(work) => self.work(work),
            Order::Audit(queue) => self.audit(queue),
            Order::Look(queue) => self.look(queue),
            Order::Quit => {}
        }
    }

    fn greet(&mut self) {
        self.open = true;
        self.say(&wire::greeting());
        self.begin_channel(wire::method(&Method::ChannelOpen));
    }

    fn connect_anew(&mut self) {
        self.leave();
        self.connection = self.node.connect();
        self.ear = Ear::default();
        self.greet();
    }

    /// The model, unless this client is one of a node that is gone.
    fn model(&self) -> Option<MutexGuard<'_, Model>> {
        (self.world.life.load(Ordering::SeqCst) == self.life).then(|| self.world.model.lock())
    }

    fn find(&self, what: &str) {
        if let Some(mut model) = self.model() {
            model.find(format!("connection {}: {what}", self.number));
        }
    }

    fn begin_channel(&mut self, mut bytes: Vec<u8>) {
        let select = if is_transactional(self.number) {
            Method::TxSelect
        } else {
            Method::ConfirmSelect(confirm::Select { no_wait: false })
        };
        bytes.extend(wire::method(&select));
        self.published = 0;
        self.say(&bytes);
    }

    /// Sends bytes and hears what is said: all of it, where an answer waits for the disk.
    fn say(&mut self, bytes: &[u8]) {
        self.connection.feed(bytes);
        self.pump();
        self.waited = self.open && self.connection.owes_answer();
        if self.waited {
            self.performed();
        }
        while self.open && self.connection.owes_answer() && !self.is_to_quit() {
            self.desk.waits.store(true, Ordering::SeqCst);
            sched::park(None);
            self.pump();
        }
        self.desk.waits.store(false, Ordering::SeqCst);
    }

    fn is_to_quit(&self) -> bool {
        self.desk.orders.lock().front() == Some(&Order::Quit)
    }

    /// The same for what may end the channel, which puts back what is in the client's hands before it hears of it.
    fn risk(&mut self, bytes: &[u8]) {
        let number = self.number;
        if let Some(mut model) = self.model() {
            model.loose.insert(number);
        }
        self.say(bytes);
        if let Some(mut model) = self.model() {
            model.loose.remove(&number);
        }
    }

    /// A turn of the connection: a disk that failed may end it.
    fn wake(&mut self) {
        match self.world.troubled.load(Ordering::SeqCst) {
            true => self.risk(&[]),
            false => self.pump(),
        }
    }

    /// A turn of the connection, and what the client is told in it.
    fn pump(&mut self) {
        self.connection.register(&self.waker);
        let mut out = Vec::new();
        if !self.connection.turn(&mut out) {
            self.open = false;
        }
        let mut heard = match self.ear.hear(&out) {
            Ok(heard) => heard,
            Err(error) => return self.find(&format!("heard what is no protocol: {error}")),
        };
        if heard.iter().any(|heard| matches!(heard, Heard::ChannelClosed { .. })) {
            // What came along was put back before the client could see it.
            heard.retain(|heard| !matches!(heard, Heard::Delivered { .. }));
        }
        heard.into_iter().for_each(|heard| self.hear(heard));
        self.desk.open.store(self.unconfirmed.len() as u64 + self.committing.len() as u64, Ordering::SeqCst);
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Delivered { consumer, tag, body } => {
                let known = self.consumers.iter().find(|(name, _, _)| *name == consumer);
                match known.map(|(_, queue, no_ack)| (*queue, *no_ack)) {
                    Some((queue, no_ack)) => self.take(queue, tag, &body, no_ack),
                    None => self.find(&format!("a delivery for {consumer}, which is none")),
                }
            }
            Heard::Got { tag, body } => match self.asked {
                Some((queue, no_ack)) => self.take(queue, tag, &body, no_ack),
                None => self.find("an answer nobody asked for"),
            },
            Heard::GotNothing => self.got_nothing = true,
            Heard::Returned(body) => {
                let id = wire::number(&body).unwrap_or(0);
                if let Some(mut model) = self.model() {
                    model.returned(id);
                }
            }
            Heard::Confirmed { tag, multiple, good } => self.confirmed(tag, multiple, good),
            Heard::Committed => {
                let (number, ids) = self.committing.pop_front().unwrap_or_default();
                if let Some(mut model) = self.model() {
                    model.commits.remove(&number);
                }
                self.safe(&ids);
            }
            Heard::Cancelled(consumer) => self.consumers.retain(|(name, _, _)| *name != consumer),
            Heard::ChannelClosed { code, text } => self.channel_closed(code, &text),
            Heard::ConnectionClosed(text) => {
                self.open = false;
                self.release();
                if !self.world.troubled.load(Ordering::SeqCst) {
                    self.find(&format!("closed: {text}"));
                }
            }
            Heard::Purged | Heard::Deleted(_) | Heard::Declared => self.answered(&heard),
            Heard::RolledBack | Heard::Ok => {}
        }
    }

    /// A message came.
    fn take(&mut self, queue: usize, tag: u64, body: &[u8], no_ack: bool) {
        let id = wire::number(body).unwrap_or(0);
        let number = self.number;
        let Some(mut model) = self.model() else { return };
        match model.messages.get(&id).map(|message| message.size) {
            Some(size) if wire::body(id, size) == body => {}
            Some(size) => model.find(format!(
                "queue {queue} delivered message {id} of {size} bytes with {} others in its place",
                body.len()
            )),
            None => return model.find(format!("queue {queue} delivered {id}, which is no message")),
        }
        model.delivered(queue, id, number, no_ack);
        drop(model);
        self.seen.push(id);
        if !no_ack {
            self.hands.push_back(Hand { tag, queue, id });
        }
    }

    fn confirmed(&mut self, tag: u64, multiple: bool, good: bool) {
        let mut ids = Vec::new();
        if multiple {
            let rest = self.unconfirmed.split_off(&(tag + 1));
            ids.extend(std::mem::replace(&mut self.unconfirmed, rest).into_values());
        } else {
            ids.extend(self.unconfirmed.remove(&tag));
        }
        if ids.is_empty() {
            self.find(&format!("publish {tag} is confirmed twice or never was"));
        }
        if good {
            self.safe(&ids);
        } else if !self.world.troubled.load(Ordering::SeqCst) {
            let (full, failed) = (self.node.is_full(), self.node.has_failed());
            self.find(&format!("publish {tag} was refused on a good disk (full {full}, failed {failed})"));
        }
    }

    fn safe(&mut self, ids: &[Id]) {
        let Some(mut model) = self.model() else { return };
        ids.iter().for_each(|id| model.confirmed(*id));
    }

    fn channel_closed(&mut self, code: u16, text: &str) {
        let is_expected = matches!(code, 404..=406) || self.world.troubled.load(Ordering::SeqCst);
        if !is_expected || text.contains("unknown delivery tag") {
            self.find(&format!("its channel was closed: {code} {text}"));
        }
        self.closed = Some(code);
        let number = self.number;
        if let Some(mut model) = self.model() {
            model.tell(None, || format!("the channel of connection {number} is closed: {code} {text}"));
        }
        self.release();
        self.begin_channel(wire::reopen());
    }

    /// The channel's deliveries go back, and what it did not hear of it never will.
    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        let hands = std::mem::take(&mut self.hands).into_iter().chain(held.acked).chain(held.requeued);
        let number = self.number;
        if let Some(mut model) = self.model() {
            for hand in hands {
                model.let_go(hand.queue, hand.id, number, false);
            }
            for (_, queue, no_ack) in &self.consumers {
                if *no_ack {
                    model.doubt(*queue);
                }
            }
        }
        self.consumers.clear();
        self.unconfirmed.clear();
        self.committing.clear();
        self.note_silent();
    }

    /// Tells of which queues messages may go without anybody seeing them.
    fn note_silent(&self) {
        let consumed = self.consumers.iter().filter(|(_, _, no_ack)| *no_ack).map(|(_, queue, _)| *queue);
        let asked = self.asked.filter(|(_, no_ack)| *no_ack).map(|(queue, _)| queue);
        if self.model().is_some() {
            self.world.silent.lock().insert(self.number, consumed.chain(asked).collect());
        }
    }

    /// Goes without a word.
    fn leave(&mut self) {
        self.release();
        self.connection.hang_up();
    }
}

mod work;
