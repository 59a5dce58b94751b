//! The survey: every host and every member at once, under one deadline, then the verdict.
//!
//! `report` is one host's part: look at it, ask the members found there, ask the members that these know
//! of (`asking`). On another host an aileron does that, or we do it through ssh (`remote`). `merge` puts
//! the reports together, before each kind judges its members. What is not there by the end is told as
//! silent.

mod asking;
mod merge;
mod remote;
mod report;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tokio::time::Instant;

pub use remote::Request;
pub use report::Report;

use crate::answer::Answer;
use crate::credentials::Credentials;
use crate::reach::Reach;
use crate::service::{Context, Kind, Observation};
use crate::verdict::{Finding, HostVerdict, Overview, Severity, State, Verdict};

/// The code of a host that could not be looked at.
const NO_ANSWER: &str = "host-no-answer";
/// The version of [`Overview`]'s form.
const VERSION: u32 = 1;

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] =
    &[("survey: request", |bytes| drop(Request::read(bytes))), ("survey: report of another host", judged)];

/// Another host's report is judged; its overview goes through history and gate.
#[cfg(any(test, feature = "fuzzing"))]
fn judged(bytes: &[u8]) {
    let Ok(report) = Report::read(bytes) else { return };
    for observation in &report.observations {
        let _ = observation.target.kind.examine().peers(observation);
    }
    let settings = Settings {
        deadline: Duration::from_secs(2),
        hosts: Vec::new(),
        credentials: Arc::default(),
        only: Vec::new(),
    };
    let merged = merge::all(vec![("c0".to_string(), report)]);
    let overview = judge(&settings, Vec::new(), &merged, Instant::now());
    let mut history = crate::History::default();
    history.take(&Overview { services: Vec::new(), ..overview.clone() });
    history.take(&overview);
    let _ = crate::gate::gate(&overview, crate::gate::Operation::Restore, &[]);
}

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

/// Surveys all hosts and judges what is found.
pub async fn survey(settings: &Settings) -> Overview {
    let started = Instant::now();
    let deadline = started + settings.deadline;
    let mut asked = JoinSet::new();
    for (index, host) in settings.hosts.iter().cloned().enumerate() {
        let settings = settings.clone();
        asked.spawn(async move {
            let begun = Instant::now();
            let answer = report::of(&settings, &host, deadline).await;
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
            reports.push((host.name.clone(), facts));
        }
    }
    judge(settings, hosts, &merge::all(reports), started)
}

/// Looks at the host this process runs on and asks the members there: what `aileron services` does for an
/// aileron on another host.
pub async fn observe(settings: &Settings, deadline: Instant) -> Answer<Report> {
    let host = Host { name: String::new(), reach: Arc::new(Reach::Local) };
    report::of(settings, &host, deadline).await
}

fn wanted(settings: &Settings) -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| settings.only.is_empty() || settings.only.contains(kind))
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
        risk: risk(&services),
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
            Finding::new(NO_ANSWER, Severity::Degraded, &host.name, cause)
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
        return match services.len() {
            1 => "1 service is well".to_string(),
            many => format!("{many} services are well"),
        };
    }
    let mut parts = Vec::new();
    for state in [State::Failed, State::Degraded, State::Unknown] {
        let own: Vec<_> =
            services.iter().filter(|one| one.state == state).map(|one| one.service.name()).collect();
        if !own.is_empty() {
            parts.push(format!("{} {}", own.join(", "), state.name()));
        }
    }
    let (away, other): (Vec<_>, Vec<_>) = findings.iter().partition(|one| one.code == NO_ANSWER);
    if !away.is_empty() {
        let names: Vec<_> = away.iter().map(|finding| finding.subject.as_str()).collect();
        parts.push(format!("no answer from {}", names.join(", ")));
    }
    parts.extend(other.iter().map(|finding| finding.cause.clone()));
    parts.join("; ")
}

/// The services that one more failure would stop; those that have stopped have nothing left to lose.
fn risk(services: &[Verdict]) -> String {
    let fragile: Vec<&str> = services
        .iter()
        .filter(|verdict| verdict.fragile && verdict.state != State::Failed)
        .map(|verdict| verdict.service.name())
        .collect();
    if fragile.is_empty() { String::new() } else { format!("one more failure stops {}", fragile.join(", ")) }
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_the_worst_first() {
        let verdict = |service, state| Verdict {
            service,
            state,
            fragile: false,
            summary: String::new(),
            risk: String::new(),
            members: Vec::new(),
            findings: Vec::new(),
        };
        let well = [verdict(Kind::Redis, State::Ok)];
        assert_eq!(summary(State::Ok, &well, &[]), "1 service is well");
        let some = [
            verdict(Kind::Redis, State::Degraded),
            verdict(Kind::Haproxy, State::Unknown),
            verdict(Kind::Memcached, State::Degraded),
            verdict(Kind::Etcd, State::Failed),
        ];
        let findings = about_hosts(
            &["c1", "c2"].map(|name| HostVerdict {
                name: name.to_string(),
                answer: "silent".to_string(),
                trouble: "did not answer within 2.0 s".to_string(),
                took_ms: 2000,
            }),
            &some,
        );
        let expected = "etcd failed; redis, memcached degraded; haproxy unknown; no answer from c1, c2";
        assert_eq!(summary(State::Degraded, &some, &findings), expected);
    }

    #[test]
    fn the_risk_names_what_the_next_failure_stops() {
        let verdict = |service, state, fragile| Verdict {
            service,
            state,
            fragile,
            summary: String::new(),
            risk: String::new(),
            members: Vec::new(),
            findings: Vec::new(),
        };
        let carried = verdict(Kind::Haproxy, State::Ok, false);
        assert_eq!(risk(std::slice::from_ref(&carried)), "");
        let fragile = verdict(Kind::Mariadb, State::Degraded, true);
        let gone = verdict(Kind::Etcd, State::Failed, true);
        let alone = verdict(Kind::Redis, State::Ok, true);
        assert_eq!(risk(&[fragile, carried, alone, gone]), "one more failure stops mariadb, redis");
    }
}
