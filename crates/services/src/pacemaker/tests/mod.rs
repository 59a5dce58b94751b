//! Judging, on what was recorded from real clusters (recorded/README.md); finding and reading is next door.

use std::collections::BTreeMap;

use super::*;
use crate::answer::Answer;
use crate::place::Place;
use crate::verdict::{Finding, Severity, State, Verdict};

macro_rules! recorded {
    ($($part:literal),+) => {
        include_str!(concat!("../recorded/", $($part),+))
    };
}

/// A member's facts by the recording's name; the configuration is the healthy one's unless it has its own.
macro_rules! facts {
    ($name:literal) => {
        facts!($name, "healthy-0")
    };
    ($name:literal, $cib:literal) => {
        Facts {
            status: mon::status(recorded!($name, ".mon.xml"), "", Some(0)).unwrap(),
            configured: Some(cib::configured(recorded!($cib, ".cib.xml")).unwrap()),
            corosync: facts::Corosync::default(),
        }
    };
}

mod reading;

const VIP: &str = "10.77.0.100";
/// When the recordings were made, some minutes after the failures in them.
const NOW: u64 = 1_795_518_000;

fn member(number: usize, answer: Answer<Facts>, more: &str) -> Member<Facts> {
    let host = format!("controller-{number}");
    let settings = BTreeMap::from([
        ("node".to_string(), host.clone()),
        ("nodes".to_string(), "controller-0,controller-1,controller-2".to_string()),
        ("addresses".to_string(), format!("10.77.0.1{number},{more}")),
    ]);
    let place = Place::Program(PROGRAM.to_string());
    let evidence = "unit pacemaker.service is enabled".to_string();
    let seen = !matches!(answer, Answer::Down { .. });
    let target = Target { kind: Kind::Pacemaker, host, place, port: None, seen, evidence, settings };
    Member { target, answer, took_ms: 1 }
}

fn got(number: usize, facts: &Facts) -> Member<Facts> {
    // The address is where the status has it.
    let own = format!("controller-{number}");
    let here = |id: &str| facts.status.resources.iter().any(|one| one.id == id && one.nodes.contains(&own));
    let addresses = facts.configured.iter().flat_map(|all| &all.addresses);
    let has: Vec<&str> = addresses.filter(|one| here(&one.resource)).map(|one| one.ip.as_str()).collect();
    member(number, Answer::Got { facts: facts.clone() }, &has.join(","))
}

fn down(number: usize, more: &str) -> Member<Facts> {
    let trouble = mon::status(recorded!("crash-0.mon.xml"), "", Some(102)).unwrap_err();
    member(number, trouble.into(), more)
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members, &Context { hosts: Vec::new(), missing: Vec::new(), now: NOW });
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn finding<'a>(judgement: &'a Judgement, code: &str) -> &'a Finding {
    judgement
        .findings
        .iter()
        .find(|one| one.code == code)
        .unwrap_or_else(|| panic!("{:#?}", judgement.findings))
}

/// Fencing is off in most recordings: told each time, and no concern of most tests.
fn but_fencing(judgement: &Judgement) -> Vec<&str> {
    codes(judgement).into_iter().filter(|code| *code != "pacemaker-fencing-off").collect()
}

/// The state, the codes but for fencing's, and the judgement of one member's facts.
fn alone(facts: &Facts) -> (State, Judgement) {
    judged(&[got(0, facts)])
}

#[test]
fn three_that_agree_are_ok_and_told_of_fencing() {
    let mut facts = facts!("healthy-0");
    facts.corosync.votes = corosync::votes(recorded!("healthy-0.quorum.txt"));
    facts.corosync.faults = corosync::faults(recorded!("healthy-0.links.txt"));
    let other = || Facts { corosync: facts::Corosync::default(), ..facts.clone() };
    let (state, judgement) = judged(&[got(0, &facts), got(1, &other()), got(2, &other())]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["pacemaker-fencing-off"]));
    assert_eq!(judgement.findings[0].severity, Severity::Notice);
    assert_eq!(judgement.summary, "DC controller-0, with quorum, 3 of 3 hosts online, 8 resources run");
    assert!(
        judgement.risk.words.starts_with("one more host may be lost, a second one"),
        "{}",
        judgement.risk.words
    );
    let roles: Vec<_> = judgement.members.iter().map(|one| one.role.as_str()).collect();
    assert_eq!(roles, ["DC", "online", "online"]);
}

#[test]
fn a_host_cut_off_is_seen_from_both_sides() {
    let mut major = facts!("cut-0");
    major.corosync.votes = corosync::votes(recorded!("cut-0.quorum.txt"));
    major.corosync.faults = corosync::faults(recorded!("cut-0.links.txt"));
    let mut minor = facts!("cut-2");
    minor.corosync.votes = corosync::votes(recorded!("cut-2.quorum.txt"));
    minor.corosync.faults = corosync::faults(recorded!("cut-2.links.txt"));
    assert_eq!((major.corosync.faults.len(), minor.corosync.faults.len()), (1, 2));

    let other = Facts { corosync: facts::Corosync::default(), ..major.clone() };
    let (state, judgement) = judged(&[got(0, &major), got(1, &other), got(2, &minor)]);
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-partitioned"]));
    let cause = &judgement.findings[0].cause;
    assert!(
        cause.contains("controller-2 sees only itself (DC controller-2, without quorum)")
            && cause.contains("controller-0 and controller-1 see each other (DC controller-0, with quorum)"),
        "{cause}"
    );
    assert_eq!(
        judgement.risk.words.split(';').next().unwrap(),
        "one more host lost stops all resources: 2 votes are left and 2 are needed"
    );
    assert_eq!(judgement.members[2].state, State::Failed);

    let (state, judgement) = judged(&[got(0, &major)]);
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-node-offline"]));
    assert!(finding(&judgement, "pacemaker-node-offline").cause.contains("lost without taking leave"));
    let fencing = finding(&judgement, "pacemaker-fencing-off");
    assert_eq!(fencing.severity, Severity::Degraded);
    assert!(fencing.cause.contains("nobody has made sure that nothing runs on controller-2"));

    let (state, judgement) = judged(&[got(2, &minor)]);
    assert_eq!((state, but_fencing(&judgement)), (State::Failed, vec!["pacemaker-no-quorum"]));
    let cause = &judgement.findings[0].cause;
    assert!(
        cause.contains("controller-2 sees only itself") && cause.contains("1 of 3 votes where 2 are needed"),
        "{cause}"
    );
    assert!(cause.contains("controller-0 and controller-1 may go on without it"), "{cause}");
}

#[test]
fn a_crash_without_fencing_leaves_the_address_on_two_hosts() {
    let facts = facts!("crash-1");
    let (state, judgement) = judged(&[down(0, VIP), got(1, &facts), got(2, &facts)]);
    assert_eq!(state, State::Failed);
    let twice = finding(&judgement, "pacemaker-address-twice");
    assert!(
        twice.cause.contains("10.77.0.100 (vip) is on controller-1 and controller-0 at once")
            && twice.cause.contains("controller-0 has kept it (Pacemaker is down there"),
        "{}",
        twice.cause
    );
    assert!(twice.next.contains("power off controller-0"), "{}", twice.next);
    let missed = finding(&judgement, "pacemaker-down");
    assert!(
        missed.cause.contains("controller-1 sees it offline: it was lost without taking leave"),
        "{}",
        missed.cause
    );
    // Stopped as it should be: it took its leave, and the address with it.
    let facts = facts!("pacemaker_stopped-0");
    let (state, judgement) = judged(&[got(0, &facts), down(2, "")]);
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-down"]));
    assert_eq!(finding(&judgement, "pacemaker-fencing-off").severity, Severity::Notice);
}

#[test]
fn the_last_host_has_failed_and_so_has_one_that_only_we_ask() {
    let (state, judgement) = judged(&[down(0, VIP), got(1, &facts!("last-1")), down(2, "")]);
    assert_eq!(state, State::Failed);
    let lost = finding(&judgement, "pacemaker-no-quorum");
    assert_eq!(lost.next, "on controller-0: pcs cluster start");
    assert!(!lost.cause.contains("may go on"), "all were asked: {}", lost.cause);
    let (state, judgement) = judged(&[down(0, VIP)]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["pacemaker-down"]));
}

#[test]
fn two_hosts_cut_apart_run_everything_twice() {
    let mut facts = facts!("two_cut-0", "two_cut-0");
    facts.corosync.votes = corosync::votes(recorded!("two_cut-0.quorum.txt"));
    assert_eq!(facts.corosync.votes.as_ref().unwrap().flags, ["2Node", "Quorate", "WaitForAll"]);
    let (state, judgement) = judged(&[got(0, &facts), got(1, &facts!("two_cut-1", "two_cut-0"))]);
    assert_eq!(
        (state, codes(&judgement)),
        (State::Failed, vec!["pacemaker-split-brain", "pacemaker-fencing-off", "pacemaker-address-twice"])
    );
    assert!(
        judgement.risk.words.starts_with("one more failure stops everything"),
        "{}",
        judgement.risk.words
    );
}

#[test]
fn a_corosync_that_hangs_shows_what_was() {
    let seen = facts!("corosync_frozen-0");
    let mut frozen = facts!("corosync_frozen-2");
    frozen.corosync.silent = true;
    let (state, judgement) = judged(&[got(2, &frozen), got(0, &seen), got(1, &seen)]);
    assert_eq!(state, State::Failed);
    assert!(judgement.summary.contains("2 of 3 hosts online"), "{}", judgement.summary);
    assert!(finding(&judgement, "pacemaker-corosync-silent").cause.ends_with("controller-0 sees it offline"));
    assert!(finding(&judgement, "pacemaker-address-twice").cause.contains("corosync hangs there"));
    let (state, judgement) = judged(&[got(2, &frozen)]);
    assert_eq!((state, but_fencing(&judgement)), (State::Failed, vec!["pacemaker-corosync-silent"]));
}

#[test]
fn a_stale_failure_changes_nothing_and_a_standing_one_does() {
    let (state, judgement) = alone(&facts!("stale-0", "stale-0"));
    assert_eq!((state, but_fencing(&judgement)), (State::Ok, vec!["pacemaker-stale-failure"]));
    let stale = finding(&judgement, "pacemaker-stale-failure");
    assert_eq!(
        stale.cause,
        "a stale failure is remembered: monitor of dummy on controller-1 failed 4 minutes ago (not running); \
         by now it is well on controller-1"
    );
    assert_eq!(stale.next, "pcs resource cleanup dummy node=controller-1");

    let (state, judgement) = alone(&facts!("start_failed-0", "start_failed-0"));
    assert_eq!((state, but_fencing(&judgement)), (State::Failed, vec!["pacemaker-resource-stopped"]));
    let cause = &finding(&judgement, "pacemaker-resource-stopped").cause;
    assert!(
        cause.contains(
            "start of nofile on controller-2 failed 3 minutes ago (not configured: [findif] failed)"
        ),
        "{cause}"
    );

    let (state, judgement) = alone(&facts!("blocked-0"));
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-resource-blocked"]));

    // The same failure, and the resource is elsewhere, and barred from where it failed.
    let mut facts = facts!("stale-0", "stale-0");
    for one in facts.status.resources.iter_mut().filter(|one| one.id == "dummy") {
        one.nodes = vec!["controller-2".to_string()];
    }
    let (state, judgement) = alone(&facts);
    assert_eq!((state, but_fencing(&judgement)), (State::Ok, vec!["pacemaker-stale-failure"]));
    facts.status.barred.push(("dummy".to_string(), "controller-1".to_string()));
    let (state, judgement) = alone(&facts);
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-barred"]));
    assert!(finding(&judgement, "pacemaker-barred").cause.contains("it is well on controller-2"));
}

#[test]
fn what_an_operator_wanted_is_said_so() {
    let intended = |judgement: &Judgement| {
        judgement.findings.iter().filter(|one| one.code != "pacemaker-fencing-off").all(|one| one.intended)
    };
    let cases = [
        (facts!("maintenance-0"), State::Degraded, vec!["pacemaker-maintenance"]),
        (facts!("node_maintenance-0"), State::Degraded, vec!["pacemaker-node-maintenance"]),
        (facts!("standby-0"), State::Ok, vec!["pacemaker-node-standby"]),
        (facts!("unmanaged-0"), State::Ok, vec!["pacemaker-unmanaged"]),
        (facts!("disabled-0"), State::Ok, vec!["pacemaker-disabled"]),
        (facts!("banned-0", "banned-0"), State::Ok, vec!["pacemaker-moved", "pacemaker-moved"]),
    ];
    for (facts, wanted, wanted_codes) in cases {
        let (state, judgement) = alone(&facts);
        assert_eq!((state, but_fencing(&judgement)), (wanted, wanted_codes));
        assert!(intended(&judgement), "{:#?}", judgement.findings);
    }
    let mut facts = facts!("disabled-0");
    facts.status.stop_all = true;
    let (state, judgement) = alone(&facts);
    assert!(state == State::Failed && codes(&judgement).contains(&"pacemaker-stop-all"));
    // An address that is switched off is still gone.
    for one in facts.status.resources.iter_mut().filter(|one| one.id == "vip") {
        (one.disabled, one.role) = (true, facts::Role::Stopped);
    }
    facts.status.stop_all = false;
    assert_eq!(alone(&facts).0, State::Failed);
}

#[test]
fn fencing_that_does_not_work_is_told() {
    let (state, judgement) = alone(&facts!("fencing_no_device-0"));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["pacemaker-no-fence-device"]));
    let (state, judgement) = alone(&facts!("fence_device_failed-0", "fence_failing-0"));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["pacemaker-resource-stopped"]));
    assert_eq!(judgement.findings[0].next, "see why, then pcs stonith cleanup ipmi");

    let (state, judgement) = judged(&[got(0, &facts!("fence_failing-0", "fence_failing-0")), down(2, VIP)]);
    assert_eq!(state, State::Failed);
    let failed = finding(&judgement, "pacemaker-fencing-failed");
    assert!(failed.cause.starts_with("fencing controller-2 fails (4 times"), "{}", failed.cause);
    assert!(failed.next.contains("pcs stonith confirm controller-2"));
    assert!(finding(&judgement, "pacemaker-resource-stopped").cause.contains("lost and not fenced yet"));
    assert!(!codes(&judgement).contains(&"pacemaker-address-twice"), "only one has it");

    let (state, judgement) = alone(&facts!("fenced-0", "fence_failing-0"));
    assert_eq!(
        (state, codes(&judgement)),
        (State::Degraded, vec!["pacemaker-node-offline", "pacemaker-fencing-remembered"])
    );
    assert!(judgement.findings[0].cause.contains("it was fenced"), "{}", judgement.findings[0].cause);
    let (state, judgement) = alone(&facts!("quorum_ignored-0"));
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-quorum-ignored"]));
}

#[test]
fn bundles_have_as_many_replicas_as_the_configuration_demands() {
    let (state, judgement) = alone(&facts!("bundles", "bundles"));
    assert_eq!((state, but_fencing(&judgement)), (State::Ok, vec![]));
    // All stay promoted: only the list of failures shows it.
    let (state, judgement) = alone(&facts!("bundles_failed", "bundles"));
    assert_eq!((state, but_fencing(&judgement)), (State::Ok, vec!["pacemaker-stale-failure"]));
    let stale = finding(&judgement, "pacemaker-stale-failure");
    assert!(
        stale.cause.contains("monitor of galera on controller-1 (galera-bundle-1) failed"),
        "{}",
        stale.cause
    );
    assert_eq!(stale.next, "pcs resource cleanup galera-bundle");

    let (state, judgement) = alone(&facts!("bundles_host_down", "bundles"));
    assert_eq!(state, State::Degraded);
    let short: Vec<_> = judgement
        .findings
        .iter()
        .filter(|one| one.code == "pacemaker-bundle-short")
        .map(|one| one.cause.as_str())
        .collect();
    assert_eq!(
        short,
        [
            "galera-bundle: 2 of 3 run, 2 of 3 promoted (replica 1 is stopped, controller-1 is offline)",
            "haproxy-bundle: 2 of 3 run (replica 1 is stopped, controller-1 is offline)",
            "rabbitmq-bundle: 2 of 3 run (replica 1 is stopped, controller-1 is offline)",
            "redis-bundle: 2 of 3 run, 1 promoted (replica 1 is stopped, controller-1 is offline)",
        ]
    );

    let (state, judgement) = alone(&facts!("bundles_promote_failed", "bundles"));
    assert_eq!(state, State::Degraded);
    let short = finding(&judgement, "pacemaker-bundle-short");
    assert!(
        short.cause.contains("1 of 3 promoted (replica 1 on controller-1 has failed and is blocked")
            && short.cause.contains("does not try again by itself"),
        "{}",
        short.cause
    );
    assert_eq!(finding(&judgement, "pacemaker-not-promoted").subject, "redis-bundle");
    // Without the configuration the same is taken for granted.
    let facts = Facts { configured: None, ..facts!("bundles_promote_failed") };
    assert!(codes(&alone(&facts).1).contains(&"pacemaker-bundle-short"));
}

#[test]
fn a_bundle_that_is_down_counts_by_what_it_serves() {
    let stopped = |bundle: &str| {
        let mut facts = facts!("bundles", "bundles");
        for one in facts.status.resources.iter_mut().filter(|one| one.of == bundle) {
            (one.role, one.nodes) = (facts::Role::Stopped, Vec::new());
        }
        alone(&facts)
    };
    for vital in ["galera-bundle", "haproxy-bundle", "rabbitmq-bundle"] {
        let (state, judgement) = stopped(vital);
        assert_eq!((state, but_fencing(&judgement)), (State::Failed, vec!["pacemaker-bundle-down"]));
    }
    assert_eq!(stopped("redis-bundle").0, State::Degraded);
    let mut facts = facts!("bundles", "bundles");
    for one in facts.status.resources.iter_mut().filter(|one| one.id == "redis") {
        one.role = facts::Role::Promoted;
    }
    assert_eq!(but_fencing(&alone(&facts).1), ["pacemaker-promoted-twice"]);
}

#[test]
fn replicas_of_a_host_in_standby_are_not_missed() {
    let mut facts = facts!("bundles_host_down", "bundles");
    for node in facts.status.nodes.iter_mut().filter(|node| node.name == "controller-1") {
        (node.online, node.standby) = (true, true);
    }
    let (state, judgement) = alone(&facts);
    assert_eq!(state, State::Ok, "{:#?}", judgement.findings);
    assert!(
        judgement.findings.iter().filter(|one| one.code == "pacemaker-bundle-short").all(|one| one.intended)
    );
}

#[test]
fn a_replica_of_galera_that_only_runs_is_missed() {
    let mut facts = facts!("bundles", "bundles");
    let mut replicas = facts.status.resources.iter_mut().filter(|one| one.id == "galera");
    replicas.next_back().unwrap().role = facts::Role::Unpromoted;
    let (state, judgement) = alone(&facts);
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-bundle-short"]));
    let cause = &finding(&judgement, "pacemaker-bundle-short").cause;
    assert!(cause.contains("2 of 3 promoted (replica 2 on controller-2 is not promoted)"), "{cause}");
}

#[test]
fn a_clone_is_missed_where_it_could_run() {
    let stop = |facts: &mut Facts, host: &str| {
        for one in facts.status.resources.iter_mut().filter(|one| one.of == "each-clone") {
            if one.nodes.iter().any(|node| node == host) {
                (one.role, one.nodes) = (facts::Role::Stopped, Vec::new());
            }
        }
    };
    let mut facts = facts!("healthy-0");
    stop(&mut facts, "controller-1");
    let (state, judgement) = alone(&facts);
    assert_eq!((state, but_fencing(&judgement)), (State::Degraded, vec!["pacemaker-clone-short"]));
    facts.status.bans.push(("each-clone".to_string(), "controller-1".to_string()));
    assert_eq!(but_fencing(&alone(&facts).1), [""; 0], "it may not run there");
    for host in ["controller-0", "controller-2"] {
        stop(&mut facts, host);
    }
    assert_eq!(but_fencing(&alone(&facts).1), ["pacemaker-clone-down"]);
    // A group that is cloned has an instance of each of its members on each host.
    let mut facts = facts!("standby-0");
    let members: Vec<_> =
        facts.status.resources.iter().filter(|one| one.of == "each-clone").cloned().collect();
    facts
        .status
        .resources
        .extend(members.into_iter().map(|one| facts::Resource { id: "second".to_string(), ..one }));
    assert_eq!(but_fencing(&alone(&facts).1), ["pacemaker-node-standby"]);
}

#[test]
fn an_address_that_pacemaker_only_believes_in() {
    let mut facts = facts!("maintenance-0");
    let (state, judgement) = judged(&[member(0, Answer::Got { facts: facts.clone() }, "")]);
    assert_eq!(state, State::Failed);
    assert!(
        finding(&judgement, "pacemaker-address-missing")
            .cause
            .contains("does not have the address 10.77.0.100")
    );
    // Where nobody asked the host, nobody knows.
    facts.status.nodes.retain(|node| node.name != "controller-1");
    assert!(
        !codes(&judged(&[member(1, Answer::Got { facts }, "")]).1).contains(&"pacemaker-address-missing")
    );
}

#[test]
fn hosts_that_are_not_all_there_are_told() {
    type Change = fn(&mut Facts);
    let cases: [(Change, &str, State); 9] = [
        (|facts| facts.status.nodes[1].pending = true, "pacemaker-node-joining", State::Degraded),
        (|facts| facts.status.nodes[1].health = "red".to_string(), "pacemaker-node-health", State::Degraded),
        (
            |facts| facts.status.nodes[1].standby_on_fail = true,
            "pacemaker-node-standby-failed",
            State::Degraded,
        ),
        (
            |facts| facts.status.nodes[1].feature_set = "3.19.0".to_string(),
            "pacemaker-versions-differ",
            State::Ok,
        ),
        (|facts| facts.status.dc = None, "pacemaker-no-dc", State::Degraded),
        (|facts| facts.status.resources[1].orphaned = true, "pacemaker-orphan", State::Ok),
        (|facts| facts.status.resources[1].failed = true, "pacemaker-resource-failed", State::Degraded),
        (
            |facts| facts.status.resources[1].nodes.push("controller-2".to_string()),
            "pacemaker-runs-twice",
            State::Failed,
        ),
        (
            |facts| facts.corosync.faults = corosync::faults("LINK ID 1 udp\n\tnodeid:  2:\tdisconnected\n"),
            "pacemaker-link-down",
            State::Degraded,
        ),
    ];
    for (change, code, wanted) in cases {
        let mut facts = facts!("healthy-0");
        change(&mut facts);
        let (state, judgement) = alone(&facts);
        assert_eq!((state, but_fencing(&judgement)), (wanted, vec![code]));
    }
}

#[test]
fn a_host_that_has_lost_its_attributes_is_not_of_another_version() {
    let mut facts = facts!("healthy-0");
    facts.status.nodes[2].feature_set = "<3.15.1".to_string();
    facts.status.mixed_versions = true;
    assert_eq!(but_fencing(&alone(&facts).1), Vec::<&str>::new());
}

#[test]
fn clusters_that_know_nothing_of_each_other_are_judged_apart() {
    let mut other = facts!("healthy-0");
    for node in &mut other.status.nodes {
        node.name = node.name.replace("controller", "database");
    }
    other.status.dc = Some("database-0".to_string());
    let (_, judgement) = judged(&[got(0, &facts!("healthy-0")), got(1, &other)]);
    assert!(judgement.summary.contains("DC controller-0") && judgement.summary.contains("; DC database-0"));
    assert!(!codes(&judgement).contains(&"pacemaker-views-differ"));
}
