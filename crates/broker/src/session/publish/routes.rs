//! Routes a connection has used, remembered until bindings or rights change.

use std::sync::Arc;

use amqp::properties::Properties;
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::access::Right;
use crate::error::{Failure, Outcome};
use crate::exchange::Exchange;
use crate::queue::Queue;
use crate::session::Session;
use crate::session::rights::Kind;
use crate::vhost::Vhost;
use crate::vhost::route::{Found, Queues};

/// Routes remembered at the most; then all are forgotten.
const MOST: usize = 8192;

/// Routes by exchange and routing key.
#[derive(Default)]
pub(in crate::session) struct Routes {
    places: HashMap<Box<[u8]>, usize>,
    routes: Vec<Route>,
    /// The one used last: publishers tend to stay with one.
    last: usize,
    /// The key being looked up.
    scratch: Vec<u8>,
    batch: u64,
}

struct Route {
    key: Box<[u8]>,
    exchange: Arc<Exchange>,
    /// The exchange's generation the queues are good for.
    generation: u64,
    /// The definitions' generation the right to publish is good for.
    rights: u64,
    queues: Queues,
    /// Queues depend on more than the key: they are looked up each time.
    varies: bool,
    /// The batch for which `groups` holds.
    batch: u64,
    groups: SmallVec<[u32; 4]>,
}

impl Routes {
    /// A new batch: places of queues in the last one are void.
    pub(in crate::session) fn next_batch(&mut self) -> u64 {
        self.batch += 1;
        self.batch
    }

    pub(in crate::session) fn clear(&mut self) {
        self.places.clear();
        self.routes.clear();
    }

    pub(super) fn queues(&self, route: usize) -> &[Arc<Queue>] {
        self.routes.get(route).map_or(&[], |route| &route.queues)
    }

    /// The queues of a message for which the remembered ones will not do: its headers count, or it names more keys.
    pub(super) fn varying(
        &self,
        route: usize,
        vhost: &Vhost,
        key: &[u8],
        properties: &Properties<'_>,
        more_keys: &[Vec<u8>],
    ) -> Option<Queues> {
        let route = self.routes.get(route)?;
        if !route.varies && more_keys.is_empty() {
            return None;
        }
        let headers = properties.headers().and_then(Result::ok);
        let mut found = Found::default();
        for key in std::iter::once(key).chain(more_keys.iter().map(Vec::as_slice)) {
            vhost.route(&route.exchange, key, headers).queues.iter().for_each(|queue| found.add(queue));
        }
        Some(found.queues)
    }

    /// The names of the queues a message goes to, sorted, as RabbitMQ's routing has them: through the default
    /// exchange they are the routing keys, whether or not there are such queues.
    pub(super) fn addressees(
        &self,
        route: usize,
        queues: &[Arc<Queue>],
        key: &[u8],
        more_keys: &[Vec<u8>],
    ) -> Vec<Arc<str>> {
        let is_default = self.routes.get(route).is_some_and(|route| route.exchange.is_default());
        let mut names: Vec<Arc<str>> = if is_default {
            let keys = std::iter::once(key).chain(more_keys.iter().map(Vec::as_slice));
            keys.filter_map(|key| std::str::from_utf8(key).ok()).map(Arc::from).collect()
        } else {
            queues.iter().map(|queue| Arc::clone(&queue.name)).collect()
        };
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The groups of the route's queues in this batch; `find` is asked once for each queue and batch.
    pub(super) fn groups(
        &mut self,
        route: usize,
        batch: u64,
        mut find: impl FnMut(&Arc<Queue>) -> u32,
    ) -> &[u32] {
        let Some(route) = self.routes.get_mut(route) else { return &[] };
        if route.batch != batch {
            route.batch = batch;
            route.groups = route.queues.iter().map(&mut find).collect();
        }
        &route.groups
    }

    fn find(&mut self, exchange: &[u8], key: &[u8]) -> Option<usize> {
        let is_it = |route: &Route| {
            let known = &route.key;
            known.len() == exchange.len() + key.len() + 1
                && known.first().is_some_and(|len| usize::from(*len) == exchange.len())
                && known.get(1..).is_some_and(|rest| rest.starts_with(exchange) && rest.ends_with(key))
        };
        if self.routes.get(self.last).is_some_and(is_it) {
            return Some(self.last);
        }
        self.scratch.clear();
        self.scratch.push(exchange.len() as u8);
        self.scratch.extend_from_slice(exchange);
        self.scratch.extend_from_slice(key);
        self.last = *self.places.get(self.scratch.as_slice())?;
        Some(self.last)
    }

    /// Remembers a route under the key that [`find`](Self::find) looked for last.
    fn insert(&mut self, route: Route) -> usize {
        if self.routes.len() >= MOST {
            self.clear();
        }
        let at = self.routes.len();
        self.places.insert(route.key.clone(), at);
        self.routes.push(route);
        self.last = at;
        at
    }
}

impl Route {
    fn holds(&self, rights: u64) -> bool {
        self.rights == rights
            && self.generation == self.exchange.generation()
            && if self.exchange.is_default() {
                // The default exchange has no bindings to change: the queue itself tells.
                self.queues.first().is_some_and(|queue| !queue.is_deleted())
            } else {
                !self.exchange.is_deleted()
            }
    }
}

impl Session {
    /// The place of the route, after all checks that do not depend on the message.
    pub(super) fn route_to(&mut self, vhost: &Arc<Vhost>, exchange: &[u8], key: &[u8]) -> Outcome<usize> {
        let rights = self.node.access.generation();
        let found = self.routes.find(exchange, key);
        if let Some(at) = found
            && self.routes.routes.get(at).is_some_and(|route| route.holds(rights))
        {
            return Ok(at);
        }
        let name = std::str::from_utf8(exchange)
            .map_err(|_| Failure::connection(amqp::reply::FRAME_ERROR, "Malformed UTF-8 in shortstr"))?;
        let source = vhost.find_exchange(name);
        self.check(Right::Write, Kind::Exchange, if name.is_empty() { "amq.default" } else { name })?;
        let source = source.ok_or_else(|| Failure::no_exchange(name, &vhost.name))?;
        if source.internal {
            let what = format!("cannot publish to internal exchange '{name}' in vhost '{}'", vhost.name);
            return Err(Failure::refused(what));
        }
        // Before the look at the bindings: a change in between makes the route void.
        let generation = source.generation();
        let routed = vhost.route(&source, key, None);
        let mut route = Route {
            key: Box::default(),
            exchange: source,
            generation,
            rights,
            queues: routed.queues,
            varies: routed.varies,
            batch: 0,
            groups: SmallVec::new(),
        };
        if let Some(at) = found
            && let Some(place) = self.routes.routes.get_mut(at)
        {
            route.key = std::mem::take(&mut place.key);
            *place = route;
            return Ok(at);
        }
        route.key = self.routes.scratch.as_slice().into();
        Ok(self.routes.insert(route))
    }
}
