//! What concerns one node.

use super::{One, remedy};
use crate::answer::Answer;
use crate::rabbitmq::facts::{Facts, Node};
use crate::verdict::{Finding, Severity};

/// From this share of a limit on it is called near, in percent.
const NEAR: u64 = 90;
/// The disk is near its limit below this many times of it.
const DISK_NEAR: u64 = 2;
/// The most queues with a backlog that are told by name.
const BACKLOGS_TOLD: usize = 5;

pub(super) fn about(member: &One) -> Vec<Finding> {
    let Answer::Got { facts } = &member.answer else {
        return without_answer(member).into_iter().collect();
    };
    let mut findings: Vec<Finding> = serving(member, facts).into_iter().collect();
    if let Some(node) = &facts.node {
        findings.extend(memory(member, node));
        findings.extend(disk(member, node));
        findings.extend(handles(member, node));
        findings.extend(backlogs(member, node));
    }
    findings
}

fn without_answer(member: &One) -> Option<Finding> {
    let trouble = member.answer.trouble()?;
    let host = &member.target.host;
    let (code, severity, next) = match &member.answer {
        Answer::Silent { .. } => ("rabbitmq-silent", Severity::Degraded, remedy::unit(member, "restart")),
        Answer::Down { .. } => ("rabbitmq-down", Severity::Degraded, remedy::unit(member, "start")),
        Answer::Denied { .. } => ("rabbitmq-denied", Severity::Unknown, crate::rabbitmq::LET_IN.to_string()),
        _ => ("rabbitmq-broken", Severity::Degraded, remedy::ctl(member, "status")),
    };
    let why = if member.target.seen { String::new() } else { format!(" ({})", member.target.evidence) };
    Some(Finding::new(code, severity, host, format!("RabbitMQ on {host} {trouble}{why}")).next(next))
}

/// Whether it takes clients, and if not, whether somebody wanted it so.
fn serving(member: &One, facts: &Facts) -> Option<Finding> {
    let host = &member.target.host;
    if facts.replaced {
        let why = &member.target.evidence;
        let cause = format!("RabbitMQ on {host} should run ({why}), and aileron has its port");
        return Some(
            Finding::new("rabbitmq-replaced", Severity::Notice, host, cause)
                .next(format!("on {host}: systemctl disable --now rabbitmq-server")),
        );
    }
    let node = facts.node.as_ref()?;
    if node.drained {
        let cause = format!("RabbitMQ on {host} is in maintenance: it is drained and takes no clients");
        return Some(
            Finding::new("rabbitmq-drained", Severity::Notice, host, cause)
                .next(remedy::ctl(member, "rabbitmq-upgrade revive"))
                .intended(),
        );
    }
    if node.broker_runs == Some(false) {
        let why = match node.partition_handling.as_str() {
            "pause_minority" => {
                "it was stopped (stop_app), or has paused itself because it sees no majority (pause_minority)"
            }
            _ => "it was stopped (stop_app), or is still starting",
        };
        let cause = format!(
            "RabbitMQ on {host} takes no clients: its Erlang node runs, the broker in it does not; {why}"
        );
        return Some(
            Finding::new("rabbitmq-stopped", Severity::Degraded, host, cause)
                .next(remedy::ctl(member, "start_app")),
        );
    }
    if facts.greeting.is_none() {
        let cause = format!("RabbitMQ on {host} runs and takes no clients: {}", facts.unserved);
        return Some(
            Finding::new("rabbitmq-no-greeting", Severity::Degraded, host, cause)
                .next(remedy::ctl(member, "rabbitmq-diagnostics listeners")),
        );
    }
    None
}

fn percent(used: u64, limit: u64) -> u64 {
    used.saturating_mul(100).checked_div(limit).unwrap_or_default()
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn has_alarm(node: &Node, what: &str) -> bool {
    node.alarms.iter().any(|(of, alarm)| *of == node.name && alarm == what)
}

fn memory(member: &One, node: &Node) -> Option<Finding> {
    let (used, limit) = node.memory.filter(|_| !has_alarm(node, "memory"))?;
    let share = percent(used, limit);
    (share >= NEAR).then(|| {
        let host = &member.target.host;
        let cause = format!(
            "RabbitMQ on {host} uses {} of {} MiB ({share} %): at the limit all publishers are blocked",
            mib(used),
            mib(limit)
        );
        Finding::new("rabbitmq-memory-near", Severity::Degraded, host, cause)
            .next(remedy::ctl(member, "list_queues name memory messages"))
    })
}

fn disk(member: &One, node: &Node) -> Option<Finding> {
    let (free, limit) = node.disk.filter(|_| !has_alarm(node, "disk"))?;
    (free < limit.saturating_mul(DISK_NEAR)).then(|| {
        let host = &member.target.host;
        let cause = format!(
            "RabbitMQ on {host} has {} MiB of disk left: below {} MiB all publishers are blocked",
            mib(free),
            mib(limit)
        );
        Finding::new("rabbitmq-disk-near", Severity::Degraded, host, cause)
            .next(format!("on {host}: df -h /var/lib/rabbitmq"))
    })
}

fn handles(member: &One, node: &Node) -> Option<Finding> {
    let near = |figures: Option<(u64, u64)>| figures.filter(|(used, limit)| percent(*used, *limit) >= NEAR);
    let (what, (used, limit)) = near(node.descriptors)
        .map(|figures| ("file descriptors", figures))
        .or_else(|| near(node.sockets).map(|figures| ("sockets", figures)))?;
    let host = &member.target.host;
    let cause =
        format!("RabbitMQ on {host} uses {used} of {limit} {what}: at the limit it takes no more clients");
    Some(
        Finding::new("rabbitmq-descriptors-near", Severity::Degraded, host, cause)
            .next(format!("{}, after raising its limit of open files", remedy::unit(member, "restart"))),
    )
}

fn backlogs(member: &One, node: &Node) -> Option<Finding> {
    if node.backlogs.is_empty() {
        return None;
    }
    let mut largest: Vec<_> = node.backlogs.iter().collect();
    largest.sort_by_key(|one| std::cmp::Reverse(one.ready.saturating_add(one.unacknowledged)));
    let told: Vec<String> = largest
        .iter()
        .take(BACKLOGS_TOLD)
        .map(|one| {
            let queue = if one.queue.is_empty() { "all queues" } else { &one.queue };
            format!("{queue}: {} ready, {} unacknowledged", one.ready, one.unacknowledged)
        })
        .collect();
    let more = largest.len().saturating_sub(BACKLOGS_TOLD);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let host = &member.target.host;
    let cause = format!("messages pile up on {host}: {}{more}", told.join("; "));
    Some(
        Finding::new("rabbitmq-backlog", Severity::Notice, host, cause)
            .next(remedy::ctl(member, "list_queues name consumers messages_ready messages_unacknowledged")),
    )
}
