//! The commands to type, as the member is run: by systemd, by Pacemaker, in a container.

use super::One;
use crate::verdict::Finding;

/// How to be let in.
pub(super) const LET_IN: &str = "run as root, or on one member: CREATE USER aileron@'%' IDENTIFIED BY '...' (it \
    needs no rights), then put user and password into the section [mariadb] of the credentials file";

fn setting<'a>(member: &'a One, name: &str) -> Option<&'a str> {
    member.target.settings.get(name).map(String::as_str)
}

/// The unit that was found enabled, else the usual one.
fn unit(member: &One) -> &str {
    let named = member.target.evidence.strip_prefix("unit ").and_then(|rest| rest.split(".service").next());
    named.unwrap_or("mariadb")
}

fn managed(member: &One, verb: &str) -> String {
    if let Some(resource) = setting(member, "resource") {
        return match verb {
            "start" => format!("pcs resource cleanup {resource}"),
            _ => format!("pcs resource {verb} {resource}"),
        };
    }
    match (setting(member, "engine"), setting(member, "container")) {
        (Some(engine), Some(container)) => format!("{engine} {verb} {container}"),
        _ => format!("systemctl {verb} {}", unit(member)),
    }
}

pub(super) fn start(member: &One) -> String {
    format!("on {}: {}", member.target.host, managed(member, "start"))
}

pub(super) fn restart(member: &One) -> String {
    format!("on {}: {}", member.target.host, managed(member, "restart"))
}

pub(super) fn restart_bare(member: &One) -> String {
    managed(member, "restart")
}

pub(super) fn look_at_log(member: &One) -> String {
    let host = &member.target.host;
    match (setting(member, "log_error"), setting(member, "engine"), setting(member, "container")) {
        (Some(log), ..) => format!("on {host}: tail -n 50 {log}"),
        (None, Some(engine), Some(container)) => format!("on {host}: {engine} logs --tail 50 {container}"),
        _ => format!("on {host}: journalctl -u {} -n 50", unit(member)),
    }
}

pub(super) fn look_at_network(member: &One) -> String {
    format!(
        "on {}: ss -tn '( dport = :4567 or sport = :4567 )' shows which members it hears",
        member.target.host
    )
}

pub(super) fn more_connections(member: &One) -> String {
    format!(
        "on {}: mariadb -e \"SHOW FULL PROCESSLIST\" shows whose they are; then raise max_connections",
        member.target.host
    )
}

/// Whether Pacemaker runs it, by the name of the resource.
pub(super) fn resource(member: &One) -> Option<&str> {
    setting(member, "resource")
}

/// Whether it runs in a container that Pacemaker knows nothing of.
pub(super) fn in_container(member: &One) -> bool {
    setting(member, "engine").is_some() && resource(member).is_none()
}

pub(super) fn datadir(member: &One) -> &str {
    setting(member, "datadir").unwrap_or("/var/lib/mysql")
}

/// Prints the position of a crashed member; into the error log where one is configured.
pub(super) fn recover(member: &One) -> &'static str {
    match setting(member, "log_error") {
        Some(_) => "mariadbd --user=mysql --wsrep-recover",
        None => "mariadbd --user=mysql --wsrep-recover 2>&1 | grep 'Recovered position'",
    }
}

/// What a stopped member has left on its disk, for the end of a sentence.
pub(super) fn left_behind(member: &One) -> String {
    let saved = member.answer.facts().and_then(|facts| facts.saved.as_ref());
    let Some(saved) = saved else {
        return member.answer.trouble().map(|trouble| format!(" ({})", short(&trouble))).unwrap_or_default();
    };
    match saved.seqno {
        seqno if seqno >= 0 => format!(" (stopped cleanly at seqno {seqno})"),
        _ => " (it did not stop cleanly: seqno -1)".to_string(),
    }
}

fn short(trouble: &str) -> &str {
    trouble.strip_prefix("is not running: ").unwrap_or(trouble)
}

/// The finding without its next step, where a step for all replaces it.
pub(super) fn without_next(finding: &mut Finding) {
    finding.next.clear();
}
