//! The rules for RabbitMQ.
//!
//! A node alone cannot be judged: on either side of a partition all looks well, and goes on so after the
//! network has healed. `cluster` has what shows only by comparing the nodes, `node` what concerns one,
//! `remedy` the commands to type.

mod cluster;
mod node;
mod remedy;

use super::facts::{Facts, Node};
use crate::answer::Answer;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State};

type One = Member<Facts>;
/// A finding and the index of the member it is about.
type Said = Vec<(Option<usize>, Finding)>;

pub(super) fn judge(members: &[One], context: &Context) -> Judgement {
    let mut said: Said = Vec::new();
    for (index, member) in members.iter().enumerate() {
        said.extend(node::about(member).into_iter().map(|finding| (Some(index), finding)));
    }
    said.extend(cluster::compared(members));
    let serving = members.iter().filter(|member| serves(member)).count();
    let replaced = |member: &One| member.answer.facts().is_some_and(|facts| facts.replaced);
    if serving == 0 && !members.iter().all(replaced) {
        said.push((None, none_serves(members, context)));
    }
    let mut judged = Judgement::default();
    for (index, member) in members.iter().enumerate() {
        let own = said.iter().filter(|(of, _)| *of == Some(index)).map(|(_, finding)| finding.severity);
        let state = own.fold(State::Ok, |state, severity| {
            state.worst(match severity {
                Severity::Notice => State::Ok,
                Severity::Unknown => State::Unknown,
                _ if !serves(member) => State::Failed,
                Severity::Failed => State::Failed,
                Severity::Degraded => State::Degraded,
            })
        });
        judged.members.push(member.verdict(state, role(member)));
    }
    judged.findings = said.into_iter().map(|(_, finding)| finding).collect();
    judged.summary = summary(members, serving);
    judged.risk = risk(members, serving);
    judged
}

/// Whether a node takes clients.
fn serves(member: &One) -> bool {
    member.answer.facts().is_some_and(|facts| facts.greeting.is_some())
}

/// What the nodes that let us in know.
fn known(members: &[One]) -> impl Iterator<Item = (usize, &One, &Node)> {
    members
        .iter()
        .enumerate()
        .filter_map(|(index, member)| Some((index, member, member.answer.facts()?.node.as_ref()?)))
}

fn none_serves(members: &[One], context: &Context) -> Finding {
    let states: Vec<String> = members
        .iter()
        .map(|member| {
            let what = match &member.answer {
                Answer::Got { facts } if facts.node.as_ref().is_some_and(|node| node.drained) => "drained",
                Answer::Got { .. } => "takes no clients",
                other => other.word(),
            };
            format!("{} {what}", member.target.host)
        })
        .collect();
    let unasked = unasked(members);
    if !unasked.is_empty() {
        let cause = format!(
            "no RabbitMQ that was asked serves ({}); the others ({}) were not asked, since nobody who answers names them",
            states.join(", "),
            unasked.join(", ")
        );
        return Finding::new("rabbitmq-none-serves", Severity::Unknown, "", cause)
            .next("aileron services --inventory FILE, with all controllers");
    }
    let severity = if context.missing.is_empty() { Severity::Failed } else { Severity::Unknown };
    let cause = format!(
        "no RabbitMQ serves: OpenStack's services cannot speak to each other ({})",
        states.join(", ")
    );
    let next = members.first().map_or_else(String::new, |member| match &member.answer {
        Answer::Silent { .. } => remedy::unit(member, "restart"),
        Answer::Got { .. } => remedy::ctl(member, "status"),
        _ => format!("{}; the node that stopped last first", remedy::unit(member, "start")),
    });
    Finding::new("rabbitmq-none-serves", severity, "", cause).next(next)
}

/// Nodes that the configuration names and nobody asked: a node that is down names none.
fn unasked(members: &[One]) -> Vec<&str> {
    let nodes = members.iter().filter_map(|member| member.target.settings.get("nodes"));
    let hosts =
        nodes.flat_map(|nodes| nodes.split(',')).filter_map(|name| name.split_once('@')?.1.split('.').next());
    let mut hosts: Vec<&str> =
        hosts.filter(|host| !members.iter().any(|member| member.target.host == *host)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

fn role(member: &One) -> String {
    let Some(facts) = member.answer.facts() else { return String::new() };
    let version = match (&facts.node, &facts.greeting) {
        (Some(node), _) if !node.version.is_empty() => node.version.as_str(),
        (_, Some(greeting)) => greeting.version.as_str(),
        _ => "",
    };
    let state = match &facts.node {
        Some(node) if node.drained => "drained",
        Some(node) if node.broker_runs == Some(false) => "broker stopped",
        _ if facts.replaced => "replaced by aileron",
        _ if facts.greeting.is_none() => "takes no clients",
        _ => "serves",
    };
    [state, version].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The cluster's name is no part of it: it is each node's own until somebody sets one.
fn summary(members: &[One], serving: usize) -> String {
    format!("{serving} of {} nodes serve", members.len())
}

fn risk(members: &[One], serving: usize) -> Risk {
    let critical = known(members).filter_map(|(_, _, node)| node.critical_queues).max().unwrap_or_default();
    let queues = match critical {
        0 => String::new(),
        count => format!("; {count} quorum queues have lost a copy already, and stop with one more"),
    };
    match (serving, members.len()) {
        (0, _) => Risk::default(),
        (1, 1) => Risk::stops(format!("one failure stops RabbitMQ: it has a single node{queues}")),
        (1, _) => Risk::stops(format!("one more failure stops RabbitMQ: a single node serves{queues}")),
        _ => Risk::carried(format!(
            "one more failure takes only the queues that have no copy on another node{queues}"
        )),
    }
}
