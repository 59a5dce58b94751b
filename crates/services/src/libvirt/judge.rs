//! The rules for libvirt: each host for itself, since no daemon stands in for another.
//!
//! Instances outlive their daemon: without it they run, but nobody can start, stop or move them, or open
//! their consoles. Of the instances only what their owners did not want is told.

use super::{Facts, Stand};
use crate::answer::Answer;
use crate::remedy;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State, Verdict};

/// The most instances that a finding names.
const NAMED_MAX: usize = 5;

pub(super) fn judge(members: &[Member<Facts>], _context: &Context) -> Judgement {
    let mut judged = Judgement::default();
    let living = members
        .iter()
        .filter(|member| matches!(member.answer, Answer::Got { .. } | Answer::Denied { .. }))
        .count();
    for member in members {
        let findings = match &member.answer {
            Answer::Got { facts } => about(member, facts),
            _ => vec![without_answer(member, living)],
        };
        let state = match &member.answer {
            Answer::Got { .. } | Answer::Denied { .. } => Verdict::state_of(&findings),
            _ => State::Failed,
        };
        judged.members.push(member.verdict(state, role(&member.answer)));
        judged.findings.extend(findings);
    }
    let facts: Vec<&Facts> = members.iter().filter_map(|member| member.answer.facts()).collect();
    judged.summary = format!("{} of {} answer", facts.len(), members.len());
    if !facts.is_empty() {
        let count = |stands: &[Stand]| facts.iter().map(|one| one.count(stands)).sum::<usize>();
        judged.summary += &format!(", {} of {} instances run", count(&[Stand::Running]), count(&[]));
    }
    judged.risk = match living {
        0 => Risk::carried("instances run on, and nobody can start, stop or move one or open its console"),
        _ => {
            Risk::carried("one more failure leaves the instances of one host without anybody to manage them")
        }
    };
    judged
}

impl Facts {
    /// The domains that stand like that; all for none.
    fn count(&self, stands: &[Stand]) -> usize {
        self.domains.iter().filter(|one| stands.is_empty() || stands.contains(&one.stand)).count()
    }
}

/// "QEMU 7.2.22, 12 running, 1 paused, 2 off".
fn role(answer: &Answer<Facts>) -> String {
    let Some(facts) = answer.facts() else { return String::new() };
    let parts = [
        (facts.count(&[Stand::Running]), "running"),
        (facts.count(&[Stand::Paused, Stand::IoError, Stand::Stuck]), "paused"),
        (facts.count(&[Stand::Crashed]), "crashed"),
        (facts.count(&[Stand::Off, Stand::Lost]), "off"),
    ];
    let mut words = vec![facts.hypervisor.clone()];
    words.extend(parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    words.join(", ")
}

fn without_answer(member: &Member<Facts>, living: usize) -> Finding {
    let target = &member.target;
    let severity = if living == 0 { Severity::Failed } else { Severity::Degraded };
    let (code, severity, next) = match &member.answer {
        Answer::Down { .. } => ("libvirt-down", severity, remedy::service(target, "start")),
        Answer::Silent { .. } => ("libvirt-silent", severity, remedy::service(target, "restart")),
        Answer::Denied { .. } => ("libvirt-denied", Severity::Unknown, String::new()),
        _ => ("libvirt-broken", severity, remedy::log(target)),
    };
    let effect = match severity {
        Severity::Unknown => "the state of its instances is not known",
        _ => "its instances run on, and Nova can neither manage them nor open their consoles",
    };
    let trouble = member.answer.trouble().unwrap_or_default();
    let why = if target.seen { String::new() } else { format!(" ({})", target.evidence) };
    let cause = format!("libvirt on {} {trouble}{why}; {effect}", target.host);
    Finding::new(code, severity, &target.host, cause).next(next)
}

fn about(member: &Member<Facts>, facts: &Facts) -> Vec<Finding> {
    let host = member.target.host.as_str();
    let said = |stand: Stand, code: &str, severity, what: &str, next: String| {
        let named = named(facts, stand)?;
        Some(Finding::new(code, severity, host, format!("on {host} {what}: {named}")).next(next))
    };
    let first = |stand: Stand| {
        let found = facts.domains.iter().find(|one| one.stand == stand);
        found.map_or("NAME", |one| one.name.as_str())
    };
    [
        said(
            Stand::IoError,
            "libvirt-io-error",
            Severity::Degraded,
            "instances are paused since their disks could not be written or read, as when their storage is full",
            format!(
                "on {host}: virsh domblkerror {name}; make room or bring the storage back, then virsh resume {name}",
                name = first(Stand::IoError)
            ),
        ),
        said(
            Stand::Crashed,
            "libvirt-crashed",
            Severity::Degraded,
            "guests have crashed and are kept for looking at",
            format!("on {host}: virsh dump {name} FILE, then openstack server reboot --hard", name = first(Stand::Crashed)),
        ),
        said(
            Stand::Stuck,
            "libvirt-stuck",
            Severity::Degraded,
            "instances are paused by their watchdog or by a migration that failed half-way",
            format!("on {host}: virsh domstate --reason {}", first(Stand::Stuck)),
        ),
        said(
            Stand::Lost,
            "libvirt-lost",
            // Nobody but its owner can tell whether it should run: it stays so until it is started again.
            Severity::Notice,
            "instances are off since their QEMU ended by itself or did not start",
            format!("on {host}: tail /var/log/libvirt/qemu/{}.log, and dmesg for the OOM killer", first(Stand::Lost)),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The names of those that stand so, cut after some.
fn named(facts: &Facts, stand: Stand) -> Option<String> {
    let names: Vec<&str> =
        facts.domains.iter().filter(|one| one.stand == stand).map(|one| one.name.as_str()).collect();
    let shown = names.get(..names.len().min(NAMED_MAX)).filter(|shown| !shown.is_empty())?.join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}
