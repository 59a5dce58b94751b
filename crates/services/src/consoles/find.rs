//! Which proxies a host runs, or should run.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::conf::Conf;
use super::sorts::{self, SORTS, Sort};
use crate::place::Place;
use crate::remedy;
use crate::service::{Kind, Target};
use crate::view::{Process, View};

/// Nova's configuration where packages and TripleO put it, and Kolla's for each proxy; then what Debian's
/// units look at before they start one.
pub(super) const FILES: &[&str] = &[
    "/etc/nova/nova.conf",
    "/etc/kolla/nova-novncproxy/nova.conf",
    "/etc/kolla/nova-spicehtml5proxy/nova.conf",
    "/etc/kolla/nova-serialproxy/nova.conf",
    "/var/lib/config-data/puppet-generated/nova*/etc/nova/nova.conf",
    DEBIAN,
];
const DEBIAN: &str = "/etc/default/nova-consoleproxy";
/// Ours will listen on the same ports.
const OURS: &str = "aileron";
pub(super) const DAEMONS: &[&str] = &["nova-novncproxy", "nova-spicehtml5", "nova-serialprox", OURS];

/// The proxies on a host that run, or that the host is meant to run: at most one of each sort.
pub(super) fn find(view: &View) -> Vec<Target> {
    SORTS.iter().filter_map(|sort| nova(view, sort).or_else(|| ours(view, sort))).collect()
}

fn nova(view: &View, sort: &Sort) -> Option<Target> {
    // A child that has ended stays for a second until it is buried, without a command line.
    let processes: Vec<&Process> =
        view.processes.iter().filter(|one| one.name == sort.daemon && !one.arguments.is_empty()).collect();
    let conf = conf(view, sort, &processes);
    let (host, port) = configured(&conf, sort);
    let Some(first) = processes.first() else {
        // Not whoever listens on that port: HAProxy does so on the same host, in front of the others.
        let evidence = expected(view, sort)?;
        return Some(target(view, sort, &conf, (host, port), evidence));
    };
    // It forks for every connection, and its children have its socket too.
    let mut listens: Vec<SocketAddr> = processes.iter().flat_map(|one| view.listening(one.pid)).collect();
    if listens.is_empty() {
        // Without root nobody says whose socket it is.
        listens.extend(view.listeners.iter().map(|one| one.address).filter(|one| one.port() == port));
    }
    listens.sort_by_key(|one| (!one.ip().is_unspecified(), !one.ip().is_loopback(), *one));
    let place = listens.first().map_or((host, port), |address| View::reachable(*address));
    let mut target = target(view, sort, &conf, place, format!("process {}", first.pid));
    target.seen = true;
    target.settings.insert("connections".to_string(), (processes.len() - 1).to_string());
    Some(target)
}

/// Our own proxy of a sort, if one listens where it is to be.
fn ours(view: &View, sort: &Sort) -> Option<Target> {
    let conf = conf(view, sort, &[]);
    let (_, port) = configured(&conf, sort);
    let (process, address) = view.named(&[OURS]).find_map(|process| {
        let address = view.listening(process.pid).find(|address| address.port() == port)?;
        Some((process, address))
    })?;
    let evidence = format!("process {} of aileron", process.pid);
    let mut target = target(view, sort, &conf, View::reachable(address), evidence);
    target.seen = true;
    target.settings.remove("container");
    target.settings.insert("unit".to_string(), OURS.to_string());
    Some(target)
}

/// What configures a sort: the files that its process names, else Kolla's own for it, else all others.
fn conf(view: &View, sort: &Sort, processes: &[&Process]) -> Conf {
    // In the order of the command line: the last word counts.
    let words = processes.first().into_iter().flat_map(|process| &process.arguments);
    let named: Vec<&String> = words
        .filter_map(|word| {
            let mut files = view.files.iter().filter(|(path, _)| path.ends_with(".conf"));
            files.find(|(path, _)| word == *path || word.ends_with(&format!("={path}")))
        })
        .map(|(_, text)| text)
        .collect();
    let matching = |chosen: &dyn Fn(&str) -> bool| -> Vec<&String> {
        view.files.iter().filter(|(path, _)| chosen(path)).map(|(_, text)| text).collect()
    };
    let own = matching(&|path| sort.containers.iter().any(|name| path.contains(&format!("/kolla/{name}/"))));
    let other = matching(&|path| path.ends_with("/nova.conf") && !path.contains("/kolla/"));
    let mut conf = Conf::default();
    let texts = [named, own, other].into_iter().find(|texts| !texts.is_empty());
    texts.unwrap_or_default().into_iter().for_each(|text| conf.read(text));
    conf
}

/// Where a sort is to listen, as an address to connect to.
fn configured(conf: &Conf, sort: &Sort) -> (String, u16) {
    let [host, port, _] = sort.options;
    let port = conf.get(sort.section, port).and_then(|port| port.parse().ok()).unwrap_or(sort.port);
    let host = match conf.get(sort.section, host) {
        None | Some("0.0.0.0") => "127.0.0.1",
        Some("::") => "::1",
        Some(host) => host,
    };
    (host.to_string(), port)
}

/// Why a proxy that is not seen running should be.
fn expected(view: &View, sort: &Sort) -> Option<String> {
    // Debian enables the units of all three, and they start what this file says.
    let switched_off = view.files.get(DEBIAN).is_some_and(|text| {
        let (name, on) = sort.switch;
        let value = text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        let value = value.unwrap_or_default().trim().trim_matches(['"', '\'']).to_ascii_lowercase();
        !on.contains(&value.as_str())
    });
    let units = if switched_off { &[] } else { sort.units };
    sort.containers.iter().find_map(|container| view.expected(units, container))
}

fn target(view: &View, sort: &Sort, conf: &Conf, (host, port): (String, u16), evidence: String) -> Target {
    let mut settings = BTreeMap::from([("sort".to_string(), sort.key.to_string())]);
    if conf.is_on("DEFAULT", "ssl_only") {
        settings.insert("tls".to_string(), "yes".to_string());
    }
    let [.., url] = sort.options;
    if let Some(path) = conf.get(sort.section, url).and_then(path).filter(|_| !sort.pages.is_empty()) {
        settings.insert("page".to_string(), path);
    }
    remedy::note(&mut settings, view, sort.units, sort.containers);
    Target {
        kind: Kind::Consoles,
        host: view.host.clone(),
        place: Place::Tcp(host, port),
        port: Some(port),
        seen: false,
        evidence,
        settings,
    }
}

/// The path of a URL, which ends up in a request.
fn path(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let path = rest.get(rest.find('/')?..)?.split(['?', '#']).next()?;
    (path.len() > 1 && path.bytes().all(|byte| byte.is_ascii_graphic())).then(|| path.to_string())
}

/// The pages to ask a proxy for: where users are sent, else what its package is known to have.
pub(super) fn pages(target: &Target) -> Vec<String> {
    let setting = |name: &str| target.settings.get(name).map(String::as_str).unwrap_or_default();
    let usual = sorts::of(setting("sort")).map(|sort| sort.pages).unwrap_or_default();
    match setting("page") {
        "" if usual.is_empty() => vec!["/".to_string()],
        "" => usual.iter().map(ToString::to_string).collect(),
        path => vec![path.to_string()],
    }
}
