//! The rules, on answers recorded from Ceph (recorded/README.md).

use serde_json::Value;

use super::*;
use crate::answer::Answer;
use crate::verdict::{Severity, Verdict};
use crate::view::{Container, Process};
use crate::{State, view};

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/ceph/recorded/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

mod finding;
mod rules;

/// A MON by its own socket, with what it says of the cluster.
fn mon(status: &Value, cluster: Option<&Value>) -> Answer<Facts> {
    let mut mon = Mon::parse(status).unwrap();
    mon.version = facts::version(&recorded!("version"));
    mon.cluster = cluster.map(|answers| Cluster::parse(answers.as_array().unwrap()).unwrap());
    Answer::Got { facts: Facts::Mon(Box::new(mon)) }
}

fn greeting() -> Answer<Facts> {
    Answer::Got { facts: Facts::Greeting(Greeting { quorum: None }) }
}

fn mgr(status: Option<&Value>) -> Answer<Facts> {
    Answer::Got { facts: Facts::Mgr(Mgr { version: "16.2.15".to_string(), ..Mgr::parse(status) }) }
}

fn mds(status: &Value) -> Answer<Facts> {
    Answer::Got { facts: Facts::Mds(Mds { version: "16.2.15".to_string(), ..Mds::parse(status).unwrap() }) }
}

fn down() -> Answer<Facts> {
    Answer::Down { cause: "no process, though a unit is enabled".to_string() }
}

fn silent() -> Answer<Facts> {
    Answer::Silent { doing: "waiting for the answer".to_string(), after_ms: 2000 }
}

fn denied() -> Answer<Facts> {
    Answer::Denied { cause: "run this as root".to_string() }
}

/// A daemon of controller-NUMBER.
fn member(kind: &str, number: usize, answer: Answer<Facts>) -> Member<Facts> {
    let mut view = View { host: format!("controller-{number}"), ..View::default() };
    view.units.insert(format!("ceph-{kind}@controller-{number}.service"));
    view.files
        .insert("/etc/ceph/ceph.conf".to_string(), "mon host = 10.77.0.11,10.77.0.12,10.77.0.13".to_string());
    let target = Ceph::find(&view).remove(0);
    Member { target, answer, took_ms: 1 }
}

/// MONs on controller-0, -1, ...
fn mons(answers: Vec<Answer<Facts>>) -> Vec<Member<Facts>> {
    answers.into_iter().enumerate().map(|(number, answer)| member("mon", number, answer)).collect()
}

/// The cluster as recorded, seen by its leader; the other MONs greet.
fn seen(cluster: &Value) -> Vec<Member<Facts>> {
    mons(vec![mon(&recorded!("mon_leader"), Some(cluster)), greeting(), greeting()])
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members);
    (Verdict::state_of(&judgement.findings), judgement)
}

/// Codes of the findings; of Ceph's own checks, theirs.
fn codes(judgement: &Judgement) -> Vec<&str> {
    let name = |one: &'_ crate::Finding| one.code == "ceph-health";
    judgement
        .findings
        .iter()
        .map(|one| if name(one) { one.subject.as_str() } else { one.code.as_str() })
        .collect()
}

/// State and codes of the cluster as recorded.
fn of(cluster: &Value) -> (State, Vec<String>) {
    let (state, judgement) = judged(&seen(cluster));
    (state, codes(&judgement).into_iter().map(ToString::to_string).collect())
}
