//! What a broker says of itself.

use serde::{Deserialize, Serialize};

/// What was heard of one broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Whether it greets clients.
    pub serves: bool,
    /// Whether it is still reading its logs.
    pub starting: bool,
    /// Why it does not greet, in words.
    pub unserved: String,
    /// Its health, if we were let in.
    pub health: Option<Health>,
    /// Why we were not, in words.
    pub unread: String,
}

/// What the control socket answers to `health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Its version.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// Why publishers are held back: "memory", "disk", "log-full", "log-failed".
    pub alarms: Vec<String>,
    /// Bytes of memory in use.
    pub memory_used: u64,
    /// Bytes at which publishers are held back.
    pub memory_limit: u64,
    /// Bytes of disk free.
    pub disk_free: u64,
    /// Bytes below which publishers are held back.
    pub disk_free_limit: u64,
    /// Damaged places found in its logs since its start.
    pub damages: u64,
    /// Seconds that its disk has not answered, once that is too long; else 0.
    pub disk_waits: u64,
    /// The vhost whose log waits for that.
    pub disk_waits_vhost: String,
    /// Connections open.
    pub connections: u64,
    /// The most there may be; 0 for any number.
    pub connections_limit: u64,
    /// File descriptors open.
    pub descriptors: u64,
    /// The most there may be.
    pub descriptors_limit: u64,
}
