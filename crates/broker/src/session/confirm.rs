//! Publisher confirms: a message is confirmed when every queue has it, and the disk where it must.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use amqp::method::{Method, basic};

use super::Session;

/// The published and not yet confirmed messages of a channel, in order.
#[derive(Default)]
pub(super) struct Confirms {
    /// Number of the message published last; the first has 1.
    last: u64,
    /// Numbers, each with the log position that must be on disk before (0: none).
    pending: VecDeque<(u64, u64)>,
}

impl Confirms {
    /// The number of the next message.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The message waits for the disk up to `end`, and for its turn behind those before it.
    pub(super) fn wait(&mut self, number: u64, end: u64) {
        let before = self.pending.back().map_or(0, |(_, end)| *end);
        self.pending.push_back((number, end.max(before)));
    }

    /// Takes what is confirmed once the log is on disk up to `durable`: the first and the last number.
    fn take(&mut self, durable: u64) -> Option<(u64, u64)> {
        let (first, _) = *self.pending.front().filter(|(_, end)| *end <= durable)?;
        let mut last = first;
        while let Some((number, _)) = self.pending.pop_front_if(|(_, end)| *end <= durable) {
            last = number;
        }
        Some((first, last))
    }

    fn take_all(&mut self) -> Option<(u64, u64)> {
        self.take(u64::MAX)
    }

    fn next_end(&self) -> Option<u64> {
        self.pending.back().map(|(_, end)| *end)
    }
}

impl Session {
    /// Confirms and commits what has become durable, and asks for the rest to become so.
    pub(super) fn confirm(&mut self) {
        if !self.awaits_disk {
            return;
        }
        let Some(log) = self.card.vhost.get().map(|vhost| &vhost.store().log) else { return };
        let failed = log.state() == journal::State::Failed;
        let durable = log.durable();
        let promised = self.keep_promises(durable, failed);
        let Some(vhost) = self.card.vhost.get() else { return };
        let durable = if sched::fault::is_back("confirm-early") { u64::MAX } else { durable };
        let (mut wanted, mut torn) = (0, Vec::new());
        for (number, channel) in &mut self.channels {
            if let Some(tx) = &mut channel.tx {
                for _ in 0..tx.take_committed(durable) {
                    Method::TxCommitOk.write_frame(*number, &mut self.link.lock().frames);
                }
                match tx.awaited() {
                    Some(_) if failed => torn.push(*number),
                    Some(end) => wanted = wanted.max(end),
                    None => {}
                }
            }
            let Some(confirms) = &mut channel.confirms else { continue };
            if confirms.pending.is_empty() {
                continue;
            }
            if let Some((first, last)) = confirms.take(durable) {
                let ack = basic::Ack { delivery_tag: last, multiple: last > first };
                Method::BasicAck(ack).write_frame(*number, &mut self.link.lock().frames);
            }
            if failed && let Some((first, last)) = confirms.take_all() {
                // The disk will never have them: the publisher must not believe it does.
                let nack = basic::Nack { delivery_tag: last, multiple: last > first, requeue: false };
                Method::BasicNack(nack).write_frame(*number, &mut self.link.lock().frames);
            }
            wanted = wanted.max(confirms.next_end().unwrap_or(0));
            channel.card.unconfirmed.store(confirms.pending.len() as u64, Ordering::Relaxed);
        }
        self.awaits_disk = wanted > 0 || promised > 0;
        for end in [wanted, promised].into_iter().filter(|end| *end > 0) {
            vhost.store().commit(end, self.link.waker());
        }
        torn.into_iter().for_each(|number| self.tear(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirms_keep_the_order_of_publishing() {
        let mut confirms = Confirms::default();
        for end in [100, 0, 200, 300] {
            let number = confirms.next();
            confirms.wait(number, end);
        }
        assert_eq!(confirms.take(99), None, "the second needs no disk, but stands behind the first");
        assert_eq!(confirms.take(100), Some((1, 2)));
        assert_eq!(confirms.take(250), Some((3, 3)));
        assert_eq!(confirms.next_end(), Some(300));
        assert_eq!(confirms.take_all(), Some((4, 4)));
    }

    #[test]
    fn a_message_without_need_of_the_disk_does_not_hide_one_with() {
        let mut confirms = Confirms::default();
        for end in [100, 0] {
            let number = confirms.next();
            confirms.wait(number, end);
        }
        assert_eq!(confirms.next_end(), Some(100), "the disk is asked for what the first one needs");
    }
}
