//! What this connection's user may do, remembered until a definition changes.

use std::collections::HashMap;

use amqp::reply;

use super::Session;
use crate::access::{DEFAULT_EXCHANGE_RESOURCE, Right};
use crate::error::{Failure, Outcome};

/// Decisions of one connection; good for one generation of the definitions.
#[derive(Default)]
pub(crate) struct RightsCache {
    generation: u64,
    decisions: HashMap<(u8, String), bool>,
}

/// Decisions kept at the most; a client that asks for more distinct names starts anew.
const MOST: usize = 4096;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Exchange,
    Queue,
}

impl Session {
    /// Refuses with RabbitMQ's 403 what the user may not do.
    pub(super) fn check(&mut self, right: Right, kind: Kind, name: &str) -> Outcome {
        let generation = self.node.access.generation();
        if self.rights.generation != generation || self.rights.decisions.len() > MOST {
            self.rights = RightsCache { generation, decisions: HashMap::new() };
        }
        let resource = if name.is_empty() { DEFAULT_EXCHANGE_RESOURCE } else { name };
        let key = (right as u8, resource.to_owned());
        let decided = self.rights.decisions.get(&key).copied();
        let allowed = match decided {
            Some(allowed) => allowed,
            None => {
                let vhost = self.vhost()?.name.clone();
                let rights = self.node.access.rights(self.user(), &vhost);
                let allowed = rights.is_some_and(|rights| rights.may(right, resource));
                self.rights.decisions.insert(key, allowed);
                allowed
            }
        };
        if allowed {
            return Ok(());
        }
        let kind = match kind {
            Kind::Exchange => "exchange",
            Kind::Queue => "queue",
        };
        let (vhost, user) = (&self.vhost()?.name, self.user());
        Err(Failure::channel(
            reply::ACCESS_REFUSED,
            format_args!("access to {kind} '{name}' in vhost '{vhost}' refused for user '{user}'"),
        ))
    }
}
