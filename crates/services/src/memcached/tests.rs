//! The rules, on answers recorded from memcached (recorded/README.md).

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::place::Place;
use crate::verdict::{Severity, Verdict};
use crate::{State, view};

const HEALTHY: &[u8] = include_bytes!("recorded/healthy.txt");
const FULL: &[u8] = include_bytes!("recorded/full.txt");
const TOO_MANY: &[u8] = include_bytes!("recorded/too_many.txt");
const REJECTED: &[u8] = include_bytes!("recorded/rejected.txt");

fn member(host: &str, answer: Answer<Facts>) -> Member<Facts> {
    let place = Place::Tcp("127.0.0.1".to_string(), PORT);
    let view = View { host: host.to_string(), ..View::default() };
    Member { target: find::target(&view, place, String::new()), answer, took_ms: 1 }
}

fn got(bytes: &[u8]) -> Answer<Facts> {
    match facts::parse(bytes) {
        // Warm: a cold cache is told apart in its own test.
        Ok(facts) => Answer::Got { facts: Facts { uptime: 86_400, ..facts } },
        Err(trouble) => trouble.into(),
    }
}

fn silent() -> Answer<Facts> {
    Answer::Silent { doing: "waiting for the answer of 127.0.0.1:11211".to_string(), after_ms: 2000 }
}

fn judged(answers: &[(&str, Answer<Facts>)]) -> (State, Judgement) {
    let context = Context { hosts: Vec::new(), missing: Vec::new(), now: 0 };
    let members: Vec<_> = answers.iter().map(|(host, answer)| member(host, answer.clone())).collect();
    let judgement = judge::judge(&members, &context);
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn healthy_ones_are_ok_and_the_risk_is_said() {
    let (state, judgement) = judged(&[("c0", got(HEALTHY)), ("c1", got(HEALTHY))]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "2 of 2 answer");
    assert!(judgement.risk.words.contains("a share"));
}

#[test]
fn a_full_one_shows_by_evictions_and_not_by_its_memory() {
    let facts = facts::parse(FULL).unwrap();
    assert!(facts.bytes < facts.limit_maxbytes * 9 / 10, "the point of the rule");
    let (state, judgement) = judged(&[("c0", got(FULL))]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["memcached-evictions"]));
    assert!(
        judgement.findings[0].cause.contains("threw out 71136 living items"),
        "{}",
        judgement.findings[0].cause
    );
}

#[test]
fn connections_turned_away_are_told() {
    let (state, judgement) = judged(&[("c0", got(REJECTED))]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["memcached-rejected"]));
    let (_, judgement) = judged(&[("c0", got(TOO_MANY)), ("c1", got(HEALTHY))]);
    assert_eq!(codes(&judgement), ["memcached-connections-full"]);
    assert!(judgement.findings[0].cause.contains("Too many open connections"));
    // Alone it is full, not down: who is connected is served.
    let (state, judgement) = judged(&[("c0", got(TOO_MANY))]);
    assert_eq!((state, judgement.members[0].state), (State::Degraded, State::Degraded));
}

#[test]
fn a_few_of_many_long_ago_are_only_noted() {
    let Answer::Got { facts } = got(FULL) else { panic!("full") };
    let once = Facts { cmd_set: 100_000_000, growth: Some(Growth::default()), ..facts };
    let (state, judgement) = judged(&[("c0", Answer::Got { facts: once.clone() })]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["memcached-evictions"]));
    assert!(judgement.findings[0].cause.contains("(0.07 % of what was stored), 56 of"));
    let growth = Some(Growth { evictions: 40, stores: 100, turned_away: 0 });
    let (state, judgement) = judged(&[("c0", Answer::Got { facts: Facts { growth, ..once } })]);
    assert_eq!(state, State::Degraded, "it goes on");
    assert!(judgement.findings[0].cause.contains("and goes on"));
    let Answer::Got { facts } = got(REJECTED) else { panic!("rejected") };
    let once = Facts { total_connections: 1_000_000, ..facts };
    let (state, _) = judged(&[("c0", Answer::Got { facts: once.clone() })]);
    assert_eq!(state, State::Ok);
    let growth = Some(Growth { turned_away: 1, ..Growth::default() });
    let (state, _) = judged(&[("c0", Answer::Got { facts: Facts { growth, ..once } })]);
    assert_eq!(state, State::Degraded);
}

#[test]
fn what_is_kept_back_counts_among_the_connections() {
    let Answer::Got { facts } = got(HEALTHY) else { panic!("healthy") };
    let near = Facts { max_connections: 64, curr_connections: 38, reserved_fds: 20, ..facts };
    let (state, judgement) = judged(&[("c0", Answer::Got { facts: near })]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["memcached-connections-full"]));
    assert!(judgement.findings[0].cause.contains("38 connections open and keeps 20 back, of 64 allowed"));
}

#[test]
fn one_that_wants_a_login_says_nothing_on_its_health() {
    let (state, judgement) = judged(&[("c0", got(b"CLIENT_ERROR unauthenticated\r\n"))]);
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["memcached-denied"]));
}

#[test]
fn a_frozen_one_degrades_and_the_last_one_fails() {
    let (state, judgement) = judged(&[("c0", got(HEALTHY)), ("c1", silent())]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["memcached-silent"]));
    assert!(judgement.findings[0].cause.contains("did not answer within 2.0 s"));
    let (state, _) = judged(&[("c1", silent())]);
    assert_eq!(state, State::Failed);
}

#[test]
fn a_cold_cache_is_only_noted() {
    let Answer::Got { facts } = got(HEALTHY) else { panic!("healthy") };
    let cold = Answer::Got { facts: Facts { uptime: 12, ..facts } };
    let (state, judgement) = judged(&[("c0", cold)]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["memcached-cold"]));
    assert_eq!(judgement.findings[0].severity, Severity::Notice);
}

#[test]
fn it_is_found_by_its_process_or_by_its_unit() {
    let process = view::Process { pid: 7, name: "memcached".into(), arguments: vec![], container: None };
    let listener = view::Listener { address: "0.0.0.0:11311".parse().unwrap(), pid: Some(7) };
    let running = View { processes: vec![process], listeners: vec![listener], ..View::default() };
    let found = Memcached::find(&running);
    assert_eq!(found[0].place, Place::Tcp("127.0.0.1".to_string(), 11311));
    assert!(found[0].seen);
    let words = |words: &[&str]| View {
        processes: vec![view::Process {
            pid: 7,
            name: "memcached".into(),
            arguments: words.iter().map(ToString::to_string).collect(),
            container: None,
        }],
        listeners: vec![view::Listener { address: "10.77.0.11:11311".parse().unwrap(), pid: None }],
        ..View::default()
    };
    // Without root nobody says whose socket it is: the command line does.
    for arguments in [&["memcached", "-p11311", "-Z"][..], &["memcached", "-Z", "--port=11311"]] {
        let found = Memcached::find(&words(arguments));
        assert_eq!(found[0].place, Place::Tcp("10.77.0.11".to_string(), 11311));
        assert!(found[0].settings.contains_key("tls") && !found[0].settings.contains_key("sasl"));
    }
    let found = Memcached::find(&words(&["memcached", "-s", "/run/memcached.sock"]));
    assert_eq!(found[0].place, Place::Unix("/run/memcached.sock".into()));
    let stopped = View { units: ["memcached.service".to_string()].into(), ..View::default() };
    let found = Memcached::find(&stopped);
    assert_eq!((found.len(), found[0].seen), (1, false));
    assert_eq!(found[0].evidence, "unit memcached.service is enabled");
    assert_eq!(Memcached::find(&View::default()), []);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = facts::is_whole(&bytes);
        let _ = facts::parse(&bytes);
    }
}
