//! MGRs and MDSs: one MGR is to be active, each rank of a file system is to have a MDS, and both want
//! somebody to stand by.

use super::{Known, Said, id, is_gone, without_answer};
use crate::ceph::facts::{Facts, FileSystem, Rank};
use crate::service::Member;
use crate::verdict::{Finding, Severity};

/// What is stale or missing without a MGR.
const WITHOUT_MGR: &str = "usage and the state of placement groups (pgmap) are stale until one is";

pub(super) fn mgrs(known: &Known<'_>, said: &mut Vec<Said>) {
    let before = said.len();
    let active = known.cluster.and_then(|cluster| cluster.mgr.as_deref());
    for (index, member) in known.of("mgr") {
        let holds = active == Some(id(member)) && is_gone(member);
        let more = match holds {
            true => format!("; the MONs still take it for the active one: {WITHOUT_MGR}"),
            false => String::new(),
        };
        said.extend(without_answer(member, &more).map(|finding| (Some(index), finding)));
    }
    let Some(cluster) = known.cluster else { return };
    if cluster.mgr.is_none() {
        let cause =
            format!("no MGR is active: {WITHOUT_MGR}; orchestrator, dashboard and volumes do not answer");
        let next = format!("{} mgr stat; start one: systemctl start ceph-mgr@NAME", known.ceph);
        said.push((None, Finding::new("ceph-mgr-none", Severity::Degraded, "", cause).next(next)));
    } else if cluster.mgr_standbys == 0 && said.len() == before {
        let cause = "no MGR stands by: with the active one usage and the state of placement groups are lost";
        said.push((None, Finding::new("ceph-mgr-no-standby", Severity::Notice, "", cause)));
    }
}

pub(super) fn filesystems(known: &Known<'_>, said: &mut Vec<Said>) {
    let before = said.len();
    let mut held = Vec::new();
    let spare = standbys(known);
    let systems = known.cluster.map(|cluster| cluster.filesystems.as_slice()).unwrap_or_default();
    for system in systems {
        for rank in &system.ranks {
            let holder = known.of("mds").find(|(_, member)| id(member) == rank.name);
            if let Some((index, member)) = holder
                && let Some(finding) = lost(system, rank, member, spare, known)
            {
                held.push(index);
                said.push((Some(index), finding));
            } else if rank.laggy && holder.is_none() {
                said.push((None, laggy(system, rank, spare, known)));
            } else if rank.laggy || rank.state != "up:active" {
                said.push((holder.map(|(index, _)| index), not_active(system, rank, known)));
            }
        }
        said.extend(unheld(system, spare, known).map(|finding| (None, finding)));
    }
    for (index, member) in known.of("mds").filter(|(index, _)| !held.contains(index)) {
        said.extend(without_answer(member, "").map(|finding| (Some(index), finding)));
    }
    if !systems.is_empty() && spare == 0 && said.len() == before {
        let cause = "no MDS stands by: CephFS stops with the next one lost";
        let next = format!("{} fs status; start another MDS", known.ceph);
        said.push((None, Finding::new("ceph-mds-no-standby", Severity::Notice, "", cause).next(next)));
    }
}

/// How many MDSs stand by that are not known to be gone.
fn standbys(known: &Known<'_>) -> usize {
    let gone: Vec<&str> =
        known.of("mds").filter(|(_, member)| is_gone(member)).map(|(_, member)| id(member)).collect();
    let named = known.cluster.map(|cluster| cluster.mds_standbys.as_slice()).unwrap_or_default();
    named.iter().filter(|name| !gone.contains(&name.as_str())).count()
}

/// A rank whose daemon is dead, frozen, or a new one of the same name, whatever the MONs say of it.
fn lost(
    system: &FileSystem,
    rank: &Rank,
    member: &Member<Facts>,
    spare: usize,
    known: &Known<'_>,
) -> Option<Finding> {
    let restarted = match member.answer.facts() {
        Some(Facts::Mds(mds)) => mds.gid != rank.gid,
        _ => false,
    };
    if !restarted && !is_gone(member) {
        return None;
    }
    let (place, host) = (format!("rank {} of {}", rank.rank, system.name), &member.target.host);
    let then = if spare > 0 {
        "one that stands by takes over when they notice"
    } else {
        "none stands by to take over"
    };
    let (code, severity) = match spare {
        0 if !restarted => ("ceph-fs-down", Severity::Failed),
        _ => ("ceph-fs-rank-lost", Severity::Degraded),
    };
    let more = format!("; it holds {place}, which the MONs still have as {}: {then}", rank.state);
    let finding = without_answer(member, &more).unwrap_or_else(|| {
        let cause = format!(
            "MDS {} on {host} was started again, and the MONs still give {place} to the one before",
            rank.name
        );
        Finding::new(code, severity, host, cause).next(format!("{} fs status", known.ceph))
    });
    Some(Finding { code: code.to_string(), severity, ..finding })
}

/// A rank whose daemon nobody asked: the MONs take a silent one for active as long as none can replace it.
fn laggy(system: &FileSystem, rank: &Rank, spare: usize, known: &Known<'_>) -> Finding {
    let (code, severity, then) = match spare {
        0 => ("ceph-fs-down", Severity::Failed, "none stands by to take over"),
        _ => ("ceph-fs-rank-lost", Severity::Degraded, "one that stands by takes over"),
    };
    let cause = format!(
        "MDS {} has been silent too long; it holds rank {} of {}, which the MONs still have as {}: {then}",
        rank.name, rank.rank, system.name, rank.state
    );
    let next =
        format!("{} fs status; on {}: systemctl restart ceph-mds@{}", known.ceph, rank.name, rank.name);
    Finding::new(code, severity, &system.name, cause).next(next)
}

fn not_active(system: &FileSystem, rank: &Rank, known: &Known<'_>) -> Finding {
    let cause = format!(
        "rank {} of {} does not serve: MDS {} is {}{}",
        rank.rank,
        system.name,
        rank.name,
        rank.state,
        if rank.laggy { ", and the MONs have not heard of it for too long" } else { "" }
    );
    Finding::new("ceph-mds-not-active", Severity::Degraded, &system.name, cause)
        .next(format!("{} fs status", known.ceph))
}

/// Ranks without a daemon, and file systems that somebody took down.
fn unheld(system: &FileSystem, spare: usize, known: &Known<'_>) -> Option<Finding> {
    let list = |ranks: &[u64]| ranks.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let (name, ceph) = (&system.name, &known.ceph);
    if system.taken_down {
        let cause = format!("the file system {name} was taken down by an operator: its shares hang");
        let next = format!("{ceph} fs set {name} down false, or {ceph} fs set {name} joinable true");
        return Some(
            Finding::new("ceph-fs-taken-down", Severity::Degraded, name, cause).next(next).intended(),
        );
    }
    if !system.damaged.is_empty() {
        let cause = format!(
            "rank {} of {name} is damaged: no MDS takes it until it is mended",
            list(&system.damaged)
        );
        let next =
            format!("{ceph} fs status, then cephfs-journal-tool journal inspect; {ceph} mds repaired last");
        return Some(Finding::new("ceph-fs-damaged", Severity::Failed, name, cause).next(next));
    }
    if system.empty.is_empty() {
        return None;
    }
    let ranks = list(&system.empty);
    Some(match spare {
        0 => {
            let cause = format!("no MDS serves rank {ranks} of {name}, and none stands by: its shares hang");
            let next = "systemctl start ceph-mds@NAME on the hosts that have one".to_string();
            Finding::new("ceph-fs-down", Severity::Failed, name, cause).next(next)
        }
        _ => {
            let cause = format!("no MDS serves rank {ranks} of {name}; one that stands by takes over");
            Finding::new("ceph-fs-rank-lost", Severity::Degraded, name, cause)
                .next(format!("{ceph} fs status"))
        }
    })
}

/// "MGR controller-0", "3 of 3 OSDs up", "cephfs 1 of 1 ranks".
pub(super) fn summary(known: &Known<'_>) -> Vec<String> {
    let Some(cluster) = known.cluster else { return Vec::new() };
    let mgr = cluster.mgr.as_ref().map_or_else(|| "no MGR".to_string(), |name| format!("MGR {name}"));
    let of = |system: &FileSystem| {
        let gone = |name: &str| known.of("mds").any(|(_, member)| id(member) == name && is_gone(member));
        let serving = system
            .ranks
            .iter()
            .filter(|rank| rank.state == "up:active" && !rank.laggy && !gone(&rank.name))
            .count();
        let all = system.ranks.len() + system.empty.len() + system.damaged.len();
        format!("{} {serving} of {all} ranks", system.name)
    };
    let (all, up, _) = cluster.osds;
    [mgr, format!("{up} of {all} OSDs up")].into_iter().chain(cluster.filesystems.iter().map(of)).collect()
}
