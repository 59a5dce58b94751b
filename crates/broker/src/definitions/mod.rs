//! All that is defined on this node, taken out of it and put into another: what a RabbitMQ has in its definitions file
//! and exists here. The file's form is the caller's; messages are not part of it (`snapshot` copies those).
//!
//! Next door: [`import`], which checks everything first and then makes it.

mod alike;
mod import;
#[cfg(test)]
mod tests;

use amqp::table::FieldTable;

pub use self::import::{ImportError, LeftOut};
use crate::Broker;
use crate::access::{AccessError, Imported, PasswordHash, Permission, stored_password};
use crate::exchange::{Destination, Exchange};
use crate::queue::Queue;
use crate::vhost::Vhost;

/// What is defined, in the order in which it can be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definitions {
    /// Vhosts.
    pub vhosts: Vec<VhostDefinition>,
    /// Users.
    pub users: Vec<UserDefinition>,
    /// What they may do.
    pub permissions: Vec<Permission>,
    /// Exchanges.
    pub exchanges: Vec<ExchangeDefinition>,
    /// Queues.
    pub queues: Vec<QueueDefinition>,
    /// Bindings.
    pub bindings: Vec<BindingDefinition>,
}

/// A vhost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VhostDefinition {
    /// Its name.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Free labels for tools.
    pub tags: Vec<String>,
}

/// A user.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserDefinition {
    /// The login name.
    pub name: String,
    /// Salt and digest in base64; empty for a user without a password.
    pub password_hash: String,
    /// RabbitMQ's name of the digest.
    pub hashing_algorithm: String,
    /// What tools let the user do.
    pub tags: Vec<String>,
}

impl std::fmt::Debug for UserDefinition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserDefinition").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Imported for UserDefinition {
    fn name(&self) -> &str {
        &self.name
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn password(&self) -> Result<PasswordHash, AccessError> {
        stored_password(&self.password_hash, &self.hashing_algorithm)
    }
}

/// An exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExchangeDefinition {
    /// Where it is.
    pub vhost: String,
    /// Its name.
    pub name: String,
    /// `direct`, `fanout`, `topic` or `headers`.
    pub kind: String,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: FieldTable,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueDefinition {
    /// Where it is.
    pub vhost: String,
    /// Its name.
    pub name: String,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: FieldTable,
}

/// A binding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BindingDefinition {
    /// Where it is.
    pub vhost: String,
    /// The exchange that messages come from.
    pub source: String,
    /// The queue or exchange they go to.
    pub destination: String,
    /// Whether that is a queue.
    pub to_queue: bool,
    /// The key; any bytes.
    pub routing_key: Vec<u8>,
    /// Its arguments.
    pub arguments: FieldTable,
}

impl Broker {
    /// Everything defined, sorted by name. Exclusive queues go with their connections and are left out with their
    /// bindings, and so is what every vhost has by itself.
    pub fn export_definitions(&self) -> Definitions {
        let access = self.access();
        let mut all = Definitions::default();
        for vhost in access.vhosts() {
            all.permissions.extend(access.list_permissions(&vhost.name).unwrap_or_default());
            if let Some(home) = self.node().vhost(&vhost.name) {
                collect(&home, &mut all);
            }
            let (name, description, tags) = (vhost.name, vhost.description, vhost.tags);
            all.vhosts.push(VhostDefinition { name, description, tags });
        }
        for user in access.users() {
            let hash = access.password_hash(&user.name).unwrap_or_default();
            all.users.push(UserDefinition {
                name: user.name,
                password_hash: hash.to_base64(),
                hashing_algorithm: hash.hashing().name().to_owned(),
                tags: user.tags,
            });
        }
        all
    }
}

/// The exchanges, queues and bindings of a vhost.
fn collect(vhost: &Vhost, all: &mut Definitions) {
    let mut exchanges = vhost.exchanges();
    exchanges.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut queues = vhost.queues();
    queues.retain(|queue| queue.owner.is_none());
    queues.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for exchange in &exchanges {
        let bindings = exchange.bindings.read();
        let mut found: Vec<BindingDefinition> = bindings
            .iter()
            .filter(|(to, _, _)| match to {
                Destination::Queue(queue) => queue.owner.is_none(),
                Destination::Exchange(_) => true,
            })
            .map(|(to, key, arguments)| BindingDefinition {
                vhost: vhost.name.to_string(),
                source: exchange.name.to_string(),
                destination: to.name().to_string(),
                to_queue: to.is_queue(),
                routing_key: key.to_vec(),
                arguments: arguments.clone(),
            })
            .collect();
        found.sort_by(|a, b| (&a.destination, &a.routing_key).cmp(&(&b.destination, &b.routing_key)));
        all.bindings.append(&mut found);
    }
    let made = exchanges.iter().filter(|exchange| !is_predeclared(&exchange.name));
    all.exchanges.extend(made.map(|exchange| defined_exchange(vhost, exchange)));
    all.queues.extend(queues.iter().map(|queue| defined_queue(vhost, queue)));
}

fn defined_exchange(vhost: &Vhost, exchange: &Exchange) -> ExchangeDefinition {
    ExchangeDefinition {
        vhost: vhost.name.to_string(),
        name: exchange.name.to_string(),
        kind: exchange.kind.name().to_owned(),
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        internal: exchange.internal,
        arguments: exchange.arguments.clone(),
    }
}

fn defined_queue(vhost: &Vhost, queue: &Queue) -> QueueDefinition {
    QueueDefinition {
        vhost: vhost.name.to_string(),
        name: queue.name.to_string(),
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        arguments: queue.table.clone(),
    }
}

/// Exchanges that every vhost has, and names that nobody may give.
fn is_predeclared(name: &str) -> bool {
    name.is_empty() || name.starts_with("amq.")
}
