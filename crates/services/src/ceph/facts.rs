//! What a daemon says on its admin socket, and a MON of its cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many words a health check brings along.
const DETAILS_MAX: usize = 5;

/// More ranks than anybody has.
const RANKS_MAX: u64 = 64;
/// The flag of a file system that no MDS is to join.
const NOT_JOINABLE: u64 = 1;

/// What one daemon says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "daemon", rename_all = "lowercase")]
pub enum Facts {
    /// A MON by its own socket.
    Mon(Box<Mon>),
    /// A MON that was greeted over the network and greeted back.
    Greeting(Greeting),
    /// A MGR.
    Mgr(Mgr),
    /// A MDS.
    Mds(Mds),
}

/// A MON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mon {
    /// Its name.
    pub name: String,
    /// leader, peon, probing, electing or synchronizing.
    pub state: String,
    /// Who is in quorum as it sees it, by name.
    pub quorum: Vec<String>,
    /// Who is not, though seen.
    pub outside: Vec<String>,
    /// Its map of the MONs.
    pub map: Map,
    /// Its version.
    pub version: String,
    /// What it says of the cluster, if it could be asked.
    pub cluster: Option<Cluster>,
    /// Why it could not.
    pub unread: String,
}

/// A MON on a host that nobody looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// Who is in quorum as it says, by name: nobody if it did not answer that. `None` if it could not be asked.
    pub quorum: Option<Vec<String>>,
}

/// The MONs that there are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Map {
    /// The cluster's id.
    pub fsid: String,
    /// Grows with each change.
    pub epoch: u64,
    /// The MONs.
    pub mons: Vec<Listed>,
}

/// A MON in the map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it listens for the messenger's second version.
    pub address: Option<SocketAddr>,
}

/// A MGR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mgr {
    /// Whether it is the active one: only that has a status.
    pub active: bool,
    /// Its version.
    pub version: String,
}

/// A MDS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mds {
    /// The cluster's id.
    pub fsid: String,
    /// `up:active`, `up:standby`, ...
    pub state: String,
    /// The id it has since its start.
    pub gid: u64,
    /// Its rank, if it has one.
    pub rank: Option<u64>,
    /// The file system of its rank.
    pub filesystem: String,
    /// Its version.
    pub version: String,
}

/// A cluster as a MON has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The health checks that fail.
    pub checks: Vec<Check>,
    /// The name of the active MGR, if one is available.
    pub mgr: Option<String>,
    /// How many MGRs stand by.
    pub mgr_standbys: u64,
    /// The file systems.
    pub filesystems: Vec<FileSystem>,
    /// The names of the MDSs that stand by and have been heard of lately.
    pub mds_standbys: Vec<String>,
    /// OSDs: all, up, in.
    pub osds: (u64, u64, u64),
}

/// A health check that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its code.
    pub code: String,
    /// Whether the MONs call it an error, not a warning.
    pub error: bool,
    /// In words.
    pub summary: String,
    /// The first of its details.
    pub detail: Vec<String>,
    /// Whether somebody muted it.
    pub muted: bool,
}

/// A file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Its name.
    pub name: String,
    /// Ranks with the daemon that holds each.
    pub ranks: Vec<Rank>,
    /// Ranks that are to be and that nobody holds.
    pub empty: Vec<u64>,
    /// Ranks whose data is damaged.
    pub damaged: Vec<u64>,
    /// Whether somebody took it down: `fs set NAME down true`, or `fs fail NAME`.
    pub taken_down: bool,
}

/// A rank of a file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rank {
    /// Its number.
    pub rank: u64,
    /// Who holds it.
    pub name: String,
    /// The id that this daemon had when it got it.
    pub gid: u64,
    /// `up:active`, `up:replay`, ...
    pub state: String,
    /// Whether it has been silent too long.
    pub laggy: bool,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<u64> {
    list(value).iter().filter_map(Value::as_u64).collect()
}

/// The version in the answer to `version`.
pub(super) fn version(answer: &Value) -> String {
    text(&answer["version"])
}

impl Mon {
    /// From `mon_status`.
    pub(super) fn parse(answer: &Value) -> Option<Mon> {
        let map = &answer["monmap"];
        let mons = list(&map["mons"]);
        let name_of = |rank: u64| {
            mons.iter().find(|one| one["rank"].as_u64() == Some(rank)).map(|one| text(&one["name"]))
        };
        let listed = |one: &Value| {
            let addresses = list(&one["public_addrs"]["addrvec"]);
            let second = addresses.iter().find(|address| address["type"] == "v2");
            Listed {
                name: text(&one["name"]),
                address: second.and_then(|one| one["addr"].as_str()?.parse().ok()),
            }
        };
        Some(Mon {
            name: answer["name"].as_str()?.to_string(),
            state: answer["state"].as_str()?.to_string(),
            quorum: numbers(&answer["quorum"]).into_iter().filter_map(name_of).collect(),
            outside: list(&answer["outside_quorum"]).iter().map(text).collect(),
            map: Map {
                fsid: text(&map["fsid"]).to_ascii_lowercase(),
                epoch: map["epoch"].as_u64().unwrap_or_default(),
                mons: mons.iter().map(listed).collect(),
            },
            ..Mon::default()
        })
    }

    /// Whether it takes itself for a part of a quorum.
    pub(super) fn in_quorum(&self) -> bool {
        matches!(self.state.as_str(), "leader" | "peon") && !self.quorum.is_empty()
    }
}

impl Greeting {
    /// Asks who is in quorum; one that is not does not answer.
    pub(super) const COMMAND: &'static str = r#"{"prefix":"quorum_status","format":"json"}"#;

    /// The names in the answer.
    pub(super) fn quorum(answer: &Value) -> Vec<String> {
        list(&answer["quorum_names"]).iter().map(text).collect()
    }
}

impl Mgr {
    /// From `mgr_status`, which one that stands by does not know.
    pub(super) fn parse(answer: Option<&Value>) -> Mgr {
        Mgr { active: answer.is_some_and(|status| status["mgrmap_epoch"].is_u64()), version: String::new() }
    }
}

impl Mds {
    /// From `status`.
    pub(super) fn parse(answer: &Value) -> Option<Mds> {
        Some(Mds {
            fsid: text(&answer["cluster_fsid"]),
            state: answer["state"].as_str()?.to_string(),
            gid: answer["id"].as_u64().unwrap_or_default(),
            // -1 without one.
            rank: answer["whoami"].as_u64(),
            filesystem: text(&answer["fs_name"]),
            version: String::new(),
        })
    }
}

impl Cluster {
    /// The commands whose answers [`Cluster::parse`] takes, in this order.
    pub(super) const COMMANDS: [&'static str; 4] = [
        r#"{"prefix":"health","detail":"detail","format":"json"}"#,
        r#"{"prefix":"mgr stat","format":"json"}"#,
        r#"{"prefix":"fs dump","format":"json"}"#,
        r#"{"prefix":"osd stat","format":"json"}"#,
    ];

    pub(super) fn parse(answers: &[Value]) -> Option<Cluster> {
        let [health, mgr, fs, osd] = answers else { return None };
        let number = |name: &str| osd[name].as_u64().unwrap_or_default();
        // One that has been silent too long stays in the list.
        let standbys = list(&fs["standbys"]).iter().filter(|one| one["laggy_since"].is_null());
        Some(Cluster {
            checks: checks(health)?,
            mgr: mgr["available"].as_bool()?.then(|| text(&mgr["active_name"])),
            mgr_standbys: mgr["num_standby"].as_u64().unwrap_or_default(),
            filesystems: list(&fs["filesystems"])
                .iter()
                .map(|one| FileSystem::parse(&one["mdsmap"]))
                .collect(),
            mds_standbys: standbys.map(|one| text(&one["name"])).collect(),
            osds: (number("num_osds"), number("num_up_osds"), number("num_in_osds")),
        })
    }
}

fn checks(health: &Value) -> Option<Vec<Check>> {
    let read = |(code, check): (&String, &Value)| Check {
        code: code.clone(),
        error: check["severity"] == "HEALTH_ERR",
        summary: text(&check["summary"]["message"]),
        detail: list(&check["detail"]).iter().take(DETAILS_MAX).map(|one| text(&one["message"])).collect(),
        muted: check["muted"].as_bool().unwrap_or_default(),
    };
    Some(health["checks"].as_object()?.iter().map(read).collect())
}

impl FileSystem {
    fn parse(map: &Value) -> FileSystem {
        let holder = |one: &Value| {
            Some(Rank {
                rank: one["rank"].as_u64()?,
                name: text(&one["name"]),
                gid: one["gid"].as_u64().unwrap_or_default(),
                state: text(&one["state"]),
                laggy: !one["laggy_since"].is_null(),
            })
        };
        let mut ranks: BTreeMap<u64, Rank> = BTreeMap::new();
        for one in map["info"].as_object().into_iter().flat_map(serde_json::Map::values) {
            // A follower has its leader's rank.
            if let Some(rank) = holder(one).filter(|rank| rank.state != "up:standby-replay") {
                ranks.insert(rank.rank, rank);
            }
        }
        let flags = map["flags"].as_u64().unwrap_or_default();
        let wanted = map["max_mds"].as_u64().unwrap_or_default();
        let damaged = numbers(&map["damaged"]);
        // Ranks that never were are missed only where there are none at all: the file system serves without.
        let mut empty = numbers(&map["failed"]);
        if numbers(&map["in"]).is_empty() {
            empty.extend(0..wanted.min(RANKS_MAX));
        }
        empty.retain(|rank| !ranks.contains_key(rank) && !damaged.contains(rank));
        empty.sort_unstable();
        empty.dedup();
        FileSystem {
            name: text(&map["fs_name"]),
            ranks: ranks.into_values().collect(),
            empty,
            damaged,
            taken_down: wanted == 0 || flags & NOT_JOINABLE != 0,
        }
    }
}
