//! Since when the writer has been at its present step on the disk: what tells a disk that hangs from one with nothing to
//! do. The writer notes each step as it begins; anybody may look.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct Outstanding {
    /// What times are counted from.
    origin: Instant,
    /// Nanoseconds from there to the beginning of the present step, and one more; 0 where there is none.
    began: AtomicU64,
}

impl Outstanding {
    pub(crate) fn new() -> Self {
        Outstanding { origin: sched::now(), began: AtomicU64::new(0) }
    }

    fn nanoseconds(&self) -> u64 {
        let passed = sched::now().saturating_duration_since(self.origin);
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
    }

    /// A step begins: whatever came before has ended.
    pub(crate) fn begin(&self) {
        self.began.store(self.nanoseconds().saturating_add(1), Ordering::Release);
    }

    /// The disk owes no answer.
    pub(crate) fn end(&self) {
        self.began.store(0, Ordering::Release);
    }

    /// How long the present step has taken.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        let began = self.began.load(Ordering::Acquire).checked_sub(1)?;
        Some(Duration::from_nanos(self.nanoseconds().saturating_sub(began)))
    }
}
