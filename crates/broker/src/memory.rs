//! The node's budget for messages held in memory.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Bytes of messages that wait in queues, against the budget. Beyond it queues keep what arrives on disk.
pub(crate) struct Memory {
    budget: u64,
    held: AtomicI64,
    /// Set while the process as a whole is above its watermark.
    pressed: AtomicU64,
}

impl Memory {
    pub(crate) fn new(budget: u64) -> Self {
        Memory { budget, held: AtomicI64::new(0), pressed: AtomicU64::new(0) }
    }

    /// Notes that queues hold `difference` bytes more (or fewer).
    pub(crate) fn changed(&self, difference: i64) {
        if difference != 0 {
            self.held.fetch_add(difference, Ordering::Relaxed);
        }
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.held.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// The process is above (or again below) the memory watermark.
    pub(crate) fn set_pressed(&self, pressed: bool) {
        self.pressed.store(u64::from(pressed), Ordering::Relaxed);
    }

    /// Whether what arrives now should not stay in memory.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.pressed.load(Ordering::Relaxed) != 0 || self.held() >= self.budget
    }
}
