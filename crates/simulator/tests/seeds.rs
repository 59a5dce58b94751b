//! The simulator itself: what it promises of seeds, plans and faults.
#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use simulator::plan::{Beside, End, Plan, Round, Work};
use simulator::run::run;
use simulator::shrink::sort;

/// The first rounds of a seed: a debug build is slow.
fn short(seed: u64) -> Plan {
    let mut plan = Plan::new(seed);
    plan.rounds.truncate(2);
    plan
}

#[test]
fn a_seed_goes_the_same_way_whatever_went_before() {
    let first = run(&short(3));
    run(&short(4));
    let again = run(&short(3));
    assert_eq!(first, again);
    assert!(first.findings.is_empty(), "{:?}", first.findings);
    assert_ne!(first.steps.hash, run(&short(5)).steps.hash);
}

/// Across processes: a number that nobody computed by hand, but every process comes to.
#[test]
fn a_seed_goes_the_same_way_in_every_process() {
    let mut works = vec![(0, Work::Declare(0)), (1, Work::Declare(1))];
    let publish = Work::Publish { to: None, count: 20, size: 300, persistent: true, priority: 0, ttl: None };
    works.extend([(0, publish), (3, publish), (1, Work::Get { queue: 0, count: 5, no_ack: false })]);
    let beside = vec![Beside::Reclaim(7)];
    let round = |end| Round { seed: 1, restless: 100, works: works.clone(), beside: beside.clone(), end };
    let mut plan = Plan::new(1);
    plan.rounds = vec![round(End::Kill(60)), round(End::Audit), round(End::Stop)];
    let hash = run(&plan).steps.hash;
    // Threads, hash maps and addresses differ from process to process: this one is another each time it is run.
    let again = std::thread::spawn(move || run(&plan).steps.hash).join().expect("runs");
    assert_eq!(hash, again);
}

#[test]
fn findings_are_of_one_sort_whatever_their_numbers() {
    assert_eq!(sort("queue 1 lost 5 messages"), sort("queue 3 lost 17 messages"));
    assert_ne!(sort("queue 1 lost 5 messages"), sort("queue 1 is gone"));
}

/// Every fault that can be named stands in the sources, and every one in the sources can be named.
#[test]
fn faults_have_names_and_places() {
    let mut placed = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests/seeds.rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let names = text.split("is_back(\"").skip(1).filter_map(|rest| rest.split('"').next());
                placed.extend(names.map(str::to_owned));
            }
        }
    }
    let named: BTreeSet<String> = sched::fault::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(placed, named);
    assert!(!sched::fault::put_back("no such fault"));
}
