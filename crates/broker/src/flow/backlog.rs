//! A queue's side of flow control: when its backlog is one that publishers should wait for, and who waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;

use super::wakers::Wakers;

/// A backlog at which publishers wait a little, as long as consumers are at work on it.
const BUSY: u64 = 10_000;
/// Consumers that got nothing for this many milliseconds are not at work.
const IDLE_MS: u64 = 100;

/// A queue whose publishers may be asked to wait.
pub(crate) trait Backlog: Send + Sync {
    /// Whether its consumers have more to do than they can take at once.
    fn is_busy(&self) -> bool;

    /// Whether some consumer is at work: clients that have left their deliveries unread for `stuck` are not.
    fn is_consumed(&self, stuck: Duration) -> bool;

    /// Wakes this publisher as soon as there is less to do.
    fn hold_back(&self, publisher: &Waker);
}

/// Whether a backlog of `messages` is worth waiting for, which consumers were last given something of at
/// `last_delivery`.
pub(crate) fn is_worth_waiting_for(messages: u64, last_delivery: u64, now: u64) -> bool {
    messages > BUSY && now.saturating_sub(last_delivery) < IDLE_MS
}

/// Whether so little is left that publishers may go on.
pub(crate) fn is_worked_off(messages: u64) -> bool {
    messages <= BUSY / 2
}

/// Publishers that wait for one queue.
#[derive(Default)]
pub(crate) struct HeldBack {
    publishers: Mutex<Wakers>,
    any: AtomicBool,
}

impl HeldBack {
    pub(crate) fn add(&self, publisher: &Waker) {
        self.publishers.lock().add(publisher);
        self.any.store(true, Ordering::Release);
    }

    /// Lets all of them go on.
    #[inline]
    pub(crate) fn relieve(&self) {
        if self.any.swap(false, Ordering::AcqRel) {
            self.publishers.lock().wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::wakers::tests::Count;
    use super::*;

    #[test]
    fn a_publisher_that_waits_twice_is_woken_once() {
        let held = HeldBack::default();
        let count = Arc::<Count>::default();
        let waker = Waker::from(Arc::clone(&count));
        held.relieve();
        held.add(&waker);
        held.add(&waker);
        held.relieve();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        held.relieve();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "whoever was relieved waits no more");
    }

    #[test]
    fn only_a_backlog_that_is_worked_on_is_worth_waiting_for() {
        assert!(is_worth_waiting_for(BUSY + 1, 1000, 1000 + IDLE_MS - 1));
        assert!(!is_worth_waiting_for(BUSY, 1000, 1000));
        assert!(!is_worth_waiting_for(BUSY + 1, 1000, 1000 + IDLE_MS));
        assert!(is_worked_off(BUSY / 2) && !is_worked_off(BUSY / 2 + 1));
        assert!(
            is_worth_waiting_for(BUSY + 1, 2000, 1000),
            "a clock that was set back is no sign of idleness"
        );
    }
}
