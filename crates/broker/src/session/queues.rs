//! Class queue: declare, bind, unbind, purge, delete. The order of checks is RabbitMQ's.

use std::sync::Arc;

use amqp::method::{Method, queue as class};
use amqp::reply;

use super::Session;
use super::exchanges::{check_headers, not_default, without_line_ends};
use super::rights::Kind;
use crate::access::Right;
use crate::error::{Failure, Outcome};
use crate::exchange::Destination;
use crate::link::Effects;
use crate::queue::arguments::{Invalid, Properties, check_server_named, dead_letter_exchange, difference};
use crate::queue::deletion::{Condition, Kept};
use crate::queue::{Arguments, Owner, Queue};
use crate::vhost::Vhost;
use crate::vhost::declare::{BindingRequest, QueueRequest};
use crate::vhost::replies::REPLY_TO;

/// RabbitMQ's 405.
pub(super) fn locked(queue: &str, vhost: &str) -> Failure {
    let what = format!(
        "cannot obtain exclusive access to locked queue '{queue}' in vhost '{vhost}'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."
    );
    Failure::channel(reply::RESOURCE_LOCKED, what)
}

/// The refusal of an argument: RabbitMQ's 406, or 541 where it stumbles itself.
fn invalid(invalid: &Invalid, queue: &str, vhost: &Vhost) -> Failure {
    if invalid.is_internal() {
        return Failure::internal();
    }
    Failure::precondition(invalid.text(queue, &vhost.name))
}

impl Session {
    pub(super) fn queue_declare(&mut self, number: u16, declare: &class::Declare<'_>) -> Outcome {
        let vhost = Arc::clone(self.vhost()?);
        if declare.queue == REPLY_TO || vhost.find_replies(declare.queue).is_some() {
            return self.declare_replies(number, declare);
        }
        let name = without_line_ends(declare.queue);
        let queue = if declare.passive {
            let queue = vhost.queue(&name)?;
            self.check_owner(&queue)?;
            vhost.touch(&queue);
            queue
        } else {
            self.declare_actively(&vhost, &name, declare)?
        };
        self.channel(number)?.last_queue = Some(Arc::clone(&queue.name));
        let (message_count, consumer_count) = queue.counts();
        let ok = class::DeclareOk { queue: &queue.name, message_count, consumer_count };
        self.promise(number, declare.no_wait, &Method::QueueDeclareOk(ok), queue.logged_up_to());
        Ok(())
    }

    fn declare_actively(
        &mut self,
        vhost: &Arc<Vhost>,
        name: &str,
        declare: &class::Declare<'_>,
    ) -> Outcome<Arc<Queue>> {
        let named_by_us = name.is_empty();
        if named_by_us {
            check_server_named(&declare.arguments.to_owned()).map_err(|e| invalid(&e, name, vhost))?;
        }
        let name = if named_by_us { format!("amq.gen-{}", self.node.random_name()) } else { name.to_owned() };
        let existing = vhost.find_queue(&name);
        if existing.is_none() && !named_by_us && name.starts_with("amq.") {
            let what = format!("queue name '{name}' contains reserved prefix 'amq.*'");
            return Err(Failure::refused(what));
        }
        self.check(Right::Configure, Kind::Queue, &name)?;
        let queue = match existing {
            Some(existing) => existing,
            None => self.create(vhost, &name, declare)?,
        };
        self.equivalent(&queue, declare)?;
        vhost.touch(&queue);
        Ok(queue)
    }

    fn create(
        &mut self,
        vhost: &Arc<Vhost>,
        name: &str,
        declare: &class::Declare<'_>,
    ) -> Outcome<Arc<Queue>> {
        let table = declare.arguments.to_owned();
        if let Some(exchange) = dead_letter_exchange(&table).map_err(|e| invalid(&e, name, vhost))? {
            self.check(Right::Read, Kind::Queue, name)?;
            self.check(Right::Write, Kind::Exchange, &exchange)?;
        }
        let class::Declare { durable, exclusive, auto_delete, .. } = *declare;
        let properties = Properties { durable, exclusive, auto_delete };
        let arguments = Arguments::of_new_queue(&table, properties).map_err(|e| invalid(&e, name, vhost))?;
        vhost.create_queue(QueueRequest {
            name,
            durable,
            auto_delete,
            owner: exclusive.then(|| self.owner()),
            table,
            arguments,
        })
    }

    /// This connection as the owner of an exclusive queue.
    pub(super) fn owner(&self) -> Owner {
        Owner { link: self.link.id, pid: self.card.pid.clone() }
    }

    fn equivalent(&self, queue: &Queue, declare: &class::Declare<'_>) -> Outcome {
        let vhost = &self.vhost()?.name;
        let name = &queue.name;
        if declare.exclusive != queue.owner.is_some() || queue.is_locked_for(self.link.id) {
            return Err(locked(name, vhost));
        }
        let durable = declare.durable && !declare.exclusive;
        let flags =
            [("durable", durable, queue.durable), ("auto_delete", declare.auto_delete, queue.auto_delete)];
        for (what, received, current) in flags {
            if received != current {
                let what = format!(
                    "inequivalent arg '{what}' for queue '{name}' in vhost '{vhost}': received '{received}' but current is '{current}'"
                );
                return Err(Failure::precondition(what));
            }
        }
        match difference(&queue.table, &declare.arguments.to_owned(), name, vhost) {
            Some(text) => Err(Failure::precondition(text)),
            None => Ok(()),
        }
    }

    /// The pseudo-queue exists for everyone; an address of replies as long as its consumer.
    fn declare_replies(&mut self, number: u16, declare: &class::Declare<'_>) -> Outcome {
        let consumer_count = 1;
        let ok = class::DeclareOk { queue: declare.queue, message_count: 0, consumer_count };
        self.answer(number, declare.no_wait, &Method::QueueDeclareOk(ok));
        Ok(())
    }

    /// The queue's name; the empty one stands for the queue declared last on this channel.
    pub(super) fn queue_name(&mut self, number: u16, name: &str) -> Outcome<Arc<str>> {
        if !name.is_empty() {
            return Ok(Arc::from(name));
        }
        let last = self.channel(number)?.last_queue.clone();
        last.ok_or_else(|| Failure::channel(reply::NOT_FOUND, "no previously declared queue"))
    }

    pub(super) fn queue_bind(&mut self, number: u16, bind: &class::Bind<'_>) -> Outcome {
        let name = self.queue_name(number, bind.queue)?;
        let key = self.binding_key(number, bind.queue, bind.routing_key)?;
        let arguments = bind.arguments.to_owned();
        self.check_queue_binding(bind.exchange, &name)?;
        let vhost = Arc::clone(self.vhost()?);
        let source = vhost.exchange(bind.exchange)?;
        let queue = vhost.queue(&name)?;
        self.check_owner(&queue)?;
        check_headers(&source, &arguments)?;
        let destination = Destination::Queue(queue);
        let end = vhost.bind(&BindingRequest { source: bind.exchange, destination, key: &key, arguments })?;
        self.promise(number, bind.no_wait, &Method::QueueBindOk, end);
        Ok(())
    }

    pub(super) fn queue_unbind(&mut self, number: u16, unbind: &class::Unbind<'_>) -> Outcome {
        let name = self.queue_name(number, unbind.queue)?;
        let key = self.binding_key(number, unbind.queue, unbind.routing_key)?;
        let arguments = unbind.arguments.to_owned();
        self.check_queue_binding(unbind.exchange, &name)?;
        let vhost = Arc::clone(self.vhost()?);
        let mut end = vhost.store().said_up_to();
        if let (Some(_), Some(queue)) = (vhost.find_exchange(unbind.exchange), vhost.find_queue(&name)) {
            let destination = Destination::Queue(queue);
            end = vhost.unbind(&BindingRequest {
                source: unbind.exchange,
                destination,
                key: &key,
                arguments,
            })?;
        }
        self.promise(number, false, &Method::QueueUnbindOk, end);
        Ok(())
    }

    /// With neither queue nor key given, the key is the name of the queue declared last.
    fn binding_key(&mut self, number: u16, queue: &str, key: &[u8]) -> Outcome<Vec<u8>> {
        if queue.is_empty() && key.is_empty() {
            return Ok(self.queue_name(number, queue)?.as_bytes().to_vec());
        }
        Ok(key.to_vec())
    }

    fn check_queue_binding(&mut self, exchange: &str, queue: &str) -> Outcome {
        not_default(exchange)?;
        self.check(Right::Write, Kind::Queue, queue)?;
        self.check(Right::Read, Kind::Exchange, exchange)
    }

    pub(super) fn queue_purge(&mut self, number: u16, purge: &class::Purge<'_>) -> Outcome {
        let name = self.queue_name(number, purge.queue)?;
        self.check(Right::Read, Kind::Queue, &name)?;
        let vhost = Arc::clone(self.vhost()?);
        let queue = vhost.queue(&name)?;
        self.check_owner(&queue)?;
        let mut effects = Effects::default();
        let messages = queue.purge(&mut effects);
        vhost.carry_out(&mut effects);
        let ok = class::PurgeOk { message_count: u32::try_from(messages).unwrap_or(u32::MAX) };
        let end = if queue.durable { vhost.store().said_up_to() } else { 0 };
        self.promise_unless_full(number, purge.no_wait, &Method::QueuePurgeOk(ok), end);
        Ok(())
    }

    pub(super) fn queue_delete(&mut self, number: u16, delete: &class::Delete<'_>) -> Outcome {
        let name = self.queue_name(number, delete.queue)?;
        self.check(Right::Configure, Kind::Queue, &name)?;
        let vhost = Arc::clone(self.vhost()?);
        let (mut messages, mut durable) = (0, true);
        if let Some(queue) = vhost.find_queue(&name) {
            durable = queue.durable;
            self.check_owner(&queue)?;
            let condition = Condition::Asked { if_unused: delete.if_unused, if_empty: delete.if_empty };
            messages = match vhost.delete_queue(&queue, condition) {
                Ok(messages) => messages,
                Err(Kept::Gone) => 0,
                Err(kept) => {
                    let why = if kept == Kept::NotEmpty { "not empty" } else { "in use" };
                    let what = format!("queue '{name}' in vhost '{}' {why}", vhost.name);
                    return Err(Failure::precondition(what));
                }
            };
        }
        let ok = class::DeleteOk { message_count: u32::try_from(messages).unwrap_or(u32::MAX) };
        let end = if durable { vhost.store().said_up_to() } else { 0 };
        self.promise(number, delete.no_wait, &Method::QueueDeleteOk(ok), end);
        self.take_cancelled();
        Ok(())
    }
}
