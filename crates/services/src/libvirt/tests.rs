//! Finding and judging, on what virsh printed (recorded/README.md).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::service::Member;
use crate::verdict::{Severity, State, Verdict};
use crate::view::{Container, Process};
use crate::{Answer, View};

const GUESTS: &str = include_str!("recorded/guests.txt");
const REFUSED: &str = include_str!("recorded/refused.txt");
const MISSING: &str = include_str!("recorded/missing.txt");

fn member(host: &str, answer: Answer<Facts>) -> Member<Facts> {
    let units = ["libvirtd.service".to_string()].into();
    let mut found = Libvirt::find(&View { host: host.to_string(), units, ..View::default() });
    Member { target: found.remove(0), answer, took_ms: 1 }
}

fn with(stands: &[Stand]) -> Answer<Facts> {
    let domain = |(at, stand): (usize, &Stand)| Domain { name: format!("instance-{at}"), stand: *stand };
    let domains = stands.iter().enumerate().map(domain).collect();
    Answer::Got { facts: Facts { domains, ..facts::parse(GUESTS).unwrap() } }
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members, &Context { hosts: Vec::new(), missing: Vec::new(), now: 0 });
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn states_are_read_with_their_reasons() {
    let facts = facts::parse(GUESTS).unwrap();
    assert_eq!((facts.version.as_str(), facts.hypervisor.as_str()), ("9.0.0", "QEMU 7.2.22"));
    let stands: Vec<_> = facts.domains.iter().map(|one| (one.name.as_str(), one.stand)).collect();
    assert_eq!(
        stands,
        [("instance-2", Stand::IoError), ("instance-1", Stand::Paused), ("instance-3", Stand::Lost)]
    );
    assert!(matches!(facts::parse("Domain: 'a'\n"), Err(Trouble::Broken(_))), "no daemon has answered");
}

#[test]
fn complaints_tell_a_daemon_that_is_gone_from_one_that_refuses() {
    for complaint in [REFUSED, MISSING] {
        assert!(matches!(facts::trouble(complaint), Trouble::Down(_)), "{complaint}");
    }
    let polkit = "error: failed to connect to the hypervisor\nerror: authentication unavailable: no polkit agent available\n";
    let Trouble::Denied(cause) = facts::trouble(polkit) else { panic!("{polkit}") };
    assert!(cause.starts_with("authentication unavailable") && cause.contains("org.libvirt.unix.monitor"));
    assert!(
        matches!(facts::trouble("error: internal error\n\n"), Trouble::Broken(cause) if cause == "internal error")
    );
}

#[test]
fn what_owners_want_of_their_instances_is_no_finding() {
    let (state, judgement) =
        judged(&[member("compute-0", with(&[Stand::Running, Stand::Running, Stand::Paused, Stand::Off]))]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "1 of 1 answer, 2 of 4 instances run");
    assert_eq!(judgement.members[0].role, "QEMU 7.2.22, 2 running, 1 paused, 1 off");
}

#[test]
fn what_they_did_not_want_is() {
    let (state, judgement) = judged(&[member("compute-0", with(&[Stand::IoError; 7]))]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["libvirt-io-error"]));
    let finding = &judgement.findings[0];
    assert!(finding.cause.ends_with("instance-3, instance-4 and 2 more"), "{}", finding.cause);
    assert!(finding.next.ends_with("virsh resume instance-0"), "{}", finding.next);
    for (stand, code, state) in [
        (Stand::Crashed, "libvirt-crashed", State::Degraded),
        (Stand::Stuck, "libvirt-stuck", State::Degraded),
        (Stand::Lost, "libvirt-lost", State::Ok),
    ] {
        let (seen, judgement) = judged(&[member("compute-0", with(&[stand, Stand::Running]))]);
        assert_eq!((seen, codes(&judgement)), (state, vec![code]));
    }
}

#[test]
fn a_daemon_that_is_gone_costs_its_host_only() {
    let silent = || Answer::Silent { doing: "waiting for virsh".to_string(), after_ms: 2000 };
    let (state, judgement) =
        judged(&[member("compute-0", with(&[Stand::Running])), member("compute-1", silent())]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["libvirt-silent"]));
    assert!(judgement.findings[0].cause.contains("its instances run on"));
    assert_eq!(judgement.members[1].state, State::Failed);
    let (state, judgement) = judged(&[member("compute-1", facts::trouble(REFUSED).into())]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["libvirt-down"]));
    assert!(judgement.findings[0].cause.contains("unit libvirtd.service is enabled"));
    let denied = facts::trouble("error: authentication failed\n");
    let (_, judgement) = judged(&[member("compute-0", denied.into())]);
    assert_eq!(judgement.findings[0].severity, Severity::Unknown);
}

#[test]
fn the_daemon_for_qemu_alone_is_preferred() {
    let process = |pid, name: &str, container: Option<&str>| Process {
        pid,
        name: name.to_string(),
        arguments: vec![name.to_string()],
        container: container.map(str::to_string),
    };
    let container = Container {
        name: "nova_virtqemud".to_string(),
        image: String::new(),
        running: true,
        engine: "podman".to_string(),
    };
    let view = View {
        processes: vec![process(4, "libvirtd", None), process(9, "virtqemud", Some("nova_virtqemud"))],
        containers: vec![container],
        ..View::default()
    };
    let found = Libvirt::find(&view);
    assert_eq!((found.len(), found[0].place.to_string().as_str()), (1, "/run/libvirt/virtqemud-sock-ro"));
    let expected = [
        ("container", "podman nova_virtqemud"),
        ("inside", "podman nova_virtqemud"),
        ("root", "/proc/9/root"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()));
    assert_eq!(found[0].settings, BTreeMap::from(expected));
}

#[test]
fn a_socket_that_is_enabled_stands_for_its_daemon() {
    let units = ["virtqemud.socket".to_string()].into();
    let found = Libvirt::find(&View { units, ..View::default() });
    assert_eq!(found[0].place.to_string(), "/run/libvirt/virtqemud-sock-ro");
    assert_eq!(found[0].settings["unit"], "virtqemud");
    assert_eq!(Libvirt::find(&View::default()), [], "a controller");
}

proptest! {
    #[test]
    fn anything_virsh_says_is_read_without_a_panic(text in "\\PC*", lines in "(Domain: '[a-z]*'\n|  state.(state|reason)=[0-9]{0,12}\n|Running against daemon: 9\n){0,12}") {
        for text in [&text, &lines] {
            let _ = (facts::parse(text), facts::trouble(text));
        }
    }
}
