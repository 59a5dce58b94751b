//! A connection's sending half, with queues that only note what becomes of their deliveries.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Effects, QueueType, Unacked};
use crate::message::{Entry, Message, Parts, Stored};

/// Notes what becomes of its deliveries.
pub(crate) struct FakeQueue {
    id: u64,
    name: Arc<str>,
    /// Order of arrival of what was settled for good, and of what came back.
    pub(crate) acknowledged: Mutex<Vec<u64>>,
    pub(crate) requeued: Mutex<Vec<u64>>,
}

impl FakeQueue {
    pub(crate) fn new(id: u64) -> Arc<Self> {
        let (acknowledged, requeued) = Default::default();
        Arc::new(FakeQueue { id, name: Arc::from(format!("q{id}")), acknowledged, requeued })
    }
}

impl QueueType for FakeQueue {
    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn acknowledge(self: Arc<Self>, deliveries: &mut [Unacked], _: &mut Effects) {
        self.acknowledged.lock().extend(deliveries.iter_mut().filter_map(|u| u.entry.take()).map(|e| e.seq));
    }

    fn requeue(self: Arc<Self>, deliveries: &mut [Unacked], _: &mut Effects) {
        self.requeued.lock().extend(deliveries.iter_mut().filter_map(|u| u.entry.take()).map(|e| e.seq));
    }

    fn pump(self: Arc<Self>, _: &mut Effects) {}

    fn load(self: Arc<Self>, _: &mut Effects) {}

    fn on_timer(self: Arc<Self>, _: u64, _: &mut Effects) -> bool {
        false
    }
}

/// A message in memory, with its order of arrival as its body.
pub(crate) fn entry(seq: u64) -> Entry {
    let message = Message::new(&Parts { body: &seq.to_be_bytes(), ..Parts::default() });
    Entry {
        seq,
        stored: Stored::default(),
        priority: 0,
        expires_at: u64::MAX,
        body_len: 8,
        message: Some(message),
    }
}
