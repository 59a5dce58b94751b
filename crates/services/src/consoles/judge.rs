//! The rules for the console proxies.
//!
//! They share nothing and know nothing of each other: HAProxy sends a browser to any of a sort. So one that
//! is down costs the consoles that were open through it, and one that is frozen every console that HAProxy
//! goes on sending it. No console at all is a failure of this service; instances run on.

use super::Facts;
use super::sorts::{self, SORTS};
use crate::answer::Answer;
use crate::remedy;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State};

type One = Member<Facts>;

pub(super) fn judge(members: &[One], _context: &Context) -> Judgement {
    let mut judged = Judgement::default();
    let (mut summaries, mut risks) = (Vec::new(), Vec::new());
    for sort in &SORTS {
        let own: Vec<&One> = members.iter().filter(|member| setting(member, "sort") == sort.key).collect();
        if own.is_empty() {
            continue;
        }
        let living = own.iter().filter(|member| lives(member)).count();
        let well = own.iter().filter(|member| member.answer.facts().is_some()).count();
        summaries.push(format!("{} {well} of {} answer", sort.name, own.len()));
        risks.push(risk(sort.name, living, own.len()));
        for member in own {
            let finding = about(member, sort.name, living);
            judged.members.push(member.verdict(state_of(member, finding.as_ref()), role(member)));
            judged.findings.extend(finding);
        }
    }
    judged.summary = summaries.join(", ");
    judged.risk = Risk::all(risks);
    judged
}

fn setting<'a>(member: &'a One, name: &str) -> &'a str {
    member.target.settings.get(name).map(String::as_str).unwrap_or_default()
}

/// Whether it answers, or may.
fn lives(member: &One) -> bool {
    matches!(member.answer, Answer::Got { .. } | Answer::Denied { .. })
}

fn state_of(member: &One, finding: Option<&Finding>) -> State {
    match (&member.answer, finding) {
        (Answer::Denied { .. }, _) => State::Unknown,
        (Answer::Got { .. }, Some(finding)) if finding.severity != Severity::Notice => State::Degraded,
        (Answer::Got { .. }, _) => State::Ok,
        _ => State::Failed,
    }
}

/// "noVNC, 3 connections".
fn role(member: &One) -> String {
    let name = sorts::of(setting(member, "sort")).map_or("", |sort| sort.name);
    let tls = if matches!(member.answer.facts(), Some(Facts::Tls)) { ", TLS" } else { "" };
    match setting(member, "connections") {
        "" => format!("{name}{tls}"),
        "1" => format!("{name}{tls}, 1 connection"),
        count => format!("{name}{tls}, {count} connections"),
    }
}

fn about(member: &One, name: &str, living: usize) -> Option<Finding> {
    match &member.answer {
        Answer::Got { facts: Facts::Missing { paths } } => Some(page(member, name, paths)),
        Answer::Got { .. } => None,
        _ => Some(without_answer(member, name, living)),
    }
}

/// The page that a browser is sent to is not there.
fn page(member: &One, name: &str, paths: &[String]) -> Finding {
    let host = &member.target.host;
    let (severity, why) = match setting(member, "page") {
        // Another host's nova.conf may send them elsewhere: Nova's compute service hands out the URL.
        "" => (Severity::Notice, "no URL for users is configured here"),
        _ => (Severity::Degraded, "nova.conf sends users there"),
    };
    let cause = format!("the {name} proxy on {host} lives and has no page {} ({why})", paths.join(" or "));
    let next = format!(
        "on {host}: install the package of the pages (novnc, spice-html5) or mend web in nova.conf, and compare \
         the base_url in nova.conf of the computes"
    );
    Finding::new("consoles-page-missing", severity, host, cause).next(next)
}

fn without_answer(member: &One, name: &str, living: usize) -> Finding {
    let target = &member.target;
    let trouble = member.answer.trouble().unwrap_or_default();
    let severity = if living == 0 { Severity::Failed } else { Severity::Degraded };
    let gone = match living {
        0 => format!("no {name} console can be opened"),
        1 => "HAProxy sends browsers to the one that is left".to_string(),
        _ => format!("HAProxy sends browsers to the {living} others"),
    };
    let hides = match living {
        0 => gone.clone(),
        // A connection succeeds: the kernel accepts it.
        _ => "a check of HAProxy that only connects takes it for well, and sends it browsers".to_string(),
    };
    let (code, severity, effect, next) = match &member.answer {
        Answer::Down { .. } => ("consoles-down", severity, gone, remedy::service(target, "start")),
        Answer::Silent { .. } => ("consoles-silent", severity, hides, remedy::service(target, "restart")),
        Answer::Denied { .. } => {
            ("consoles-denied", Severity::Unknown, "its state is not known".to_string(), String::new())
        }
        _ => ("consoles-broken", severity, hides, remedy::service(target, "restart")),
    };
    let why = if target.seen { String::new() } else { format!(" ({})", target.evidence) };
    let cause = format!("the {name} proxy on {} {trouble}{why}; {effect}", target.host);
    Finding::new(code, severity, &target.host, cause).next(next)
}

fn risk(name: &str, living: usize, all: usize) -> Risk {
    match living {
        0 => Risk::carried(format!("no {name} console can be opened; instances run on")),
        1 if all == 1 => Risk::stops(format!("its failure leaves no {name} console")),
        1 => Risk::stops(format!("one more failure leaves no {name} console")),
        _ => Risk::carried(format!("one more failure ends the {name} consoles open through it")),
    }
}
