//! The rules, on what real members said.

use super::super::facts::{self, Rows};
use super::*;
use crate::answer::Answer;
use crate::verdict::{Finding, Severity, State, Verdict};

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../recorded/", $name))
    };
}
pub(super) use recorded;

fn rows(text: &str) -> Rows {
    let pairs = text.lines().filter_map(|line| line.split_once('\t'));
    pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_string())).collect()
}

fn serving(text: &str) -> Answer<Facts> {
    let rows = rows(text);
    let server = Some(facts::server(&rows, &rows));
    Answer::Got { facts: Facts { phase: Phase::Serving, server, ..Facts::default() } }
}

pub(super) fn left(grastate: &str) -> Answer<Facts> {
    Answer::Got { facts: Facts { saved: Some(facts::grastate(grastate)), ..Facts::default() } }
}

pub(super) fn down() -> Answer<Facts> {
    Answer::Down { cause: "connecting to 10.77.0.13:3306: Connection refused (os error 111)".to_string() }
}

fn silent() -> Answer<Facts> {
    Answer::Silent { doing: "waiting for the greeting of 10.77.0.13:3306".to_string(), after_ms: 2000 }
}

fn denied() -> Answer<Facts> {
    Answer::Denied { cause: "error 1045: Access denied".to_string() }
}

/// Members in order, each found on its own host.
fn members(answers: Vec<Answer<Facts>>) -> Vec<Member<Facts>> {
    let one = |(number, answer)| {
        let view = view_of(&[
            (
                "/etc/my.cnf",
                "[mysqld]\nwsrep_cluster_address=gcomm://10.77.0.11,10.77.0.12,10.77.0.13\nlog_error=/var/log/mysql/error.log\n",
            ),
            (find::GRASTATE, ""),
        ]);
        let view = View { host: format!("controller-{number}"), ..view };
        let target = Mariadb::find(&view).remove(0);
        Member { target, answer, took_ms: 1 }
    };
    answers.into_iter().enumerate().map(one).collect()
}

pub(super) fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let context = Context { hosts: Vec::new(), missing: Vec::new(), now: 0 };
    let judgement = judge::judge(members, &context);
    (Verdict::state_of(&judgement.findings), judgement)
}

pub(super) fn of(answers: Vec<Answer<Facts>>) -> (State, Judgement) {
    judged(&members(answers))
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

pub(super) fn finding<'a>(judgement: &'a Judgement, code: &str) -> &'a Finding {
    let found = judgement.findings.iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("no {code} in {:?}", judgement.findings))
}

fn with(text: &str, change: impl FnOnce(&mut Facts)) -> Answer<Facts> {
    let Answer::Got { mut facts } = serving(text) else { panic!("serving") };
    change(&mut facts);
    Answer::Got { facts }
}

fn galera(facts: &mut Facts) -> &mut Galera {
    &mut facts.server.as_mut().unwrap().galera
}

fn healthy() -> Vec<Answer<Facts>> {
    [recorded!("healthy-0.txt"), recorded!("healthy-1.txt"), recorded!("healthy-2.txt")].map(serving).into()
}

/// The same three in a later view, the third to be replaced.
fn before_the_lock() -> Vec<Answer<Facts>> {
    [recorded!("locked-0.txt"), recorded!("locked-1.txt"), recorded!("locked-2.txt")].map(serving).into()
}

#[test]
fn three_in_step_are_ok_and_one_may_fail() {
    let (state, judgement) = of(healthy());
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "3 of 3 members in the Primary Component, view 3");
    assert_eq!(judgement.risk.words, "one member may fail; two at once stop the control plane");
    assert_eq!(judgement.members[1].role, "Primary, Synced");
}

#[test]
fn one_killed_degrades_and_the_next_failure_would_stop_all() {
    let [one, other] = [recorded!("killed-0.txt"), recorded!("killed-1.txt")].map(serving);
    let (state, judgement) = of(vec![one, other, left(recorded!("crashed-2-grastate.dat"))]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-down"]));
    assert!(finding(&judgement, "mariadb-down").cause.contains("seqno -1"));
    assert_eq!(finding(&judgement, "mariadb-down").next, "on controller-2: systemctl start mariadb");
    assert!(
        judgement.risk.words.starts_with("one more failure stops the control plane"),
        "{}",
        judgement.risk.words
    );
    // In the first moments the others still count it: the risk is the same.
    let mut early = healthy();
    early[2] = down();
    let (state, judgement) = of(early);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-down"]));
    assert!(judgement.risk.words.starts_with("one more failure stops"), "{}", judgement.risk.words);
}

#[test]
fn a_frozen_one_is_silent_and_not_down() {
    let mut answers = healthy();
    answers[2] = silent();
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-silent"]));
    assert!(finding(&judgement, "mariadb-silent").cause.contains("did not answer within 2.0 s"));
    // Alone with a frozen one nothing is known of the others.
    let (state, judgement) = judged(&members(vec![silent()]));
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-silent", "mariadb-not-asked"]));
}

#[test]
fn a_woken_one_has_lost_its_place() {
    let [one, other] = [recorded!("killed-0.txt"), recorded!("killed-1.txt")].map(serving);
    let (state, judgement) = of(vec![one, other, serving(recorded!("thawed-2.txt"))]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-non-primary"]));
    assert_eq!(judgement.members[2].state, State::Failed);
}

#[test]
fn desync_by_an_operator_is_told_apart_from_a_lock() {
    let mut answers = before_the_lock();
    answers[2] = serving(recorded!("desync-2.txt"));
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-desynced"]));
    assert!(finding(&judgement, "mariadb-desynced").intended);

    let [one, other] = [recorded!("locked-0.txt"), recorded!("locked-1.txt")].map(serving);
    let locked = with(recorded!("locked-2.txt"), |facts| {
        galera(facts).later = Some(facts::later(&rows(recorded!("locked-2-again.txt")), 250));
    });
    let (state, judgement) = of(vec![one, other, locked]);
    assert_eq!(
        (state, codes(&judgement)),
        (State::Degraded, vec!["mariadb-desynced", "mariadb-applier-stopped"])
    );
    assert!(!finding(&judgement, "mariadb-desynced").intended);
    let cause = &finding(&judgement, "mariadb-applier-stopped").cause;
    assert!(cause.contains("transactions of the others wait in its receive queue"), "{cause}");
}

#[test]
fn a_backup_seen_on_the_host_is_named_as_the_reason() {
    let mut all = members(healthy());
    let locked = with(recorded!("locked-2.txt"), |_| {});
    all[2].answer = locked;
    all[2].target.settings.insert("backup".to_string(), "mariadb-backup (process 4711)".to_string());
    let (_, judgement) = judged(&all);
    let found = finding(&judgement, "mariadb-desynced");
    assert!(found.intended && found.cause.contains("mariadb-backup (process 4711)"), "{}", found.cause);
}

#[test]
fn flow_control_names_the_slowest_member() {
    let mut answers = healthy();
    let paused = |facts: &mut Facts| {
        let before = galera(facts).paused_ns;
        galera(facts).later =
            Some(Later { after_ms: 250, paused_ns: before + 200_000_000, recv_queue: 0, last_committed: 9 });
    };
    answers[0] = with(recorded!("healthy-0.txt"), paused);
    answers[2] = with(recorded!("healthy-2.txt"), |facts| galera(facts).recv_queue = 40);
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-flow-control"]));
    let cause = &finding(&judgement, "mariadb-flow-control").cause;
    assert!(cause.contains("80 %") && cause.contains("controller-2 with 40"), "{cause}");
}

#[test]
fn no_connection_left_is_full_and_not_down() {
    let mut answers = before_the_lock();
    answers[2] = serving(recorded!("full-2.txt"));
    let (state, judgement) = of(answers.clone());
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-full"]));
    let trouble = "error 1040: Too many connections".to_string();
    answers[2] = Answer::Got { facts: Facts { phase: Phase::Full, trouble, ..Facts::default() } };
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-full"]));
    assert!(finding(&judgement, "mariadb-full").cause.contains("1040"));
}

#[test]
fn a_private_database_fails_the_cluster() {
    let mut answers = healthy();
    answers[1] = serving(recorded!("private-1.txt"));
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["mariadb-private"]));
    assert!(finding(&judgement, "mariadb-private").cause.contains("wsrep_on is OFF"));
}

#[test]
fn without_quorum_the_bootstrap_is_named_only_where_nobody_else_may_serve() {
    let apart = || serving(recorded!("apart-0.txt"));
    let (state, judgement) = of(vec![apart(), down(), down()]);
    assert_eq!(state, State::Failed);
    assert_eq!(
        finding(&judgement, "mariadb-no-primary").next,
        "on controller-0 (last committed 73): mariadb -e \"SET GLOBAL wsrep_provider_options='pc.bootstrap=YES'\""
    );
    let (_, judgement) = of(vec![apart(), silent(), down()]);
    let next = &finding(&judgement, "mariadb-no-primary").next;
    assert!(next.starts_with("first make sure that controller-1 does not serve"), "{next}");
    let (state, judgement) = of(vec![serving(recorded!("last-0.txt")), down(), down()]);
    assert_eq!(state, State::Degraded);
    assert!(judgement.risk.words.starts_with("this is the last member"), "{}", judgement.risk.words);
}

#[test]
fn two_clusters_are_a_split_whatever_each_says_of_itself() {
    let mut answers = healthy();
    answers[2] = with(recorded!("last-0.txt"), |facts| {
        galera(facts).uuid = "22222222-0000-11ee-8000-000000000002".to_string();
        galera(facts).id = "33333333-0000-11ee-8000-000000000003".to_string();
    });
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["mariadb-split"]));
    assert!(finding(&judgement, "mariadb-split").cause.contains("22222222"));
}

#[test]
fn members_that_disagree_on_the_view_are_told() {
    let mut answers = healthy();
    answers[2] = with(recorded!("healthy-2.txt"), |facts| galera(facts).conf_id = Some(2));
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["mariadb-view-differs"]));
}

#[test]
fn one_that_does_not_let_us_in_is_unknown() {
    let mut answers = healthy();
    answers[2] = denied();
    let (state, judgement) = of(answers);
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["mariadb-denied"]));
    assert_eq!(finding(&judgement, "mariadb-denied").severity, Severity::Unknown);
    let (state, judgement) = of(vec![denied(), denied(), denied()]);
    assert_eq!(
        (state, judgement.risk.words.as_str()),
        (State::Unknown, ""),
        "nothing is known, nothing is claimed"
    );
}

#[test]
fn the_same_member_found_twice_counts_once() {
    let mut all = members(healthy());
    all.extend(members(healthy()).into_iter().take(1));
    let (state, judgement) = judged(&all);
    assert_eq!((state, judgement.members.len()), (State::Ok, 3));
}

#[test]
fn votes_decide_what_one_more_failure_means() {
    let heavy = |facts: &mut Facts| galera(facts).weight = 3;
    let mut answers = healthy();
    answers[0] = with(recorded!("healthy-0.txt"), heavy);
    let (_, judgement) = of(answers);
    assert!(judgement.risk.words.starts_with("one more failure stops"), "{}", judgement.risk.words);
    let five: Vec<_> = (0..5)
        .map(|number| {
            with(recorded!("healthy-0.txt"), |facts| {
                galera(facts).size = 5;
                galera(facts).id = format!("4444444{number}-0000-11ee-8000-000000000003");
            })
        })
        .collect();
    let (_, judgement) = of(five);
    assert_eq!(judgement.risk.words, "2 members may fail at once; more stop the control plane");
}

#[test]
fn an_arbitrator_is_a_vote_and_not_a_member_that_is_down() {
    let mut answers = healthy();
    for answer in &mut answers[..2] {
        let Answer::Got { facts } = answer else { panic!("serving") };
        galera(facts).incoming = vec!["10.77.0.11:3306".to_string(), "10.77.0.12:3306".to_string()];
    }
    answers[2] = down();
    let mut all = members(answers);
    // Known from the configuration of the others only.
    all[2].target.settings.clear();
    let (state, judgement) = judged(&all);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!((judgement.members[2].role.as_str(), judgement.members[2].state), ("arbitrator", State::Ok));
    assert_eq!(judgement.summary, "3 of 3 members in the Primary Component, view 3");
}
