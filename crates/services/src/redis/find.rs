//! Which daemons a host runs, or should run, and which others they name.

use std::collections::BTreeMap;

use super::config::Config;
use super::{Address, Facts, PORT, SENTINEL_PORT};
use crate::place::Place;
use crate::service::{Kind, Target};
use crate::view::{Process, View};

/// Debian's, Red Hat's, Kolla's and TripleO's places, and TripleO's list of a host's services.
pub(super) const FILES: &[&str] = &[
    "/etc/redis/*.conf",
    "/etc/redis.conf",
    "/etc/redis-sentinel.conf",
    "/etc/kolla/redis/redis.conf",
    "/etc/kolla/redis-sentinel/redis.conf",
    "/var/lib/config-data/puppet-generated/redis/etc/redis.conf",
    "/var/lib/config-data/puppet-generated/redis/etc/redis/redis.conf",
    HIERA,
];
const HIERA: &str = "/etc/puppet/hieradata/service_names.json";

/// What differs between a server and a Sentinel.
struct Sort {
    sentinel: bool,
    port: u16,
    units: &'static [&'static str],
    containers: &'static [&'static str],
    kolla: &'static str,
}

const SORTS: [Sort; 2] = [
    Sort {
        sentinel: false,
        port: PORT,
        units: &["redis-server.service", "redis.service"],
        containers: &["redis", "redis-bundle"],
        kolla: "/etc/kolla/redis/redis.conf",
    },
    Sort {
        sentinel: true,
        port: SENTINEL_PORT,
        units: &["redis-sentinel.service", "sentinel.service"],
        containers: &["redis_sentinel"],
        kolla: "/etc/kolla/redis-sentinel/redis.conf",
    },
];

/// The members on a host that run, or that the host is meant to run.
pub(super) fn find(view: &View) -> Vec<Target> {
    let configs: BTreeMap<&str, Config> = view
        .files
        .iter()
        .filter(|(path, _)| path.contains("redis") || path.contains("sentinel"))
        .filter_map(|(path, text)| Some((path.as_str(), Config::parse(text)?)))
        .collect();
    let mut found = Vec::new();
    for sort in &SORTS {
        let before = found.len();
        for process in view.named(&["redis-server", "redis-sentinel"]) {
            if sort.sentinel == is_sentinel(process)
                && let Some(target) = running(view, sort, process, &configs)
            {
                found.push(target);
            }
        }
        if found.len() == before
            && let Some(evidence) = expected(view, sort)
        {
            found.push(stopped(view, sort, &configs, evidence));
        }
    }
    found
}

/// The daemon writes where it listens over its command line: "redis-server 10.0.0.1:6379 [sentinel]".
fn title(process: &Process) -> Vec<&str> {
    process.arguments.iter().flat_map(|argument| argument.split_whitespace()).collect()
}

fn is_sentinel(process: &Process) -> bool {
    process.name == "redis-sentinel"
        || title(process).iter().any(|word| matches!(*word, "[sentinel]" | "--sentinel"))
}

fn running(view: &View, sort: &Sort, process: &Process, configs: &BTreeMap<&str, Config>) -> Option<Target> {
    let titled = title(process).get(1).and_then(|word| word.rsplit_once(':')?.1.parse::<u16>().ok());
    let mut listens: Vec<_> = view.listening(process.pid).collect();
    if listens.is_empty() {
        // Without root nobody says whose socket it is.
        listens.extend(
            view.listeners
                .iter()
                .map(|one| one.address)
                .filter(|one| one.port() == titled.unwrap_or(sort.port)),
        );
    }
    // Its own port before a cluster bus, and loopback first: a server without a password lets nobody else in.
    listens.sort_by_key(|address| (Some(address.port()) != titled, !address.ip().is_loopback(), *address));
    let port = listens.first().map(|address| address.port()).or(titled).unwrap_or(sort.port);
    let own = |config: &&Config| {
        config.sentinel == sort.sentinel && (config.port == port || config.tls_port == Some(port))
    };
    let place = match listens.first() {
        Some(address) => {
            let (host, port) = View::reachable(*address);
            Place::Tcp(host, port)
        }
        None => Place::Unix(
            configs
                .values()
                .find(|one| one.sentinel == sort.sentinel && one.port == 0)?
                .socket
                .clone()?
                .into(),
        ),
    };
    let mut target = target(view, sort, place, port, format!("process {}", process.pid));
    target.seen = true;
    let paths: Vec<&str> = configs.iter().filter(|(_, config)| own(config)).map(|(path, _)| *path).collect();
    if configs.values().filter(own).any(|config| config.tls_port == Some(port)) {
        target.settings.insert("tls".to_string(), "yes".to_string());
    }
    target.settings.insert("config".to_string(), paths.join(":"));
    Some(target)
}

/// Why a daemon that is not seen running should be.
fn expected(view: &View, sort: &Sort) -> Option<String> {
    if let Some(unit) = view.enabled(sort.units) {
        return Some(format!("unit {unit} is enabled"));
    }
    if let Some(container) = view.containers.iter().find(|one| !one.running && is_ours(sort, &one.name)) {
        return Some(format!("{} container {} has stopped", container.engine, container.name));
    }
    if view.files.contains_key(sort.kolla) || view.denied.contains(sort.kolla) {
        return Some(format!("Kolla has configured it ({})", sort.kolla));
    }
    // TripleO runs it under Pacemaker, without Sentinels.
    let listed = view.files.get(HIERA).is_some_and(|text| text.contains("\"redis\""));
    (listed && !sort.sentinel).then(|| format!("{HIERA} lists redis"))
}

/// Pacemaker's containers are called redis-bundle-podman-0 and the like.
fn is_ours(sort: &Sort, container: &str) -> bool {
    sort.containers.iter().any(|name| {
        container
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || (*name == "redis-bundle" && rest.starts_with('-')))
    })
}

fn stopped(view: &View, sort: &Sort, configs: &BTreeMap<&str, Config>, evidence: String) -> Target {
    let config = configs.iter().find(|(_, config)| config.sentinel == sort.sentinel);
    let port = config.map(|(_, config)| config.port).filter(|port| *port > 0).unwrap_or(sort.port);
    // An address of its own if it will not be on loopback: "*" and the like mean all.
    let bound = config.and_then(|(_, config)| {
        let any =
            |one: &String| matches!(one.as_str(), "127.0.0.1" | "0.0.0.0" | "*" | "::" | "::*" | "localhost");
        (!config.bind.is_empty() && !config.bind.iter().any(any)).then(|| config.bind.first().cloned())?
    });
    let host = bound.unwrap_or_else(|| "127.0.0.1".to_string());
    let mut target = target(view, sort, Place::Tcp(host, port), port, evidence);
    target
        .settings
        .insert("config".to_string(), config.map(|(path, _)| *path).unwrap_or_default().to_string());
    target
}

fn target(view: &View, sort: &Sort, place: Place, port: u16, evidence: String) -> Target {
    let mut settings = BTreeMap::new();
    let addresses: Vec<String> =
        view.addresses.iter().filter(|address| !address.is_loopback()).map(ToString::to_string).collect();
    settings.insert("addresses".to_string(), addresses.join(","));
    if sort.sentinel {
        settings.insert("sentinel".to_string(), "yes".to_string());
    }
    if let Some(container) = view.containers.iter().find(|one| is_ours(sort, &one.name)) {
        settings.insert("container".to_string(), format!("{} {}", container.engine, container.name));
    } else {
        let unit = view.enabled(sort.units).or(sort.units.first().copied()).unwrap_or_default();
        settings.insert("unit".to_string(), unit.trim_end_matches(".service").to_string());
    }
    let pacemaker = |process: &Process| process.name.starts_with("pacemaker");
    if view.processes.iter().any(pacemaker)
        || view.containers.iter().any(|one| one.name.starts_with("redis-bundle"))
    {
        settings.insert("pacemaker".to_string(), "yes".to_string());
    }
    Target {
        kind: Kind::Redis,
        host: view.host.clone(),
        place,
        port: Some(port),
        seen: false,
        evidence,
        settings,
    }
}

/// Members that this one knows of: a server its partners, a Sentinel everybody.
pub(super) fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
    let here = &target.host;
    let mut named: Vec<(&Address, bool, String)> = Vec::new();
    match facts {
        Facts::Server(server) => {
            named.extend(
                server
                    .replicas
                    .iter()
                    .map(|one| (&one.address, false, format!("{here} has it as a replica"))),
            );
            named.extend(
                server.upstream.iter().map(|one| (&one.address, false, format!("{here} follows it"))),
            );
        }
        Facts::Sentinel(sentinel) => {
            for watched in &sentinel.watched {
                let by = format!("the Sentinel on {here} knows it");
                named.push((&watched.primary, false, by.clone()));
                named.extend(watched.replicas.iter().map(|one| (&one.address, false, by.clone())));
                named.extend(watched.sentinels.iter().map(|one| (&one.address, true, by.clone())));
            }
        }
    }
    // Its own loopback means nothing to others.
    named.retain(|(address, ..)| {
        address.port > 0 && !matches!(address.host.as_str(), "" | "127.0.0.1" | "::1" | "localhost")
    });
    named.into_iter().map(|(address, sentinel, evidence)| peer(target, address, sentinel, evidence)).collect()
}

fn peer(target: &Target, address: &Address, sentinel: bool, evidence: String) -> Target {
    let mut settings = BTreeMap::new();
    // Their passwords are most likely in a file of the same name.
    for kept in ["config", "pacemaker"] {
        if let Some(value) = target.settings.get(kept) {
            settings.insert(kept.to_string(), value.clone());
        }
    }
    let [server, watcher] = &SORTS;
    let sort = if sentinel { watcher } else { server };
    if sentinel {
        settings.insert("sentinel".to_string(), "yes".to_string());
    }
    if let Some(unit) = sort.units.first() {
        settings.insert("unit".to_string(), unit.trim_end_matches(".service").to_string());
    }
    Target {
        kind: Kind::Redis,
        host: address.host.clone(),
        place: Place::Tcp(address.host.clone(), address.port),
        port: Some(address.port),
        seen: false,
        evidence,
        settings,
    }
}
