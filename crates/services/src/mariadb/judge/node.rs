//! One server that answers: is it in step, does it take writes, has it room.

use super::remedy;
use super::{One, Stand, fail};
use crate::mariadb::facts::{Galera, Phase, Server};
use crate::verdict::{Finding, Severity};

/// A receive queue from here on is worth telling; replication in bursts makes a few.
const QUEUE: u64 = 50;
/// The share of the time between two readings that writes stood still.
const PAUSED_PERCENT: u64 = 10;
/// Connections in use, in per cent of those allowed.
const CROWDED: u64 = 80;
const NEARLY_FULL: u64 = 95;
const SYNCED: u64 = 4;
pub(super) const DONOR: u64 = 2;

pub(super) fn about(member: &One, server: &Server, all: &[(&One, Stand)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !server.galera.status.is_empty() && matches!(find(all, member), Some(Stand::Primary(_))) {
        findings.extend(in_step(member, &server.galera, all));
        findings.extend(queue(member, &server.galera));
        findings.extend(flow(member, &server.galera, all));
    }
    findings.extend(writes(member, server));
    findings.extend(room(member, server));
    findings
}

fn find<'a>(all: &[(&One, Stand<'a>)], member: &One) -> Option<Stand<'a>> {
    all.iter().find(|(one, _)| std::ptr::eq(*one, member)).map(|(_, stand)| *stand)
}

/// A member that the others do not hear, or hear without quorum.
pub(super) fn apart(member: &One, galera: &Galera) -> Finding {
    let host = &member.target.host;
    let cause = format!(
        "MariaDB on {host} is without quorum: wsrep_cluster_status {}, state {} {}, it sees {} of the members \
         and refuses every statement on tables (error 1047)",
        galera.status, galera.state, galera.comment, galera.size
    );
    Finding::new("mariadb-non-primary", Severity::Degraded, host, cause).next(remedy::look_at_network(member))
}

/// A member whose writes nobody else gets.
pub(super) fn private(member: &One, server: &Server) -> Finding {
    let host = &member.target.host;
    let why = if server.wsrep_on && !super::has_provider(server) {
        "no wsrep_provider is loaded"
    } else if super::has_provider(server) && server.galera.connected {
        "wsrep_on is OFF for new sessions"
    } else {
        "wsrep_on is OFF"
    };
    let cause = format!(
        "MariaDB on {host} is a private database: it belongs to a cluster, but {why}; it takes writes that \
         no other member gets"
    );
    let next = if server.galera.connected {
        format!("on {host}: mariadb -e \"SET GLOBAL wsrep_on=ON\", then compare its data with the others'")
    } else {
        format!(
            "on {host}: set wsrep_on=ON and wsrep_provider in its configuration, then {}",
            remedy::restart_bare(member)
        )
    };
    Finding::new("mariadb-private", Severity::Failed, host, cause).next(next)
}

fn in_step(member: &One, galera: &Galera, all: &[(&One, Stand)]) -> Option<Finding> {
    let host = &member.target.host;
    let finding = |code: &str, cause: String| Some(Finding::new(code, Severity::Degraded, host, cause));
    match galera.state {
        SYNCED if galera.ready => None,
        SYNCED => {
            let cause = format!("MariaDB on {host} is Synced but not ready: wsrep_ready is OFF");
            Some(finding("mariadb-not-ready", cause)?.next(remedy::look_at_log(member)))
        }
        DONOR => Some(desynced(member, galera, all)),
        state => {
            let cause = format!(
                "MariaDB on {host} is catching up: state {state} {}, {} transactions in its receive queue",
                galera.comment, galera.recv_queue
            );
            Some(finding("mariadb-joining", cause)?.next(remedy::look_at_log(member)))
        }
    }
}

/// State 2: it does not keep up with the others on purpose. Whose purpose?
fn desynced(member: &One, galera: &Galera, all: &[(&One, Stand)]) -> Finding {
    let host = &member.target.host;
    let joiner = all.iter().find_map(|(one, stand)| match stand {
        Stand::Starting => Some(one.target.host.as_str()),
        Stand::Primary(server) if server.galera.state == 1 => Some(one.target.host.as_str()),
        _ => None,
    });
    let (why, next, intended) = if galera.desync {
        let next =
            format!("on {host}, when its maintenance is over: mariadb -e \"SET GLOBAL wsrep_desync=OFF\"");
        ("wsrep_desync is ON, by an operator".to_string(), next, true)
    } else if let Some(backup) = member.target.settings.get("backup") {
        (format!("a backup runs: {backup}"), format!("wait for the backup on {host}"), true)
    } else if let Some(joiner) = joiner {
        (format!("it gives its data to {joiner}, which joins"), remedy::look_at_log(member), false)
    } else {
        let next = format!(
            "on {host}: mariadb -e \"SHOW FULL PROCESSLIST\" shows who holds FLUSH TABLES WITH READ LOCK"
        );
        let why = "wsrep_desync is OFF and nobody joins, so a backup or a session holds a global read lock";
        (why.to_string(), next, false)
    };
    let cause = format!(
        "MariaDB on {host} is out of step: state 2 {}, wsrep_desync_count {}; {why}",
        galera.comment, galera.desync_count
    );
    let finding = Finding::new("mariadb-desynced", Severity::Degraded, host, cause).next(next);
    if intended { finding.intended() } else { finding }
}

/// A queue that grows while nothing is applied shows a lock, which flow control does not.
fn queue(member: &One, galera: &Galera) -> Option<Finding> {
    let host = &member.target.host;
    let later = galera.later.as_ref()?;
    let standing = later.last_committed == galera.last_committed && later.recv_queue >= galera.recv_queue;
    if galera.recv_queue > 0 && later.recv_queue > 0 && standing {
        // A global read lock also puts it out of step; a long transaction does not.
        let (why, end) = match galera.state {
            DONOR => ("a backup or a session holds a lock", "; UNLOCK TABLES there, or end that session"),
            _ => ("one long transaction is being applied, or a table is locked", ""),
        };
        let cause = format!(
            "MariaDB on {host} applies nothing: {} transactions of the others wait in its receive queue, and for {} \
             ms its last committed one stayed {}; {why}",
            later.recv_queue, later.after_ms, later.last_committed
        );
        let next = format!("on {host}: mariadb -e \"SHOW FULL PROCESSLIST\" shows what it waits for{end}");
        return Some(Finding::new("mariadb-applier-stopped", Severity::Degraded, host, cause).next(next));
    }
    if galera.recv_queue > QUEUE && later.recv_queue > QUEUE {
        let cause = format!(
            "MariaDB on {host} lags behind: {} transactions in its receive queue, {} of them {} ms later",
            galera.recv_queue, later.recv_queue, later.after_ms
        );
        let next = format!("on {host}: look for a slow disk or too few wsrep_slave_threads: iostat -x 1 3");
        return Some(Finding::new("mariadb-lagging", Severity::Degraded, host, cause).next(next));
    }
    None
}

/// Writes of the whole cluster that wait for its slowest member.
fn flow(member: &One, galera: &Galera, all: &[(&One, Stand)]) -> Option<Finding> {
    let host = &member.target.host;
    let later = galera.later.as_ref()?;
    let paused_ms = later.paused_ns.saturating_sub(galera.paused_ns) / 1_000_000;
    let percent = (paused_ms * 100).checked_div(later.after_ms)?.min(100);
    if percent < PAUSED_PERCENT {
        return None;
    }
    let slowest = all
        .iter()
        .filter_map(|(one, stand)| match stand {
            Stand::Primary(server) => Some((server.galera.recv_queue, one.target.host.as_str())),
            _ => None,
        })
        .max()?;
    let cause = format!(
        "MariaDB on {host} held writes back for {percent} % of the last {} ms (flow control); the longest receive \
         queue is that of {} with {}",
        later.after_ms, slowest.1, slowest.0
    );
    let next = format!("on {}: iostat -x 1 3, and mariadb -e \"SHOW FULL PROCESSLIST\"", slowest.1);
    Some(Finding::new("mariadb-flow-control", Severity::Degraded, host, cause).next(next))
}

fn writes(member: &One, server: &Server) -> Vec<Finding> {
    let host = &member.target.host;
    let mut findings = Vec::new();
    if server.read_only {
        let cause = format!("MariaDB on {host} refuses writes: read_only is ON");
        findings.push(
            Finding::new("mariadb-read-only", Severity::Degraded, host, cause)
                .next(format!("on {host}: mariadb -e \"SET GLOBAL read_only=OFF\"")),
        );
    }
    let rejects = server.galera.reject_queries.as_str();
    if !rejects.is_empty() && rejects != "NONE" {
        let cause =
            format!("MariaDB on {host} refuses clients: wsrep_reject_queries is {rejects}, by an operator");
        findings.push(
            Finding::new("mariadb-rejects-queries", Severity::Degraded, host, cause)
                .intended()
                .next(format!("on {host}: mariadb -e \"SET GLOBAL wsrep_reject_queries=NONE\"")),
        );
    }
    if server.galera.quorum_ignored {
        let cause = format!(
            "MariaDB on {host} ignores quorum (pc.ignore_quorum or pc.ignore_sb is on): after a network failure \
             two halves take writes"
        );
        let next = "set both to NO in wsrep_provider_options".to_string();
        findings.push(Finding::new("mariadb-quorum-ignored", Severity::Degraded, host, cause).next(next));
    }
    findings
}

fn room(member: &One, server: &Server) -> Option<Finding> {
    let host = &member.target.host;
    let (used, allowed) = (server.threads_connected, server.max_connections);
    let percent = used.saturating_mul(100).checked_div(allowed)?;
    if percent < CROWDED {
        return None;
    }
    let cause = format!(
        "MariaDB on {host} has {used} of {allowed} connections in use ({percent} %), {} were turned away since its \
         start",
        server.refused
    );
    let mut finding = Finding::new("mariadb-connections", Severity::Notice, host, cause)
        .next(remedy::more_connections(member));
    if percent >= NEARLY_FULL {
        finding.severity = Severity::Degraded;
    }
    // Root has one connection more than everybody else: we may be that one.
    if used >= allowed {
        finding.code = "mariadb-full".to_string();
    }
    Some(finding)
}

/// Whether a member takes writes of clients.
pub(super) fn serves(member: &One, stand: Stand) -> bool {
    let Stand::Primary(server) = stand else { return false };
    let phase = member.answer.facts().map_or(Phase::Stopped, |facts| facts.phase);
    let rejects = !matches!(server.galera.reject_queries.as_str(), "" | "NONE");
    phase == Phase::Serving
        && server.galera.ready
        && !server.read_only
        && !rejects
        && server.threads_connected < server.max_connections.saturating_add(1)
}

/// Findings that are failures once nobody else serves.
pub(super) fn escalate(findings: &mut [Finding]) {
    let worse = ["mariadb-read-only", "mariadb-rejects-queries", "mariadb-full", "mariadb-not-ready"];
    findings.iter_mut().filter(|one| worse.contains(&one.code.as_str())).for_each(fail);
}
