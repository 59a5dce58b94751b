//! Headers exchange: bindings whose arguments match the message's headers.
//!
//! RabbitMQ tries every binding on every message. Here each binding is filed under a condition it
//! cannot match without: one of them when all must hold (the least crowded at that moment), each of
//! them when any suffices. A message asks only for what is filed under its own headers and verifies
//! that in full. Arguments beginning with `x-` are conditions only in the `-with-x` modes, `x-match`
//! itself in none; a condition without a value asks for the header's presence.

use std::hash::{BuildHasher, Hash, Hasher};

use amqp::table::{FieldTable, RawTable, Value, ValueRef};
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use smallvec::SmallVec;

use super::header_values::{equal, hash_found, hash_wanted};
use super::registry::Place;
use super::x_match::XMatch;

#[derive(Clone, Debug, Default)]
pub(super) struct Headers {
    patterns: HashMap<usize, Pattern>,
    /// Bindings without conditions of which all hold.
    always: HashSet<usize>,
    /// By the hash of a condition; two conditions may share one.
    filed: HashMap<u64, HashSet<usize>>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Debug)]
struct Pattern {
    all: bool,
    /// Sorted by name, equal names in their order.
    conditions: Vec<(Box<str>, Value)>,
    filed_under: SmallVec<[u64; 1]>,
}

type Found<'a> = SmallVec<[(&'a str, ValueRef<'a>); 16]>;

impl Headers {
    /// Files binding `id`; `arguments` are sorted by name.
    pub(super) fn add(&mut self, id: usize, arguments: &FieldTable) -> Place {
        let mode = XMatch::of(arguments);
        let conditions: Vec<(Box<str>, Value)> = arguments
            .iter()
            .filter(|(name, _)| *name != "x-match" && (mode.with_x() || !name.starts_with("x-")))
            .map(|(name, value)| (name.into(), value.clone()))
            .collect();
        let hashes = conditions.iter().map(|(name, value)| self.condition_hash(name, value));
        let filed_under: SmallVec<[u64; 1]> = if mode.all() {
            hashes.min_by_key(|hash| self.filed.get(hash).map_or(0, HashSet::len)).into_iter().collect()
        } else {
            hashes.collect()
        };
        for hash in &filed_under {
            self.filed.entry(*hash).or_default().insert(id);
        }
        if mode.all() && conditions.is_empty() {
            self.always.insert(id);
        }
        self.patterns.insert(id, Pattern { all: mode.all(), conditions, filed_under });
        Place::default()
    }

    pub(super) fn remove(&mut self, id: usize) {
        self.always.remove(&id);
        let Some(pattern) = self.patterns.remove(&id) else { return };
        for hash in pattern.filed_under {
            if let Some(ids) = self.filed.get_mut(&hash) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.filed.remove(&hash);
                }
            }
        }
    }

    /// Calls `out` with the bindings that match; with some of them more than once.
    pub(super) fn route(&self, headers: Option<RawTable<'_>>, out: &mut impl FnMut(usize)) {
        self.always.iter().for_each(|id| out(*id));
        let Some(headers) = headers.filter(|headers| !headers.is_empty() && !self.filed.is_empty()) else {
            return;
        };
        let mut found: Found<'_> = headers.iter().collect();
        found.sort_by_key(|(name, _)| *name);
        for (name, value) in &found {
            for hash in [self.presence_hash(name), self.found_hash(name, *value)] {
                for id in self.filed.get(&hash).into_iter().flatten() {
                    if self.patterns.get(id).is_some_and(|pattern| pattern.matches(&found)) {
                        out(*id);
                    }
                }
            }
        }
    }

    fn condition_hash(&self, name: &str, value: &Value) -> u64 {
        if *value == Value::Void {
            return self.presence_hash(name);
        }
        let mut state = self.hasher.build_hasher();
        (1_u8, name).hash(&mut state);
        hash_wanted(value, &mut state);
        state.finish()
    }

    fn presence_hash(&self, name: &str) -> u64 {
        self.hasher.hash_one((0_u8, name))
    }

    fn found_hash(&self, name: &str, value: ValueRef<'_>) -> u64 {
        let mut state = self.hasher.build_hasher();
        (1_u8, name).hash(&mut state);
        hash_found(value, &mut state);
        state.finish()
    }
}

impl Pattern {
    /// Goes through conditions and headers side by side, both sorted. Of equal names the first
    /// condition is compared with the first header, the second with the second, as RabbitMQ does.
    fn matches(&self, found: &[(&str, ValueRef<'_>)]) -> bool {
        let mut found = found.iter().peekable();
        for (name, wanted) in &self.conditions {
            while found.next_if(|(key, _)| *key < &**name).is_some() {}
            let holds = found
                .next_if(|(key, _)| *key == &**name)
                .is_some_and(|(_, value)| *wanted == Value::Void || equal(wanted, *value));
            if holds != self.all {
                return holds;
            }
        }
        self.all
    }
}
