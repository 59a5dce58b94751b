//! Who is there: members that do not answer, sides that do not see each other, hosts that are off, joining,
//! in standby or in maintenance.

use std::collections::BTreeSet;

use super::facts::{Facts, Node};
use super::judge::{Cluster, Said, Seen, list, node_of, online, voters};
use crate::answer::Answer;
use crate::service::{Context, Member};
use crate::verdict::{Finding, Severity};

/// The number of the member that is a node, if it was asked.
pub(super) fn index_of(cluster: &Cluster<'_>, node: &str) -> Option<usize> {
    cluster.members.iter().find(|(_, member)| node_of(member) == node).map(|(index, _)| *index)
}

/// What a member is, in a word or two.
pub(super) fn role(member: &Member<Facts>) -> String {
    let Some(facts) = member.answer.facts() else { return String::new() };
    let name = node_of(member);
    let own = facts.status.nodes.iter().find(|node| node.name == name);
    let mut words = vec![match own {
        _ if facts.status.dc.as_deref() == Some(name) => "DC",
        Some(node) if node.kind == "remote" => "remote",
        Some(node) if node.pending => "joining",
        Some(node) if node.online => "online",
        _ => "offline",
    }];
    words.extend((!facts.status.quorum).then_some("without quorum"));
    words.extend(own.filter(|node| node.standby || node.standby_on_fail).map(|_| "standby"));
    words.extend(own.filter(|node| node.maintenance).map(|_| "maintenance"));
    words.join(", ")
}

/// Members that do not show the cluster.
pub(super) fn without_answer(cluster: &Cluster<'_>) -> Vec<Said> {
    let best = cluster.best();
    let finding = |(index, member): &(usize, &Member<Facts>)| {
        let trouble = member.answer.trouble()?;
        let host = &member.target.host;
        let remote = member.target.settings.contains_key("remote");
        let start = if remote { "systemctl start pacemaker_remote" } else { "pcs cluster start" };
        let (code, severity, next) = match &member.answer {
            Answer::Silent { .. } => (
                "pacemaker-silent",
                Severity::Degraded,
                format!("on {host}: journalctl -u pacemaker -u corosync -n 50, then restart what hangs"),
            ),
            Answer::Down { .. } => ("pacemaker-down", Severity::Degraded, format!("on {host}: {start}")),
            Answer::Denied { .. } => (
                "pacemaker-denied",
                Severity::Unknown,
                "usermod -aG haclient USER, or run as root".to_string(),
            ),
            _ => ("pacemaker-broken", Severity::Degraded, format!("on {host}: crm_mon -1")),
        };
        // Nobody is left who would say that the others go on.
        let severity = match (best, severity) {
            (None, Severity::Degraded) => Severity::Failed,
            (_, severity) => severity,
        };
        let why = if member.target.seen { String::new() } else { format!(" ({})", member.target.evidence) };
        let others = best.map(|best| seen_by(best, node_of(member))).unwrap_or_default();
        let what = if remote { "Pacemaker's remote daemon" } else { "Pacemaker" };
        let cause = format!("{what} on {host} {trouble}{why}{others}");
        Some((Some(*index), Finding::new(code, severity, host, cause).next(next)))
    };
    cluster.members.iter().filter_map(finding).collect()
}

/// What the cluster says of a node that says nothing.
fn seen_by(best: Seen<'_>, name: &str) -> String {
    let Some(node) = best.facts.status.nodes.iter().find(|node| node.name == name) else {
        return String::new();
    };
    let state = match node {
        _ if node.unclean => "unclean: it has to be fenced before others take over".to_string(),
        _ if node.online => "online still".to_string(),
        _ => format!("offline: {}", how_lost(best, node)),
    };
    format!("; {} sees it {state}", node_of(best.member))
}

/// How a node went that is offline.
fn how_lost(best: Seen<'_>, node: &Node) -> &'static str {
    let fenced = best.facts.status.fencings.iter().find(|one| one.target == node.name);
    match fenced {
        Some(one) if one.status == "success" && one.action != "on" => "it was fenced",
        _ if has_left(best, node) => "it has taken leave",
        _ => "it was lost without taking leave",
    }
}

/// Whether a node went by itself: then nothing runs there any more.
pub(super) fn has_left(best: Seen<'_>, node: &Node) -> bool {
    node.expected_up == Some(false)
        || best.facts.configured.as_ref().is_some_and(|all| all.left.contains(&node.name))
}

/// Members that see the same.
struct Side<'a> {
    online: BTreeSet<&'a str>,
    dc: Option<&'a str>,
    quorum: bool,
    members: Vec<Seen<'a>>,
}

impl Side<'_> {
    fn names(&self) -> Vec<&str> {
        self.members.iter().map(|seen| node_of(seen.member)).collect()
    }

    /// "controller-2 sees only itself (DC controller-2, without quorum)".
    fn tell(&self) -> String {
        let names = self.names();
        let verb = if names.len() == 1 { "sees" } else { "see" };
        let among_themselves = names.len() > 1 && self.online == names.iter().copied().collect();
        let whom = match (self.online.first(), self.online.len(), names.as_slice()) {
            _ if among_themselves => "each other".to_string(),
            (None, ..) => "nobody".to_string(),
            (Some(one), 1, [name]) if one == name => "only itself".to_string(),
            _ => list(&self.online),
        };
        let dc = self.dc.map_or_else(|| "no DC".to_string(), |dc| format!("DC {dc}"));
        let quorum = if self.quorum { "with quorum" } else { "without quorum" };
        format!("{} {verb} {whom} ({dc}, {quorum})", list(names))
    }
}

/// What the members see, the same put together. A corosync that hangs shows what once was.
fn sides<'a>(cluster: &Cluster<'a>) -> Vec<Side<'a>> {
    let mut sides: Vec<Side<'a>> = Vec::new();
    for seen in cluster.seen().filter(|seen| !seen.facts.corosync.silent) {
        let status = &seen.facts.status;
        let (online, dc, quorum) = (online(status), status.dc.as_deref(), status.quorum);
        match sides.iter_mut().find(|side| side.online == online && side.dc == dc && side.quorum == quorum) {
            Some(side) => side.members.push(seen),
            None => sides.push(Side { online, dc, quorum, members: vec![seen] }),
        }
    }
    sides
}

/// Whether anybody has quorum.
pub(super) fn quorum(cluster: &Cluster<'_>, best: Seen<'_>) -> Option<Finding> {
    let status = &best.facts.status;
    if status.quorum {
        let cause =
            "Pacemaker has quorum and no DC: nothing is started, moved or recovered until one is elected";
        return status.dc.is_none().then(|| {
            Finding::new("pacemaker-no-dc", Severity::Degraded, "", cause)
                .next("crm_mon -1; if it stays, journalctl -u pacemaker on each host")
        });
    }
    let told: Vec<String> = match sides(cluster) {
        sides if sides.is_empty() => vec![format!("{} has none", node_of(best.member))],
        sides => sides.iter().map(Side::tell).collect(),
    };
    let votes = best.facts.corosync.votes.as_ref().map_or_else(String::new, |votes| {
        let waits = votes.flags.iter().any(|flag| flag == "WaitForAll") && votes.total >= votes.needed;
        let waits = if waits { "; after a start it waits to see all hosts (wait_for_all)" } else { "" };
        format!(", {} of {} votes where {} are needed{waits}", votes.total, votes.expected, votes.needed)
    });
    let policy = match status.no_quorum_policy.as_str() {
        "ignore" => "everything goes on all the same (no-quorum-policy=ignore), on the other side too",
        "freeze" => "what runs goes on, nothing is started or moved (no-quorum-policy=freeze)",
        "suicide" | "fence" => "the hosts without quorum are fenced (no-quorum-policy)",
        "demote" => "promoted resources are demoted, the others stop (no-quorum-policy=demote)",
        _ => "all resources are stopped there",
    };
    // Those that it does not see may be well among themselves, if nobody asked them.
    let away: Vec<&Node> =
        voters(status).filter(|node| !online(status).contains(node.name.as_str())).collect();
    let unasked: Vec<&str> =
        away.iter().map(|node| node.name.as_str()).filter(|name| cluster.member_of(name).is_none()).collect();
    let others = match unasked.as_slice() {
        [] => String::new(),
        names => format!("; {} may go on without it, and were not heard", list(names)),
    };
    let down = away.iter().find(|node| {
        cluster.member_of(&node.name).is_some_and(|member| matches!(member.answer, Answer::Down { .. }))
    });
    let next = match (down, unasked.first()) {
        (Some(node), _) => format!("on {}: pcs cluster start", node.name),
        (None, Some(name)) => format!("on {name}: crm_mon -1, and corosync-cfgtool -n on both sides"),
        (None, None) => "corosync-cfgtool -n on each host, then look at the network between them".to_string(),
    };
    let cause = format!("Pacemaker has no quorum: {}{votes}; {policy}{others}", told.join(", "));
    Some(Finding::new("pacemaker-no-quorum", Severity::Failed, "", cause).next(next))
}

/// Sides that do not see what the best one sees.
pub(super) fn partitions(cluster: &Cluster<'_>, best: Seen<'_>) -> Vec<Said> {
    let sides = sides(cluster);
    let Some(first) = sides.iter().find(|side| side.members.iter().any(|seen| seen.index == best.index))
    else {
        return Vec::new();
    };
    let mut said = Vec::new();
    for side in &sides {
        if side.members.iter().any(|seen| seen.index == best.index) || !first.quorum {
            continue;
        }
        let both = format!("{}, while {}", side.tell(), first.tell());
        let apart = side.online.is_disjoint(&first.online);
        let (code, severity, cause) = match (side.quorum, apart) {
            (true, true) => (
                "pacemaker-split-brain",
                Severity::Failed,
                format!("the cluster is split and both sides run everything: {both}"),
            ),
            (false, true) => (
                "pacemaker-partitioned",
                Severity::Degraded,
                format!("the cluster is split: {both}; the side without quorum stops its resources"),
            ),
            _ => (
                "pacemaker-views-differ",
                Severity::Degraded,
                format!("the members do not see the same cluster: {both}"),
            ),
        };
        let index = side.members.first().map(|seen| seen.index);
        let next = "corosync-cfgtool -n on each host, then look at the network between them";
        said.push((index, Finding::new(code, severity, &list(side.names()), cause).next(next)));
    }
    said
}

/// What is wrong with the layer below.
pub(super) fn corosync(cluster: &Cluster<'_>, best: Seen<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for seen in cluster.seen() {
        let host = node_of(seen.member);
        if seen.facts.corosync.silent {
            let others = match voters(&best.facts.status).find(|node| node.name == host) {
                Some(node) if best.index != seen.index && !node.online => {
                    format!("; {} sees it offline", node_of(best.member))
                }
                _ => String::new(),
            };
            let cause = format!(
                "corosync on {host} does not answer: what Pacemaker shows there may be long past{others}"
            );
            let severity = if best.index == seen.index { Severity::Failed } else { Severity::Degraded };
            let finding = Finding::new("pacemaker-corosync-silent", severity, host, cause);
            said.push((Some(seen.index), finding.next(format!("on {host}: systemctl status corosync"))));
        }
        let here = online(&seen.facts.status);
        for fault in &seen.facts.corosync.faults {
            let peer = voters(&seen.facts.status).find(|node| node.id == fault.node);
            // No link leads to a host that is off.
            if peer.is_some_and(|node| !here.contains(node.name.as_str()))
                || (peer.is_none() && !fault.node.is_empty())
            {
                continue;
            }
            let to = peer.map_or_else(String::new, |node| format!(" to {}", node.name));
            let cause = format!(
                "corosync's link {} of {host}{to} is {}; the cluster holds by another link",
                fault.link, fault.state
            );
            let finding = Finding::new("pacemaker-link-down", Severity::Degraded, host, cause);
            said.push((Some(seen.index), finding.next(format!("on {host}: corosync-cfgtool -n"))));
        }
    }
    said
}

/// Hosts that are not as they should be, and nobody said so on purpose.
pub(super) fn nodes(cluster: &Cluster<'_>, best: Seen<'_>, context: &Context) -> Vec<Finding> {
    let status = &best.facts.status;
    let mut findings = Vec::new();
    for node in status.nodes.iter().filter(|node| node.kind != "guest") {
        let name = &node.name;
        let asked = cluster.member_of(name);
        let refused = status.fencings.iter().any(|one| one.target == *name && one.status == "failed");
        if node.unclean && !refused {
            let cause = format!(
                "{name} is unclean: it may still run what it ran, and nothing of that is started elsewhere until it is fenced"
            );
            let next = format!("pcs stonith fence {name}; if it is surely off: pcs stonith confirm {name}");
            findings.push(Finding::new("pacemaker-node-unclean", Severity::Degraded, name, cause).next(next));
        } else if !node.online && !node.unclean && asked.is_none() {
            let itself = match context.missing.contains(name) {
                true => "did not answer us either",
                false => "was not asked itself",
            };
            let cause = format!("{name} is offline ({}) and {itself}", how_lost(best, node));
            let next = format!("on {name}: pcs cluster start, if the host is up");
            findings.push(Finding::new("pacemaker-node-offline", Severity::Degraded, name, cause).next(next));
        }
        if node.pending {
            let cause = format!("{name} is joining the cluster and does not take part yet");
            let next = format!("if it stays so, on {name}: journalctl -u pacemaker -n 50");
            findings.push(Finding::new("pacemaker-node-joining", Severity::Degraded, name, cause).next(next));
        }
        if node.standby_on_fail {
            let cause =
                format!("{name} was put into standby by a failure (on-fail=standby): it runs nothing");
            let next = format!("pcs resource cleanup node={name}");
            findings.push(
                Finding::new("pacemaker-node-standby-failed", Severity::Degraded, name, cause).next(next),
            );
        }
        if matches!(node.health.as_str(), "red" | "yellow") {
            let cause = format!("the health of {name} is {}", node.health);
            findings.push(
                Finding::new("pacemaker-node-health", Severity::Degraded, name, cause)
                    .next(format!("crm_mon -1A, attributes #health of {name}")),
            );
        }
    }
    // "<3.15.1" is told of an old host, and of one that has lost its attributes after a partition.
    let is_known = |node: &&Node| !node.feature_set.is_empty() && !node.feature_set.starts_with('<');
    let there = || voters(status).filter(|node| node.online);
    let sets: BTreeSet<&str> = there().filter(is_known).map(|node| node.feature_set.as_str()).collect();
    if sets.len() > 1 || status.mixed_versions && there().all(|node| is_known(&node)) {
        let each: Vec<String> = voters(status)
            .map(|node| format!("{} {}", node.name, node.feature_set).trim().to_string())
            .collect();
        let cause =
            format!("the hosts run different versions of Pacemaker (feature sets: {})", each.join(", "));
        findings.push(
            Finding::new("pacemaker-versions-differ", Severity::Notice, "", cause).next("finish the update"),
        );
    }
    findings
}

/// What an operator wanted of hosts, or of all.
pub(super) fn intended(best: Seen<'_>) -> Vec<Finding> {
    let status = &best.facts.status;
    let mut findings = Vec::new();
    if status.maintenance {
        let cause = "the whole cluster is in maintenance: nothing is watched, and what fails stays down";
        findings.push(
            Finding::new("pacemaker-maintenance", Severity::Degraded, "", cause)
                .next("when the work is done: pcs property set maintenance-mode=false")
                .intended(),
        );
    }
    if status.stop_all {
        let cause = "all resources are to be stopped (stop-all-resources=true)";
        findings.push(
            Finding::new("pacemaker-stop-all", Severity::Failed, "", cause)
                .next("pcs property set stop-all-resources=false")
                .intended(),
        );
    }
    if status.no_quorum_policy == "ignore" && voters(status).count() > 2 {
        let cause =
            "no-quorum-policy is ignore: hosts that are cut off go on, and both sides run the same resources";
        findings.push(
            Finding::new("pacemaker-quorum-ignored", Severity::Degraded, "", cause)
                .next("pcs property set no-quorum-policy=stop"),
        );
    }
    for node in status.nodes.iter().filter(|node| node.kind != "guest") {
        let name = &node.name;
        if node.maintenance && !status.maintenance {
            let cause = format!(
                "{name} is in maintenance: what runs there is not watched, and what fails stays down"
            );
            findings.push(
                Finding::new("pacemaker-node-maintenance", Severity::Degraded, name, cause)
                    .next(format!("when the work is done: pcs node unmaintenance {name}"))
                    .intended(),
            );
        }
        if node.standby {
            let cause = format!("{name} is in standby: it runs nothing, and still has its vote");
            findings.push(
                Finding::new("pacemaker-node-standby", Severity::Notice, name, cause)
                    .next(format!("when the work is done: pcs node unstandby {name}"))
                    .intended(),
            );
        }
    }
    findings
}
