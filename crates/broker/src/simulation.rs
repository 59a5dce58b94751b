//! The simulator's door: a node without sockets and without a runtime, whose clients are calls.
//!
//! All of it is to be used on threads of a simulated machine (`sched::simulated`). What a runtime's tasks do in
//! production (house-keeping, timers, connections) happens when it is called; what waits for the disk is a simulated
//! thread of its own.

use std::sync::Arc;
use std::task::Waker;

use crate::clock::now_ms;
use crate::node::{Node, NodeError};
use crate::queue::deletion::Condition;
use crate::session::pipe::Pipe;
use crate::settings::Settings;
use crate::vhost::recovery::STAND_IN;
use crate::vhost::{Spawn, Vhost};

/// A node. Clones are the same one.
#[derive(Clone)]
pub struct SimulatedNode(Arc<Node>);

/// A client's connection, up to where a socket would be.
pub struct SimulatedConnection(Pipe);

impl SimulatedNode {
    /// Opens definitions and all vhosts.
    pub fn open(settings: Settings) -> Result<SimulatedNode, NodeError> {
        let spawn: Spawn = Arc::new(|job| drop(sched::spawn("job", job)));
        Node::open(settings, spawn).map(SimulatedNode)
    }

    /// Somebody connects.
    pub fn connect(&self) -> SimulatedConnection {
        SimulatedConnection(Pipe::new(&self.0))
    }

    /// Gives back disk space that nothing lives in, and pays the logs what they are owed.
    pub fn give_space_back(&self) {
        self.0.give_space_back();
        self.0.announce_alarms();
    }

    /// Lets expire what is due.
    pub fn fire_timers(&self) {
        self.0.surroundings().timers.fire(now_ms());
    }

    /// The process as a whole is above its memory watermark, or no longer.
    pub fn press_memory(&self, pressed: bool) {
        self.0.surroundings().memory.set_pressed(pressed);
    }

    /// Ends in good order, once all connections are gone: an error says why not everything is on disk.
    pub fn close(&self) -> Result<(), String> {
        let closed: Vec<_> = self.0.vhosts().into_iter().map(|vhost| vhost.close()).collect();
        closed.into_iter().collect::<Result<(), _>>().map_err(|error| error.to_string())
    }

    /// Whether an acknowledgement or a deletion waits for space in a log.
    pub fn owes(&self) -> bool {
        self.0.vhosts().iter().any(|vhost| vhost.store().owes())
    }

    /// Whether a log has failed for good.
    pub fn has_failed(&self) -> bool {
        self.0.vhosts().iter().any(|vhost| vhost.store().log.state() == journal::State::Failed)
    }

    /// Whether a log waits for space.
    pub fn is_full(&self) -> bool {
        self.0.vhosts().iter().any(|vhost| vhost.store().log.state() == journal::State::Full)
    }

    /// Damaged places found as the logs were opened.
    pub fn damages(&self) -> u64 {
        self.0.damages()
    }

    /// Deletes the queues that stand in for ones whose declaration is lost; how many messages they had.
    pub fn delete_stand_ins(&self) -> u64 {
        let asked = Condition::Asked { if_unused: false, if_empty: false };
        let delete = |vhost: Arc<Vhost>| -> u64 {
            let stand_ins = vhost.queues().into_iter().filter(|queue| queue.name.starts_with(STAND_IN));
            stand_ins.filter_map(|queue| vhost.delete_queue(&queue, asked).ok()).sum()
        };
        self.0.vhosts().into_iter().map(delete).sum()
    }

    /// Segments of all logs, and bytes of live records in them.
    pub fn log_size(&self) -> (u64, u64) {
        let stats = self.0.vhosts().into_iter().map(|vhost| vhost.store().log.stats());
        stats.fold((0, 0), |(segments, live), one| (segments + one.segments, live + one.live_bytes))
    }

    /// Bytes that wait to be written to logs.
    pub fn pending_bytes(&self) -> u64 {
        self.0.vhosts().into_iter().map(|vhost| vhost.store().log.pending_bytes()).sum()
    }

    /// Bytes of messages held in memory.
    pub fn message_memory(&self) -> u64 {
        self.0.message_memory()
    }
}

impl SimulatedConnection {
    /// The client's bytes arrive.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    /// A turn of the connection's task: appends what the client is sent. `false`: the connection is over.
    pub fn turn(&mut self, out: &mut Vec<u8>) -> bool {
        self.0.turn(out)
    }

    /// Whether something that the client asked for is not answered yet: it waits for the disk.
    pub fn owes_answer(&self) -> bool {
        self.0.owes_answer()
    }

    /// Whether an alarm holds this client back.
    pub fn is_held_back(&mut self) -> bool {
        self.0.is_held_back()
    }

    /// Who is woken when there is something for this client.
    pub fn register(&self, task: &Waker) {
        self.0.register(task);
    }

    /// The client is gone without a word.
    pub fn hang_up(&mut self) {
        self.0.hang_up();
    }
}
