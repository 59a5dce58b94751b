//! A plan made shorter, as long as it still finds something of the same sort.

use std::time::{Duration, Instant};

use crate::plan::{End, Plan, Work};
use crate::run::{Outcome, run};

/// A finding without its numbers.
pub fn sort(finding: &str) -> String {
    finding.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}

/// Who goes on when is another matter in a shorter plan: so many throws of the scheduler's dice are tried.
const THROWS: u64 = 3;

fn finds(plan: &Plan, wanted: &str) -> Option<(Plan, Outcome)> {
    (0..THROWS).find_map(|nth| {
        let mut plan = plan.clone();
        plan.rounds.iter_mut().for_each(|round| round.seed ^= nth);
        let outcome = run(&plan);
        outcome.findings.iter().any(|finding| sort(finding) == wanted).then_some((plan, outcome))
    })
}

/// The shortest plan found within the time.
pub fn shrink(plan: &Plan, outcome: Outcome, time: Duration) -> (Plan, Outcome) {
    let until = Instant::now() + time;
    let Some(wanted) = outcome.findings.first().map(|finding| sort(finding)) else {
        return (plan.clone(), outcome);
    };
    let mut best = (plan.clone(), outcome);
    best.0.rounds.truncate(best.1.rounds.max(1));
    loop {
        let before = size(&best.0);
        for candidates in [without_rounds, without_works, without_beside, with_rests, with_fewer] {
            let mut nth = 0;
            while let Some(shorter) = candidates(&best.0, nth).filter(|_| Instant::now() < until) {
                match finds(&shorter, &wanted) {
                    Some(found) => best = found,
                    None => nth += 1,
                }
            }
        }
        if size(&best.0) == before || Instant::now() >= until {
            return best;
        }
    }
}

fn size(plan: &Plan) -> usize {
    plan.rounds.iter().map(|round| 2 + round.works.len() + round.beside.len()).sum::<usize>()
        + plan.rounds.iter().filter(|round| round.end != End::Rest(0)).count()
        + plan.rounds.iter().flat_map(|round| &round.works).map(|(_, work)| counted(*work)).sum::<usize>()
}

/// Messages published by this work.
fn counted(work: Work) -> usize {
    if let Work::Publish { count, .. } = work { count.into() } else { 0 }
}

fn without_rounds(plan: &Plan, nth: usize) -> Option<Plan> {
    let mut shorter = plan.clone();
    (nth < plan.rounds.len()).then(|| shorter.rounds.remove(nth))?;
    Some(shorter)
}

fn without_works(plan: &Plan, nth: usize) -> Option<Plan> {
    let mut shorter = plan.clone();
    let (round, at) = place(plan.rounds.iter().map(|round| round.works.len()), nth)?;
    shorter.rounds[round].works.remove(at);
    Some(shorter)
}

fn without_beside(plan: &Plan, nth: usize) -> Option<Plan> {
    let mut shorter = plan.clone();
    let (round, at) = place(plan.rounds.iter().map(|round| round.beside.len()), nth)?;
    shorter.rounds[round].beside.remove(at);
    Some(shorter)
}

fn with_rests(plan: &Plan, nth: usize) -> Option<Plan> {
    let mut shorter = plan.clone();
    let restless = plan.rounds.iter().enumerate().filter(|(_, round)| round.end != End::Rest(0));
    let (at, _) = restless.clone().nth(nth)?;
    shorter.rounds[at].end = End::Rest(0);
    Some(shorter)
}

fn with_fewer(plan: &Plan, nth: usize) -> Option<Plan> {
    let mut shorter = plan.clone();
    let works = shorter.rounds.iter_mut().flat_map(|round| &mut round.works);
    let (_, work) = works.filter(|(_, work)| counted(*work) > 1).nth(nth)?;
    if let Work::Publish { count, .. } = work {
        *count /= 2;
    }
    Some(shorter)
}

/// The `nth` of all things, by the numbers there are in each round.
fn place(counts: impl Iterator<Item = usize>, mut nth: usize) -> Option<(usize, usize)> {
    for (round, count) in counts.enumerate() {
        if nth < count {
            return Some((round, nth));
        }
        nth -= count;
    }
    None
}
