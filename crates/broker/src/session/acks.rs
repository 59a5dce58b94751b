//! Acknowledgements, rejections and recover.

use std::sync::Arc;

use amqp::method::{Method, basic};
use amqp::reply;

use super::Session;
use super::batch::Gathered;
use super::tx::Verdict;
use crate::error::{Failure, Outcome};
use crate::link::{Effects, Unacked};

impl Session {
    /// Takes what a `basic.ack` settles out of what the client holds; its queues are told at the end of the batch. An
    /// unknown tag ends the channel here and now: what comes behind it in the same read does not count.
    pub(super) fn gather_ack(
        &mut self,
        number: u16,
        ack: basic::Ack,
        gathered: &mut Gathered<'_>,
    ) -> Outcome {
        if self.channels.get(&number).is_some_and(|c| c.is_closing) {
            return Ok(());
        }
        self.channel(number)?;
        let (tag, multiple) = (ack.delivery_tag, ack.multiple);
        let tx = self.channels.get_mut(&number).and_then(|c| c.tx.as_mut());
        let known = self.link.lock().channel(number).and_then(|deliveries| match tx {
            Some(tx) => tx.hold_settlement(deliveries, (tag, multiple), Verdict::Acknowledged),
            None => deliveries.settle(tag, multiple, &mut gathered.settled),
        });
        known.ok_or_else(|| unknown_tag(tag))
    }

    /// Tells the queues that these are done with.
    pub(super) fn acknowledge(&self, mut settled: Vec<Unacked>, effects: &mut Effects) {
        for run in settled.chunk_by_mut(|a, b| Arc::ptr_eq(&a.queue, &b.queue)) {
            if let Some(queue) = run.first().map(|unacked| Arc::clone(&unacked.queue)) {
                queue.acknowledge(run, effects);
            }
        }
        // Where consumers share a limit, room made by one is room for all: their queues may have waited for it too.
        let channel_of = |unacked: &Unacked| unacked.consumer.as_ref().map(|consumer| consumer.channel);
        for run in settled.chunk_by(|a, b| channel_of(a) == channel_of(b)) {
            if let Some(channel) = run.first().and_then(channel_of) {
                self.link.serve_limited(channel, effects);
            }
        }
    }

    /// `basic.nack` and `basic.reject`.
    pub(super) fn basic_nack(&mut self, number: u16, tag: u64, multiple: bool, requeue: bool) -> Outcome {
        let mut settled = Vec::new();
        let tx = self.channels.get_mut(&number).and_then(|c| c.tx.as_mut());
        let known = self.link.lock().channel(number).and_then(|deliveries| match tx {
            Some(tx) if requeue => tx.hold_settlement(deliveries, (tag, multiple), Verdict::Requeued),
            Some(tx) => tx.hold_settlement(deliveries, (tag, multiple), Verdict::Dropped),
            None => deliveries.settle(tag, multiple, &mut settled),
        });
        if known.is_none() {
            return Err(unknown_tag(tag));
        }
        if settled.is_empty() {
            return Ok(());
        }
        let vhost = Arc::clone(self.vhost()?);
        let mut effects = Effects::default();
        if requeue {
            vhost.requeue_all(settled);
            self.link.serve_limited(number, &mut effects);
        } else {
            self.acknowledge(settled, &mut effects);
        }
        vhost.carry_out(&mut effects);
        Ok(())
    }

    /// Everything unacknowledged on the channel goes back to its queue.
    pub(super) fn basic_recover(&mut self, number: u16, requeue: bool, answer: bool) -> Outcome {
        if !requeue {
            return Err(Failure::connection(reply::NOT_IMPLEMENTED, "requeue=false"));
        }
        let mut settled = Vec::new();
        if let Some(deliveries) = self.link.lock().channel(number) {
            deliveries.settle(0, true, &mut settled);
        }
        let vhost = Arc::clone(self.vhost()?);
        if answer {
            self.send(number, &Method::BasicRecoverOk);
        }
        vhost.requeue_all(settled);
        let mut effects = Effects::default();
        self.link.serve_limited(number, &mut effects);
        vhost.carry_out(&mut effects);
        Ok(())
    }
}

fn unknown_tag(tag: u64) -> Failure {
    Failure::precondition(format_args!("unknown delivery tag {tag}"))
}
