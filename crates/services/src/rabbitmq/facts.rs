//! What a node says: its greeting, and, to those who are let in, what it knows of itself and its cluster.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::amqp_greeting::Greeting;

/// What was heard of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its greeting to clients.
    pub greeting: Option<Greeting>,
    /// Why there is none, in words.
    #[serde(default)]
    pub unserved: String,
    /// Whether our own broker has its port: then it was replaced, and something still says that it should run.
    #[serde(default)]
    pub replaced: bool,
    /// What it knows, if we were let in.
    pub node: Option<Node>,
    /// Why we were not, in words.
    #[serde(default)]
    pub unread: String,
}

/// What a node knows of itself and its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its name: "rabbit@controller-0".
    pub name: String,
    /// Whether the broker runs in it; without, it is an empty Erlang machine.
    pub broker_runs: Option<bool>,
    /// Its version.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
    /// Which nodes it sees running, itself among them.
    pub running: BTreeSet<String>,
    /// All nodes of the cluster.
    pub members: BTreeSet<String>,
    /// The nodes from which it was separated by a partition of the network, and still is.
    pub partitions: BTreeSet<String>,
    /// What it does about partitions: "ignore", "`pause_minority`", "autoheal".
    pub partition_handling: String,
    /// The alarms in the cluster, as it knows them: node, and memory, disk or `file_descriptor_limit`.
    pub alarms: BTreeSet<(String, String)>,
    /// Whether an operator has put it into maintenance.
    pub drained: bool,
    /// Memory in bytes: used, and where the alarm begins.
    pub memory: Option<(u64, u64)>,
    /// Disk in bytes: free, and where the alarm begins.
    pub disk: Option<(u64, u64)>,
    /// File descriptors: used and allowed.
    pub descriptors: Option<(u64, u64)>,
    /// Sockets: used and allowed.
    pub sockets: Option<(u64, u64)>,
    /// How many quorum queues lose their majority if this node stops, if that was heard.
    pub critical_queues: Option<u64>,
    /// Queues with a backlog.
    pub backlogs: Vec<Backlog>,
}

/// A queue with many messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// The queue's name; empty for all together.
    pub queue: String,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages that a consumer has and has not acknowledged.
    pub unacknowledged: u64,
}
