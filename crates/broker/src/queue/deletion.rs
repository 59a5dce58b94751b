//! The end of a queue. Whether it may go is judged under its lock, and in the same breath it takes nothing any more:
//! what comes in between does not go with it.

use std::sync::atomic::Ordering;

use super::consumers::Subscription;
use super::ready::Ready;
use super::{Queue, State};
use crate::message::Stored;

/// On what condition a queue is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    /// `queue.delete`, with `if-unused` and `if-empty`.
    Asked {
        if_unused: bool,
        if_empty: bool,
    },
    /// Auto-delete: the last consumer is gone.
    Abandoned,
    /// `x-expires`: nobody has used it for so long, at this time.
    Expired {
        now: u64,
    },
}

/// Why a queue stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    InUse,
    NotEmpty,
    /// Somebody else has deleted it.
    Gone,
}

/// What a deleted queue leaves.
pub(crate) struct Remains {
    /// Messages that were ready.
    pub(crate) messages: u64,
    ready: Ready,
    pub(crate) consumers: Vec<Subscription>,
}

impl Remains {
    /// The records of its messages, in the log and in the page file.
    pub(crate) fn records(mut self) -> Vec<Stored> {
        self.ready.drain().map(|entry| entry.stored).filter(|stored| stored.id != 0).collect()
    }
}

impl Queue {
    /// Marks the queue deleted if the condition holds, and empties it. Its name and its record are the caller's.
    pub(crate) fn condemn(&self, condition: Condition) -> Result<Remains, Kept> {
        let mut state = self.lock();
        if self.is_deleted() {
            return Err(Kept::Gone);
        }
        self.judge(&state, condition)?;
        self.deleted.store(true, Ordering::Release);
        let messages = state.ready.tally().messages;
        let ready = std::mem::replace(&mut state.ready, Ready::new(None));
        state.report_memory(&self.ground);
        let consumers = state.consumers.take_all();
        drop(state);
        self.held_back.relieve();
        Ok(Remains { messages, ready, consumers })
    }

    /// Whether it would go.
    pub(crate) fn may_go(&self, condition: Condition) -> Result<(), Kept> {
        self.judge(&self.lock(), condition)
    }

    fn judge(&self, state: &State, condition: Condition) -> Result<(), Kept> {
        let in_use = !state.consumers.is_empty();
        match condition {
            Condition::Asked { if_empty: true, .. } if !state.ready.is_empty() => Err(Kept::NotEmpty),
            Condition::Asked { if_unused: true, .. } | Condition::Abandoned | Condition::Expired { .. }
                if in_use =>
            {
                Err(Kept::InUse)
            }
            Condition::Expired { now } => {
                let unused_for = now.saturating_sub(state.last_used);
                let has_expired = self.arguments.expires_ms.is_some_and(|ms| unused_for >= ms);
                has_expired.then_some(()).ok_or(Kept::InUse)
            }
            _ => Ok(()),
        }
    }
}
