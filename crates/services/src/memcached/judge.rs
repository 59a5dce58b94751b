//! The rules for memcached.
//!
//! A member that is gone costs its share of the cached tokens and some time-outs, never data: a pool
//! with a member left is degraded. Full never shows as 100 % of the memory (slabs): evictions tell.

use super::Facts;
use crate::answer::Answer;
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
        let state = findings.iter().fold(State::Ok, |state, finding| {
            state.worst(match finding.severity {
                Severity::Notice => State::Ok,
                _ if member.answer.facts().is_none() => State::Failed,
                _ => State::Degraded,
            })
        });
        judged.members.push(member.verdict(state, role(&member.answer)));
        judged.findings.extend(findings);
    }
    let well = members.iter().filter(|member| member.answer.facts().is_some()).count();
    if well == 0 {
        for finding in judged.findings.iter_mut().filter(|one| one.severity == Severity::Degraded) {
            finding.severity = Severity::Failed;
        }
    }
    judged.summary = format!("{well} of {} answer", members.len());
    judged.risk = match well {
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

fn without_answer(member: &Member<Facts>) -> Finding {
    let host = &member.target.host;
    let trouble = member.answer.trouble().unwrap_or_default();
    let (code, next) = match &member.answer {
        Answer::Silent { .. } => ("memcached-silent", "systemctl restart memcached"),
        Answer::Denied { .. } => {
            ("memcached-connections-full", "raise -c in its options, then restart memcached")
        }
        _ => ("memcached-down", "systemctl start memcached"),
    };
    let cause = format!("memcached on {host} {trouble}");
    Finding::new(code, Severity::Degraded, host, cause).next(format!("on {host}: {next}"))
}

fn about(member: &Member<Facts>, facts: &Facts) -> Vec<Finding> {
    let host = member.target.host.as_str();
    let mut findings = Vec::new();
    if facts.evictions > 0 {
        let cause = format!(
            "memcached on {host} is full: {} living items thrown out in {} s, {} of {} MiB used",
            facts.evictions,
            facts.uptime,
            facts.bytes >> 20,
            facts.limit_maxbytes >> 20
        );
        findings.push(
            Finding::new("memcached-evictions", Severity::Degraded, host, cause)
                .next(format!("on {host}: raise -m in its options, then restart memcached")),
        );
    }
    if facts.rejected_connections > 0 || facts.listen_disabled_num > 0 {
        let cause = format!(
            "memcached on {host} turned {} connections away since its start ({} open of {} allowed)",
            facts.rejected_connections.max(facts.listen_disabled_num),
            facts.curr_connections,
            facts.max_connections
        );
        findings.push(
            Finding::new("memcached-rejected", Severity::Degraded, host, cause)
                .next(format!("on {host}: raise -c in its options, then restart memcached")),
        );
    }
    if facts.uptime < COLD {
        let cause = format!("memcached on {host} started {} s ago: its cache is cold", facts.uptime);
        findings.push(Finding::new("memcached-cold", Severity::Notice, host, cause));
    }
    findings
}
