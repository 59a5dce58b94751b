//! Fencing: whether hosts that are lost are switched off, and how that went.

use std::collections::BTreeSet;

use super::facts::Fencing;
use super::judge::{Cluster, Seen, list, voters};
use super::members;
use crate::answer::Answer;
use crate::verdict::{Finding, Severity};

/// The prefix of fence devices' agents.
const DEVICE: &str = "stonith:";

/// Fencing that is switched off. It harms nothing until a host is lost; then what that host ran may run
/// twice, and no status shows it.
pub(super) fn switched_off(cluster: &Cluster<'_>, best: Seen<'_>) -> Option<Finding> {
    let status = &best.facts.status;
    if status.fencing || voters(status).count() < 2 {
        return None;
    }
    // A lost host that we reach is told of by itself: it stops, or its addresses are seen.
    let lost: Vec<&str> = voters(status)
        .filter(|node| !node.online && !members::has_left(best, node))
        .filter(|node| {
            let asked = cluster.member_of(&node.name);
            !asked.is_some_and(|member| matches!(member.answer, Answer::Got { .. }))
        })
        .map(|node| node.name.as_str())
        .collect();
    let two_of_two = voters(status).count() == 2;
    let (severity, more) = match lost.as_slice() {
        // Seen from there all others are lost.
        _ if !status.quorum => (Severity::Notice, String::new()),
        [] if two_of_two => {
            (Severity::Degraded, "; when the two lose sight of each other, both run everything".to_string())
        }
        [] => (Severity::Notice, String::new()),
        names => (
            Severity::Degraded,
            format!("; nobody has made sure that nothing runs on {} any more", list(names)),
        ),
    };
    let cause = format!(
        "fencing is off (stonith-enabled=false): a host that crashes or hangs may keep its addresses and data while others take them over{more}"
    );
    let next = "pcs stonith create for each host, then pcs property set stonith-enabled=true";
    Some(Finding::new("pacemaker-fencing-off", severity, "", cause).next(next))
}

/// Fencing that is on and does not work.
pub(super) fn about(best: Seen<'_>) -> Vec<Finding> {
    let status = &best.facts.status;
    let mut findings = Vec::new();
    let configured = best.facts.configured.as_ref();
    let devices = status.resources.iter().any(|one| one.agent.starts_with(DEVICE))
        || configured.is_some_and(|all| !all.fence_devices.is_empty() || all.watchdog);
    if status.fencing && !devices {
        let cause = "fencing is on and there is no fence device: nothing new is started, and nothing of a lost host is taken over";
        findings.push(
            Finding::new("pacemaker-no-fence-device", Severity::Degraded, "", cause)
                .next("pcs stonith create for each host"),
        );
    }
    let targets: BTreeSet<&str> = status.fencings.iter().map(|one| one.target.as_str()).collect();
    findings.extend(targets.into_iter().filter_map(|target| fenced(best, target)));
    findings
}

/// What became of fencing one host. The latest stands first.
fn fenced(best: Seen<'_>, target: &str) -> Option<Finding> {
    let all: Vec<&Fencing> = best.facts.status.fencings.iter().filter(|one| one.target == target).collect();
    let failed: Vec<&&Fencing> = all.iter().filter(|one| one.status == "failed").collect();
    let last = all.iter().find(|one| one.status != "pending");
    let pending = all.iter().any(|one| one.status == "pending");
    let node = voters(&best.facts.status).find(|node| node.name == target);
    let why = failed
        .first()
        .filter(|one| !one.reason.is_empty())
        .map_or(String::new(), |one| format!(": {}", one.reason));
    let still = node.is_some_and(|node| node.unclean);
    let look = format!("pcs stonith history show {target}, then pcs stonith fence {target}");
    if still && !failed.is_empty() {
        let cause = format!(
            "fencing {target} fails ({} times, last at {}){why}; until it succeeds nothing of it is taken over",
            failed.len(),
            failed.first().map(|one| one.when.as_str()).unwrap_or_default()
        );
        let next = format!("{look}; if it is surely off: pcs stonith confirm {target}");
        return Some(Finding::new("pacemaker-fencing-failed", Severity::Failed, target, cause).next(next));
    }
    if pending {
        let cause = format!("{target} is being fenced");
        return Some(Finding::new("pacemaker-fencing-pending", Severity::Degraded, target, cause).next(look));
    }
    if failed.is_empty() {
        return None;
    }
    let after = match last.filter(|one| one.status == "success") {
        Some(one) => format!("succeeded at {} after {} failures", one.when, failed.len()),
        None => format!("failed at {}{why}, and it is not needed any more", failed.first()?.when),
    };
    let cause = format!("fencing {target} {after}; it is only remembered");
    Some(
        Finding::new("pacemaker-fencing-remembered", Severity::Notice, target, cause)
            .next(format!("pcs stonith history cleanup {target}")),
    )
}
