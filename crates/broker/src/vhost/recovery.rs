//! A vhost read back from its log at a start.
//!
//! Replay is deterministic and reads no message bodies: it gathers definitions and the messages that nobody
//! acknowledged, then builds exchanges, queues and bindings from them. What names something that is gone (a message
//! for a deleted queue, a binding to one) is dropped and its record released. Where the log has lost records that were on
//! disk, a queue may be gone because its declaration is: then another one stands in for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amqp::table::FieldTable;
use journal::{Cause, Entry as LogEntry, Event, Journal, Storage};
use parking_lot::RwLock;

use super::declare::key_of;
use super::topology::Topology;
use super::{Spawn, TRANSIENT_IDS, Vhost, predeclared};
use crate::clock;
use crate::exchange::{self, Destination, Exchange, ExchangeKind};
use crate::link::Effects;
use crate::memory::Memory;
use crate::message::{Entry, Stored};
use crate::queue::{self, Arguments, Ground, Queue};
use crate::store::ledger::Ledger;
use crate::store::records::{MessageRecord, Record};
use crate::store::replay::{Dead, Deliveries, Held, Replay};
use crate::store::{Store, Waiters};
use crate::timers::Timers;

/// What opening a vhost needs from the node.
pub(crate) struct Surroundings {
    pub(crate) node: Arc<str>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) memory: Arc<Memory>,
    /// Where work that waits for the disk is started.
    pub(crate) spawn: Spawn,
    pub(crate) segment_bytes: u64,
    /// What logs are stored with.
    pub(crate) storage: Arc<dyn Storage>,
    /// Hears of a full or failed disk, and of its recovery.
    pub(crate) on_disk_event: DiskListener,
    /// Counts the damaged places found in the logs.
    pub(crate) damages: Arc<AtomicU64>,
}

/// Called with the vhost's name and what its log's thread says; never with [`Event::Durable`].
pub(crate) type DiskListener = Arc<dyn Fn(&str, &Event) + Send + Sync>;

/// How the names begin of queues that stand in for ones whose declaration is lost.
pub(crate) const STAND_IN: &str = "recovered-";

impl Vhost {
    /// Opens the vhost in `folder`, created when missing. Blocks while the log is read.
    pub(crate) fn open(
        name: &str,
        folder: &Path,
        around: &Surroundings,
    ) -> Result<Arc<Self>, journal::Error> {
        let started = std::time::Instant::now();
        let mut replay = Replay::default();
        let waiters = Arc::new(Waiters::default());
        let listener = {
            let (waiters, on_disk_event, vhost) =
                (Arc::clone(&waiters), Arc::clone(&around.on_disk_event), name.to_owned());
            Box::new(move |event: Event| {
                if !matches!(event, Event::Durable(_)) {
                    on_disk_event(&vhost, &event);
                }
                waiters.wake_all();
            })
        };
        let config = journal::Config { segment_bytes: around.segment_bytes, ..journal::Config::default() };
        let disk = &around.storage;
        let visit = &mut |entry: LogEntry<'_>| replay.see(&entry);
        let (log, recovery) = Journal::open(&folder.join("log"), Arc::clone(disk), config, visit, listener)?;
        let scratch = journal::Config { durable: false, reclaim_below: 0.0, ..config };
        let (pages, _) =
            Journal::open(&folder.join("pages"), Arc::clone(disk), scratch, &mut |_| {}, Box::new(|_| {}))?;
        report(name, &recovery, replay.unreadable);
        around.damages.fetch_add(recovery.damages.len() as u64 + replay.unreadable, Ordering::Relaxed);
        let mut ledger = Ledger::default();
        let mut released = Vec::with_capacity(replay.dead.len());
        let messages = replay.take_messages();
        for Dead { id, position, size } in std::mem::take(&mut replay.dead) {
            let is_held = messages.binary_search_by_key(&id, |held| held.id).is_ok();
            if !is_held && !replay.definitions.contains_key(&id) {
                ledger.bury(id, size);
            }
            released.push((position, size));
        }
        log.release_many(Cause::replayed(), &released);
        let count = messages.len();
        let vhost =
            Vhost::around(name, Store::new((log, pages), ledger, waiters, around.segment_bytes), around);
        let mut deliveries = replay.take_deliveries();
        if recovery.has_losses {
            // What comes again because its acknowledgement is lost was delivered before.
            deliveries.forget();
        }
        if recovery.has_losses {
            let lost = lost_queues(&messages, &replay);
            vhost.stand_in(lost, &mut replay.definitions)?;
        }
        vhost.rebuild(replay.definitions, messages, &deliveries);
        if recovery.has_losses {
            vhost.settle_losses(&recovery)?;
        }
        if deliveries.are_known() {
            vhost.store().note_start()?;
        }
        tracing::info!(
            vhost = name,
            messages = count,
            queues = vhost.queue_count(),
            seconds = started.elapsed().as_secs_f64(),
            "vhost is open"
        );
        Ok(vhost)
    }

    fn around(name: &str, store: Store, around: &Surroundings) -> Arc<Self> {
        let mut topology = Topology::default();
        for exchange in predeclared() {
            topology.exchanges.insert(Arc::clone(&exchange.name), exchange);
        }
        let name: Arc<str> = Arc::from(name);
        let (node, memory) = (Arc::clone(&around.node), Arc::clone(&around.memory));
        Arc::new(Vhost {
            ground: Arc::new(Ground::new(Arc::clone(&name), node, store, memory)),
            name,
            timers: Arc::clone(&around.timers),
            spawn: Arc::clone(&around.spawn),
            topology: RwLock::new(topology),
            replies: RwLock::default(),
            next_transient: AtomicU64::new(TRANSIENT_IDS),
        })
    }

    /// Declares queues whose declaration is lost, so that their messages and bindings are not lost with it. They get names
    /// of our making: what they were called stood in the declaration.
    fn stand_in(
        &self,
        lost: BTreeMap<u64, u64>,
        definitions: &mut BTreeMap<u64, Held<Record>>,
    ) -> Result<(), journal::Error> {
        let mut taken: HashSet<String> = definitions.values().filter_map(queue_name).collect();
        for (id, messages) in lost {
            let names = (1..).map(|n: u32| match n {
                1 => format!("{STAND_IN}{id}"),
                n => format!("{STAND_IN}{id}-{n}"),
            });
            let Some(name) = names.into_iter().find(|name| taken.insert(name.clone())) else { continue };
            tracing::error!(
                vhost = %self.name,
                queue = name,
                messages,
                "a queue's declaration is lost (or the word of its deletion), its name with it: its messages are in this one"
            );
            let record = Record::Queue { name, auto_delete: false, arguments: FieldTable::default() };
            let (position, size) = self.store().define_again(id, &record)?;
            definitions.insert(id, Held { id, position, size, what: record });
        }
        Ok(())
    }

    /// Once what stands in for what is lost is on disk, later starts need not look for it. They could be wrong: a queue may
    /// be deleted until then, and the word of that be gone.
    fn settle_losses(&self, recovery: &journal::Recovery) -> Result<(), journal::Error> {
        let log = &self.store().log;
        log.sync()?;
        match log.settle_losses(recovery) {
            Err(journal::Error::Full(why)) => {
                tracing::warn!(vhost = %self.name, why, "the next start looks for lost declarations again");
                Ok(())
            }
            settled => settled,
        }
    }

    fn rebuild(
        self: &Arc<Self>,
        definitions: BTreeMap<u64, Held<Record>>,
        messages: Vec<Held<MessageRecord>>,
        deliveries: &Deliveries,
    ) {
        let mut exchanges: HashMap<u64, Arc<Exchange>> = HashMap::new();
        let mut queues: BTreeMap<u64, Arc<Queue>> = BTreeMap::new();
        let mut bindings = Vec::new();
        let mut topology = self.topology.write();
        exchanges.extend(topology.exchanges.values().map(|x| (x.id, Arc::clone(x))));
        for (id, held) in definitions {
            if held.position != id {
                self.store().ledger.lock().relocate(id, held.position, held.size);
            }
            match held.what {
                Record::Exchange { name, kind, auto_delete, internal, arguments } => {
                    let Some(kind) = ExchangeKind::from_name(&kind) else { continue };
                    let declaration = exchange::Declaration {
                        name: Arc::from(name),
                        kind,
                        id,
                        record_size: held.size,
                        durable: true,
                        auto_delete,
                        internal,
                        arguments,
                    };
                    let exchange = Exchange::new(declaration);
                    let replaced =
                        topology.exchanges.insert(Arc::clone(&exchange.name), Arc::clone(&exchange));
                    exchanges.insert(id, exchange);
                    if let Some(older) = replaced {
                        exchanges.remove(&older.id);
                        self.superseded(&older.name, older.id, older.record_size);
                    }
                }
                Record::Queue { name, auto_delete, arguments } => {
                    let queue = self.rebuild_queue((id, held.size), name, auto_delete, arguments);
                    let replaced = topology.queues.get(&queue.name).cloned();
                    if replaced.is_some() && sched::fault::is_back("two-declarations") {
                        continue;
                    }
                    topology.insert_queue(&queue);
                    queues.insert(id, queue);
                    if let Some(older) = replaced {
                        queues.remove(&older.id);
                        self.superseded(&older.name, older.id, older.record_size);
                    }
                }
                binding => bindings.push((id, held.size, binding)),
            }
        }
        for (id, size, binding) in bindings {
            self.rebuild_binding(&mut topology, (id, size), binding, &exchanges, &queues);
        }
        drop(topology);
        self.refill(messages, &queues, deliveries);
    }

    /// An older declaration of the same name: it was deleted, and a power cut took the word of that. What names it is
    /// dropped with it.
    fn superseded(&self, name: &str, id: u64, record_size: u32) {
        tracing::warn!(vhost = %self.name, name, id, "the log declares this name twice: the later declaration counts");
        self.store().undefine(id, record_size);
    }

    fn rebuild_queue(
        self: &Arc<Self>,
        (id, record_size): (u64, u32),
        name: String,
        auto_delete: bool,
        table: FieldTable,
    ) -> Arc<Queue> {
        // What was accepted once is accepted again; an argument that this version refuses is left out.
        let arguments = Arguments::parse(&table).unwrap_or_default();
        let declaration = queue::Declaration {
            name: Arc::from(name),
            id,
            record_size,
            durable: true,
            auto_delete,
            owner: None,
            table,
            arguments,
        };
        Queue::new(declaration, Arc::clone(&self.ground))
    }

    fn rebuild_binding(
        &self,
        topology: &mut Topology,
        (id, size): (u64, u32),
        binding: Record,
        exchanges: &HashMap<u64, Arc<Exchange>>,
        queues: &BTreeMap<u64, Arc<Queue>>,
    ) {
        let Record::Binding { source, destination, to_queue, key, arguments } = binding else { return };
        let destination = if to_queue {
            queues.get(&destination).map(|queue| Destination::Queue(Arc::clone(queue)))
        } else {
            exchanges.get(&destination).map(|exchange| Destination::Exchange(Arc::clone(exchange)))
        };
        let (Some(source), Some(destination)) = (exchanges.get(&source), destination) else {
            self.store().undefine(id, size);
            return;
        };
        if source.bindings.write().add(destination.clone(), &key, &arguments) {
            source.records.write().insert(key_of(&destination, &key, &arguments), (id, size));
            topology.bound(source, &destination);
        }
    }

    /// Puts the messages back into their queues, in the order of their arrival.
    fn refill(
        self: &Arc<Self>,
        messages: Vec<Held<MessageRecord>>,
        queues: &BTreeMap<u64, Arc<Queue>>,
        deliveries: &Deliveries,
    ) {
        let mut lines: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
        let mut orphans = Vec::new();
        let mut ledger = self.store().ledger.lock();
        for Held { id, position, size, what } in messages {
            if position != id {
                ledger.relocate(id, position, size);
            }
            let mut holders = what.queues;
            holders.retain(|queue| queues.contains_key(queue));
            let mut stored = Stored { id, size, flags: 0 };
            if holders.is_empty() {
                orphans.push(ledger.bury(id, size));
            } else if what.shared {
                // One that is left alone is noted too: the record still names the others.
                ledger.share(id, holders.iter().copied());
                stored.flags |= Stored::SHARED;
            }
            for holder in holders {
                let redelivered = if deliveries.may_have(holder, id) { Stored::REDELIVERED } else { 0 };
                let stored = Stored { flags: stored.flags | redelivered, ..stored };
                lines.entry(holder).or_default().push(Entry {
                    seq: 0,
                    stored,
                    priority: what.priority,
                    expires_at: clock::from_wall(what.expires_at),
                    body_len: what.body_len,
                    message: None,
                });
            }
        }
        drop(ledger);
        self.store().log.release_many(Cause::replayed(), &orphans);
        for (id, line) in lines {
            if let Some(queue) = queues.get(&id) {
                queue.refill(line);
            }
        }
        let mut effects = Effects::default();
        for queue in queues.values() {
            queue.touch(&mut effects);
            queue.rearm(&mut effects);
        }
        self.carry_out(&mut effects);
    }
}

/// Queues that messages are in and the log says nothing of, neither that they were declared nor that they were deleted;
/// and how many messages each has.
fn lost_queues(messages: &[Held<MessageRecord>], replay: &Replay) -> BTreeMap<u64, u64> {
    let is_known = |id: &u64| replay.definitions.contains_key(id) || replay.deleted.contains(id);
    let mut lost = BTreeMap::new();
    for id in messages.iter().flat_map(|held| &held.what.queues).filter(|id| !is_known(id)) {
        *lost.entry(*id).or_default() += 1;
    }
    lost
}

fn queue_name(definition: &Held<Record>) -> Option<String> {
    match &definition.what {
        Record::Queue { name, .. } => Some(name.clone()),
        _ => None,
    }
}

fn report(vhost: &str, recovery: &journal::Recovery, unreadable: u64) {
    for damage in &recovery.damages {
        tracing::error!(
            vhost,
            file = %damage.file.display(),
            offset = damage.offset,
            bytes = damage.length,
            what = damage.what,
            "the log is damaged here; what it held there is lost, the rest is served"
        );
    }
    for torn in &recovery.unsynced {
        tracing::warn!(
            vhost,
            file = %torn.file.display(),
            offset = torn.offset,
            bytes = torn.length,
            "a power cut tore a write here that was not on disk yet; nothing in it was confirmed"
        );
    }
    if let Some(tail) = &recovery.torn_tail {
        tracing::warn!(
            vhost,
            file = %tail.file.display(),
            offset = tail.offset,
            "the last write before the stop was unfinished and is cut off; nothing in it was confirmed"
        );
    }
    if unreadable > 0 {
        tracing::error!(vhost, records = unreadable, "records of an unknown form were passed over");
    }
}
