//! What is made of answers.

use super::*;

/// The same cluster with the two MDSs and MGRs of its first hosts.
fn with(cluster: &Value, mds: [Answer<Facts>; 2], mgr: [Answer<Facts>; 2]) -> Vec<Member<Facts>> {
    let mut all = seen(cluster);
    all.extend(mds.into_iter().enumerate().map(|(number, answer)| member("mds", number, answer)));
    all.extend(mgr.into_iter().enumerate().map(|(number, answer)| member("mgr", number, answer)));
    all
}

fn well() -> [Answer<Facts>; 2] {
    [mds(&recorded!("mds_standby")), mds(&recorded!("mds_active"))]
}

fn managed() -> [Answer<Facts>; 2] {
    [mgr(None), mgr(Some(&recorded!("mgr_active")))]
}

fn cause<'a>(judgement: &'a Judgement, code: &str) -> &'a str {
    judgement.findings.iter().find(|one| one.code == code).map_or("", |one| one.cause.as_str())
}

#[test]
fn all_is_well() {
    let (state, judgement) = judged(&with(&recorded!("cluster_healthy"), well(), managed()));
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(
        judgement.summary,
        "leader controller-0, 3 of 3 MONs serve, MGR controller-1, 1 of 1 OSDs up, cephfs 1 of 1 ranks"
    );
    let roles: Vec<_> = judgement.members.iter().map(|one| one.role.as_str()).collect();
    assert_eq!(
        roles,
        ["MON leader", "MON", "MON", "MDS standby", "MDS active cephfs:0", "MGR standby", "MGR active"]
    );
    assert!(!judgement.risk.fragile);
}

#[test]
fn a_mon_that_does_not_answer_is_named_before_ceph_does() {
    let cluster = recorded!("cluster_mon_just_killed");
    for (answer, code) in [(down(), "ceph-mon-down"), (silent(), "ceph-mon-silent")] {
        let leader = mon(&recorded!("mon_leader"), Some(&cluster));
        let (state, judgement) = judged(&mons(vec![leader, greeting(), answer]));
        assert_eq!((state, codes(&judgement)), (State::Degraded, vec![code]));
        assert!(judgement.risk.fragile);
        assert_eq!(judgement.risk.words, "one more MON lost stops Ceph: 2 of 3 serve, 2 must");
    }
    // When Ceph has noticed, it is told once.
    let leader = mon(&recorded!("mon_leader_of_two"), Some(&recorded!("cluster_mon_down")));
    let (_, judgement) = judged(&mons(vec![leader, greeting(), down()]));
    assert_eq!(codes(&judgement), ["ceph-mon-down"]);
    // It runs again, and is not counted in.
    let leader = mon(&recorded!("mon_leader_of_two"), Some(&recorded!("cluster_mon_down")));
    let (state, judgement) = judged(&mons(vec![leader, greeting(), greeting()]));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["ceph-mon-out-of-quorum"]));
}

#[test]
fn without_a_majority_nothing_is_served_whatever_the_last_one_thinks() {
    for alone in [recorded!("mon_two_just_killed"), recorded!("mon_probing")] {
        let answers = vec![mon(&alone, Some(&recorded!("cluster_healthy"))), down(), silent()];
        let (state, judgement) = judged(&mons(answers));
        assert_eq!(state, State::Failed);
        assert_eq!(codes(&judgement), ["ceph-mon-down", "ceph-mon-silent", "ceph-no-quorum"]);
        assert!(cause(&judgement, "ceph-no-quorum").contains("controller-1 down, controller-2 silent"));
    }
}

#[test]
fn an_election_is_no_failure_and_a_split_is() {
    let mut electing = recorded!("mon_probing");
    electing["state"] = "electing".into();
    let (state, judgement) = judged(&mons(vec![mon(&electing, None), mon(&electing, None), down()]));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["ceph-mon-down", "ceph-electing"]));
    let probing = recorded!("mon_probing");
    let (state, judgement) =
        judged(&mons(vec![mon(&probing, None), mon(&probing, None), mon(&probing, None)]));
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["ceph-no-quorum"]));
}

#[test]
fn what_was_not_asked_is_not_claimed() {
    // One host, whose own MON is down: of the other two only the configuration tells.
    let (state, judgement) = judged(&mons(vec![down()]));
    assert_eq!(state, State::Degraded);
    assert_eq!(codes(&judgement), ["ceph-mon-down", "ceph-quorum-unknown"]);
    assert_eq!(judgement.summary, "quorum not known, 0 of 3 MONs serve");
    assert_eq!(judgement.findings[1].severity, Severity::Unknown);
    let (state, judgement) = judged(&mons(vec![denied()]));
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["ceph-mon-denied"]));
    // Down where all are known is down.
    let (state, _) = judged(&mons(vec![down(), down(), down()]));
    assert_eq!(state, State::Failed);
    // One that answers speaks for those that let nobody ask.
    let leader = mon(&recorded!("mon_leader"), Some(&recorded!("cluster_healthy")));
    let (state, judgement) = judged(&mons(vec![leader, denied(), denied()]));
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["ceph-mon-denied"; 2]));
}

#[test]
fn what_the_others_say_when_greeted_counts() {
    let told = |quorum: Option<&[&str]>| {
        let quorum = quorum.map(|names| names.iter().map(ToString::to_string).collect());
        Answer::Got { facts: Facts::Greeting(Greeting { quorum }) }
    };
    let alone = || mon(&recorded!("mon_probing"), None);
    let others = ["controller-1", "controller-2"];
    let (state, judgement) = judged(&mons(vec![alone(), told(Some(&others)), told(Some(&others))]));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["ceph-mon-out-of-quorum"]));
    assert!(judgement.summary.starts_with("leader controller-1, 2 of 3 MONs serve"), "{}", judgement.summary);
    // They live, and none of them is in quorum.
    let (state, judgement) = judged(&mons(vec![alone(), told(Some(&[])), told(Some(&[]))]));
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["ceph-no-quorum"]));
    // They live, and without a key they say no more.
    let (state, judgement) = judged(&mons(vec![alone(), told(None), told(None)]));
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["ceph-quorum-unknown"]));
}

#[test]
fn a_mon_that_was_removed_is_no_failure() {
    let mut map = recorded!("mon_leader");
    map["monmap"]["mons"].as_array_mut().unwrap().pop();
    map["quorum"] = serde_json::json!([0, 1]);
    let answers = vec![mon(&map, Some(&recorded!("cluster_healthy"))), greeting(), down()];
    let (state, judgement) = judged(&mons(answers));
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["ceph-mon-removed"]));
}

#[test]
fn health_that_was_not_read_is_unknown() {
    let Answer::Got { facts: Facts::Mon(mut leader) } = mon(&recorded!("mon_leader"), None) else { panic!() };
    leader.unread = "does not let us in: no keyring can be read".to_string();
    let answers = vec![Answer::Got { facts: Facts::Mon(leader) }, greeting(), greeting()];
    let (state, judgement) = judged(&mons(answers));
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["ceph-health-unread"]));
}

#[test]
fn a_dead_mds_is_named_though_the_mons_have_it_as_active() {
    let cluster = recorded!("cluster_mds_just_killed");
    let standby = || mds(&recorded!("mds_standby"));
    let (state, judgement) = judged(&with(&cluster, [standby(), down()], managed()));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["ceph-fs-rank-lost"]));
    let words = cause(&judgement, "ceph-fs-rank-lost");
    assert!(words.contains("rank 0 of cephfs, which the MONs still have as up:active"), "{words}");
    let (_, judgement) = judged(&with(&cluster, [standby(), silent()], managed()));
    assert_eq!(codes(&judgement), ["ceph-fs-rank-lost"]);
    let (state, judgement) = judged(&with(&cluster, [down(), down()], managed()));
    assert_eq!(state, State::Failed);
    assert_eq!(codes(&judgement), ["ceph-fs-down", "ceph-mds-down"]);
    // Started again, it is another one: the rank is still the dead one's.
    let mut again = recorded!("mds_active");
    again["id"] = 9999.into();
    let (state, judgement) = judged(&with(&cluster, [standby(), mds(&again)], managed()));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["ceph-fs-rank-lost"]));
    assert!(cause(&judgement, "ceph-fs-rank-lost").contains("started again"));
}

#[test]
fn a_silent_mds_keeps_its_rank_where_none_stands_by() {
    // HEALTH_OK, one daemon up, one standby: and both are dead.
    assert_eq!(
        of(&recorded!("cluster_mds_killed_at_once")),
        (State::Failed, vec!["ceph-fs-down".to_string()])
    );
    let (state, codes) = of(&recorded!("cluster_mds_laggy"));
    assert_eq!((state, codes), (State::Failed, vec!["ceph-fs-down".to_string()]));
    let (state, codes) = of(&recorded!("cluster_mds_all_down"));
    assert_eq!((state, codes), (State::Failed, vec!["ceph-fs-down".to_string(), "FS_DEGRADED".to_string()]));
}

#[test]
fn without_a_standby_it_is_worth_knowing() {
    let (state, codes) = of(&recorded!("cluster_mds_no_standby"));
    assert_eq!((state, codes), (State::Ok, vec!["ceph-mds-no-standby".to_string()]));
}

#[test]
fn a_file_system_that_was_taken_down_is_a_will() {
    let (_, judgement) = judged(&seen(&recorded!("cluster_fs_failed")));
    let taken = judgement.findings.iter().find(|one| one.code == "ceph-fs-taken-down").unwrap();
    assert_eq!((taken.severity, taken.intended), (Severity::Degraded, true));
    assert!(!codes(&judgement).contains(&"MDS_ALL_DOWN"));
}

#[test]
fn a_damaged_rank_is_no_ones() {
    let mut cluster = recorded!("cluster_mds_all_down");
    let map = &mut cluster[2]["filesystems"][0]["mdsmap"];
    map["failed"] = serde_json::json!([]);
    map["damaged"] = serde_json::json!([0]);
    assert_eq!(of(&cluster).1[0], "ceph-fs-damaged");
}

#[test]
fn mgrs() {
    let cluster = recorded!("cluster_mgr_just_killed");
    let (state, judgement) = judged(&with(&cluster, well(), [mgr(None), down()]));
    assert!(codes(&judgement).contains(&"ceph-mgr-down"), "{:?}", codes(&judgement));
    assert_eq!(state, State::Degraded);
    assert!(cause(&judgement, "ceph-mgr-down").contains("still take it for the active one"));
    let (state, codes) = of(&recorded!("cluster_mgr_down"));
    assert_eq!((state, codes), (State::Degraded, vec!["ceph-mgr-none".to_string()]));
    let mut alone = recorded!("cluster_healthy");
    alone[1]["num_standby"] = 0.into();
    assert_eq!(of(&alone), (State::Ok, vec!["ceph-mgr-no-standby".to_string()]));
}

#[test]
fn ceph_is_yellow_when_nothing_is_served() {
    let (state, codes) = of(&recorded!("cluster_osd_down"));
    assert_eq!(state, State::Failed);
    assert_eq!(codes, ["ceph-osds-down", "PG_AVAILABILITY"]);
    // One of two OSDs is enough for some, and Ceph's word decides.
    let mut half = recorded!("cluster_osd_down");
    half[3]["num_osds"] = 2.into();
    half[3]["num_up_osds"] = 1.into();
    assert_eq!(of(&half).1, ["OSD_DOWN", "OSD_HOST_DOWN", "OSD_ROOT_DOWN", "PG_AVAILABILITY"]);
}

#[test]
fn flags_are_a_will() {
    for cluster in [recorded!("cluster_noout"), recorded!("cluster_muted")] {
        let (state, judgement) = judged(&seen(&cluster));
        assert_eq!((state, codes(&judgement)), (State::Ok, vec!["OSDMAP_FLAGS"]));
        assert!(judgement.findings[0].intended);
    }
    let (_, judgement) = judged(&seen(&recorded!("cluster_paused")));
    let paused = judgement.findings.iter().find(|one| one.subject == "OSDMAP_FLAGS").unwrap();
    assert_eq!((paused.severity, paused.intended), (Severity::Failed, true));
}

#[test]
fn two_clusters_are_told_apart() {
    let cluster = recorded!("cluster_healthy");
    let mut other = recorded!("mon_leader");
    other["monmap"]["fsid"] = "00000000-0000-0000-0000-000000000001".into();
    other["quorum"] = serde_json::json!([0]);
    other["monmap"]["mons"].as_array_mut().unwrap().truncate(1);
    let mut members = seen(&cluster);
    members.push(member("mon", 0, mon(&other, Some(&cluster))));
    let (state, judgement) = judged(&members);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["ceph-different-clusters"]));
    assert!(judgement.risk.fragile, "the other has a single MON");
}

#[test]
fn an_upgrade_under_way_is_noted() {
    let newer = Answer::Got { facts: Facts::Mgr(Mgr { active: true, version: "17.2.7".to_string() }) };
    let (state, judgement) = judged(&with(&recorded!("cluster_healthy"), well(), [mgr(None), newer]));
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["ceph-versions-differ"]));
}

#[test]
fn facts_travel_as_json() {
    let members = with(&recorded!("cluster_healthy"), well(), managed());
    for member in members {
        let text = serde_json::to_string(&member.answer).unwrap();
        assert_eq!(serde_json::from_str::<Answer<Facts>>(&text).unwrap(), member.answer);
    }
}
