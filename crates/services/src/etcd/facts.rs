//! What a member says of itself and of its cluster, by its JSON gateway or by etcdctl, which write the
//! same fields: the one its numbers as texts, the other as numbers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Trouble;

/// What one member says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its version.
    pub version: String,
    /// The cluster's id.
    pub cluster: u64,
    /// Its own.
    pub member: u64,
    /// The leader's as it sees it; 0 for none.
    pub leader: u64,
    /// The term of the leader's election.
    pub term: u64,
    /// How far its log is.
    pub index: u64,
    /// How much of it is applied.
    pub applied: u64,
    /// The database's size, and how much of it is in use.
    pub db: (u64, u64),
    /// The most it may grow to, if that was heard.
    pub quota: Option<u64>,
    /// Whether it only learns and has no vote.
    pub learner: bool,
    /// The standing alarms: the member's id and NOSPACE or CORRUPT.
    pub alarms: Vec<(u64, String)>,
    /// Whether it could read through the cluster's consensus, if that was heard.
    pub health: Option<bool>,
    /// All members, if they were heard.
    pub members: Option<Vec<Listed>>,
}

/// A member as the cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it has started once.
    pub name: String,
    /// Where clients find it; empty until it has started once.
    pub client_urls: Vec<String>,
    /// Whether it only learns.
    pub learner: bool,
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

impl Facts {
    /// Reads a status.
    ///
    /// # Errors
    /// When it is none, or an error in its place.
    pub(super) fn parse(json: &str) -> Result<Facts, Trouble> {
        let start = || json.chars().filter(|one| !one.is_control()).take(80).collect::<String>();
        let nonsense = || Trouble::Broken(format!("its status is '{}'", start()));
        let value: Value = serde_json::from_str(json).map_err(|_| nonsense())?;
        if let Some(error) = value["error"].as_str() {
            let denied = ["permission denied", "user name is empty", "auth token"];
            return Err(match denied.iter().any(|what| error.contains(what)) {
                true => Trouble::Denied(error.to_string()),
                false => Trouble::Broken(error.to_string()),
            });
        }
        // Zero is left out by both.
        let at = |value: &Value, name: &str| number(&value[name]).unwrap_or_default();
        let header = &value["header"];
        if number(&header["member_id"]).is_none() {
            return Err(nonsense());
        }
        let errors = value["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Facts {
            version: text(&value["version"]),
            cluster: at(header, "cluster_id"),
            member: at(header, "member_id"),
            leader: at(&value, "leader"),
            term: at(&value, "raftTerm"),
            index: at(&value, "raftIndex"),
            applied: at(&value, "raftAppliedIndex"),
            db: (at(&value, "dbSize"), at(&value, "dbSizeInUse")),
            quota: number(&value["dbSizeQuota"]).filter(|quota| *quota > 0),
            learner: value["isLearner"].as_bool().unwrap_or_default(),
            alarms: errors.iter().filter_map(|error| alarm(error.as_str()?)).collect(),
            health: None,
            members: None,
        })
    }
}

/// `memberID:9417199698819457680 alarm:NOSPACE `.
fn alarm(error: &str) -> Option<(u64, String)> {
    let (member, kind) = error.trim().strip_prefix("memberID:")?.split_once(" alarm:")?;
    Some((member.trim().parse().ok()?, kind.trim().to_string()))
}

/// Reads the list of members.
pub(super) fn members(json: &str) -> Option<Vec<Listed>> {
    let value: Value = serde_json::from_str(json).ok()?;
    let listed = |one: &Value| {
        let urls = one["clientURLs"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(Listed {
            id: number(&one["ID"])?,
            name: text(&one["name"]),
            client_urls: urls.iter().map(text).collect(),
            learner: one["isLearner"].as_bool().unwrap_or_default(),
        })
    };
    Some(value["members"].as_array()?.iter().filter_map(listed).collect())
}

/// Reads `/health`; version 3.4 writes the truth as a text.
pub(super) fn health(json: &str) -> Option<bool> {
    let value: Value = serde_json::from_str(json).ok()?;
    value["health"].as_bool().or_else(|| value["health"].as_str()?.parse().ok())
}

/// The quota among the metrics.
pub(super) fn quota(metrics: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix("etcd_server_quota_backend_bytes "))?;
    let bytes = line.trim().parse::<f64>().ok()?;
    (bytes > 0.0).then_some(bytes as u64)
}
