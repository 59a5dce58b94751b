//! The MONs: a majority of those in their map must serve.

use std::collections::BTreeSet;

use super::{Known, Said, id, is_gone, mon, setting, without_answer};
use crate::answer::Answer;
use crate::ceph::facts::{Facts, Greeting, Map};
use crate::service::Member;
use crate::verdict::{Finding, Risk, Severity};

/// What came of judging the MONs.
pub(super) struct Quorum {
    /// Whether a majority serves, as far as that is known.
    pub stands: bool,
    pub summary: String,
    pub risk: Risk,
}

/// How many of the MONs serve.
struct Count<'a> {
    /// The newest map that any of them has.
    map: Option<&'a Map>,
    /// How many have a vote.
    voters: usize,
    /// Who leads, as far as anybody in quorum says.
    leader: Option<&'a str>,
    /// Those that surely serve, by name.
    serving: BTreeSet<&'a str>,
    /// How many more may: nobody could ask them, or they let nobody ask.
    hidden: usize,
}

impl Count<'_> {
    fn majority(&self) -> usize {
        self.voters / 2 + 1
    }

    /// Whether enough serve if those do that nobody could ask.
    fn may_stand(&self) -> bool {
        self.serving.len() + self.hidden >= self.majority()
    }
}

pub(super) fn judge(known: &Known<'_>, said: &mut Vec<Said>) -> Quorum {
    let count = count(known);
    // A host that runs only a MGR or a MDS sees no MON.
    if count.voters == 0 {
        return Quorum { stands: false, summary: "no MON seen".to_string(), risk: Risk::default() };
    }
    let stands = count.serving.len() >= count.majority() || (!count.serving.is_empty() && count.may_stand());
    for (index, member) in known.of("mon") {
        said.extend(about(&count, member, stands).map(|finding| (Some(index), finding)));
    }
    if !stands {
        said.extend(no_quorum(known, &count).map(|finding| (None, finding)));
    }
    Quorum { stands, summary: summary(&count, stands), risk: risk(&count, stands) }
}

fn count<'a>(known: &Known<'a>) -> Count<'a> {
    let map = known.mons().map(|mon| &mon.map).max_by_key(|map| map.epoch);
    let members: Vec<_> = known.of("mon").map(|(_, member)| member).collect();
    let configured = members.iter().filter_map(|member| setting(&member.target, "mons").parse().ok()).max();
    let voters = map.map_or_else(|| configured.unwrap_or(0).max(members.len()), |map| map.mons.len());
    let own = known.mons().filter(|mon| mon.in_quorum()).map(|mon| &mon.quorum);
    let greeted = members.iter().filter_map(|member| greeting(member)?.quorum.as_ref());
    let quorums: Vec<&Vec<String>> = own.chain(greeted).filter(|names| !names.is_empty()).collect();
    let listed: BTreeSet<&str> = quorums.iter().flat_map(|names| names.iter()).map(String::as_str).collect();
    let of = |name: &str| members.iter().find(|member| id(member) == name);
    let names: Vec<&str> = match map {
        Some(map) => map.mons.iter().map(|one| one.name.as_str()).collect(),
        None => members.iter().map(|member| id(member)).collect(),
    };
    let (mut serving, mut hidden) = (BTreeSet::new(), voters.saturating_sub(names.len()));
    for name in names {
        match of(name).map(|member| &member.answer) {
            Some(Answer::Got { facts: Facts::Mon(mon) }) if mon.in_quorum() => {
                serving.insert(name);
            }
            // That it greets says that it lives; whether it is in quorum, it and the others.
            Some(Answer::Got { facts: Facts::Greeting(_) }) if listed.contains(name) => {
                serving.insert(name);
            }
            Some(Answer::Got { facts: Facts::Greeting(Greeting { quorum: None }) }) if listed.is_empty() => {
                hidden += 1;
            }
            None | Some(Answer::Denied { .. }) => hidden += 1,
            _ => {}
        }
    }
    // Who leads has the lowest rank in quorum, and a quorum is listed by rank.
    let leader = quorums.first().and_then(|names| names.first()).map(String::as_str);
    Count { map, voters, leader, serving, hidden }
}

fn greeting(member: &Member<Facts>) -> Option<&Greeting> {
    match member.answer.facts()? {
        Facts::Greeting(greeting) => Some(greeting),
        _ => None,
    }
}

/// What is wrong with one MON.
fn about(count: &Count<'_>, member: &Member<Facts>, stands: bool) -> Option<Finding> {
    let host = &member.target.host;
    let known = count.map.is_none_or(|map| map.mons.iter().any(|one| one.name == id(member)));
    if !known && member.answer.facts().is_none() {
        let cause = format!(
            "MON {} on {host} is not in the MONs' map and does not run ({}): what is left of one that was removed",
            id(member),
            member.target.evidence
        );
        let next = format!(
            "on {host}: systemctl disable {}, and move its folder away",
            setting(&member.target, "unit")
        );
        return Some(Finding::new("ceph-mon-removed", Severity::Notice, host, cause).next(next));
    }
    if member.answer.facts().is_none() {
        return without_answer(member, "");
    }
    if !stands || count.serving.contains(id(member)) {
        return None;
    }
    let doing = match mon(member).map(|mon| mon.state.as_str()) {
        Some("probing") => {
            "it looks for the others (probing): cut off from them, or its address is not in their map"
        }
        Some("electing") => "it takes part in an election",
        Some("synchronizing") => "it fetches what it has missed (synchronizing)",
        Some(_) => "it sees another quorum than the others",
        None => "it greets, and the others do not count it in",
    };
    let cause = format!("MON {} on {host} runs and is not in quorum: {doing}", id(member));
    let next = format!(
        "on {host}: ceph daemon mon.{} mon_status; if it stays so, look at the network between the MONs",
        id(member)
    );
    Some(Finding::new("ceph-mon-out-of-quorum", Severity::Degraded, host, cause).next(next))
}

fn no_quorum(known: &Known<'_>, count: &Count<'_>) -> Option<Finding> {
    let gone: Vec<_> = known.of("mon").map(|(_, member)| member).filter(|member| is_gone(member)).collect();
    let denied = known.of("mon").filter(|(_, member)| matches!(member.answer, Answer::Denied { .. })).count();
    let lost: Vec<String> = known
        .of("mon")
        .map(|(_, member)| member)
        .filter(|member| !count.serving.contains(id(member)))
        .map(|member| {
            format!("{} {}", id(member), mon(member).map_or(member.answer.word(), |mon| mon.state.as_str()))
        })
        .collect();
    let (code, severity, rest) = if count.may_stand() {
        let rest = "whether the others are in quorum could not be asked from here";
        ("ceph-quorum-unknown", Severity::Unknown, rest)
    } else if known.mons().any(|mon| mon.state == "electing")
        && count.voters.saturating_sub(gone.len()) >= count.majority()
    {
        ("ceph-electing", Severity::Degraded, "they are electing a leader, and all requests wait for that")
    } else {
        let rest = "no client can log in or learn where its data is, and every ceph command hangs";
        ("ceph-no-quorum", Severity::Failed, rest)
    };
    // Who was denied has said all there is to say.
    if severity == Severity::Unknown && gone.is_empty() && denied > 0 {
        return None;
    }
    let cause = format!(
        "the MONs have no quorum: {} of {} serve, {} must ({}); {rest}",
        count.serving.len(),
        count.voters,
        count.majority(),
        lost.join(", ")
    );
    let cause = match severity {
        Severity::Unknown => {
            cause.replace("the MONs have no quorum", "it is not known whether the MONs have a quorum")
        }
        _ => cause,
    };
    let next = match gone.first().and_then(|member| without_answer(member, "")) {
        Some(finding) => finding.next,
        None => {
            "ceph daemon mon.NAME mon_status on each host with a MON, then look at the network between them"
                .to_string()
        }
    };
    Some(Finding::new(code, severity, "", cause).next(next))
}

/// "leader controller-0, 3 of 3 MONs serve".
fn summary(count: &Count<'_>, stands: bool) -> String {
    let leads = match count.leader.filter(|_| stands) {
        Some(name) => format!("leader {name}"),
        None if count.may_stand() => "quorum not known".to_string(),
        None => "no quorum".to_string(),
    };
    let serving = if stands { count.serving.len() + count.hidden } else { count.serving.len() };
    format!("{leads}, {} of {} MONs serve", serving.min(count.voters), count.voters)
}

fn risk(count: &Count<'_>, stands: bool) -> Risk {
    let (serving, majority) = (count.serving.len() + count.hidden, count.majority());
    match serving.checked_sub(majority) {
        _ if !stands => Risk::carried("nothing new can be opened until a majority of the MONs is back"),
        Some(0) if count.voters == 1 => Risk::stops("one failure stops Ceph: it has a single MON"),
        Some(0) | None => Risk::stops(format!(
            "one more MON lost stops Ceph: {serving} of {} serve, {majority} must",
            count.voters
        )),
        Some(1) => Risk::carried("one more MON lost is carried, a second one stops Ceph"),
        Some(spare) => Risk::carried(format!("{spare} more MONs lost are carried, the next one stops Ceph")),
    }
}
