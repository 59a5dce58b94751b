//! The rules for those that watch: enough of them to promote a replica, of one mind.

use super::judge::{Replication, Said};
use super::members::Daemon;
use super::{Address, Watched};
use crate::verdict::{Finding, Severity};

/// With fewer, one lost Sentinel leaves no majority.
const ENOUGH: usize = 3;

pub(super) fn judge(replication: &Replication<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    said.extend(quorum(replication));
    said.extend(disagreement(replication));
    said.extend(few(replication));
    for (index, daemon, watched) in watching(replication) {
        let host = daemon.host();
        if daemon.sentinel().is_some_and(|sentinel| sentinel.tilt) {
            let cause = format!(
                "the Sentinel on {host} is in TILT: its clock or host stalled, and it does not act for 30 s"
            );
            let finding = Finding::new("redis-sentinel-tilt", Severity::Degraded, host, cause)
                .next(format!("on {host}: chronyc tracking"));
            said.push(Said { of: Some(index), finding });
        }
        if watched.flags.iter().any(|flag| flag.ends_with("_down")) {
            let cause = format!(
                "the Sentinel on {host} takes the primary {} for down ({})",
                replication.name(&watched.primary),
                watched.flags.join(", ")
            );
            let finding = Finding::new("redis-sentinel-primary-down", Severity::Degraded, host, cause);
            said.push(Said { of: Some(index), finding });
        }
    }
    said
}

/// The Sentinels that answer, with what they say of this group.
fn watching<'a>(
    replication: &'a Replication<'a>,
) -> impl Iterator<Item = (usize, &'a Daemon<'a>, &'a Watched)> {
    let sentinels = replication.group.sentinels.iter();
    sentinels.filter_map(|(index, watched)| Some((*index, replication.daemons.get(*index)?, (*watched)?)))
}

/// One finding for all that say so.
fn quorum(replication: &Replication<'_>) -> Option<Said> {
    let complaints: Vec<_> = watching(replication)
        .filter_map(|(index, daemon, watched)| {
            Some((index, daemon, watched, watched.quorum_check.as_ref()?.as_ref().err()?))
        })
        .collect();
    let (_, daemon, watched, complaint) = complaints.first()?;
    let hosts: Vec<&str> = complaints.iter().map(|(_, daemon, ..)| daemon.host()).collect();
    let known = watched.sentinels.len() + 1;
    let first = complaint.split(". ").next().unwrap_or_default();
    let (code, meaning) = if complaint.starts_with("NOQUORUM") {
        let meaning = format!(
            "of {known} known, quorum {}: the next failure of the primary is not handled",
            watched.quorum
        );
        ("redis-sentinel-noquorum", meaning)
    } else {
        (
            "redis-sentinel-no-replica",
            "no replica is fit to be promoted: the next failure of the primary is not handled".to_string(),
        )
    };
    let cause = format!("{} says {first} ({meaning})", hosts.join(", "));
    let next = match gone(replication) {
        Some(lost) => lost.service("start"),
        None => format!(
            "start the Sentinels that are down; if they are gone for good, on each other one: {} SENTINEL RESET {}",
            daemon.cli(),
            watched.name
        ),
    };
    let finding = Finding::new(code, Severity::Degraded, daemon.host(), cause).next(next);
    Some(Said { of: (hosts.len() == 1).then_some(complaints.first()?.0), finding })
}

/// A Sentinel that should answer and does not.
fn gone<'a>(replication: &'a Replication<'a>) -> Option<&'a Daemon<'a>> {
    let lost = replication.group.sentinels.iter().find(|(_, watched)| watched.is_none())?;
    replication.daemons.get(lost.0)
}

fn disagreement(replication: &Replication<'_>) -> Option<Said> {
    let said: Vec<_> = watching(replication).collect();
    let (_, first, view) = said.first()?;
    let (_, other, another) =
        said.iter().find(|(_, _, watched)| !same(replication, &watched.primary, &view.primary))?;
    let cause = format!(
        "the Sentinels disagree on the primary of {}: {} says {}, {} says {}",
        view.name,
        first.host(),
        replication.name(&view.primary),
        other.host(),
        replication.name(&another.primary)
    );
    let next = format!(
        "aileron services in half a minute; if it stays, on {}: {} SENTINEL MASTERS",
        other.host(),
        other.cli()
    );
    let finding =
        Finding::new("redis-sentinels-disagree", Severity::Degraded, other.host(), cause).next(next);
    Some(Said { of: None, finding })
}

/// Whether two addresses are one server's.
fn same(replication: &Replication<'_>, one: &Address, other: &Address) -> bool {
    one == other || replication.daemons.iter().any(|daemon| daemon.is(one) && daemon.is(other))
}

fn few(replication: &Replication<'_>) -> Option<Said> {
    let known = watching(replication).map(|(_, _, watched)| watched.sentinels.len() + 1).max()?;
    let (_, daemon, _) = watching(replication).next()?;
    if known >= ENOUGH {
        return None;
    }
    let cause = format!(
        "{known} of the 3 Sentinels that it takes to promote a replica after one of their hosts is lost"
    );
    let finding = Finding::new("redis-sentinels-few", Severity::Notice, daemon.host(), cause);
    Some(Said { of: None, finding })
}

/// The primary in all answering Sentinels' eyes, if they are of one mind.
pub(super) fn agreed_primary(replication: &Replication<'_>) -> Option<Address> {
    let mut all = watching(replication).map(|(_, _, watched)| &watched.primary);
    let first = all.next()?;
    all.all(|other| same(replication, first, other)).then(|| first.clone())
}

/// For how many seconds a server has told the Sentinels that it is a primary.
pub(super) fn claims_since(replication: &Replication<'_>, daemon: &Daemon<'_>) -> Option<u64> {
    let known = watching(replication).flat_map(|(_, _, watched)| &watched.replicas);
    known
        .filter(|known| daemon.is(&known.address))
        .filter_map(|known| known.reported.as_ref())
        .filter(|(role, _)| role == "master")
        .map(|(_, since)| since / 1000)
        .max()
}

/// Whether the Sentinels are at it.
pub(super) fn failing_over(replication: &Replication<'_>) -> bool {
    watching(replication)
        .any(|(_, _, watched)| watched.flags.iter().any(|flag| flag == "failover_in_progress"))
}

/// What makes them do it.
pub(super) fn failover_command(replication: &Replication<'_>) -> String {
    let found = watching(replication).next();
    found.map_or_else(String::new, |(_, daemon, watched)| {
        format!("on {}: {} SENTINEL FAILOVER {}", daemon.host(), daemon.cli(), watched.name)
    })
}
