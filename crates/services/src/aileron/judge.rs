//! The rules for our own broker. Each is one of its own: what one holds, no other has.

use std::collections::BTreeMap;

use super::facts::{Facts, Health};
use crate::answer::Answer;
use crate::remedy;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State};

type One = Member<Facts>;

/// From this share of a limit on it is called near, in percent.
const NEAR: u64 = 90;
/// The disk is near its limit below this many times of it.
const DISK_NEAR: u64 = 2;

pub(super) fn judge(members: &[One], context: &Context) -> Judgement {
    let mut judged = Judgement::default();
    let serving = members.iter().filter(|member| serves(member)).count();
    for member in members {
        let findings = about(member);
        let state = findings.iter().fold(State::Ok, |state, finding| {
            state.worst(match finding.severity {
                Severity::Notice => State::Ok,
                Severity::Unknown => State::Unknown,
                Severity::Degraded if serves(member) => State::Degraded,
                _ => State::Failed,
            })
        });
        judged.members.push(member.verdict(state, role(member)));
        judged.findings.extend(findings);
    }
    judged.findings.extend(versions(members));
    if serving == 0 && !members.is_empty() {
        let states: Vec<_> =
            members.iter().map(|one| format!("{} {}", one.target.host, one.answer.word())).collect();
        let severity = if context.missing.is_empty() { Severity::Failed } else { Severity::Unknown };
        let cause = format!(
            "no aileron serves: OpenStack's services cannot speak to each other ({})",
            states.join(", ")
        );
        let next = judged.findings.first().map(|finding| finding.next.clone()).unwrap_or_default();
        judged.findings.push(Finding::new("aileron-none-serves", severity, "", cause).next(next));
    }
    judged.summary = format!("{serving} of {} serve", members.len());
    judged.risk = match (serving, members.len()) {
        (0, _) => Risk::default(),
        (1, 1) => Risk::stops(
            "one failure stops the broker: it is the only one, and nothing has a copy of its queues",
        ),
        (1, _) => Risk::stops("one more failure stops the last broker that serves"),
        _ => Risk::carried(
            "each is a broker of its own: one more failure takes its queues away until it is back",
        ),
    };
    judged
}

fn serves(member: &One) -> bool {
    member.answer.facts().is_some_and(|facts| facts.serves)
}

fn role(member: &One) -> String {
    let Some(facts) = member.answer.facts() else { return String::new() };
    let state = match (facts.serves, facts.starting) {
        (true, _) => "serves",
        (false, true) => "starting",
        (false, false) => "takes no clients",
    };
    match &facts.health {
        Some(health) => format!("{state}, {}, {} connections", health.version, health.connections),
        None => state.to_string(),
    }
}

fn log(member: &One) -> String {
    let target = &member.target;
    match target.settings.get("container").and_then(|container| container.split_once(' ')) {
        Some((engine, name)) => format!("on {}: {engine} logs --tail 50 {name}", target.host),
        None => format!("on {}: journalctl -u aileron -n 50", target.host),
    }
}

fn about(member: &One) -> Vec<Finding> {
    let host = member.target.host.as_str();
    let mut findings = Vec::new();
    match &member.answer {
        Answer::Got { facts } => {
            findings.extend(serving(member, facts));
            if let Some(health) = &facts.health {
                findings.extend(alarms(member, health));
                findings.extend(hung_disk(member, health));
                findings.extend(limits(member, health));
            }
        }
        answer => findings.extend(without_answer(member, answer)),
    }
    if let Some(rival) = member.target.settings.get("rival") {
        let port = member.target.port.unwrap_or(super::PORT);
        let cause = format!(
            "RabbitMQ ({rival}) and aileron on {host} both want port {port}: whichever starts first has it"
        );
        findings.push(Finding::new("aileron-port-contested", Severity::Notice, host, cause).next(format!(
            "on {host}: systemctl disable --now rabbitmq-server, or give one of them another port"
        )));
    }
    findings
}

fn without_answer(member: &One, answer: &Answer<Facts>) -> Option<Finding> {
    let trouble = answer.trouble()?;
    let host = &member.target.host;
    let (code, severity, next) = match answer {
        Answer::Silent { .. } => {
            ("aileron-silent", Severity::Degraded, remedy::service(&member.target, "restart"))
        }
        Answer::Down { .. } => ("aileron-down", Severity::Degraded, remedy::service(&member.target, "start")),
        Answer::Denied { .. } => ("aileron-denied", Severity::Unknown, "run it as root".to_string()),
        _ => ("aileron-broken", Severity::Degraded, log(member)),
    };
    let why = if member.target.seen { String::new() } else { format!(" ({})", member.target.evidence) };
    Some(Finding::new(code, severity, host, format!("aileron on {host} {trouble}{why}")).next(next))
}

fn serving(member: &One, facts: &Facts) -> Option<Finding> {
    let host = &member.target.host;
    if facts.serves {
        return facts.health.is_none().then(|| {
            let cause = format!(
                "aileron on {host} greets its clients; whether it holds publishers back could not be read: it {}",
                if facts.unread.is_empty() { "was still starting" } else { &facts.unread }
            );
            Finding::new("aileron-unread", Severity::Notice, host, cause)
                .next(format!("on {host}: aileron services, as root or as the broker's user"))
        });
    }
    Some(if facts.starting {
        let cause = format!("aileron on {host} is starting: it reads its logs and takes no clients yet");
        Finding::new("aileron-starting", Severity::Degraded, host, cause)
            .next(format!("on {host}: rabbitmqctl await_startup"))
    } else {
        let cause = format!("aileron on {host} runs and takes no clients: {}", facts.unserved);
        Finding::new("aileron-no-greeting", Severity::Degraded, host, cause).next(log(member))
    })
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn alarms(member: &One, health: &Health) -> Vec<Finding> {
    let host = &member.target.host;
    let alarm = |code: &String| {
        let (code, cause, next) = match code.as_str() {
            "memory" => (
                "aileron-memory-alarm",
                format!(
                    "all publishers are blocked: aileron on {host} uses {} MiB of memory, the limit is {}",
                    mib(health.memory_used),
                    mib(health.memory_limit)
                ),
                format!(
                    "on {host}: rabbitmqctl list_queues name messages memory; or raise broker.memory_high_watermark"
                ),
            ),
            "disk" => (
                "aileron-disk-alarm",
                format!(
                    "all publishers are blocked: aileron on {host} has {} MiB of disk free, the limit is {}",
                    mib(health.disk_free),
                    mib(health.disk_free_limit)
                ),
                format!("on {host}: df -h the data folder, and make space"),
            ),
            "log-full" => (
                "aileron-log-full",
                format!("all publishers are blocked: the disk of aileron's log on {host} is full"),
                format!("on {host}: df -h the data folder, and make space: it goes on by itself"),
            ),
            "log-failed" => (
                "aileron-log-failed",
                format!(
                    "aileron on {host} stores and confirms nothing any more: its disk failed a write or sync, which ends it for good"
                ),
                format!("on {host}: dmesg | tail, mend the disk, then systemctl restart aileron"),
            ),
            other => ("aileron-alarm", format!("aileron on {host} has the alarm {other}"), log(member)),
        };
        Finding::new(code, Severity::Failed, host, cause).next(next)
    };
    health.alarms.iter().map(alarm).collect()
}

fn hung_disk(member: &One, health: &Health) -> Option<Finding> {
    let host = &member.target.host;
    let (vhost, seconds) = (&health.disk_waits_vhost, health.disk_waits);
    (seconds > 0).then(|| {
        let cause = format!(
            "aileron on {host} confirms nothing: its disk has not answered a write or sync of vhost '{vhost}' for {seconds} s"
        );
        let next = format!("on {host}: dmesg | tail, and look after the storage: it goes on when that answers");
        Finding::new("aileron-disk-hangs", Severity::Failed, host, cause).next(next)
    })
}

/// Whether a limit is near, in percent; none where there is no limit.
fn near(used: u64, limit: u64) -> Option<u64> {
    used.saturating_mul(100).checked_div(limit).filter(|share| *share >= NEAR)
}

fn limits(member: &One, health: &Health) -> Vec<Finding> {
    let host = &member.target.host;
    let has = |code: &str| health.alarms.iter().any(|alarm| alarm == code);
    let mut findings = Vec::new();
    let mut tell = |code: &str, cause: String, next: String| {
        findings.push(Finding::new(code, Severity::Degraded, host, cause).next(format!("on {host}: {next}")));
    };
    if health.damages > 0 {
        let cause = format!(
            "aileron on {host} found {} damaged places in its logs; what they held is lost, the rest is served",
            health.damages
        );
        tell(
            "aileron-log-damaged",
            cause,
            "journalctl -u aileron | grep damaged, and check the disk".to_string(),
        );
    }
    if let Some(share) = near(health.memory_used, health.memory_limit).filter(|_| !has("memory")) {
        let (used, limit) = (mib(health.memory_used), mib(health.memory_limit));
        let cause = format!(
            "aileron on {host} uses {used} of {limit} MiB ({share} %): at the limit all publishers are blocked"
        );
        tell("aileron-memory-near", cause, "rabbitmqctl list_queues name messages memory".to_string());
    }
    let disk_low = health.disk_free < health.disk_free_limit.saturating_mul(DISK_NEAR);
    if disk_low && health.disk_free > 0 && !has("disk") && !has("log-full") {
        let (free, limit) = (mib(health.disk_free), mib(health.disk_free_limit));
        let cause = format!(
            "aileron on {host} has {free} MiB of disk left: below {limit} MiB all publishers are blocked"
        );
        tell("aileron-disk-near", cause, "df -h the data folder".to_string());
    }
    if near(health.descriptors, health.descriptors_limit).is_some() {
        let (used, limit) = (health.descriptors, health.descriptors_limit);
        let cause = format!(
            "aileron on {host} uses {used} of {limit} file descriptors: at the limit it takes no more clients"
        );
        tell(
            "aileron-descriptors-near",
            cause,
            "raise LimitNOFILE of aileron.service, then restart it".to_string(),
        );
    }
    if near(health.connections, health.connections_limit).is_some() {
        let (used, limit) = (health.connections, health.connections_limit);
        let cause = format!("aileron on {host} has {used} of {limit} connections: more are turned away");
        tell("aileron-connections-near", cause, "raise broker.max_connections, or LimitNOFILE of aileron.service where that is what sets it; then restart it"
            .to_string());
    }
    findings
}

fn versions(members: &[One]) -> Option<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in members {
        if let Some(health) = member.answer.facts().and_then(|facts| facts.health.as_ref()) {
            versions.entry(&health.version).or_default().push(&member.target.host);
        }
    }
    (versions.len() > 1).then(|| {
        let told: Vec<String> =
            versions.iter().map(|(version, hosts)| format!("{version} on {}", hosts.join(", "))).collect();
        let cause = format!("the ailerons are of different versions: {}", told.join("; "));
        Finding::new("aileron-versions-differ", Severity::Notice, "", cause).next("finish the upgrade")
    })
}
