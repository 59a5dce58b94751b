//! Calls vhosts when a message of a queue, or the queue itself, expires: one task for the whole node.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::now_ms;
use crate::link::QueueType;

/// Longest sleep, so that a wake-up that was missed is not missed for long.
const LONGEST_SLEEP_MS: u64 = 1000;

/// Who is called when a time has come that one of its queues waited for.
pub(crate) trait OnTimer: Send + Sync {
    fn on_timer(self: Arc<Self>, queue: Arc<dyn QueueType>, now: u64);
}

/// Pending wake-ups. A queue has at most a few: it asks only for times before the one it has asked for.
#[derive(Default)]
pub(crate) struct Timers {
    pending: Mutex<BinaryHeap<Reverse<Pending>>>,
    changed: Notify,
}

struct Pending {
    at: u64,
    whom: Weak<dyn OnTimer>,
    queue: Weak<dyn QueueType>,
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Timers {
    /// Calls `whom` about the queue at `at` (milliseconds since the epoch) or soon after.
    pub(crate) fn schedule(&self, at: u64, whom: Weak<dyn OnTimer>, queue: Weak<dyn QueueType>) {
        let mut pending = self.pending.lock();
        let is_next = pending.peek().is_none_or(|Reverse(next)| at < next.at);
        pending.push(Reverse(Pending { at, whom, queue }));
        drop(pending);
        if is_next {
            self.changed.notify_one();
        }
    }

    /// Runs until the node ends.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let now = now_ms();
            let next = self.fire(now);
            let sleep = next.map_or(LONGEST_SLEEP_MS, |at| at.saturating_sub(now).clamp(1, LONGEST_SLEEP_MS));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(sleep)) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Calls about everything that is due at `now`. Returns when the next is.
    pub(crate) fn fire(&self, now: u64) -> Option<u64> {
        while let Some(Pending { whom, queue, .. }) = self.pop_due(now) {
            if let (Some(whom), Some(queue)) = (whom.upgrade(), queue.upgrade()) {
                whom.on_timer(queue, now);
            }
        }
        self.pending.lock().peek().map(|Reverse(next)| next.at)
    }

    fn pop_due(&self, now: u64) -> Option<Pending> {
        let mut pending = self.pending.lock();
        if pending.peek().is_some_and(|Reverse(p)| p.at <= now) {
            return pending.pop().map(|Reverse(due)| due);
        }
        None
    }
}
