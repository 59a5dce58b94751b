//! The control socket of our own broker: a greeting, then one JSON object a line each way
//! (`ctl/protocol.rs` in the binary's crate). Values are typed as Erlang's terms are.

use std::path::PathBuf;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::facts::Health;
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::Target;

/// The request.
const HEALTH: &[u8] = b"{\"command\":\"health\"}\n";
/// The most that a line of the answer may have.
const LINE_MAX: u64 = 64 << 10;

/// Asks for its health; none while it is still starting.
///
/// # Errors
/// When there is no socket, it is not ours to open, or it answers something else.
pub(super) async fn ask(target: &Target, ask: &Ask) -> Result<Option<Health>, Trouble> {
    let path = target.settings.get("control").map(String::as_str).unwrap_or_default();
    let place = Place::Unix(PathBuf::from(path));
    let mut stream = BufReader::new(ask.connect(&place).await?);
    let trouble = |error| Trouble::from_io(&error, &format!("asking {place}"));
    let mut hello = String::new();
    (&mut stream).take(LINE_MAX).read_line(&mut hello).await.map_err(trouble)?;
    if hello.is_empty() {
        return Err(Trouble::Denied(format!("{path} is for root and the broker's user")));
    }
    if !is_ready(&hello).ok_or_else(|| Trouble::Broken(format!("{path} greets with something else")))? {
        return Ok(None);
    }
    stream.write_all(HEALTH).await.map_err(trouble)?;
    let mut answer = String::new();
    (&mut stream).take(LINE_MAX).read_line(&mut answer).await.map_err(trouble)?;
    let health = parse(&answer);
    health
        .map(Some)
        .ok_or_else(|| Trouble::Broken(format!("{path} does not know of health: an older aileron")))
}

/// Whether the broker has started.
pub(super) fn is_ready(hello: &str) -> Option<bool> {
    serde_json::from_str::<Value>(hello).ok()?["ready"].as_bool()
}

/// Reads `{"done":{"map":[[{"atom":"uptime"},{"int":5}], ...]}}`.
pub(super) fn parse(answer: &str) -> Option<Health> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let pairs = answer["done"]["map"].as_array()?;
    let value = |key: &str| pairs.iter().find(|pair| pair[0]["atom"] == key).map(|pair| &pair[1]);
    let number = |key: &str| value(key).and_then(|value| value["int"].as_u64()).unwrap_or_default();
    let text = |value: &Value| Some(value["bytes"].as_str()?.to_string());
    let alarms = value("alarms")?["list"].as_array()?;
    Some(Health {
        version: value("version").and_then(text).unwrap_or_default(),
        uptime: number("uptime"),
        alarms: alarms.iter().filter_map(text).collect(),
        memory_used: number("memory_used"),
        memory_limit: number("memory_limit"),
        disk_free: number("disk_free"),
        disk_free_limit: number("disk_free_limit"),
        damages: number("damages"),
        disk_waits: number("disk_waits"),
        disk_waits_vhost: value("disk_waits_vhost").and_then(text).unwrap_or_default(),
        connections: number("connections"),
        connections_limit: number("connections_limit"),
        descriptors: number("descriptors"),
        descriptors_limit: number("descriptors_limit"),
    })
}
