//! Queues that wait for something of a connection, each once, first come first served.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashSet;

use super::queue_type::QueueType;

/// See the module's documentation. All are of one vhost.
#[derive(Default)]
pub(super) struct Starved {
    line: VecDeque<Arc<dyn QueueType>>,
    known: HashSet<u64>,
}

impl Starved {
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    pub(super) fn add(&mut self, queue: Arc<dyn QueueType>) {
        if self.known.insert(queue.id()) {
            self.line.push_back(queue);
        }
    }

    pub(super) fn take_first(&mut self) -> Option<Arc<dyn QueueType>> {
        let first = self.line.pop_front()?;
        self.known.remove(&first.id());
        if self.line.is_empty() {
            // Thousands once are no reason to hold their memory for ever.
            *self = Starved::default();
        }
        Some(first)
    }
}
