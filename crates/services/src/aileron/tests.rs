//! Finding and judging our own broker, on what it has said (recorded/README.md).

use std::collections::BTreeMap;

use super::*;
use crate::answer::Answer;
use crate::place::Place;
use crate::verdict::{State, Verdict};
use crate::view;

fn healthy() -> Health {
    control::parse(include_str!("recorded/health.json")).unwrap()
}

fn serves(health: Option<Health>) -> Facts {
    Facts { serves: true, health, ..Facts::default() }
}

fn member(host: &str, answer: Answer<Facts>) -> Member<Facts> {
    let target = Target {
        kind: Kind::Aileron,
        host: host.to_string(),
        place: Place::Tcp("127.0.0.1".to_string(), PORT),
        port: Some(PORT),
        seen: true,
        evidence: String::new(),
        settings: BTreeMap::new(),
    };
    Member { target, answer, took_ms: 1 }
}

fn got(host: &str, facts: Facts) -> Member<Facts> {
    member(host, Answer::Got { facts })
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members, &Context { hosts: Vec::new(), missing: Vec::new(), now: 0 });
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn a_broker_that_is_well() {
    assert_eq!(control::is_ready(include_str!("recorded/hello.json")), Some(true));
    let health = healthy();
    assert!(health.memory_used > 1 << 20 && health.memory_limit > health.memory_used);
    assert!(health.alarms.is_empty() && health.disk_free > health.disk_free_limit);
    let (state, judgement) = judged(&[got("c0", serves(Some(health)))]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "1 of 1 serve");
    assert!(judgement.risk.words.contains("it is the only one"));
    assert_eq!(judgement.members[0].role, "serves, 0.1.0, 0 connections");
}

#[test]
fn one_of_two_lost_is_degraded_and_all_lost_is_failed() {
    let silent = || member("c1", Answer::Silent { doing: "waiting".to_string(), after_ms: 2000 });
    let (state, judgement) = judged(&[got("c0", serves(Some(healthy()))), silent()]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["aileron-silent"]));
    assert!(judgement.risk.words.contains("the last broker that serves"));
    let down = member("c0", Answer::Down { cause: "refused".to_string() });
    let (state, judgement) = judged(&[down, silent()]);
    assert_eq!(state, State::Failed);
    assert_eq!(codes(&judgement), ["aileron-down", "aileron-silent", "aileron-none-serves"]);
}

#[test]
fn each_alarm_fails_and_is_not_near_as_well() {
    for (alarm, code) in [
        ("memory", "aileron-memory-alarm"),
        ("disk", "aileron-disk-alarm"),
        ("log-full", "aileron-log-full"),
        ("log-failed", "aileron-log-failed"),
    ] {
        let mut health = Health { alarms: vec![alarm.to_string()], ..healthy() };
        match alarm {
            "memory" => health.memory_used = health.memory_limit + 1,
            "log-failed" => {}
            _ => health.disk_free = 1,
        }
        let (state, judgement) = judged(&[got("c0", serves(Some(health)))]);
        assert_eq!((state, codes(&judgement)), (State::Failed, vec![code]));
    }
}

#[test]
fn a_disk_that_hangs_has_failed() {
    let health = Health { disk_waits: 31, disk_waits_vhost: "/".to_string(), ..healthy() };
    let (state, judgement) = judged(&[got("c0", serves(Some(health)))]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["aileron-disk-hangs"]));
    assert!(judgement.findings[0].cause.contains("vhost '/' for 31 s"), "{}", judgement.findings[0].cause);
}

#[test]
fn limits_that_are_near_and_damages_are_degraded() {
    let well = healthy();
    for (code, health) in [
        ("aileron-memory-near", Health { memory_used: well.memory_limit / 100 * 95, ..well.clone() }),
        ("aileron-disk-near", Health { disk_free: well.disk_free_limit * 2 - 1, ..well.clone() }),
        ("aileron-descriptors-near", Health { descriptors: 18_000, ..well.clone() }),
        ("aileron-connections-near", Health { connections: 9, connections_limit: 10, ..well.clone() }),
        ("aileron-log-damaged", Health { damages: 1, ..well.clone() }),
    ] {
        let (state, judgement) = judged(&[got("c0", serves(Some(health)))]);
        assert_eq!((state, codes(&judgement)), (State::Degraded, vec![code]));
    }
}

#[test]
fn starting_stuck_and_not_let_in_are_told_apart() {
    let starting = unserved("refused".to_string(), None);
    let well = || got("c1", serves(Some(healthy())));
    assert_eq!(codes(&judged(&[got("c0", starting), well()]).1), ["aileron-starting"]);
    let stuck = unserved("no greeting".to_string(), Some(healthy()));
    let (state, judgement) = judged(&[got("c0", stuck), well()]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["aileron-no-greeting"]));
    let unread = Facts { unread: "does not let us in".to_string(), ..serves(None) };
    let (state, judgement) = judged(&[got("c0", unread)]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["aileron-unread"]));
    let newer = Health { version: "9.9.9".to_string(), ..healthy() };
    assert_eq!(codes(&judged(&[well(), got("c2", serves(Some(newer)))]).1), ["aileron-versions-differ"]);
}

fn process(name: &str, arguments: &[&str]) -> view::Process {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    view::Process { pid: 7, name: name.to_string(), arguments, container: None }
}

#[test]
fn the_daemon_is_found_with_its_control_socket() {
    let mut view = View {
        processes: vec![process("aileron", &["/usr/bin/aileron", "services", "--json"])],
        ..View::default()
    };
    assert_eq!(Aileron::find(&view), [], "the survey itself is no broker");
    view.processes
        .push(process("aileron", &["/usr/bin/aileron", "serve", "--config", "/etc/aileron/aileron.toml"]));
    let text = "[broker]\nlisten = [\"10.77.0.11:5672\"]\ndata_dir = \"/srv/data\"\n";
    view.files.insert("/etc/aileron/aileron.toml".to_string(), text.to_string());
    let found = Aileron::find(&view);
    assert_eq!((found.len(), &found[0].place), (1, &Place::Tcp("10.77.0.11".to_string(), 5672)));
    assert_eq!(found[0].settings["control"], "/srv/data/ctl.sock");
    // The command line is over the file, and what it listens on over both.
    view.processes[1]
        .arguments
        .extend(["--set", "ctl.socket=/run/a.sock", "--data-dir=data"].map(String::from));
    let listener = |address: &str| view::Listener { address: address.parse().unwrap(), pid: Some(7) };
    view.listeners = vec![listener("10.77.0.11:5673")];
    let found = Aileron::find(&view);
    assert_eq!(found[0].place, Place::Tcp("10.77.0.11".to_string(), 5673));
    assert_eq!(found[0].settings["control"], "/run/a.sock");
    view.processes[1].arguments.truncate(4);
    view.processes[1].arguments.push("--data-dir=data".to_string());
    assert_eq!(Aileron::find(&view)[0].settings["control"], "/proc/7/cwd/data/ctl.sock");
}

#[test]
fn two_brokers_for_one_port_are_told() {
    let view = View {
        host: "c0".to_string(),
        units: ["aileron.service".to_string(), "rabbitmq-server.service".to_string()].into(),
        ..View::default()
    };
    let found = Aileron::find(&view);
    assert!(!found[0].seen && found[0].settings.contains_key("rival"));
    let member = Member { target: found[0].clone(), ..got("c0", serves(Some(healthy()))) };
    let (state, judgement) = judged(&[member]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["aileron-port-contested"]));
    let alone = View { units: ["aileron.service".to_string()].into(), ..View::default() };
    assert!(!Aileron::find(&alone)[0].settings.contains_key("rival"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC*") {
        let _ = (control::parse(&text), control::is_ready(&text));
    }
}
