//! Consumers, `basic.get`, `basic.qos`, and direct reply-to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use amqp::method::{Method, basic};
use amqp::reply;
use amqp::table::FieldTable;

use super::Session;
use super::rights::Kind;
use crate::access::Right;
use crate::error::{Failure, Outcome};
use crate::link::{Consumer, Effects};
use crate::queue::Queue;
use crate::queue::settlement::ConsumeRefusal;
use crate::vhost::replies::REPLY_TO;

impl Session {
    pub(super) fn basic_qos(&mut self, number: u16, qos: basic::Qos) -> Outcome {
        if qos.prefetch_size != 0 {
            let what = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(Failure::connection(reply::NOT_IMPLEMENTED, what));
        }
        let channel = self.channel(number)?;
        if qos.global {
            channel.card.global_prefetch.store(qos.prefetch_count, Ordering::Relaxed);
        } else {
            channel.prefetch = qos.prefetch_count;
            channel.card.prefetch.store(qos.prefetch_count, Ordering::Relaxed);
        }
        if qos.global {
            if let Some(deliveries) = self.link.lock().channel(number) {
                deliveries.prefetch_limit = qos.prefetch_count;
            }
            // A wider limit lets waiting messages through.
            let mut effects = Effects::default();
            self.link.serve_limited(number, &mut effects);
            self.vhost()?.carry_out(&mut effects);
        }
        self.send(number, &Method::BasicQosOk);
        Ok(())
    }

    pub(super) fn basic_consume(&mut self, number: u16, consume: &basic::Consume<'_>) -> Outcome {
        if consume.queue == REPLY_TO {
            return self.consume_replies(number, consume);
        }
        let name = self.queue_name(number, consume.queue)?;
        self.check(Right::Read, Kind::Queue, &name)?;
        let (vhost, link) = (Arc::clone(self.vhost()?), Arc::clone(&self.link));
        let tag = self.new_tag(number, consume.consumer_tag)?;
        let queue = vhost.queue(&name)?;
        self.check_owner(&queue)?;
        let arguments = consume.arguments.to_owned();
        let priority = priority(&arguments, &name, &vhost.name)?;
        let user = Arc::from(self.user());
        let channel = self.channel(number)?;
        let consumer = Arc::new(Consumer {
            link: link.id,
            channel: number,
            tag: tag.clone(),
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            priority,
            prefetch: channel.prefetch,
            in_flight: AtomicU32::new(0),
            turn: AtomicU64::new(0),
            arguments,
            user,
        });
        let (no_wait, ok) =
            (consume.no_wait, Method::BasicConsumeOk(basic::ConsumeOk { consumer_tag: &tag }));
        let welcome = || {
            if !no_wait {
                ok.write_frame(number, &mut link.lock().frames);
            }
        };
        queue.add_consumer(&link, &consumer, welcome).map_err(|refusal| match refusal {
            ConsumeRefusal::Deleted => Failure::no_queue(&name, &vhost.name),
            ConsumeRefusal::Exclusive => {
                Failure::refused(format_args!("queue '{name}' in vhost '{}' in exclusive use", vhost.name))
            }
        })?;
        channel.consumers.insert(tag.clone(), (consumer, Arc::clone(&queue)));
        channel.card.consumers.fetch_add(1, Ordering::Relaxed);
        let mut effects = Effects::default();
        queue.serve(&mut effects);
        vhost.carry_out(&mut effects);
        Ok(())
    }

    /// The client's tag, or one of our making.
    fn new_tag(&mut self, number: u16, wanted: &str) -> Outcome<Box<str>> {
        if wanted.is_empty() {
            return Ok(format!("amq.ctag-{}", self.node.random_name()).into());
        }
        if self.channel(number)?.consumers.contains_key(wanted) {
            let what = format!("attempt to reuse consumer tag '{wanted}'");
            return Err(Failure::connection(reply::NOT_ALLOWED, what));
        }
        Ok(wanted.into())
    }

    pub(super) fn basic_cancel(&mut self, number: u16, cancel: &basic::Cancel<'_>) -> Outcome {
        let vhost = Arc::clone(self.vhost()?);
        let channel = self.channel(number)?;
        if let Some((consumer, queue)) = channel.consumers.remove(cancel.consumer_tag) {
            channel.card.consumers.fetch_sub(1, Ordering::Relaxed);
            let is_replies = channel.replies.take_if(|replies| Arc::ptr_eq(replies, &queue)).is_some();
            if is_replies {
                vhost.remove_replies(&queue);
            } else {
                vhost.remove_consumer(&queue, &consumer);
            }
        }
        let ok = basic::CancelOk { consumer_tag: cancel.consumer_tag };
        self.answer(number, cancel.no_wait, &Method::BasicCancelOk(ok));
        Ok(())
    }

    /// Queues of our consumers that were deleted: their consumers are forgotten, and the client told.
    pub(super) fn take_cancelled(&mut self) {
        for consumer in self.link.take_cancelled() {
            let Some(channel) = self.channels.get_mut(&consumer.channel) else { continue };
            let known = channel.consumers.get(&consumer.tag).is_some_and(|(c, _)| Arc::ptr_eq(c, &consumer));
            if !known {
                continue;
            }
            channel.consumers.remove(&consumer.tag);
            channel.card.consumers.fetch_sub(1, Ordering::Relaxed);
            if self.cancel_notify {
                // Behind the `delete-ok` of who deleted the queue, should that be this client.
                let cancel = basic::Cancel { consumer_tag: &consumer.tag, no_wait: true };
                self.promise(consumer.channel, false, &Method::BasicCancel(cancel), 0);
            }
        }
    }

    pub(super) fn basic_get(&mut self, number: u16, get: &basic::Get<'_>) -> Outcome {
        let name = self.queue_name(number, get.queue)?;
        self.check(Right::Read, Kind::Queue, &name)?;
        let vhost = Arc::clone(self.vhost()?);
        let queue = vhost.queue(&name)?;
        self.check_owner(&queue)?;
        let mut effects = Effects::default();
        let user = Arc::from(self.user());
        let got = queue.get((&self.link, number, &user), get.no_ack, &mut effects);
        vhost.carry_out(&mut effects);
        if !got {
            self.send(number, &Method::BasicGetEmpty);
        }
        Ok(())
    }

    /// RabbitMQ's 405 for a queue that belongs to another connection.
    pub(super) fn check_owner(&self, queue: &Queue) -> Outcome {
        if queue.is_locked_for(self.link.id) {
            return Err(super::queues::locked(&queue.name, &self.vhost()?.name));
        }
        Ok(())
    }

    /// Consuming `amq.rabbitmq.reply-to`: answers come to a hidden queue that lives with the consumer.
    fn consume_replies(&mut self, number: u16, consume: &basic::Consume<'_>) -> Outcome {
        if !consume.no_ack {
            return Err(Failure::precondition("reply consumer cannot acknowledge"));
        }
        let tag = self.new_tag(number, consume.consumer_tag)?;
        let (vhost, link) = (Arc::clone(self.vhost()?), Arc::clone(&self.link));
        let (address, user) = (format!("{REPLY_TO}.{}", self.node.random_name()), Arc::from(self.user()));
        let owner = self.owner();
        let channel = self.channel(number)?;
        if channel.replies.is_some() {
            return Err(Failure::precondition("reply consumer already set"));
        }
        let queue = vhost.create_replies(&address, owner);
        let consumer = Arc::new(Consumer {
            link: link.id,
            channel: number,
            tag: tag.clone(),
            no_ack: true,
            exclusive: false,
            priority: 0,
            prefetch: 0,
            in_flight: AtomicU32::new(0),
            turn: AtomicU64::new(0),
            arguments: FieldTable::default(),
            user,
        });
        // A queue of our own making, which nobody can publish to yet, refuses nobody.
        let _ = queue.add_consumer(&link, &consumer, || ());
        channel.replies = Some(Arc::clone(&queue));
        channel.consumers.insert(tag.clone(), (consumer, queue));
        channel.card.consumers.fetch_add(1, Ordering::Relaxed);
        let ok = basic::ConsumeOk { consumer_tag: &tag };
        self.answer(number, consume.no_wait, &Method::BasicConsumeOk(ok));
        Ok(())
    }

    /// What stands in `reply_to` instead of the pseudo-queue's name.
    pub(super) fn reply_address(&mut self, number: u16) -> Outcome<Arc<str>> {
        let replies = self.channel(number)?.replies.as_ref();
        let address = replies.map(|queue| Arc::clone(&queue.name));
        address.ok_or_else(|| Failure::precondition("fast reply consumer does not exist"))
    }
}

fn priority(arguments: &FieldTable, queue: &str, vhost: &str) -> Outcome<i64> {
    let Some(value) = arguments.get("x-priority") else { return Ok(0) };
    value.as_int().ok_or_else(|| {
        let kind = value.type_name();
        let what = format!(
            "invalid arg 'x-priority' for queue '{queue}' in vhost '{vhost}': \"expected integer, got {kind}\""
        );
        Failure::precondition(what)
    })
}
