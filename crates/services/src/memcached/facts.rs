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
}

/// Whether the answer's last line is there.
pub(super) fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"END\r\n") || answer.ends_with(b"ERROR\r\n") || is_refusal(answer)
}

/// A server at its limit of connections says so and hangs up.
fn is_refusal(answer: &[u8]) -> bool {
    answer.starts_with(b"ERROR ") && answer.ends_with(b"\r\n")
}

/// Reads the whole answer.
///
/// # Errors
/// When it is a refusal, cut off, or no answer to `stats`.
pub(super) fn parse(answer: &[u8]) -> Result<Facts, Trouble> {
    let text = String::from_utf8_lossy(answer);
    if is_refusal(answer) {
        return Err(Trouble::Denied(text.trim_start_matches("ERROR ").trim().to_string()));
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
            "listen_disabled_num" => facts.listen_disabled_num = number(),
            _ => {}
        }
    }
    Ok(facts)
}
