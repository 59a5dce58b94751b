//! From an exchange and a routing key to the queues that get the message.

use std::collections::HashSet;
use std::sync::Arc;

use amqp::table::RawTable;
use smallvec::SmallVec;

use super::Vhost;
use crate::exchange::{Destination, Exchange, ExchangeKind};
use crate::queue::Queue;

/// Queues a message goes to, each once.
pub(crate) type Queues = SmallVec<[Arc<Queue>; 4]>;

/// Up to this many what was found is compared one by one, beyond it is hashed.
const FEW: usize = 16;

/// Where a message goes.
#[derive(Default)]
pub(crate) struct Routed {
    pub(crate) queues: Queues,
    /// The same exchange and key may lead elsewhere with other headers.
    pub(crate) varies: bool,
}

impl Vhost {
    /// The queues for a message published to `exchange` with `key`, in no particular order. When there are none, an
    /// exchange's `alternate-exchange` is tried.
    pub(crate) fn route(
        &self,
        exchange: &Arc<Exchange>,
        key: &[u8],
        headers: Option<RawTable<'_>>,
    ) -> Routed {
        let mut exchange = Arc::clone(exchange);
        let mut tried = Ids::default();
        let mut varies = false;
        loop {
            let found = self.route_once(&exchange, key, headers);
            varies |= found.varies;
            let alternate = exchange.arguments.get("alternate-exchange").and_then(|name| name.as_str());
            let is_first = tried.is_empty();
            tried.add(exchange.id);
            if !found.queues.is_empty() {
                return Routed { varies, ..found };
            }
            let alternate = alternate.and_then(|name| self.find_exchange(name));
            match alternate.filter(|next| tried.add(next.id)) {
                Some(next) => exchange = next,
                None => return Routed { queues: Queues::new(), varies: varies || !is_first },
            }
            // Changes of the alternate are not this exchange's: nothing of it is remembered.
            varies = true;
        }
    }

    fn route_once(&self, exchange: &Arc<Exchange>, key: &[u8], headers: Option<RawTable<'_>>) -> Routed {
        if exchange.is_default() {
            let queues = std::str::from_utf8(key).ok().and_then(|name| self.find_addressee(name));
            return Routed { queues: queues.into_iter().collect(), varies: false };
        }
        let mut found = Found::default();
        let mut varies = false;
        let mut seen = Ids::default();
        seen.add(exchange.id);
        let mut next: SmallVec<[Arc<Exchange>; 4]> = SmallVec::new();
        let mut visit =
            |exchange: &Exchange, next: &mut SmallVec<[Arc<Exchange>; 4]>| {
                varies |= exchange.kind == ExchangeKind::Headers;
                exchange.bindings.read().route(key, headers, &mut |destination: &Destination| {
                    match destination {
                        Destination::Queue(queue) => found.add(queue),
                        Destination::Exchange(exchange) if seen.add(exchange.id) => {
                            next.push(Arc::clone(exchange));
                        }
                        Destination::Exchange(_) => {}
                    }
                });
            };
        visit(exchange, &mut next);
        while let Some(exchange) = next.pop() {
            visit(&exchange, &mut next);
        }
        Routed { queues: found.queues, varies }
    }
}

/// Queues that were found, each once.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) queues: Queues,
    ids: Ids,
}

impl Found {
    pub(crate) fn add(&mut self, queue: &Arc<Queue>) {
        if self.ids.add(queue.id) {
            self.queues.push(Arc::clone(queue));
        }
    }
}

/// Numbers, each once.
#[derive(Default)]
struct Ids {
    few: SmallVec<[u64; FEW]>,
    many: HashSet<u64>,
}

impl Ids {
    fn is_empty(&self) -> bool {
        self.few.is_empty()
    }

    /// Notes one; `false` when it was noted before.
    fn add(&mut self, id: u64) -> bool {
        if self.few.len() < FEW {
            let is_new = !self.few.contains(&id);
            if is_new {
                self.few.push(id);
            }
            return is_new;
        }
        !self.few.contains(&id) && self.many.insert(id)
    }
}
