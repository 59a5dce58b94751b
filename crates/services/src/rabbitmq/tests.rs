//! Finding and judging, on what RabbitMQ has said (recorded/README.md).

use std::collections::BTreeMap;

use super::*;
use crate::amqp_greeting::Greeting;
use crate::answer::Answer;
use crate::verdict::{Severity, State, Verdict};
use crate::view;

macro_rules! node {
    ($name:literal, $recording:literal) => {
        inside::read(
            $name.to_string(),
            erlang::recorded(include_bytes!(concat!("recorded/", $recording, ".bin")), inside::CALLS),
        )
    };
}

macro_rules! page {
    ($name:literal) => {
        http::parse(include_bytes!(concat!("recorded/", $name, ".txt"))).unwrap().body
    };
}

use crate::http;

fn healthy() -> Node {
    node!("rabbit@controller-0", "healthy")
}

/// The same as another node would say it.
fn of(host: &str, node: &Node) -> Node {
    Node { name: format!("rabbit@{host}"), ..node.clone() }
}

fn target(host: &str) -> Target {
    Target {
        kind: Kind::Rabbitmq,
        host: host.to_string(),
        place: Place::Tcp(host.to_string(), PORT),
        port: Some(PORT),
        seen: true,
        evidence: String::new(),
        settings: BTreeMap::new(),
    }
}

fn member(host: &str, answer: Answer<Facts>) -> Member<Facts> {
    Member { target: target(host), answer, took_ms: 1 }
}

fn greeting() -> Greeting {
    amqp_greeting::parse(include_bytes!("recorded/greeting.bin")).unwrap().unwrap()
}

/// A node that serves; its number is its host's.
fn serves(number: usize, node: &Node) -> Member<Facts> {
    let host = format!("controller-{number}");
    let facts = Facts { greeting: Some(greeting()), node: Some(of(&host, node)), ..Facts::default() };
    member(&host, Answer::Got { facts })
}

fn down(host: &str) -> Member<Facts> {
    member(host, Answer::Down { cause: "refused".to_string() })
}

fn silent(host: &str) -> Member<Facts> {
    member(host, Answer::Silent { doing: "waiting".to_string(), after_ms: 2000 })
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members, &Context { hosts: Vec::new(), missing: Vec::new(), now: 0 });
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn cause<'a>(judgement: &'a Judgement, code: &str) -> &'a str {
    &judgement.findings.iter().find(|finding| finding.code == code).unwrap().cause
}

#[test]
fn three_that_agree_are_ok() {
    let node = healthy();
    assert_eq!((node.version.as_str(), node.broker_runs, node.drained), ("3.10.8", Some(true), false));
    assert_eq!((node.members.len(), node.running.len(), node.partitions.len()), (3, 3, 0));
    assert_eq!(node.partition_handling, "ignore");
    assert_eq!((node.disk.unwrap().1, node.sockets.unwrap()), (50_000_000, (0, 17_910)));
    assert!(node.memory.unwrap().0 > 100 << 20, "{:?}", node.memory);
    assert_eq!((node.critical_queues, node.backlogs.len()), (Some(0), 0));
    let (state, judgement) = judged(&[serves(0, &node), serves(1, &node), serves(2, &node)]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "3 of 3 nodes serve");
    assert_eq!(judgement.members[0].role, "serves, 3.10.8");
}

#[test]
fn a_node_lost_is_degraded_and_all_lost_is_failed() {
    let node = Node { backlogs: Vec::new(), ..node!("rabbit@controller-0", "one_killed") };
    let (state, judgement) = judged(&[serves(0, &node), serves(1, &node), down("controller-2")]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["rabbitmq-down"]));
    assert_eq!(judgement.members[2].state, State::Failed);
    assert!(
        judgement.risk.words.ends_with("1 quorum queues have lost a copy already, and stop with one more")
    );
    let (state, judgement) = judged(&[serves(0, &node), silent("controller-1"), down("controller-2")]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["rabbitmq-silent", "rabbitmq-down"]));
    assert!(judgement.risk.words.starts_with("one more failure stops RabbitMQ: a single node serves"));
    let (state, judgement) = judged(&[down("controller-0"), silent("controller-1"), down("controller-2")]);
    assert_eq!(state, State::Failed);
    assert!(
        cause(&judgement, "rabbitmq-none-serves")
            .ends_with("(controller-0 down, controller-1 silent, controller-2 down)")
    );
}

#[test]
fn a_dead_node_that_names_others_does_not_condemn_them() {
    let mut alone = down("controller-2");
    alone.target.settings.insert("nodes".to_string(), "rabbit@controller-0,rabbit@controller-2".to_string());
    let (state, judgement) = judged(&[alone]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["rabbitmq-down", "rabbitmq-none-serves"]));
    assert!(cause(&judgement, "rabbitmq-none-serves").contains("the others (controller-0) were not asked"));
}

#[test]
fn a_frozen_node_keeps_no_fact_from_the_others() {
    let node = Node { backlogs: Vec::new(), ..node!("rabbit@controller-0", "one_frozen_unnoticed") };
    // Its neighbour does not know yet, and what would wait for it was not waited for.
    assert_eq!((node.running.len(), node.critical_queues), (3, None));
    assert!(node.memory.is_some() && node.disk.is_some() && node.broker_runs == Some(true));
    let (state, judgement) = judged(&[serves(0, &node), silent("controller-1"), serves(2, &node)]);
    assert_eq!((state, codes(&judgement)[0]), (State::Degraded, "rabbitmq-silent"));
}

#[test]
fn a_partition_is_failed_and_the_smaller_side_is_to_go() {
    let (large, small) =
        (node!("rabbit@controller-0", "partition_0"), node!("rabbit@controller-2", "partition_2"));
    let (state, judgement) = judged(&[serves(0, &large), serves(1, &large), serves(2, &small)]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["rabbitmq-partition"]));
    assert!(
        cause(&judgement, "rabbitmq-partition")
            .contains("(controller-0, controller-1) against (controller-2)"),
        "{judgement:?}"
    );
    assert_eq!(judgement.findings[0].next, "on controller-2: rabbitmqctl stop_app && rabbitmqctl start_app");
    // Of a single node that was asked, the other side is known too.
    let (state, judgement) = judged(&[serves(0, &large)]);
    assert_eq!(state, State::Failed);
    assert!(
        cause(&judgement, "rabbitmq-partition").contains("(controller-0, controller-1) against controller-2")
    );
    // While the network is still cut, nobody has noticed; those who do not see each other show it.
    let apart = |node: &Node| Node { partitions: Default::default(), ..node.clone() };
    let (state, judgement) =
        judged(&[serves(0, &apart(&large)), serves(1, &apart(&large)), serves(2, &apart(&small))]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["rabbitmq-partition"]));
}

#[test]
fn an_alarm_blocks_all_publishers_and_is_told_once() {
    let node = node!("rabbit@controller-0", "memory_alarm");
    let others = Node { memory: healthy().memory, ..node.clone() };
    let (state, judgement) = judged(&[serves(0, &node), serves(1, &others), serves(2, &others)]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["rabbitmq-memory-alarm"]));
    assert!(
        cause(&judgement, "rabbitmq-memory-alarm")
            .contains("controller-0 is short of memory (125 MiB used, the limit is 2)")
    );
    assert_eq!(
        judgement.members.iter().map(|one| one.state).collect::<Vec<_>>(),
        [State::Failed, State::Ok, State::Ok]
    );
    let disk = Node { alarms: [("rabbit@gone".to_string(), "disk".to_string())].into(), ..healthy() };
    assert_eq!(codes(&judged(&[serves(0, &disk)]).1)[0], "rabbitmq-disk-alarm");
    let files = Node { alarms: [(healthy().name, "file_descriptor_limit".to_string())].into(), ..healthy() };
    let (state, judgement) = judged(&[serves(0, &files), serves(1, &healthy())]);
    assert_eq!((state, codes(&judgement)[0]), (State::Degraded, "rabbitmq-alarm"));
}

#[test]
fn an_operators_maintenance_is_no_failure() {
    let node = node!("rabbit@controller-2", "drained");
    assert!(node.drained);
    let facts = Facts { unserved: "refused".to_string(), node: Some(node), ..Facts::default() };
    let drained = member("controller-2", Answer::Got { facts });
    let (state, judgement) = judged(&[serves(0, &healthy()), serves(1, &healthy()), drained.clone()]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["rabbitmq-drained"]));
    assert!(judgement.findings[0].intended);
    assert_eq!(judgement.findings[0].next, "on controller-2: rabbitmq-upgrade revive");
    // With all of them nobody serves, whoever wanted it.
    assert_eq!(judged(&[drained]).0, State::Failed);
}

#[test]
fn a_stopped_broker_in_a_living_node_is_degraded() {
    let node = node!("rabbit@controller-2", "stopped");
    assert_eq!((node.broker_runs, node.alarms.len(), node.memory), (Some(false), 0, None));
    let facts = |node: Node| Facts { unserved: "refused".to_string(), node: Some(node), ..Facts::default() };
    let stopped = member("controller-2", Answer::Got { facts: facts(node.clone()) });
    let (state, judgement) = judged(&[serves(0, &healthy()), stopped]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["rabbitmq-stopped"]));
    assert_eq!(judgement.members[1].role, "broker stopped, 3.10.8");
    let paused = Node { partition_handling: "pause_minority".to_string(), ..node };
    let (_, judgement) =
        judged(&[serves(0, &healthy()), member("controller-2", Answer::Got { facts: facts(paused) })]);
    assert!(cause(&judgement, "rabbitmq-stopped").contains("paused itself"));
    let (_, judgement) =
        judged(&[serves(0, &healthy()), member("controller-2", Answer::Got { facts: facts(healthy()) })]);
    assert_eq!(codes(&judgement), ["rabbitmq-no-greeting"]);
}

#[test]
fn limits_that_are_near_are_degraded() {
    let near = [
        ("rabbitmq-memory-near", Node { memory: Some((90, 100)), ..healthy() }),
        ("rabbitmq-disk-near", Node { disk: Some((199, 100)), ..healthy() }),
        ("rabbitmq-descriptors-near", Node { descriptors: Some((900, 1000)), ..healthy() }),
        ("rabbitmq-descriptors-near", Node { sockets: Some((900, 1000)), ..healthy() }),
    ];
    for (code, node) in near {
        let (state, judgement) = judged(&[serves(0, &node)]);
        assert_eq!((state, codes(&judgement)), (State::Degraded, vec![code]));
    }
    let far =
        Node { memory: Some((89, 100)), disk: Some((200, 100)), sockets: Some((899, 1000)), ..healthy() };
    assert_eq!(judged(&[serves(0, &far)]).0, State::Ok);
}

#[test]
fn a_backlog_is_told_with_its_queue() {
    let node = node!("rabbit@controller-0", "backlog");
    let (state, judgement) = judged(&[serves(0, &node)]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["rabbitmq-backlog"]));
    assert!(judgement.findings[0].cause.contains("notifications.info: 10050 ready, 0 unacknowledged"));
}

#[test]
fn members_that_are_gone_strangers_and_versions_are_told() {
    let mut node = healthy();
    node.members.insert("rabbit@controller-9".to_string());
    let (state, judgement) = judged(&[serves(0, &node), serves(1, &node), serves(2, &node)]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["rabbitmq-member-missing"]));
    let only = |name: &str| Node {
        members: [name.to_string()].into(),
        running: [name.to_string()].into(),
        ..healthy()
    };
    let strangers = [serves(0, &only("rabbit@controller-0")), serves(1, &only("rabbit@controller-1"))];
    let (state, judgement) = judged(&strangers);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["rabbitmq-different-clusters"]));
    let mut newer = serves(1, &healthy());
    if let Answer::Got { facts } = &mut newer.answer {
        facts.greeting.as_mut().unwrap().version = "3.12.1".to_string();
    }
    let (state, judgement) = judged(&[serves(0, &healthy()), newer]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["rabbitmq-versions-differ"]));
}

#[test]
fn who_is_not_let_in_says_so_and_no_more() {
    let facts =
        Facts { greeting: Some(greeting()), unread: "does not let us in".to_string(), ..Facts::default() };
    let outside =
        |number: usize| member(&format!("controller-{number}"), Answer::Got { facts: facts.clone() });
    let (state, judgement) = judged(&[outside(0), outside(1)]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["rabbitmq-unread"]));
    assert_eq!(judgement.findings[0].severity, Severity::Notice);
    assert_eq!(codes(&judged(&[outside(0), serves(1, &healthy())]).1), Vec::<&str>::new());
}

#[test]
fn who_was_replaced_by_our_own_broker_is_not_missed() {
    let replaced =
        member("controller-0", Answer::Got { facts: Facts { replaced: true, ..Facts::default() } });
    let (state, judgement) = judged(&[replaced]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["rabbitmq-replaced"]));
    assert_eq!(judgement.members[0].role, "replaced by aileron");
}

#[test]
fn the_management_says_the_same() {
    let node = management::parse(&page!("healthy_overview"), &page!("healthy_nodes")).unwrap();
    let inner = healthy();
    assert_eq!((&node.name, &node.version), (&inner.name, &inner.version));
    assert_eq!((&node.running, &node.members, &node.alarms), (&inner.running, &inner.members, &inner.alarms));
    assert_eq!(node.memory.unwrap().1, inner.memory.unwrap().1);
    let node = management::parse(&page!("partition_overview"), &page!("partition_nodes")).unwrap();
    let inner = node!("rabbit@controller-0", "partition_0");
    assert_eq!((&node.running, &node.partitions), (&inner.running, &inner.partitions));
    let node = management::parse(&page!("backlog_overview"), &page!("backlog_nodes")).unwrap();
    assert_eq!(node.backlogs[0].ready, 10_050);
    assert_eq!(management::parse("{\"error\":\"not_authorised\"}", ""), None);
}

fn process(arguments: &[&str]) -> view::Process {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    view::Process { pid: 7, name: "beam.smp".to_string(), arguments, container: None }
}

fn listener(address: &str) -> view::Listener {
    view::Listener { address: address.parse().unwrap(), pid: Some(7) }
}

#[test]
fn the_broker_is_told_from_its_tools_and_its_sockets_apart() {
    let broker =
        process(&["beam.smp", "-W", "w", "--", "-home", "/var/lib/rabbitmq", "--", "-s", "rabbit", "boot"]);
    let mut view = View {
        host: "controller-0".to_string(),
        processes: vec![
            broker,
            process(&["beam.smp", "--", "-extra", "/usr/lib/rabbitmq/bin/../escript/rabbitmqctl", "status"]),
        ],
        listeners: ["0.0.0.0:25672", "10.77.0.11:5672", "127.0.0.1:15672"]
            .into_iter()
            .map(listener)
            .collect(),
        ..View::default()
    };
    let found = Rabbitmq::find(&view);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, Place::Tcp("10.77.0.11".to_string(), 5672));
    let setting = |name: &str| found[0].settings[name].as_str();
    assert_eq!(setting("management"), "127.0.0.1:15672");
    assert_eq!(setting("listens"), "127.0.0.1:25672");
    assert_eq!(setting("cookie"), "/var/lib/rabbitmq/.erlang.cookie");
    // The peers have the same cookie, and their own names.
    let facts = Facts { node: Some(healthy()), ..Facts::default() };
    let peers = Rabbitmq::peers(&found[0], &facts);
    assert_eq!(
        peers.iter().map(|one| one.host.as_str()).collect::<Vec<_>>(),
        ["controller-1", "controller-2"]
    );
    assert_eq!(peers[0].settings["cookie"], "/var/lib/rabbitmq/.erlang.cookie");
    // In a bundle.
    let name = "rabbitmq-bundle-podman-0".to_string();
    let (image, engine) = (String::new(), "podman".to_string());
    view.containers = vec![view::Container { name: name.clone(), image, running: true, engine }];
    view.processes[0].container = Some(name);
    let found = Rabbitmq::find(&view);
    assert_eq!(found[0].settings["cookie"], "/proc/7/root/var/lib/rabbitmq/.erlang.cookie");
    assert_eq!(found[0].settings["container"], "podman rabbitmq-bundle-podman-0");
    // A mapper alone is no member.
    let mapper = View { listeners: vec![listener("0.0.0.0:4369")], ..View::default() };
    assert_eq!(Rabbitmq::find(&mapper), []);
}

#[test]
fn what_should_run_is_asked_where_its_configuration_says() {
    let text = "listeners.ssl.1 = 10.77.0.11:5671\ncluster_formation.classic_config.nodes.1 = rabbit@c1\n";
    let view = View {
        host: "c0".to_string(),
        units: ["rabbitmq-server.service".to_string()].into(),
        files: BTreeMap::from([("/etc/rabbitmq/rabbitmq.conf".to_string(), text.to_string())]),
        ..View::default()
    };
    let found = Rabbitmq::find(&view);
    assert_eq!((found[0].place.clone(), found[0].seen), (Place::Tcp("10.77.0.11".to_string(), 5671), false));
    assert_eq!(found[0].settings["tls"], "yes");
    // Without being let in, the configuration names the others.
    let peers = Rabbitmq::peers(&found[0], &Facts::default());
    assert_eq!((peers[0].host.as_str(), peers[0].port), ("c1", Some(5671)));
}
