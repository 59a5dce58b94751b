//! Bindings of one exchange and the question they answer: which destinations does this message go to?
//!
//! Pure data: no locks, no I/O, destinations are whatever the caller has. [`Bindings`] joins the
//! `registry.rs`, which knows every binding by its identity and by its destination, with the
//! matcher of the exchange's kind (`direct.rs`, `topic.rs`, `headers.rs`; a fanout is a plain list).
//! Adding, removing and removing a destination cost nothing that grows with other bindings; routing
//! costs what matches, not what is bound.

use std::hash::Hash;

use amqp::table::{FieldTable, RawTable};

mod direct;
mod header_values;
mod headers;
mod kind;
mod registry;
mod seen;
mod targets;
mod topic;
mod x_match;

#[cfg(test)]
mod tests;

pub(crate) use kind::ExchangeKind;
pub(crate) use registry::sorted_arguments;
pub(crate) use x_match::check_x_match;

use direct::Direct;
use headers::Headers;
use registry::{Entry, Place, Registry};
use seen::Seen;
use targets::Targets;
use topic::Topic;

/// The bindings of one exchange.
///
/// A binding is identified by destination, routing key and arguments; arguments are the same when
/// they have the same entries in any order, types included, since they are kept sorted by name.
#[derive(Clone, Debug)]
pub(crate) struct Bindings<D> {
    registry: Registry<D>,
    matcher: Matcher<D>,
}

#[derive(Clone, Debug)]
enum Matcher<D> {
    Direct(Direct<D>),
    Fanout(Targets<D>),
    Topic(Topic<D>),
    Headers(Headers),
}

impl<D: Clone + Eq + Hash> Bindings<D> {
    /// No bindings yet.
    pub(crate) fn new(kind: ExchangeKind) -> Self {
        let matcher = match kind {
            ExchangeKind::Direct => Matcher::Direct(Direct::default()),
            ExchangeKind::Fanout => Matcher::Fanout(Targets::default()),
            ExchangeKind::Topic => Matcher::Topic(Topic::default()),
            ExchangeKind::Headers => Matcher::Headers(Headers::default()),
        };
        Bindings { registry: Registry::default(), matcher }
    }

    /// What the bindings were made for.
    pub(crate) fn kind(&self) -> ExchangeKind {
        match self.matcher {
            Matcher::Direct(_) => ExchangeKind::Direct,
            Matcher::Fanout(_) => ExchangeKind::Fanout,
            Matcher::Topic(_) => ExchangeKind::Topic,
            Matcher::Headers(_) => ExchangeKind::Headers,
        }
    }

    /// Adds a binding; `false` when it was there already, and nothing changed.
    pub(crate) fn add(&mut self, destination: D, key: &[u8], arguments: &FieldTable) -> bool {
        let Some(id) = self.registry.add(destination, key, arguments) else { return false };
        let Some(entry) = self.registry.entry(id) else { return false };
        let place = match &mut self.matcher {
            Matcher::Direct(direct) => direct.add(id, &entry.destination, &entry.key),
            Matcher::Fanout(targets) => Place { node: 0, slot: targets.add(id, entry.destination.clone()) },
            Matcher::Topic(topic) => topic.add(id, &entry.destination, &entry.key),
            Matcher::Headers(headers) => headers.add(id, &entry.arguments),
        };
        self.registry.set_place(id, place);
        true
    }

    /// Whether there is such a binding.
    #[cfg(test)]
    pub(crate) fn contains(&self, destination: &D, key: &[u8], arguments: &FieldTable) -> bool {
        self.registry.find(destination, key, arguments).is_some()
    }

    /// Removes a binding; `false` when there was none such.
    pub(crate) fn remove(&mut self, destination: &D, key: &[u8], arguments: &FieldTable) -> bool {
        let Some(id) = self.registry.find(destination, key, arguments) else { return false };
        self.take(id).is_some()
    }

    /// Removes every binding to `destination`, without looking at any other. Returns their keys and
    /// arguments, these sorted by name ([`sorted_arguments`]).
    pub(crate) fn remove_destination(&mut self, destination: &D) -> Vec<(Box<[u8]>, FieldTable)> {
        let mut removed = Vec::new();
        while let Some(entry) = self.registry.last_of(destination).and_then(|id| self.take(id)) {
            removed.push((entry.key, entry.arguments));
        }
        removed
    }

    /// Calls `out` with each destination the message goes to, once, in no particular order.
    ///
    /// `headers` are the message's; only a headers exchange reads them. An exchange among the
    /// destinations is the caller's to follow, and two exchanges may lead to the same queue: across
    /// calls the caller sees to it that a queue gets a message once.
    pub(crate) fn route(&self, key: &[u8], headers: Option<RawTable<'_>>, out: &mut impl FnMut(&D)) {
        match &self.matcher {
            // Same key and same destination again can only be other arguments.
            Matcher::Direct(direct) => {
                direct.targets(key).route(!self.registry.any_arguments(), out);
            }
            Matcher::Fanout(targets) => targets.route(self.registry.destinations_are_distinct(), out),
            Matcher::Topic(topic) => topic.route(key, !self.registry.any_arguments(), out),
            Matcher::Headers(matcher) => {
                let mut seen = Seen::default();
                matcher.route(headers, &mut |id| {
                    if let Some(entry) = self.registry.entry(id)
                        && seen.is_new(&entry.destination)
                    {
                        out(&entry.destination);
                    }
                });
            }
        }
    }

    /// Whether there is no binding.
    pub(crate) fn is_empty(&self) -> bool {
        self.registry.len() == 0
    }

    /// How many bindings there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.registry.len()
    }

    /// Every binding: destination, key, arguments sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&D, &[u8], &FieldTable)> {
        self.registry.iter().map(Entry::parts)
    }

    /// The bindings to one destination: key, arguments sorted by name.
    #[cfg(test)]
    pub(crate) fn of_destination(&self, destination: &D) -> impl Iterator<Item = (&[u8], &FieldTable)> {
        self.registry.of(destination).map(|entry| (&*entry.key, &entry.arguments))
    }

    fn take(&mut self, id: usize) -> Option<Entry<D>> {
        let entry = self.registry.take(id)?;
        let moved = match &mut self.matcher {
            Matcher::Direct(direct) => direct.remove(&entry.key, entry.place),
            Matcher::Fanout(targets) => targets.remove(entry.place.slot),
            Matcher::Topic(topic) => topic.remove(entry.place),
            Matcher::Headers(headers) => {
                headers.remove(id);
                None
            }
        };
        if let Some(moved) = moved {
            self.registry.set_place(moved, entry.place);
        }
        if self.registry.len() == 0 {
            // Thousands of bindings may have gone: give their memory back.
            *self = Bindings::new(self.kind());
        }
        Some(entry)
    }
}
