//! Finding and judging, on answers recorded from etcd (recorded/README.md).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::place::Place;
use crate::verdict::{Severity, State, Verdict};
use crate::view;

macro_rules! recorded {
    ($name:literal) => {
        http::parse(include_bytes!(concat!("recorded/", $name, ".txt"))).unwrap().body
    };
}

fn healthy() -> Facts {
    let mut all = Facts::parse(&recorded!("healthy_status")).unwrap();
    all.members = facts::members(&recorded!("healthy_members"));
    all.health = facts::health(&recorded!("healthy_health"));
    all.quota = facts::quota(&recorded!("healthy_metrics"));
    all
}

fn nospace() -> Facts {
    let mut all = Facts::parse(&recorded!("nospace_status")).unwrap();
    all.members = healthy().members;
    all.health = facts::health(&recorded!("nospace_health"));
    all.quota = facts::quota(&recorded!("nospace_metrics"));
    all
}

/// The same facts as another of the listed members would give them.
fn of(index: usize, facts: &Facts) -> Facts {
    Facts { member: facts.members.as_ref().unwrap()[index].id, ..facts.clone() }
}

/// The members as they are listed: controller-2, controller-0, controller-1.
fn member(index: usize, answer: Answer<Facts>) -> Member<Facts> {
    let (host, address) = [("c2", "10.77.0.13"), ("c0", "10.77.0.11"), ("c1", "10.77.0.12")][index];
    let target = Target {
        kind: Kind::Etcd,
        host: host.to_string(),
        place: Place::Tcp(address.to_string(), PORT),
        port: Some(PORT),
        seen: true,
        evidence: String::new(),
        settings: BTreeMap::new(),
    };
    Member { target, answer, took_ms: 1 }
}

fn got(index: usize, facts: &Facts) -> Member<Facts> {
    member(index, Answer::Got { facts: of(index, facts) })
}

fn silent() -> Answer<Facts> {
    Answer::Silent { doing: "waiting".to_string(), after_ms: 2000 }
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members, &Context { hosts: Vec::new(), missing: Vec::new(), now: 0 });
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn three_that_agree_are_ok() {
    let facts = healthy();
    assert_eq!((facts.quota, facts.health), (Some(400_000), Some(true)));
    let (state, judgement) = judged(&[got(0, &facts), got(1, &facts), got(2, &facts)]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "leader c2, 3 of 3 members serve");
    let roles: Vec<_> = judgement.members.iter().map(|one| one.role.as_str()).collect();
    assert_eq!(roles, ["leader", "follower", "follower"]);
}

#[test]
fn one_lost_is_degraded_and_two_lost_is_failed() {
    let facts = healthy();
    let (state, judgement) = judged(&[got(0, &facts), got(1, &facts), member(2, silent())]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["etcd-silent"]));
    assert_eq!(judgement.risk.words, "one more failure stops etcd: 2 of 3 serve, 2 must");
    // At first it still takes itself for the leader.
    let leads = Facts::parse(&recorded!("two_frozen_at_once_status")).unwrap();
    assert_eq!(leads.leader, leads.member);
    let (state, judgement) = judged(&[got(0, &facts), member(1, silent()), member(2, silent())]);
    assert_eq!(
        (state, codes(&judgement)),
        (State::Failed, vec!["etcd-silent", "etcd-silent", "etcd-no-quorum"])
    );
    let mut leaderless = Facts::parse(&recorded!("no_leader_status")).unwrap();
    leaderless.members = facts::members(&recorded!("no_leader_members"));
    leaderless.alarms.clear();
    let (state, judgement) = judged(&[got(0, &leaderless), member(1, silent()), member(2, silent())]);
    assert_eq!(state, State::Failed);
    let finding = judgement.findings.iter().find(|one| one.code == "etcd-no-leader").unwrap();
    assert!(
        finding.cause.contains("0 of 3 members serve, 2 must (c2 has no leader, c0 silent"),
        "{}",
        finding.cause
    );
}

#[test]
fn an_alarm_fails_once_for_all() {
    let facts = nospace();
    let (state, judgement) = judged(&[got(0, &facts), got(1, &facts), got(2, &facts)]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["etcd-nospace"]));
    let cause = &judgement.findings[0].cause;
    assert!(cause.contains("database on c0") && cause.contains("quota 400000"), "{cause}");
}

#[test]
fn a_database_near_its_quota_is_degraded() {
    let facts = Facts { alarms: Vec::new(), health: Some(true), ..nospace() };
    let (state, judgement) = judged(&[got(1, &facts)]);
    assert_eq!(state, State::Failed, "one of three is no majority");
    assert!(codes(&judgement).contains(&"etcd-near-quota"));
}

#[test]
fn members_that_differ_are_told() {
    let facts = healthy();
    let other = Facts { leader: of(1, &facts).member, term: 3, ..facts.clone() };
    let (_, judgement) = judged(&[got(0, &facts), got(1, &other), got(2, &facts)]);
    assert_eq!(codes(&judgement), ["etcd-leaders-differ"]);
    let cut = Facts { leader: 0, ..facts.clone() };
    let (state, judgement) = judged(&[got(0, &facts), got(1, &facts), got(2, &cut)]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["etcd-member-without-leader"]));
    let apart = Facts { cluster: 7, ..facts.clone() };
    let (_, judgement) = judged(&[got(0, &facts), got(1, &facts), got(2, &apart)]);
    assert!(codes(&judgement).contains(&"etcd-different-clusters"), "{:?}", codes(&judgement));
    let behind = Facts { applied: 100_000, ..facts.clone() };
    let (_, judgement) = judged(&[got(0, &behind), got(1, &facts), got(2, &behind)]);
    assert_eq!(codes(&judgement), ["etcd-behind"]);
}

#[test]
fn learners_and_members_that_never_came_are_told() {
    let mut facts = healthy();
    facts.members.as_mut().unwrap().push(Listed { id: 9, ..Listed::default() });
    let (state, judgement) = judged(&[got(0, &facts), got(1, &facts), got(2, &facts)]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["etcd-unstarted"]));
    assert!(judgement.findings[0].cause.contains("majority of 4"));
    let learner = Facts { learner: true, ..healthy() };
    let (_, judgement) = judged(&[got(0, &healthy()), got(1, &healthy()), got(2, &learner)]);
    assert_eq!(judgement.findings[0].severity, Severity::Notice);
}

#[test]
fn a_member_that_does_not_let_us_in_hides_what_would_have_to_be_known() {
    let denied = || Answer::Denied { cause: "certificate".to_string() };
    let (state, _) = judged(&[member(0, denied()), member(1, denied()), member(2, denied())]);
    assert_eq!(state, State::Unknown);
}

#[test]
fn etcdctl_writes_the_same_fields() {
    let list: serde_json::Value = serde_json::from_str(include_str!("recorded/ctl_status.json")).unwrap();
    let status = Facts::parse(&list[0]["Status"].to_string()).unwrap();
    assert_eq!((status.member, status.leader), (healthy().member, healthy().leader));
    let list: serde_json::Value =
        serde_json::from_str(include_str!("recorded/ctl_status_nospace.json")).unwrap();
    assert_eq!(Facts::parse(&list[0]["Status"].to_string()).unwrap().alarms, nospace().alarms);
    assert_eq!(facts::members(include_str!("recorded/ctl_members.json")), healthy().members);
}

#[test]
fn the_clients_port_is_found_among_its_listeners() {
    let listener = |address: &str| view::Listener { address: address.parse().unwrap(), pid: Some(7) };
    let process = |arguments: &[&str]| view::Process {
        pid: 7,
        name: "etcd".to_string(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        container: None,
    };
    let mut view = View {
        host: "c0".to_string(),
        addresses: vec!["10.77.0.11".parse().unwrap()],
        processes: vec![process(&[
            "etcd",
            "--listen-client-urls=https://10.77.0.11:4001,https://127.0.0.1:4001",
            "--cert-file",
            "/e.crt",
        ])],
        listeners: vec![listener("10.77.0.11:2380"), listener("10.77.0.11:4001"), listener("127.0.0.1:4001")],
        ..View::default()
    };
    let found = Etcd::find(&view);
    assert_eq!(found[0].place, Place::Tcp("127.0.0.1".to_string(), 4001));
    assert_eq!(
        (found[0].settings["scheme"].as_str(), found[0].settings["cert-file"].as_str()),
        ("https", "/e.crt")
    );
    // The same by an environment file, as a unit has it.
    view.processes = vec![process(&["/usr/bin/etcd"])];
    let text = "# x\nETCD_LISTEN_CLIENT_URLS=\"http://10.77.0.11:4001\"\nETCD_INITIAL_CLUSTER=\"c0=http://10.77.0.11:2380,c1=http://10.77.0.12:2380\"\n";
    view.files = BTreeMap::from([("/etc/default/etcd".to_string(), text.to_string())]);
    let found = Etcd::find(&view);
    assert_eq!((found[0].port, found[0].settings.contains_key("scheme")), (Some(4001), false));
    // Without the list of members, those that it began with are asked.
    let peers = Etcd::peers(&found[0], &Facts::default());
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].place, Place::Tcp("10.77.0.12".to_string(), 4001));
    let stopped = View { units: ["etcd.service".to_string()].into(), files: view.files, ..View::default() };
    assert_eq!(Etcd::find(&stopped)[0].place, Place::Tcp("10.77.0.11".to_string(), 4001));
    assert_eq!(Etcd::find(&View::default()), []);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC*") {
        let _ = http::parse(&bytes);
        let _ = Facts::parse(&text);
        let _ = (facts::members(&text), facts::health(&text), facts::quota(&text), find::url(&text));
        let errors = format!(r#"{{"header":{{"member_id":1}},"errors":["memberID:{}"]}}"#, text.replace(['"', '\\'], ""));
        let _ = Facts::parse(&errors);
    }
}
