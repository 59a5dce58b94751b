//! Addresses that move with their resources: where they really are. Pacemaker's status is what its
//! monitors said; the hosts know better.

use std::net::IpAddr;

use super::facts::{Address, Facts};
use super::judge::{Cluster, Said, Seen, list, node_of};
use crate::answer::Answer;
use crate::service::Member;
use crate::verdict::{Finding, Severity};

/// The members that have an address.
fn holders<'a>(cluster: &Cluster<'a>, ip: &str) -> Vec<(usize, &'a Member<Facts>)> {
    let Ok(wanted) = ip.parse::<IpAddr>() else { return Vec::new() };
    let has = |member: &Member<Facts>| {
        let own = member.target.settings.get("addresses").map(String::as_str).unwrap_or_default();
        own.split(',').any(|one| one.parse::<IpAddr>().is_ok_and(|one| one == wanted))
    };
    cluster.members.iter().filter(|(_, member)| has(member)).copied().collect()
}

fn addresses<'a>(best: Seen<'a>) -> impl Iterator<Item = &'a Address> {
    best.facts.configured.iter().flat_map(|all| &all.addresses)
}

/// Where Pacemaker has a resource active.
fn active<'a>(best: Seen<'a>, resource: &str) -> Vec<&'a str> {
    let all = best.facts.status.resources.iter().filter(|one| one.id == resource);
    all.flat_map(|one| &one.nodes).map(String::as_str).collect()
}

/// Addresses that two hosts have at once.
pub(super) fn twice(cluster: &Cluster<'_>, best: Seen<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for address in addresses(best) {
        let holders = holders(cluster, &address.ip);
        if holders.len() < 2 {
            continue;
        }
        let meant = active(best, &address.resource);
        let wrong = holders.iter().find(|(_, member)| !meant.contains(&node_of(member)));
        let names: Vec<&str> = holders.iter().map(|(_, member)| node_of(member)).collect();
        let why = wrong.map_or_else(String::new, |(_, member)| {
            let state = match &member.answer {
                Answer::Down { .. } => "Pacemaker is down there and nobody has fenced it",
                Answer::Silent { .. } => "Pacemaker hangs there and nobody has fenced it",
                Answer::Got { facts } if facts.corosync.silent => {
                    "corosync hangs there and nobody has fenced it"
                }
                Answer::Got { facts } if active_there(facts, address, node_of(member)) => {
                    "it does not see the others and goes on"
                }
                _ => "it should not have it any more",
            };
            format!(": {} has kept it ({state})", node_of(member))
        });
        let cause =
            format!("the address {} ({}) is on {} at once{why}", address.ip, address.resource, list(&names));
        let next = wrong.map_or_else(
            || format!("ip -o addr show to {} on each, and take it from one", address.ip),
            |(_, member)| {
                let host = node_of(member);
                format!(
                    "power off {host}, or on {host}: ip addr del {} from its device, then pcs cluster start",
                    address.ip
                )
            },
        );
        let index = wrong.map(|(index, _)| *index);
        let subject = address.resource.as_str();
        said.push((
            index,
            Finding::new("pacemaker-address-twice", Severity::Failed, subject, cause).next(next),
        ));
    }
    said
}

fn active_there(facts: &Facts, address: &Address, node: &str) -> bool {
    let mut all = facts.status.resources.iter().filter(|one| one.id == address.resource);
    all.any(|one| one.nodes.iter().any(|name| name == node))
}

/// Addresses that are not where Pacemaker has them active: nobody looked since, as in maintenance.
pub(super) fn nowhere(cluster: &Cluster<'_>, best: Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for address in addresses(best) {
        let meant = active(best, &address.resource);
        let [node] = meant.as_slice() else { continue };
        // An online host only: what is said of others is told elsewhere.
        let there = cluster.member_of(node).filter(|member| matches!(member.answer, Answer::Got { .. }));
        let moving = best
            .facts
            .status
            .resources
            .iter()
            .any(|one| one.id == address.resource && !one.pending.is_empty());
        if there.is_none()
            || moving
            || address.ip.parse::<IpAddr>().is_err()
            || !holders(cluster, &address.ip).is_empty()
        {
            continue;
        }
        let cause = format!(
            "Pacemaker shows {} started on {node}, and {node} does not have the address {}",
            address.resource, address.ip
        );
        let next = format!("pcs resource refresh {}; in maintenance: ip addr add it there", address.resource);
        findings.push(
            Finding::new("pacemaker-address-missing", Severity::Failed, &address.resource, cause).next(next),
        );
    }
    findings
}
