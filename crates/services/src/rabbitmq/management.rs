//! What a node's management says over HTTP, where it listens and a name and password are configured. Its
//! figures are up to five seconds old, those of other nodes too; `inside` is asked first.

use serde_json::Value;

use super::facts::{Backlog, Node};
use super::inside::BACKLOG;
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::credentials::Credential;
use crate::http;
use crate::place::Place;

/// Asks for the node and its cluster.
///
/// # Errors
/// When it does not let us in, or answers something else.
pub(super) async fn ask(place: &Place, login: &Credential, ask: &Ask) -> Result<Node, Trouble> {
    // Without the description of every plug-in, which is most of it.
    let columns = "name,running,partitions,mem_used,mem_limit,mem_alarm,disk_free,disk_free_limit,\
        disk_free_alarm,fd_used,fd_total,sockets_used,sockets_total,being_drained";
    let nodes = format!("/api/nodes?columns={columns}");
    let (overview, nodes) = tokio::join!(
        http::ask_as(login, place, "/api/overview", ask),
        http::ask_as(login, place, &nodes, ask)
    );
    let (overview, nodes) = (overview?, nodes?);
    if matches!(overview.status, 401 | 403) {
        return Err(Trouble::Denied(format!(
            "the management at {place} answers {}: its user needs the tag 'monitoring'",
            overview.status
        )));
    }
    parse(&overview.body, &nodes.body)
        .ok_or_else(|| Trouble::Broken(format!("the management at {place} answers {}", overview.status)))
}

/// Reads `/api/overview` and `/api/nodes`.
pub(super) fn parse(overview: &str, nodes: &str) -> Option<Node> {
    let overview: Value = serde_json::from_str(overview).ok()?;
    let nodes: Vec<Value> = serde_json::from_str(nodes).ok()?;
    let name = overview["node"].as_str()?.to_string();
    let named = |node: &Value| node["name"].as_str().unwrap_or_default().to_string();
    let is_set = |node: &Value, key: &str| node[key].as_bool() == Some(true);
    let own = nodes.iter().find(|node| named(node) == name)?;
    let pair = |one: &str, two: &str| Some((own[one].as_u64()?, own[two].as_u64()?));
    let partitions = own["partitions"].as_array().into_iter().flatten();
    let alarms = |key: &'static str, what: &'static str| {
        nodes.iter().filter(move |node| is_set(node, key)).map(move |node| (named(node), what.to_string()))
    };
    let totals = &overview["queue_totals"];
    let total = |key: &str| totals[key].as_u64().unwrap_or_default();
    let all = Backlog {
        queue: String::new(),
        ready: total("messages_ready"),
        unacknowledged: total("messages_unacknowledged"),
    };
    let is_backlog = all.ready + all.unacknowledged > BACKLOG.unsigned_abs();
    let text = |key: &str| overview[key].as_str().unwrap_or_default().to_string();
    Some(Node {
        broker_runs: own["running"].as_bool(),
        version: text("rabbitmq_version"),
        cluster: text("cluster_name"),
        running: nodes.iter().filter(|node| is_set(node, "running")).map(named).collect(),
        members: nodes.iter().map(named).collect(),
        partitions: partitions.filter_map(|node| Some(node.as_str()?.to_string())).collect(),
        partition_handling: String::new(),
        alarms: alarms("mem_alarm", "memory").chain(alarms("disk_free_alarm", "disk")).collect(),
        drained: is_set(own, "being_drained"),
        memory: pair("mem_used", "mem_limit"),
        disk: pair("disk_free", "disk_free_limit"),
        descriptors: pair("fd_used", "fd_total"),
        sockets: pair("sockets_used", "sockets_total"),
        critical_queues: None,
        backlogs: Some(all).filter(|_| is_backlog).into_iter().collect(),
        name,
    })
}
