//! The survey: every host and every member at once, under one deadline, then the verdict.
//!
//! Three rounds share the deadline: look at each host, ask the members found there, ask the members
//! that these know of and nobody has asked yet. What is not there by the end is told as silent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::ask::Ask;
use crate::credentials::Credentials;
use crate::place::Place;
use crate::reach::Reach;
use crate::service::{Context, Kind, Observation, Target};
use crate::verdict::{Finding, HostVerdict, Overview, Severity, State, Verdict};
use crate::view;

/// The version of [`Overview`]'s form.
const VERSION: u32 = 1;

/// A host to be asked.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name, as the inventory or the host itself has it.
    pub name: String,
    /// The way there.
    pub reach: Arc<Reach>,
}

/// What a survey is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The time for everything together.
    pub deadline: Duration,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// Names and passwords.
    pub credentials: Arc<Credentials>,
    /// The kinds to look for; empty for all.
    pub only: Vec<Kind>,
}

/// What was seen of one host; this is what an aileron on another host sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The host's name.
    pub host: String,
    /// Its addresses, to know it again when another member names it.
    pub addresses: Vec<IpAddr>,
    /// The members there.
    pub observations: Vec<Observation>,
}

/// Surveys all hosts and judges what is found.
pub async fn survey(settings: &Settings) -> Overview {
    let started = Instant::now();
    let deadline = started + settings.deadline;
    let mut asked = JoinSet::new();
    for (index, host) in settings.hosts.iter().cloned().enumerate() {
        let settings = settings.clone();
        asked.spawn(async move {
            let begun = Instant::now();
            let answer = report(&settings, &host, deadline).await;
            (index, answer, millis(begun))
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(index, ..)| *index);
    let mut hosts = Vec::new();
    let mut reports = Vec::new();
    for ((_, answer, took_ms), host) in answers.into_iter().zip(&settings.hosts) {
        hosts.push(HostVerdict {
            name: host.name.clone(),
            answer: answer.word().to_string(),
            trouble: answer.trouble().unwrap_or_default(),
            took_ms,
        });
        if let Answer::Got { facts } = answer {
            reports.push(facts);
        }
    }
    let peers = ask_peers(settings, &reports, deadline).await;
    let observations: Vec<_> =
        reports.into_iter().flat_map(|report| report.observations).chain(peers).collect();
    judge(settings, hosts, &observations, started)
}

/// Looks at one host and asks the members there.
async fn report(settings: &Settings, host: &Host, deadline: Instant) -> Answer<Report> {
    match &*host.reach {
        Reach::Local => observe(settings, host, deadline).await,
    }
}

/// Looks at the host this process runs on and asks the members there.
pub async fn observe(settings: &Settings, host: &Host, deadline: Instant) -> Answer<Report> {
    let begun = Instant::now();
    let name = host.name.clone();
    let looking = tokio::task::spawn_blocking(move || view::collect(&name));
    let view = match timeout_at(deadline, looking).await {
        Ok(Ok(view)) => view,
        Ok(Err(error)) => return Answer::Broken { cause: format!("looking at the host: {error}") },
        Err(_) => {
            return Answer::Silent { doing: "looking at the host".to_string(), after_ms: millis(begun) };
        }
    };
    let targets = wanted(settings).flat_map(|kind| kind.examine().find(&view)).collect();
    let observations = ask_all(settings, &host.reach, targets, deadline).await;
    Answer::Got { facts: Report { host: host.name.clone(), addresses: view.addresses, observations } }
}

fn wanted(settings: &Settings) -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| settings.only.is_empty() || settings.only.contains(kind))
}

/// Asks members that others named and that no host's own view had.
async fn ask_peers(settings: &Settings, reports: &[Report], deadline: Instant) -> Vec<Observation> {
    let mut targets: Vec<Target> = Vec::new();
    for observation in reports.iter().flat_map(|report| &report.observations) {
        for peer in observation.target.kind.examine().peers(observation) {
            if !targets.iter().any(|other| same(other, &peer)) && !already_asked(reports, &peer) {
                targets.push(peer);
            }
        }
    }
    ask_all(settings, &Arc::new(Reach::Local), targets, deadline).await
}

fn same(one: &Target, other: &Target) -> bool {
    one.kind == other.kind && one.place == other.place
}

/// Whether a peer is a member that its own host has shown: the port and one of the host's addresses or its name.
fn already_asked(reports: &[Report], peer: &Target) -> bool {
    let Place::Tcp(host, port) = &peer.place else { return false };
    let address = host.parse::<IpAddr>().ok();
    reports.iter().any(|report| {
        let here = address.map_or(report.host == *host, |address| report.addresses.contains(&address));
        here && report
            .observations
            .iter()
            .any(|one| one.target.kind == peer.kind && one.target.port == Some(*port))
    })
}

/// Asks all at once.
async fn ask_all(
    settings: &Settings,
    reach: &Arc<Reach>,
    targets: Vec<Target>,
    deadline: Instant,
) -> Vec<Observation> {
    let mut asking = JoinSet::new();
    for (index, target) in targets.into_iter().enumerate() {
        let ask = Ask::new(Arc::clone(reach), Arc::clone(&settings.credentials), deadline);
        asking.spawn(async move {
            let begun = Instant::now();
            let examine = target.kind.examine();
            let answer = match timeout_at(deadline, examine.probe(&target, &ask)).await {
                Ok(Ok(facts)) => Answer::Got { facts },
                Ok(Err(trouble)) => trouble.into(),
                Err(_) => Answer::Silent { doing: ask.last_doing(), after_ms: millis(begun) },
            };
            (index, Observation { target, answer, took_ms: millis(begun) })
        });
    }
    let mut all = asking.join_all().await;
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, observation)| observation).collect()
}

fn judge(
    settings: &Settings,
    hosts: Vec<HostVerdict>,
    observations: &[Observation],
    started: Instant,
) -> Overview {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let context = Context {
        hosts: hosts.iter().map(|host| host.name.clone()).collect(),
        missing: hosts.iter().filter(|host| host.answer != "got").map(|host| host.name.clone()).collect(),
        now,
    };
    let mut services = Vec::new();
    for kind in wanted(settings) {
        let own: Vec<_> = observations.iter().filter(|one| one.target.kind == kind).cloned().collect();
        if !own.is_empty() {
            services.push(kind.examine().judge(&own, &context));
        }
    }
    let findings = about_hosts(&hosts, &services);
    let state = services.iter().fold(Verdict::state_of(&findings), |state, verdict| {
        state.worst(match verdict.state {
            State::Failed if !verdict.service.vital() => State::Degraded,
            other => other,
        })
    });
    Overview {
        version: VERSION,
        state,
        summary: summary(state, &services, &findings),
        taken_at: now,
        took_ms: millis(started),
        deadline_ms: settings.deadline.as_millis().try_into().unwrap_or(u64::MAX),
        hosts,
        services,
        findings,
    }
}

fn about_hosts(hosts: &[HostVerdict], services: &[Verdict]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in hosts.iter().filter(|host| host.answer != "got") {
        let cause = format!("{} {}; what runs there is not known", host.name, host.trouble);
        findings.push(
            Finding::new("host-no-answer", Severity::Degraded, &host.name, cause)
                .next(format!("ssh {} uptime", host.name)),
        );
    }
    if services.is_empty() && findings.is_empty() {
        let cause = "no shared service was found: nothing known runs here and nothing says that it should";
        findings.push(Finding::new("nothing-found", Severity::Unknown, "", cause));
    }
    findings
}

/// The worst thing in one line.
fn summary(state: State, services: &[Verdict], findings: &[Finding]) -> String {
    if state == State::Ok {
        return format!("{} services are well", services.len());
    }
    let not_well: Vec<String> = services
        .iter()
        .filter(|verdict| verdict.state != State::Ok)
        .map(|verdict| format!("{} {}", verdict.service.name(), verdict.state.name()))
        .chain(findings.iter().map(|finding| finding.cause.clone()))
        .collect();
    not_well.join(", ")
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}
