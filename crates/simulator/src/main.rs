//! `script/simulate`: seeds one after the other until the time is over, or one of them.
#![allow(clippy::print_stdout, reason = "a tool at a terminal")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simulator::plan::Plan;
use simulator::run::{Outcome, run};
use simulator::shrink::shrink;

const USAGE: &str = "usage: simulator [--seconds N] [--seed S] [--step N] [--runs N] [--long] [--follow MESSAGE] [--fault NAME | --faults]";
/// Findings after which it is enough.
const ENOUGH: usize = 3;

struct Options {
    seconds: u64,
    seed: u64,
    step: u64,
    runs: u64,
    long: bool,
    followed: Option<u64>,
}

fn options() -> Options {
    let mut options = Options { seconds: 10, seed: 1, step: 1, runs: u64::MAX, long: false, followed: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--fault" {
            let name = words.next().unwrap_or_else(|| simulator::end(USAGE));
            if !sched::fault::put_back(&name) {
                simulator::end(&format!("no fault is called {name}: --faults lists them"));
            }
            continue;
        }
        if word == "--faults" {
            sched::fault::ALL.iter().for_each(|(name, what)| println!("{name}: {what}"));
            std::process::exit(0);
        }
        let mut number =
            || words.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| simulator::end(USAGE));
        match word.as_str() {
            "--seconds" => options.seconds = number(),
            "--seed" => options.seed = number(),
            "--step" => options.step = number(),
            "--runs" => options.runs = number(),
            "--follow" => options.followed = Some(number()),
            "--long" => options.long = true,
            _ => simulator::end(USAGE),
        }
    }
    options
}

/// A run that takes so long never ends: somebody holds a lock where it gives way to others.
const TOO_LONG: Duration = Duration::from_secs(120);

/// Ends the process when a run does not.
fn watch(seed: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        loop {
            let before = seed.load(Ordering::SeqCst);
            std::thread::sleep(TOO_LONG);
            if seed.load(Ordering::SeqCst) == before {
                simulator::end(&format!("seed {before}: hangs, or took longer than {TOO_LONG:?}"));
            }
        }
    });
}

fn main() {
    let options = options();
    // What a simulated thread panicked with is a finding, and told as one.
    std::panic::set_hook(Box::new(|_| {}));
    let running = Arc::new(AtomicU64::new(options.seed));
    watch(Arc::clone(&running));
    let began = Instant::now();
    let mut places: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut seed, mut runs, mut steps, mut messages, mut found) = (options.seed, 0, 0, 0, 0);
    while runs < options.runs && found < ENOUGH && began.elapsed() < Duration::from_secs(options.seconds) {
        running.store(seed, Ordering::SeqCst);
        let plan = Plan { followed: options.followed, ..Plan::new(seed) };
        let outcome = run(&plan);
        runs += 1;
        steps += outcome.steps.steps;
        messages += outcome.messages;
        outcome.places.iter().for_each(|(place, count)| *places.entry(*place).or_default() += count);
        if options.runs == 1 {
            println!("seed {seed}: {} rounds, {:?}", outcome.rounds, outcome.steps);
        }
        if !outcome.findings.is_empty() {
            found += 1;
            println!("seed {seed}, after {:.1} s and {runs} runs:", began.elapsed().as_secs_f64());
            tell(&plan, outcome, options.long);
        }
        seed += options.step;
    }
    println!(
        "{runs} runs, seeds {} to {} by {}, {messages} messages, {steps} steps, {:.1} s: {found} findings",
        options.seed,
        seed - options.step.min(seed),
        options.step,
        began.elapsed().as_secs_f64()
    );
    if options.long {
        places.iter().for_each(|(place, count)| println!("{count:10} {place}"));
    }
    std::process::exit(i32::from(found > 0));
}

/// A finding and its history, shortened.
fn tell(plan: &Plan, outcome: Outcome, long: bool) {
    let (plan, outcome) =
        if long { (plan.clone(), outcome) } else { shrink(plan, outcome, Duration::from_secs(20)) };
    outcome.findings.iter().for_each(|finding| println!("  {finding}"));
    println!("  queues: {:?}", plan.queues);
    println!("  memory for messages: {}", plan.memory);
    for (nth, round) in plan.rounds.iter().enumerate() {
        println!("  round {nth} (restless {}) beside {:?} end {:?}", round.restless, round.beside, round.end);
        for (connection, work) in &round.works {
            println!("    connection {connection}: {work:?}");
        }
    }
    outcome.story.iter().for_each(|line| println!("  {line}"));
    println!(
        "  the last points passed: {}",
        outcome.trail[outcome.trail.len().saturating_sub(20)..].join("; ")
    );
}
