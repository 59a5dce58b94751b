//! Histories of made-up overviews: what is noted, what is folded, what is bounded.

use super::*;
use crate::service::Kind;
use crate::verdict::{Finding, HostVerdict, MemberVerdict, Severity, Verdict};

/// An overview of memcached on one host: with a finding it is degraded, and so is its member.
fn overview(at: u64, finding: Option<(&str, Severity)>) -> Overview {
    let findings: Vec<Finding> = finding
        .map(|(code, severity)| Finding::new(code, severity, "c0", format!("{code}: because")))
        .into_iter()
        .collect();
    let state = Verdict::state_of(&findings);
    let member = MemberVerdict {
        host: "c0".to_string(),
        place: "127.0.0.1:11211".to_string(),
        state,
        role: String::new(),
        answer: "got".to_string(),
        took_ms: 1,
    };
    let verdict = Verdict {
        service: Kind::Memcached,
        state,
        summary: "1 of 1 answer".to_string(),
        risk: String::new(),
        fragile: false,
        members: vec![member],
        findings,
    };
    Overview {
        version: 1,
        state,
        summary: format!("memcached {}", state.name()),
        risk: String::new(),
        taken_at: at,
        took_ms: 3,
        deadline_ms: 2000,
        hosts: vec![host("c0", "got")],
        services: vec![verdict],
        findings: Vec::new(),
    }
}

fn host(name: &str, answer: &str) -> HostVerdict {
    let trouble = if answer == "got" { "" } else { "did not answer within 2.0 s" };
    HostVerdict {
        name: name.to_string(),
        answer: answer.to_string(),
        trouble: trouble.to_string(),
        took_ms: 1,
    }
}

fn well(at: u64) -> Overview {
    overview(at, None)
}

fn ill(at: u64) -> Overview {
    overview(at, Some(("memcached-down", Severity::Degraded)))
}

/// Each change in short.
fn told(history: &History) -> Vec<String> {
    let short = |one: &Change| {
        let about = serde_json::to_value(one.thing.about).unwrap();
        let brief = one.brief.map(|brief| format!(" x{} until {}", brief.times, brief.last_at));
        format!(
            "{}..{} {} {}->{}{}",
            one.after,
            one.at,
            about.as_str().unwrap(),
            one.from,
            one.to,
            brief.unwrap_or_default()
        )
    };
    history.changes().iter().map(short).collect()
}

#[test]
fn the_first_survey_has_nothing_to_compare_with() {
    let mut history = History::default();
    history.resume(5);
    assert!(history.take(&ill(10)));
    assert_eq!(told(&history), ["0..10 control-plane unseen->degraded"]);
    assert_eq!(history.changes()[0].cause, "memcached degraded");
    // How all of it stands is known nevertheless, at least since then.
    let standing: Vec<_> =
        history.standing().iter().map(|one| (one.thing.about, one.state.as_str(), one.since)).collect();
    assert!(standing.contains(&(About::Finding, "degraded", 10)), "{standing:?}");
    assert!(standing.contains(&(About::Member, "degraded", 10)), "{standing:?}");
    assert!(!history.take(&ill(40)), "nothing new");
    assert_eq!((history.began_at(), history.surveyed_at()), (10, 40));
}

#[test]
fn what_came_and_went_is_told_with_its_cause_and_both_times() {
    let mut history = History::default();
    for overview in [well(10), ill(40), ill(70), well(100)] {
        history.take(&overview);
    }
    let all = told(&history);
    let came = [
        "control-plane ok->degraded",
        "service ok->degraded",
        "member ok->degraded",
        "finding absent->degraded",
    ];
    let went = [
        "control-plane degraded->ok",
        "service degraded->ok",
        "member degraded->ok",
        "finding degraded->absent",
    ];
    assert_eq!(all[1..5], came.map(|one| format!("10..40 {one}")));
    assert_eq!(all[5..], went.map(|one| format!("70..100 {one}")));
    let causes: Vec<_> = history.changes()[1..5].iter().map(|one| one.cause.as_str()).collect();
    let because = "memcached-down: because";
    assert_eq!(causes, ["memcached degraded", because, because, because]);
    let service = history.standing().iter().find(|one| one.thing.about == About::Service).unwrap();
    assert_eq!((service.state.as_str(), service.since), ("ok", 100));
    assert!(!history.standing().iter().any(|one| one.thing.about == About::Finding));
}

#[test]
fn what_lasted_for_one_survey_is_one_entry_with_a_count() {
    let mut history = History::default();
    history.take(&well(10));
    for round in 0..4 {
        history.take(&ill(40 + 60 * round));
        if round == 0 {
            assert_eq!(told(&history)[1], "10..40 control-plane ok->degraded", "told at once");
        }
        history.take(&well(70 + 60 * round));
    }
    let all = told(&history);
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(all[1], "10..40 control-plane ok->degraded x4 until 220");
    // It is otherwise only since the last return.
    let plane = history.standing().iter().find(|one| one.thing.about == About::ControlPlane).unwrap();
    assert_eq!((plane.state.as_str(), plane.since), ("ok", 250));
    // A longer one is told on its own.
    for overview in [ill(280), ill(310), well(340)] {
        history.take(&overview);
    }
    assert_eq!(
        told(&history)[5..7],
        ["250..280 control-plane ok->degraded", "250..280 service ok->degraded"]
    );
    assert_eq!(told(&history).len(), 13);
}

#[test]
fn a_finding_that_weighs_more_is_a_change_and_another_cause_is_none() {
    let mut history = History::default();
    history.take(&ill(10));
    let mut same = ill(40);
    same.services[0].findings[0].cause = "12 evictions more".to_string();
    assert!(!history.take(&same));
    history.take(&overview(70, Some(("memcached-down", Severity::Failed))));
    assert!(told(&history).contains(&"40..70 finding degraded->failed".to_string()), "{:?}", told(&history));
}

#[test]
fn a_pause_is_told_and_nothing_folds_over_it() {
    let mut history = History::default();
    history.take(&well(10));
    history.take(&ill(40));
    let mut again: History = serde_json::from_str(&serde_json::to_string(&history).unwrap()).unwrap();
    again.resume(500);
    assert!(again.take(&well(503)));
    let all = told(&again);
    assert_eq!(all[5], "40..500 survey stopped->running");
    assert!(all.contains(&"40..503 service degraded->ok".to_string()), "{all:?}");
    assert!(again.changes().iter().all(|one| one.brief.is_none()));
}

#[test]
fn a_survey_that_fails_is_told_once() {
    let mut history = History::default();
    history.take(&well(10));
    assert!(history.failed(40, "cannot read the inventory"));
    assert!(!history.failed(70, "cannot read the inventory"));
    assert!(history.take(&well(100)));
    assert_eq!(told(&history)[1..], ["10..40 survey running->failed", "10..100 survey failed->running"]);
    assert_eq!(history.changes()[1].cause, "cannot read the inventory");
}

#[test]
fn what_a_silent_host_has_is_unknown_and_not_gone() {
    let mut history = History::default();
    history.take(&well(10));
    let mut silent = well(40);
    silent.hosts = vec![host("c0", "silent")];
    silent.services.clear();
    history.take(&silent);
    let all = told(&history);
    assert_eq!(all[1..], ["10..40 service ok->unknown", "10..40 member ok->unknown"]);
    assert_eq!(history.changes()[2].cause, "c0 did not answer within 2.0 s");
    history.take(&Overview { taken_at: 70, ..silent.clone() });
    assert_eq!(told(&history).len(), 3, "still");
    // A finding about it is neither there nor gone.
    let mut ailing = History::default();
    ailing.take(&ill(10));
    ailing.take(&silent);
    assert!(told(&ailing).contains(&"10..40 finding degraded->unknown".to_string()), "{:?}", told(&ailing));
    // When it answers and has none, that is known.
    history.take(&Overview { taken_at: 100, hosts: vec![host("c0", "got")], ..silent });
    assert_eq!(told(&history)[3..], ["70..100 service unknown->absent", "70..100 member unknown->absent"]);
}

#[test]
fn one_that_flaps_does_not_push_out_the_others() {
    let mut history = History::default();
    history.take(&well(0));
    let mut now = 0;
    for _ in 0..200 {
        for state in [ill, ill, well, well] {
            now += 30;
            history.take(&state(now));
        }
    }
    let of = |about: About| history.changes().iter().filter(|one| one.thing.about == about).count();
    assert_eq!(of(About::Service), OF_ONE_MAX);
    assert_eq!(history.changes().len(), 4 * OF_ONE_MAX);
    assert!(history.changes().windows(2).all(|pair| pair[0].at <= pair[1].at), "in order");
    assert_eq!(history.changes().last().unwrap().at, now - 30, "the latest are kept");
}

#[test]
fn many_things_are_bounded_and_so_is_a_cause() {
    let mut history = History::default();
    history.take(&well(10));
    let mut many = well(40);
    for number in 0..3000 {
        let long = "x".repeat(10_000);
        many.services[0].findings.push(Finding::new(
            "memcached-odd",
            Severity::Notice,
            &number.to_string(),
            long,
        ));
    }
    history.take(&many);
    assert_eq!(history.changes().len(), CHANGES_MAX);
    assert!(history.changes().iter().all(|one| one.cause.len() <= CAUSE_MAX));
}

#[test]
fn the_form_is_the_documented_one() {
    let mut history = History::default();
    for overview in [well(10), ill(40), ill(70)] {
        history.take(&overview);
    }
    let member = history.changes().iter().find(|one| one.thing.about == About::Member).unwrap();
    let expected = serde_json::json!({
        "at": 40, "after": 10, "about": "member", "service": "memcached", "subject": "c0",
        "place": "127.0.0.1:11211", "from": "ok", "to": "degraded", "cause": "memcached-down: because",
    });
    assert_eq!(serde_json::to_value(member).unwrap(), expected);
}
