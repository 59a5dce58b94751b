//! The verdict on all of Redis: groups one by one ([`super::servers`], [`super::sentinels`]), then
//! members, one line and the risk.

use super::members::{Daemon, Group, groups};
use super::{Facts, sentinels, servers};
use crate::answer::Answer;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, MemberVerdict, Risk, Severity, State};

/// A finding, and the member it is about if it is about one.
pub(super) struct Said {
    pub(super) of: Option<usize>,
    pub(super) finding: Finding,
}

/// What is known of one group while it is judged.
pub(super) struct Replication<'a> {
    pub(super) daemons: &'a [Daemon<'a>],
    pub(super) group: &'a Group<'a>,
    pub(super) context: &'a Context,
}

impl<'a> Replication<'a> {
    /// The group's servers with their index.
    pub(super) fn servers(&self) -> impl Iterator<Item = (usize, &'a Daemon<'a>)> {
        self.group.servers.iter().filter_map(|index| Some((*index, self.daemons.get(*index)?)))
    }

    /// The servers that say they are the primary.
    pub(super) fn primaries(&self) -> Vec<(usize, &'a Daemon<'a>)> {
        self.servers().filter(|(_, one)| one.server().is_some_and(|server| server.primary)).collect()
    }

    /// The host of an address that somebody names, or the address itself.
    pub(super) fn name(&self, address: &super::Address) -> String {
        let found = self.daemons.iter().find(|daemon| daemon.is(address));
        found.map_or_else(|| address.to_string(), |daemon| daemon.host().to_string())
    }

    /// Whether the Sentinels, as far as they answer, can promote a replica.
    pub(super) fn promotes(&self) -> bool {
        let mut checks =
            self.group.sentinels.iter().filter_map(|(_, watched)| watched.as_ref()?.quorum_check.as_ref());
        checks.any(Result::is_ok)
    }

    /// Whether Pacemaker is there to promote.
    pub(super) fn under_pacemaker(&self) -> bool {
        self.servers().any(|(_, one)| one.member.target.settings.contains_key("pacemaker"))
    }
}

pub(super) fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
    let daemons: Vec<Daemon<'_>> = members.iter().map(Daemon::new).collect();
    let mut judged = Judgement::default();
    let mut said = Vec::new();
    let (mut summaries, mut risks) = (Vec::new(), Vec::new());
    for (index, daemon) in daemons.iter().enumerate() {
        said.extend(without_answer(index, daemon));
    }
    for group in groups(&daemons) {
        let replication = Replication { daemons: &daemons, group: &group, context };
        said.extend(servers::judge(&replication));
        said.extend(sentinels::judge(&replication));
        summaries.push(summary(&replication));
        risks.push(servers::risk(&replication));
    }
    for (index, daemon) in daemons.iter().enumerate() {
        judged.members.push(line(index, daemon, &said));
    }
    // Several groups on the same hosts would say the same thing twice.
    for Said { finding, .. } in said {
        if !judged.findings.contains(&finding) {
            judged.findings.push(finding);
        }
    }
    judged.summary = summaries.join("; ");
    judged.risk = Risk::all(risks);
    judged
}

fn without_answer(index: usize, daemon: &Daemon<'_>) -> Option<Said> {
    let trouble = daemon.member.answer.trouble()?;
    let full = |cause: &str| cause.contains("max number of clients");
    let (code, severity) = match (&daemon.member.answer, daemon.is_sentinel) {
        (Answer::Denied { cause }, false) if full(cause) => ("redis-clients-full", Severity::Degraded),
        (Answer::Denied { cause }, true) if full(cause) => {
            ("redis-sentinel-clients-full", Severity::Degraded)
        }
        (Answer::Denied { .. }, false) => ("redis-denied", Severity::Unknown),
        (Answer::Denied { .. }, true) => ("redis-sentinel-denied", Severity::Unknown),
        (Answer::Silent { .. }, false) => ("redis-silent", Severity::Degraded),
        (Answer::Silent { .. }, true) => ("redis-sentinel-silent", Severity::Degraded),
        (Answer::Down { .. }, false) => ("redis-down", Severity::Degraded),
        (Answer::Down { .. }, true) => ("redis-sentinel-down", Severity::Degraded),
        (_, false) => ("redis-broken", Severity::Degraded),
        (_, true) => ("redis-sentinel-broken", Severity::Degraded),
    };
    let host = daemon.host();
    let next = match &daemon.member.answer {
        Answer::Denied { cause } if full(cause) => {
            format!("on {host}: raise maxclients in redis.conf, then {}", daemon.service("restart"))
        }
        Answer::Denied { .. } => {
            "aileron services --credentials FILE, with user and password in its section [redis]".to_string()
        }
        Answer::Down { .. } => daemon.service("start"),
        _ => daemon.service("restart"),
    };
    let evidence = &daemon.member.target.evidence;
    let why = if evidence.is_empty() || daemon.member.target.seen {
        String::new()
    } else {
        format!(" ({evidence})")
    };
    let what = if daemon.is_sentinel { "Sentinel" } else { "Redis" };
    let cause = format!("{what} on {host} {trouble}{why}");
    let finding = Finding::new(code, severity, host, cause).next(next);
    Some(Said { of: Some(index), finding })
}

fn line(index: usize, daemon: &Daemon<'_>, said: &[Said]) -> MemberVerdict {
    let own = said.iter().filter(|one| one.of == Some(index));
    let state = own.fold(State::Ok, |state, one| {
        state.worst(match one.finding.severity {
            Severity::Notice => State::Ok,
            Severity::Unknown => State::Unknown,
            _ if daemon.member.answer.facts().is_none() => State::Failed,
            Severity::Failed => State::Failed,
            Severity::Degraded => State::Degraded,
        })
    });
    let role = match daemon.member.answer.facts() {
        Some(Facts::Server(server)) => match &server.upstream {
            Some(upstream) => format!("replica of {}", upstream.address),
            None => format!("primary with {} replicas", server.replicas.len()),
        },
        Some(Facts::Sentinel(_)) => "Sentinel".to_string(),
        None if daemon.is_sentinel => "Sentinel".to_string(),
        None => String::new(),
    };
    daemon.member.verdict(state, role)
}

/// "primary controller-0, 2 of 2 replicas follow, 3 of 3 Sentinels".
fn summary(replication: &Replication<'_>) -> String {
    let primaries = replication.primaries();
    let names: Vec<&str> = primaries.iter().map(|(_, one)| one.host()).collect();
    let mut text = match names.as_slice() {
        [] => "no primary".to_string(),
        [one] => format!("primary {one}"),
        several => format!("{} primaries ({})", several.len(), several.join(", ")),
    };
    let total = replication.group.servers.len() - primaries.len();
    if total > 0 {
        let follow = replication.servers().filter(|(_, one)| {
            one.server().and_then(|server| server.upstream.as_ref()).is_some_and(|upstream| upstream.up)
        });
        text += &format!(", {} of {total} replicas follow", follow.count());
    }
    if !replication.group.sentinels.is_empty() {
        let answering = replication.group.sentinels.iter().filter(|(_, watched)| watched.is_some()).count();
        text += &format!(", {answering} of {} Sentinels", replication.group.sentinels.len());
    }
    text
}
