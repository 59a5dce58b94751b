//! The names of a vhost: its exchanges and queues, who is bound to whom, and what belongs to which connection.
//!
//! Only the maps live here; what declaring means (rights, equivalence, the log) is next door in [`super::declare`].
//! Every step costs the same whatever else exists: a deletion asks the reverse index who points at the deleted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::exchange::{Destination, Exchange};
use crate::queue::Queue;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Topology {
    pub(crate) exchanges: HashMap<Arc<str>, Arc<Exchange>>,
    pub(crate) queues: HashMap<Arc<str>, Arc<Queue>>,
    /// For each destination the exchanges that have bindings to it, each with their number.
    sources: HashMap<u64, BTreeMap<u64, (Arc<Exchange>, usize)>>,
    /// Exclusive queues by connection.
    owned: HashMap<u64, BTreeMap<u64, Arc<Queue>>>,
}

impl Topology {
    pub(crate) fn insert_queue(&mut self, queue: &Arc<Queue>) {
        if let Some(owner) = &queue.owner {
            self.owned.entry(owner.link).or_default().insert(queue.id, Arc::clone(queue));
        }
        self.queues.insert(Arc::clone(&queue.name), Arc::clone(queue));
    }

    /// Takes the queue out, unless that has been done; its bindings are the caller's.
    pub(crate) fn remove_queue(&mut self, queue: &Queue) -> bool {
        if self.queues.get(&queue.name).is_none_or(|q| q.id != queue.id) {
            return false;
        }
        self.queues.remove(&queue.name);
        if let Some(owner) = &queue.owner
            && let Some(owned) = self.owned.get_mut(&owner.link)
        {
            owned.remove(&queue.id);
            if owned.is_empty() {
                self.owned.remove(&owner.link);
            }
        }
        true
    }

    /// The exclusive queues of a connection.
    pub(crate) fn owned_by(&self, link: u64) -> Vec<Arc<Queue>> {
        self.owned.get(&link).map(|queues| queues.values().cloned().collect()).unwrap_or_default()
    }

    /// Notes one more binding.
    pub(crate) fn bound(&mut self, source: &Arc<Exchange>, destination: &Destination) {
        let sources = self.sources.entry(destination.id()).or_default();
        sources.entry(source.id).or_insert_with(|| (Arc::clone(source), 0)).1 += 1;
    }

    /// Notes one binding fewer.
    pub(crate) fn unbound(&mut self, source: &Exchange, destination: &Destination) {
        let Some(sources) = self.sources.get_mut(&destination.id()) else { return };
        if let Some((_, count)) = sources.get_mut(&source.id) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&source.id);
            }
        }
        if sources.is_empty() {
            self.sources.remove(&destination.id());
        }
    }

    /// The exchanges with bindings to this destination, forgotten in the same breath.
    pub(crate) fn take_sources(&mut self, destination: u64) -> Vec<Arc<Exchange>> {
        let sources = self.sources.remove(&destination).unwrap_or_default();
        sources.into_values().map(|(exchange, _)| exchange).collect()
    }

    /// Routes through this exchange have changed, and so have those of all exchanges that lead to it.
    pub(crate) fn changed(&self, exchange: &Arc<Exchange>) {
        let mut seen = HashSet::from([exchange.id]);
        let mut next = vec![Arc::clone(exchange)];
        while let Some(exchange) = next.pop() {
            exchange.has_changed();
            for (source, _) in self.sources.get(&exchange.id).into_iter().flat_map(BTreeMap::values) {
                if seen.insert(source.id) {
                    next.push(Arc::clone(source));
                }
            }
        }
    }
}
