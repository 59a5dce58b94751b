//! The rules for HAProxy.
//!
//! Each member is looked at for itself (`about`), then the same finding of several members becomes one.
//! Every controller's HAProxy checks the servers itself, and clients reach the one that has the virtual
//! address: a backend that is down for all of them, or for that one, is down.

use std::collections::BTreeSet;

use super::Facts;
use super::backend::{Backend, backends, listed, named};
use super::facts::{Part, Row};
use super::names::{called, service};
use crate::answer::Answer;
use crate::place::Place;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State, Verdict};

/// Below this mean time between two failures, in seconds, a server flaps.
const FLAPPING: u64 = 600;
/// Changes before anything is said of flapping.
const FLAPPING_DOWNS: u64 = 3;
/// A change this long ago, in seconds, is over.
const RECENT: u64 = 300;

pub(super) fn judge(members: &[Member<Facts>], _context: &Context) -> Judgement {
    let mut judged = Judgement::default();
    let mut seen: Vec<(String, Finding)> = Vec::new();
    for member in members {
        let findings = match &member.answer {
            Answer::Got { facts } => about(member, facts),
            _ => vec![without_answer(member, members)],
        };
        let state = match member.answer {
            Answer::Got { .. } if Verdict::state_of(&findings) == State::Ok => State::Ok,
            Answer::Got { .. } => State::Degraded,
            Answer::Denied { .. } => State::Unknown,
            _ => State::Failed,
        };
        judged.members.push(member.verdict(state, role(member, members)));
        seen.extend(findings.into_iter().map(|finding| (member.target.host.clone(), finding)));
    }
    let answering: Vec<_> = members.iter().filter(|member| member.answer.facts().is_some()).collect();
    judged.findings = merged(seen, &answering, members);
    judged.findings.extend(differences(&answering));
    judged.summary = summary(members, &answering);
    judged.risk = risk(members, &answering);
    judged
}

/// A setting that is a list of words.
fn words<'a>(member: &'a Member<Facts>, name: &str) -> Vec<&'a str> {
    member.target.settings.get(name).map_or("", String::as_str).split_ascii_whitespace().collect()
}

/// Whether it listens on an address of its own host that others are configured for but do not have: clients come here.
fn has_virtual_address(member: &Member<Facts>, members: &[Member<Facts>]) -> bool {
    let here = words(member, "here");
    members.iter().any(|other| words(other, "elsewhere").iter().any(|address| here.contains(address)))
}

fn role(member: &Member<Facts>, members: &[Member<Facts>]) -> String {
    let Answer::Got { facts } = &member.answer else { return String::new() };
    let all = backends(facts, &words(member, "primaries"));
    let serving = all.iter().filter(|backend| !backend.usable.is_empty()).count();
    let address = if has_virtual_address(member, members) { ", virtual address" } else { "" };
    format!("{serving} of {} backends{address}", all.len())
}

fn without_answer(member: &Member<Facts>, members: &[Member<Facts>]) -> Finding {
    let host = &member.target.host;
    let trouble = member.answer.trouble().unwrap_or_default();
    let mut cause = format!("HAProxy on {host} {trouble}");
    if let Answer::Denied { .. } = member.answer {
        return Finding::new("haproxy-denied", Severity::Unknown, host, cause).next(format!(
            "on {host}: run as root, or add 'stats socket /run/haproxy/stats.sock mode 660 level user' to its configuration"
        ));
    }
    let mut severity = Severity::Degraded;
    if has_virtual_address(member, members) {
        severity = Severity::Failed;
        cause.push_str("; it has the virtual address, so clients reach nothing");
    } else if !members
        .iter()
        .any(|member| matches!(member.answer, Answer::Got { .. } | Answer::Denied { .. }))
    {
        severity = Severity::Failed;
        cause.push_str("; no other answers, so clients reach nothing");
    }
    let (code, next) = match &member.answer {
        Answer::Silent { .. } => ("haproxy-silent", "systemctl restart haproxy"),
        Answer::Broken { .. } => ("haproxy-broken", "systemctl status haproxy"),
        _ => ("haproxy-down", "systemctl start haproxy"),
    };
    Finding::new(code, severity, host, cause).next(format!("on {host}: {next}"))
}

/// How to say something to the stats socket.
fn tell(member: &Member<Facts>, line: &str) -> String {
    let socket = match &member.target.place {
        Place::Unix(path) => format!("UNIX-CONNECT:{}", path.display()),
        place => format!("TCP:{place}"),
    };
    format!("on {}: echo '{line}' | socat - {socket}", member.target.host)
}

/// What one HAProxy sees.
fn about(member: &Member<Facts>, facts: &Facts) -> Vec<Finding> {
    let primaries = words(member, "primaries");
    let mut findings: Vec<Finding> = Vec::new();
    for backend in backends(facts, &primaries) {
        findings.extend(about_backend(member, &backend));
    }
    findings.extend(facts.rows.iter().filter(|row| row.part == Part::Frontend).filter_map(about_frontend));
    findings.extend(about_process(member, facts));
    findings
}

fn about_backend(member: &Member<Facts>, backend: &Backend<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = backend.name;
    let what = called(name);
    let show = tell(member, &format!("show servers state {name}"));
    let lost = backend.unreachable();
    // Before its first check a server counts as usable, though nobody knows.
    let passed: Vec<&Row> = backend.usable.iter().copied().filter(|row| row.check != "INI").collect();
    if backend.usable.is_empty() {
        findings.push(nothing_usable(member, backend));
    } else if backend.one_primary && passed.len() > 1 {
        let cause = format!("{what}: {} all pass the check for the primary", named(&passed));
        findings
            .push(Finding::new("haproxy-two-primaries", Severity::Degraded, name, cause).next(show.clone()));
    } else if !lost.is_empty() {
        let usable = backend.usable.len();
        let spare = if usable == 1 && !backend.one_primary { "; no spare is left" } else { "" };
        let code = if spare.is_empty() { "haproxy-server-down" } else { "haproxy-no-spare" };
        let cause =
            format!("{what}: {usable} of {} servers usable, {}{spare}", backend.total(), listed(&lost));
        findings.push(Finding::new(code, Severity::Degraded, name, cause).next(show));
    }
    if !backend.taken_out.is_empty() && !backend.usable.is_empty() {
        let alone = backend.usable.len() == 1 && !backend.one_primary;
        let spare = if alone { "; no spare is left meanwhile" } else { "" };
        let cause = format!("{what}: somebody took out {}{spare}", listed(&backend.taken_out));
        let next = ready(member, backend);
        findings.push(Finding::new("haproxy-taken-out", Severity::Notice, name, cause).intended().next(next));
    }
    findings.extend(about_checks(member, backend));
    findings
}

/// How to put back what somebody took out.
fn ready(member: &Member<Facts>, backend: &Backend<'_>) -> String {
    let server = backend.taken_out.first().map_or("", |row| row.name.as_str());
    tell(member, &format!("set server {}/{server} state ready", backend.name))
}

fn nothing_usable(member: &Member<Facts>, backend: &Backend<'_>) -> Finding {
    let (name, total) = (backend.name, backend.total());
    let severity = if service(name).is_some() { Severity::Failed } else { Severity::Degraded };
    let what = called(name);
    if backend.down.is_empty() {
        let cause = format!("{what}: somebody took out all {total} servers: {}", listed(&backend.taken_out));
        let next = ready(member, backend);
        return Finding::new("haproxy-backend-down", severity, name, cause).intended().next(next);
    }
    let mut servers = backend.down.clone();
    servers.extend(&backend.taken_out);
    let primary = if backend.one_primary { ", none is the primary" } else { "" };
    let cause = format!("{what}: none of {total} servers usable{primary}: {}", listed(&servers));
    Finding::new("haproxy-backend-down", severity, name, cause)
        .next(tell(member, &format!("show servers state {name}")))
}

/// Flapping, servers that nobody checks, and those not checked yet.
fn about_checks(member: &Member<Facts>, backend: &Backend<'_>) -> Vec<Finding> {
    let (name, what) = (backend.name, called(backend.name));
    let uptime = member.answer.facts().and_then(|facts| facts.info.as_ref()).map(|info| info.uptime);
    let mut findings = Vec::new();
    for row in backend.usable.iter().chain(&backend.down) {
        // On a primary's check a change is a failover.
        if row.downs < FLAPPING_DOWNS || row.changed > RECENT || backend.one_primary {
            continue;
        }
        let often = uptime.is_some_and(|uptime| uptime / row.downs < FLAPPING);
        let severity = if often { Severity::Degraded } else { Severity::Notice };
        let since = uptime.map_or_else(String::new, |uptime| format!(" in {uptime} s"));
        let cause = format!(
            "{what}: {} comes and goes: it went down {} times{since}, last change {} s ago, now {}",
            row.name, row.downs, row.changed, row.status
        );
        findings.push(
            Finding::new("haproxy-flapping", severity, &format!("{name}/{}", row.name), cause)
                .next(tell(member, &format!("show servers state {name}"))),
        );
    }
    let of = |wanted: &dyn Fn(&Row) -> bool| -> Vec<&Row> {
        backend.usable.iter().copied().filter(|row| wanted(row)).collect()
    };
    let unchecked = of(&|row| row.status == "no check");
    if !unchecked.is_empty() {
        let cause =
            format!("{what}: {} taken for usable without any check, dead or alive", named(&unchecked));
        findings.push(
            Finding::new("haproxy-no-check", Severity::Notice, name, cause)
                .next(format!("add 'check' to the server lines of {name}")),
        );
    }
    let new = of(&|row| row.check == "INI");
    if !new.is_empty() {
        let cause = format!("{what}: {} taken for usable before the first check", named(&new));
        findings.push(Finding::new("haproxy-not-checked-yet", Severity::Notice, name, cause));
    }
    findings
}

fn about_frontend(row: &Row) -> Option<Finding> {
    let what = called(&row.proxy);
    let (code, severity, cause) = match row.status.as_str() {
        "OPEN" if row.sessions_max > 0 && row.sessions * 10 >= row.sessions_max * 9 => (
            "haproxy-frontend-full",
            Severity::Degraded,
            format!("{what}: {} of {} sessions in use", row.sessions, row.sessions_max),
        ),
        "OPEN" => return None,
        "FULL" => (
            "haproxy-frontend-full",
            Severity::Degraded,
            format!("{what}: all {} sessions in use, new clients wait", row.sessions_max),
        ),
        status => {
            let severity = if service(&row.proxy).is_some() { Severity::Failed } else { Severity::Degraded };
            let cause = format!("{what}: its frontend is {status}, clients are refused");
            return Some(
                Finding::new("haproxy-frontend-stopped", severity, &row.proxy, cause)
                    .intended()
                    .next("systemctl restart haproxy"),
            );
        }
    };
    Some(
        Finding::new(code, severity, &row.proxy, cause)
            .next("raise maxconn in HAProxy's configuration, then systemctl reload haproxy"),
    )
}

fn about_process(member: &Member<Facts>, facts: &Facts) -> Vec<Finding> {
    let host = &member.target.host;
    let mut findings = Vec::new();
    let workers: usize =
        member.target.settings.get("workers").and_then(|text| text.parse().ok()).unwrap_or(1);
    if workers > 1 {
        let cause = format!(
            "HAProxy on {host}: {} old processes still serve connections from before a reload",
            workers - 1
        );
        findings.push(
            Finding::new("haproxy-old-processes", Severity::Notice, host, cause)
                .next(format!("on {host}: ps -o pid,etime,args -C haproxy")),
        );
    }
    let Some(info) = &facts.info else { return findings };
    if info.stopping {
        let cause = format!("HAProxy on {host} is stopping and takes no new connections");
        findings.push(
            Finding::new("haproxy-stopping", Severity::Degraded, host, cause)
                .next(format!("on {host}: systemctl status haproxy")),
        );
    }
    if info.connections_max > 0 && info.connections * 10 >= info.connections_max * 9 {
        let cause =
            format!("HAProxy on {host}: {} of {} connections in use", info.connections, info.connections_max);
        findings.push(
            Finding::new("haproxy-connections-full", Severity::Degraded, host, cause).next(format!(
                "on {host}: raise maxconn in its global section, then systemctl reload haproxy"
            )),
        );
    }
    findings
}

/// The same finding of several members once, with who sees it where not all do.
fn merged(
    seen: Vec<(String, Finding)>,
    answering: &[&Member<Facts>],
    members: &[Member<Facts>],
) -> Vec<Finding> {
    let mut all: Vec<(Vec<String>, Finding)> = Vec::new();
    for (host, finding) in seen {
        match all.iter_mut().find(|(_, one)| one.code == finding.code && one.subject == finding.subject) {
            Some((hosts, one)) => {
                hosts.push(host);
                // Somebody's will on one controller does not explain a failure on another.
                one.intended &= finding.intended;
            }
            None => all.push((vec![host], finding)),
        }
    }
    let hosts_answering: BTreeSet<&str> = answering.iter().map(|one| one.target.host.as_str()).collect();
    let entry: Vec<&str> = members
        .iter()
        .filter(|member| has_virtual_address(member, members))
        .map(|member| member.target.host.as_str())
        .collect();
    all.into_iter()
        .map(|(hosts, mut finding)| {
            let about_one = members.iter().any(|member| member.target.host == finding.subject);
            if !about_one && hosts.len() < hosts_answering.len() {
                let at_entry = hosts.iter().any(|host| entry.contains(&host.as_str()));
                finding.cause.push_str(&format!(
                    " (seen by {} only, not by the other {})",
                    hosts.join(", "),
                    hosts_answering.len() - hosts.len()
                ));
                if finding.severity == Severity::Failed && !at_entry {
                    finding.severity = Severity::Degraded;
                }
            }
            finding
        })
        .collect()
}

/// Backends and servers that not every HAProxy has.
fn differences(answering: &[&Member<Facts>]) -> Vec<Finding> {
    let names = |member: &Member<Facts>| -> BTreeSet<String> {
        let rows = member.answer.facts().map_or(&[][..], |facts| facts.rows.as_slice());
        rows.iter().map(|row| format!("{}/{}", row.proxy, row.name)).collect()
    };
    let all: BTreeSet<String> = answering.iter().flat_map(|member| names(member)).collect();
    let mut findings = Vec::new();
    for member in answering {
        let own = names(member);
        let lacking: Vec<_> = all.iter().filter(|name| !own.contains(*name)).cloned().collect();
        if lacking.is_empty() {
            continue;
        }
        let host = &member.target.host;
        let shown: Vec<_> = lacking.iter().take(5).cloned().collect();
        let more = if lacking.len() > 5 { " and more" } else { "" };
        let cause = format!(
            "HAProxy on {host} runs with another configuration: it has no {}{more}, which others have",
            shown.join(", ")
        );
        findings.push(
            Finding::new("haproxy-differs", Severity::Degraded, host, cause)
                .next(format!("on {host}: systemctl reload haproxy, when its configuration is the others'")),
        );
    }
    findings
}

fn summary(members: &[Member<Facts>], answering: &[&Member<Facts>]) -> String {
    let entry = members.iter().find(|member| has_virtual_address(member, members));
    let shown = answering
        .iter()
        .find(|member| entry.is_some_and(|entry| entry.target.host == member.target.host))
        .or(answering.first());
    let mut text = format!("{} of {} answer", answering.len(), members.len());
    if let Some(member) = shown {
        text.push_str(&format!(", {}", role(member, &[])));
    }
    if let Some(member) = entry {
        text.push_str(&format!(", virtual address on {}", member.target.host));
    }
    text
}

fn risk(members: &[Member<Facts>], answering: &[&Member<Facts>]) -> Risk {
    if answering.is_empty() {
        return Risk::default();
    }
    let mut alone: BTreeSet<&str> = BTreeSet::new();
    for member in answering {
        let Some(facts) = member.answer.facts() else { continue };
        for backend in backends(facts, &words(member, "primaries")) {
            if backend.usable.len() == 1 && !backend.one_primary && backend.total() > 1 {
                alone.insert(backend.name);
            }
        }
    }
    if !alone.is_empty() {
        let named: Vec<_> = alone.iter().map(|name| called(name)).collect();
        return Risk::stops(format!("one more failure stops {}", named.join(", ")));
    }
    match (answering.len(), members.len()) {
        (1, 1) => Risk::stops("this is the only HAProxy: its failure stops all APIs"),
        (1, _) => Risk::stops("one more failure stops all APIs"),
        _ => Risk::carried("one more failure is taken over"),
    }
}
