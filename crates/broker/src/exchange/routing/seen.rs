//! What one routing decision has met already, without allocating while that is little.

use std::hash::Hash;

use hashbrown::HashSet;
use smallvec::SmallVec;

/// Entries that are searched one by one before a hash table takes over.
const FEW: usize = 16;

#[derive(Debug)]
pub(super) struct Seen<'a, T> {
    few: SmallVec<[&'a T; FEW]>,
    many: HashSet<&'a T>,
}

impl<T> Default for Seen<'_, T> {
    fn default() -> Self {
        Seen { few: SmallVec::new(), many: HashSet::new() }
    }
}

impl<'a, T: Eq + Hash> Seen<'a, T> {
    /// Notes `item`; `false` when it was noted before.
    pub(super) fn is_new(&mut self, item: &'a T) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(item);
        }
        if self.few.contains(&item) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(item);
            return true;
        }
        self.many.extend(self.few.drain(..));
        self.many.insert(item)
    }
}
