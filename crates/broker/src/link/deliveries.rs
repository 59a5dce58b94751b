//! What one channel was sent and has not settled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::consumer::Consumer;
use super::queue_type::{QueueType, Unacked};
use super::starved::Starved;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Deliveries {
    last_tag: u64,
    unacked: VecDeque<Unacked>,
    /// Deliveries outstanding, all in all.
    pub(crate) outstanding: u32,
    /// Those of consumers (`basic.get` is not counted against a prefetch limit).
    consumers_outstanding: u32,
    /// `basic.qos` with `global`: the limit all consumers of the channel share; 0 is none.
    pub(crate) prefetch_limit: u16,
    /// Queues with consumers here that were refused for that limit's sake.
    pub(super) starved: Starved,
}

impl Deliveries {
    /// The tag of the next delivery.
    #[inline]
    pub(super) fn next_tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    /// Whether the limit that consumers share, if there is one, lets another message through to this one.
    #[inline]
    pub(super) fn has_credit(&self, consumer: &Consumer) -> bool {
        consumer.no_ack || self.is_below_limit()
    }

    fn is_below_limit(&self) -> bool {
        let limit = u32::from(self.prefetch_limit);
        limit == 0 || self.consumers_outstanding < limit
    }

    /// The next of the queues that wait for the shared limit, while that lets messages through.
    pub(super) fn next_starved(&mut self) -> Option<Arc<dyn QueueType>> {
        if self.is_below_limit() { self.starved.take_first() } else { None }
    }

    /// Keeps the newest delivery until it is settled.
    #[inline]
    pub(super) fn track(&mut self, unacked: Unacked) {
        self.outstanding += 1;
        if let Some(consumer) = &unacked.consumer {
            self.consumers_outstanding += 1;
            consumer.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        self.unacked.push_back(unacked);
    }

    /// Everything that is not acknowledged, oldest first.
    pub(super) fn into_unacked(self) -> Vec<Unacked> {
        self.unacked.into_iter().filter(|u| u.entry.is_some()).collect()
    }

    /// Takes out the delivery `tag`, or with `multiple` all up to it (0: all there are), oldest first, and appends
    /// them to `out`. `None` when the tag is not outstanding (RabbitMQ wants the very tag, with `multiple` too).
    pub(crate) fn settle(&mut self, tag: u64, multiple: bool, out: &mut Vec<Unacked>) -> Option<()> {
        let from = out.len();
        self.take_out(tag, multiple, out)?;
        self.discount(out.get(from..).unwrap_or_default());
        Some(())
    }

    /// The same, but the deliveries count against the prefetch limits until they are [`discount`](Self::discount)ed:
    /// a transaction only settles at its commit.
    pub(crate) fn take_out(&mut self, tag: u64, multiple: bool, out: &mut Vec<Unacked>) -> Option<()> {
        let is_there = |unacked: &Unacked| unacked.entry.is_some();
        if multiple && tag == 0 {
            out.extend(self.unacked.drain(..).filter(is_there));
            return Some(());
        }
        let at = match self.unacked.front() {
            Some(front) if front.tag == tag => 0,
            _ => self.unacked.binary_search_by_key(&tag, |u| u.tag).ok()?,
        };
        let place = self.unacked.get_mut(at).filter(|u| is_there(u))?;
        if at == 0 {
            out.extend(self.unacked.pop_front());
        } else if multiple {
            out.extend(self.unacked.drain(..=at).filter(is_there));
        } else {
            let entry = place.entry.take();
            let queue = Arc::clone(&place.queue);
            out.push(Unacked { tag, queue, consumer: place.consumer.take(), entry });
        }
        // Places settled out of order go as soon as they reach the front.
        while self.unacked.front().is_some_and(|u| u.entry.is_none()) {
            self.unacked.pop_front();
        }
        Some(())
    }

    /// Deliveries that were taken out are settled: they make room for others.
    pub(crate) fn discount(&mut self, settled: &[Unacked]) {
        for unacked in settled {
            self.outstanding = self.outstanding.saturating_sub(1);
            if let Some(consumer) = &unacked.consumer {
                self.consumers_outstanding = self.consumers_outstanding.saturating_sub(1);
                consumer.in_flight.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Deliveries that were taken out and not discounted wait for their acknowledgement again.
    pub(crate) fn put_back(&mut self, mut taken: Vec<Unacked>) {
        taken.sort_unstable_by_key(|u| u.tag);
        // From the newest: each finds its place near the front.
        for unacked in taken.into_iter().rev() {
            match self.unacked.binary_search_by_key(&unacked.tag, |u| u.tag) {
                Ok(at) => {
                    if let Some(place) = self.unacked.get_mut(at) {
                        *place = unacked;
                    }
                }
                Err(at) => self.unacked.insert(at, unacked),
            }
        }
    }
}
