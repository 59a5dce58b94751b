//! What one member says: its status of the cluster, what the configuration demands, and what corosync
//! below it sees.

use serde::{Deserialize, Serialize};

/// What one member says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The cluster as it sees it.
    #[serde(alias = "picture")]
    pub status: ClusterStatus,
    /// What the configuration demands, if that could be read.
    pub configured: Option<Configured>,
    /// The layer below.
    pub corosync: Corosync,
}

/// The cluster as one member sees it (crm_mon).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterStatus {
    /// Who decides, if anybody does.
    pub dc: Option<String>,
    /// The version of the DC.
    pub version: String,
    /// Whether the members it sees are a majority.
    pub quorum: bool,
    /// Whether the members run different versions.
    pub mixed_versions: bool,
    /// Whether members that fail are switched off (`stonith-enabled`).
    pub fencing: bool,
    /// Whether all is in maintenance.
    pub maintenance: bool,
    /// Whether all is to be stopped.
    pub stop_all: bool,
    /// What happens without a majority.
    pub no_quorum_policy: String,
    /// All nodes, guests (bundles) and remote ones among them.
    pub nodes: Vec<Node>,
    /// All resources, those within groups, clones and bundles among them.
    pub resources: Vec<Resource>,
    /// The failed actions it remembers.
    pub failures: Vec<Failure>,
    /// Resource and node: failed so often that it is not started there again.
    pub barred: Vec<(String, String)>,
    /// Resource and node: not to run there, by a constraint.
    pub bans: Vec<(String, String)>,
    /// What was fenced, or was to be.
    pub fencings: Vec<Fencing>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its id: corosync's number.
    pub id: String,
    /// member, remote or guest.
    pub kind: String,
    /// Whether it takes part.
    pub online: bool,
    /// Whether an operator has put it aside.
    pub standby: bool,
    /// Whether a failure with `on-fail=standby` has.
    pub standby_on_fail: bool,
    /// Whether it is in maintenance.
    pub maintenance: bool,
    /// Whether it is joining.
    pub pending: bool,
    /// Whether it has to be fenced.
    pub unclean: bool,
    /// green, yellow or red.
    pub health: String,
    /// What its Pacemaker can do; differs between versions.
    pub feature_set: String,
    /// Whether it was up and has not taken leave, if that is told.
    pub expected_up: Option<bool>,
}

/// What a resource is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Nothing, or on its way up or down.
    #[default]
    Stopped,
    /// Running; it has no other roles.
    Started,
    /// Running as the leading one (Master).
    Promoted,
    /// Running as one that follows (Slave).
    Unpromoted,
}

impl Role {
    /// By its name of any version.
    pub(super) fn of(name: &str) -> Role {
        match name {
            "Started" => Role::Started,
            "Promoted" | "Master" => Role::Promoted,
            "Unpromoted" | "Slave" => Role::Unpromoted,
            _ => Role::Stopped,
        }
    }
}

/// What a resource is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whole {
    /// Nothing, or a group.
    #[default]
    Single,
    /// A clone.
    Clone,
    /// A clone with a promoted instance.
    Promotable,
    /// A bundle of containers.
    Bundle,
}

/// A resource, or one instance of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// Its name.
    pub id: String,
    /// Its agent, as in `ocf:heartbeat:IPaddr2`.
    pub agent: String,
    /// What it is doing.
    pub role: Role,
    /// What it is on its way to, in Pacemaker's word ("Starting").
    pub pending: String,
    /// Whether an operator wants it stopped.
    pub disabled: bool,
    /// Whether it has failed and that still stands.
    pub failed: bool,
    /// Whether Pacemaker leaves it alone until somebody cleans up.
    pub blocked: bool,
    /// Whether Pacemaker may do anything with it.
    pub managed: bool,
    /// Whether it is in no configuration any more.
    pub orphaned: bool,
    /// Where it is active.
    pub nodes: Vec<String>,
    /// What it is part of.
    pub whole: Whole,
    /// The name of that; empty if it is single.
    pub of: String,
    /// The bundle's replica.
    pub replica: String,
}

/// A failed action that is remembered until somebody cleans up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The resource.
    pub resource: String,
    /// The action.
    pub task: String,
    /// Resource, action and interval, as Pacemaker keeps it.
    pub operation: String,
    /// Where.
    pub node: String,
    /// How it ended, in words.
    pub status: String,
    /// Why, in the agent's words.
    pub reason: String,
    /// The exit code.
    pub code: String,
    /// When, as it is printed: in the host's time zone, in some.
    pub when: String,
}

/// A host that was fenced, or was to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fencing {
    /// The host.
    pub target: String,
    /// off, reboot, on.
    pub action: String,
    /// success, failed or pending.
    pub status: String,
    /// When it ended, as it is printed.
    pub when: String,
    /// Why it failed, in the agent's words.
    pub reason: String,
}

/// What the configuration demands (the CIB).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configured {
    /// The addresses that move with their resources.
    pub addresses: Vec<Address>,
    /// Bundles and promotable clones.
    pub demands: Vec<Demand>,
    /// The fence devices.
    pub fence_devices: Vec<String>,
    /// Whether a hardware watchdog fences in their place.
    pub watchdog: bool,
    /// Constraints that `pcs resource move` and `ban` leave.
    pub moved: Vec<Moved>,
    /// Operation, node and time (seconds since 1970) of failed actions.
    pub failed_at: Vec<(String, String, u64)>,
    /// Nodes that have taken leave.
    pub left: Vec<String>,
}

/// An address that moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Its resource.
    pub resource: String,
    /// The address.
    pub ip: String,
}

/// How many of something there are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The bundle or clone.
    pub id: String,
    /// How many replicas; 0 where that follows from the number of hosts.
    pub replicas: usize,
    /// How many of them promoted.
    pub promoted: usize,
}

/// A constraint that an operator's command has left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Its name: `cli-ban-...`, `cli-prefer-...`.
    pub id: String,
    /// The resource.
    pub resource: String,
    /// The host; empty where a rule names it.
    pub node: String,
}

/// What corosync sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Corosync {
    /// It did not answer in time.
    pub silent: bool,
    /// Its count of votes.
    pub votes: Option<Votes>,
    /// Its links that are not well.
    pub faults: Vec<Fault>,
}

/// Corosync's count of votes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Votes {
    /// The asked host's own number.
    pub own: String,
    /// How many there would be with all.
    pub expected: u64,
    /// How many there are.
    pub total: u64,
    /// How many there must be.
    pub needed: u64,
    /// Whether that is enough.
    pub quorate: bool,
    /// `2Node`, `WaitForAll`, `Qdevice` and the like.
    pub flags: Vec<String>,
}

/// A link that is not well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its number.
    pub link: String,
    /// The other side's number; empty where the link as a whole is meant.
    pub node: String,
    /// What is said of it.
    pub state: String,
}
