//! What one read brought: publishes and acknowledgements that are carried out together, each queue locked once.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::clock::now_ms;
use crate::link::Unacked;
use crate::message::Incoming;
use crate::queue::Queue;
use crate::trace::Trace;

/// Up to this many a queue's place is looked for one by one, beyond it is remembered.
const FEW_QUEUES: usize = 16;
/// A batch is carried out early when it has this many queues.
const MOST_QUEUES: usize = 256;

/// What one read brought: publishes and acknowledgements that are carried out together.
pub(super) struct Gathered<'b> {
    /// Number of the batch: routes remember their queues' places in it.
    pub(super) batch: u64,
    pub(super) messages: Vec<Incoming<'b>>,
    pub(super) groups: Vec<Group>,
    /// Where the groups of queues stand, by the queues' addresses, once they are more than a few.
    places: HashMap<usize, u32>,
    /// Deliveries that were acknowledged.
    pub(super) settled: Vec<Unacked>,
    /// Channel, number and log position of messages to be confirmed.
    pub(super) confirms: Vec<(u16, u64, u64)>,
    pub(super) traces: Vec<Trace>,
    pub(super) now: u64,
}

/// A queue and the messages it gets.
pub(super) struct Group {
    pub(super) queue: Arc<Queue>,
    pub(super) picks: Vec<u32>,
}

impl<'b> Gathered<'b> {
    pub(super) fn new(batch: u64) -> Self {
        Gathered {
            batch,
            messages: Vec::new(),
            groups: Vec::new(),
            places: HashMap::new(),
            settled: Vec::new(),
            confirms: Vec::new(),
            traces: Vec::new(),
            now: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.settled.is_empty()
            && self.confirms.is_empty()
            && self.traces.is_empty()
    }

    /// The time all messages of the batch share.
    pub(super) fn now(&mut self) -> u64 {
        if self.now == 0 {
            self.now = now_ms();
        }
        self.now
    }

    /// Where the queue's group stands.
    pub(super) fn group(&mut self, queue: &Arc<Queue>) -> u32 {
        let few = self.groups.get(..FEW_QUEUES.min(self.groups.len())).unwrap_or_default();
        if let Some(at) = few.iter().position(|group| Arc::ptr_eq(&group.queue, queue)) {
            return at as u32;
        }
        let next = self.groups.len();
        if next >= FEW_QUEUES {
            // A group holds on to its queue: no other comes to its address meanwhile.
            let at = *self.places.entry(Arc::as_ptr(queue).addr()).or_insert(next as u32);
            if (at as usize) < next {
                return at;
            }
        }
        self.groups.push(Group { queue: Arc::clone(queue), picks: Vec::new() });
        next as u32
    }

    /// The messages are carried out.
    pub(super) fn forget_messages(&mut self) {
        self.messages.clear();
        self.groups.clear();
        self.places.clear();
        self.now = 0;
    }

    /// So many queues that the batch is carried out early.
    pub(super) fn is_wide(&self) -> bool {
        self.groups.len() > MOST_QUEUES
    }

    pub(super) fn add(&mut self, message: Incoming<'b>, groups: &[u32]) {
        let at = self.messages.len() as u32;
        self.messages.push(message);
        for group in groups {
            if let Some(group) = self.groups.get_mut(*group as usize) {
                group.picks.push(at);
            }
        }
    }
}
