//! The rules for Ceph: the MONs need a majority (`mons`), the MGRs one that is active, each rank of CephFS
//! a MDS (`servers`). What the MONs say of the others is compared with what these say themselves: a MON
//! takes a dead daemon for well until its beacons have been missing for long enough.

mod mons;
mod servers;

use std::collections::BTreeSet;

use super::facts::{Cluster, Facts, Mon};
use super::{health, setting};
use crate::answer::Answer;
use crate::service::{Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State};

/// A finding, and the place of the member that it is about.
type Said = (Option<usize>, Finding);

/// Daemons of one cluster, with their places among all members.
type Own<'a> = Vec<(usize, &'a Member<Facts>)>;

/// What is known of one cluster.
struct Known<'a> {
    members: Own<'a>,
    /// What a MON in quorum says, while there is one.
    cluster: Option<&'a Cluster>,
    /// How the `ceph` tool is run there.
    ceph: String,
}

impl<'a> Known<'a> {
    fn of(&self, kind: &str) -> impl Iterator<Item = (usize, &'a Member<Facts>)> {
        self.members.iter().copied().filter(move |(_, member)| setting(&member.target, "daemon") == kind)
    }

    fn mons(&self) -> impl Iterator<Item = &'a Mon> {
        self.of("mon").filter_map(|(_, member)| mon(member))
    }
}

fn mon(member: &Member<Facts>) -> Option<&Mon> {
    match member.answer.facts()? {
        Facts::Mon(mon) => Some(mon),
        _ => None,
    }
}

/// A daemon's name, as Ceph has it.
fn id(member: &Member<Facts>) -> &str {
    setting(&member.target, "id")
}

/// Whether a daemon surely does not serve.
fn is_gone(member: &Member<Facts>) -> bool {
    matches!(member.answer, Answer::Down { .. } | Answer::Silent { .. } | Answer::Broken { .. })
}

pub(super) fn judge(members: &[Member<Facts>]) -> Judgement {
    let mut judged = Judgement::default();
    let mut said: Vec<Said> = Vec::new();
    let clusters = clusters(members);
    let mut summaries = Vec::new();
    let mut risks = Vec::new();
    for (_, own) in &clusters {
        let mut known = Known { members: own.clone(), cluster: None, ceph: tool(own) };
        let quorum = mons::judge(&known, &mut said);
        if quorum.stands {
            known.cluster = cluster(&known);
        }
        servers::mgrs(&known, &mut said);
        servers::filesystems(&known, &mut said);
        healths(&known, quorum.stands, &mut said);
        versions(&known, &mut said);
        summaries.push(
            std::iter::once(quorum.summary).chain(servers::summary(&known)).collect::<Vec<_>>().join(", "),
        );
        risks.push(quorum.risk);
    }
    if let [(first, some), (second, others), ..] = clusters.as_slice() {
        let hosts = |members: &[(usize, &Member<Facts>)]| {
            let names: BTreeSet<_> = members.iter().map(|(_, member)| member.target.host.as_str()).collect();
            Vec::from_iter(names).join(", ")
        };
        let cause = format!(
            "daemons of different clusters run here: {} of {first}, {} of {second}; if there is to be one, some were set up anew",
            hosts(some),
            hosts(others)
        );
        let next = "compare fsid in /etc/ceph/ceph.conf of all hosts".to_string();
        said.push((None, Finding::new("ceph-different-clusters", Severity::Degraded, "", cause).next(next)));
    }
    for (index, member) in members.iter().enumerate() {
        let own = said.iter().filter(|(of, _)| *of == Some(index)).map(|(_, finding)| finding.severity);
        let state = own.fold(State::Ok, |state, severity| {
            state.worst(match severity {
                Severity::Notice => State::Ok,
                Severity::Unknown => State::Unknown,
                _ if is_gone(member) => State::Failed,
                Severity::Failed => State::Failed,
                Severity::Degraded => State::Degraded,
            })
        });
        judged.members.push(member.verdict(state, role(member)));
    }
    judged.findings = said.into_iter().map(|(_, finding)| finding).collect();
    judged.summary = summaries.join("; ");
    judged.risk = Risk::all(risks);
    judged
}

/// Sorts members by the cluster's id that they name, or their configuration does; who names none belongs to
/// the largest.
fn clusters(members: &[Member<Facts>]) -> Vec<(String, Own<'_>)> {
    let named = |member: &Member<Facts>| match member.answer.facts() {
        Some(Facts::Mon(mon)) => mon.map.fsid.clone(),
        Some(Facts::Mds(mds)) if !mds.fsid.is_empty() => mds.fsid.clone(),
        _ => setting(&member.target, "fsid").to_string(),
    };
    let mut all: Vec<(String, Own<'_>)> = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let fsid = named(member);
        match all.iter_mut().find(|(known, _)| *known == fsid) {
            Some((_, own)) => own.push((index, member)),
            None => all.push((fsid, vec![(index, member)])),
        }
    }
    all.sort_by_key(|(fsid, own)| (fsid.is_empty(), std::cmp::Reverse(own.len())));
    if all.len() > 1
        && all.last().is_some_and(|(fsid, _)| fsid.is_empty())
        && let Some((_, nameless)) = all.pop()
        && let Some((_, largest)) = all.first_mut()
    {
        largest.extend(nameless);
        largest.sort_by_key(|(index, _)| *index);
    }
    all
}

/// What the leader says of the cluster, else another MON in quorum.
fn cluster<'a>(known: &Known<'a>) -> Option<&'a Cluster> {
    let mut told: Vec<_> = known.mons().filter_map(|mon| Some((mon, mon.cluster.as_ref()?))).collect();
    told.sort_by_key(|(mon, _)| mon.state != "leader");
    told.first().map(|(_, cluster)| *cluster)
}

/// The `ceph` tool: in a MON's container where there is one, in cephadm's shell.
fn tool(members: &[(usize, &Member<Facts>)]) -> String {
    let contained = members.iter().map(|(_, member)| member).find_map(|member| {
        let (engine, name) = setting(&member.target, "container").split_once(' ')?;
        mon(member)?;
        let by_cephadm = !setting(&member.target, "unit").starts_with("ceph-mon@");
        Some(match by_cephadm {
            true => format!("on {}: cephadm shell -- ceph", member.target.host),
            false => format!("on {}: {engine} exec {name} ceph", member.target.host),
        })
    });
    contained.unwrap_or_else(|| "ceph".to_string())
}

/// A daemon that has no facts, as a finding. `more` is what follows from it.
fn without_answer(member: &Member<Facts>, more: &str) -> Option<Finding> {
    let trouble = member.answer.trouble()?;
    let (kind, host) = (setting(&member.target, "daemon"), &member.target.host);
    let (codes, severity, verb) = match &member.answer {
        Answer::Silent { .. } => {
            (["ceph-mon-silent", "ceph-mgr-silent", "ceph-mds-silent"], Severity::Degraded, "restart")
        }
        Answer::Down { .. } => {
            (["ceph-mon-down", "ceph-mgr-down", "ceph-mds-down"], Severity::Degraded, "start")
        }
        Answer::Denied { .. } => {
            (["ceph-mon-denied", "ceph-mgr-denied", "ceph-mds-denied"], Severity::Unknown, "")
        }
        _ => (["ceph-mon-broken", "ceph-mgr-broken", "ceph-mds-broken"], Severity::Degraded, "restart"),
    };
    let [mon, mgr, mds] = codes;
    let code = match kind {
        "mon" => mon,
        "mgr" => mgr,
        _ => mds,
    };
    let unit = match setting(&member.target, "unit") {
        "" => format!("ceph-{kind}@{}", id(member)),
        unit => unit.to_string(),
    };
    let next = match verb {
        "" => format!("on {host}: sudo aileron services"),
        verb => format!("on {host}: systemctl {verb} {unit}"),
    };
    let cause = format!("{} {} on {host} {trouble}{more}", kind.to_uppercase(), id(member));
    Some(Finding::new(code, severity, host, cause).next(next))
}

/// Ceph's own checks, but for those that our findings have said better.
fn healths(known: &Known<'_>, quorum: bool, said: &mut Vec<Said>) {
    let Some(cluster) = known.cluster else {
        let why = known.mons().find(|mon| !mon.unread.is_empty()).map(|mon| mon.unread.as_str());
        if let Some(why) = why.filter(|_| quorum) {
            let cause = format!("the MONs are in quorum, but the cluster's health could not be read: {why}");
            let next = format!("{} health detail", known.ceph);
            said.push((None, Finding::new("ceph-health-unread", Severity::Unknown, "", cause).next(next)));
        }
        return;
    };
    if let (all @ 1.., 0, _) = cluster.osds {
        // Of data that cannot be reached Ceph speaks only after a minute.
        let cause = format!("none of {all} OSDs is up: nothing can be read or written");
        let next = format!("{} osd tree, then systemctl start ceph-osd@N on their hosts", known.ceph);
        said.push((None, Finding::new("ceph-osds-down", Severity::Failed, "", cause).next(next)));
    }
    let told = |start: &str| said.iter().any(|(_, finding)| finding.code.starts_with(start));
    let better = |code: &str| match code {
        "MON_DOWN" => told("ceph-mon-"),
        "MGR_DOWN" => told("ceph-mgr-"),
        "MDS_ALL_DOWN" | "FS_WITH_FAILED_MDS" | "MDS_UP_LESS_THAN_MAX" => told("ceph-fs-"),
        "OSD_DOWN" | "OSD_HOST_DOWN" | "OSD_RACK_DOWN" | "OSD_ROOT_DOWN" => told("ceph-osds-"),
        "MDS_INSUFFICIENT_STANDBY" => told("ceph-mds-") || told("ceph-fs-"),
        _ => false,
    };
    let checks = cluster.checks.iter().filter(|check| !better(&check.code));
    let found: Vec<_> = checks.map(|check| (None, health::finding(check, &known.ceph))).collect();
    said.extend(found);
}

/// Daemons of several versions: an upgrade under way, or one that was forgotten.
fn versions(known: &Known<'_>, said: &mut Vec<Said>) {
    let versions: BTreeSet<&str> = known
        .members
        .iter()
        .filter_map(|(_, member)| match member.answer.facts()? {
            Facts::Mon(mon) => Some(mon.version.as_str()),
            Facts::Mgr(mgr) => Some(mgr.version.as_str()),
            Facts::Mds(mds) => Some(mds.version.as_str()),
            Facts::Greeting(_) => None,
        })
        .filter(|version| !version.is_empty())
        .collect();
    if versions.len() > 1 {
        let cause = format!("the daemons have different versions: {}", Vec::from_iter(versions).join(", "));
        let next = format!("{} versions", known.ceph);
        said.push((None, Finding::new("ceph-versions-differ", Severity::Notice, "", cause).next(next)));
    }
}

fn role(member: &Member<Facts>) -> String {
    let kind = setting(&member.target, "daemon").to_uppercase();
    match member.answer.facts() {
        None | Some(Facts::Greeting(_)) => kind,
        Some(Facts::Mon(mon)) => format!("{kind} {}", mon.state),
        Some(Facts::Mgr(mgr)) => format!("{kind} {}", if mgr.active { "active" } else { "standby" }),
        Some(Facts::Mds(mds)) => {
            let rank = mds.rank.map_or_else(String::new, |rank| format!(" {}:{rank}", mds.filesystem));
            format!("{kind} {}{rank}", mds.state.trim_start_matches("up:"))
        }
    }
}
