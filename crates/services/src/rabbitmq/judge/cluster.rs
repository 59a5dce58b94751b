//! What shows only by comparing the nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::{One, Said, known, remedy, serves};
use crate::rabbitmq::facts::Node;
use crate::verdict::{Finding, Severity};

pub(super) fn compared(members: &[One]) -> Said {
    let mut said: Said = alarms(members);
    said.extend(partition(members).map(|finding| (None, finding)));
    said.extend(clusters(members).map(|finding| (None, finding)));
    said.extend(unasked(members).map(|finding| (None, finding)));
    said.extend(versions(members).map(|finding| (None, finding)));
    said.extend(unread(members).map(|finding| (None, finding)));
    said
}

/// The nodes whose broker runs, with what they know.
fn brokers(members: &[One]) -> Vec<(usize, &One, &Node)> {
    known(members)
        .filter(|(_, _, node)| node.broker_runs != Some(false) && !node.running.is_empty())
        .collect()
}

fn hosts<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| host(name)).collect::<Vec<_>>().join(", ")
}

fn host(name: &str) -> &str {
    name.split_once('@').map_or(name, |(_, host)| host)
}

/// Nodes that run and do not see each other. RabbitMQ does not mend this by itself (unless told to): after
/// the network is whole again each side goes on for itself until one of them is restarted.
fn partition(members: &[One]) -> Option<Finding> {
    let brokers = brokers(members);
    let blind = |node: &Node| {
        brokers.iter().any(|(_, _, other)| {
            other.name != node.name
                && node.members.contains(&other.name)
                && !node.running.contains(&other.name)
        })
    };
    let noticed: BTreeSet<&String> = brokers.iter().flat_map(|(_, _, node)| &node.partitions).collect();
    if noticed.is_empty() && !brokers.iter().any(|(_, _, node)| blind(node)) {
        return None;
    }
    let mut sides: BTreeMap<&BTreeSet<String>, Vec<&One>> = BTreeMap::new();
    for (_, member, node) in &brokers {
        sides.entry(&node.running).or_default().push(member);
    }
    let mut sides: Vec<_> = sides.into_iter().collect();
    sides.sort_by_key(|(running, asked)| std::cmp::Reverse((running.len(), asked.len())));
    let told: Vec<String> = sides.iter().map(|(running, _)| format!("({})", hosts(*running))).collect();
    let told = match told.as_slice() {
        [one] => format!("{one} against {}", hosts(noticed.iter().copied())),
        several => several.join(" against "),
    };
    let lost: Vec<String> =
        sides.iter().skip(1).flat_map(|(_, asked)| asked.iter().map(|one| restart(one))).collect();
    let next = match lost.as_slice() {
        [] => format!("on {}: systemctl restart rabbitmq-server", hosts(noticed)),
        several => several.join("; "),
    };
    let cause = format!(
        "the network was split and RabbitMQ's nodes go on apart: {}; each side has its own queues, and what the side that is restarted has taken since is lost",
        told
    );
    Some(Finding::new("rabbitmq-partition", Severity::Failed, "", cause).next(next))
}

/// Only the broker: the Erlang node keeps its place.
fn restart(member: &One) -> String {
    format!("{} && {}", remedy::ctl(member, "stop_app"), remedy::bare_ctl(member, "start_app"))
}

/// An alarm on one node blocks the publishers of all.
fn alarms(members: &[One]) -> Said {
    let standing: BTreeSet<&(String, String)> =
        known(members).flat_map(|(_, _, node)| &node.alarms).collect();
    let mut said = Vec::new();
    for (name, what) in standing {
        let own = known(members).find(|(_, _, node)| node.name == *name);
        let host = own.map_or(host(name), |(_, member, _)| member.target.host.as_str());
        let figures = |pair: Option<(u64, u64)>, words: &str| {
            pair.map_or_else(String::new, |(one, two)| format!(" ({} MiB {words} {})", one >> 20, two >> 20))
        };
        let (code, severity, cause, next) = match what.as_str() {
            "memory" => {
                let figures = figures(own.and_then(|(_, _, node)| node.memory), "used, the limit is");
                (
                    "rabbitmq-memory-alarm",
                    Severity::Failed,
                    format!("memory{figures}"),
                    "list_queues name memory messages",
                )
            }
            "disk" => {
                let figures = figures(own.and_then(|(_, _, node)| node.disk), "free, the limit is");
                ("rabbitmq-disk-alarm", Severity::Failed, format!("disk space{figures}"), "")
            }
            _ => ("rabbitmq-alarm", Severity::Degraded, what.clone(), "status"),
        };
        let cause = match severity {
            Severity::Failed => format!("all publishers are blocked: RabbitMQ on {host} is short of {cause}"),
            _ => format!("RabbitMQ on {host} has the alarm {cause}"),
        };
        let next = match (own, next) {
            (_, "") => format!("on {host}: df -h /var/lib/rabbitmq, and make space"),
            (Some((_, member, _)), words) => remedy::ctl(member, words),
            (None, words) => format!("on {host}: rabbitmqctl {words}"),
        };
        let index = own.map(|(index, ..)| index);
        said.push((index, Finding::new(code, severity, host, cause).next(next)));
    }
    said
}

/// Nodes that were set up apart: each has its own users and queues. By their lists of members: the name that a
/// cluster greets with is each node's own until somebody sets one.
fn clusters(members: &[One]) -> Option<Finding> {
    let mut groups: BTreeMap<&BTreeSet<String>, Vec<&str>> = BTreeMap::new();
    for (_, member, node) in known(members).filter(|(_, _, node)| !node.members.is_empty()) {
        groups.entry(&node.members).or_default().push(&member.target.host);
    }
    let strangers = groups.keys().any(|one| groups.keys().any(|other| one.is_disjoint(other)));
    let told: Vec<String> = groups.values().map(|hosts| hosts.join(", ")).collect();
    strangers.then(|| {
        let cause = format!("RabbitMQ's nodes are of different clusters, each with its own users and queues: {}", told.join("; "));
        Finding::new("rabbitmq-different-clusters", Severity::Degraded, "", cause)
            .next("on the one that is to join: rabbitmqctl stop_app, reset, join_cluster NODE, start_app; it loses what it holds")
    })
}

/// Members of the cluster that nobody sees running, and that could not be asked either.
fn unasked(members: &[One]) -> Option<Finding> {
    let listed: BTreeSet<&String> = known(members).flat_map(|(_, _, node)| &node.members).collect();
    let running: BTreeSet<&String> = known(members).flat_map(|(_, _, node)| &node.running).collect();
    let short = |name: &str| host(name).split('.').next().unwrap_or_default().to_string();
    let asked = |name: &String| {
        members.iter().any(|member| member.target.host.split('.').next() == Some(&short(name)))
    };
    let lost: Vec<&String> =
        listed.into_iter().filter(|name| !running.contains(name) && !asked(name)).collect();
    let first = lost.first()?;
    let cause = format!("the cluster has members that do not run: {}", hosts(lost.iter().copied()));
    Some(
        Finding::new("rabbitmq-member-missing", Severity::Degraded, host(first), cause)
            .next(format!("start it, or for good: rabbitmqctl forget_cluster_node {first}")),
    )
}

fn versions(members: &[One]) -> Option<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in members {
        let greeting = member.answer.facts().and_then(|facts| facts.greeting.as_ref());
        if let Some(greeting) = greeting.filter(|greeting| !greeting.version.is_empty()) {
            versions.entry(&greeting.version).or_default().push(&member.target.host);
        }
    }
    (versions.len() > 1).then(|| {
        let told: Vec<String> = versions
            .into_iter()
            .map(|(version, hosts)| format!("{version} on {}", hosts.join(", ")))
            .collect();
        let cause = format!("RabbitMQ's nodes are of different versions: {}", told.join("; "));
        Finding::new("rabbitmq-versions-differ", Severity::Notice, "", cause)
            .next("finish the upgrade: rabbitmqctl cluster_status")
    })
}

/// Nobody let us in: clients are served, and what else there is is not known.
fn unread(members: &[One]) -> Option<Finding> {
    if known(members).next().is_some() {
        return None;
    }
    let first = members.iter().find(|member| serves(member))?;
    let why = first.answer.facts().map(|facts| facts.unread.as_str()).unwrap_or_default();
    let cause = format!(
        "RabbitMQ greets its clients; whether it has alarms or partitions could not be read: it {why}"
    );
    Some(Finding::new("rabbitmq-unread", Severity::Notice, "", cause).next(super::super::LET_IN))
}
