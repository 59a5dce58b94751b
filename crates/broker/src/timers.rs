//! Wakes queues when a message or the queue itself expires: one task for the whole node.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::now_ms;
use crate::queue::deletion::Condition;
use crate::queue::{Aftermath, Queue};

/// Longest sleep: the wall clock may be set, and expiry follows it.
const LONGEST_SLEEP_MS: u64 = 1000;

/// Pending wake-ups. A queue has at most a few: it asks only for times before the one it has asked for.
#[derive(Default)]
pub(crate) struct Timers {
    pending: Mutex<BinaryHeap<Reverse<Pending>>>,
    changed: Notify,
}

struct Pending {
    at: u64,
    queue: Weak<Queue>,
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
    /// Calls the queue's `on_timer` at `at` (milliseconds since the epoch) or soon after.
    pub(crate) fn schedule(&self, at: u64, queue: Weak<Queue>) {
        let mut pending = self.pending.lock();
        let is_next = pending.peek().is_none_or(|Reverse(next)| at < next.at);
        pending.push(Reverse(Pending { at, queue }));
        drop(pending);
        if is_next {
            self.changed.notify_one();
        }
    }

    /// Runs until the node ends.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let now = now_ms();
            while let Some(queue) = self.pop_due(now) {
                if let Some(queue) = queue.upgrade() {
                    expire(&queue, now);
                }
            }
            let next = self.pending.lock().peek().map(|Reverse(p)| p.at);
            let sleep = next.map_or(LONGEST_SLEEP_MS, |at| at.saturating_sub(now).clamp(1, LONGEST_SLEEP_MS));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(sleep)) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn pop_due(&self, now: u64) -> Option<Weak<Queue>> {
        let mut pending = self.pending.lock();
        if pending.peek().is_some_and(|Reverse(p)| p.at <= now) {
            return pending.pop().map(|Reverse(p)| p.queue);
        }
        None
    }
}

fn expire(queue: &Arc<Queue>, now: u64) {
    let Some(vhost) = queue.vhost.upgrade() else { return };
    let mut aftermath = Aftermath::default();
    let is_unused = queue.on_timer(&vhost, now, &mut aftermath);
    aftermath.carry_out(&vhost);
    if is_unused {
        // It may have been used meanwhile: then it stays, and that use has armed the timer anew.
        let _ = vhost.delete_queue(queue, Condition::Expired { now });
    }
}
