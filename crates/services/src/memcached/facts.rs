//! What `stats` says (memcached's doc/protocol.txt, "General-purpose statistics").

use serde::{Deserialize, Serialize};

use crate::answer::Trouble;

/// The counters that a judgement needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its version.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// Items held now.
    pub curr_items: u64,
    /// Bytes of items held now.
    pub bytes: u64,
    /// Bytes allowed (`-m`).
    pub limit_maxbytes: u64,
    /// Living items thrown out for new ones since the start.
    pub evictions: u64,
    /// Reads answered since the start.
    pub get_hits: u64,
    /// Reads not answered since the start.
    pub get_misses: u64,
    /// Connections open now.
    pub curr_connections: u64,
    /// Connections allowed (`-c`).
    pub max_connections: u64,
    /// Connections turned away since the start.
    pub rejected_connections: u64,
    /// How often it stopped accepting since the start.
    pub listen_disabled_num: u64,
    /// Stores since the start.
    #[serde(default)]
    pub cmd_set: u64,
    /// Connections accepted since the start.
    #[serde(default)]
    pub total_connections: u64,
    /// Of the connections allowed, those that it keeps for its own files.
    #[serde(default)]
    pub reserved_fds: u64,
    /// What some of these grew by between two reads, if there was a second one.
    #[serde(default)]
    pub growth: Option<Growth>,
}

/// The growth of counters within a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// Living items thrown out.
    pub evictions: u64,
    /// Stores.
    pub stores: u64,
    /// Connections turned away.
    pub turned_away: u64,
}

impl Facts {
    /// Connections turned away since the start; where it stops accepting instead, how often it did.
    pub fn turned_away(&self) -> u64 {
        self.rejected_connections.max(self.listen_disabled_num)
    }

    /// What was counted after `earlier`; nothing where it was started anew in between.
    pub(super) fn since(&self, earlier: &Facts) -> Growth {
        Growth {
            evictions: self.evictions.saturating_sub(earlier.evictions),
            stores: self.cmd_set.saturating_sub(earlier.cmd_set),
            turned_away: self.turned_away().saturating_sub(earlier.turned_away()),
        }
    }
}

/// What a server says that has no connection free.
pub(super) const NO_CONNECTION: &str = "Too many open connections";

/// Whether the answer's last line is there.
pub(super) fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"END\r\n") || answer.ends_with(b"ERROR\r\n") || refusal(answer).is_some()
}

/// A server at its limit of connections says so and hangs up; one that wants a login (`-Y`) says that.
fn refusal(answer: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(answer.strip_suffix(b"\r\n")?).ok()?;
    line.strip_prefix("ERROR ").or_else(|| line.strip_prefix("CLIENT_ERROR "))
}

/// Reads the whole answer.
///
/// # Errors
/// When it is a refusal, cut off, or no answer to `stats`.
pub(super) fn parse(answer: &[u8]) -> Result<Facts, Trouble> {
    let text = String::from_utf8_lossy(answer);
    if let Some(cause) = refusal(answer) {
        return Err(Trouble::Denied(cause.to_string()));
    }
    if !answer.ends_with(b"END\r\n") {
        let start: String = text.chars().take(60).collect();
        return Err(Trouble::Broken(format!("stats is answered by '{}'", start.trim())));
    }
    let mut facts = Facts::default();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some("STAT"), Some(name), Some(value)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let number = || value.trim().parse().unwrap_or_default();
        match name {
            "version" => facts.version = value.trim().to_string(),
            "uptime" => facts.uptime = number(),
            "curr_items" => facts.curr_items = number(),
            "bytes" => facts.bytes = number(),
            "limit_maxbytes" => facts.limit_maxbytes = number(),
            "evictions" => facts.evictions = number(),
            "get_hits" => facts.get_hits = number(),
            "get_misses" => facts.get_misses = number(),
            "curr_connections" => facts.curr_connections = number(),
            "max_connections" => facts.max_connections = number(),
            "rejected_connections" => facts.rejected_connections = number(),
            "cmd_set" => facts.cmd_set = number(),
            "total_connections" => facts.total_connections = number(),
            "reserved_fds" => facts.reserved_fds = number(),
            "listen_disabled_num" => facts.listen_disabled_num = number(),
            _ => {}
        }
    }
    Ok(facts)
}
