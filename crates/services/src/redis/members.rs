//! Who belongs to whom: servers that copy each other's data, and the Sentinels that watch them.

use super::{Address, Facts, Sentinel, Server, Watched};
use crate::answer::Answer;
use crate::place::Place;
use crate::service::Member;

/// A member with the addresses by which others know it.
pub(super) struct Daemon<'a> {
    pub(super) member: &'a Member<Facts>,
    addresses: Vec<Address>,
    pub(super) is_sentinel: bool,
}

impl<'a> Daemon<'a> {
    pub(super) fn new(member: &'a Member<Facts>) -> Daemon<'a> {
        let target = &member.target;
        let mut addresses = Vec::new();
        if let Place::Tcp(host, port) = &target.place {
            addresses.push(Address { host: host.clone(), port: *port });
        }
        let own = target.settings.get("addresses").map(String::as_str).unwrap_or_default();
        for host in own.split(',').filter(|host| !host.is_empty()).chain([target.host.as_str()]) {
            addresses.push(Address { host: host.to_string(), port: target.port.unwrap_or_default() });
        }
        let is_sentinel = match &member.answer {
            Answer::Got { facts } => facts.sentinel().is_some(),
            _ => target.settings.contains_key("sentinel"),
        };
        Daemon { member, addresses, is_sentinel }
    }

    pub(super) fn host(&self) -> &'a str {
        &self.member.target.host
    }

    pub(super) fn server(&self) -> Option<&'a Server> {
        self.member.answer.facts().and_then(Facts::server)
    }

    pub(super) fn sentinel(&self) -> Option<&'a Sentinel> {
        self.member.answer.facts().and_then(Facts::sentinel)
    }

    /// Whether an address that somebody names is this one's.
    pub(super) fn is(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// How an operator calls it from its own host: `redis-cli`, with a port where it is not the usual one.
    pub(super) fn cli(&self) -> String {
        match self.member.target.port {
            Some(port) if port != super::PORT => format!("redis-cli -p {port}"),
            _ => "redis-cli".to_string(),
        }
    }

    /// What brings it back: `verb` is start or restart.
    pub(super) fn service(&self, verb: &str) -> String {
        let settings = &self.member.target.settings;
        let host = self.host();
        if settings.contains_key("pacemaker") && !self.is_sentinel {
            return format!(
                "on {host}: pcs status, then pcs resource cleanup of the resource that runs Redis"
            );
        }
        if let Some((engine, name)) =
            settings.get("container").and_then(|container| container.split_once(' '))
        {
            return format!("on {host}: {engine} {verb} {name}");
        }
        let unit = settings.get("unit").map_or("redis-server", String::as_str);
        format!("on {host}: systemctl {verb} {unit}")
    }
}

/// Servers that share their data, by their index, with the Sentinels that watch them.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) servers: Vec<usize>,
    /// With what the Sentinel says of this group, if it answered.
    pub(super) sentinels: Vec<(usize, Option<&'a Watched>)>,
}

/// Sorts the members into groups.
pub(super) fn groups<'a>(daemons: &[Daemon<'a>]) -> Vec<Group<'a>> {
    let mut label: Vec<usize> = (0..daemons.len()).collect();
    for (index, daemon) in daemons.iter().enumerate() {
        for partner in partners(daemon) {
            let found = daemons.iter().position(|other| !other.is_sentinel && other.is(partner));
            if let Some(other) = found {
                join(&mut label, index, other);
            }
        }
    }
    join_watched(&mut label, daemons);
    join_ports(&mut label, daemons);
    let mut groups: Vec<(usize, Group<'a>)> = Vec::new();
    for (index, (daemon, label)) in daemons.iter().zip(&label).enumerate() {
        if daemon.is_sentinel {
            continue;
        }
        match groups.iter_mut().find(|(of, _)| of == label) {
            Some((_, group)) => group.servers.push(index),
            None => groups.push((*label, Group { servers: vec![index], sentinels: Vec::new() })),
        }
    }
    let mut groups: Vec<Group<'a>> = groups.into_iter().map(|(_, group)| group).collect();
    attach_sentinels(&mut groups, daemons);
    groups
}

/// The servers that a server copies from or to.
fn partners<'a>(daemon: &Daemon<'a>) -> impl Iterator<Item = &'a Address> {
    let server = daemon.server();
    server.into_iter().flat_map(|server| {
        server.replicas.iter().map(|one| &one.address).chain(server.upstream.iter().map(|one| &one.address))
    })
}

fn join(label: &mut [usize], one: usize, other: usize) {
    let (Some(&from), Some(&to)) = (label.get(one), label.get(other)) else { return };
    for each in label.iter_mut().filter(|each| **each == from) {
        *each = to;
    }
}

/// Joins what one Sentinel knows as one primary with its replicas.
fn join_watched(label: &mut [usize], daemons: &[Daemon<'_>]) {
    for watched in daemons.iter().filter_map(Daemon::sentinel).flat_map(|sentinel| &sentinel.watched) {
        let members: Vec<usize> = (0..daemons.len())
            .filter(|index| daemons.get(*index).is_some_and(|one| !one.is_sentinel && watches(watched, one)))
            .collect();
        for (one, other) in members.iter().zip(members.iter().skip(1)) {
            join(label, *one, *other);
        }
    }
}

fn watches(watched: &Watched, server: &Daemon<'_>) -> bool {
    server.is(&watched.primary) || watched.replicas.iter().any(|replica| server.is(&replica.address))
}

/// Joins the servers on the same port of different hosts, and those with the same history of data,
/// unless all of them have always stood alone.
fn join_ports(label: &mut [usize], daemons: &[Daemon<'_>]) {
    let lone = |index: usize| {
        let alone = label.iter().filter(|each| Some(*each) == label.get(index)).count() == 1;
        let server = daemons.get(index).and_then(Daemon::server);
        alone && server.is_some_and(|one| one.primary && one.replicas.is_empty() && one.replids.len() < 2)
    };
    let lone: Vec<bool> = (0..daemons.len()).map(lone).collect();
    for (one, first) in daemons.iter().enumerate().filter(|(_, daemon)| !daemon.is_sentinel) {
        for (other, second) in
            daemons.iter().enumerate().skip(one + 1).filter(|(_, daemon)| !daemon.is_sentinel)
        {
            let port = first.member.target.port;
            let beside = port == second.member.target.port && first.host() != second.host();
            // One that was replicated on that port pulls all others of it in.
            let replicated = daemons
                .iter()
                .zip(&lone)
                .any(|(daemon, lone)| !daemon.is_sentinel && !lone && daemon.member.target.port == port);
            let history = |daemon: &Daemon<'_>| {
                daemon.server().map(|server| server.replids.clone()).unwrap_or_default()
            };
            let shared = history(first).iter().any(|id| history(second).contains(id));
            if shared || (beside && replicated) {
                join(label, one, other);
            }
        }
    }
}

/// A Sentinel belongs to every group it watches; one that does not answer, to all of them.
fn attach_sentinels<'a>(groups: &mut Vec<Group<'a>>, daemons: &[Daemon<'a>]) {
    if groups.is_empty() && daemons.iter().any(|daemon| daemon.is_sentinel) {
        groups.push(Group::default());
    }
    for (index, daemon) in daemons.iter().enumerate().filter(|(_, daemon)| daemon.is_sentinel) {
        for group in groups.iter_mut() {
            let Some(sentinel) = daemon.sentinel() else {
                group.sentinels.push((index, None));
                continue;
            };
            let here = |watched: &&Watched| {
                let mut servers = group.servers.iter().filter_map(|server| daemons.get(*server));
                group.servers.is_empty() || servers.any(|server| watches(watched, server))
            };
            if let Some(watched) = sentinel.watched.iter().find(here) {
                group.sentinels.push((index, Some(watched)));
            }
        }
    }
}
