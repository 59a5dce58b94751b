//! Who may start first when nobody runs: the advice that loses data when it is wrong.

use super::rules::*;
use super::*;
use crate::answer::Answer;
use crate::verdict::State;

const NULL: &str = "uuid:    00000000-0000-0000-0000-000000000000\nseqno:   -1\nsafe_to_bootstrap: 1\n";

fn next_of(answers: Vec<Answer<Facts>>) -> String {
    let (state, judgement) = of(answers);
    assert_eq!(state, State::Failed);
    finding(&judgement, "mariadb-all-down").next.clone()
}

fn crashed() -> Vec<Answer<Facts>> {
    [
        recorded!("crashed-0-grastate.dat"),
        recorded!("crashed-1-grastate.dat"),
        recorded!("crashed-2-grastate.dat"),
    ]
    .map(left)
    .into()
}

fn recovered(seqno: i64) -> Answer<Facts> {
    let Answer::Got { mut facts } = left(recorded!("crashed-0-grastate.dat")) else { panic!("left") };
    let saved = facts.saved.as_mut().unwrap();
    saved.recovered = Some((saved.uuid.clone(), seqno));
    Answer::Got { facts }
}

#[test]
fn after_a_crash_of_all_the_positions_are_recovered_first() {
    let (state, judgement) = of(crashed());
    assert_eq!(state, State::Failed);
    let all = finding(&judgement, "mariadb-all-down");
    assert!(all.cause.contains("controller-1 13ab7530:-1, position not recovered yet"), "{}", all.cause);
    assert_eq!(
        all.next,
        "on controller-0, controller-1, controller-2: mariadbd --user=mysql --wsrep-recover (writes no data of the \
         cluster), then ask again and start from the highest position"
    );
    // Starting any of them by itself is no advice then.
    assert!(judgement.findings.iter().all(|one| one.code == "mariadb-all-down" || one.next.is_empty()));
}

#[test]
fn a_recovered_position_is_read_from_the_log_until_the_next_start() {
    let log = recorded!("recovered-0.log");
    let uuid = "13ab7530-e7cb-11f1-868f-ba543e1344f6".to_string();
    assert_eq!(facts::recovered(log), Some((uuid, 82)));
    let started = format!(
        "{log}\n2026-11-24 5:53:00 0 [Note] WSREP: Loading provider /usr/lib/galera/libgalera_smm.so"
    );
    assert_eq!(facts::recovered(&started), None);
}

#[test]
fn the_highest_recovered_position_wins() {
    let next = next_of(vec![recovered(76), recovered(82), recovered(80)]);
    assert!(next.starts_with("on controller-1 (has the highest position): sed -i "), "{next}");
    assert!(next.contains("/var/lib/mysql/grastate.dat && galera_new_cluster"), "{next}");
    // One that is not recovered may be further.
    let next = next_of(vec![recovered(76), recovered(82), left(recorded!("crashed-2-grastate.dat"))]);
    assert!(next.starts_with("on controller-2: mariadbd --user=mysql --wsrep-recover"), "{next}");
}

#[test]
fn after_a_clean_stop_the_last_to_stop_starts_first() {
    let stopped = [
        recorded!("stopped-0-grastate.dat"),
        recorded!("stopped-1-grastate.dat"),
        recorded!("stopped-2-grastate.dat"),
    ];
    let (_, judgement) = of(stopped.map(left).into());
    let all = finding(&judgement, "mariadb-all-down");
    assert!(
        all.cause.contains("controller-0 13ab7530:87, safe_to_bootstrap 1; controller-1 13ab7530:86"),
        "{}",
        all.cause
    );
    assert_eq!(
        all.next,
        "on controller-0 (stopped last): galera_new_cluster; then on each other: systemctl start mariadb"
    );
}

#[test]
fn a_null_uuid_is_never_chosen_whatever_it_says_of_safety() {
    let next = next_of(vec![left(NULL), recovered(82), recovered(80)]);
    assert!(next.starts_with("on controller-1"), "{next}");
    let next = next_of(vec![left(NULL), left(NULL), left(NULL)]);
    assert!(next.starts_with("no member holds the data of a cluster"), "{next}");
}

#[test]
fn two_histories_are_for_a_human_to_decide() {
    let other = recorded!("stopped-0-grastate.dat").replace("13ab7530", "99999999");
    let next = next_of(vec![left(recorded!("stopped-0-grastate.dat")), left(&other), recovered(5)]);
    assert!(next.starts_with("start none yet: the members hold 2 different histories"), "{next}");
}

#[test]
fn a_member_whose_folder_was_not_read_holds_the_advice_back() {
    let next = next_of(vec![recovered(82), down(), recovered(80)]);
    assert!(next.starts_with("start none before the positions of controller-1 are known"), "{next}");
}

#[test]
fn what_pacemaker_runs_is_started_by_pacemaker() {
    let cib = r#"<resources><bundle id="galera-bundle"><podman image="i"/><primitive class="ocf" id="galera" provider="heartbeat" type="galera"/></bundle></resources>"#;
    let view =
        view_of(&[("/etc/my.cnf", CNF), (find::GRASTATE, ""), ("/var/lib/pacemaker/cib/cib.xml", cib)]);
    let target = Mariadb::find(&view).remove(0);
    let member = Member { target, answer: recovered(82), took_ms: 1 };
    let (_, judgement) = judged(&[member]);
    assert!(finding(&judgement, "mariadb-all-down").next.starts_with("pcs resource cleanup galera-bundle"));
}
