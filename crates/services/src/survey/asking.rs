//! Asking the members of a host, and those that they know of.
//!
//! The members that others name are asked from the host that named them, whose network leads there. They
//! are asked as soon as all answers are in, or at half time: one frozen member must not leave its peers
//! unasked.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::report::is_among;
use super::{Settings, millis};
use crate::answer::Answer;
use crate::ask::Ask;
use crate::reach::Reach;
use crate::service::{Observation, Target};
use crate::view::View;

/// The most peers that one host asks: nonsense from one daemon must not become a flood.
const PEERS_MAX: usize = 128;

/// Asks all at once; gives the observations of the host's own members, in their order, and of their peers.
pub(super) async fn all(
    settings: &Settings,
    reach: &Arc<Reach>,
    view: &View,
    targets: Vec<Target>,
    deadline: Instant,
) -> (Vec<Observation>, Vec<Observation>) {
    let begun = Instant::now();
    let half = begun + deadline.saturating_duration_since(begun) / 2;
    let mut asking = JoinSet::new();
    let count = targets.len();
    for (index, target) in targets.into_iter().enumerate() {
        spawn(&mut asking, settings, reach, index, target, deadline);
    }
    let mut own: Vec<(usize, Observation)> = Vec::new();
    while let Ok(Some(Ok(one))) = timeout_at(half, asking.join_next()).await {
        own.push(one);
    }
    let mut named: Vec<Target> = Vec::new();
    let mut looked_at = 0;
    let mut peers: Vec<(usize, Observation)> = Vec::new();
    loop {
        let known: Vec<Observation> = own.iter().map(|(_, one)| one.clone()).collect();
        for observation in known.iter().skip(looked_at) {
            for peer in observation.target.kind.examine().peers(observation) {
                let asked = known.iter().any(|one| same(&one.target, &peer))
                    || named.iter().any(|other| same(other, &peer))
                    || is_among(&known, &view.addresses, &view.host, &peer);
                if !asked && named.len() < PEERS_MAX {
                    spawn(&mut asking, settings, reach, count + named.len(), peer.clone(), deadline);
                    named.push(peer);
                }
            }
        }
        looked_at = known.len();
        match asking.join_next().await {
            Some(Ok(one)) if one.0 < count => own.push(one),
            Some(Ok(one)) => peers.push(one),
            // A probe that panicked says nothing; the others still do.
            Some(Err(_)) => {}
            None => break,
        }
    }
    // A late member may turn out to be one that another had named.
    peers.retain(|(_, peer)| !own.iter().any(|(_, one)| same(&one.target, &peer.target)));
    (in_order(own), in_order(peers))
}

fn in_order(mut all: Vec<(usize, Observation)>) -> Vec<Observation> {
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, observation)| observation).collect()
}

/// Whether two targets are one member.
pub(super) fn same(one: &Target, other: &Target) -> bool {
    one.kind == other.kind && one.place == other.place
}

fn spawn(
    asking: &mut JoinSet<(usize, Observation)>,
    settings: &Settings,
    reach: &Arc<Reach>,
    index: usize,
    target: Target,
    deadline: Instant,
) {
    let ask = Ask::new(Arc::clone(reach), Arc::clone(&settings.credentials), deadline);
    asking.spawn(async move {
        let begun = Instant::now();
        let examine = target.kind.examine();
        let answer = match timeout_at(deadline, examine.probe(&target, &ask)).await {
            Ok(Ok(facts)) => Answer::Got { facts },
            Ok(Err(trouble)) => trouble.into(),
            Err(_) => Answer::Silent { doing: ask.last_doing(), after_ms: millis(begun) },
        };
        (index, Observation { target, answer, took_ms: millis(begun) })
    });
}
