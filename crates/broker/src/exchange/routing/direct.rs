//! Direct exchange: one hash look-up by the routing key.

use std::hash::Hash;

use hashbrown::HashMap;

use super::registry::Place;
use super::targets::Targets;

#[derive(Clone, Debug)]
pub(super) struct Direct<D> {
    keys: HashMap<Box<[u8]>, Targets<D>>,
    none: Targets<D>,
}

impl<D> Default for Direct<D> {
    fn default() -> Self {
        Direct { keys: HashMap::new(), none: Targets::default() }
    }
}

impl<D: Clone + Eq + Hash> Direct<D> {
    pub(super) fn add(&mut self, id: usize, destination: &D, key: &[u8]) -> Place {
        let slot = match self.keys.get_mut(key) {
            Some(targets) => targets.add(id, destination.clone()),
            None => self.keys.entry(key.into()).or_default().add(id, destination.clone()),
        };
        Place { node: 0, slot }
    }

    /// Returns the binding that moved into the place.
    pub(super) fn remove(&mut self, key: &[u8], place: Place) -> Option<usize> {
        let targets = self.keys.get_mut(key)?;
        let moved = targets.remove(place.slot);
        if targets.is_empty() {
            self.keys.remove(key);
        }
        moved
    }

    pub(super) fn targets(&self, key: &[u8]) -> &Targets<D> {
        self.keys.get(key).unwrap_or(&self.none)
    }
}
