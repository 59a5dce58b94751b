//! The rules for Pacemaker: which status to go by, and what is said of the cluster as a whole.
//!
//! The details are next door: `members` (who is there), `fencing`, `addresses`, `resources`, `failures`.

use std::collections::BTreeSet;

use super::facts::{ClusterStatus, Facts, Node};
use super::{addresses, failures, fencing, members, resources};
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, State};

/// A finding, with the member it is about by its number.
pub(super) type Said = (Option<usize>, Finding);

/// The members of one cluster, with those that do not answer.
pub(super) struct Cluster<'a> {
    pub(super) members: Vec<(usize, &'a Member<Facts>)>,
}

/// A member that answers.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) index: usize,
    pub(super) member: &'a Member<Facts>,
    pub(super) facts: &'a Facts,
}

impl<'a> Cluster<'a> {
    /// Those that answer.
    pub(super) fn seen(&self) -> impl Iterator<Item = Seen<'a>> {
        self.members
            .iter()
            .filter_map(|(index, member)| Some(Seen { index: *index, member, facts: member.answer.facts()? }))
    }

    /// The status to go by: of a side with quorum, of the largest, of a member whose corosync answers.
    pub(super) fn best(&self) -> Option<Seen<'a>> {
        let worth = |seen: &Seen<'_>| {
            let status = &seen.facts.status;
            let knows = seen.facts.configured.is_some();
            (!seen.facts.corosync.silent, status.quorum, status.dc.is_some(), online(status).len(), knows)
        };
        // Of equals the first.
        self.seen().reduce(|best, seen| if worth(&seen) > worth(&best) { seen } else { best })
    }

    /// The member that is a node.
    pub(super) fn member_of(&self, node: &str) -> Option<&'a Member<Facts>> {
        self.members.iter().map(|(_, member)| *member).find(|member| node_of(member) == node)
    }
}

/// The name of the node that a member is.
pub(super) fn node_of(member: &Member<Facts>) -> &str {
    let by_id = member.answer.facts().and_then(|facts| {
        let own = &facts.corosync.votes.as_ref()?.own;
        facts.status.nodes.iter().find(|node| node.id == *own && node.kind == "member")
    });
    match by_id {
        Some(node) => &node.name,
        None => member.target.settings.get("node").unwrap_or(&member.target.host),
    }
}

/// The nodes that vote.
pub(super) fn voters(status: &ClusterStatus) -> impl Iterator<Item = &Node> {
    status.nodes.iter().filter(|node| node.kind == "member")
}

/// The names of the voting nodes that are online.
pub(super) fn online(status: &ClusterStatus) -> BTreeSet<&str> {
    voters(status).filter(|node| node.online && !node.pending).map(|node| node.name.as_str()).collect()
}

/// "a", "a and b", "a, b and c".
pub(super) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_string()).collect();
    match names.pop() {
        None => String::new(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}

pub(super) fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
    let mut judged = Judgement::default();
    let mut said: Vec<Said> = Vec::new();
    let (mut summaries, mut risks) = (Vec::new(), Vec::new());
    for cluster in clusters(members) {
        said.extend(findings(&cluster, context));
        summaries.push(summary(&cluster));
        risks.push(risk(&cluster));
    }
    for (index, member) in members.iter().enumerate() {
        let own = said.iter().filter(|(of, _)| *of == Some(index)).map(|(_, finding)| finding.severity);
        let state = member.state(own);
        let idle = member.answer.facts().is_some_and(|facts| !facts.status.quorum);
        let state = if idle { State::Failed } else { state };
        judged.members.push(member.verdict(state, members::role(member)));
    }
    judged.findings = said.into_iter().map(|(_, finding)| finding).collect();
    judged.summary = summaries.join("; ");
    judged.risk = Risk::all(risks);
    judged
}

fn findings(cluster: &Cluster<'_>, context: &Context) -> Vec<Said> {
    let mut said = members::without_answer(cluster);
    let Some(best) = cluster.best() else { return said };
    said.extend(members::quorum(cluster, best).map(|finding| (None, finding)));
    said.extend(members::partitions(cluster, best));
    said.extend(members::corosync(cluster, best));
    said.extend(fencing::switched_off(cluster, best).map(|finding| (None, finding)));
    said.extend(addresses::twice(cluster, best));
    if !best.facts.status.quorum {
        // All is stopped, or about to be; what follows from that would only hide it.
        return said;
    }
    let all = members::nodes(cluster, best, context)
        .into_iter()
        .chain(members::intended(best))
        .chain(fencing::about(best))
        .chain(addresses::nowhere(cluster, best))
        .chain(resources::about(best, context.now))
        .chain(failures::about(best, context.now));
    said.extend(all.map(|finding| (members::index_of(cluster, &finding.subject), finding)));
    said
}

/// Members are of one cluster if they know a node in common. Who does not answer belongs to the one that
/// knows it, else to the first.
fn clusters(members: &[Member<Facts>]) -> Vec<Cluster<'_>> {
    let mut found: Vec<(BTreeSet<&str>, Cluster<'_>)> = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let Some(facts) = member.answer.facts() else { continue };
        let names: BTreeSet<&str> = voters(&facts.status).map(|node| node.name.as_str()).collect();
        match found.iter_mut().find(|(known, _)| !known.is_disjoint(&names)) {
            Some((known, cluster)) => {
                known.extend(names);
                cluster.members.push((index, member));
            }
            None => found.push((names, Cluster { members: vec![(index, member)] })),
        }
    }
    for (index, member) in members.iter().enumerate().filter(|(_, member)| member.answer.facts().is_none()) {
        let listed = member.target.settings.get("nodes").map(String::as_str).unwrap_or_default();
        let is_of = |known: &BTreeSet<&str>| {
            known.contains(node_of(member)) || listed.split(',').any(|name| known.contains(name))
        };
        let place = found.iter().position(|(known, _)| is_of(known)).unwrap_or(0);
        match found.get_mut(place) {
            Some((_, cluster)) => cluster.members.push((index, member)),
            None => found.push((BTreeSet::new(), Cluster { members: vec![(index, member)] })),
        }
    }
    found.into_iter().map(|(_, cluster)| cluster).collect()
}

/// "DC controller-0, with quorum, 3 of 3 hosts online, 33 resources".
fn summary(cluster: &Cluster<'_>) -> String {
    let Some(best) = cluster.best() else {
        return match cluster.members.len() {
            1 => "the host that should run it does not show the cluster".to_string(),
            count => format!("none of the {count} hosts that should run it shows the cluster"),
        };
    };
    let status = &best.facts.status;
    let dc = status.dc.as_ref().map_or_else(|| "no DC".to_string(), |dc| format!("DC {dc}"));
    let quorum = if status.quorum { "with quorum" } else { "without quorum" };
    let running = status.resources.iter().filter(|one| !one.nodes.is_empty() && !one.orphaned).count();
    format!(
        "{dc}, {quorum}, {} of {} hosts online, {running} resources run",
        online(status).len(),
        voters(status).count()
    )
}

/// How many more hosts may be lost.
fn risk(cluster: &Cluster<'_>) -> Risk {
    let Some(best) = cluster.best() else { return Risk::default() };
    let status = &best.facts.status;
    let here = online(status).len() as u64;
    let all = voters(status).count() as u64;
    let votes = best.facts.corosync.votes.as_ref();
    let (left, needed) = votes.map_or((here, all / 2 + 1), |votes| (votes.total, votes.needed));
    let has = |flag: &str| votes.is_some_and(|votes| votes.flags.iter().any(|one| one == flag));
    let mut risk = match left.checked_sub(needed) {
        _ if !status.quorum && status.no_quorum_policy == "ignore" => {
            Risk::carried("nothing stops two sides from running the same resources")
        }
        None if !status.quorum => {
            Risk::carried(format!("nothing runs until {needed} votes are together again"))
        }
        _ if all <= 1 => Risk::stops("one failure stops everything: the cluster has a single host"),
        _ if here <= 1 => Risk::stops("one more failure stops everything: this is the last host"),
        None | Some(0) => Risk::stops(format!(
            "one more host lost stops all resources: {left} votes are left and {needed} are needed"
        )),
        // Each counts the votes of those that are left, down to one.
        Some(_) if has("LastManStanding") => Risk::carried("hosts may be lost one after the other"),
        Some(1) => Risk::carried("one more host may be lost, a second one stops all resources"),
        Some(spare) => {
            Risk::carried(format!("{spare} more hosts may be lost, the next one stops all resources"))
        }
    };
    if status.quorum && all > 1 && !status.fencing {
        risk.words.push_str("; with fencing off a lost host may keep what it has");
    }
    risk
}
