//! A queue's consumers: the highest priority first, within one priority each in turn.

use std::sync::Arc;

use crate::link::{Consumer, Link, Outbox, Refusal};

/// A consumer and the connection it is served by.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) link: Arc<Link>,
    pub(crate) consumer: Arc<Consumer>,
}

/// The consumers of one queue.
#[derive(Default)]
pub(crate) struct Consumers {
    /// Sorted by descending priority; whoever was just served stands last among its equals.
    line: Vec<Subscription>,
}

/// What serving all consumers came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// There was nothing more to give.
    All,
    /// Nobody can take more; some for want of room in their outbox.
    Stopped { for_room: bool },
}

impl Consumers {
    pub(crate) fn len(&self) -> usize {
        self.line.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.line.iter()
    }

    pub(crate) fn has_exclusive(&self) -> bool {
        self.line.iter().any(|s| s.consumer.exclusive)
    }

    pub(crate) fn add(&mut self, subscription: Subscription) {
        let priority = subscription.consumer.priority;
        let at = self.line.partition_point(|s| s.consumer.priority >= priority);
        self.line.insert(at, subscription);
    }

    pub(crate) fn remove(&mut self, consumer: &Arc<Consumer>) -> bool {
        let before = self.line.len();
        self.line.retain(|s| !Arc::ptr_eq(&s.consumer, consumer));
        self.line.len() != before
    }

    pub(crate) fn take_all(&mut self) -> Vec<Subscription> {
        std::mem::take(&mut self.line)
    }

    /// Gives messages to consumers as long as both last. `give` writes one message to the outbox and returns
    /// `false` when there is none; `starve` hears of consumers that lack room.
    ///
    /// A lone consumer's outbox stays locked for the whole run.
    pub(crate) fn serve(
        &mut self,
        mut give: impl FnMut(&Subscription, &mut Outbox) -> bool,
        mut starve: impl FnMut(&mut Outbox),
    ) -> Served {
        let mut for_room = false;
        let mut at = 0;
        while let Some(subscription) = self.line.get(at) {
            let alone = self.line.len() == 1;
            let mut outbox = subscription.link.lock();
            let refusal = loop {
                match outbox.admits(&subscription.consumer) {
                    Err(refusal) => break Some(refusal),
                    Ok(()) if !give(subscription, &mut outbox) => return Served::All,
                    Ok(()) if alone => {}
                    Ok(()) => break None,
                }
            };
            match refusal {
                None => {
                    drop(outbox);
                    at = self.send_to_the_end(at);
                }
                Some(refusal) => {
                    if refusal == Refusal::Room {
                        for_room = true;
                        starve(&mut outbox);
                    }
                    at += 1;
                }
            }
        }
        Served::Stopped { for_room }
    }

    /// Moves the consumer behind its equals; returns where the next to be asked stands. Those before it have just
    /// refused, and are asked again only after the whole line: a refusal does not change while the queue is locked.
    fn send_to_the_end(&mut self, at: usize) -> usize {
        let Some(priority) = self.line.get(at).map(|s| s.consumer.priority) else { return at };
        let end = self.line.partition_point(|s| s.consumer.priority >= priority);
        if let Some(equals) = self.line.get_mut(at..end) {
            equals.rotate_left(1);
        }
        at
    }
}
