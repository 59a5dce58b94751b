//! Which servers and arbitrators a host has or should have, and whom their configuration names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::facts::Facts;
use super::options::{self, Options};
use super::{ARBITRATORS, BACKUPS, PORT, SERVERS};
use crate::place::Place;
use crate::service::{Kind, Target};
use crate::view::{Process, View};

/// Debian's and Red Hat's units.
const UNITS: &[&str] = &["mariadb.service", "mysql.service", "mysqld.service", "galera.service"];
const GARB_UNITS: &[&str] = &["garb.service", "garbd.service"];
pub(super) const GARB_FILES: [&str; 2] = ["/etc/default/garb", "/etc/sysconfig/garb"];
/// TripleO's and Kolla's containers.
const CONTAINERS: &[&str] = &["mysql", "mariadb", "galera"];
/// Where packages put the socket: Debian, Red Hat.
const SOCKETS: &[&str] = &["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"];
const DATADIR: &str = "/var/lib/mysql";
/// There once the server was in a cluster.
pub(super) const GRASTATE: &str = "/var/lib/mysql/grastate.dat";
const CIB: &str = "/var/lib/pacemaker/cib/cib.xml";
const NAMES: &str = "/etc/hosts";

pub(super) fn find(view: &View) -> Vec<Target> {
    let mut found: Vec<Target> = view
        .named(SERVERS)
        .filter(|process| !is_tool(process))
        .map(|process| running(view, process))
        .collect();
    if found.is_empty()
        && let Some(evidence) = expected(view)
    {
        let options = options::standard(view);
        found.push(target(view, &options, &[], false, evidence));
    }
    found.extend(view.named(ARBITRATORS).map(|process| arbitrator(view, Some(process))));
    if view.named(ARBITRATORS).next().is_none() && view.enabled(GARB_UNITS).is_some() && garb_is_set_up(view)
    {
        found.push(arbitrator(view, None));
    }
    found
}

/// A server that only prepares something and ends.
fn is_tool(process: &Process) -> bool {
    let ends = ["--wsrep-recover", "--wsrep_recover", "--bootstrap", "--help", "--verbose", "--version"];
    process.arguments.iter().any(|word| ends.contains(&word.as_str()))
}

fn running(view: &View, process: &Process) -> Target {
    let options = options::of_process(view, process);
    let ports: Vec<u16> = view.listening(process.pid).map(|address| address.port()).collect();
    let mut found = target(view, &options, &ports, true, format!("process {}", process.pid));
    // What a container's process calls its socket, seen from the host.
    found.settings.insert("root".to_string(), format!("/proc/{}/root", process.pid));
    if let Some(container) = &process.container {
        found.settings.insert("container".to_string(), container.clone());
    }
    found
}

/// Why a server that does not run should.
fn expected(view: &View) -> Option<String> {
    for container in CONTAINERS {
        if let Some(evidence) = view.expected(UNITS, container) {
            return Some(evidence);
        }
    }
    // A package's own configuration names no cluster: who wrote one meant it, and data are there.
    let in_cluster = options::standard(view)
        .get("wsrep_cluster_address")
        .is_some_and(|address| address.starts_with("gcomm://"));
    (in_cluster && view.files.contains_key(GRASTATE))
        .then(|| format!("its configuration names a cluster and {GRASTATE} is there"))
}

fn target(view: &View, options: &Options, ports: &[u16], seen: bool, evidence: String) -> Target {
    let option = |name: &str| options.get(name).map(String::as_str);
    let configured = option("port").and_then(|port| port.parse().ok());
    // The group's own port (4567) listens too: only a port that is configured, or the usual one, is SQL's.
    let port = configured.or_else(|| ports.contains(&PORT).then_some(PORT)).unwrap_or(PORT);
    let datadir = option("datadir").unwrap_or(DATADIR);
    let sockets: Vec<String> = match option("socket") {
        Some(socket) if socket.starts_with('/') => vec![socket.to_string()],
        Some(socket) => vec![format!("{datadir}/{socket}")],
        None => SOCKETS.iter().map(|socket| (*socket).to_string()).collect(),
    };
    let place = Place::Unix(PathBuf::from(sockets.first().cloned().unwrap_or_default()));
    let mut settings = BTreeMap::from([
        ("datadir".to_string(), datadir.to_string()),
        ("sockets".to_string(), sockets.join(" ")),
        ("tcp".to_string(), bound(option("bind_address"))),
    ]);
    for name in ["wsrep_cluster_address", "wsrep_on", "wsrep_provider", "wsrep_node_name"] {
        if let Some(value) = option(name) {
            settings.insert(name.to_string(), value.to_string());
        }
    }
    if let Some(log) = option("log_error").filter(|log| *log != "ON" && !log.is_empty()) {
        let path = if log.starts_with('/') { log.to_string() } else { format!("{datadir}/{log}") };
        settings.insert("log_error".to_string(), path);
    }
    if let Some(resource) = view.files.get(CIB).and_then(|cib| resource(cib)) {
        settings.insert("resource".to_string(), resource);
    }
    if let Some(stopped) = view.containers.iter().find(|one| CONTAINERS.contains(&one.name.as_str())) {
        settings.insert("engine".to_string(), stopped.engine.clone());
        settings.entry("container".to_string()).or_insert_with(|| stopped.name.clone());
    }
    if let Some(backup) = view.named(BACKUPS).next() {
        settings.insert("backup".to_string(), format!("{} (process {})", backup.name, backup.pid));
    }
    names(view, &mut settings);
    Target { kind: Kind::Mariadb, host: view.host.clone(), place, port: Some(port), seen, evidence, settings }
}

/// The address to connect to for `bind_address`.
fn bound(address: Option<&str>) -> String {
    match address.map(|list| list.split(',').next().unwrap_or(list).trim()) {
        None | Some("*" | "0.0.0.0" | "::" | "") => "127.0.0.1".to_string(),
        Some(address) => address.to_string(),
    }
}

/// Its package enables the unit; who wants an arbitrator names the members in its file.
fn garb_is_set_up(view: &View) -> bool {
    let lines = GARB_FILES.iter().filter_map(|file| view.files.get(*file)).flat_map(|text| text.lines());
    let nodes = lines.filter_map(|line| line.trim().strip_prefix("GALERA_NODES="));
    nodes.map(|value| value.trim_matches(['"', '\'', ' '])).any(|value| !value.is_empty())
}

fn arbitrator(view: &View, process: Option<&Process>) -> Target {
    let evidence = match process {
        Some(process) => format!("process {}", process.pid),
        None => "unit garb.service is enabled".to_string(),
    };
    let settings = BTreeMap::from([("arbitrator".to_string(), "ON".to_string())]);
    Target {
        kind: Kind::Mariadb,
        host: view.host.clone(),
        place: Place::Program("garbd".to_string()),
        port: None,
        seen: process.is_some(),
        evidence,
        settings,
    }
}

/// The name of the Pacemaker resource (the bundle's, where there is one) that runs Galera here.
fn resource(cib: &str) -> Option<String> {
    let at = cib.find(r#"type="galera""#)?;
    let before = cib.get(..at)?;
    let id = |start: usize| before.get(start..)?.split_once(r#" id=""#)?.1.split('"').next();
    let bundle = before.rfind("<bundle ").filter(|start| !cib[*start..at].contains("</bundle>"));
    bundle.or_else(|| before.rfind("<primitive ")).and_then(id).map(str::to_string)
}

/// Notes the names and addresses of the cluster's hosts as `/etc/hosts` has them ("name ADDRESS" = NAME and
/// "address NAME" = ADDRESS): members name each other by either.
fn names(view: &View, settings: &mut BTreeMap<String, String>) {
    let Some(table) = view.files.get(NAMES) else { return };
    let address = settings.get("wsrep_cluster_address").cloned().unwrap_or_default();
    let wanted = options::cluster_hosts(&address);
    for line in table.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next() else { continue };
        let all: Vec<&str> = words.collect();
        let Some(first) = all.first() else { continue };
        if wanted.iter().any(|one| one == address || all.contains(&one.as_str())) {
            let short = first.split('.').next().unwrap_or(first);
            settings.insert(format!("name {address}"), short.to_string());
            for name in all {
                settings.insert(format!("address {name}"), address.to_string());
            }
        }
    }
}

/// The other members that one knows of, those that do not run among them: who is in its view, and who is
/// in its configuration.
pub(super) fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
    let mut found: BTreeMap<String, (u16, Option<String>)> = BTreeMap::new();
    let galera = facts.server.as_ref().map(|server| &server.galera);
    let usual = target.port.unwrap_or(PORT);
    let named: Vec<(Option<&str>, &str)> = galera.map_or_else(Vec::new, |galera| {
        let members = galera.members.iter().map(|(name, address)| (Some(name.as_str()), address.as_str()));
        members.chain(galera.incoming.iter().map(|address| (None, address.as_str()))).collect()
    });
    for (name, address) in named {
        let host = options::host_of(address);
        if host.is_empty() || host == "AUTO" {
            continue;
        }
        // A server that was not told its own port to clients says 0.
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).filter(|port| *port != 0);
        let port = port.unwrap_or(usual);
        let entry = found.entry(resolved(target, &host)).or_insert((port, None));
        if entry.1.is_none() {
            entry.1 = name.map(str::to_string);
        }
    }
    for host in configured(target, facts) {
        found.entry(resolved(target, &host)).or_insert((usual, None));
    }
    let own = galera.map(|galera| galera.name.as_str());
    found
        .into_iter()
        .filter(|(_, (_, name))| name.is_none() || name.as_deref() != own)
        .map(|(address, (port, name))| peer(target, address, port, name))
        .collect()
}

/// The hosts of the cluster by its configuration: what the server runs with, else what its file says.
pub(super) fn configured(target: &Target, facts: &Facts) -> Vec<String> {
    let running = facts.server.as_ref().map(|server| options::cluster_hosts(&server.galera.address));
    match running {
        Some(hosts) if !hosts.is_empty() => hosts,
        _ => {
            let file = target.settings.get("wsrep_cluster_address").map(String::as_str);
            options::cluster_hosts(file.unwrap_or_default())
        }
    }
}

/// The address behind a name, where `/etc/hosts` has it.
fn resolved(target: &Target, host: &str) -> String {
    target.settings.get(&format!("address {host}")).cloned().unwrap_or_else(|| host.to_string())
}

fn peer(target: &Target, address: String, port: u16, name: Option<String>) -> Target {
    let listed = target.settings.get(&format!("name {address}")).cloned();
    Target {
        kind: Kind::Mariadb,
        host: listed.or(name).unwrap_or_else(|| address.clone()),
        place: Place::Tcp(address, port),
        port: Some(port),
        seen: false,
        evidence: format!("member of the cluster of {}", target.host),
        settings: BTreeMap::new(),
    }
}
