//! Finding and judging, on answers recorded from Redis (recorded/README.md).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::place::Place;
use crate::verdict::{Severity, State, Verdict};
use crate::view;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("recorded/", $name, ".txt")).as_slice()
    };
}

fn values(mut bytes: &[u8]) -> Vec<Value> {
    let mut values = Vec::new();
    while let Some((value, used)) = resp::parse(bytes).unwrap() {
        values.push(value);
        bytes = &bytes[used..];
    }
    assert_eq!(bytes, b"");
    values
}

fn server(bytes: &[u8]) -> Server {
    let values = values(bytes);
    let settings: Vec<_> = values[1].pairs().collect();
    // Old enough for no rule on age to speak.
    Server { uptime: 86_400, ..Server::parse(values[0].text().unwrap(), &settings) }
}

fn sentinel(check: &[u8]) -> Sentinel {
    let [info] = values(recorded!("sentinel_info")).try_into().unwrap();
    let [masters] = values(recorded!("sentinel_sentinel_masters")).try_into().unwrap();
    let mut sentinel = Sentinel::parse(info.text().unwrap(), &masters);
    sentinel.watched[0].replicas = facts::known(&values(recorded!("sentinel_sentinel_replicas"))[0]);
    sentinel.watched[0].sentinels = facts::known(&values(recorded!("sentinel_sentinel_sentinels"))[0]);
    sentinel.watched[0].quorum_check = match values(check).remove(0) {
        Value::Error(error) => Some(Err(error)),
        value => Some(Ok(value.text().unwrap().to_string())),
    };
    sentinel
}

fn well() -> Sentinel {
    sentinel(recorded!("sentinel_sentinel_ckquorum"))
}

fn member(host: u8, port: u16, answer: Answer<Facts>) -> Member<Facts> {
    let mut settings = BTreeMap::from([("addresses".to_string(), format!("10.77.0.{}", 11 + host))]);
    if port == SENTINEL_PORT {
        settings.insert("sentinel".to_string(), "yes".to_string());
        settings.insert("unit".to_string(), "redis-sentinel".to_string());
    }
    let target = Target {
        kind: Kind::Redis,
        host: format!("c{host}"),
        place: Place::Tcp("127.0.0.1".to_string(), port),
        port: Some(port),
        seen: true,
        evidence: String::new(),
        settings,
    };
    Member { target, answer, took_ms: 1 }
}

fn holds(host: u8, server: Server) -> Member<Facts> {
    member(host, PORT, Answer::Got { facts: Facts::Server(Box::new(server)) })
}

fn watches(host: u8, sentinel: Sentinel) -> Member<Facts> {
    member(host, SENTINEL_PORT, Answer::Got { facts: Facts::Sentinel(sentinel) })
}

fn silent() -> Answer<Facts> {
    Answer::Silent { doing: "waiting".to_string(), after_ms: 2000 }
}

fn down() -> Answer<Facts> {
    Answer::Down { cause: "connection refused".to_string() }
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members, &Context { hosts: Vec::new(), missing: Vec::new(), now: 0 });
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn healthy() -> Vec<Member<Facts>> {
    let servers = [recorded!("primary"), recorded!("replica"), recorded!("replica")];
    let mut all: Vec<_> = (0..).zip(servers).map(|(host, bytes)| holds(host, server(bytes))).collect();
    all.extend((0..3).map(|host| watches(host, well())));
    all
}

#[test]
fn a_healthy_group_is_ok() {
    let (state, judgement) = judged(&healthy());
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "primary c0, 2 of 2 replicas follow, 3 of 3 Sentinels");
    assert!(judgement.risk.words.contains("a replica is promoted"), "{}", judgement.risk.words);
    assert_eq!(judgement.members[1].role, "replica of 10.77.0.11:6379");
}

#[test]
fn a_full_primary_fails_and_a_full_replica_says_nothing() {
    let mut members = healthy();
    members[0] = holds(0, server(recorded!("memory_full")));
    let (state, judgement) = judged(&members);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["redis-memory-full"]));
    assert!(judgement.findings[0].cause.contains("OOM"), "{}", judgement.findings[0].cause);
    assert!(judgement.findings[0].next.contains("CONFIG SET maxmemory"));
}

#[test]
fn a_failed_snapshot_that_stops_writes_fails() {
    let mut members = healthy();
    members[0] = holds(0, server(recorded!("bgsave_error")));
    let (state, judgement) = judged(&members);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["redis-snapshot-failed"]));
    assert!(judgement.findings[0].cause.contains("MISCONF"), "{}", judgement.findings[0].cause);
}

#[test]
fn frozen_replicas_show_by_their_lag_and_stop_writes() {
    let mut primary = server(recorded!("noreplicas"));
    // The recording was taken with one of the two already given up.
    assert_eq!((primary.good_replicas, primary.replicas.len()), (Some(1), 1));
    let members = [holds(0, primary.clone()), member(1, PORT, silent()), member(2, PORT, silent())];
    let (state, judgement) = judged(&members);
    assert_eq!(state, State::Failed);
    assert!(codes(&judgement).contains(&"redis-noreplicas"), "{:?}", codes(&judgement));
    let cause = &judgement.findings.iter().find(|one| one.code == "redis-noreplicas").unwrap().cause;
    assert!(cause.contains("1 replicas answered within 3 s, min-replicas-to-write is 2"), "{cause}");
    primary.replicas[0].lag = 12;
    let (_, judgement) = judged(&[holds(0, primary)]);
    let lag = judgement.findings.iter().find(|one| one.code == "redis-lag").unwrap();
    assert!(lag.cause.contains("12 s ago, though it lists it as online"), "{}", lag.cause);
}

#[test]
fn lost_sentinels_are_no_failure_yet() {
    let mut members = healthy();
    members[3] = watches(0, sentinel(recorded!("sentinel_noquorum")));
    members[4] = member(1, SENTINEL_PORT, down());
    members[5] = member(2, SENTINEL_PORT, down());
    let (state, judgement) = judged(&members);
    assert_eq!(state, State::Degraded);
    assert_eq!(codes(&judgement), ["redis-sentinel-down", "redis-sentinel-down", "redis-sentinel-noquorum"]);
    let finding = &judgement.findings[2];
    assert!(finding.cause.contains("NOQUORUM 1 usable Sentinels"), "{}", finding.cause);
    assert_eq!(finding.next, "on c1: systemctl start redis-sentinel");
    assert!(judgement.risk.words.contains("nothing would promote"), "{}", judgement.risk.words);
}

#[test]
fn without_its_primary_it_fails() {
    let mut members = healthy();
    members[0] = member(0, PORT, down());
    for (host, replica) in [(1, 1), (2, 2)] {
        members[replica] = holds(host, server(recorded!("replica_link_down")));
    }
    let (state, judgement) = judged(&members);
    assert_eq!(state, State::Failed);
    let finding = judgement.findings.iter().find(|one| one.code == "redis-no-primary").unwrap();
    assert!(finding.cause.contains("2 replicas wait for c0 (10.77.0.11:6379)"), "{}", finding.cause);
    assert!(finding.next.contains("SENTINEL FAILOVER main"), "{}", finding.next);
}

#[test]
fn a_primary_that_does_not_let_us_in_is_no_failure() {
    let [Value::Error(error), ..] = &values(recorded!("noauth"))[..] else { panic!("an error") };
    let mut members = healthy();
    members[0] = member(0, PORT, Answer::Denied { cause: error.clone() });
    let (state, judgement) = judged(&members);
    assert_eq!(state, State::Unknown, "{:?}", judgement.findings);
    assert!(judgement.findings[0].next.contains("--credentials"));
}

#[test]
fn two_primaries_fail_unless_the_sentinels_are_about_to_repair_it() {
    let mut members = healthy();
    members[1] = holds(1, server(recorded!("second_primary")));
    let (state, judgement) = judged(&members);
    assert_eq!(state, State::Failed);
    let finding = judgement.findings.iter().find(|one| one.code == "redis-two-primaries").unwrap();
    assert_eq!((finding.subject.as_str(), finding.severity), ("c1", Severity::Failed));
    assert_eq!(finding.next, "on c1: redis-cli REPLICAOF 10.77.0.11 6379");
    let mut fresh = server(recorded!("second_primary"));
    fresh.replids.truncate(1);
    fresh.uptime = 3;
    members[1] = holds(1, fresh);
    let (state, judgement) = judged(&members);
    assert_eq!(state, State::Degraded);
    assert!(judgement.findings[0].cause.contains("within seconds"), "{}", judgement.findings[0].cause);
}

#[test]
fn sentinels_that_disagree_or_stall_are_told() {
    let mut members = healthy();
    let mut other = well();
    other.watched[0].primary.host = "10.77.0.12".to_string();
    other.tilt = true;
    members[5] = watches(2, other);
    let (state, judgement) = judged(&members);
    assert_eq!(state, State::Degraded);
    assert_eq!(codes(&judgement), ["redis-sentinels-disagree", "redis-sentinel-tilt"]);
    assert!(
        judgement.findings[0].cause.contains("c0 says c0, c2 says c1"),
        "{}",
        judgement.findings[0].cause
    );
}

#[test]
fn servers_without_anybody_to_promote_are_noted() {
    let (state, judgement) = judged(&healthy()[..3]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["redis-no-failover"]));
    // Two that have always stood alone are no group, whatever their port.
    let alone = Server { replicas: Vec::new(), ..server(recorded!("primary")) };
    let other = Server { replids: vec!["1".to_string()], ..alone.clone() };
    let (state, judgement) = judged(&[holds(0, alone), holds(1, other)]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["redis-alone", "redis-alone"]));
}

#[test]
fn a_server_at_its_limit_of_clients_is_called_so() {
    let [Value::Error(error)] = &values(recorded!("clients_full"))[..] else { panic!("an error") };
    let mut members = healthy();
    members[2] = member(2, PORT, Answer::Denied { cause: error.clone() });
    let (state, judgement) = judged(&members);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["redis-clients-full"]));
}

#[test]
fn both_sorts_are_found_by_their_titles_and_configuration() {
    let process = |pid, name: &str, title: &str| view::Process {
        pid,
        name: name.to_string(),
        arguments: vec![title.to_string()],
        container: None,
    };
    let listener = |address: &str, pid| view::Listener { address: address.parse().unwrap(), pid: Some(pid) };
    let view = View {
        host: "c0".to_string(),
        addresses: vec!["127.0.0.1".parse().unwrap(), "10.77.0.11".parse().unwrap()],
        processes: vec![
            process(7, "redis-server", "redis-server 10.77.0.11:6390"),
            process(8, "redis-server", "redis-server *:26379 [sentinel]"),
        ],
        listeners: vec![
            listener("10.77.0.11:6390", 7),
            listener("127.0.0.1:6390", 7),
            listener("0.0.0.0:26379", 8),
        ],
        files: BTreeMap::from([
            ("/etc/redis/redis.conf".to_string(), "port 6390\nrequirepass x\n".to_string()),
            ("/etc/redis/sentinel.conf".to_string(), "sentinel monitor main 10.77.0.11 6390 2\n".to_string()),
        ]),
        ..View::default()
    };
    let found = Redis::find(&view);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].place, Place::Tcp("127.0.0.1".to_string(), 6390));
    assert_eq!(found[0].settings["config"], "/etc/redis/redis.conf");
    assert_eq!(found[1].place, Place::Tcp("127.0.0.1".to_string(), 26379));
    assert_eq!(found[1].settings["config"], "/etc/redis/sentinel.conf");
    assert!(!serde_json::to_string(&found).unwrap().contains("requirepass"), "no password travels");
}

#[test]
fn what_should_run_is_found_by_unit_kolla_or_tripleo() {
    let by_unit = View { units: ["redis-sentinel.service".to_string()].into(), ..View::default() };
    let found = Redis::find(&by_unit);
    assert_eq!(found.len(), 1);
    assert!(!found[0].seen && found[0].settings.contains_key("sentinel"));
    let file = |path: &str, text: &str| View {
        files: BTreeMap::from([(path.to_string(), text.to_string())]),
        ..View::default()
    };
    let found = Redis::find(&file("/etc/kolla/redis/redis.conf", "bind 10.0.0.5\nport 6379\n"));
    assert_eq!(found[0].place, Place::Tcp("10.0.0.5".to_string(), 6379));
    let found =
        Redis::find(&file("/etc/puppet/hieradata/service_names.json", r#"{"service_names": ["redis"]}"#));
    assert_eq!((found.len(), found[0].settings.contains_key("sentinel")), (1, false));
    // An installed package alone says nothing.
    assert_eq!(Redis::find(&file("/etc/redis/redis.conf", "port 6379\n")), []);
}

#[test]
fn members_name_each_other() {
    let members = healthy();
    let places = |member: &Member<Facts>| -> Vec<String> {
        let peers = Redis::peers(&member.target, member.answer.facts().unwrap());
        peers.iter().map(|peer| peer.place.to_string()).collect()
    };
    assert_eq!(places(&members[0]), ["10.77.0.12:6379", "10.77.0.13:6379"]);
    assert_eq!(places(&members[1]), ["10.77.0.11:6379"]);
    let known =
        ["10.77.0.11:6379", "10.77.0.12:6379", "10.77.0.13:6379", "10.77.0.12:26379", "10.77.0.13:26379"];
    assert_eq!(places(&members[3]), known);
}

proptest! {
    #[test]
    fn any_info_is_read_without_a_panic(text in "([a-z_0-9]{1,12}:\\PC{0,20}\n){0,20}") {
        let _ = Server::parse(&text, &[("min-replicas-to-write", &text)]);
        let _ = Sentinel::parse(&text, &Value::Nil);
        let line = format!("connected_slaves:3\nrole:master\nslave0:{text}\nslave1:ip=,port=x,state=,offset=,lag=");
        let _ = Server::parse(&line, &[]);
    }
}
