//! Which records of the log are dead, and which were moved.
//!
//! The ledger decides what a reclaim has to carry over. It is locked while an acknowledgement or a deletion is
//! appended and while a record is copied, so that in the log a copy never follows the word that its record is gone.

use std::collections::HashMap;

use smallvec::SmallVec;

/// Log bytes that one page of bits stands for.
const PAGE: u64 = 1 << 24;
/// Log bytes that one bit stands for: live records are at least this long.
const GRAIN: u64 = 64;
const WORDS: usize = (PAGE / GRAIN / 64) as usize;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Ledger {
    dead: HashMap<u64, Box<[u64; WORDS]>>,
    /// Messages that several queues hold, and which do still.
    holders: HashMap<u64, SmallVec<[u64; 4]>>,
    /// Records that were copied: where the copy is, and its size.
    moved: HashMap<u64, (u64, u32)>,
}

impl Ledger {
    /// A message that went to more than one durable queue.
    pub(crate) fn share(&mut self, id: u64, queues: impl Iterator<Item = u64>) {
        self.holders.insert(id, queues.collect());
    }

    /// One of a shared message's queues is done with it; `true` when that was the last.
    pub(crate) fn unshare(&mut self, id: u64, queue: u64) -> bool {
        let Some(holders) = self.holders.get_mut(&id) else { return true };
        holders.retain(|holder| *holder != queue);
        let last = holders.is_empty();
        if last {
            self.holders.remove(&id);
        }
        last
    }

    /// The queues that still hold a shared message; `None` for one that was never shared.
    pub(crate) fn holders(&self, id: u64) -> Option<&[u64]> {
        self.holders.get(&id).map(SmallVec::as_slice)
    }

    /// The record is dead. Returns where it lies (its copy, if it was moved) and its size, to be released.
    pub(crate) fn bury(&mut self, id: u64, size: u32) -> (u64, u32) {
        let (page, word, bit) = place(id);
        let words = self.dead.entry(page).or_insert_with(|| Box::new([0; WORDS]));
        if let Some(word) = words.get_mut(word) {
            *word |= bit;
        }
        self.moved.remove(&id).unwrap_or((id, size))
    }

    pub(crate) fn is_dead(&self, id: u64) -> bool {
        let (page, word, bit) = place(id);
        self.dead.get(&page).and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }

    /// Where the record lies now.
    pub(crate) fn locate(&self, id: u64, size: u32) -> (u64, u32) {
        if self.moved.is_empty() {
            return (id, size);
        }
        self.moved.get(&id).copied().unwrap_or((id, size))
    }

    /// Whether the record's live form is the one at `position`, so that moving that one is of use.
    pub(crate) fn lives_at(&self, id: u64, position: u64) -> bool {
        !self.is_dead(id) && self.moved.get(&id).map_or(id, |(at, _)| *at) == position
    }

    pub(crate) fn relocate(&mut self, id: u64, position: u64, size: u32) {
        self.moved.insert(id, (position, size));
    }

    /// Forgets the bits of pages in which the log holds nothing any more.
    pub(crate) fn forget_pages(&mut self, is_held: impl Fn(std::ops::Range<u64>) -> bool) {
        self.dead.retain(|page, _| is_held(page * PAGE..(page + 1) * PAGE));
    }
}

fn place(id: u64) -> (u64, usize, u64) {
    let bit = id % PAGE / GRAIN;
    (id / PAGE, (bit / 64) as usize, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_message_dies_with_its_last_holder() {
        let mut ledger = Ledger::default();
        ledger.share(4096, [1, 2].into_iter());
        assert!(!ledger.unshare(4096, 1));
        assert_eq!(ledger.holders(4096), Some(&[2][..]), "what a copy names");
        assert_eq!(ledger.holders(8192), None);
        assert!(ledger.unshare(4096, 2));
        assert!(ledger.unshare(8192, 1), "a message that was never shared has one holder");
    }

    #[test]
    fn a_moved_record_is_buried_where_it_lies() {
        let mut ledger = Ledger::default();
        assert!(ledger.lives_at(4096, 4096));
        ledger.relocate(4096, 90_000, 128);
        assert_eq!(ledger.locate(4096, 120), (90_000, 128));
        assert!(!ledger.lives_at(4096, 4096), "the original is of no use once there is a copy");
        assert!(ledger.lives_at(4096, 90_000));
        assert_eq!(ledger.bury(4096, 120), (90_000, 128));
        assert!(ledger.is_dead(4096) && !ledger.is_dead(4096 + 64));
    }
}
