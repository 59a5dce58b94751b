//! What corosync's tools print: the votes, and the links to the other hosts.

use super::facts::{Fault, Votes};

/// Reads `corosync-quorumtool -s`; `None` when that is no answer.
pub(super) fn votes(text: &str) -> Option<Votes> {
    let field = |name: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_string()))
    };
    let number = |name: &str| field(name)?.split_ascii_whitespace().next()?.parse::<u64>().ok();
    Some(Votes {
        own: field("Node ID")?,
        expected: number("Expected votes").or_else(|| number("Nodes"))?,
        total: number("Total votes")?,
        needed: number("Quorum")?,
        quorate: field("Quorate")?.eq_ignore_ascii_case("yes"),
        flags: field("Flags").unwrap_or_default().split_ascii_whitespace().map(ToString::to_string).collect(),
    })
}

/// Reads `corosync-cfgtool -s` of corosync 3 (links, a line for each other host) and 2 (rings).
pub(super) fn faults(text: &str) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut link = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("LINK ID").or_else(|| line.strip_prefix("RING ID")) {
            link = rest.split_ascii_whitespace().next().unwrap_or_default().to_string();
        } else if let Some((node, state)) = line.strip_prefix("nodeid:").and_then(|rest| rest.split_once(':'))
        {
            let (node, state) = (node.trim(), state.trim());
            if !matches!(state, "connected" | "localhost") {
                found.push(Fault { link: link.clone(), node: node.to_string(), state: state.to_string() });
            }
        } else if line.contains("FAULTY") {
            found.push(Fault { link: link.clone(), node: String::new(), state: "faulty".to_string() });
        }
    }
    found
}
