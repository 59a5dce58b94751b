//! Failed actions: Pacemaker remembers each until somebody cleans up. One stands if its resource still is
//! not well, and is then told with the resource (`resources`); it bars a host if the resource is not
//! started there again; else it is stale: all is well, and every overview stays red.

use super::facts::{ClusterStatus, Failure, Resource, Whole};
use super::judge::Seen;
use super::mon::NOT_INSTALLED;
use super::resources::{alive, host_of, is_well};
use crate::verdict::{Finding, Severity};

/// The failures that do not stand.
pub(super) fn about(best: Seen<'_>, now: u64) -> Vec<Finding> {
    let status = &best.facts.status;
    let mut told: Vec<(&str, &str)> = Vec::new();
    let mut findings = Vec::new();
    for failure in &status.failures {
        let of = (failure.resource.as_str(), failure.node.as_str());
        if stands(status, failure) || told.contains(&of) {
            continue;
        }
        told.push(of);
        let latest = latest(
            best,
            status.failures.iter().filter(|one| (one.resource.as_str(), one.node.as_str()) == of),
        );
        let Some(what) = latest.map(|latest| words(best, latest, now)) else { continue };
        let (resource, node) = of;
        let state = state(status, resource);
        let next = cleanup(status, resource, node);
        findings.push(if is_barred(status, failure) {
            let cause = format!(
                "{resource} is not started on {} again, and {state}: {what}, as often as it may",
                place(status, node)
            );
            Finding::new("pacemaker-barred", Severity::Degraded, resource, cause)
                .next(format!("see why, then {next}"))
        } else {
            let cause = format!("a stale failure is remembered: {what}; by now {state}");
            Finding::new("pacemaker-stale-failure", Severity::Notice, resource, cause).next(next)
        });
    }
    findings
}

/// What a resource's failures that stand say of why, latest first: for a finding on the resource.
pub(super) fn why(best: Seen<'_>, is_of: impl Fn(&Resource) -> bool, now: u64) -> Option<String> {
    let status = &best.facts.status;
    let standing =
        status.failures.iter().filter(|failure| stands(status, failure)).filter(|failure| {
            status.resources.iter().any(|one| one.id == base(&failure.resource) && is_of(one))
        });
    latest(best, standing).map(|failure| words(best, failure, now))
}

/// An instance of a unique clone has a number behind its name.
pub(super) fn base(resource: &str) -> &str {
    match resource.rsplit_once(':') {
        Some((name, number)) if number.bytes().all(|one| one.is_ascii_digit()) => name,
        _ => resource,
    }
}

fn instances<'a>(status: &'a ClusterStatus, resource: &'a str) -> impl Iterator<Item = &'a Resource> {
    status.resources.iter().filter(move |one| one.id == resource || one.id == base(resource))
}

/// Whether a failure's resource still is not well because of it.
fn stands(status: &ClusterStatus, failure: &Failure) -> bool {
    let at = |one: &Resource| one.nodes.contains(&failure.node);
    let node = status.nodes.iter().find(|node| node.name == failure.node);
    let could_run = node.is_none_or(|node| node.online && !node.standby);
    let all: Vec<&Resource> =
        instances(status, &failure.resource).filter(|one| !one.orphaned && !one.disabled).collect();
    if all.iter().any(|one| (one.failed || one.blocked) && (at(one) || one.nodes.is_empty())) {
        return true;
    }
    match all.first() {
        None => false,
        Some(one) if one.whole == Whole::Single => !all.iter().any(|one| is_well(status, one)),
        // The container of a bundle's replica has a name of its own and may run anywhere.
        Some(one) if one.whole == Whole::Bundle && all.len() == 1 => !is_well(status, one),
        Some(_) => could_run && !all.iter().any(|one| at(one) && is_well(status, one)),
    }
}

fn is_barred(status: &ClusterStatus, failure: &Failure) -> bool {
    let elsewhere = !instances(status, &failure.resource).any(|one| one.nodes.contains(&failure.node));
    let barred = status.barred.iter().any(|(resource, node)| {
        (*resource == failure.resource || base(resource) == base(&failure.resource)) && *node == failure.node
    });
    elsewhere && (barred || failure.code == NOT_INSTALLED)
}

/// "is Started on controller-1".
fn state(status: &ClusterStatus, resource: &str) -> String {
    let all: Vec<&Resource> = instances(status, resource).collect();
    let at: Vec<String> = all
        .iter()
        .filter(|one| is_well(status, one))
        .flat_map(|one| one.nodes.iter().filter(|node| alive(status, node)))
        .map(|node| host_of(status, node).to_string())
        .collect();
    match (all.first(), at.as_slice()) {
        (None, _) => "the resource is gone".to_string(),
        (Some(one), []) if one.disabled => "it is disabled now".to_string(),
        (Some(_), []) => "it runs nowhere".to_string(),
        (Some(_), nodes) => format!("it is well on {}", super::judge::list(nodes)),
    }
}

/// The command that forgets a failure.
fn cleanup(status: &ClusterStatus, resource: &str, node: &str) -> String {
    let of = instances(status, resource).next();
    match of {
        Some(one) if one.whole == Whole::Bundle => format!("pcs resource cleanup {}", one.of),
        Some(one) => format!("{} node={node}", forget(one)),
        None => format!("pcs resource cleanup {} node={node}", base(resource)),
    }
}

/// The command that forgets all failures of a resource.
pub(super) fn forget(one: &Resource) -> String {
    let what = if one.agent.starts_with("stonith:") { "stonith" } else { "resource" };
    format!("pcs {what} cleanup {}", one.id)
}

/// A node as people look for it: a bundle's guest with its host.
fn place(status: &ClusterStatus, node: &str) -> String {
    match host_of(status, node) {
        host if host == node => node.to_string(),
        host => format!("{host} ({node})"),
    }
}

fn time(best: Seen<'_>, failure: &Failure) -> Option<u64> {
    let all = best.facts.configured.as_ref()?;
    all.failed_at
        .iter()
        .filter(|(operation, node, _)| *operation == failure.operation && *node == failure.node)
        .map(|(.., when)| *when)
        .max()
}

fn latest<'a>(best: Seen<'_>, all: impl Iterator<Item = &'a Failure>) -> Option<&'a Failure> {
    all.max_by_key(|failure| time(best, failure))
}

/// "its monitor on controller-1 failed 5 minutes ago (not running)".
fn words(best: Seen<'_>, failure: &Failure, now: u64) -> String {
    let when = match time(best, failure) {
        Some(when) => ago(now.saturating_sub(when)),
        None if failure.when.is_empty() => "at a time that is not told".to_string(),
        None => format!("at {}", failure.when),
    };
    let reason = if failure.reason.is_empty() { String::new() } else { format!(": {}", failure.reason) };
    let place = place(&best.facts.status, &failure.node);
    format!("{} of {} on {place} failed {when} ({}{reason})", failure.task, failure.resource, failure.status)
}

/// A span of time as people say it.
fn ago(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        let told: Vec<String> = [0, 1, 59, 60, 7_300, 200_000].into_iter().map(ago).collect();
        assert_eq!(
            told,
            ["0 seconds ago", "1 second ago", "59 seconds ago", "1 minute ago", "2 hours ago", "2 days ago"]
        );
    }
}
