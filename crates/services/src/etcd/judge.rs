//! The rules for etcd: a majority with one leader serves; without it nothing is written, nor read safely.

use std::collections::BTreeSet;

use super::{Facts, find};
use crate::answer::Answer;
use crate::place::Place;
use crate::remedy;
use crate::service::{Context, Judgement, Member};
use crate::verdict::{Finding, Risk, Severity};

/// The share of the quota from which on the database is called near it.
const QUOTA_NEAR: f64 = 0.8;
/// How many entries a member may be behind the others; a healthy one is a handful behind.
const BEHIND_MAX: u64 = 5000;

/// A cluster: the members that name the same id, with those that do not answer.
struct Cluster<'a> {
    members: Vec<(usize, &'a Member<Facts>)>,
    /// How many may vote.
    voters: usize,
}

impl<'a> Cluster<'a> {
    fn facts(&self) -> impl Iterator<Item = (&'a Member<Facts>, &'a Facts)> {
        self.members.iter().filter_map(|(_, member)| Some((*member, member.answer.facts()?)))
    }

    /// How many voters answer and follow a leader.
    fn serving(&self) -> usize {
        self.facts().filter(|(_, facts)| facts.leader != 0 && !facts.learner).count()
    }

    fn majority(&self) -> usize {
        self.voters / 2 + 1
    }

    /// The host of a member's id, else the id as etcdctl writes it.
    fn name(&self, id: u64) -> String {
        let own =
            self.facts().find(|(_, facts)| facts.member == id).map(|(member, _)| member.target.host.clone());
        let listed =
            || self.facts().flat_map(|(_, facts)| facts.members.iter().flatten()).find(|one| one.id == id);
        own.or_else(|| listed().map(|one| one.name.clone()).filter(|name| !name.is_empty()))
            .unwrap_or_else(|| format!("{id:x}"))
    }
}

pub(super) fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
    let mut judged = Judgement::default();
    let clusters = clusters(members);
    let mut said: Vec<(Option<usize>, Finding)> = Vec::new();
    let (mut summaries, mut risks) = (Vec::new(), Vec::new());
    for cluster in &clusters {
        said.extend(
            cluster
                .members
                .iter()
                .filter_map(|(index, member)| Some((Some(*index), without_answer(member)?))),
        );
        said.extend(quorum(cluster, context).map(|finding| (None, finding)));
        said.extend(leaders(cluster).map(|finding| (None, finding)));
        said.extend(alarms(cluster).into_iter().map(|finding| (None, finding)));
        said.extend(unstarted(cluster).into_iter().map(|finding| (None, finding)));
        for (index, member) in &cluster.members {
            said.extend(about(cluster, member).into_iter().map(|finding| (Some(*index), finding)));
        }
        summaries.push(summary(cluster));
        risks.push(risk(cluster));
    }
    if let [first, second, ..] = clusters.as_slice() {
        said.push((None, apart(first, second)));
    }
    for (index, member) in members.iter().enumerate() {
        let own = said.iter().filter(|(of, _)| *of == Some(index)).map(|(_, finding)| finding.severity);
        let state = member.state(own);
        judged.members.push(member.verdict(state, role(&member.answer)));
    }
    judged.findings = said.into_iter().map(|(_, finding)| finding).collect();
    judged.summary = summaries.join("; ");
    judged.risk = Risk::all(risks);
    judged
}

fn role(answer: &Answer<Facts>) -> String {
    match answer.facts() {
        None => String::new(),
        Some(facts) if facts.learner => "learner".to_string(),
        Some(facts) if facts.leader == 0 => "no leader".to_string(),
        Some(facts) if facts.leader == facts.member => "leader".to_string(),
        Some(_) => "follower".to_string(),
    }
}

/// Sorts members by their cluster's id. Who does not answer belongs to the cluster that lists its address,
/// else to the largest.
fn clusters(members: &[Member<Facts>]) -> Vec<Cluster<'_>> {
    let ids: BTreeSet<u64> =
        members.iter().filter_map(|member| Some(member.answer.facts()?.cluster)).collect();
    let of = |id: u64| {
        members.iter().filter(move |one| one.answer.facts().is_some_and(|facts| facts.cluster == id))
    };
    let largest = ids.iter().copied().max_by_key(|id| of(*id).count());
    let mut clusters = Vec::new();
    for id in ids.into_iter().map(Some).chain(largest.is_none().then_some(None)) {
        let lists = |id: u64, member: &Member<Facts>| {
            of(id).any(|one| {
                one.answer.facts().and_then(|facts| facts.members.as_ref()).is_some_and(|all| {
                    all.iter().flat_map(|listed| &listed.client_urls).any(|address| is_at(member, address))
                })
            })
        };
        let belongs = |member: &Member<Facts>| match (member.answer.facts(), id) {
            (Some(facts), _) => Some(facts.cluster) == id,
            (None, Some(id)) if lists(id, member) => true,
            (None, _) => {
                id == largest
                    && !members
                        .iter()
                        .filter_map(|one| one.answer.facts())
                        .any(|facts| Some(facts.cluster) != id && lists(facts.cluster, member))
            }
        };
        let own: Vec<_> = members.iter().enumerate().filter(|(_, member)| belongs(member)).collect();
        let listed = own.iter().filter_map(|(_, member)| {
            Some(member.answer.facts()?.members.as_ref()?.iter().filter(|one| !one.learner).count())
        });
        let voters = listed.max().unwrap_or(own.len());
        clusters.push(Cluster { members: own, voters });
    }
    clusters
}

/// Whether a client URL is a member's.
fn is_at(member: &Member<Facts>, address: &str) -> bool {
    let Some((_, host, port)) = find::url(address) else { return false };
    let addresses = member.target.settings.get("addresses").map(String::as_str).unwrap_or_default();
    let named = addresses.split(',').any(|one| one == host) || member.target.host == host;
    let place = matches!(&member.target.place, Place::Tcp(at, _) if *at == host);
    member.target.port == Some(port) && (named || place)
}

fn without_answer(member: &Member<Facts>) -> Option<Finding> {
    let trouble = member.answer.trouble()?;
    let host = &member.target.host;
    let (code, severity, verb) = match &member.answer {
        Answer::Silent { .. } => ("etcd-silent", Severity::Degraded, "restart"),
        Answer::Down { .. } => ("etcd-down", Severity::Degraded, "start"),
        Answer::Denied { .. } => ("etcd-denied", Severity::Unknown, ""),
        _ => ("etcd-broken", Severity::Degraded, "restart"),
    };
    let next = match verb {
        "" => "aileron services --credentials FILE, with ca, cert and key in its section [etcd]".to_string(),
        verb => remedy::service(&member.target, verb),
    };
    let why = if member.target.seen { String::new() } else { format!(" ({})", member.target.evidence) };
    Some(Finding::new(code, severity, host, format!("etcd on {host} {trouble}{why}")).next(next))
}

/// Whether a majority serves.
fn quorum(cluster: &Cluster<'_>, context: &Context) -> Option<Finding> {
    let serving = cluster.serving();
    if serving >= cluster.majority() {
        return None;
    }
    let lost: Vec<String> = cluster
        .members
        .iter()
        .filter(|(_, member)| member.answer.facts().is_none_or(|facts| facts.leader == 0))
        .map(|(_, member)| {
            format!(
                "{} {}",
                member.target.host,
                member.answer.facts().map_or(member.answer.word(), |_| "has no leader")
            )
        })
        .collect();
    let hidden =
        cluster.members.iter().filter(|(_, member)| matches!(member.answer, Answer::Denied { .. })).count();
    let unasked = cluster.voters.saturating_sub(cluster.members.len());
    let can_serve = serving + hidden + if context.missing.is_empty() { 0 } else { unasked };
    let someone_leads = cluster.facts().any(|(_, facts)| facts.leader != 0);
    // A member that follows a leader we could not ask is proof enough that there is a majority.
    let severity = match can_serve >= cluster.majority() || (someone_leads && hidden > 0) {
        true => Severity::Unknown,
        false => Severity::Failed,
    };
    let what = if someone_leads { "no majority" } else { "no leader" };
    let cause = format!(
        "etcd has {what}: {serving} of {} members serve, {} must ({})",
        cluster.voters,
        cluster.majority(),
        lost.join(", ")
    );
    let down = cluster.members.iter().find(|(_, member)| member.answer.facts().is_none());
    let next = down.and_then(|(_, member)| Some(without_answer(member)?.next)).unwrap_or_else(|| {
        "etcdctl endpoint status --cluster -w table, then look at the network between the members".to_string()
    });
    let code = if someone_leads { "etcd-no-quorum" } else { "etcd-no-leader" };
    Some(Finding::new(code, severity, "", cause).next(next))
}

/// Whether those that serve are of one mind, and nobody is left out.
fn leaders(cluster: &Cluster<'_>) -> Option<Finding> {
    let look =
        "etcdctl endpoint status --cluster -w table; if it stays, look at the network between the members";
    let leaders: BTreeSet<u64> =
        cluster.facts().map(|(_, facts)| facts.leader).filter(|id| *id != 0).collect();
    if leaders.len() > 1 {
        let views: Vec<String> = cluster
            .facts()
            .map(|(member, facts)| {
                format!("{} follows {} (term {})", member.target.host, cluster.name(facts.leader), facts.term)
            })
            .collect();
        let cause = format!("the members of etcd follow different leaders: {}", views.join(", "));
        return Some(Finding::new("etcd-leaders-differ", Severity::Degraded, "", cause).next(look));
    }
    let (member, _) = cluster.facts().find(|(_, facts)| facts.leader == 0)?;
    if leaders.is_empty() {
        return None;
    }
    let host = &member.target.host;
    let cause = format!("etcd on {host} sees no leader, and the others have one: it is cut off from them");
    Some(Finding::new("etcd-member-without-leader", Severity::Degraded, host, cause).next(look))
}

/// The standing alarms, each once: all members know of them.
fn alarms(cluster: &Cluster<'_>) -> Vec<Finding> {
    let standing: BTreeSet<&(u64, String)> = cluster.facts().flat_map(|(_, facts)| &facts.alarms).collect();
    let mut findings = Vec::new();
    for (id, kind) in standing {
        let name = cluster.name(*id);
        let own = cluster.facts().find(|(_, facts)| facts.member == *id).map(|(_, facts)| facts);
        let size = own.map_or_else(String::new, |facts| {
            let quota = facts.quota.map_or_else(String::new, |quota| format!(", quota {quota}"));
            format!(" ({} bytes, {} in use{quota})", facts.db.0, facts.db.1)
        });
        let (code, cause, next) = match kind.as_str() {
            "NOSPACE" => (
                "etcd-nospace",
                format!(
                    "etcd refuses all writes: the database on {name} has reached its quota (alarm NOSPACE){size}"
                ),
                "etcdctl compact REVISION, etcdctl defrag --cluster, then etcdctl alarm disarm; or raise --quota-backend-bytes",
            ),
            "CORRUPT" => (
                "etcd-corrupt",
                format!("the data on {name} differs from the other members' (alarm CORRUPT){size}"),
                "etcdctl member remove that member, empty its data folder, and add it again",
            ),
            _ => ("etcd-alarm", format!("etcd has the alarm {kind} on {name}"), "etcdctl alarm list"),
        };
        findings.push(Finding::new(code, Severity::Failed, &name, cause).next(next));
    }
    findings
}

/// Members that were added and have never come: they count for the majority.
fn unstarted(cluster: &Cluster<'_>) -> Vec<Finding> {
    let Some(members) = cluster.facts().find_map(|(_, facts)| facts.members.as_ref()) else {
        return Vec::new();
    };
    members
        .iter()
        .filter(|one| one.client_urls.is_empty() && !one.learner)
        .map(|one| {
            let cause = format!(
                "a member was added and has never started ({:x}); it counts for the majority of {}",
                one.id, cluster.voters
            );
            Finding::new("etcd-unstarted", Severity::Degraded, "", cause)
                .next(format!("start it, or etcdctl member remove {:x}", one.id))
        })
        .collect()
}

fn about(cluster: &Cluster<'_>, member: &Member<Facts>) -> Vec<Finding> {
    let Some(facts) = member.answer.facts() else { return Vec::new() };
    let host = &member.target.host;
    let mut findings = Vec::new();
    if let Some(quota) = facts.quota
        && facts.alarms.is_empty()
        && facts.db.0 as f64 >= quota as f64 * QUOTA_NEAR
    {
        let cause = format!(
            "the database of etcd on {host} has {} of {quota} bytes ({:.0} %), {} of them in use: at the quota all writes are refused",
            facts.db.0,
            facts.db.0 as f64 / quota as f64 * 100.0,
            facts.db.1
        );
        let next = if facts.db.1 < facts.db.0 / 2 {
            "etcdctl defrag --cluster"
        } else {
            "etcdctl compact REVISION, then etcdctl defrag --cluster"
        };
        findings.push(Finding::new("etcd-near-quota", Severity::Degraded, host, cause).next(next));
    }
    if facts.health == Some(false)
        && facts.leader != 0
        && facts.alarms.is_empty()
        && cluster.serving() >= cluster.majority()
    {
        let cause = format!("etcd on {host} has a leader and yet cannot read through it (/health is false)");
        findings.push(
            Finding::new("etcd-unhealthy", Severity::Degraded, host, cause)
                .next("etcdctl endpoint health --cluster"),
        );
    }
    let newest = cluster.facts().map(|(_, other)| other.applied).max().unwrap_or_default();
    if newest.saturating_sub(facts.applied) > BEHIND_MAX {
        let cause = format!("etcd on {host} is {} entries behind the others", newest - facts.applied);
        findings.push(
            Finding::new("etcd-behind", Severity::Degraded, host, cause)
                .next("etcdctl endpoint status --cluster -w table"),
        );
    }
    if facts.learner {
        let cause = format!("etcd on {host} is a learner: it has no vote until it is promoted");
        findings.push(
            Finding::new("etcd-learner", Severity::Notice, host, cause)
                .next(format!("etcdctl member promote {:x}", facts.member)),
        );
    }
    findings
}

fn apart(first: &Cluster<'_>, second: &Cluster<'_>) -> Finding {
    let hosts = |cluster: &Cluster<'_>| {
        let names: Vec<_> = cluster.facts().map(|(member, _)| member.target.host.as_str()).collect();
        names.join(", ")
    };
    let cause = format!(
        "the members of etcd form different clusters: {} one, {} another; one of them was set up anew by itself",
        hosts(first),
        hosts(second)
    );
    let next = "etcdctl endpoint status -w json on each host: compare cluster_id and revision, keep the one with the data";
    Finding::new("etcd-different-clusters", Severity::Degraded, "", cause).next(next)
}

/// "leader controller-0, 3 of 3 members serve".
fn summary(cluster: &Cluster<'_>) -> String {
    let leader = cluster.facts().map(|(_, facts)| facts.leader).find(|id| *id != 0);
    let leader = leader.map_or_else(|| "no leader".to_string(), |id| format!("leader {}", cluster.name(id)));
    format!("{leader}, {} of {} members serve", cluster.serving(), cluster.voters)
}

fn risk(cluster: &Cluster<'_>) -> Risk {
    let (serving, majority) = (cluster.serving(), cluster.majority());
    match serving.checked_sub(majority) {
        None => Risk::carried("nothing can be written until a majority is back"),
        Some(0) if cluster.voters == 1 => Risk::stops("one failure stops etcd: it has a single member"),
        Some(0) => Risk::stops(format!(
            "one more failure stops etcd: {serving} of {} serve, {majority} must",
            cluster.voters
        )),
        Some(1) => Risk::carried("one more failure is carried, a second one stops etcd"),
        Some(spare) => Risk::carried(format!("{spare} more failures are carried, the next one stops etcd")),
    }
}
