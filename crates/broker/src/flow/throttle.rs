//! A publisher's side of flow control: whether its connection is to be read from now.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::backlog::Backlog;

/// Longest wait for a queue's consumers.
const QUEUE_TIME: Duration = Duration::from_millis(20);
/// Clients that leave their deliveries unread for this long hold no publisher back.
const STUCK_TIME: Duration = Duration::from_millis(100);
/// Bytes that may wait for the log's thread before publishers have to: the disk sets the pace then.
const LOG_BEHIND: u64 = 64 << 20;
/// How often such a publisher looks again.
const LOG_PAUSE: Duration = Duration::from_millis(5);

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Throttle {
    /// The connection publishes: alarms and the log concern it.
    publishes: bool,
    /// An alarm holds it back.
    blocked: bool,
    /// A queue its last batch met, whose consumers it should wait for.
    met: Option<Arc<dyn Backlog>>,
    /// The one it waits for.
    waits_for: Option<Arc<dyn Backlog>>,
    /// When the wait is over; set while it is held back by queue or log.
    until: Option<Instant>,
}

/// Whether a connection may be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Free,
    /// Just now; it was held back before.
    Freed,
    /// Not before this time, or a call of its waker.
    HeldBack(Instant),
    /// Still, as told before.
    StillHeldBack,
    /// By an alarm, for as long as that lasts.
    Blocked,
}

impl Throttle {
    /// The connection has published.
    pub(crate) fn note_publish(&mut self) {
        self.publishes = true;
    }

    /// Something published met this backlog.
    pub(crate) fn meet(&mut self, backlog: Arc<dyn Backlog>) {
        self.met = Some(backlog);
    }

    /// Whether [`meet`](Self::meet) was called since the last look.
    pub(crate) fn has_met_backlog(&self) -> bool {
        self.met.is_some()
    }

    /// Whether an alarm holds it back.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Notes whether an alarm is on. `Some`: that blocks the connection now, or does so no more.
    pub(crate) fn note_alarm(&mut self, alarmed: bool) -> Option<bool> {
        let blocked = alarmed && self.publishes;
        (std::mem::replace(&mut self.blocked, blocked) != blocked).then_some(blocked)
    }

    /// The connection is not open, or not any more: no alarm concerns it.
    pub(crate) fn forget_alarm(&mut self) {
        self.blocked = false;
    }

    /// Judges anew. `log_pending` are the bytes that wait for the log's thread; `waker` is called when the queue
    /// that is waited for has less to do.
    pub(crate) fn judge(&mut self, now: Instant, log_pending: u64, waker: &Waker) -> Admission {
        if self.blocked {
            return Admission::Blocked;
        }
        if self.publishes && log_pending > LOG_BEHIND {
            self.until.get_or_insert(now);
            return Admission::HeldBack(now + LOG_PAUSE);
        }
        if let Some(queue) = self.met.take() {
            queue.hold_back(waker);
            // Those who do not read at all are not waited for.
            if queue.is_consumed(STUCK_TIME) {
                let until = now + QUEUE_TIME;
                self.until = Some(until);
                let is_busy = queue.is_busy();
                self.waits_for = Some(queue);
                if is_busy {
                    return Admission::HeldBack(until);
                }
            }
        }
        let Some(until) = self.until else { return Admission::Free };
        if now < until && self.waits_for.as_ref().is_some_and(|queue| queue.is_busy()) {
            return Admission::StillHeldBack;
        }
        self.until = None;
        self.waits_for = None;
        Admission::Freed
    }

    /// When a wait that goes on is over.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Queue {
        is_busy: AtomicBool,
        is_stuck: AtomicBool,
        held_back: AtomicU32,
    }

    impl Backlog for Queue {
        fn is_busy(&self) -> bool {
            self.is_busy.load(Ordering::Relaxed)
        }

        fn is_consumed(&self, _: Duration) -> bool {
            !self.is_stuck.load(Ordering::Relaxed)
        }

        fn hold_back(&self, _: &Waker) {
            self.held_back.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn busy() -> Arc<Queue> {
        Arc::new(Queue { is_busy: AtomicBool::new(true), ..Queue::default() })
    }

    fn judge(throttle: &mut Throttle, now: Instant) -> Admission {
        throttle.judge(now, 0, Waker::noop())
    }

    #[test]
    fn a_busy_queue_is_waited_for_until_it_has_less_to_do() {
        let (queue, start) = (busy(), Instant::now());
        let mut throttle = Throttle::default();
        assert_eq!(judge(&mut throttle, start), Admission::Free);
        throttle.meet(Arc::clone(&queue) as Arc<_>);
        assert_eq!(judge(&mut throttle, start), Admission::HeldBack(start + QUEUE_TIME));
        assert_eq!(judge(&mut throttle, start + QUEUE_TIME / 2), Admission::StillHeldBack);
        assert_eq!(throttle.until(start), Some(start + QUEUE_TIME));
        queue.is_busy.store(false, Ordering::Relaxed);
        assert_eq!(judge(&mut throttle, start + QUEUE_TIME / 2), Admission::Freed);
        assert_eq!(judge(&mut throttle, start + QUEUE_TIME / 2), Admission::Free);
        assert_eq!(queue.held_back.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_wait_for_a_queue_has_an_end() {
        let (queue, start) = (busy(), Instant::now());
        let mut throttle = Throttle::default();
        throttle.meet(queue as Arc<_>);
        assert_eq!(judge(&mut throttle, start), Admission::HeldBack(start + QUEUE_TIME));
        assert_eq!(judge(&mut throttle, start + QUEUE_TIME), Admission::Freed);
        assert_eq!(throttle.until(start), None);
    }

    #[test]
    fn consumers_that_do_not_read_hold_nobody_back() {
        let queue = busy();
        queue.is_stuck.store(true, Ordering::Relaxed);
        let mut throttle = Throttle::default();
        throttle.meet(Arc::clone(&queue) as Arc<_>);
        assert_eq!(judge(&mut throttle, Instant::now()), Admission::Free);
        assert_eq!(queue.held_back.load(Ordering::Relaxed), 1, "it is woken all the same when they do");
    }

    #[test]
    fn the_log_sets_the_pace_of_publishers_alone() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.judge(start, LOG_BEHIND + 1, Waker::noop()), Admission::Free);
        throttle.note_publish();
        assert_eq!(throttle.judge(start, LOG_BEHIND, Waker::noop()), Admission::Free);
        let again = Admission::HeldBack(start + LOG_PAUSE);
        assert_eq!(throttle.judge(start, LOG_BEHIND + 1, Waker::noop()), again);
        assert_eq!(throttle.judge(start + LOG_PAUSE, 0, Waker::noop()), Admission::Freed);
    }

    #[test]
    fn an_alarm_blocks_publishers_before_all_else() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.note_alarm(true), None, "a consumer is none of its business");
        throttle.note_publish();
        assert_eq!(throttle.note_alarm(true), Some(true));
        assert_eq!(throttle.note_alarm(true), None, "it is told once");
        throttle.meet(busy() as Arc<_>);
        assert_eq!(throttle.judge(start, LOG_BEHIND + 1, Waker::noop()), Admission::Blocked);
        assert_eq!(throttle.note_alarm(false), Some(false));
        assert_eq!(judge(&mut throttle, start), Admission::HeldBack(start + QUEUE_TIME));
        throttle.note_alarm(true);
        throttle.forget_alarm();
        assert!(!throttle.is_blocked());
        assert_eq!(throttle.note_alarm(false), None, "a connection that ends is told nothing");
    }
}
