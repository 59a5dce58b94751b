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

/// Up to this many the queues found are compared one by one, beyond they are hashed.
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
        let mut tried: SmallVec<[u64; 4]> = SmallVec::new();
        let mut varies = false;
        loop {
            let found = self.route_once(&exchange, key, headers);
            varies |= found.varies;
            let alternate = exchange.arguments.get("alternate-exchange").and_then(|name| name.as_str());
            tried.push(exchange.id);
            if !found.queues.is_empty() {
                return Routed { varies, ..found };
            }
            let alternate = alternate.and_then(|name| self.find_exchange(name));
            match alternate.filter(|next| !tried.contains(&next.id)) {
                Some(next) => exchange = next,
                None => return Routed { queues: Queues::new(), varies: varies || tried.len() > 1 },
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
        let mut seen: SmallVec<[u64; 4]> = SmallVec::from_slice(&[exchange.id]);
        let mut next: SmallVec<[Arc<Exchange>; 4]> = SmallVec::new();
        let mut visit =
            |exchange: &Exchange, next: &mut SmallVec<[Arc<Exchange>; 4]>| {
                varies |= exchange.kind == ExchangeKind::Headers;
                exchange.bindings.read().route(key, headers, &mut |destination: &Destination| {
                    match destination {
                        Destination::Queue(queue) => found.add(queue),
                        Destination::Exchange(exchange) if !seen.contains(&exchange.id) => {
                            seen.push(exchange.id);
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

#[derive(Default)]
struct Found {
    queues: Queues,
    ids: HashSet<u64>,
}

impl Found {
    fn add(&mut self, queue: &Arc<Queue>) {
        let is_new = if self.queues.len() < FEW {
            self.queues.iter().all(|q| q.id != queue.id)
        } else {
            if self.ids.is_empty() {
                self.ids.extend(self.queues.iter().map(|q| q.id));
            }
            self.ids.insert(queue.id)
        };
        if is_new {
            self.queues.push(Arc::clone(queue));
        }
    }
}
