//! The rules for MariaDB and Galera.
//!
//! A member alone cannot be judged: cut off from the others it still answers, and a server whose
//! replication is off looks like any database. So each is first given a [`Stand`] in the cluster, then
//! judged by what all of them say. `node` has the rules for one that serves, `cluster` those over all,
//! `bootstrap` which one may go on when nobody serves, `remedy` the commands to type.

mod bootstrap;
mod cluster;
mod node;
mod remedy;

use super::facts::{Facts, Galera, Phase, Server, known};
use super::find::configured;
use crate::answer::Answer;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity, State};

type One = Member<Facts>;

/// Where a member stands.
#[derive(Clone, Copy)]
enum Stand<'a> {
    /// In the Primary Component.
    Primary(&'a Server),
    /// In a cluster, without quorum.
    Apart(&'a Server),
    /// Meant for a cluster, and replicates with nobody.
    Private(&'a Server),
    /// A server without Galera.
    Alone(&'a Server),
    /// It answers that all connections are taken.
    Full,
    /// Its process runs and does not listen yet.
    Starting,
    /// It does not run.
    Stopped,
    /// A vote without data.
    Arbitrator,
    /// It did not answer, or nothing that helps.
    Unseen,
    /// It does not let us in.
    Shut,
}

pub(super) fn judge(members: &[One], context: &Context) -> Judgement {
    let members = without_doubles(members);
    let clustered = members.iter().any(|member| is_clustered(member, members.len()));
    let mut stands: Vec<(&One, Stand)> =
        members.iter().map(|member| (*member, stand(member, clustered))).collect();
    cluster::mark_joiners(&mut stands);
    let mut judged = Judgement::default();
    let arbitrators = if clustered { cluster::arbitrators(&stands) } else { Vec::new() };
    for (member, stand) in &stands {
        let hidden = arbitrators.contains(&member.target.host);
        let stand = if hidden { Stand::Arbitrator } else { *stand };
        let findings = about(member, stand, &stands);
        judged.members.push(member.verdict(state_of(stand, &findings), role(member, stand)));
        judged.findings.extend(findings);
    }
    if clustered {
        let stands: Vec<_> =
            stands.into_iter().filter(|(one, _)| !arbitrators.contains(&one.target.host)).collect();
        cluster::judge(&stands, arbitrators.len() as u64, context, &mut judged);
    } else {
        alone(&stands, &mut judged);
    }
    judged
}

/// A member that was found on its host and by its address is one member.
fn without_doubles(members: &[One]) -> Vec<&One> {
    let mut seen: Vec<&str> = Vec::new();
    let mut kept = Vec::new();
    for member in members {
        let id = galera(member).map_or("", |galera| galera.id.as_str());
        if known(id) {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
        }
        kept.push(member);
    }
    kept.sort_by(|one, other| one.target.host.cmp(&other.target.host));
    kept
}

fn galera(member: &One) -> Option<&Galera> {
    Some(&member.answer.facts()?.server.as_ref()?.galera)
}

/// Whether anything says that this one belongs to a cluster.
fn is_clustered(member: &One, count: usize) -> bool {
    let facts = member.answer.facts();
    let provider = facts.and_then(|facts| facts.server.as_ref()).is_some_and(has_provider);
    // A server taken out of its cluster for good keeps the file, and its configuration names nobody.
    let was =
        count > 1 && facts.and_then(|facts| facts.saved.as_ref()).is_some_and(|saved| known(&saved.uuid));
    let file = member.target.settings.get("wsrep_cluster_address");
    provider
        || was
        || file.is_some_and(|address| address.starts_with("gcomm://"))
        || facts.is_some_and(|facts| !configured(&member.target, facts).is_empty())
        || facts.is_some_and(|facts| facts.phase == Phase::Arbitrator)
}

fn has_provider(server: &Server) -> bool {
    !server.provider.is_empty() && server.provider != "none"
}

fn stand(member: &One, clustered: bool) -> Stand<'_> {
    let facts = match &member.answer {
        Answer::Got { facts } => facts,
        Answer::Down { .. } => return Stand::Stopped,
        Answer::Denied { .. } => return Stand::Shut,
        Answer::Silent { .. } | Answer::Broken { .. } => return Stand::Unseen,
    };
    match (&facts.server, facts.phase) {
        (Some(server), _) if !clustered => Stand::Alone(server),
        (Some(server), _) if !has_provider(server) || !server.wsrep_on => Stand::Private(server),
        (Some(server), _) if server.galera.status == "Primary" => Stand::Primary(server),
        // Without a connection to any group it serves no table either, but has no view to be apart from.
        (Some(server), _) => Stand::Apart(server),
        (None, Phase::Full) => Stand::Full,
        (None, Phase::Starting) => Stand::Starting,
        (None, Phase::Arbitrator) => Stand::Arbitrator,
        (None, _) => Stand::Stopped,
    }
}

/// What is to be said of one member.
fn about(member: &One, stand: Stand, all: &[(&One, Stand)]) -> Vec<Finding> {
    let host = member.target.host.as_str();
    let trouble = || member.answer.trouble().unwrap_or_default();
    let finding = |code: &str, cause: String| Finding::new(code, Severity::Degraded, host, cause);
    match stand {
        Stand::Primary(server) | Stand::Alone(server) => node::about(member, server, all),
        Stand::Apart(server) => vec![node::apart(member, &server.galera)],
        Stand::Private(server) => vec![node::private(member, server)],
        Stand::Arbitrator => Vec::new(),
        Stand::Full => {
            let said = member.answer.facts().map_or("", |facts| facts.trouble.as_str());
            let cause = format!("MariaDB on {host} is full: it turns new connections away ({said})");
            vec![finding("mariadb-full", cause).next(remedy::more_connections(member))]
        }
        Stand::Starting => {
            let cause = format!(
                "MariaDB on {host} runs and does not listen yet: it starts, or receives a copy of the data ({})",
                member.target.evidence
            );
            vec![finding("mariadb-starting", cause).next(remedy::look_at_log(member))]
        }
        Stand::Stopped => {
            let cause = format!("MariaDB on {host} is not running{}", remedy::left_behind(member));
            vec![finding("mariadb-down", cause).next(remedy::start(member))]
        }
        Stand::Shut => {
            let cause = format!("MariaDB on {host} {}; its state is not known", trouble());
            vec![
                Finding { severity: Severity::Unknown, ..finding("mariadb-denied", cause) }
                    .next(remedy::LET_IN),
            ]
        }
        Stand::Unseen => {
            let code = match member.answer {
                Answer::Silent { .. } => "mariadb-silent",
                _ => "mariadb-broken",
            };
            vec![finding(code, format!("MariaDB on {host} {}", trouble())).next(remedy::restart(member))]
        }
    }
}

fn state_of(stand: Stand, findings: &[Finding]) -> State {
    match stand {
        Stand::Primary(_) | Stand::Alone(_) | Stand::Arbitrator | Stand::Full | Stand::Starting => {
            crate::Verdict::state_of(findings)
        }
        Stand::Shut => State::Unknown,
        Stand::Apart(_) | Stand::Private(_) | Stand::Stopped | Stand::Unseen => State::Failed,
    }
}

/// What a member is, in Galera's words.
fn role(member: &One, stand: Stand) -> String {
    match stand {
        Stand::Primary(server) => format!("Primary, {}", server.galera.comment),
        Stand::Apart(server) => format!("{}, {}", server.galera.status, server.galera.comment),
        Stand::Private(_) => "private, replicates with nobody".to_string(),
        Stand::Alone(server) => {
            format!("stand-alone, {} of {} connections", server.threads_connected, server.max_connections)
        }
        Stand::Full => "no connection left".to_string(),
        Stand::Starting => "starting".to_string(),
        Stand::Stopped => match member.answer.facts().and_then(|facts| facts.saved.as_ref()) {
            Some(saved) => format!("stopped, seqno {}", saved.seqno),
            None => "stopped".to_string(),
        },
        Stand::Arbitrator => "arbitrator".to_string(),
        Stand::Unseen | Stand::Shut => String::new(),
    }
}

/// Servers that no cluster joins: each is judged for itself, and all of OpenStack hangs on it.
fn alone(stands: &[(&One, Stand)], judged: &mut Judgement) {
    let serving = stands.iter().filter(|(_, stand)| matches!(stand, Stand::Alone(_))).count();
    let sole = stands.len() == 1;
    let surely_not =
        |stand: &Stand| matches!(stand, Stand::Full | Stand::Starting | Stand::Stopped | Stand::Unseen);
    if stands.iter().all(|(_, stand)| surely_not(stand)) {
        judged.findings.iter_mut().filter(|one| one.severity == Severity::Degraded).for_each(fail);
    }
    if sole {
        judged.findings.iter_mut().filter(|one| one.code == "mariadb-read-only").for_each(fail);
    }
    judged.summary = match stands {
        [(member, stand @ Stand::Alone(_))] => role(member, *stand),
        _ => format!("{serving} of {} servers answer, without Galera", stands.len()),
    };
    judged.risk = match serving {
        // One that does not let us in may well serve.
        0 if stands.iter().any(|(_, stand)| matches!(stand, Stand::Shut)) => Risk::default(),
        0 => Risk::carried("the control plane has no database"),
        _ => Risk::stops("no other server has its data: its failure stops the control plane"),
    };
}

fn fail(finding: &mut Finding) {
    finding.severity = Severity::Failed;
}
