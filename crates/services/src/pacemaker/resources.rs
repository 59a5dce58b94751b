//! What runs, and does as much of it run as is meant to.
//!
//! A bundle's service runs in a guest, a node that lives in the container; the host is the container's.

use std::collections::BTreeSet;

use super::facts::{ClusterStatus, Demand, Resource, Role, Whole};
use super::failures;
use super::judge::{Seen, list, voters};
use crate::verdict::{Finding, Severity};

/// Agents without which OpenStack's API stops.
const VITAL: &[&str] = &[
    "ocf:heartbeat:IPaddr2",
    "ocf:heartbeat:IPaddr",
    "ocf:heartbeat:galera",
    "ocf:heartbeat:rabbitmq-cluster",
];
/// Agents of a bundle's container, and of the way into it.
const CONTAINERS: &[&str] = &["ocf:heartbeat:podman", "ocf:heartbeat:docker", "ocf:heartbeat:rkt"];
const CONNECTION: &str = "ocf:pacemaker:remote";

/// Whether something can run on a node now.
pub(super) fn alive(status: &ClusterStatus, name: &str) -> bool {
    // A node that is not listed: an old version does not list guests.
    status.nodes.iter().find(|node| node.name == name).is_none_or(|node| node.online)
}

/// The host of a node: where the connection to it runs, if it is a bundle's guest.
pub(super) fn host_of<'a>(status: &'a ClusterStatus, node: &'a str) -> &'a str {
    let connection = status.resources.iter().find(|one| one.id == node && one.agent == CONNECTION);
    connection
        .filter(|one| one.whole == Whole::Bundle)
        .and_then(|one| one.nodes.first())
        .map_or(node, String::as_str)
}

/// Whether a resource runs and nothing is wrong with it.
pub(super) fn is_well(status: &ClusterStatus, one: &Resource) -> bool {
    runs(status, one) && !one.failed && !one.blocked
}

fn runs(status: &ClusterStatus, one: &Resource) -> bool {
    one.role != Role::Stopped && one.nodes.iter().any(|node| alive(status, node))
}

pub(super) fn about(best: Seen<'_>, now: u64) -> Vec<Finding> {
    let status = &best.facts.status;
    let mut findings = Vec::new();
    for one in status.resources.iter().filter(|one| one.whole == Whole::Single && !one.orphaned) {
        findings.extend(single(best, one, now));
    }
    let sets: BTreeSet<&str> =
        status.resources.iter().filter(|one| one.whole != Whole::Single).map(|one| one.of.as_str()).collect();
    for id in sets {
        let set = Set::of(best, id);
        findings.extend(set.disabled());
        findings.extend(set.short(now));
        findings.extend(set.promoted());
    }
    findings.extend(unmanaged(status));
    findings.extend(orphans(status));
    findings.extend(moved(best));
    findings
}

/// A resource that runs once.
fn single(best: Seen<'_>, one: &Resource, now: u64) -> Option<Finding> {
    let status = &best.facts.status;
    let id = &one.id;
    let vital = VITAL.contains(&one.agent.as_str());
    let lost = if vital && one.pending.is_empty() { Severity::Failed } else { Severity::Degraded };
    let why =
        failures::why(best, |other| other.id == *id, now).map_or_else(String::new, |why| format!(": {why}"));
    let cleanup = format!("see why, then {}", failures::forget(one));
    let at: Vec<&String> = one.nodes.iter().filter(|node| alive(status, node)).collect();
    if one.blocked {
        let where_ = if at.is_empty() { String::new() } else { format!(" on {}", list(&at)) };
        let cause = format!("{id} has failed{where_} and Pacemaker leaves it alone until a cleanup{why}");
        let severity = if runs(status, one) { Severity::Degraded } else { lost };
        return Some(Finding::new("pacemaker-resource-blocked", severity, id, cause).next(cleanup));
    }
    if one.disabled && !runs(status, one) {
        let cause = format!("{id} is stopped since it is disabled (target-role=Stopped)");
        let severity = if vital { Severity::Failed } else { Severity::Notice };
        return Some(
            Finding::new("pacemaker-disabled", severity, id, cause)
                .next(format!("pcs resource enable {id}"))
                .intended(),
        );
    }
    if !runs(status, one) {
        let gone: Vec<&String> = one.nodes.iter().filter(|node| !alive(status, node)).collect();
        let how = match (one.pending.as_str(), gone.as_slice()) {
            ("", []) => "runs nowhere".to_string(),
            ("", nodes) => format!("was on {}, which is lost and not fenced yet", list(nodes)),
            (pending, _) => format!("is not up yet ({pending})"),
        };
        let next = match (gone.first(), why.is_empty()) {
            (Some(node), _) => {
                format!("pcs stonith fence {node}; if it is surely off: pcs stonith confirm {node}")
            }
            (None, true) => {
                format!("pcs resource config {id}; crm_simulate -sL tells why no host may run it")
            }
            (None, false) => cleanup,
        };
        return Some(
            Finding::new("pacemaker-resource-stopped", lost, id, format!("{id} {how}{why}")).next(next),
        );
    }
    if at.len() > 1 {
        let cause = format!("{id} runs on {} at once, and may run once", list(&at));
        return Some(
            Finding::new("pacemaker-runs-twice", Severity::Failed, id, cause)
                .next(format!("pcs resource cleanup {id}; stop one by hand if both stay")),
        );
    }
    one.failed.then(|| {
        let cause = format!("{id} has failed on {}{why}", list(&at));
        Finding::new("pacemaker-resource-failed", Severity::Degraded, id, cause).next(cleanup)
    })
}

/// One instance of a clone, or replica of a bundle.
struct Instance<'a> {
    main: &'a Resource,
    /// The bundle's container.
    container: Option<&'a Resource>,
}

/// A clone or a bundle.
struct Set<'a> {
    best: Seen<'a>,
    id: &'a str,
    whole: Whole,
    instances: Vec<Instance<'a>>,
    demand: Option<&'a Demand>,
}

impl<'a> Set<'a> {
    fn of(best: Seen<'a>, id: &'a str) -> Set<'a> {
        let all: Vec<&Resource> =
            best.facts.status.resources.iter().filter(|one| one.of == id && !one.orphaned).collect();
        let whole = all.first().map(|one| one.whole).unwrap_or_default();
        let demands = best.facts.configured.iter().flat_map(|all| &all.demands);
        let instances = match whole {
            Whole::Bundle => {
                let replicas: BTreeSet<&str> = all.iter().map(|one| one.replica.as_str()).collect();
                replicas.into_iter().filter_map(|replica| Instance::replica(&all, replica)).collect()
            }
            _ => all.iter().map(|one| Instance { main: one, container: None }).collect(),
        };
        Set { best, id, whole, instances, demand: demands.into_iter().find(|one| one.id == id) }
    }

    fn status(&self) -> &'a ClusterStatus {
        &self.best.facts.status
    }

    fn is_vital(&self) -> bool {
        self.id.starts_with("haproxy")
            || self.instances.iter().any(|one| VITAL.contains(&one.main.agent.as_str()))
    }

    fn well(&self) -> impl Iterator<Item = &Instance<'a>> {
        self.instances.iter().filter(|one| one.is_well(self.status()))
    }

    fn is_disabled(&self) -> bool {
        self.instances
            .iter()
            .all(|one| one.main.disabled || one.container.is_some_and(|container| container.disabled))
    }

    fn disabled(&self) -> Option<Finding> {
        if !self.is_disabled() || self.well().next().is_some() {
            return None;
        }
        let cause = format!("{} is stopped since it is disabled (target-role=Stopped)", self.id);
        let severity = if self.is_vital() { Severity::Failed } else { Severity::Notice };
        let next = format!("pcs resource enable {}", self.id);
        Some(Finding::new("pacemaker-disabled", severity, self.id, cause).next(next).intended())
    }

    /// How many are to be promoted, where any is.
    fn to_promote(&self) -> usize {
        match self.demand {
            Some(demand) => demand.promoted.min(self.instances.len()),
            None if self.whole == Whole::Promotable => 1,
            // Without the configuration: each of Galera's, one of any other's that has roles.
            None if self.instances.iter().all(|one| one.main.agent.ends_with(":galera")) => {
                self.instances.len()
            }
            None => usize::from(self.instances.iter().any(|one| one.main.role == Role::Unpromoted)),
        }
    }

    /// Whether fewer run, or are promoted, than are meant to.
    fn short(&self, now: u64) -> Option<Finding> {
        let status = self.status();
        let wanted = match (self.whole, self.demand) {
            (Whole::Bundle, Some(demand)) => demand.replicas,
            _ => self.instances.len(),
        };
        let to_promote = self.to_promote();
        let started = self.well().count();
        let promoted = self.well().filter(|one| one.main.role == Role::Promoted).count();
        let hosts = || status.nodes.iter().filter(|node| node.kind != "guest");
        let off: Vec<&str> = hosts().filter(|node| !node.online).map(|node| node.name.as_str()).collect();
        let standby: Vec<&str> =
            hosts().filter(|node| node.online && node.standby).map(|node| node.name.as_str()).collect();
        let broken: Vec<&Instance<'_>> = self.instances.iter().filter(|one| one.is_broken()).collect();
        let lacking = wanted.saturating_sub(started);
        let enough = match self.whole {
            Whole::Bundle => lacking == 0,
            // A clone has an instance for every host, of each of a group's members; where none can run, none is
            // missed.
            _ => broken.is_empty() && lacking <= (off.len() + standby.len() + self.banned()) * self.names(),
        };
        let none = started == 0 && wanted > 0 || to_promote > 0 && promoted == 0;
        if self.is_disabled() || enough && promoted >= to_promote.min(started) && !none {
            return None;
        }
        let what = match to_promote {
            0 => format!("{started} of {wanted} run"),
            1 => format!("{started} of {wanted} run, {promoted} promoted"),
            _ => format!("{started} of {wanted} run, {promoted} of {to_promote} promoted"),
        };
        let mut lost: Vec<String> = self.instances.iter().filter_map(|one| one.trouble(self)).collect();
        lost.extend(off.iter().map(|host| format!("{host} is offline")));
        lost.extend(standby.iter().map(|host| format!("{host} is in standby")));
        let lost = if lost.is_empty() { String::new() } else { format!(" ({})", lost.join(", ")) };
        let why = failures::why(self.best, |one| one.of == self.id, now);
        let blocked = self.instances.iter().any(Instance::is_blocked);
        let alone = if blocked { "; Pacemaker does not try again by itself" } else { "" };
        let cause = format!(
            "{}: {what}{lost}{}{alone}",
            self.id,
            why.as_ref().map_or(String::new(), |why| format!("; {why}"))
        );
        let (code, severity) = match (none, self.whole) {
            (true, _) if started > 0 => ("pacemaker-not-promoted", self.lost()),
            (true, Whole::Bundle) => ("pacemaker-bundle-down", self.lost()),
            (true, _) => ("pacemaker-clone-down", self.lost()),
            (false, Whole::Bundle) => ("pacemaker-bundle-short", Severity::Degraded),
            (false, _) => ("pacemaker-clone-short", Severity::Degraded),
        };
        let by_standby = lacking > 0 && lacking <= standby.len() && promoted >= to_promote.min(started);
        let willed = by_standby && !none && broken.is_empty() && off.is_empty() && why.is_none();
        let next = match (off.first(), standby.first()) {
            _ if why.is_some() || !broken.is_empty() => {
                format!("see why, then pcs resource cleanup {}", self.id)
            }
            (Some(host), _) => format!("bring {host} back"),
            (None, Some(host)) => format!("when the work is done: pcs node unstandby {host}"),
            (None, None) => {
                format!("crm_mon -1rf; if nothing is under way, pcs resource cleanup {}", self.id)
            }
        };
        Some(match willed {
            true => Finding::new(code, Severity::Notice, self.id, cause).next(next).intended(),
            false => Finding::new(code, severity, self.id, cause).next(next),
        })
    }

    /// What it means if nothing of it serves.
    fn lost(&self) -> Severity {
        if self.is_vital() { Severity::Failed } else { Severity::Degraded }
    }

    /// How many resources it is made of.
    fn names(&self) -> usize {
        self.instances.iter().map(|one| failures::base(&one.main.id)).collect::<BTreeSet<_>>().len()
    }

    /// On how many hosts a constraint keeps it from running.
    fn banned(&self) -> usize {
        let is_of = |name: &str| name == self.id || self.instances.iter().any(|one| one.main.id == name);
        let bans = &self.status().bans;
        bans.iter()
            .filter(|(resource, _)| is_of(resource))
            .map(|(_, node)| node)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// Whether more are promoted than may be.
    fn promoted(&self) -> Option<Finding> {
        // The members of a group are promoted together.
        let at: BTreeSet<&str> = self
            .instances
            .iter()
            .filter(|one| one.main.role == Role::Promoted)
            .filter_map(Instance::host)
            .collect();
        let most = self.demand?.promoted;
        (most > 0 && at.len() > most).then(|| {
            let cause = format!("{} is promoted on {}, and may be on {most} only", self.id, list(at));
            Finding::new("pacemaker-promoted-twice", Severity::Failed, self.id, cause)
                .next(format!("pcs resource cleanup {}; see both daemons", self.id))
        })
    }
}

impl<'a> Instance<'a> {
    fn replica(all: &[&'a Resource], replica: &str) -> Option<Instance<'a>> {
        let mut own = all.iter().copied().filter(|one| one.replica == replica);
        let container = own.clone().find(|one| CONTAINERS.contains(&one.agent.as_str()));
        let service = own.find(|one| !CONTAINERS.contains(&one.agent.as_str()) && one.agent != CONNECTION);
        Some(Instance { main: service.or(container)?, container })
    }

    /// The host it is on: the container's where it has one.
    fn host(&self) -> Option<&'a str> {
        self.container.unwrap_or(self.main).nodes.first().map(String::as_str)
    }

    fn parts(&self) -> impl Iterator<Item = &'a Resource> {
        [Some(self.main), self.container].into_iter().flatten()
    }

    fn is_well(&self, status: &ClusterStatus) -> bool {
        self.parts().all(|part| is_well(status, part))
    }

    fn is_broken(&self) -> bool {
        self.parts().any(|part| part.failed || part.blocked)
    }

    fn is_blocked(&self) -> bool {
        self.parts().any(|part| part.blocked)
    }

    /// What keeps it from being counted, if that is its own.
    fn trouble(&self, set: &Set<'_>) -> Option<String> {
        let status = set.status();
        let at = self.host().map(|host| format!(" on {host}")).unwrap_or_default();
        let name = match set.whole {
            Whole::Bundle => format!("replica {}{at}", self.main.replica),
            _ => format!("the instance{at}"),
        };
        let up = self.parts().all(|part| runs(status, part));
        match up {
            _ if self.is_blocked() => Some(format!("{name} has failed and is blocked")),
            _ if self.is_broken() => Some(format!("{name} has failed")),
            true if set.to_promote() > 1 && self.main.role != Role::Promoted => {
                Some(format!("{name} is not promoted"))
            }
            false if set.whole == Whole::Bundle => {
                let pending =
                    self.parts().map(|part| part.pending.as_str()).find(|pending| !pending.is_empty());
                Some(format!("{name} is {}", pending.map_or("stopped".to_string(), str::to_lowercase)))
            }
            _ => None,
        }
    }
}

/// Resources that are left to themselves, where that is not said of their host or of all.
fn unmanaged(status: &ClusterStatus) -> Vec<Finding> {
    if status.maintenance {
        return Vec::new();
    }
    let in_maintenance = |one: &Resource| {
        let at = |name: &String| status.nodes.iter().any(|node| node.name == *name && node.maintenance);
        // A guest is in maintenance with its host.
        one.nodes.iter().any(at) || voters(status).any(|node| node.maintenance) && one.whole == Whole::Bundle
    };
    let names: BTreeSet<&str> = status
        .resources
        .iter()
        .filter(|one| !one.managed && !one.blocked && !one.orphaned && !in_maintenance(one))
        .map(|one| if one.of.is_empty() { one.id.as_str() } else { one.of.as_str() })
        .collect();
    let finding = |id: &str| {
        let cause = format!("{id} is unmanaged: if it fails it stays down");
        Finding::new("pacemaker-unmanaged", Severity::Notice, id, cause)
            .next(format!("when the work is done: pcs resource manage {id}"))
            .intended()
    };
    names.into_iter().map(finding).collect()
}

/// Resources that run and are configured no more.
fn orphans(status: &ClusterStatus) -> Vec<Finding> {
    let orphans: BTreeSet<&str> =
        status.resources.iter().filter(|one| one.orphaned).map(|one| one.id.as_str()).collect();
    let finding = |id: &str| {
        let cause = format!("{id} is in no configuration any more and is still known (orphaned)");
        Finding::new("pacemaker-orphan", Severity::Notice, id, cause)
            .next(format!("pcs resource cleanup {id}"))
    };
    orphans.into_iter().map(finding).collect()
}

/// Constraints that were made to move something once.
fn moved(best: Seen<'_>) -> Vec<Finding> {
    let all = best.facts.configured.iter().flat_map(|all| &all.moved);
    let finding = |one: &super::facts::Moved| {
        let host = if one.node.is_empty() { "a host" } else { &one.node };
        let what = match one.id.starts_with("cli-prefer-") {
            true => format!("has to run on {host}"),
            false => format!("may not run on {host}"),
        };
        let cause = format!(
            "{} {what}: pcs resource move or ban has left the constraint {} and it goes on to count",
            one.resource, one.id
        );
        Finding::new("pacemaker-moved", Severity::Notice, &one.resource, cause)
            .next(format!("pcs resource clear {}", one.resource))
            .intended()
    };
    all.map(finding).collect()
}
