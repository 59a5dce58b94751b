//! The rules for those that hold the data: one primary that can write, replicas that are near.

use super::judge::{Replication, Said};
use super::members::Daemon;
use super::{Server, sentinels};
use crate::answer::Answer;
use crate::verdict::{Finding, Risk, Severity};

/// Below this age a second primary is the usual short state after a failover, in seconds.
const FRESH: u64 = 30;
/// The lag that is too much where the server sets no limit of its own, in seconds.
const LAG_MAX: u64 = 10;
/// The share of `maxmemory` from which on it is called near.
const MEMORY_NEAR: f64 = 0.9;
/// The share from which on an OOM error since the start is taken for a standing one.
const MEMORY_FULL: f64 = 0.97;
/// The share of `maxclients` from which on it is called near.
const CLIENTS_NEAR: f64 = 0.9;

pub(super) fn judge(replication: &Replication<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    said.extend(primaries(replication));
    for (index, daemon) in replication.servers() {
        let Some(server) = daemon.server() else { continue };
        let about = if server.primary {
            replicating(replication, daemon, server)
        } else {
            follows(replication, daemon, server)
        };
        let own = about
            .into_iter()
            .chain(saving(daemon, server))
            .chain(limits(daemon, server))
            .chain(loading(daemon, server));
        said.extend(own.map(|finding| Said { of: Some(index), finding }));
    }
    said.extend(nobody_promotes(replication));
    said
}

/// What one more failure would mean.
pub(super) fn risk(replication: &Replication<'_>) -> Risk {
    let primaries = replication.primaries();
    let Some((_, primary)) = primaries.first() else {
        return Risk::carried("nothing can be written until there is a primary");
    };
    let near = |daemon: &Daemon<'_>| {
        daemon.server().and_then(|server| server.upstream.as_ref()).is_some_and(|upstream| upstream.up)
    };
    let following = replication.servers().filter(|(_, one)| near(one)).count();
    if following == 0 {
        return Risk::stops("one more failure stops Redis and loses its data: no replica follows");
    }
    if let Some(server) = primary.server()
        && let (Some(good), Some(wanted)) = (server.good_replicas, server.replicas_to_write)
        && wanted > 0
        && good <= wanted
    {
        return Risk::stops(format!(
            "one replica less stops all writes: {good} follow closely, {wanted} must"
        ));
    }
    if replication.promotes() {
        return Risk::carried(
            "one more failure costs some seconds without writes, then a replica is promoted",
        );
    }
    if replication.under_pacemaker() {
        return Risk::carried("one more failure costs some seconds without writes if Pacemaker is well");
    }
    Risk::stops("one more failure of the primary stops all writes: nothing would promote a replica")
}

/// Exactly one is right.
fn primaries(replication: &Replication<'_>) -> Option<Said> {
    match replication.primaries().as_slice() {
        [] => no_primary(replication),
        [_] => None,
        [(_, first), (_, second), ..] => Some(two_primaries(replication, first, second)),
    }
}

fn no_primary(replication: &Replication<'_>) -> Option<Said> {
    let servers: Vec<_> = replication.servers().collect();
    let (first, _) = servers.first().map(|(_, daemon)| (daemon.host(), ()))?;
    let replicas: Vec<_> = servers.iter().filter(|(_, one)| one.server().is_some()).collect();
    let hidden = servers.iter().filter(|(_, one)| matches!(one.member.answer, Answer::Denied { .. })).count();
    let following = replicas.iter().any(|(_, one)| {
        one.server()
            .and_then(|server| server.upstream.as_ref())
            .is_some_and(|upstream| upstream.up && upstream.silent_for < 10)
    });
    let wanted: Option<String> = replicas.iter().find_map(|(_, one)| {
        let address = &one.server()?.upstream.as_ref()?.address;
        Some(format!("{} ({address})", replication.name(address)))
    });
    let gone: Vec<String> = servers
        .iter()
        .filter_map(|(_, one)| Some(format!("{} {}", one.host(), one.member.answer.trouble()?)))
        .collect();
    let mut cause = match &wanted {
        Some(primary) => format!("no server is the primary: {} replicas wait for {primary}", replicas.len()),
        None => "no server is the primary".to_string(),
    };
    if !gone.is_empty() {
        cause += &format!("; {}", gone.join("; "));
    }
    let severity = match () {
        // Whoever does not let us in may well be it.
        () if hidden > 0 && (following || replicas.is_empty()) => Severity::Unknown,
        () if !replication.context.missing.is_empty() && following => Severity::Unknown,
        () => Severity::Failed,
    };
    let next = if sentinels::failing_over(replication) {
        cause += "; the Sentinels are promoting a replica";
        "wait some seconds, then aileron services".to_string()
    } else if replication.under_pacemaker() {
        "pcs status".to_string()
    } else if replication.promotes() {
        sentinels::failover_command(replication)
    } else {
        let best = replicas.iter().max_by_key(|(_, one)| one.server().map_or(0, |server| server.offset));
        match best {
            Some((_, one)) => format!(
                "on {}: {} REPLICAOF NO ONE, if the primary cannot be started again",
                one.host(),
                one.cli()
            ),
            None => servers.first().map(|(_, one)| one.service("start")).unwrap_or_default(),
        }
    };
    let finding = Finding::new("redis-no-primary", severity, first, cause).next(next);
    Some(Said { of: None, finding })
}

fn two_primaries(replication: &Replication<'_>, first: &Daemon<'_>, second: &Daemon<'_>) -> Said {
    let agreed = sentinels::agreed_primary(replication);
    let weight = |daemon: &Daemon<'_>| {
        let chosen = agreed.as_ref().is_some_and(|address| daemon.is(address));
        (chosen, daemon.server().map_or(0, |server| server.replicas.len()))
    };
    let (keep, stray) = if weight(second) > weight(first) { (second, first) } else { (first, second) };
    let count = |daemon: &Daemon<'_>| daemon.server().map_or(0, |server| server.replicas.len());
    // Its start tells since when only if it was never promoted.
    let started = stray.server().filter(|server| server.replids.len() < 2).map(|server| server.uptime);
    let age = sentinels::claims_since(replication, stray).or(started);
    let fresh =
        agreed.is_some() && (age.is_some_and(|age| age < FRESH) || sentinels::failing_over(replication));
    let since = age.map_or_else(String::new, |age| format!(" for {age} s"));
    let mut cause = format!(
        "two servers take writes: {} with {} replicas and {} with {}{since}; what the loser takes is lost",
        keep.host(),
        count(keep),
        stray.host(),
        count(stray)
    );
    let address = agreed.as_ref().map_or_else(
        || format!("{} {}", keep.host(), super::PORT),
        |one| format!("{} {}", one.host, one.port),
    );
    let command = format!("on {}: {} REPLICAOF {address}", stray.host(), stray.cli());
    let (severity, next) = if fresh {
        cause += &format!(
            "; the Sentinels agree on {} and make the other its replica within seconds",
            keep.host()
        );
        (Severity::Degraded, format!("aileron services in half a minute; if it stays: {command}"))
    } else if replication.under_pacemaker() {
        (Severity::Failed, "pcs status".to_string())
    } else {
        (Severity::Failed, command)
    };
    let finding = Finding::new("redis-two-primaries", severity, stray.host(), cause).next(next);
    Said { of: None, finding }
}

/// What a primary says of its replicas.
fn replicating(replication: &Replication<'_>, daemon: &Daemon<'_>, server: &Server) -> Vec<Finding> {
    let mut findings = Vec::new();
    let host = daemon.host();
    let limit = server.lag_allowed.filter(|lag| *lag > 0).unwrap_or(LAG_MAX);
    let near = server.replicas.iter().filter(|one| one.state == "online" && one.lag <= limit).count() as u64;
    let good = server.good_replicas.unwrap_or(near);
    if let Some(wanted) = server.replicas_to_write.filter(|wanted| *wanted > good) {
        let cause = format!(
            "the primary on {host} refuses all writes (NOREPLICAS): {good} replicas answered within {limit} s, min-replicas-to-write is {wanted}"
        );
        let next = format!(
            "bring the replicas back, or on {host}: {} CONFIG SET min-replicas-to-write {good}",
            daemon.cli()
        );
        findings.push(Finding::new("redis-noreplicas", Severity::Failed, host, cause).next(next));
    }
    for replica in &server.replicas {
        let name = replication.name(&replica.address);
        let behind = server.offset.saturating_sub(replica.offset);
        if replica.state != "online" {
            let cause = format!("the replica {name} is being given a full copy ({})", replica.state);
            findings.push(Finding::new("redis-copying", Severity::Degraded, &name, cause));
        } else if replica.lag > limit {
            let cause = format!(
                "the primary on {host} last heard of its replica {name} {} s ago, though it lists it as online",
                replica.lag
            );
            let next = format!("on {name}: {} INFO replication", daemon.cli());
            findings.push(Finding::new("redis-lag", Severity::Degraded, &name, cause).next(next));
        } else if server.backlog > 0 && behind > server.backlog {
            let cause = format!(
                "the replica {name} is {behind} bytes behind, more than the backlog of {}: it may need a full copy",
                server.backlog
            );
            let next = format!(
                "on {host}: {} CONFIG SET repl-backlog-size {}",
                daemon.cli(),
                server.backlog.saturating_mul(8)
            );
            findings.push(Finding::new("redis-lag", Severity::Degraded, &name, cause).next(next));
        }
    }
    findings
}

/// What a replica says of its primary.
fn follows(replication: &Replication<'_>, daemon: &Daemon<'_>, server: &Server) -> Vec<Finding> {
    let Some(upstream) = &server.upstream else { return Vec::new() };
    let host = daemon.host();
    let name = replication.name(&upstream.address);
    let next = format!("on {host}: {} INFO replication", daemon.cli());
    if upstream.copying {
        let cause = format!("the replica on {host} is taking a full copy from {name}");
        return vec![Finding::new("redis-copying", Severity::Degraded, host, cause)];
    }
    if !upstream.up {
        let since = upstream
            .down_for
            .filter(|seconds| *seconds >= 0)
            .map_or_else(String::new, |seconds| format!(" for {seconds} s"));
        let cause = format!(
            "the replica on {host} has had no link to its primary {name}{since}: what it holds is old"
        );
        return vec![Finding::new("redis-link-down", Severity::Degraded, host, cause).next(next)];
    }
    let other = replication.servers().any(|(_, one)| one.is(&upstream.address));
    if let [(_, primary)] = replication.primaries().as_slice()
        && !primary.is(&upstream.address)
        && !other
    {
        let cause = format!("the replica on {host} follows {name}, and the primary is {}", primary.host());
        return vec![Finding::new("redis-follows-other", Severity::Degraded, host, cause).next(next)];
    }
    Vec::new()
}

fn saving(daemon: &Daemon<'_>, server: &Server) -> Vec<Finding> {
    let host = daemon.host();
    let [snapshot, log, rewrite] = server.saved;
    let mut findings = Vec::new();
    let look = format!(
        "on {host}: df -h and ls -ld of the folder that {} CONFIG GET dir names, and Redis' log",
        daemon.cli()
    );
    if !snapshot {
        let stops =
            server.primary && server.stops_unsaved.unwrap_or(true) && server.errors.contains_key("MISCONF");
        let refused = if stops {
            " and it refuses writes (MISCONF)"
        } else {
            ", and it will refuse writes if it is set to stop on that"
        };
        let refused = if server.stops_unsaved == Some(false) || !server.primary { "" } else { refused };
        let cause = format!("Redis on {host} could not save its last snapshot to disk{refused}");
        let severity = if stops { Severity::Failed } else { Severity::Degraded };
        findings.push(Finding::new("redis-snapshot-failed", severity, host, cause).next(look.clone()));
    }
    if !log {
        let severity = if server.primary { Severity::Failed } else { Severity::Degraded };
        let cause = format!("Redis on {host} could not write its log (AOF) to disk: it refuses writes");
        findings.push(Finding::new("redis-log-failed", severity, host, cause).next(look.clone()));
    }
    if !rewrite {
        let cause = format!("Redis on {host} could not rewrite its log (AOF): it grows without end");
        findings.push(Finding::new("redis-rewrite-failed", Severity::Degraded, host, cause).next(look));
    }
    findings
}

fn limits(daemon: &Daemon<'_>, server: &Server) -> Vec<Finding> {
    let host = daemon.host();
    let mut findings = Vec::new();
    let (used, allowed) = server.memory;
    let share = if allowed > 0 { used as f64 / allowed as f64 } else { 0.0 };
    let refused = server.errors.get("OOM").copied().unwrap_or_default();
    // Replicas do not keep to it: the primary's word counts.
    if server.primary && server.memory_policy == "noeviction" && share >= MEMORY_NEAR {
        let full = share >= 1.0 || (refused > 0 && share >= MEMORY_FULL);
        let (code, severity, what) = if full {
            (
                "redis-memory-full",
                Severity::Failed,
                format!("is full and refuses writes (OOM, {refused} so far)"),
            )
        } else {
            ("redis-memory-near", Severity::Degraded, "will refuse writes soon".to_string())
        };
        let cause = format!(
            "Redis on {host} {what}: {used} of {allowed} bytes used ({:.0} %), policy noeviction",
            share * 100.0
        );
        let next = format!(
            "on {host}: {cli} --bigkeys, then delete, or {cli} CONFIG SET maxmemory {}",
            allowed.saturating_mul(2),
            cli = daemon.cli()
        );
        findings.push(Finding::new(code, severity, host, cause).next(next));
    }
    if server.primary && server.evicted > 0 {
        let cause = format!(
            "Redis on {host} has thrown out {} keys in {} s to stay below {allowed} bytes ({})",
            server.evicted, server.uptime, server.memory_policy
        );
        findings.push(Finding::new("redis-evictions", Severity::Notice, host, cause));
    }
    let (clients, most) = server.clients;
    if most > 0 && clients as f64 >= most as f64 * CLIENTS_NEAR {
        let cause = format!(
            "Redis on {host} has {clients} clients of {most} allowed, and turned {} away so far",
            server.rejected
        );
        let next = format!(
            "on {host}: {cli} CLIENT LIST, or {cli} CONFIG SET maxclients {}",
            most.saturating_mul(2),
            cli = daemon.cli()
        );
        findings.push(Finding::new("redis-clients-near", Severity::Degraded, host, cause).next(next));
    } else if server.rejected > 0 {
        let cause = format!(
            "Redis on {host} turned {} clients away in the {} s since its start; now {clients} of {most}",
            server.rejected, server.uptime
        );
        findings.push(Finding::new("redis-rejected", Severity::Notice, host, cause));
    }
    findings
}

fn loading(daemon: &Daemon<'_>, server: &Server) -> Option<Finding> {
    let done = server.loading?;
    let host = daemon.host();
    let severity = if server.primary { Severity::Failed } else { Severity::Degraded };
    let cause =
        format!("Redis on {host} reads its data from the disk ({done:.0} %) and answers nobody until then");
    Some(Finding::new("redis-loading", severity, host, cause).next("wait, then aileron services"))
}

/// Replicas without anybody to promote one are half a solution.
fn nobody_promotes(replication: &Replication<'_>) -> Option<Said> {
    let (_, daemon) = replication.primaries().into_iter().next()?;
    if !replication.group.sentinels.is_empty() || replication.under_pacemaker() {
        return None;
    }
    let host = daemon.host();
    let finding = if replication.group.servers.len() > 1 {
        let cause =
            "neither Sentinel nor Pacemaker was found: nothing promotes a replica when the primary fails";
        Finding::new("redis-no-failover", Severity::Notice, host, cause)
    } else {
        let cause = format!("Redis on {host} stands alone: no replica has its data");
        Finding::new("redis-alone", Severity::Notice, host, cause)
    };
    Some(Said { of: None, finding })
}
