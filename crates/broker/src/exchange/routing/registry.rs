//! Every binding of an exchange, found by its identity and by its destination.
//!
//! Entries live in a slab; a hash table holds their numbers by identity, and each destination has
//! the list of its own. An entry remembers its slot in that list and its place in the matcher, so
//! that removing never searches.

use std::hash::{BuildHasher, Hash};

use amqp::table::FieldTable;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// Where the matcher keeps a binding, so that it finds it again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// The node of a topic's tree.
    pub(super) node: usize,
    /// The slot in a list of targets.
    pub(super) slot: usize,
}

/// One binding.
#[derive(Clone, Debug)]
pub(super) struct Entry<D> {
    pub(super) destination: D,
    pub(super) key: Box<[u8]>,
    /// Sorted by name.
    pub(super) arguments: FieldTable,
    pub(super) place: Place,
    hash: u64,
    /// The slot in the destination's list.
    held: usize,
}

impl<D> Entry<D> {
    pub(super) fn parts(&self) -> (&D, &[u8], &FieldTable) {
        (&self.destination, &self.key, &self.arguments)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Registry<D> {
    entries: Vec<Option<Entry<D>>>,
    free: Vec<usize>,
    identities: HashTable<usize>,
    destinations: HashMap<D, Vec<usize>>,
    /// Bindings that have arguments.
    with_arguments: usize,
    hasher: DefaultHashBuilder,
}

impl<D> Default for Registry<D> {
    fn default() -> Self {
        Registry {
            entries: Vec::new(),
            free: Vec::new(),
            identities: HashTable::new(),
            destinations: HashMap::new(),
            with_arguments: 0,
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<D: Clone + Eq + Hash> Registry<D> {
    /// Adds a binding and returns its number, or none when it is there already.
    pub(super) fn add(&mut self, destination: D, key: &[u8], arguments: &FieldTable) -> Option<usize> {
        let arguments = sorted_arguments(arguments);
        let hash = self.hash(&destination, key, &arguments);
        if self.find_sorted(hash, &destination, key, &arguments).is_some() {
            return None;
        }
        let id = self.free.pop().unwrap_or(self.entries.len());
        self.with_arguments += usize::from(!arguments.is_empty());
        let held_by = self.destinations.entry_ref(&destination).or_default();
        let held = held_by.len();
        held_by.push(id);
        let entry = Entry { destination, key: key.into(), arguments, place: Place::default(), hash, held };
        match self.entries.get_mut(id) {
            Some(free) => *free = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        let entries = &self.entries;
        self.identities.insert_unique(hash, id, |id| hash_of(entries, *id));
        Some(id)
    }

    pub(super) fn find(&self, destination: &D, key: &[u8], arguments: &FieldTable) -> Option<usize> {
        let arguments = sorted_arguments(arguments);
        self.find_sorted(self.hash(destination, key, &arguments), destination, key, &arguments)
    }

    /// Takes a binding out; its number is used again.
    pub(super) fn take(&mut self, id: usize) -> Option<Entry<D>> {
        let entry = self.entries.get_mut(id)?.take()?;
        self.free.push(id);
        self.with_arguments -= usize::from(!entry.arguments.is_empty());
        if let Ok(found) = self.identities.find_entry(entry.hash, |other| *other == id) {
            found.remove();
        }
        if let Some(held_by) = self.destinations.get_mut(&entry.destination) {
            held_by.swap_remove(entry.held);
            match held_by.get(entry.held) {
                Some(&moved) => {
                    if let Some(Some(moved)) = self.entries.get_mut(moved) {
                        moved.held = entry.held;
                    }
                }
                None if held_by.is_empty() => {
                    self.destinations.remove(&entry.destination);
                }
                None => {}
            }
        }
        Some(entry)
    }

    pub(super) fn entry(&self, id: usize) -> Option<&Entry<D>> {
        self.entries.get(id)?.as_ref()
    }

    pub(super) fn set_place(&mut self, id: usize, place: Place) {
        if let Some(Some(entry)) = self.entries.get_mut(id) {
            entry.place = place;
        }
    }

    /// A binding of the destination, if it has any.
    pub(super) fn last_of(&self, destination: &D) -> Option<usize> {
        self.destinations.get(destination)?.last().copied()
    }

    #[cfg(test)]
    pub(super) fn of(&self, destination: &D) -> impl Iterator<Item = &Entry<D>> {
        self.destinations.get(destination).into_iter().flatten().filter_map(|id| self.entry(*id))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<D>> {
        self.entries.iter().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether no destination is bound twice.
    pub(super) fn destinations_are_distinct(&self) -> bool {
        self.destinations.len() == self.len()
    }

    /// Whether any binding has arguments.
    pub(super) fn any_arguments(&self) -> bool {
        self.with_arguments > 0
    }

    fn find_sorted(&self, hash: u64, destination: &D, key: &[u8], arguments: &FieldTable) -> Option<usize> {
        let same = |id: &usize| {
            self.entry(*id).is_some_and(|entry| {
                *entry.key == *key
                    && entry.destination == *destination
                    && same_arguments(&entry.arguments, arguments)
            })
        };
        self.identities.find(hash, same).copied()
    }

    fn hash(&self, destination: &D, key: &[u8], arguments: &FieldTable) -> u64 {
        if arguments.is_empty() {
            self.hasher.hash_one((destination, key))
        } else {
            self.hasher.hash_one((destination, key, arguments.to_bytes()))
        }
    }
}

/// The stored hash of an entry, for when the table grows.
fn hash_of<D>(entries: &[Option<Entry<D>>], id: usize) -> u64 {
    entries.get(id).and_then(Option::as_ref).map_or(0, |entry| entry.hash)
}

/// A binding's arguments as it keeps them. Their order is no part of a binding: RabbitMQ, too, keeps
/// and shows them sorted by name. Equal names stay in their order.
pub(crate) fn sorted_arguments(arguments: &FieldTable) -> FieldTable {
    if arguments.iter().is_sorted_by_key(|(name, _)| name) {
        return arguments.clone();
    }
    let mut entries: Vec<_> = arguments.clone().into_iter().collect();
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    entries.into_iter().collect()
}

/// Compared as bytes, types included: a NaN, too, is the same as itself.
fn same_arguments(left: &FieldTable, right: &FieldTable) -> bool {
    (left.is_empty() && right.is_empty())
        || (left.len() == right.len() && left.to_bytes() == right.to_bytes())
}
