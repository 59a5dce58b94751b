//! What a client can be told to do.

use super::*;

impl Client {
    pub(super) fn work(&mut self, work: Work) {
        match work {
            Work::Declare(queue) => self.declare(queue),
            Work::Publish { .. } => self.publish(work),
            Work::Consume { queue, prefetch, no_ack } => self.consume(queue, prefetch, no_ack),
            Work::Cancel => {
                if let Some((consumer, _, _)) = self.consumers.front().cloned() {
                    let cancel = basic::Cancel { consumer_tag: &consumer, no_wait: false };
                    self.say(&wire::method(&Method::BasicCancel(cancel)));
                    self.consumers.retain(|(name, _, _)| *name != consumer);
                    self.note_silent();
                }
            }
            Work::Get { queue, count, no_ack } => {
                for _ in 0..count {
                    if !self.get(queue, no_ack) {
                        break;
                    }
                }
            }
            Work::Ack { count, multiple } => self.ack(usize::from(count), multiple),
            Work::Nack { count, multiple, requeue } => self.nack(usize::from(count), multiple, requeue),
            Work::Commit { rollback } => self.commit(rollback),
            Work::Purge(queue) => {
                self.wipe(queue, &|name| Method::QueuePurge(queue::Purge { queue: name, no_wait: false }))
            }
            Work::Delete { queue, if_unused, if_empty } => {
                self.wipe(queue, &|name| {
                    Method::QueueDelete(queue::Delete { queue: name, if_unused, if_empty, no_wait: false })
                });
            }
            Work::HangUp => {}
        }
    }

    fn declare(&mut self, queue: usize) {
        let Some(mut model) = self.model() else { return };
        let kind = model.queues[queue].kind;
        model.begin(queue);
        model.queues[queue].renewed = true;
        drop(model);
        let name = queue_name(queue);
        let mut bytes = wire::declare(&name, kind, false);
        if kind.shares {
            bytes.extend(wire::share(&name));
        }
        (self.under_way, self.closed) = (Some(Work::Declare(queue)), None);
        self.risk(&bytes);
        if self.closed.take().is_some()
            && let Some(mut model) = self.model()
        {
            // It may be there, and not be bound.
            model.queues[queue].there = None;
        }
        self.end_work(queue);
    }

    /// What is under way is answered, or never will be.
    fn end_work(&mut self, queue: usize) {
        let was_cut_off = !self.open && !self.performed;
        (self.under_way, self.performed) = (None, false);
        if let Some(mut model) = self.model() {
            if was_cut_off {
                // It may have come about.
                model.queues[queue].there = None;
                model.doubt(queue);
            }
            model.end(queue);
        }
    }

    /// What is under way came about, and waits for the disk: nobody was told yet.
    pub(super) fn performed(&mut self) {
        let under_way = self.under_way.filter(|_| !self.performed);
        self.performed = true;
        let Some(mut model) = self.model() else { return };
        match under_way {
            Some(Work::Declare(queue)) => model.there(queue, true),
            Some(Work::Purge(queue)) => model.queues[queue].wiped = true,
            Some(Work::Delete { queue, .. }) => {
                model.queues[queue].deleted = true;
                model.there(queue, false);
            }
            _ => {}
        }
    }

    /// The answer to what is under way.
    pub(super) fn answered(&mut self, heard: &Heard) {
        let (under_way, is_news) = (self.under_way, !self.performed);
        let Some(mut model) = self.model() else { return };
        match (under_way, heard) {
            (Some(Work::Declare(queue)), Heard::Declared) => {
                if is_news {
                    model.there(queue, true);
                }
                model.promised(queue);
            }
            (Some(Work::Purge(queue)), Heard::Purged) if is_news => model.queues[queue].wiped = true,
            (Some(Work::Delete { queue, if_empty, .. }), Heard::Deleted(count)) => {
                if is_news {
                    model.queues[queue].deleted = true;
                    model.there(queue, false);
                }
                model.promised(queue);
                if if_empty && *count > 0 {
                    model.find(format!(
                        "queue {queue} was to be deleted if empty, and went with {count} messages"
                    ));
                }
            }
            _ => {}
        }
    }

    fn publish(&mut self, work: Work) {
        let Work::Publish { to, count, size, persistent, priority, ttl } = work else { return };
        let expiration = ttl.map(|ttl| ttl.to_string().into_bytes());
        let properties = Properties {
            delivery_mode: persistent.then_some(2),
            priority: Some(priority),
            expiration: expiration.as_deref(),
            ..Properties::default()
        };
        let (mut bytes, transactional) = (Vec::new(), is_transactional(self.number));
        for nth in 0..count {
            let owing = self.node.owes();
            let Some(mut model) = self.model() else { return };
            let queues: Vec<usize> = match to {
                Some(queue) => vec![queue],
                None => (0..model.queues.len()).filter(|queue| model.queues[*queue].kind.shares).collect(),
            };
            let message = Message {
                connection: self.number,
                size,
                persistent,
                priority,
                sent: 0,
                owing,
                holds: BTreeMap::new(),
            };
            let id = model.send(&message, &queues, ttl.is_some());
            if transactional {
                model.hide(id);
            }
            drop(model);
            let body = wire::body(id, size);
            let piece = match to {
                Some(queue) => wire::publish("", &queue_name(queue), &properties, &body),
                None => wire::publish(wire::FANOUT, "", &properties, &body),
            };
            bytes.extend(piece);
            if transactional {
                self.held.published.push(id);
            } else {
                self.published += 1;
                self.unconfirmed.insert(self.published, id);
            }
            // One read brings many, or few, or a part of one.
            if id % 7 == 0 || nth + 1 == count {
                self.risk(&std::mem::take(&mut bytes));
                if self.closed.take().is_some() || !self.open {
                    return;
                }
            }
        }
    }

    fn consume(&mut self, queue: usize, prefetch: u16, no_ack: bool) {
        self.consumed += 1;
        let consumer = format!("c{}-{}", self.number, self.consumed);
        let qos = basic::Qos { prefetch_size: 0, prefetch_count: prefetch, global: false };
        let mut bytes = wire::method(&Method::BasicQos(qos));
        bytes.extend(wire::method(&Method::BasicConsume(basic::Consume {
            queue: &queue_name(queue),
            consumer_tag: &consumer,
            no_local: false,
            no_ack,
            exclusive: false,
            no_wait: false,
            arguments: RawTable::default(),
        })));
        self.consumers.push_back((consumer, queue, no_ack));
        self.note_silent();
        self.risk(&bytes);
    }

    /// `basic.get`; `false`: there was nothing.
    fn get(&mut self, queue: usize, no_ack: bool) -> bool {
        let name = queue_name(queue);
        self.asked = Some((queue, no_ack));
        self.note_silent();
        (self.got_nothing, self.closed) = (false, None);
        self.risk(&wire::method(&Method::BasicGet(basic::Get { queue: &name, no_ack })));
        self.asked = None;
        self.note_silent();
        !self.got_nothing && self.closed.is_none() && self.open
    }

    fn ack(&mut self, count: usize, multiple: bool) {
        let count = count.min(self.hands.len());
        let hands: Vec<Hand> = self.hands.drain(..count).collect();
        let Some(last) = hands.last() else { return };
        let acks = if multiple { vec![last.tag] } else { hands.iter().map(|hand| hand.tag).collect() };
        let mut bytes = Vec::new();
        for delivery_tag in acks {
            bytes.extend(wire::method(&Method::BasicAck(basic::Ack { delivery_tag, multiple })));
        }
        if is_transactional(self.number) {
            self.held.acked.extend(&hands);
            return self.say(&bytes);
        }
        self.settle(&hands, true, &bytes);
    }

    fn nack(&mut self, count: usize, multiple: bool, requeue: bool) {
        let count = count.min(self.hands.len());
        let at = if multiple { 0 } else { self.hands.len() - count };
        let mut hands: Vec<Hand> = self.hands.drain(at..at + count).collect();
        hands.reverse();
        let Some(last) = hands.first() else { return };
        let tags = if multiple { vec![last.tag] } else { hands.iter().map(|hand| hand.tag).collect() };
        let mut bytes = Vec::new();
        for delivery_tag in tags {
            bytes.extend(wire::method(&Method::BasicNack(basic::Nack { delivery_tag, multiple, requeue })));
        }
        if is_transactional(self.number) {
            let held = if requeue { &mut self.held.requeued } else { &mut self.held.acked };
            held.extend(&hands);
            return self.say(&bytes);
        }
        self.settle(&hands, !requeue, &bytes);
    }

    /// Sends what lets go of these.
    fn settle(&mut self, hands: &[Hand], settling: bool, bytes: &[u8]) {
        let number = self.number;
        if let Some(mut model) = self.model() {
            hands.iter().for_each(|hand| model.let_go(hand.queue, hand.id, number, settling));
        }
        self.connection.feed(bytes);
        self.now_settled(hands);
        self.pump();
    }

    fn now_settled(&self, hands: &[Hand]) {
        if let Some(mut model) = self.model() {
            hands.iter().for_each(|hand| model.settled(hand.queue, hand.id));
        }
    }

    fn commit(&mut self, rollback: bool) {
        if !is_transactional(self.number) {
            return;
        }
        let held = std::mem::take(&mut self.held);
        if rollback {
            let mut hands: Vec<Hand> = self.hands.drain(..).chain(held.acked).chain(held.requeued).collect();
            hands.sort_unstable();
            self.hands = hands.into();
            return self.say(&wire::method(&Method::TxRollback));
        }
        let number = self.number;
        self.committed += 1;
        let owing = self.node.owes();
        if let Some(mut model) = self.model() {
            held.published.iter().for_each(|id| model.reveal(*id, owing));
            let acked: Vec<_> = held.acked.iter().map(|hand| (hand.queue, hand.id)).collect();
            model.commit(self.committed, &held.published, &acked);
            held.acked.iter().for_each(|hand| model.let_go(hand.queue, hand.id, number, true));
            held.requeued.iter().for_each(|hand| model.let_go(hand.queue, hand.id, number, false));
        }
        self.committing.push_back((self.committed, held.published));
        self.closed = None;
        self.connection.feed(&wire::method(&Method::TxCommit));
        self.now_settled(&held.acked);
        self.risk(&[]);
    }

    /// Purges or deletes.
    fn wipe(&mut self, queue: usize, method: &dyn for<'n> Fn(&'n str) -> Method<'n>) {
        let name = queue_name(queue);
        let method = method(&name);
        if let Some(mut model) = self.model() {
            model.begin(queue);
            model.queues[queue].shaky = true;
        }
        self.under_way = Some(match method {
            Method::QueueDelete(delete) => {
                Work::Delete { queue, if_unused: delete.if_unused, if_empty: delete.if_empty }
            }
            _ => Work::Purge(queue),
        });
        self.risk(&wire::method(&method));
        self.end_work(queue);
    }

    /// Looks at all that is ready in a queue, while nobody else is about, and puts it back.
    pub(super) fn audit(&mut self, queue: usize) {
        let there = self.model().map(|model| model.queues[queue].there);
        if there.flatten() == Some(false) {
            return;
        }
        self.seen.clear();
        while self.get(queue, false) {}
        let seen = std::mem::take(&mut self.seen);
        let is_there = self.closed.take().is_none();
        if let Some(mut model) = self.model() {
            if is_there {
                model.audited(queue, &seen);
            } else {
                model.looked(queue, false);
            }
        }
        let hands: Vec<Hand> = std::mem::take(&mut self.hands).into();
        if let Some(last) = hands.last() {
            let nack = basic::Nack { delivery_tag: last.tag, multiple: true, requeue: true };
            self.settle(&hands, false, &wire::method(&Method::BasicNack(nack)));
        }
    }

    pub(super) fn look(&mut self, queue: usize) {
        let Some(kind) = self.model().map(|model| model.queues[queue].kind) else { return };
        let name = queue_name(queue);
        self.closed = None;
        self.say(&wire::declare(&name, kind, true));
        let is_there = self.closed.take().is_none();
        if self.waited {
            // Seen before others did what they did meanwhile.
            return;
        }
        if is_there && kind.shares {
            self.say(&wire::share(&name));
            if self.closed.take().is_some() {
                // A full disk: it is not bound.
                return;
            }
        }
        if let Some(mut model) = self.model() {
            model.looked(queue, is_there);
        }
    }
}
