//! What one read brought: publishes and acknowledgements that are carried out together, each queue locked once.

use std::sync::Arc;

use crate::clock::now_ms;
use crate::link::Unacked;
use crate::message::Incoming;
use crate::queue::Queue;
use crate::trace::Trace;

/// A batch is carried out early when it has this many queues.
const MOST_QUEUES: usize = 256;

/// What one read brought: publishes and acknowledgements that are carried out together.
pub(super) struct Gathered<'b> {
    /// Number of the batch: routes remember their queues' places in it.
    pub(super) batch: u64,
    pub(super) messages: Vec<Incoming<'b>>,
    pub(super) groups: Vec<Group>,
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
        let at = self.groups.iter().position(|g| Arc::ptr_eq(&g.queue, queue)).unwrap_or_else(|| {
            self.groups.push(Group { queue: Arc::clone(queue), picks: Vec::new() });
            self.groups.len() - 1
        });
        at as u32
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
