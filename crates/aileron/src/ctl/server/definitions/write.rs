//! Definitions as the file has them. Keys and values are RabbitMQ 3.10.8's; beyond these, an internal exchange says so,
//! which RabbitMQ leaves out and reads.

use amqp::table::{FieldTable, Value as Field};
use broker::EMULATED_VERSION;
use broker::access::Permission;
use broker::definitions::{
    BindingDefinition, Definitions, ExchangeDefinition, QueueDefinition, UserDefinition, VhostDefinition,
};
use serde_json::{Map, Value, json};

/// The file's one object, and what had to be left out of it.
pub(super) fn document(all: &Definitions, cluster_name: &str) -> (Value, Vec<String>) {
    let mut left_out = Vec::new();
    let exchanges: Vec<Value> =
        all.exchanges.iter().filter_map(|x| kept(exchange(x), &mut left_out)).collect();
    let queues: Vec<Value> = all.queues.iter().filter_map(|q| kept(queue(q), &mut left_out)).collect();
    let bindings: Vec<Value> = all.bindings.iter().filter_map(|b| kept(binding(b), &mut left_out)).collect();
    let document = json!({
        "bindings": bindings,
        "exchanges": exchanges,
        "global_parameters": [{"name": "cluster_name", "value": cluster_name}],
        "parameters": [],
        "permissions": all.permissions.iter().map(permission).collect::<Vec<_>>(),
        "policies": [],
        "queues": queues,
        "rabbit_version": EMULATED_VERSION,
        "rabbitmq_version": EMULATED_VERSION,
        "topic_permissions": [],
        "users": all.users.iter().map(user).collect::<Vec<_>>(),
        "vhosts": all.vhosts.iter().map(vhost).collect::<Vec<_>>(),
    });
    (document, left_out)
}

fn kept(written: Result<Value, String>, left_out: &mut Vec<String>) -> Option<Value> {
    written.map_err(|why| left_out.push(why)).ok()
}

fn vhost(vhost: &VhostDefinition) -> Value {
    json!({
        "limits": [],
        "metadata": {"description": vhost.description, "tags": vhost.tags},
        "name": vhost.name,
    })
}

fn user(user: &UserDefinition) -> Value {
    json!({
        "hashing_algorithm": user.hashing_algorithm,
        "limits": {},
        "name": user.name,
        "password_hash": user.password_hash,
        "tags": user.tags,
    })
}

fn permission(permission: &Permission) -> Value {
    json!({
        "configure": permission.configure,
        "read": permission.read,
        "user": permission.user,
        "vhost": permission.vhost,
        "write": permission.write,
    })
}

fn exchange(exchange: &ExchangeDefinition) -> Result<Value, String> {
    let ExchangeDefinition { vhost, name, kind, durable, auto_delete, internal, arguments } = exchange;
    let arguments = table(arguments).map_err(|why| format!("exchange '{name}' in vhost '{vhost}': {why}"))?;
    let mut object = json!({
        "arguments": arguments,
        "auto_delete": auto_delete,
        "durable": durable,
        "name": name,
        "type": kind,
        "vhost": vhost,
    });
    if let (true, Some(object)) = (*internal, object.as_object_mut()) {
        object.insert("internal".to_string(), Value::Bool(true));
    }
    Ok(object)
}

fn queue(queue: &QueueDefinition) -> Result<Value, String> {
    let QueueDefinition { vhost, name, durable, auto_delete, arguments } = queue;
    let kind = arguments.get("x-queue-type").and_then(Field::as_str).unwrap_or("classic");
    let written = table(arguments).map_err(|why| format!("queue '{name}' in vhost '{vhost}': {why}"))?;
    Ok(json!({
        "arguments": written,
        "auto_delete": auto_delete,
        "durable": durable,
        "name": name,
        "type": kind,
        "vhost": vhost,
    }))
}

fn binding(binding: &BindingDefinition) -> Result<Value, String> {
    let BindingDefinition { vhost, source, destination, to_queue, routing_key, arguments } = binding;
    let place = || format!("the binding of '{source}' to '{destination}' in vhost '{vhost}'");
    let key = std::str::from_utf8(routing_key)
        .map_err(|_| format!("{}: its routing key is no text, and JSON holds nothing else", place()))?;
    Ok(json!({
        "arguments": table(arguments).map_err(|why| format!("{}: {why}", place()))?,
        "destination": destination,
        "destination_type": if *to_queue { "queue" } else { "exchange" },
        "routing_key": key,
        "source": source,
        "vhost": vhost,
    }))
}

fn table(table: &FieldTable) -> Result<Value, String> {
    let mut object = Map::new();
    for (name, field) in table.iter() {
        let value = value(field).map_err(|why| format!("its argument '{name}' {why}"))?;
        object.insert(name.to_owned(), value);
    }
    Ok(Value::Object(object))
}

/// A field's value. JSON has fewer types than AMQP: which kind of number it was is lost, as in RabbitMQ's file.
fn value(field: &Field) -> Result<Value, String> {
    Ok(match field {
        Field::Bool(value) => json!(value),
        Field::I8(value) => json!(value),
        Field::U8(value) => json!(value),
        Field::I16(value) => json!(value),
        Field::U16(value) => json!(value),
        Field::I32(value) => json!(value),
        Field::U32(value) => json!(value),
        Field::I64(value) => json!(value),
        Field::Timestamp(value) => json!(value),
        Field::F32(value) => finite(f64::from(*value))?,
        Field::F64(value) => finite(*value)?,
        Field::Decimal { scale, value } => finite(f64::from(*value) / 10f64.powi(i32::from(*scale)))?,
        Field::LongStr(bytes) | Field::Bytes(bytes) => json!(
            std::str::from_utf8(bytes).map_err(|_| "is no text, and JSON holds no other bytes".to_string())?
        ),
        Field::Array(items) => Value::Array(items.iter().map(value).collect::<Result<_, _>>()?),
        Field::Table(inner) => table(inner)?,
        Field::Void => json!("undefined"),
    })
}

fn finite(number: f64) -> Result<Value, String> {
    if number.is_finite() {
        Ok(json!(number))
    } else {
        Err("is a number that JSON does not have".to_string())
    }
}
