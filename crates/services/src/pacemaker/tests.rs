//! Finding, reading and judging, on what was recorded from real clusters (recorded/README.md).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::place::Place;
use crate::verdict::{Finding, Severity, State, Verdict};
use crate::view;

macro_rules! recorded {
    ($($part:literal),+) => {
        include_str!(concat!("recorded/", $($part),+))
    };
}

/// A member's facts by the recording's name; the configuration is the healthy one's unless it has its own.
macro_rules! facts {
    ($name:literal) => {
        facts!($name, "healthy-0")
    };
    ($name:literal, $cib:literal) => {
        Facts {
            picture: mon::picture(recorded!($name, ".mon.xml"), "", Some(0)).unwrap(),
            configured: Some(cib::configured(recorded!($cib, ".cib.xml")).unwrap()),
            corosync: facts::Corosync::default(),
        }
    };
}

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
    // The address is where the picture has it.
    let own = format!("controller-{number}");
    let here = |id: &str| facts.picture.resources.iter().any(|one| one.id == id && one.nodes.contains(&own));
    let addresses = facts.configured.iter().flat_map(|all| &all.addresses);
    let has: Vec<&str> = addresses.filter(|one| here(&one.resource)).map(|one| one.ip.as_str()).collect();
    member(number, Answer::Got { facts: facts.clone() }, &has.join(","))
}

fn down(number: usize, more: &str) -> Member<Facts> {
    let trouble = mon::picture(recorded!("crash-0.mon.xml"), "", Some(102)).unwrap_err();
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
    for one in facts.picture.resources.iter_mut().filter(|one| one.id == "dummy") {
        one.nodes = vec!["controller-2".to_string()];
    }
    let (state, judgement) = alone(&facts);
    assert_eq!((state, but_fencing(&judgement)), (State::Ok, vec!["pacemaker-stale-failure"]));
    facts.picture.barred.push(("dummy".to_string(), "controller-1".to_string()));
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
    facts.picture.stop_all = true;
    let (state, judgement) = alone(&facts);
    assert!(state == State::Failed && codes(&judgement).contains(&"pacemaker-stop-all"));
    // An address that is switched off is still gone.
    for one in facts.picture.resources.iter_mut().filter(|one| one.id == "vip") {
        (one.disabled, one.role) = (true, facts::Role::Stopped);
    }
    facts.picture.stop_all = false;
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
        for one in facts.picture.resources.iter_mut().filter(|one| one.of == bundle) {
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
    for one in facts.picture.resources.iter_mut().filter(|one| one.id == "redis") {
        one.role = facts::Role::Promoted;
    }
    assert_eq!(but_fencing(&alone(&facts).1), ["pacemaker-promoted-twice"]);
}

#[test]
fn replicas_of_a_host_in_standby_are_not_missed() {
    let mut facts = facts!("bundles_host_down", "bundles");
    for node in facts.picture.nodes.iter_mut().filter(|node| node.name == "controller-1") {
        (node.online, node.standby) = (true, true);
    }
    let (state, judgement) = alone(&facts);
    assert_eq!(state, State::Ok, "{:#?}", judgement.findings);
    assert!(
        judgement.findings.iter().filter(|one| one.code == "pacemaker-bundle-short").all(|one| one.intended)
    );
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
    facts.picture.nodes.retain(|node| node.name != "controller-1");
    assert!(
        !codes(&judged(&[member(1, Answer::Got { facts }, "")]).1).contains(&"pacemaker-address-missing")
    );
}

#[test]
fn hosts_that_are_not_all_there_are_told() {
    type Change = fn(&mut Facts);
    let cases: [(Change, &str, State); 9] = [
        (|facts| facts.picture.nodes[1].pending = true, "pacemaker-node-joining", State::Degraded),
        (|facts| facts.picture.nodes[1].health = "red".to_string(), "pacemaker-node-health", State::Degraded),
        (
            |facts| facts.picture.nodes[1].standby_on_fail = true,
            "pacemaker-node-standby-failed",
            State::Degraded,
        ),
        (
            |facts| facts.picture.nodes[1].feature_set = "3.19.0".to_string(),
            "pacemaker-versions-differ",
            State::Ok,
        ),
        (|facts| facts.picture.dc = None, "pacemaker-no-dc", State::Degraded),
        (|facts| facts.picture.resources[1].orphaned = true, "pacemaker-orphan", State::Ok),
        (|facts| facts.picture.resources[1].failed = true, "pacemaker-resource-failed", State::Degraded),
        (
            |facts| facts.picture.resources[1].nodes.push("controller-2".to_string()),
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
fn clusters_that_know_nothing_of_each_other_are_judged_apart() {
    let mut other = facts!("healthy-0");
    for node in &mut other.picture.nodes {
        node.name = node.name.replace("controller", "database");
    }
    other.picture.dc = Some("database-0".to_string());
    let (_, judgement) = judged(&[got(0, &facts!("healthy-0")), got(1, &other)]);
    assert!(judgement.summary.contains("DC controller-0") && judgement.summary.contains("; DC database-0"));
    assert!(!codes(&judgement).contains(&"pacemaker-views-differ"));
}

#[test]
fn who_is_not_let_in_knows_nothing() {
    let trouble = mon::picture(recorded!("denied-0.mon.xml"), "", Some(4)).unwrap_err();
    assert!(matches!(&trouble, Trouble::Denied(cause) if cause.contains("haclient")), "{trouble}");
    let (state, judgement) = judged(&[member(0, trouble.into(), "")]);
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["pacemaker-denied"]));
    let down =
        mon::picture("", "Connection to cluster failed: Transport endpoint is not connected\n", Some(107));
    assert!(matches!(down, Err(Trouble::Down(_))), "1.1 says so in a line");
    for nonsense in ["", "<html></html>", "<pacemaker-result><nodes/></pacemaker-result>"] {
        assert!(matches!(mon::picture(nonsense, "", Some(1)), Err(Trouble::Broken(_))), "{nonsense}");
    }
    assert!(mon::is_old("", "crm_mon: unrecognized option '--output-as=xml'"));
}

#[test]
fn old_and_new_names_are_read() {
    let old = r#"<crm_mon version="1.1.23"><summary><current_dc present="true" name="c0" id="1" with_quorum="true"/>
        <cluster_options stonith-enabled="true" no-quorum-policy="stop" maintenance-mode="false"/></summary>
        <nodes><node name="c0" id="1" online="true" type="member"/></nodes>
        <resources><clone id="db-master" multi_state="true"><resource id="db" resource_agent="ocf::heartbeat:galera"
        role="Master" managed="true" orphaned="false" failed="false"><node name="c0" id="1"/></resource></clone>
        <resource id="gone" role="Started" orphan="true" managed="true"/></resources>
        <failures><failure op_key="my_db_migrate_to_0" node="c0" exitstatus="unknown error" exitcode="1"
        status="Timed Out" last-rc-change="Tue Nov 24 10:56:38 2026" task="migrate_to"/>
        <failure op_key="db:1_monitor_3000" node="c0" exitstatus="not running" status="complete"/></failures></crm_mon>"#;
    let picture = mon::picture(old, "", Some(0)).unwrap();
    assert_eq!(
        (picture.resources[0].role, picture.resources[0].whole),
        (facts::Role::Promoted, facts::Whole::Promotable)
    );
    assert!(picture.resources[1].orphaned && picture.fencing);
    let [first, second] = picture.failures.as_slice() else { panic!("{:?}", picture.failures) };
    assert_eq!(
        (first.resource.as_str(), first.task.as_str(), first.status.as_str()),
        ("my_db", "migrate_to", "Timed Out")
    );
    assert_eq!((second.resource.as_str(), second.task.as_str()), ("db:1", "monitor"));
    let cib = r#"<cib><configuration><resources><bundle id="b"><docker image="x" replicas="3" masters="3"/></bundle>
        <master id="m"><primitive id="p" class="ocf" type="IPaddr2"><instance_attributes><nvpair name="ip" value="1.2.3.4"/>
        </instance_attributes></primitive></master></resources></configuration></cib>"#;
    let configured = cib::configured(cib).unwrap();
    assert_eq!((configured.demands[0].promoted, configured.demands[1].promoted), (3, 1));
    assert_eq!(configured.addresses, [], "an address of a clone may be on several hosts");
    let rings = "Printing ring status.\nRING ID 0\n\tid\t= 10.0.0.1\n\tstatus\t= ring 0 active with no faults\n\
                 RING ID 1\n\tid\t= 10.1.0.1\n\tstatus\t= Marking ringid 1 interface 10.1.0.1 FAULTY\n";
    let faults = corosync::faults(rings);
    assert_eq!((faults.len(), faults[0].link.as_str()), (1, "1"));
}

#[test]
fn of_the_configuration_only_what_is_needed_is_kept() {
    let text = recorded!("healthy-0.cib.xml").replace("cidr_netmask", "password");
    let kept = serde_json::to_string(&cib::configured(&text).unwrap()).unwrap();
    assert!(kept.contains(VIP) && !kept.contains("password") && !kept.contains("\"24\""), "{kept}");
    assert_eq!(cib::configured("<html/>"), None);
}

#[test]
fn a_member_is_found_where_it_runs_or_should() {
    let process = |name: &str, container: Option<&str>| view::Process {
        pid: 7,
        name: name.to_string(),
        arguments: Vec::new(),
        container: container.map(ToString::to_string),
    };
    let conf = "totem {\n  version: 2\n}\nnodelist {\n  node {\n    ring0_addr: 10.77.0.11\n    name: ctl-a\n  }\n  \
                node {\n    # no name\n    ring0_addr: 10.77.0.12\n  }\n}\n";
    let mut view = View {
        host: "c0".to_string(),
        addresses: vec!["127.0.0.1".parse().unwrap(), "10.77.0.11".parse().unwrap()],
        processes: vec![process("pacemakerd", None), process("corosync", None)],
        files: BTreeMap::from([(find::CONFIGURATION.to_string(), conf.to_string())]),
        ..View::default()
    };
    let found = Pacemaker::find(&view);
    assert!(found[0].seen);
    assert_eq!(
        (found[0].settings["node"].as_str(), found[0].settings["nodes"].as_str()),
        ("ctl-a", "ctl-a,10.77.0.12")
    );
    assert_eq!(found[0].settings["addresses"], "10.77.0.11");
    view.processes.remove(0);
    assert!(!Pacemaker::find(&view)[0].seen, "corosync alone");
    view.processes.clear();
    assert_eq!(Pacemaker::find(&view), [], "a configuration expects nothing: Debian brings one");
    view.units.insert("pacemaker.service".to_string());
    assert!(!Pacemaker::find(&view)[0].seen);
    view.units.clear();
    view.processes = vec![process("pacemaker-remot", Some("galera-bundle-podman-0"))];
    assert_eq!(Pacemaker::find(&view), [], "a bundle's own");
    view.processes = vec![process("pacemaker-remot", None)];
    assert!(Pacemaker::find(&view)[0].settings.contains_key("remote"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC*", line in "[A-Za-z :0-9]{0,30}\n") {
        let _ = mon::picture(&text, &text, None);
        let _ = cib::configured(&text);
        let _ = (corosync::votes(&line.repeat(5)), corosync::faults(&line), find::nodes(&text));
    }

    /// A recording with some bytes missing, cut or doubled.
    #[test]
    fn a_damaged_picture_is_judged_without_a_panic(start in 0usize..8000, length in 0usize..400, double in any::<bool>()) {
        let whole = recorded!("bundles_promote_failed.mon.xml");
        let (head, rest) = whole.split_at(start);
        let tail = if double { &whole[start.saturating_sub(length)..] } else { rest.get(length..).unwrap_or_default() };
        if let Ok(picture) = mon::picture(&format!("{head}{tail}"), "", Some(0)) {
            let facts = Facts { picture, ..Facts::default() };
            let _ = judged(&[got(0, &facts), down(1, VIP)]);
        }
    }
}
