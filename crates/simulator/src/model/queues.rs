//! Which queues are there, and since when that is promised.

use super::*;

impl Model {
    /// A queue is about to be declared or deleted.
    pub fn begin(&mut self, queue: usize) {
        let known = &mut self.queues[queue];
        known.under_way += 1;
        known.muddled |= known.under_way > 1;
        known.promised = false;
    }

    /// The broker has answered that the queue is there, or gone.
    pub fn promised(&mut self, queue: usize) {
        let known = &mut self.queues[queue];
        known.promised = !known.muddled && known.kind.durable && !known.kind.auto_delete;
    }

    /// A declaration or deletion was answered, or never will be.
    pub fn end(&mut self, queue: usize) {
        let known = &mut self.queues[queue];
        known.under_way -= 1;
        known.muddled &= known.under_way > 0;
    }

    /// A queue is there, or no longer.
    pub fn there(&mut self, queue: usize, there: bool) {
        self.tell(None, || format!("queue {queue} is there: {there}"));
        let now = self.tick();
        let known = &mut self.queues[queue];
        // Of two that were about at once nobody knows who came first.
        let there = Some(there).filter(|_| !(known.renewed && known.shaky));
        known.renewed |= there == Some(true);
        if known.there != there {
            known.there = there;
            known.since = now;
        }
    }

    /// A look at a queue.
    pub fn looked(&mut self, number: usize, there: bool) {
        self.tell(None, || format!("queue {number} is found: {there}"));
        let now = self.tick();
        let queue = &mut self.queues[number];
        let expected = queue.there;
        if expected != Some(there) {
            queue.since = now;
        }
        queue.there = Some(there);
        match (expected, there) {
            (Some(true), false) => self.find(format!("queue {number} is gone")),
            (Some(false), true) => self.find(format!("queue {number}, which was deleted, is back")),
            _ => {}
        }
        if !there {
            let confirmed = self.holds(number).filter(|(_, hold)| hold.standing == Standing::Must).count();
            if confirmed > 0 && expected.is_none() {
                self.find(format!("queue {number} is gone with {confirmed} messages that were confirmed"));
            }
            // What a start did not find is not on the disk; what went in this life may not yet be gone from there.
            let gone = if self.starts { Standing::Never } else { Standing::Settled(now) };
            for (_, hold) in self.holds(number) {
                if matches!(hold.standing, Standing::Must | Standing::May) {
                    hold.standing = gone;
                }
            }
        }
    }
}
