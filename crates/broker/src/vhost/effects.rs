//! What queues want done, carried out when none of them is locked.

use std::sync::Arc;

use super::Vhost;
use crate::link::{Consumer, Effects, QueueType, Unacked};
use crate::queue::Queue;
use crate::queue::deletion::Condition;
use crate::timers::OnTimer;

impl Vhost {
    /// Log first, then those who have something to send, then traces (which may publish). Leaves nothing but the
    /// backlog, which is the publisher's to wait for.
    pub(crate) fn carry_out(self: &Arc<Self>, effects: &mut Effects) {
        if !effects.settled.is_empty() {
            sched::yield_point("effects: between queue and log");
            self.store().settle(&mut effects.settled);
        }
        effects.wake.wake_all();
        for (at, queue) in effects.arm.drain(..) {
            let vhost = Arc::downgrade(self);
            self.timers.schedule(at, vhost, queue);
        }
        for queue in effects.load.drain(..) {
            self.start_loading(queue);
        }
        if !effects.traces.is_empty() {
            self.publish_traces(std::mem::take(&mut effects.traces));
        }
    }

    /// Reads a queue's next messages on a thread that may wait for the disk.
    fn start_loading(self: &Arc<Self>, queue: Arc<dyn QueueType>) {
        let vhost = Arc::clone(self);
        (self.spawn)(Box::new(move || {
            let mut effects = Effects::default();
            queue.load(&mut effects);
            vhost.carry_out(&mut effects);
        }));
    }

    /// Puts unacknowledged messages back, a queue at a time.
    pub(crate) fn requeue_all(self: &Arc<Self>, mut unacked: Vec<Unacked>) {
        unacked.sort_by_key(|u| u.queue.id());
        let mut effects = Effects::default();
        for run in unacked.chunk_by_mut(|a, b| a.queue.id() == b.queue.id()) {
            if let Some(queue) = run.first().map(|u| Arc::clone(&u.queue)) {
                queue.requeue(run, &mut effects);
            }
        }
        self.carry_out(&mut effects);
    }

    /// Notes a use of the queue that starts its `x-expires` anew.
    pub(crate) fn touch(self: &Arc<Self>, queue: &Arc<Queue>) {
        let mut effects = Effects::default();
        queue.touch(&mut effects);
        self.carry_out(&mut effects);
    }

    /// Lets a consumer go; an auto-delete queue goes with its last one.
    pub(crate) fn remove_consumer(self: &Arc<Self>, queue: &Arc<Queue>, consumer: &Arc<Consumer>) {
        let mut effects = Effects::default();
        let is_unused = queue.remove_consumer(consumer, &mut effects);
        self.carry_out(&mut effects);
        if is_unused {
            sched::yield_point("consumers: between the last one's end and auto-delete");
            // Somebody may have begun to consume meanwhile: then it stays.
            let _ = self.delete_queue(queue, Condition::Abandoned);
        }
    }
}

impl OnTimer for Vhost {
    fn on_timer(self: Arc<Self>, queue: Arc<dyn QueueType>, now: u64) {
        let mut effects = Effects::default();
        let has_expired = Arc::clone(&queue).on_timer(now, &mut effects);
        self.carry_out(&mut effects);
        sched::yield_point("timer: between expiry and deletion");
        if has_expired && let Some(found) = self.find_queue(queue.name()).filter(|q| q.id == queue.id()) {
            // It may have been used meanwhile: then it stays, and that use has armed the timer anew.
            let _ = self.delete_queue(&found, Condition::Expired { now });
        }
    }
}
