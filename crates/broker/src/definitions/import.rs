//! Definitions put into a node: everything is looked through first, and refused whole where something in it cannot be
//! made; then it is made, and on disk before anybody is told so.
//!
//! What is there already stays as it is (users and permissions are replaced), so that doing it again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    BindingDefinition, Definitions, ExchangeDefinition, QueueDefinition, UserDefinition, alike,
    is_predeclared,
};
use crate::Broker;
use crate::access::{AccessError, Imported, Permission};
use crate::error::Failure;
use crate::exchange::routing::check_x_match;
use crate::exchange::{Destination, ExchangeKind};
use crate::node::{Node, NodeError};
use crate::queue::Arguments;
use crate::queue::arguments::{Properties, difference};
use crate::vhost::Vhost;
use crate::vhost::declare::{BindingRequest, ExchangeRequest, QueueRequest};

/// AMQP's names are strings of one length byte.
const NAME_MAX: usize = 255;

/// Why definitions were not imported. All but [`ImportError::Stopped`] are found before anything is changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Something is in a vhost that neither is there nor among the definitions.
    #[error("vhost '{0}' does not exist")]
    NoSuchVhost(String),
    /// A user, a password or a pattern is none.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Something cannot be declared: what and why.
    #[error("{0}")]
    Invalid(String),
    /// The node stopped half way; the disk is full or failed. What came before is there.
    #[error("the import stopped half way, and can be done again: {0}")]
    Stopped(String),
}

/// What an import passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeftOut {
    /// It stays as it is, and the definitions would have it otherwise.
    #[error("{what} '{name}' in vhost '{vhost}' is there already and stays as it is: {difference}")]
    Differs {
        /// `queue` or `exchange`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Its vhost.
        vhost: String,
        /// What differs.
        difference: String,
    },
    /// Names that begin so are the broker's.
    #[error("{what} '{name}' in vhost '{vhost}' has a reserved name")]
    Reserved {
        /// `queue` or `exchange`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Its vhost.
        vhost: String,
    },
    /// A binding without an end.
    #[error("the binding of '{source_name}' to '{destination}' in vhost '{vhost}': there is no {missing}")]
    LooseEnd {
        /// The binding's exchange.
        source_name: String,
        /// Where it would lead.
        destination: String,
        /// Its vhost.
        vhost: String,
        /// What is not there.
        missing: String,
    },
}

impl Broker {
    /// Makes all that is in `definitions` and not here yet; returns what was passed over. Blocks on the disk.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import_definitions(&self, definitions: &Definitions) -> Result<Vec<LeftOut>, ImportError> {
        let node = self.node();
        check(node, definitions)?;
        for vhost in definitions.vhosts.iter().filter(|vhost| !node.access.has_vhost(&vhost.name)) {
            match node.add_vhost(&vhost.name, &vhost.description, &vhost.tags) {
                // Somebody made it meanwhile.
                Ok(()) | Err(NodeError::Access(AccessError::VhostExists(_))) => {}
                Err(error) => return Err(ImportError::Stopped(error.to_string())),
            }
        }
        node.access.import(&definitions.users, &definitions.permissions)?;
        let mut left_out = Vec::new();
        let mut touched: BTreeMap<&str, Arc<Vhost>> = BTreeMap::new();
        for exchange in &definitions.exchanges {
            let vhost = find(node, &mut touched, &exchange.vhost)?;
            left_out.extend(make_exchange(&vhost, exchange).map_err(stopped)?);
        }
        for queue in &definitions.queues {
            let vhost = find(node, &mut touched, &queue.vhost)?;
            left_out.extend(make_queue(&vhost, queue)?);
        }
        for binding in &definitions.bindings {
            let vhost = find(node, &mut touched, &binding.vhost)?;
            left_out.extend(make_binding(&vhost, binding).map_err(stopped)?);
        }
        for vhost in touched.values() {
            vhost.store().log.sync().map_err(|error| ImportError::Stopped(error.to_string()))?;
        }
        tracing::info!(
            vhosts = definitions.vhosts.len(),
            users = definitions.users.len(),
            permissions = definitions.permissions.len(),
            exchanges = definitions.exchanges.len(),
            queues = definitions.queues.len(),
            bindings = definitions.bindings.len(),
            left_out = left_out.len(),
            "definitions were imported"
        );
        Ok(left_out)
    }
}

fn stopped(failure: Failure) -> ImportError {
    ImportError::Stopped(failure.text)
}

fn find<'a>(
    node: &Node,
    touched: &mut BTreeMap<&'a str, Arc<Vhost>>,
    name: &'a str,
) -> Result<Arc<Vhost>, ImportError> {
    if let Some(vhost) = touched.get(name) {
        return Ok(Arc::clone(vhost));
    }
    let vhost = node.vhost(name).ok_or_else(|| ImportError::NoSuchVhost(name.to_owned()))?;
    touched.insert(name, Arc::clone(&vhost));
    Ok(vhost)
}

/// Everything that can be wrong with definitions, before the first of them is made.
fn check(node: &Node, definitions: &Definitions) -> Result<(), ImportError> {
    let vhosts: BTreeSet<&str> = definitions.vhosts.iter().map(|vhost| vhost.name.as_str()).collect();
    let known = |name: &str| vhosts.contains(name) || node.access.has_vhost(name);
    let in_known = |name: &str| match known(name) {
        true => Ok(()),
        false => Err(ImportError::NoSuchVhost(name.to_owned())),
    };
    for vhost in &definitions.vhosts {
        short_name("vhost", &vhost.name, "")?;
    }
    check_users(node, &definitions.users, &definitions.permissions, &in_known)?;
    for exchange in &definitions.exchanges {
        in_known(&exchange.vhost)?;
        check_exchange(exchange)?;
    }
    for queue in &definitions.queues {
        in_known(&queue.vhost)?;
        arguments_of(queue)?;
    }
    for binding in &definitions.bindings {
        in_known(&binding.vhost)?;
        check_binding(node, definitions, binding)?;
    }
    Ok(())
}

fn check_users(
    node: &Node,
    users: &[UserDefinition],
    permissions: &[Permission],
    in_known: &dyn Fn(&str) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let names: BTreeSet<&str> = users.iter().map(|user| user.name.as_str()).collect();
    for user in users {
        if user.name.is_empty() {
            return Err(ImportError::Invalid("a user has an empty name".to_owned()));
        }
        user.password()?;
    }
    for permission in permissions {
        permission.compiled()?;
        if !names.contains(permission.user.as_str()) && !node.access.user_exists(&permission.user) {
            return Err(AccessError::NoSuchUser(permission.user.clone()).into());
        }
        in_known(&permission.vhost)?;
    }
    Ok(())
}

fn short_name(what: &str, name: &str, vhost: &str) -> Result<(), ImportError> {
    match name.len() {
        0 => Err(ImportError::Invalid(format!("a {what} in vhost '{vhost}' has an empty name"))),
        1..=NAME_MAX => Ok(()),
        length => Err(ImportError::Invalid(format!(
            "the name of a {what} in vhost '{vhost}' has {length} bytes, and may have {NAME_MAX}"
        ))),
    }
}

fn check_exchange(exchange: &ExchangeDefinition) -> Result<ExchangeKind, ImportError> {
    let ExchangeDefinition { name, vhost, kind, .. } = exchange;
    if !is_predeclared(name) {
        short_name("exchange", name, vhost)?;
    }
    if let Some(value) = exchange.arguments.get("alternate-exchange").filter(|value| value.as_str().is_none())
    {
        let given = value.type_name();
        return Err(ImportError::Invalid(format!(
            "invalid type '{given}' for arg 'alternate-exchange' in exchange '{name}' in vhost '{vhost}'"
        )));
    }
    let unknown = || {
        ImportError::Invalid(format!(
            "unknown exchange type '{kind}' of exchange '{name}' in vhost '{vhost}'"
        ))
    };
    ExchangeKind::from_name(kind).ok_or_else(unknown)
}

fn arguments_of(queue: &QueueDefinition) -> Result<Arguments, ImportError> {
    let QueueDefinition { name, vhost, durable, auto_delete, arguments } = queue;
    short_name("queue", name, vhost)?;
    let properties = Properties { durable: *durable, exclusive: false, auto_delete: *auto_delete };
    Arguments::of_new_queue(arguments, properties).map_err(|invalid| match invalid.text(name, vhost) {
        text if text.is_empty() => {
            ImportError::Invalid(format!("an argument of queue '{name}' in vhost '{vhost}' is invalid"))
        }
        text => ImportError::Invalid(text),
    })
}

fn check_binding(
    node: &Node,
    definitions: &Definitions,
    binding: &BindingDefinition,
) -> Result<(), ImportError> {
    let BindingDefinition { vhost, source, destination, .. } = binding;
    if binding.routing_key.len() > NAME_MAX {
        let length = binding.routing_key.len();
        return Err(ImportError::Invalid(format!(
            "the routing key of the binding of '{source}' to '{destination}' in vhost '{vhost}' has {length} bytes, and may have {NAME_MAX}"
        )));
    }
    let there = node.vhost(vhost).and_then(|home| home.find_exchange(source)).map(|exchange| exchange.kind);
    let to_come = || {
        let mut named = definitions.exchanges.iter();
        let exchange = named.find(|exchange| exchange.vhost == *vhost && exchange.name == *source)?;
        ExchangeKind::from_name(&exchange.kind)
    };
    // Of a vhost that is to come.
    let own = || matches!(source.as_str(), "amq.headers" | "amq.match").then_some(ExchangeKind::Headers);
    if there.or_else(to_come).or_else(own) == Some(ExchangeKind::Headers) {
        check_x_match(&binding.arguments).map_err(|invalid| {
            ImportError::Invalid(format!(
                "the binding of '{source}' to '{destination}' in vhost '{vhost}': {invalid}"
            ))
        })?;
    }
    Ok(())
}

fn make_exchange(vhost: &Vhost, wanted: &ExchangeDefinition) -> Result<Option<LeftOut>, Failure> {
    let (name, in_vhost) = (wanted.name.clone(), wanted.vhost.clone());
    if is_predeclared(&name) {
        return Ok(Some(LeftOut::Reserved { what: "exchange", name, vhost: in_vhost }));
    }
    let Some(kind) = ExchangeKind::from_name(&wanted.kind) else { return Ok(None) };
    let Some(there) = vhost.find_exchange(&name) else {
        vhost.create_exchange(ExchangeRequest {
            name: &name,
            kind,
            durable: wanted.durable,
            auto_delete: wanted.auto_delete,
            internal: wanted.internal,
            arguments: wanted.arguments.clone(),
        })?;
        return Ok(None);
    };
    let alternate = |table: &amqp::table::FieldTable| table.get("alternate-exchange").cloned();
    let parts = [
        ("type", kind != there.kind),
        ("durable", wanted.durable != there.durable),
        ("auto_delete", wanted.auto_delete != there.auto_delete),
        ("internal", wanted.internal != there.internal),
        ("alternate-exchange", alternate(&wanted.arguments) != alternate(&there.arguments)),
    ];
    let differing = parts.iter().find(|(_, differs)| *differs);
    Ok(differing.map(|(part, _)| LeftOut::Differs {
        what: "exchange",
        name,
        vhost: in_vhost,
        difference: format!("its {part} is another"),
    }))
}

fn make_queue(vhost: &Arc<Vhost>, wanted: &QueueDefinition) -> Result<Option<LeftOut>, ImportError> {
    let (name, in_vhost) = (wanted.name.clone(), wanted.vhost.clone());
    if name.starts_with("amq.") {
        return Ok(Some(LeftOut::Reserved { what: "queue", name, vhost: in_vhost }));
    }
    let Some(there) = vhost.find_queue(&name) else {
        let request = QueueRequest {
            name: &name,
            durable: wanted.durable,
            auto_delete: wanted.auto_delete,
            owner: None,
            table: wanted.arguments.clone(),
            arguments: arguments_of(wanted)?,
        };
        vhost.create_queue(request).map_err(stopped)?;
        return Ok(None);
    };
    let flags = [
        ("durable", wanted.durable != there.durable),
        ("auto_delete", wanted.auto_delete != there.auto_delete),
        ("exclusive", there.owner.is_some()),
    ];
    let flag = flags.iter().find(|(_, differs)| *differs).map(|(flag, _)| format!("its {flag} is another"));
    let difference = flag.or_else(|| difference(&there.table, &wanted.arguments, &name, &in_vhost));
    Ok(difference.map(|difference| LeftOut::Differs { what: "queue", name, vhost: in_vhost, difference }))
}

fn make_binding(vhost: &Vhost, wanted: &BindingDefinition) -> Result<Option<LeftOut>, Failure> {
    let loose = |missing: String| {
        Ok(Some(LeftOut::LooseEnd {
            source_name: wanted.source.clone(),
            destination: wanted.destination.clone(),
            vhost: wanted.vhost.clone(),
            missing,
        }))
    };
    if wanted.source.is_empty() {
        return loose("exchange without a name to bind from".to_owned());
    }
    let Some(source) = vhost.find_exchange(&wanted.source) else {
        return loose(format!("exchange '{}'", wanted.source));
    };
    let destination = match wanted.to_queue {
        true => vhost.find_queue(&wanted.destination).map(Destination::Queue),
        false => vhost.find_exchange(&wanted.destination).map(Destination::Exchange),
    };
    let Some(destination) = destination else {
        let what = if wanted.to_queue { "queue" } else { "exchange" };
        return loose(format!("{what} '{}'", wanted.destination));
    };
    // Without arguments the exchange itself knows which bindings are one.
    let is_there = !wanted.arguments.is_empty()
        && source.bindings.read().iter().any(|(to, key, arguments)| {
            *to == destination && key == wanted.routing_key && alike::tables(arguments, &wanted.arguments)
        });
    if is_there {
        return Ok(None);
    }
    let arguments = wanted.arguments.clone();
    vhost.bind(&BindingRequest {
        source: &wanted.source,
        destination,
        key: &wanted.routing_key,
        arguments,
    })?;
    Ok(None)
}
