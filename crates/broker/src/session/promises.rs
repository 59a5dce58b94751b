//! Answers that promise something: `declare-ok`, `bind-ok`, `unbind-ok` and `delete-ok` of what outlives a restart are
//! sent once the log is on disk that far, so that what was answered is there, or gone, after a crash.
//!
//! Meanwhile the session works on: more declarations, publishes and acknowledgements. Declarations that a client sends
//! without waiting for each answer so share one sync. Answers keep their order: before a method of any other kind is
//! looked at, those that wait are sent.

use std::collections::VecDeque;

use amqp::method::Method;
use amqp::reply;
use journal::Position;

use super::{NO_METHOD, Session};
use crate::error::Failure;
use crate::store::OWED;

/// The answers of a connection that wait for the disk, in order.
#[derive(Default)]
pub(super) struct Promises(VecDeque<Promise>);

struct Promise {
    /// The log has to be on disk up to here, or ([`OWED`]) has to be told first.
    end: Position,
    channel: u16,
    frame: Vec<u8>,
}

impl Promises {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, end: Position, channel: u16, answer: &Method<'_>) {
        let before = self.0.back().map_or(0, |promise| promise.end);
        let mut frame = Vec::new();
        answer.write_frame(channel, &mut frame);
        self.0.push_back(Promise { end: end.max(before), channel, frame });
    }

    /// Appends what can be said once the log is on disk up to `durable`.
    fn keep(&mut self, durable: Position, frames: &mut Vec<u8>) {
        while let Some(promise) = self.0.pop_front_if(|promise| promise.end <= durable) {
            frames.extend_from_slice(&promise.frame);
        }
    }

    /// What was owed is in the log, up to `end`.
    fn told(&mut self, end: Position) {
        self.0
            .iter_mut()
            .rev()
            .take_while(|promise| promise.end == OWED)
            .for_each(|promise| promise.end = end);
    }

    /// The position the last one waits for.
    fn awaited(&self) -> Option<Position> {
        self.0.back().map(|promise| promise.end)
    }

    /// The channel is closed: nobody waits for its answers any more.
    pub(super) fn forget(&mut self, channel: u16) {
        self.0.retain(|promise| promise.channel != channel);
    }

    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}

impl Session {
    /// Answers once the log is on disk up to `end` (0: at once), behind the answers that wait already.
    pub(super) fn promise(&mut self, channel: u16, no_wait: bool, answer: &Method<'_>, end: Position) {
        if no_wait {
            return;
        }
        let durable = match self.card.vhost.get() {
            _ if sched::fault::is_back("declare-early") => Position::MAX,
            Some(vhost) => vhost.store().log.durable(),
            None => 0,
        };
        if self.promises.is_empty() && end <= durable {
            return self.send(channel, answer);
        }
        self.promises.push(end, channel, answer);
        self.awaits_disk = true;
    }

    /// Sends what may be said now. Returns the position that the rest waits for (0: there is none).
    pub(super) fn keep_promises(&mut self, durable: Position, failed: bool) -> Position {
        if self.promises.is_empty() {
            return 0;
        }
        if self.promises.awaited() == Some(OWED)
            && let Some(vhost) = self.card.vhost.get()
        {
            self.promises.told(vhost.store().said_up_to());
        }
        self.promises.keep(durable, &mut self.link.lock().frames);
        let Some(end) = self.promises.awaited() else { return 0 };
        if failed {
            let what = "the broker's disk failed, what was declared or deleted last may be lost";
            self.end_by(0, &Failure::connection(reply::INTERNAL_ERROR, what), NO_METHOD);
            return 0;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_their_order_whatever_each_waits_for() {
        let mut promises = Promises::default();
        for (end, channel) in [(100, 1), (0, 2), (300, 1)] {
            promises.push(end, channel, &Method::QueueBindOk);
        }
        let mut frames = Vec::new();
        promises.keep(99, &mut frames);
        assert_eq!(frames.len(), 0, "the second needs no disk, but stands behind the first");
        promises.keep(100, &mut frames);
        let one = frames.len() / 2;
        assert_eq!(frames.get(1..3), Some(&[0, 1][..]));
        assert_eq!(frames.get(one + 1..one + 3), Some(&[0, 2][..]));
        assert_eq!(promises.awaited(), Some(300));
        promises.forget(1);
        assert!(promises.is_empty());
    }
}
