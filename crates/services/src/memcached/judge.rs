//! The rules for memcached.
//!
//! A member that is gone costs its share of the cached tokens and some time-outs, never data: a pool
//! with a member left is degraded. Full never shows as 100 % of the memory (slabs): evictions tell. They
//! and refusals are judged by their share, since the start and within the moment of the probe: a few of
//! them long ago are history.

use super::Facts;
use super::facts::NO_CONNECTION;
use crate::answer::Answer;
use crate::remedy;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State};

/// Below this age its cache is called cold, in seconds.
const COLD: u64 = 300;

pub(super) fn judge(members: &[Member<Facts>], _context: &Context) -> Judgement {
    let mut judged = Judgement::default();
    for member in members {
        let findings = match &member.answer {
            Answer::Got { facts } => about(member, facts),
            _ => vec![without_answer(member)],
        };
        let state = match (&member.answer, findings.iter().any(|one| one.severity != Severity::Notice)) {
            (Answer::Denied { .. }, _) if !is_full(member) => State::Unknown,
            (Answer::Got { .. }, false) => State::Ok,
            (Answer::Got { .. } | Answer::Denied { .. }, _) => State::Degraded,
            _ => State::Failed,
        };
        judged.members.push(member.verdict(state, role(&member.answer)));
        judged.findings.extend(findings);
    }
    let well = members.iter().filter(|member| member.answer.facts().is_some()).count();
    // One that lets no probe in still serves who is connected.
    let living = well + members.iter().filter(|one| matches!(one.answer, Answer::Denied { .. })).count();
    if living == 0 {
        for finding in judged.findings.iter_mut().filter(|one| one.severity == Severity::Degraded) {
            finding.severity = Severity::Failed;
        }
    }
    judged.summary = format!("{well} of {} answer", members.len());
    judged.risk = match living {
        0 => Risk::carried("nothing is cached: every request validates its token at Keystone"),
        1 => Risk::stops("one more failure leaves no cache: every request validates its token at Keystone"),
        _ => Risk::carried("one more failure costs a share of the cached tokens"),
    };
    judged
}

fn role(answer: &Answer<Facts>) -> String {
    answer.facts().map_or_else(String::new, |facts| {
        format!("{} items, {} of {} MiB", facts.curr_items, facts.bytes >> 20, facts.limit_maxbytes >> 20)
    })
}

/// Whether it has turned the probe away for want of a connection.
fn is_full(member: &Member<Facts>) -> bool {
    matches!(&member.answer, Answer::Denied { cause } if cause.contains(NO_CONNECTION))
}

fn without_answer(member: &Member<Facts>) -> Finding {
    let target = &member.target;
    let trouble = member.answer.trouble().unwrap_or_default();
    let (code, severity, next) = match &member.answer {
        Answer::Denied { .. } if is_full(member) => {
            ("memcached-connections-full", Severity::Degraded, more(member, "-c"))
        }
        Answer::Denied { .. } => ("memcached-denied", Severity::Unknown, String::new()),
        Answer::Silent { .. } => ("memcached-silent", Severity::Degraded, remedy::service(target, "restart")),
        Answer::Broken { .. } => ("memcached-broken", Severity::Degraded, remedy::log(target)),
        _ => ("memcached-down", Severity::Degraded, remedy::service(target, "start")),
    };
    let mut cause = format!("memcached on {} {trouble}", target.host);
    if !target.seen && matches!(member.answer, Answer::Down { .. }) {
        cause.push_str(&format!(" ({})", target.evidence));
    }
    Finding::new(code, severity, &target.host, cause).next(next)
}

fn more(member: &Member<Facts>, option: &str) -> String {
    let host = &member.target.host;
    format!("on {host}: raise {option} in its options, then {}", remedy::bare(&member.target, "restart"))
}

fn about(member: &Member<Facts>, facts: &Facts) -> Vec<Finding> {
    let host = member.target.host.as_str();
    let mut findings = Vec::new();
    findings.extend(evictions(member, facts));
    findings.extend(connections(member, facts));
    if facts.uptime < COLD {
        let cause = format!("memcached on {host} started {} s ago: its cache is cold", facts.uptime);
        findings.push(Finding::new("memcached-cold", Severity::Notice, host, cause));
    }
    findings
}

/// Whether a part is one percent or more.
fn weighs(part: u64, whole: u64) -> bool {
    part > 0 && part.saturating_mul(100) >= whole
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

fn evictions(member: &Member<Facts>, facts: &Facts) -> Option<Finding> {
    if facts.evictions == 0 {
        return None;
    }
    let host = member.target.host.as_str();
    let growth = facts.growth.clone().unwrap_or_default();
    let weighs = weighs(facts.evictions, facts.cmd_set) || weighs(growth.evictions, growth.stores);
    let now = if growth.evictions > 0 { ", and goes on" } else { "" };
    let cause = format!(
        "memcached on {host} is full: it threw out {} living items in {} s ({:.2} % of what was stored){now}, \
         {} of {} MiB used",
        facts.evictions,
        facts.uptime,
        percent(facts.evictions, facts.cmd_set),
        facts.bytes >> 20,
        facts.limit_maxbytes >> 20
    );
    let severity = if weighs { Severity::Degraded } else { Severity::Notice };
    Some(Finding::new("memcached-evictions", severity, host, cause).next(more(member, "-m")))
}

fn connections(member: &Member<Facts>, facts: &Facts) -> Vec<Finding> {
    let host = member.target.host.as_str();
    let mut findings = Vec::new();
    let away = facts.turned_away();
    if away > 0 {
        let all = facts.total_connections.saturating_add(away);
        let growth = facts.growth.as_ref().map_or(0, |growth| growth.turned_away);
        let severity = if weighs(away, all) || growth > 0 { Severity::Degraded } else { Severity::Notice };
        let cause = format!(
            "memcached on {host} turned {away} of {all} connections away in {} s ({} open of {} allowed)",
            facts.uptime, facts.curr_connections, facts.max_connections
        );
        findings.push(Finding::new("memcached-rejected", severity, host, cause).next(more(member, "-c")));
    }
    let taken = facts.curr_connections.saturating_add(facts.reserved_fds);
    if facts.max_connections > 0 && taken.saturating_mul(10) >= facts.max_connections.saturating_mul(9) {
        let cause = format!(
            "memcached on {host} has {} connections open and keeps {} back, of {} allowed",
            facts.curr_connections, facts.reserved_fds, facts.max_connections
        );
        findings.push(
            Finding::new("memcached-connections-full", Severity::Degraded, host, cause)
                .next(more(member, "-c")),
        );
    }
    findings
}
