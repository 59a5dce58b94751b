//! The reports of all hosts as one list of members, each once.

use crate::answer::Answer;
use crate::service::Observation;

use super::asking::same;
use super::report::Report;

/// A name that no host should have.
const NO_NAME: &str = "localhost";

/// Puts reports together; each comes with the name that the operator has for its host.
///
/// A member is called by its host's own name, which is also what other members call it, unless that name
/// does not tell the hosts apart. What a host says of its own members counts more than what its peers say.
pub(super) fn all(reports: Vec<(String, Report)>) -> Vec<Observation> {
    let names: Vec<String> = reports.iter().map(|(_, report)| report.host.clone()).collect();
    let mut reports: Vec<Report> = reports
        .into_iter()
        .map(|(name, report)| {
            let shared = names.iter().filter(|other| **other == report.host).count() > 1;
            if (shared || report.host == NO_NAME) && !name.is_empty() {
                renamed(report, &name)
            } else {
                report
            }
        })
        .collect();
    let mut peers: Vec<Observation> = Vec::new();
    for peer in reports.iter_mut().flat_map(|report| std::mem::take(&mut report.peers)).collect::<Vec<_>>() {
        if reports.iter().any(|report| report.has(&peer.target)) {
            continue;
        }
        match peers.iter_mut().find(|one| same(&one.target, &peer.target)) {
            Some(one) if one.answer.facts().is_none() && matches!(peer.answer, Answer::Got { .. }) => {
                *one = peer
            }
            Some(_) => {}
            None => peers.push(peer),
        }
    }
    reports.into_iter().flat_map(|report| report.observations).chain(peers).collect()
}

fn renamed(mut report: Report, name: &str) -> Report {
    for observation in &mut report.observations {
        if observation.target.host == report.host {
            observation.target.host = name.to_string();
        }
    }
    report.host = name.to_string();
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::service::{Kind, Target};

    fn observation(host: &str, address: &str, got: bool) -> Observation {
        let target = Target {
            kind: Kind::Memcached,
            host: host.to_string(),
            place: Place::Tcp(address.to_string(), 11211),
            port: Some(11211),
            seen: true,
            evidence: String::new(),
            settings: std::collections::BTreeMap::new(),
        };
        let answer = match got {
            true => Answer::Got { facts: serde_json::Value::Null },
            false => Answer::Down { cause: String::new() },
        };
        Observation { target, answer, took_ms: 0 }
    }

    fn report(host: &str, address: &str, peers: Vec<Observation>) -> Report {
        let own = vec![observation(host, "127.0.0.1", true)];
        let addresses = vec![address.parse().unwrap()];
        Report { version: 1, host: host.to_string(), addresses, observations: own, peers }
    }

    #[test]
    fn a_peer_whose_host_reported_counts_once() {
        let all = all(vec![
            ("c0".to_string(), report("c0", "10.0.0.1", vec![observation("c1", "10.0.0.2", false)])),
            ("c1".to_string(), report("c1", "10.0.0.2", vec![observation("c2", "c2", false)])),
            ("c3".to_string(), report("c3", "10.0.0.4", vec![observation("c2", "c2", true)])),
        ]);
        let seen: Vec<_> = all.iter().map(|one| (one.target.host.as_str(), one.answer.word())).collect();
        assert_eq!(seen, [("c0", "got"), ("c1", "got"), ("c3", "got"), ("c2", "got")]);
    }

    #[test]
    fn hosts_of_one_name_are_told_apart_by_the_operators() {
        let all = all(vec![
            ("ctl-0".to_string(), report("node", "10.0.0.1", vec![])),
            ("ctl-1".to_string(), report("node", "10.0.0.2", vec![])),
        ]);
        let names: Vec<_> = all.iter().map(|one| one.target.host.as_str()).collect();
        assert_eq!(names, ["ctl-0", "ctl-1"]);
    }
}
