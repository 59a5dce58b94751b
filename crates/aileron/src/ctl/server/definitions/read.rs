//! A definitions file taken apart. What is in it and not built here is left out, and named.

use amqp::table::{FieldTable, Value as Field};
use broker::access::{Hashing, PasswordHash, Permission};
use broker::definitions::{
    BindingDefinition, Definitions, ExchangeDefinition, QueueDefinition, UserDefinition, VhostDefinition,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Names of one kind that are given in an answer; more are counted.
const NAMED: usize = 10;
/// Keys that say where the file is from.
const ABOUT_THE_FILE: &[&str] = &[
    "rabbit_version",
    "rabbitmq_version",
    "product_name",
    "product_version",
    "rabbitmq_definition_format",
    "original_cluster_name",
    "original_vhost_name",
    "explanation",
];

/// What a file comes to.
pub(super) struct Read {
    pub(super) definitions: Definitions,
    /// In words, what is not built here.
    pub(super) left_out: Vec<String>,
}

/// Reads the file's text; in words what is wrong with it.
pub(super) fn document(text: &str, cluster_name: &str) -> Result<Read, String> {
    let mut all: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("this is no definitions file: {error}"))?;
    let mut left_out = Vec::new();
    let definitions = Definitions {
        vhosts: vhosts(&mut all, &mut left_out)?,
        users: users(&mut all, &mut left_out)?,
        permissions: items(&mut all, "permissions", |granted: GrantedItem| {
            let GrantedItem { user, vhost, configure, write, read } = granted;
            Ok(Permission { user, vhost, configure, write, read })
        })?,
        exchanges: items(&mut all, "exchanges", exchange)?,
        queues: items(&mut all, "queues", queue)?,
        bindings: items(&mut all, "bindings", binding)?,
    };
    unbuilt(&mut all, cluster_name, &mut left_out);
    Ok(Read { definitions, left_out })
}

/// The items under a key, each as one thing; a mistake is told with its place in the file.
fn items<T: DeserializeOwned, D>(
    all: &mut Map<String, Value>,
    key: &str,
    make: impl Fn(T) -> Result<D, String>,
) -> Result<Vec<D>, String> {
    let Some(value) = all.remove(key) else { return Ok(Vec::new()) };
    let Value::Array(items) = value else { return Err(format!("'{key}' is no list")) };
    let read = |(at, item): (usize, Value)| {
        let name = ["name", "user", "source"].into_iter().find_map(|key| item.get(key)?.as_str());
        let place = format!("{key}[{at}] '{}'", name.unwrap_or_default());
        let item = serde_json::from_value(item).map_err(|error| format!("{place}: {error}"))?;
        make(item).map_err(|why| format!("{place}: {why}"))
    };
    items.into_iter().enumerate().map(read).collect()
}

#[derive(Deserialize)]
struct VhostItem {
    name: String,
    #[serde(default)]
    limits: Value,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    default_queue_type: Option<String>,
}

/// Tags are a list, or one text with commas: both are in files that RabbitMQ wrote.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<String>),
    Text(String),
}

impl Tags {
    fn list(self) -> Vec<String> {
        match self {
            Tags::List(tags) => tags,
            Tags::Text(text) => {
                text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_string).collect()
            }
        }
    }
}

#[derive(Deserialize)]
struct UserItem {
    name: String,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    hashing_algorithm: Option<String>,
    #[serde(default)]
    limits: Value,
    tags: Tags,
}

#[derive(Deserialize)]
struct GrantedItem {
    user: String,
    vhost: String,
    configure: String,
    write: String,
    read: String,
}

#[derive(Deserialize)]
struct ExchangeItem {
    vhost: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    durable: bool,
    auto_delete: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
struct QueueItem {
    vhost: String,
    name: String,
    durable: bool,
    auto_delete: bool,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
struct BindingItem {
    vhost: String,
    source: String,
    destination: String,
    destination_type: String,
    routing_key: String,
    #[serde(default)]
    arguments: Value,
}

fn vhosts(all: &mut Map<String, Value>, left_out: &mut Vec<String>) -> Result<Vec<VhostDefinition>, String> {
    let found = items(all, "vhosts", |vhost: VhostItem| Ok(vhost))?;
    Ok(found
        .into_iter()
        .map(|vhost| {
            let VhostItem { name, limits, description, tags, metadata } = vhost;
            if !is_empty(&limits) {
                left_out.push(format!("the limits of vhost '{name}'"));
            }
            let of_type =
                metadata.default_queue_type.filter(|kind| !matches!(&**kind, "undefined" | "classic"));
            if let Some(kind) = of_type {
                left_out.push(format!("the default queue type '{kind}' of vhost '{name}'"));
            }
            let description = description.or(metadata.description).unwrap_or_default();
            let tags = tags.or(metadata.tags).map(Tags::list).unwrap_or_default();
            VhostDefinition { name, description, tags }
        })
        .collect())
}

fn users(all: &mut Map<String, Value>, left_out: &mut Vec<String>) -> Result<Vec<UserDefinition>, String> {
    let found = items(all, "users", |user: UserItem| {
        let UserItem { name, password_hash, password, hashing_algorithm, limits, tags } = user;
        let (password_hash, hashing_algorithm) = match (password_hash, password) {
            (Some(hash), _) => {
                (hash, hashing_algorithm.unwrap_or_else(|| Hashing::default().name().to_string()))
            }
            (None, Some(password)) => {
                let hash = PasswordHash::new(password.as_bytes()).map_err(|error| error.to_string())?;
                (hash.to_base64(), hash.hashing().name().to_string())
            }
            (None, None) => return Err("it has neither 'password_hash' nor 'password'".to_string()),
        };
        Ok((UserDefinition { name, password_hash, hashing_algorithm, tags: tags.list() }, is_empty(&limits)))
    })?;
    Ok(found
        .into_iter()
        .map(|(user, unlimited)| {
            if !unlimited {
                left_out.push(format!("the limits of user '{}'", user.name));
            }
            user
        })
        .collect())
}

fn exchange(item: ExchangeItem) -> Result<ExchangeDefinition, String> {
    let ExchangeItem { vhost, name, kind, durable, auto_delete, internal, arguments } = item;
    let arguments = table(arguments)?;
    Ok(ExchangeDefinition { vhost, name, kind, durable, auto_delete, internal, arguments })
}

fn queue(item: QueueItem) -> Result<QueueDefinition, String> {
    let QueueItem { vhost, name, durable, auto_delete, arguments } = item;
    Ok(QueueDefinition { vhost, name, durable, auto_delete, arguments: table(arguments)? })
}

fn binding(item: BindingItem) -> Result<BindingDefinition, String> {
    let BindingItem { vhost, source, destination, destination_type, routing_key, arguments } = item;
    let to_queue = match destination_type.as_str() {
        "queue" => true,
        "exchange" => false,
        other => return Err(format!("its destination_type '{other}' is neither queue nor exchange")),
    };
    let (routing_key, arguments) = (routing_key.into_bytes(), table(arguments)?);
    Ok(BindingDefinition { vhost, source, destination, to_queue, routing_key, arguments })
}

/// Names what is left of the file: what is not built here.
fn unbuilt(all: &mut Map<String, Value>, cluster_name: &str, left_out: &mut Vec<String>) {
    ABOUT_THE_FILE.iter().for_each(|key| drop(all.remove(*key)));
    if let Some(Value::Array(globals)) = all.get_mut("global_parameters") {
        // Of a node that stands alone the cluster's name is the node's.
        globals.retain(|global| {
            global.get("name").and_then(Value::as_str) != Some("cluster_name")
                || global.get("value").and_then(Value::as_str) != Some(cluster_name)
        });
    }
    for (key, value) in std::mem::take(all) {
        match value {
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) => {
                let names: Vec<&str> = items
                    .iter()
                    .filter_map(|item| ["name", "user"].into_iter().find_map(|key| item.get(key)?.as_str()))
                    .take(NAMED)
                    .collect();
                let more = if items.len() > NAMED { ", ..." } else { "" };
                left_out.push(format!(
                    "{} {}: {}{more}",
                    items.len(),
                    key.replace('_', " "),
                    names.join(", ")
                ));
            }
            value if is_empty(&value) => {}
            _ => left_out.push(format!("'{key}', which is no part of a definitions file that is known here")),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    }
}

/// A table of arguments; RabbitMQ writes an empty one as a list, too.
fn table(value: Value) -> Result<FieldTable, String> {
    match value {
        value if is_empty(&value) => Ok(FieldTable::new()),
        Value::Object(fields) => {
            let mut table = FieldTable::new();
            for (name, value) in fields {
                let value = field(value).map_err(|why| format!("its argument '{name}' {why}"))?;
                table.insert(name, value);
            }
            Ok(table)
        }
        _ => Err("its arguments are no object".to_string()),
    }
}

/// A value with the type that RabbitMQ gives it.
fn field(value: Value) -> Result<Field, String> {
    Ok(match value {
        Value::Null => return Err("is null, which no argument may be".to_string()),
        Value::Bool(value) => Field::Bool(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64().filter(|_| number.is_f64())) {
            (Some(whole), _) => Field::I64(whole),
            (None, Some(fraction)) => Field::F64(fraction),
            (None, None) => return Err("is a number larger than AMQP has".to_string()),
        },
        Value::String(text) => Field::LongStr(text.into_bytes()),
        Value::Array(items) => Field::Array(items.into_iter().map(field).collect::<Result<_, _>>()?),
        Value::Object(_) => Field::Table(table(value)?),
    })
}
