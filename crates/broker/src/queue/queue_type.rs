//! The classic queue as a connection knows it, and as publishers wait for it.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::Queue;
use crate::flow::{Backlog, backlog};
use crate::link::{Effects, QueueType, Relief, Unacked};

impl QueueType for Queue {
    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn acknowledge(self: Arc<Self>, deliveries: &mut [Unacked], effects: &mut Effects) {
        self.settle(deliveries, effects);
    }

    fn requeue(self: Arc<Self>, deliveries: &mut [Unacked], effects: &mut Effects) {
        self.take_back(deliveries, effects);
    }

    fn pump(self: Arc<Self>, relief: Relief, effects: &mut Effects) {
        let mut state = self.lock();
        state.consumers.relieve(relief);
        self.serve_locked(&mut state, effects);
    }

    fn load(self: Arc<Self>, effects: &mut Effects) {
        self.load_next(effects);
    }

    fn on_timer(self: Arc<Self>, now: u64, effects: &mut Effects) -> bool {
        self.expire(now, effects)
    }
}

impl Backlog for Queue {
    fn is_busy(&self) -> bool {
        let state = self.lock();
        !state.consumers.is_empty() && !backlog::is_worked_off(state.ready.tally().messages)
    }

    fn is_consumed(&self, stuck: Duration) -> bool {
        let state = self.lock();
        state.consumers.links().any(|link| !link.lock().is_stuck(stuck))
    }

    fn hold_back(&self, publisher: &Waker) {
        self.held_back.add(publisher);
    }
}
