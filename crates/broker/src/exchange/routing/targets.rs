//! Destinations that match together: all of a fanout, those of one direct key, those of one topic pattern.

use std::hash::Hash;

use smallvec::SmallVec;

use super::seen::Seen;

/// A list without order, so that removing is a swap with the last.
#[derive(Clone, Debug)]
pub(super) struct Targets<D>(SmallVec<[(usize, D); 1]>);

impl<D> Default for Targets<D> {
    fn default() -> Self {
        Targets(SmallVec::new())
    }
}

impl<D: Eq + Hash> Targets<D> {
    /// Appends binding `id`; returns its slot.
    pub(super) fn add(&mut self, id: usize, destination: D) -> usize {
        self.0.push((id, destination));
        self.0.len() - 1
    }

    /// Empties a slot; returns the binding that now is in it, if one had to move.
    pub(super) fn remove(&mut self, slot: usize) -> Option<usize> {
        if slot >= self.0.len() {
            return None;
        }
        self.0.swap_remove(slot);
        self.0.get(slot).map(|(id, _)| *id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls `out` with each destination once; `distinct` says that none is in the list twice.
    pub(super) fn route(&self, distinct: bool, out: &mut impl FnMut(&D)) {
        if distinct || self.0.len() < 2 {
            self.0.iter().for_each(|(_, destination)| out(destination));
        } else {
            self.route_unseen(&mut Seen::default(), out);
        }
    }

    /// Calls `out` with the destinations that are not in `seen` yet.
    pub(super) fn route_unseen<'a>(&'a self, seen: &mut Seen<'a, D>, out: &mut impl FnMut(&D)) {
        for (_, destination) in &self.0 {
            if seen.is_new(destination) {
                out(destination);
            }
        }
    }
}
