//! Answers that promise something: `declare-ok`, `bind-ok`, `unbind-ok`, `delete-ok` and `purge-ok` of what
//! outlives a restart are sent once the log is on disk that far, so that what was answered is there, or gone, after a
//! crash.
//!
//! Meanwhile the session works on: more declarations, publishes and acknowledgements. Declarations that a client sends
//! without waiting for each answer so share one sync. Answers keep their order: before a method of any other kind is
//! looked at, those that wait are sent; and a channel or connection that is closed, by whichever side, hears of it behind
//! them. What waits for space on a full disk is not waited for then: no answer promises nothing.

use std::collections::{HashSet, VecDeque};

use amqp::method::Method;
use amqp::reply;
use journal::Position;

use super::handshake::Phase;
use super::{NO_METHOD, Session};
use crate::error::Failure;
use crate::store::OWED;

/// The answers of a connection that wait for the disk; those of a channel in order.
#[derive(Default)]
pub(super) struct Promises {
    /// Each needs the log on disk as far as those before it, or further.
    written: VecDeque<Promise>,
    /// What these promise has to be told to the log first ([`OWED`]).
    owed: VecDeque<Promise>,
    /// Channels that have some of these.
    owing: HashSet<u16>,
}

struct Promise {
    /// The log has to be on disk up to here.
    end: Position,
    channel: u16,
    /// Nothing for an answer that the client waived: what is answered behind it promises it too.
    frame: Vec<u8>,
    /// It is kept back while the disk is full.
    waits_for_space: bool,
}

impl Promises {
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.owed.is_empty()
    }

    /// Whether some need no more than that the disk goes on.
    pub(super) fn wait_for_sync(&self) -> bool {
        !self.written.is_empty()
    }

    /// Whether an answer on this channel has to wait for others. What waits for space holds back its own channel alone.
    pub(super) fn hold_back(&self, channel: u16) -> bool {
        self.wait_for_sync() || self.owing.contains(&channel)
    }

    fn push(&mut self, end: Position, channel: u16, frame: Vec<u8>) {
        let promise = Promise { end, channel, frame, waits_for_space: true };
        if end == OWED || self.owing.contains(&channel) {
            self.owing.insert(channel);
            self.owed.push_back(promise);
        } else {
            self.push_written(promise);
        }
    }

    fn push_written(&mut self, promise: Promise) {
        let before = self.written.back().map_or(0, |promise| promise.end);
        self.written.push_back(Promise { end: promise.end.max(before), ..promise });
    }

    /// Appends what can be said once the log is on disk up to `durable`.
    fn keep(&mut self, durable: Position, is_full: bool, frames: &mut Vec<u8>) {
        let may_be_said =
            |promise: &mut Promise| promise.end <= durable || (is_full && !promise.waits_for_space);
        while let Some(promise) = self.written.pop_front_if(may_be_said) {
            frames.extend_from_slice(&promise.frame);
        }
    }

    /// What was owed is in the log, up to `end`.
    fn told(&mut self, end: Position) {
        self.owing.clear();
        for promise in std::mem::take(&mut self.owed) {
            self.push_written(Promise { end, ..promise });
        }
    }

    /// The position the last one waits for.
    fn awaited(&self) -> Option<Position> {
        let written = self.written.back().map(|promise| promise.end);
        written.or_else(|| self.owed.back().map(|_| OWED))
    }

    /// The channel is gone: nobody waits for its answers any more.
    pub(super) fn forget(&mut self, channel: u16) {
        self.give_up_owed(channel);
        self.written.retain(|promise| promise.channel != channel);
    }

    /// The channel is closed: it does not wait for space.
    pub(super) fn give_up_owed(&mut self, channel: u16) {
        if self.owing.remove(&channel) {
            self.owed.retain(|promise| promise.channel != channel);
        }
    }

    pub(super) fn give_up_all_owed(&mut self) {
        self.owing.clear();
        self.owed.clear();
    }

    pub(super) fn forget_all(&mut self) {
        self.give_up_all_owed();
        self.written.clear();
    }
}

impl Session {
    /// Answers once the log is on disk up to `end` (0: at once), behind the answers that wait already. An answer that is
    /// waived holds back those behind it all the same.
    pub(super) fn promise(&mut self, channel: u16, no_wait: bool, answer: &Method<'_>, end: Position) {
        let durable = match self.card.vhost.get() {
            _ if sched::fault::is_back("declare-early") => Position::MAX,
            Some(vhost) => vhost.store().log.durable(),
            None => 0,
        };
        if self.promises.is_empty() && end <= durable {
            return self.answer(channel, no_wait, answer);
        }
        let mut frame = Vec::new();
        if !no_wait {
            answer.write_frame(channel, &mut frame);
        }
        self.promises.push(end, channel, frame);
        self.awaits_disk = true;
    }

    /// The same for what gives space: more of it may have to be asked for before there is some, so that the answer does not
    /// wait for it.
    pub(super) fn promise_unless_full(
        &mut self,
        channel: u16,
        no_wait: bool,
        answer: &Method<'_>,
        end: Position,
    ) {
        let end = if end == OWED || self.lacks_space() { 0 } else { end };
        let before = self.promises.written.len();
        self.promise(channel, no_wait, answer, end);
        for promise in self.promises.written.iter_mut().skip(before) {
            promise.waits_for_space = false;
        }
    }

    /// Sends what may be said now. Returns the position that the rest waits for (0: there is none).
    pub(super) fn keep_promises(&mut self, durable: Position, failed: bool) -> Position {
        if self.promises.is_empty() {
            return 0;
        }
        if !self.promises.owed.is_empty()
            && let Some(vhost) = self.card.vhost.get()
        {
            let end = vhost.store().said_up_to();
            if end != OWED {
                self.promises.told(end);
            }
        }
        let is_full = self.lacks_space();
        self.promises.keep(durable, is_full, &mut self.link.lock().frames);
        let Some(end) = self.promises.awaited() else { return 0 };
        if failed {
            self.promises.forget_all();
            if let Phase::Closing { .. } = self.phase {
                // The client hears by the end of the stream what it would have heard behind the answers.
                self.phase = Phase::Gone;
                return 0;
            }
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

    fn bind_ok(channel: u16) -> Vec<u8> {
        let mut frame = Vec::new();
        Method::QueueBindOk.write_frame(channel, &mut frame);
        frame
    }

    /// Channels of the frames, in order.
    fn channels(frames: &[u8]) -> Vec<u8> {
        frames.chunks(bind_ok(1).len()).filter_map(|frame| frame.get(2).copied()).collect()
    }

    #[test]
    fn answers_keep_their_order_whatever_each_waits_for() {
        let mut promises = Promises::default();
        for (end, channel) in [(100, 1), (0, 2), (300, 1)] {
            promises.push(end, channel, bind_ok(channel));
        }
        let mut frames = Vec::new();
        promises.keep(99, false, &mut frames);
        assert_eq!(frames.len(), 0, "the second needs no disk, but stands behind the first");
        promises.keep(100, false, &mut frames);
        assert_eq!(channels(&frames), [1, 2]);
        assert_eq!(promises.awaited(), Some(300));
        promises.forget_all();
        assert!(promises.is_empty());
    }

    #[test]
    fn what_waits_for_space_holds_back_its_own_channel_alone() {
        let mut promises = Promises::default();
        for (end, channel) in [(100, 1), (OWED, 1), (0, 1), (200, 2)] {
            promises.push(end, channel, bind_ok(channel));
        }
        let mut frames = Vec::new();
        promises.keep(200, false, &mut frames);
        assert_eq!(channels(&frames), [1, 2], "the third stands behind what is owed");
        assert_eq!(promises.awaited(), Some(OWED));
        promises.push(300, 3, bind_ok(3));
        assert_eq!(promises.awaited(), Some(300));
        promises.told(400);
        promises.keep(399, false, &mut frames);
        assert_eq!(channels(&frames), [1, 2, 3]);
        promises.keep(400, false, &mut frames);
        assert_eq!(channels(&frames), [1, 2, 3, 1, 1]);
        assert!(promises.is_empty());
    }

    #[test]
    fn a_closed_channel_waits_for_no_space() {
        let mut promises = Promises::default();
        for (end, channel) in [(100, 1), (OWED, 1), (OWED, 2)] {
            promises.push(end, channel, bind_ok(channel));
        }
        promises.give_up_owed(1);
        promises.push(0, 1, bind_ok(1));
        let mut frames = Vec::new();
        promises.keep(100, false, &mut frames);
        assert_eq!(channels(&frames), [1, 1]);
        assert!(!promises.is_empty() && !promises.wait_for_sync());
        promises.give_up_all_owed();
        assert!(promises.is_empty());
    }
}
