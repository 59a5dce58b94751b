//! A message in a queue: its place in the line, and where its bytes are.

use super::{Message, Stored};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Order of arrival in the queue; a requeued message goes back to its place by it.
    pub(crate) seq: u64,
    pub(crate) stored: Stored,
    pub(crate) priority: u8,
    /// Milliseconds since the epoch after which the message is dead; `u64::MAX` is never.
    pub(crate) expires_at: u64,
    /// Length of the body, for accounting when the message is not in memory.
    pub(crate) body_len: u32,
    /// `None`: it lies on disk only and is read when its turn comes.
    pub(crate) message: Option<Message>,
}

impl Entry {
    /// Bytes of message it holds in memory.
    pub(crate) fn memory(&self) -> u64 {
        self.message.as_ref().map_or(0, |m| m.len() as u64)
    }
}
