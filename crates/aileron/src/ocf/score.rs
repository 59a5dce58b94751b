//! How much a host wants to be the promoted one: the further its log has come, the more.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::within;

/// Of the promoted one: above whatever a log's length gives, so that it stays where it is.
const PROMOTED: u32 = 700_000;
/// Steps for each doubling of the log: 64 doublings stay below `PROMOTED`, and that below Pacemaker's infinity
/// (1 000 000). A log of 1 GiB and one that is 100 kB longer are told apart.
const STEPS: f64 = 10_000.0;
/// How long the cluster may take to note it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The score of a host whose log has come so far.
pub(super) fn of(promoted: bool, position: u64) -> u32 {
    if promoted {
        return PROMOTED;
    }
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // A logarithm of at most 64 times the steps; the precision of a float is far finer than a step.
    let steps = ((position as f64 + 1.0).log2() * STEPS) as u32;
    1 + steps
}

/// Tells the cluster, until the host restarts. Best effort: the next monitor tells it again.
pub(super) fn publish(resource: &str, score: u32) {
    attribute(resource, &["--update", &score.to_string()]);
}

/// Takes it back.
pub(super) fn withdraw(resource: &str) {
    attribute(resource, &["--delete"]);
}

fn attribute(resource: &str, what: &[&str]) {
    let mut command = Command::new("crm_attribute");
    command.args(["--lifetime", "reboot", "--name", &format!("master-{resource}")]).args(what);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Without a cluster, or in its last moments, there is nobody to tell.
    let _ = within(PATIENCE, move || command.status());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_log_wins_and_the_promoted_one_stays() {
        let logs = [0, 1, 64, 65_536, 1 << 30, (1 << 30) + 120_000, 1 << 40, u64::MAX];
        let scores: Vec<u32> = logs.iter().map(|position| of(false, *position)).collect();
        assert!(scores.is_sorted_by(|less, more| less < more), "{scores:?}");
        assert_eq!(scores.first(), Some(&1), "0 or less would forbid it");
        assert!(scores.iter().all(|score| *score < of(true, 0)));
        assert!(of(true, u64::MAX) < 1_000_000, "an operator's infinity is above it");
    }
}
