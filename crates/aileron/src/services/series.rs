//! The overview for machines that scrape: Prometheus' text format, and the one line of a Nagios plug-in.
//! States are numbers as the exit codes have them: 0 ok, 1 degraded, 2 failed, 3 unknown.

use std::collections::BTreeMap;
use std::fmt::Write;

use services::history::{About, Standing};
use services::{Overview, State};

use super::terminal::clean;

/// Prometheus' text format. A series occurs once whatever was found: a duplicate breaks a whole scrape.
pub(super) fn prometheus(overview: &Overview, standing: &[Standing]) -> String {
    let mut text = String::new();
    let one = |value: String| BTreeMap::from([(String::new(), value)]);
    let code = |state: State| state.exit_code().to_string();
    family(
        &mut text,
        "aileron_control_plane_state",
        "0 ok, 1 degraded, 2 failed, 3 unknown",
        &one(code(overview.state)),
    );
    let services = overview
        .services
        .iter()
        .map(|verdict| (labels(&[("service", verdict.service.name())]), code(verdict.state)))
        .collect();
    family(&mut text, "aileron_service_state", "0 ok, 1 degraded, 2 failed, 3 unknown", &services);
    let mut members: BTreeMap<String, State> = BTreeMap::new();
    let mut findings = BTreeMap::new();
    for verdict in &overview.services {
        for member in &verdict.members {
            let name = verdict.service.name();
            let key = labels(&[("service", name), ("host", &member.host), ("place", &member.place)]);
            let worst = members.get(&key).map_or(member.state, |state| state.worst(member.state));
            members.insert(key, worst);
        }
        for finding in &verdict.findings {
            findings.insert(finding_labels(verdict.service.name(), finding), "1".to_string());
        }
    }
    for finding in &overview.findings {
        findings.insert(finding_labels("", finding), "1".to_string());
    }
    let members = members.into_iter().map(|(key, state)| (key, code(state))).collect();
    family(&mut text, "aileron_service_member_state", "0 ok, 1 degraded, 2 failed, 3 unknown", &members);
    family(&mut text, "aileron_service_finding", "1 for each finding that stands", &findings);
    let hosts = overview
        .hosts
        .iter()
        .map(|host| (labels(&[("host", &host.name)]), u8::from(host.answer == "got").to_string()))
        .collect();
    family(&mut text, "aileron_services_host_answered", "1 where the host answered", &hosts);
    family(
        &mut text,
        "aileron_services_survey_seconds",
        "How long the survey took",
        &one(seconds(overview.took_ms)),
    );
    family(
        &mut text,
        "aileron_services_survey_timestamp_seconds",
        "When the survey was made",
        &one(overview.taken_at.to_string()),
    );
    since(&mut text, standing);
    text
}

/// Since when the states are as they are, where a daemon knows.
fn since(text: &mut String, standing: &[Standing]) {
    let of = |about: About| {
        let own = standing.iter().filter(move |one| one.thing.about == about);
        own.map(|one| {
            let service = one.thing.service.as_str();
            let named = if service.is_empty() { String::new() } else { labels(&[("service", service)]) };
            (named, one.since.to_string())
        })
        .collect::<BTreeMap<_, _>>()
    };
    for (name, about) in [
        ("aileron_control_plane_state_since_timestamp_seconds", About::ControlPlane),
        ("aileron_service_state_since_timestamp_seconds", About::Service),
    ] {
        let all = of(about);
        if !all.is_empty() {
            family(text, name, "When the state was first seen as it is", &all);
        }
    }
}

fn finding_labels(service: &str, finding: &services::Finding) -> String {
    labels(&[
        ("service", service),
        ("code", &finding.code),
        ("subject", &finding.subject),
        ("severity", finding.severity.name()),
        ("intended", if finding.intended { "true" } else { "false" }),
    ])
}

fn family(text: &mut String, name: &str, help: &str, series: &BTreeMap<String, String>) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge");
    for (labels, value) in series {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let all: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", all.join(","))
}

/// One line with performance data, as monitoring plug-ins print it.
pub(super) fn nagios(overview: &Overview) -> String {
    let word = match overview.state {
        State::Ok => "OK",
        State::Degraded => "WARNING",
        State::Failed => "CRITICAL",
        State::Unknown => "UNKNOWN",
    };
    // The bar begins the performance data.
    let summary = clean(&overview.summary).replace('|', "/");
    let count = |state: State| overview.services.iter().filter(|verdict| verdict.state == state).count();
    format!(
        "SERVICES {word} - {summary} | ok={} degraded={} failed={} unknown={} time={}s;;;0;{}",
        count(State::Ok),
        count(State::Degraded),
        count(State::Failed),
        count(State::Unknown),
        seconds(overview.took_ms),
        seconds(overview.deadline_ms)
    )
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}
