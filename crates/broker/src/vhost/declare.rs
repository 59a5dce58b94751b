//! Declaring, binding and deleting: topology and log changed together, under the topology's lock.
//!
//! Rights are checked before, by the session. A change is appended to the log first and made in memory then; the
//! session waits with its answer until the log is on disk that far, nobody else does: whatever is confirmed later stands
//! behind it in the same log.

use std::sync::Arc;

use amqp::table::FieldTable;
use journal::{Cause, Position};

use super::Vhost;
use super::topology::Topology;
use crate::error::{Failure, Outcome};
use crate::exchange::routing::sorted_arguments;
use crate::exchange::{self, BindingKey, Destination, Exchange, ExchangeKind};
use crate::queue::arguments::without_effect;
use crate::queue::deletion::{Condition, Kept, Remains};
use crate::queue::{self, Arguments, Owner, Queue};
use crate::store::records::Record;

/// `exchange.declare` without its rights and names checked.
pub(crate) struct ExchangeRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ExchangeKind,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: FieldTable,
}

/// `queue.declare` likewise.
pub(crate) struct QueueRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) owner: Option<Owner>,
    pub(crate) table: FieldTable,
    pub(crate) arguments: Arguments,
}

/// One binding, by names.
pub(crate) struct BindingRequest<'a> {
    pub(crate) source: &'a str,
    pub(crate) destination: Destination,
    pub(crate) key: &'a [u8],
    pub(crate) arguments: FieldTable,
}

impl Vhost {
    /// Creates the exchange; the caller has looked that there is none. One that came in between is returned
    /// instead, for the caller to compare.
    pub(crate) fn create_exchange(&self, request: ExchangeRequest<'_>) -> Outcome<Arc<Exchange>> {
        let mut topology = self.topology.write();
        if let Some(existing) = topology.exchanges.get(request.name) {
            return Ok(Arc::clone(existing));
        }
        let (id, record_size) = if request.durable {
            let record = Record::Exchange {
                name: request.name.to_owned(),
                kind: request.kind.name().to_owned(),
                auto_delete: request.auto_delete,
                internal: request.internal,
                arguments: request.arguments.clone(),
            };
            self.store().define(&record).map_err(|e| Failure::store(&e))?
        } else {
            (self.transient_id(), 0)
        };
        let exchange = Exchange::new(exchange::Declaration {
            name: Arc::from(request.name),
            kind: request.kind,
            id,
            record_size,
            durable: request.durable,
            auto_delete: request.auto_delete,
            internal: request.internal,
            arguments: request.arguments,
        });
        topology.exchanges.insert(Arc::clone(&exchange.name), Arc::clone(&exchange));
        Ok(exchange)
    }

    /// Creates the queue, or returns the one that came in between.
    pub(crate) fn create_queue(self: &Arc<Self>, request: QueueRequest<'_>) -> Outcome<Arc<Queue>> {
        let mut topology = self.topology.write();
        if let Some(existing) = topology.queues.get(request.name) {
            return Ok(Arc::clone(existing));
        }
        // An exclusive queue ends with its connection: the log has no use for it.
        let durable = request.durable && request.owner.is_none();
        let (id, record_size) = if durable {
            let record = Record::Queue {
                name: request.name.to_owned(),
                auto_delete: request.auto_delete,
                arguments: request.table.clone(),
            };
            self.store().define(&record).map_err(|e| Failure::store(&e))?
        } else {
            (self.transient_id(), 0)
        };
        let declaration = queue::Declaration {
            name: Arc::from(request.name),
            id,
            record_size,
            durable,
            auto_delete: request.auto_delete,
            owner: request.owner,
            table: request.table,
            arguments: request.arguments,
        };
        let queue = Queue::new(declaration, Arc::clone(&self.ground));
        topology.insert_queue(&queue);
        drop(topology);
        self.touch(&queue);
        let ignored = without_effect(&queue.table);
        if !ignored.is_empty() {
            // Names are a client's: quoted, a line end in one begins no line of the log.
            tracing::warn!(
                vhost = ?self.name,
                queue = ?queue.name,
                arguments = ignored.join(", "),
                "the queue was declared with arguments that have no effect yet, see docs/compatibility.md"
            );
        }
        Ok(queue)
    }

    /// Binds; a binding that is there already stays as it is. Returns up to where the log has to be on disk for it (0: it is
    /// not in the log).
    pub(crate) fn bind(&self, request: &BindingRequest<'_>) -> Outcome<Position> {
        let mut topology = self.topology.write();
        let source = self.source(&topology, request.source)?;
        self.still_there(&topology, &request.destination)?;
        let added = source.bindings.write().add(request.destination.clone(), request.key, &request.arguments);
        if !added {
            let place = source.records.read().get(&binding_key(request)).copied();
            return Ok(place.map_or(0, end_of));
        }
        let mut end = 0;
        if source.durable && request.destination.is_durable() {
            let record = Record::Binding {
                source: source.id,
                destination: request.destination.id(),
                to_queue: request.destination.is_queue(),
                key: request.key.to_vec(),
                arguments: request.arguments.clone(),
            };
            match self.store().define(&record) {
                Ok(place) => {
                    end = end_of(place);
                    source.records.write().insert(binding_key(request), place);
                }
                Err(error) => {
                    source.bindings.write().remove(&request.destination, request.key, &request.arguments);
                    return Err(Failure::store(&error));
                }
            }
        }
        topology.bound(&source, &request.destination);
        topology.changed(&source);
        Ok(end)
    }

    /// Unbinds; a binding that is not there is no error. An auto-delete exchange goes with its last binding. Returns up to
    /// where the log has to be on disk, as [`bind`](Self::bind) does.
    pub(crate) fn unbind(&self, request: &BindingRequest<'_>) -> Outcome<Position> {
        let mut topology = self.topology.write();
        let source = self.source(&topology, request.source)?;
        let is_logged = source.durable && request.destination.is_durable();
        let end = || if is_logged { self.store().said_up_to() } else { 0 };
        if !source.bindings.write().remove(&request.destination, request.key, &request.arguments) {
            return Ok(end());
        }
        if let Some((id, size)) = source.records.write().remove(&binding_key(request)) {
            self.store().undefine(id, size);
        }
        topology.unbound(&source, &request.destination);
        topology.changed(&source);
        self.auto_delete(&mut topology, vec![source]);
        Ok(end())
    }

    fn source(&self, topology: &Topology, name: &str) -> Outcome<Arc<Exchange>> {
        topology.exchanges.get(name).cloned().ok_or_else(|| Failure::no_exchange(name, &self.name))
    }

    fn still_there(&self, topology: &Topology, destination: &Destination) -> Outcome {
        let name = destination.name();
        match destination {
            Destination::Queue(q) if topology.queues.get(name).is_none_or(|there| there.id != q.id) => {
                Err(Failure::no_queue(name, &self.name))
            }
            Destination::Exchange(x) if topology.exchanges.get(name).is_none_or(|there| there.id != x.id) => {
                Err(Failure::no_exchange(name, &self.name))
            }
            _ => Ok(()),
        }
    }

    /// Deletes the exchange with all its bindings; with `if_unused` only when it has none. `false`: in use.
    pub(crate) fn delete_exchange(&self, exchange: &Arc<Exchange>, if_unused: bool) -> bool {
        let mut topology = self.topology.write();
        if if_unused && !exchange.bindings.read().is_empty() {
            return false;
        }
        self.remove_exchange(&mut topology, exchange);
        true
    }

    fn remove_exchange(&self, topology: &mut Topology, exchange: &Arc<Exchange>) {
        if topology.exchanges.get(&exchange.name).is_none_or(|x| x.id != exchange.id) {
            return;
        }
        topology.exchanges.remove(&exchange.name);
        exchange.bury();
        topology.changed(exchange);
        let outgoing: Vec<Destination> =
            exchange.bindings.read().iter().map(|(destination, _, _)| destination.clone()).collect();
        for destination in &outgoing {
            topology.unbound(exchange, destination);
        }
        for (_, (id, size)) in exchange.records.write().drain() {
            self.store().undefine(id, size);
        }
        self.store().undefine(exchange.id, exchange.record_size);
        self.remove_destination(topology, &Destination::Exchange(Arc::clone(exchange)));
    }

    /// Takes all bindings to something that is gone; exchanges that lived by these go too.
    fn remove_destination(&self, topology: &mut Topology, destination: &Destination) {
        let sources = topology.take_sources(destination.id());
        for source in &sources {
            let removed = source.bindings.write().remove_destination(destination);
            if source.durable && destination.is_durable() {
                let mut records = source.records.write();
                for (key, arguments) in removed {
                    if let Some((id, size)) = records.remove(&key_of(destination, &key, &arguments)) {
                        self.store().undefine(id, size);
                    }
                }
            }
            topology.changed(source);
        }
        self.auto_delete(topology, sources);
    }

    fn auto_delete(&self, topology: &mut Topology, candidates: Vec<Arc<Exchange>>) {
        for exchange in candidates {
            if exchange.auto_delete && exchange.bindings.read().is_empty() {
                self.remove_exchange(topology, &exchange);
            }
        }
    }

    /// Deletes the queue if the condition holds, and tells its consumers. Returns how many messages were ready.
    ///
    /// The name is free, and the deletion in the log, before anybody can declare the name anew: so the log has both in
    /// that order. Its messages need no word of their own, since one whose queue is not declared is nobody's.
    pub(crate) fn delete_queue(&self, queue: &Arc<Queue>, condition: Condition) -> Result<u64, Kept> {
        let condition = if sched::fault::is_back("delete-judged-apart") {
            queue.may_go(condition)?;
            sched::yield_point("delete: between judgement and deletion");
            Condition::Always
        } else {
            condition
        };
        let mut topology = self.topology.write();
        let remains = queue.condemn(condition)?;
        let cause = self.store().undefine(queue.id, queue.record_size);
        if topology.remove_queue(queue) {
            self.remove_destination(&mut topology, &Destination::Queue(Arc::clone(queue)));
        }
        drop(topology);
        sched::yield_point("delete: between deletion and its messages");
        Ok(self.clear_away(queue, remains, cause))
    }

    /// Lets go of what a deleted queue leaves.
    pub(super) fn clear_away(&self, queue: &Queue, mut remains: Remains, cause: Option<Cause>) -> u64 {
        let messages = remains.messages;
        let consumers = std::mem::take(&mut remains.consumers);
        consumers.into_iter().for_each(|cut_off| cut_off.link.cancel(cut_off.consumer));
        if let Some(cause) = cause {
            self.store().let_go(cause, queue.id, &remains.records());
        }
        messages
    }
}

/// Up to where a definition's record reaches in the log, by its identity and size.
fn end_of((id, size): (u64, u32)) -> Position {
    id + u64::from(size)
}

fn binding_key(request: &BindingRequest<'_>) -> BindingKey {
    key_of(&request.destination, request.key, &request.arguments)
}

pub(super) fn key_of(destination: &Destination, key: &[u8], arguments: &FieldTable) -> BindingKey {
    (destination.id(), key.to_vec(), sorted_arguments(arguments).to_bytes())
}
