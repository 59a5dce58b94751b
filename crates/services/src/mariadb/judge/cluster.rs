//! All members together: one Primary Component, complete, and of one mind.

use std::collections::BTreeSet;

use super::{One, Stand, bootstrap, node, remedy};
use crate::mariadb::facts::{Galera, known};
use crate::mariadb::find::configured;
use crate::mariadb::options::host_of;
use crate::place::Place;
use crate::service::{Context, Judgement};
use crate::verdict::{Finding, Risk, Severity};

/// Hosts that the configuration names and that do not run a server because they run the arbitrator: the
/// view counts one that has no address for clients.
pub(super) fn arbitrators(stands: &[(&One, Stand)]) -> Vec<String> {
    let local = stands.iter().filter(|(_, stand)| matches!(stand, Stand::Arbitrator));
    let mut found: Vec<String> = local.map(|(member, _)| member.target.host.clone()).collect();
    let votes = primaries(stands)
        .map(|(_, galera)| galera.size.saturating_sub(galera.incoming.len() as u64))
        .max()
        .unwrap_or_default();
    for (member, stand) in stands {
        let remote = !member.target.settings.contains_key("datadir");
        if (found.len() as u64) < votes && remote && matches!(stand, Stand::Stopped) {
            found.push(member.target.host.clone());
        }
    }
    found
}

/// A member that refuses connections while the others count it and one of them gives its data away joins:
/// its port opens when it has them. From its own host its process is seen, from the others only this.
pub(super) fn mark_joiners(stands: &mut [(&One, Stand)]) {
    let donor = primaries(stands).find(|(_, galera)| galera.state == node::DONOR && !galera.desync);
    let Some((_, donor)) = donor else { return };
    let incoming = donor.incoming.clone();
    for (member, stand) in stands.iter_mut().filter(|(_, stand)| matches!(stand, Stand::Stopped)) {
        let Place::Tcp(address, _) = &member.target.place else { continue };
        if incoming.iter().any(|one| host_of(one) == *address) {
            *stand = Stand::Starting;
        }
    }
}

fn primaries<'a>(stands: &'a [(&'a One, Stand<'a>)]) -> impl Iterator<Item = (&'a One, &'a Galera)> {
    stands.iter().filter_map(|(member, stand)| match stand {
        Stand::Primary(server) => Some((*member, &server.galera)),
        _ => None,
    })
}

/// Says what concerns the cluster. `stands` is without arbitrators, whose number is `votes`.
pub(super) fn judge(stands: &[(&One, Stand)], votes: u64, context: &Context, judged: &mut Judgement) {
    let primary: Vec<(&One, &Galera)> = primaries(stands).collect();
    let expected = expected(stands, votes);
    judged.findings.extend(split(&primary));
    judged.findings.extend(views(&primary));
    judged.findings.extend(incomplete(stands, &primary, expected, judged));
    judged.findings.extend(unasked(stands.len() as u64 + votes, &primary, expected, context));
    if !stands.iter().any(|(member, stand)| node::serves(member, *stand)) {
        nobody(stands, expected, context, judged);
    }
    let size = primary.iter().map(|(_, galera)| galera.size).max().unwrap_or_default();
    judged.summary = match primary.first() {
        Some((_, galera)) => {
            let view = galera.conf_id.map(|id| format!(", view {id}")).unwrap_or_default();
            format!("{size} of {expected} members in the Primary Component{view}")
        }
        None => format!("none of {expected} members is known to be in a Primary Component"),
    };
    let gone = stands.iter().filter(|(_, stand)| matches!(stand, Stand::Stopped | Stand::Unseen)).count();
    // Those that do not let us in may well be Primary.
    let hidden = primary.is_empty() && stands.iter().any(|(_, stand)| matches!(stand, Stand::Shut));
    judged.risk = if hidden { Risk::default() } else { risk(&primary, size, gone as u64) };
}

/// Members there should be: those that some member's configuration names, at least those found.
fn expected(stands: &[(&One, Stand)], votes: u64) -> u64 {
    let named = stands.iter().map(|(member, _)| {
        let facts = member.answer.facts().cloned().unwrap_or_default();
        configured(&member.target, &facts).into_iter().collect::<BTreeSet<_>>().len()
    });
    (named.max().unwrap_or_default() as u64).max(stands.len() as u64 + votes)
}

/// Two Primary Components: different histories, or one history continued twice.
fn split(primary: &[(&One, &Galera)]) -> Option<Finding> {
    let ((one, first), (other, second)) = primary.iter().enumerate().find_map(|(at, one)| {
        let rest = primary.get(at + 1..)?;
        rest.iter().find(|other| apart(one.1, other.1)).map(|other| (*one, *other))
    })?;
    let (one, other) = (&one.target.host, &other.target.host);
    let cause = if first.uuid == second.uuid {
        format!(
            "two Primary Components take writes of the same history {}: one with {one} ({} members), one with {other} \
             ({} members)",
            first.uuid, first.size, second.size
        )
    } else {
        format!(
            "two clusters take writes: {one} has the history {} ({} members), {other} has {} ({} members)",
            first.uuid, first.size, second.uuid, second.size
        )
    };
    let (few, many) = if first.size <= second.size { (one, other) } else { (other, one) };
    let next = format!(
        "take {few} out of the load balancer now; compare its data with {many}'s before it joins again, its own \
         writes are lost then"
    );
    Some(Finding::new("mariadb-split", Severity::Failed, "", cause).next(next))
}

fn apart(one: &Galera, other: &Galera) -> bool {
    if known(&one.uuid) && known(&other.uuid) && one.uuid != other.uuid {
        return true;
    }
    let both_named = !one.incoming.is_empty() && !other.incoming.is_empty();
    let automatic = one.incoming.iter().any(|address| address.starts_with("AUTO"));
    both_named && !automatic && !one.incoming.iter().any(|address| other.incoming.contains(address))
}

/// Members of one component that do not have the same view: a change is under way.
fn views(primary: &[(&One, &Galera)]) -> Option<Finding> {
    let (first, galera) = primary.first()?;
    let (other, view) =
        primary.iter().find(|(_, one)| one.conf_id != galera.conf_id && !apart(one, galera))?;
    let id = |view: Option<u64>| view.map_or_else(|| "none".to_string(), |id| id.to_string());
    let cause = format!(
        "the members disagree on who belongs to the cluster: {} has view {} with {} members, {} has view {} with {}",
        first.target.host,
        id(galera.conf_id),
        galera.size,
        other.target.host,
        id(view.conf_id),
        view.size
    );
    let next = "ask again in some seconds: a membership change is under way".to_string();
    Some(Finding::new("mariadb-view-differs", Severity::Degraded, "", cause).next(next))
}

/// Fewer members than there should be, where no member's own state explains it.
fn incomplete(
    stands: &[(&One, Stand)],
    primary: &[(&One, &Galera)],
    expected: u64,
    judged: &Judgement,
) -> Option<Finding> {
    let size = primary.iter().map(|(_, galera)| galera.size).max()?;
    let explained = stands.iter().any(|(_, stand)| !matches!(stand, Stand::Primary(_) | Stand::Shut));
    let split = judged
        .findings
        .iter()
        .any(|one| matches!(one.code.as_str(), "mariadb-split" | "mariadb-view-differs"));
    if size >= expected || explained || split {
        return None;
    }
    let cause = format!("the cluster has {size} of {expected} members");
    let next = "on a host whose member is missing: systemctl status mariadb".to_string();
    Some(Finding::new("mariadb-size", Severity::Degraded, "", cause).next(next))
}

/// There are members that nobody could be asked about.
fn unasked(asked: u64, primary: &[(&One, &Galera)], expected: u64, context: &Context) -> Option<Finding> {
    let in_view = primary.iter().map(|(_, galera)| galera.incoming.len() as u64).max().unwrap_or_default();
    let there = in_view.max(expected);
    if there <= asked || !context.missing.is_empty() {
        return None;
    }
    let cause = format!("{} of {there} members were not asked, nobody who answers names them", there - asked);
    let next = "ask all controllers: aileron services --inventory FILE";
    Some(Finding::new("mariadb-not-asked", Severity::Unknown, "", cause).next(next))
}

/// Whether a member may serve although it was not seen to.
fn open(stand: &Stand) -> bool {
    matches!(stand, Stand::Shut | Stand::Primary(_))
}

/// No member takes writes, as far as seen.
fn nobody(stands: &[(&One, Stand)], expected: u64, context: &Context, judged: &mut Judgement) {
    let unseen = bootstrap::may_serve(stands, &context.missing);
    let apart: Vec<(&One, &Galera)> = stands
        .iter()
        .filter_map(|(member, stand)| match stand {
            Stand::Apart(server) => Some((*member, &server.galera)),
            _ => None,
        })
        .collect();
    let stopped: Vec<&One> = stands
        .iter()
        .filter(|(_, stand)| matches!(stand, Stand::Stopped))
        .map(|(member, _)| *member)
        .collect();
    node::escalate(&mut judged.findings);
    if !apart.is_empty() {
        let hosts: Vec<&str> = apart.iter().map(|(member, _)| member.target.host.as_str()).collect();
        let cause = format!(
            "no Primary Component: {} of {} members run without quorum ({}), every statement on tables fails",
            apart.len(),
            expected,
            hosts.join(", ")
        );
        let next = bootstrap::go_on(&apart, &unseen);
        judged.findings.push(Finding::new("mariadb-no-primary", Severity::Failed, "", cause).next(next));
        // One step for all stands above: starting a single one before would only add another without quorum.
        judged
            .findings
            .iter_mut()
            .filter(|one| one.code == "mariadb-non-primary")
            .for_each(remedy::without_next);
    } else if stopped.len() == stands.len() {
        let cause = format!("no member runs; positions: {}", bootstrap::table(&stopped));
        let next = bootstrap::advice(&stopped, &context.missing);
        judged.findings.push(Finding::new("mariadb-all-down", Severity::Failed, "", cause).next(next));
        // A plain start of any of them waits for a cluster, or makes a second one.
        judged.findings.iter_mut().filter(|one| one.code == "mariadb-down").for_each(remedy::without_next);
    } else if expected == stands.len() as u64 && stands.iter().all(|(_, stand)| !open(stand)) {
        let cause = format!("none of {} members serves", stands.len());
        judged.findings.push(Finding::new("mariadb-none-serves", Severity::Failed, "", cause));
    }
}

/// What the loss of one more member would mean, by the votes. `gone` members were not there when asked; for
/// some seconds the others may still count them.
fn risk(primary: &[(&One, &Galera)], size: u64, gone: u64) -> Risk {
    if primary.is_empty() {
        return Risk::carried("the control plane has no database that takes writes");
    }
    let mut weights: Vec<u64> = primary.iter().map(|(_, galera)| galera.weight).collect();
    let seen = weights.len() as u64;
    let alive = size - gone.min(size.saturating_sub(seen));
    // Members that were not asked, and arbitrators, have the usual weight.
    weights.resize(weights.len().max(usize::try_from(alive).unwrap_or_default()), 1);
    weights.sort_unstable_by(|one, other| other.cmp(one));
    let total: u64 = weights.iter().sum();
    let mut left = total;
    let spare = weights
        .iter()
        .take_while(|weight| {
            left = left.saturating_sub(**weight);
            left * 2 > total
        })
        .count();
    match (alive, spare) {
        (1, _) => Risk::stops("this is the last member: one more failure stops the control plane"),
        (_, 0) => Risk::stops("one more failure stops the control plane: the rest would have no majority"),
        (_, 1) => Risk::carried("one member may fail; two at once stop the control plane"),
        (_, spare) => Risk::carried(format!("{spare} members may fail at once; more stop the control plane")),
    }
}
