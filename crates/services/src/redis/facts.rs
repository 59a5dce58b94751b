//! What a server says in `INFO`, and a Sentinel in `SENTINEL ...`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::resp::Value;

/// What one daemon says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Facts {
    /// It holds data.
    Server(Box<Server>),
    /// It watches those that do.
    Sentinel(Sentinel),
}

impl Facts {
    /// The server's facts, if it is one.
    pub fn server(&self) -> Option<&Server> {
        match self {
            Facts::Server(server) => Some(server),
            Facts::Sentinel(_) => None,
        }
    }

    /// The Sentinel's facts, if it is one.
    pub fn sentinel(&self) -> Option<&Sentinel> {
        match self {
            Facts::Server(_) => None,
            Facts::Sentinel(sentinel) => Some(sentinel),
        }
    }
}

/// An address as Redis names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::place::Place::Tcp(self.host.clone(), self.port).fmt(out)
    }
}

/// A server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its version.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// Whether it is the primary (`role:master`).
    pub primary: bool,
    /// The history of its data, and the one it came from by a promotion.
    pub replids: Vec<String>,
    /// As a primary: its replicas.
    pub replicas: Vec<Replica>,
    /// How far its data is.
    pub offset: i64,
    /// As a replica: its way to its primary.
    pub upstream: Option<Upstream>,
    /// How far a replica may be behind without a full copy, in bytes.
    pub backlog: i64,
    /// Replicas that are near enough for `min-replicas-to-write`, when that is set.
    pub good_replicas: Option<u64>,
    /// `min-replicas-to-write`; `None` if `CONFIG GET` is not allowed.
    pub replicas_to_write: Option<u64>,
    /// `min-replicas-max-lag`, in seconds.
    pub lag_allowed: Option<u64>,
    /// Whether it is still reading its data from the disk, and how much of it is done in percent.
    pub loading: Option<f64>,
    /// Bytes used, and allowed (0: no limit).
    pub memory: (u64, u64),
    /// What it does at the limit.
    pub memory_policy: String,
    /// Keys thrown out to stay below it, since the start.
    pub evicted: u64,
    /// Whether the last snapshot, log write and log rewrite went well.
    pub saved: [bool; 3],
    /// `stop-writes-on-bgsave-error`; `None` if `CONFIG GET` is not allowed.
    pub stops_unsaved: Option<bool>,
    /// Clients connected, and allowed.
    pub clients: (u64, u64),
    /// Clients turned away since the start.
    pub rejected: u64,
    /// How often each error was answered since the start.
    pub errors: HashMap<String, u64>,
}

/// A replica, as its primary sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Where it is.
    pub address: Address,
    /// `online`, `wait_bgsave`, `send_bulk`.
    pub state: String,
    /// How far it has acknowledged.
    pub offset: i64,
    /// Seconds since its last word. Says more than the state, which stays `online` for a frozen one.
    pub lag: u64,
}

/// A replica's way to its primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Whom it follows.
    pub address: Address,
    /// Whether the link is up.
    pub up: bool,
    /// Whether it is copying everything.
    pub copying: bool,
    /// Seconds since the link went down.
    pub down_for: Option<i64>,
    /// Seconds since the primary's last word.
    pub silent_for: i64,
}

impl Server {
    /// Reads `INFO`, and what `CONFIG GET` gave.
    pub(super) fn parse(info: &str, config: &[(&str, &str)]) -> Server {
        let lines: HashMap<&str, &str> =
            info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let text = |name: &str| lines.get(name).copied().unwrap_or_default();
        let number = |name: &str| text(name).parse::<u64>().unwrap_or_default();
        let set = |name: &str| config.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        // The names before version 5.
        let of_replicas = |what: &str| {
            set(&format!("min-replicas-{what}")).or_else(|| set(&format!("min-slaves-{what}")))?.parse().ok()
        };
        let primary = text("role") == "master";
        let done = || text("loading_loaded_perc").parse().unwrap_or_default();
        let offset = if primary { "master_repl_offset" } else { "slave_repl_offset" };
        Server {
            version: text("redis_version").to_string(),
            uptime: number("uptime_in_seconds"),
            primary,
            replids: [text("master_replid"), text("master_replid2")]
                .into_iter()
                .filter(|id| id.bytes().any(|byte| byte != b'0'))
                .map(str::to_string)
                .collect(),
            replicas: (0..number("connected_slaves").min(256))
                .filter_map(|index| replica(lines.get(format!("slave{index}").as_str())?))
                .collect(),
            offset: text(offset).parse().unwrap_or_default(),
            upstream: (!primary && !text("master_host").is_empty()).then(|| Upstream {
                address: address(text("master_host"), text("master_port")),
                up: text("master_link_status") == "up",
                copying: text("master_sync_in_progress") == "1",
                down_for: text("master_link_down_since_seconds").parse().ok(),
                silent_for: text("master_last_io_seconds_ago").parse().unwrap_or(-1),
            }),
            backlog: text("repl_backlog_size").parse().unwrap_or_default(),
            good_replicas: text("min_slaves_good_slaves").parse().ok(),
            replicas_to_write: of_replicas("to-write"),
            lag_allowed: of_replicas("max-lag"),
            loading: (text("loading") == "1").then(done),
            memory: (number("used_memory"), number("maxmemory")),
            memory_policy: text("maxmemory_policy").to_string(),
            evicted: number("evicted_keys"),
            saved: ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"]
                .map(|name| matches!(text(name), "ok" | "")),
            stops_unsaved: set("stop-writes-on-bgsave-error").map(|value| value == "yes"),
            clients: (number("connected_clients"), number("maxclients")),
            rejected: number("rejected_connections"),
            errors: lines
                .iter()
                .filter_map(|(name, value)| {
                    let count = value.strip_prefix("count=")?.parse().ok()?;
                    Some((name.strip_prefix("errorstat_")?.to_string(), count))
                })
                .collect(),
        }
    }
}

fn address(host: &str, port: &str) -> Address {
    Address { host: host.to_string(), port: port.parse().unwrap_or_default() }
}

/// `ip=10.77.0.12,port=6379,state=online,offset=28,lag=1`.
fn replica(line: &str) -> Option<Replica> {
    let field = |name: &str| line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    Some(Replica {
        address: address(field("ip")?, field("port")?),
        state: field("state")?.to_string(),
        offset: field("offset")?.parse().ok()?,
        // Before version 2.8.? a replica had none; then it is not judged.
        lag: field("lag").and_then(|lag| lag.parse().ok()).unwrap_or_default(),
    })
}

/// A Sentinel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentinel {
    /// Its version.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// Whether it has stopped acting because its clock or the host stalled.
    pub tilt: bool,
    /// What it watches.
    pub watched: Vec<Watched>,
}

/// One primary that a Sentinel watches, with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The name it was given.
    pub name: String,
    /// Who is the primary, in this Sentinel's eyes.
    pub primary: Address,
    /// `master`, and `s_down`, `o_down`, `failover_in_progress` when so.
    pub flags: Vec<String>,
    /// How many must agree that the primary is down.
    pub quorum: u64,
    /// Its replicas, also those long gone.
    pub replicas: Vec<Known>,
    /// The other Sentinels, also those long gone.
    pub sentinels: Vec<Known>,
    /// What `SENTINEL CKQUORUM` says, if it was heard; `Err` holds the complaint.
    pub quorum_check: Option<Result<String, String>>,
}

/// A replica or Sentinel that a Sentinel knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Where it is.
    pub address: Address,
    /// `slave` or `sentinel`, and `s_down`, `disconnected` when so.
    pub flags: Vec<String>,
    /// The role it reported, and since when in milliseconds.
    pub reported: Option<(String, u64)>,
}

impl Sentinel {
    /// Reads `INFO` and `SENTINEL MASTERS`.
    pub(super) fn parse(info: &str, masters: &Value) -> Sentinel {
        let lines: HashMap<&str, &str> =
            info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let text = |name: &str| lines.get(name).copied().unwrap_or_default();
        Sentinel {
            version: text("redis_version").to_string(),
            uptime: text("uptime_in_seconds").parse().unwrap_or_default(),
            tilt: text("sentinel_tilt") == "1",
            watched: masters.list().iter().filter_map(watched).collect(),
        }
    }
}

fn watched(entry: &Value) -> Option<Watched> {
    let fields: HashMap<&str, &str> = entry.pairs().collect();
    let known = known_from(&fields)?;
    Some(Watched {
        name: (*fields.get("name")?).to_string(),
        primary: known.address,
        flags: known.flags,
        quorum: fields.get("quorum").and_then(|quorum| quorum.parse().ok()).unwrap_or_default(),
        ..Watched::default()
    })
}

/// Reads `SENTINEL REPLICAS` or `SENTINEL SENTINELS`.
pub(super) fn known(list: &Value) -> Vec<Known> {
    list.list().iter().filter_map(|entry| known_from(&entry.pairs().collect())).collect()
}

fn known_from(fields: &HashMap<&str, &str>) -> Option<Known> {
    let reported = || {
        Some(((*fields.get("role-reported")?).to_string(), fields.get("role-reported-time")?.parse().ok()?))
    };
    Some(Known {
        address: address(fields.get("ip")?, fields.get("port")?),
        flags: fields.get("flags")?.split(',').map(str::to_string).collect(),
        reported: reported(),
    })
}
