//! Which MONs, MGRs and MDSs a host runs, or should run, and which other MONs theirs know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::config::{Config, Name};
use super::{Facts, setting};
use crate::place::Place;
use crate::service::{Kind, Target};
use crate::view::{Process, View};

/// The configuration, of whatever cluster; and a small file that each MON's folder has, of packages
/// and of cephadm.
pub(super) const FILES: &[&str] =
    &["/etc/ceph/*.conf", "/var/lib/ceph/mon/*/kv_backend", "/var/lib/ceph/*/mon.*/kv_backend"];
/// The processes.
pub(super) const DAEMONS: &[&str] = &["ceph-mon", "ceph-mgr", "ceph-mds"];
/// The three sorts of daemons, and what TripleO calls them.
const SORTS: [(&str, &str); 3] = [("mon", "ceph_mon"), ("mgr", "ceph_mgr"), ("mds", "ceph_mds")];
/// Where MONs listen for the messenger's second version.
const PORT: u16 = 3300;
/// A cluster's name where nothing else is said.
const CLUSTER: &str = "ceph";

/// The members on a host that run, or that the host is meant to run.
pub(super) fn find(view: &View) -> Vec<Target> {
    let mut found: BTreeMap<Name, Target> = BTreeMap::new();
    for process in view.named(DAEMONS) {
        if let Some((name, target)) = running(view, process) {
            found.insert(name, target);
        }
    }
    for (kind, tripleo) in SORTS {
        for Expected { id, evidence, fsid } in expected(view, kind, tripleo) {
            let known = found.keys().any(|name| name.kind == kind && (name.id == id || id.is_empty()));
            if !known {
                let id = if id.is_empty() { view.host.clone() } else { id };
                let name = Name { cluster: cluster(view), kind: kind.to_string(), id };
                let mut target = target(view, &name, &configuration(view, None, &name), evidence);
                target.settings.extend(fsid.map(|fsid| ("unit".to_string(), unit(&name, Some(&fsid)))));
                found.insert(name, target);
            }
        }
    }
    found.into_values().collect()
}

/// The value of an option in any of its forms.
fn option<'a>(process: &'a Process, names: &[&str]) -> Option<&'a str> {
    let mut words = process.arguments.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => return Some(value),
            None if names.contains(&word.as_str()) => return words.next().map(String::as_str),
            _ => {}
        }
    }
    None
}

fn running(view: &View, process: &Process) -> Option<(Name, Target)> {
    let kind = process.name.strip_prefix("ceph-")?.to_string();
    let id = option(process, &["--id", "-i"])
        .or_else(|| option(process, &["--name", "-n"])?.split_once('.').map(|(_, id)| id))
        .unwrap_or(&view.host)
        .to_string();
    let cluster = option(process, &["--cluster"]).unwrap_or(CLUSTER).to_string();
    let name = Name { cluster, kind, id };
    let config = configuration(view, option(process, &["--conf", "-c"]), &name);
    let mut target = target(view, &name, &config, format!("process {}", process.pid));
    target.seen = true;
    if name.kind == "mon" {
        let ports: Vec<_> = view.listening(process.pid).map(|address| address.port()).collect();
        target.port =
            ports.iter().copied().find(|port| *port == PORT).or(ports.iter().copied().min()).or(target.port);
    }
    let option_socket = option(process, &["--admin-socket", "--admin_socket"]).map(ToString::to_string);
    let socket = option_socket.or_else(|| config.of(&name, "admin_socket"));
    let socket = socket.map(|path| path.replace("$pid", &process.pid.to_string()));
    let mut paths = sockets(&name, socket.as_deref());
    let mut folders = vec![String::new()];
    if let Some(container) = &process.container {
        let root = format!("/proc/{}/root", process.pid);
        // In a container these are other paths than on the host, and the host may have its own.
        let mut inside: Vec<_> = paths.iter().map(|path| format!("{root}{path}")).collect();
        inside.extend(fsid_of(container).map(|fsid| format!("/run/ceph/{fsid}/{}", name.socket())));
        inside.append(&mut paths);
        paths = inside;
        folders.insert(0, root);
        let engine = view.containers.iter().find(|one| one.name == *container);
        let engine = engine.map_or("podman", |one| one.engine.as_str());
        target.settings.insert("container".to_string(), format!("{engine} {container}"));
        target.settings.insert("unit".to_string(), unit(&name, fsid_of(container)));
    }
    if let Some(first) = paths.first() {
        target.place = Place::Unix(PathBuf::from(first));
    }
    if name.kind == "mon" {
        target.settings.insert("keyrings".to_string(), keyrings(&name, &config, &folders).join("\n"));
    }
    target.settings.insert("sockets".to_string(), paths.join("\n"));
    Some((name, target))
}

/// Where a daemon's socket may be, on a host or in a container.
fn sockets(name: &Name, configured: Option<&str>) -> Vec<String> {
    match configured {
        Some(path) => vec![path.to_string()],
        // The second for a container where /var/run leads out of it.
        None => vec![format!("/var/run/ceph/{}", name.socket()), format!("/run/ceph/{}", name.socket())],
    }
}

/// The unit that runs a daemon: cephadm's name has the fsid, packages and ceph-ansible have the same.
fn unit(name: &Name, fsid: Option<&str>) -> String {
    match fsid {
        Some(fsid) => format!("ceph-{fsid}@{}.{}", name.kind, name.id),
        None => format!("ceph-{}@{}", name.kind, name.id),
    }
}

/// Keyrings that let in: the administrator's, else the MON's own.
fn keyrings(name: &Name, config: &Config, roots: &[String]) -> Vec<String> {
    let folder = config.of(name, "mon_data").unwrap_or_else(|| name.folder());
    let mut all: Vec<String> =
        roots.iter().map(|root| format!("{root}/etc/ceph/{}.client.admin.keyring", name.cluster)).collect();
    all.extend(roots.iter().map(|root| format!("{root}{folder}/keyring")));
    all
}

/// A daemon's configuration: the file it was started with, else its cluster's.
fn configuration(view: &View, given: Option<&str>, name: &Name) -> Config {
    let usual = format!("/etc/ceph/{}.conf", name.cluster);
    let text = view.files.get(given.unwrap_or(&usual)).map(String::as_str).unwrap_or_default();
    Config::parse(text)
}

/// The cluster's name by the one configuration there is.
fn cluster(view: &View) -> String {
    let mut names = view
        .files
        .keys()
        .filter_map(|path| path.strip_prefix("/etc/ceph/")?.strip_suffix(".conf"))
        .filter(|name| !name.contains('/'));
    match (names.next(), names.next()) {
        (Some(only), None) => only.to_string(),
        _ => CLUSTER.to_string(),
    }
}

/// A daemon that should run.
struct Expected {
    /// Its id; empty if it is not known.
    id: String,
    /// Why it should.
    evidence: String,
    /// The cluster's id, where cephadm's names have it.
    fsid: Option<String>,
}

/// The daemons of a kind that should run.
fn expected(view: &View, kind: &str, tripleo: &str) -> Vec<Expected> {
    let mut all = Vec::new();
    let mut add = |(fsid, id): (Option<&str>, &str), evidence| {
        all.push(Expected { id: id.to_string(), evidence, fsid: fsid.map(ToString::to_string) });
    };
    for unit in &view.units {
        if let Some(named) = in_unit(unit, kind) {
            add(named, format!("unit {unit} is enabled"));
        }
    }
    for one in view.containers.iter().filter(|one| !one.running) {
        if let Some(named) = in_container(&one.name, kind) {
            add(named, format!("{} container {} has stopped", one.engine, one.name));
        }
    }
    for path in view.files.keys().filter(|_| kind == "mon") {
        if let Some(named) = in_folder(path) {
            add(named, format!("its data is in {}", path.trim_end_matches(MARK)));
        }
    }
    if all.is_empty() && view.deployed(&[tripleo]).is_some() {
        let evidence = format!("TripleO gave this host the service {tripleo}");
        all.push(Expected { id: String::new(), evidence, fsid: None });
    }
    all
}

/// `ceph-mon@ID.service` of packages and ceph-ansible, `ceph-FSID@mon.ID.service` of cephadm.
fn in_unit<'a>(unit: &'a str, kind: &str) -> Option<(Option<&'a str>, &'a str)> {
    let (left, right) = unit.strip_suffix(".service")?.strip_prefix("ceph-")?.split_once('@')?;
    match left {
        left if left == kind => Some((None, right)),
        fsid if is_fsid(fsid) => Some((Some(fsid), right.strip_prefix(kind)?.strip_prefix('.')?)),
        _ => None,
    }
}

/// `ceph-mon-ID` of ceph-ansible, `ceph-FSID-mon-ID` of cephadm, with a dot in older releases.
fn in_container<'a>(name: &'a str, kind: &str) -> Option<(Option<&'a str>, &'a str)> {
    let fsid = fsid_of(name);
    let rest = match fsid {
        Some(fsid) => name.strip_prefix("ceph-")?.strip_prefix(fsid)?.strip_prefix('-')?,
        None => name.strip_prefix("ceph-")?,
    };
    let id = rest.strip_prefix(kind)?.strip_prefix(['-', '.']).filter(|id| !id.is_empty())?;
    Some((fsid, id))
}

/// `/var/lib/ceph/mon/CLUSTER-ID` of packages, `/var/lib/ceph/FSID/mon.ID` of cephadm.
fn in_folder(path: &str) -> Option<(Option<&str>, &str)> {
    let folder = path.strip_prefix("/var/lib/ceph/")?.strip_suffix(MARK)?;
    match folder.split_once('/')? {
        ("mon", folder) => folder.split_once('-').map(|(_, id)| (None, id)),
        (fsid, folder) if is_fsid(fsid) => Some((Some(fsid), folder.strip_prefix("mon.")?)),
        _ => None,
    }
}

/// The fsid in the name of a cephadm container.
fn fsid_of(container: &str) -> Option<&str> {
    container.strip_prefix("ceph-")?.get(..FSID).filter(|text| is_fsid(text))
}

/// What each MON's folder has.
const MARK: &str = "/kv_backend";
/// How long an fsid is as text.
const FSID: usize = 36;

fn is_fsid(text: &str) -> bool {
    text.len() == FSID && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// A member that is not seen.
fn target(view: &View, name: &Name, config: &Config, evidence: String) -> Target {
    let mut settings = BTreeMap::from([
        ("daemon".to_string(), name.kind.clone()),
        ("id".to_string(), name.id.clone()),
        ("cluster".to_string(), name.cluster.clone()),
        ("unit".to_string(), unit(name, None)),
    ]);
    let mons = config.global("mon_host").map(hosts);
    settings.extend(mons.map(|count| ("mons".to_string(), count.to_string())));
    settings.extend(config.global("fsid").map(|fsid| ("fsid".to_string(), fsid.to_ascii_lowercase())));
    Target {
        kind: Kind::Ceph,
        host: view.host.clone(),
        place: Place::Unix(PathBuf::from(format!("/var/run/ceph/{}", name.socket()))),
        port: (name.kind == "mon").then_some(PORT),
        seen: false,
        evidence,
        settings,
    }
}

/// How many MONs there are by a configuration: `a,b,c`, or `[v2:a:3300,v1:a:6789],...`.
fn hosts(mon_host: &str) -> usize {
    match mon_host.matches('[').count() {
        0 => mon_host.split([',', ' ', ';']).filter(|one| !one.is_empty()).count(),
        bracketed => bracketed,
    }
}

/// The other MONs of a MON's map.
pub(super) fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
    let Facts::Mon(mon) = facts else { return Vec::new() };
    let own = |name: &str| setting(target, name);
    mon.map
        .mons
        .iter()
        .filter(|other| other.name != mon.name)
        .filter_map(|other| {
            let address = other.address?;
            // Units and keyrings are named alike on all hosts; the keyrings are read on this one.
            let unit = own("unit").strip_suffix(&mon.name).map(|stem| format!("{stem}{}", other.name));
            let mut settings = BTreeMap::from([
                ("daemon".to_string(), "mon".to_string()),
                ("id".to_string(), other.name.clone()),
                ("fsid".to_string(), mon.map.fsid.clone()),
                ("keyrings".to_string(), own("keyrings").to_string()),
            ]);
            settings.extend(unit.map(|unit| ("unit".to_string(), unit)));
            Some(Target {
                kind: Kind::Ceph,
                host: other.name.split('.').next().unwrap_or_default().to_string(),
                place: Place::Tcp(address.ip().to_string(), address.port()),
                port: Some(address.port()),
                seen: true,
                evidence: format!("in the map of the MON on {}", target.host),
                settings,
            })
        })
        .collect()
}
