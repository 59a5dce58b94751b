//! The rules, on answers recorded from memcached (recorded/README.md).

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::verdict::{Severity, Verdict};
use crate::{State, view};

const HEALTHY: &[u8] = include_bytes!("recorded/healthy.txt");
const FULL: &[u8] = include_bytes!("recorded/full.txt");
const TOO_MANY: &[u8] = include_bytes!("recorded/too_many.txt");
const REJECTED: &[u8] = include_bytes!("recorded/rejected.txt");

fn member(host: &str, answer: Answer<Facts>) -> Member<Facts> {
    let place = Place::Tcp("127.0.0.1".to_string(), PORT);
    let view = View { host: host.to_string(), ..View::default() };
    Member { target: target(&view, place, true, String::new()), answer, took_ms: 1 }
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
    assert!(judgement.findings[0].cause.contains("71136 living items"), "{}", judgement.findings[0].cause);
}

#[test]
fn connections_turned_away_are_told() {
    let (state, judgement) = judged(&[("c0", got(REJECTED))]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["memcached-rejected"]));
    let (_, judgement) = judged(&[("c0", got(TOO_MANY)), ("c1", got(HEALTHY))]);
    assert_eq!(codes(&judgement), ["memcached-connections-full"]);
    assert!(judgement.findings[0].cause.contains("Too many open connections"));
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
