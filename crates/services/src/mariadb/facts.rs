//! What a server says of itself: rows of `SHOW GLOBAL STATUS` and `SHOW GLOBAL VARIABLES`, and what a
//! stopped one has left on its disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::options::is_on;

/// The UUID of a node that never was in a cluster, or does not know any more.
pub(super) const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// `wsrep_cluster_conf_id` of a node without a provider.
const NO_VIEW: u64 = u64::MAX;

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It answers.
    Serving,
    /// It answers that all connections are taken.
    Full,
    /// Its process is there and does not listen: it starts, or receives a copy of the data.
    Starting,
    /// There is no process.
    #[default]
    Stopped,
    /// Galera's arbitrator: a vote without data.
    Arbitrator,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Where it is in its life.
    pub phase: Phase,
    /// Why it was not asked further, in words; empty when it was.
    pub trouble: String,
    /// What it says, when it answers.
    pub server: Option<Server>,
    /// What its data folder says, when it does not.
    pub saved: Option<Saved>,
}

/// What a server says that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its version.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// Whether it refuses to write.
    pub read_only: bool,
    /// Connections allowed.
    pub max_connections: u64,
    /// Connections open, ours among them.
    pub threads_connected: u64,
    /// Connections refused since its start because all were taken.
    pub refused: u64,
    /// Whether new sessions replicate.
    pub wsrep_on: bool,
    /// The library that replicates; "none" or empty where there is none.
    pub provider: String,
    /// Galera's state; of a server without it all is empty.
    pub galera: Galera,
}

/// A node of a Galera cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Galera {
    /// `wsrep_node_name`.
    pub name: String,
    /// `wsrep_cluster_address`.
    pub address: String,
    /// `wsrep_cluster_status`: Primary, non-Primary, Disconnected.
    pub status: String,
    /// `wsrep_ready`.
    pub ready: bool,
    /// `wsrep_connected`.
    pub connected: bool,
    /// `wsrep_local_state`: 4 is Synced.
    pub state: u64,
    /// `wsrep_local_state_comment`.
    pub comment: String,
    /// `wsrep_cluster_size`.
    pub size: u64,
    /// `wsrep_cluster_conf_id`; none without a view.
    pub conf_id: Option<u64>,
    /// `wsrep_cluster_state_uuid`; empty without one.
    pub uuid: String,
    /// `wsrep_gcomm_uuid`: who it is in the group.
    pub id: String,
    /// `wsrep_last_committed`; -1 where nothing is known.
    pub last_committed: i64,
    /// `wsrep_local_recv_queue`.
    pub recv_queue: u64,
    /// `wsrep_flow_control_paused_ns`.
    pub paused_ns: u64,
    /// `wsrep_flow_control_sent`.
    pub flow_sent: u64,
    /// `wsrep_desync`: an operator's switch.
    pub desync: bool,
    /// `wsrep_desync_count`: who wants it out of step, all counted.
    pub desync_count: u64,
    /// `wsrep_evs_state`.
    pub evs_state: String,
    /// `wsrep_reject_queries`: NONE, ALL, ALL_KILL.
    pub reject_queries: String,
    /// `wsrep_incoming_addresses`: where clients reach the members of its view.
    pub incoming: Vec<String>,
    /// `mysql.wsrep_cluster_members`, where it may be read: name and address.
    pub members: Vec<(String, String)>,
    /// Its weight in votes.
    pub weight: u64,
    /// Whether a part without majority may go on (`pc.ignore_quorum`, `pc.ignore_sb`).
    pub quorum_ignored: bool,
    /// The same a moment later, where it looked as if something stood still.
    pub later: Option<Later>,
}

/// What may have moved between two readings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// The time between them, in milliseconds.
    pub after_ms: u64,
    /// `wsrep_local_recv_queue`.
    pub recv_queue: u64,
    /// `wsrep_last_committed`.
    pub last_committed: i64,
    /// `wsrep_flow_control_paused_ns`.
    pub paused_ns: u64,
}

/// What a stopped node has left: `grastate.dat`, `gvwstate.dat`, the log of its last recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The cluster's UUID; empty without `grastate.dat`.
    pub uuid: String,
    /// The last transaction of a clean stop, -1 after a crash.
    pub seqno: i64,
    /// Whether it was the last one to stop.
    pub safe_to_bootstrap: bool,
    /// The position that `--wsrep-recover` found since the last start.
    pub recovered: Option<(String, i64)>,
    /// How many members its last view had, after a crash.
    pub last_view: Option<u64>,
}

impl Saved {
    /// UUID and position, as far as known.
    pub(super) fn position(&self) -> Option<(&str, i64)> {
        if self.seqno >= 0 && known(&self.uuid) {
            return Some((&self.uuid, self.seqno));
        }
        let (uuid, seqno) = self.recovered.as_ref()?;
        (known(uuid) && *seqno >= 0).then_some((uuid, *seqno))
    }
}

/// Whether a UUID names a cluster.
pub(super) fn known(uuid: &str) -> bool {
    !uuid.is_empty() && uuid != NOBODY
}

/// The status variables that are asked for beside `wsrep_%`.
pub(super) const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'wsrep%' OR Variable_name IN \
    ('Uptime', 'Threads_connected', 'Connection_errors_max_connections')";
/// The variables that are asked for.
pub(super) const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'read_only', \
    'max_connections', 'wsrep_on', 'wsrep_provider', 'wsrep_cluster_address', 'wsrep_node_name', \
    'wsrep_desync', 'wsrep_reject_queries', 'wsrep_provider_options')";
/// What is asked for a second time.
pub(super) const AGAIN: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_recv_queue', \
    'wsrep_last_committed', 'wsrep_flow_control_paused_ns')";
/// Who belongs to the cluster, where that may be read.
pub(super) const MEMBERS: &str =
    "SELECT node_name, node_incoming_address FROM mysql.wsrep_cluster_members LIMIT 100";

/// Names and values as the server lists them.
pub(super) type Rows = BTreeMap<String, String>;

/// Reads both lists.
pub(super) fn server(status: &Rows, variables: &Rows) -> Server {
    let on = |name: &str| is_on(text(variables, name));
    Server {
        version: text(variables, "version").to_string(),
        uptime: number(status, "uptime"),
        read_only: on("read_only"),
        max_connections: number(variables, "max_connections"),
        threads_connected: number(status, "threads_connected"),
        refused: number(status, "connection_errors_max_connections"),
        wsrep_on: on("wsrep_on"),
        provider: text(variables, "wsrep_provider").to_string(),
        galera: galera(status, variables),
    }
}

fn galera(status: &Rows, variables: &Rows) -> Galera {
    let string = |name: &str| text(status, name).to_string();
    let options = text(variables, "wsrep_provider_options");
    let incoming = text(status, "wsrep_incoming_addresses");
    Galera {
        name: text(variables, "wsrep_node_name").to_string(),
        address: text(variables, "wsrep_cluster_address").to_string(),
        status: string("wsrep_cluster_status"),
        ready: is_on(text(status, "wsrep_ready")),
        connected: is_on(text(status, "wsrep_connected")),
        state: number(status, "wsrep_local_state"),
        comment: string("wsrep_local_state_comment"),
        size: number(status, "wsrep_cluster_size"),
        conf_id: status
            .get("wsrep_cluster_conf_id")
            .and_then(|value| value.trim().parse().ok())
            .filter(|id| *id != NO_VIEW),
        uuid: string("wsrep_cluster_state_uuid"),
        id: string("wsrep_gcomm_uuid"),
        last_committed: position(status),
        recv_queue: number(status, "wsrep_local_recv_queue"),
        paused_ns: number(status, "wsrep_flow_control_paused_ns"),
        flow_sent: number(status, "wsrep_flow_control_sent"),
        desync: is_on(text(variables, "wsrep_desync")),
        desync_count: number(status, "wsrep_desync_count"),
        evs_state: string("wsrep_evs_state"),
        reject_queries: text(variables, "wsrep_reject_queries").to_string(),
        incoming: incoming
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(str::to_string)
            .collect(),
        members: Vec::new(),
        weight: option(options, "pc.weight").and_then(|value| value.parse().ok()).unwrap_or(1),
        quorum_ignored: ["pc.ignore_quorum", "pc.ignore_sb"]
            .iter()
            .any(|name| option(options, name).is_some_and(is_on)),
        later: None,
    }
}

/// Reads the second list.
pub(super) fn later(status: &Rows, after_ms: u64) -> Later {
    Later {
        after_ms,
        recv_queue: number(status, "wsrep_local_recv_queue"),
        last_committed: position(status),
        paused_ns: number(status, "wsrep_flow_control_paused_ns"),
    }
}

/// The server counts without a sign: what is beyond the signed numbers is its -1.
fn position(status: &Rows) -> i64 {
    let text = text(status, "wsrep_last_committed").trim();
    text.parse().unwrap_or(-1)
}

fn text<'a>(rows: &'a Rows, name: &str) -> &'a str {
    rows.get(name).map_or("", String::as_str)
}

fn number(rows: &Rows, name: &str) -> u64 {
    text(rows, name).trim().parse().unwrap_or_default()
}

/// A value of `wsrep_provider_options` ("a = 1; b = 2; ").
fn option<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    options.split(';').find_map(|one| {
        let (found, value) = one.split_once('=')?;
        (found.trim() == name).then(|| value.trim())
    })
}

/// Reads `grastate.dat`.
pub(super) fn grastate(text: &str) -> Saved {
    let mut saved = Saved { seqno: -1, ..Saved::default() };
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.trim() {
            "uuid" => saved.uuid = value.to_string(),
            "seqno" => saved.seqno = value.parse().unwrap_or(-1),
            "safe_to_bootstrap" => saved.safe_to_bootstrap = value == "1",
            _ => {}
        }
    }
    saved
}

/// How many members a `gvwstate.dat` lists.
pub(super) fn view_size(text: &str) -> u64 {
    let lines = text.lines().filter(|line| line.trim_start().starts_with("member:"));
    lines.count().try_into().unwrap_or_default()
}

/// The position that the last recovery printed into the error log, if no start came after it.
pub(super) fn recovered(log: &str) -> Option<(String, i64)> {
    let mut found = None;
    for line in log.lines() {
        if let Some((_, position)) = line.split_once("WSREP: Recovered position:") {
            let (uuid, seqno) = position.trim().rsplit_once(':')?;
            // "UUID:SEQNO" or, of a server with domains, "UUID:SEQNO,0-1-2".
            let seqno = seqno.split(',').next().unwrap_or_default();
            found = seqno.trim().parse().ok().map(|seqno| (uuid.trim().to_string(), seqno));
        } else if line.contains("WSREP: Loading provider") || line.contains("wsrep_load():") {
            found = None;
        }
    }
    found
}
