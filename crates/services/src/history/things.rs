//! An overview taken apart: every thing whose state is followed, with its state and the reason.

use std::collections::BTreeMap;

use super::{ABSENT, About, Thing};
use crate::verdict::{Finding, Overview, State, Verdict};

/// How a thing was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) state: String,
    pub(super) cause: String,
    pub(super) intended: bool,
}

impl Seen {
    pub(super) fn absent() -> Seen {
        Seen::new(ABSENT, "")
    }

    fn new(state: &str, cause: &str) -> Seen {
        Seen { state: state.to_string(), cause: cause.to_string(), intended: false }
    }
}

/// Everything that an overview shows, and of what is `known` that which hides behind a host without an
/// answer.
pub(super) fn of(overview: &Overview, known: &BTreeMap<Thing, String>) -> BTreeMap<Thing, Seen> {
    let mut all = BTreeMap::new();
    all.insert(Thing::whole(About::Survey), Seen::new("running", ""));
    let plane = Seen::new(overview.state.name(), &overview.summary);
    all.insert(Thing::whole(About::ControlPlane), plane);
    for verdict in &overview.services {
        let name = verdict.service.name();
        let thing = Thing { service: name.to_string(), ..Thing::whole(About::Service) };
        all.insert(thing, Seen::new(verdict.state.name(), &because(verdict)));
        members(&mut all, verdict);
        for finding in &verdict.findings {
            add_finding(&mut all, name, finding);
        }
    }
    for finding in &overview.findings {
        add_finding(&mut all, "", finding);
    }
    hidden(&mut all, overview, known);
    all
}

/// A member may stand in a verdict twice: the worse counts.
fn members(all: &mut BTreeMap<Thing, Seen>, verdict: &Verdict) {
    let mut states: BTreeMap<Thing, State> = BTreeMap::new();
    for member in &verdict.members {
        let thing = Thing {
            service: verdict.service.name().to_string(),
            subject: member.host.clone(),
            place: member.place.clone(),
            ..Thing::whole(About::Member)
        };
        let worst = states.get(&thing).map_or(member.state, |state| state.worst(member.state));
        states.insert(thing, worst);
    }
    for (thing, state) in states {
        // Findings name the host; those that do not are the service's own.
        let own = verdict.findings.iter().find(|finding| finding.subject == thing.subject);
        let cause = own.filter(|_| state != State::Ok).map_or("", |finding| finding.cause.as_str());
        all.insert(thing, Seen::new(state.name(), cause));
    }
}

/// Why a service's state is what it is: its worst finding, which comes first.
fn because(verdict: &Verdict) -> String {
    match verdict.findings.first() {
        Some(worst) if verdict.state != State::Ok => worst.cause.clone(),
        _ => verdict.summary.clone(),
    }
}

fn add_finding(all: &mut BTreeMap<Thing, Seen>, service: &str, finding: &Finding) {
    let thing = Thing {
        service: service.to_string(),
        code: finding.code.clone(),
        subject: finding.subject.clone(),
        ..Thing::whole(About::Finding)
    };
    let seen = Seen {
        state: finding.severity.name().to_string(),
        cause: finding.cause.clone(),
        intended: finding.intended,
    };
    // Worst first: of two with one name the first one stays.
    all.entry(thing).or_insert(seen);
}

/// What is known of a host that does not answer is unknown now. So is a service that only it had.
fn hidden(all: &mut BTreeMap<Thing, Seen>, overview: &Overview, known: &BTreeMap<Thing, String>) {
    let missing: Vec<_> = overview.hosts.iter().filter(|host| host.answer != "got").collect();
    let mut gone: Vec<(Thing, Seen)> = Vec::new();
    for thing in known.keys().filter(|thing| !all.contains_key(*thing)) {
        let host = match thing.about {
            About::Member | About::Finding => missing.iter().find(|host| host.name == thing.subject),
            About::Service => missing.first(),
            _ => None,
        };
        if let Some(host) = host {
            let cause = format!("{} {}", host.name, host.trouble);
            gone.push((thing.clone(), Seen::new(State::Unknown.name(), &cause)));
        }
    }
    all.extend(gone);
}
