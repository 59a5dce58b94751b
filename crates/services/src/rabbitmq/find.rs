//! Which nodes a host runs, or should run, and which others they name.

use std::collections::BTreeMap;

use super::config::{self, Config};
use super::{Facts, PORT, TLS_PORT};
use crate::place::Place;
use crate::remedy;
use crate::service::{Kind, Target};
use crate::view::{Container, Process, View};

/// The packages' places, and TripleO's and Kolla's.
pub(super) const FILES: &[&str] = &[
    "/etc/rabbitmq/rabbitmq.conf",
    "/etc/rabbitmq/conf.d/*.conf",
    "/etc/rabbitmq/rabbitmq.config",
    "/etc/rabbitmq/rabbitmq-env.conf",
    "/var/lib/config-data/puppet-generated/rabbitmq/etc/rabbitmq/rabbitmq*.conf*",
    "/etc/kolla/rabbitmq/rabbitmq*.conf",
];
/// The Erlang machine.
pub(super) const DAEMONS: &[&str] = &["beam.smp", "beam"];
const UNITS: &[&str] = &["rabbitmq-server.service"];
const CONTAINER: &str = "rabbitmq";
/// How the names of the containers begin that TripleO has Pacemaker start; also the resource.
pub(super) const BUNDLE: &str = "rabbitmq-bundle";
/// The home of the package's user, which has the cookie.
const HOME: &str = "/var/lib/rabbitmq";
/// The port of the management, where nothing else is said; with TLS it is the one before.
const MANAGEMENT: u16 = 15672;

/// The nodes on a host that run, or that the host is meant to run.
pub(crate) fn find(view: &View) -> Vec<Target> {
    let texts: Vec<&str> = view
        .files
        .iter()
        .filter(|(path, _)| path.contains("/rabbitmq"))
        .map(|(_, text)| text.as_str())
        .collect();
    let config = config::parse(&texts.join("\n"));
    let mut found: Vec<Target> =
        view.named(DAEMONS).filter(|one| is_broker(one)).map(|one| running(view, &config, one)).collect();
    if found.is_empty()
        && let Some(evidence) = expected(view)
    {
        let (place, tls) = configured(&config);
        let mut target = target(view, &config, place, tls, evidence);
        let own = |one: &&Container| one.name == CONTAINER || one.name.starts_with(BUNDLE);
        run_by(view, &mut target, view.containers.iter().find(own));
        found.push(target);
    }
    found
}

/// Why a node should run. TripleO calls the service by what it is for.
fn expected(view: &View) -> Option<String> {
    view.expected(UNITS, CONTAINER).or_else(|| {
        let name = view.deployed(&["oslo_messaging_rpc", "oslo_messaging_notify"])?;
        Some(format!("TripleO gave this host the service {name}"))
    })
}

/// Whether an Erlang machine was started to be the broker: `rabbitmqctl` is one too.
fn is_broker(process: &Process) -> bool {
    process
        .arguments
        .windows(2)
        .any(|two| matches!(two, [option, name] if option == "-s" && name == "rabbit"))
}

fn running(view: &View, config: &Config, process: &Process) -> Target {
    let mut listens: Vec<_> = view.listening(process.pid).collect();
    let with_tls = |port: u16| {
        config.tls.iter().any(|(_, tls)| *tls == port) || (port == TLS_PORT && config.tls.is_empty())
    };
    let plain = |port: u16| match config.plain.is_empty() {
        true => port == PORT,
        false => config.plain.iter().any(|(_, plain)| *plain == port),
    };
    let mut clients: Vec<_> = listens.iter().copied().filter(|one| plain(one.port())).collect();
    clients.extend(listens.iter().copied().filter(|one| with_tls(one.port())));
    if listens.is_empty() {
        // Without root nobody says whose socket it is.
        let (_, port) = config.plain.first().or(config.tls.first()).cloned().unwrap_or((String::new(), PORT));
        clients.extend(view.listens_on(port));
    }
    let (place, tls) = match clients.first() {
        Some(address) => {
            let (host, port) = View::reachable(*address);
            (Place::Tcp(host, port), !plain(port))
        }
        // It is being started, stopped, paused or drained: the other ways in are tried.
        None => configured(config),
    };
    let management = config.management.unwrap_or(MANAGEMENT);
    let page = listens.iter().copied().find(|one| one.port() == management);
    let page = page.or_else(|| view.listens_on(management).filter(|_| listens.is_empty()));
    listens.retain(|one| !clients.contains(one) && Some(*one) != page);
    let mut target = target(view, config, place, tls, format!("process {}", process.pid));
    target.seen = true;
    let spelled = |(host, port): (String, u16)| format!("{host}:{port}");
    let listens: Vec<_> = listens.into_iter().map(|one| spelled(View::reachable(one))).collect();
    target.settings.insert("listens".to_string(), listens.join(","));
    if let Some(page) = page {
        target.settings.insert("management".to_string(), spelled(View::reachable(page)));
    }
    let cookie = format!("{}/.erlang.cookie", home(process));
    let root = process.container.as_ref().map_or_else(String::new, |_| format!("/proc/{}/root", process.pid));
    target.settings.insert("cookie".to_string(), format!("{root}{cookie}"));
    let own = |one: &&Container| process.container.as_ref() == Some(&one.name);
    run_by(view, &mut target, view.containers.iter().find(own));
    target
}

/// Notes how it is started, and the container that its commands are to be run in. Pacemaker starts a bundle's,
/// so no unit does.
fn run_by(view: &View, target: &mut Target, container: Option<&Container>) {
    remedy::note(&mut target.settings, view, UNITS, &[CONTAINER]);
    if let Some(one) = container {
        let name = format!("{} {}", one.engine, one.name);
        if one.name.starts_with(BUNDLE) {
            target.settings.remove("unit");
            target.settings.insert("container".to_string(), name.clone());
        }
        target.settings.insert("inside".to_string(), name);
    }
}

/// The home folder that an Erlang machine is told of by the script that starts it.
fn home(process: &Process) -> &str {
    let place = process.arguments.iter().position(|word| word == "-home");
    place.and_then(|place| process.arguments.get(place + 1)).map_or(HOME, String::as_str)
}

/// Where clients should be taken, and whether by TLS.
fn configured(config: &Config) -> (Place, bool) {
    let tls = config.plain.is_empty() && !config.tls.is_empty();
    let (host, port) = config.plain.first().or(config.tls.first()).cloned().unwrap_or_default();
    let anywhere = matches!(host.as_str(), "" | "0.0.0.0" | "::" | "auto");
    let host = if anywhere { "127.0.0.1".to_string() } else { host };
    (Place::Tcp(host, if port == 0 { PORT } else { port }), tls)
}

fn target(view: &View, config: &Config, place: Place, tls: bool, evidence: String) -> Target {
    let mut settings = BTreeMap::new();
    if tls {
        settings.insert("tls".to_string(), "yes".to_string());
    }
    let nodes: Vec<&str> = config.nodes.iter().map(String::as_str).collect();
    settings.insert("nodes".to_string(), nodes.join(","));
    let port = match &place {
        Place::Tcp(_, port) => Some(*port),
        _ => None,
    };
    Target { kind: Kind::Rabbitmq, host: view.host.clone(), place, port, seen: false, evidence, settings }
}

/// The other nodes: as the cluster lists them, else as the configuration does.
pub(super) fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
    let configured = target.settings.get("nodes").map(String::as_str).unwrap_or_default();
    let (names, why): (Vec<&str>, _) = match &facts.node {
        Some(node) if !node.members.is_empty() => {
            let others = node.members.iter().filter(|name| **name != node.name);
            (others.map(String::as_str).collect(), "lists it")
        }
        _ => (configured.split(',').collect(), "is configured with it"),
    };
    let is_own = |host: &str| host.split('.').next() == target.host.split('.').next();
    names
        .into_iter()
        .filter_map(|name| Some(name.split_once('@')?.1))
        .filter(|host| !host.is_empty() && !is_own(host))
        .map(|host| peer(target, host, why))
        .collect()
}

fn peer(target: &Target, host: &str, why: &str) -> Target {
    // They have one cookie; it is read on the host that names them.
    let kept = ["cookie", "tls"];
    let settings = target.settings.iter().filter(|(name, _)| kept.contains(&name.as_str()));
    let port = target.port.unwrap_or(PORT);
    Target {
        kind: Kind::Rabbitmq,
        host: host.split('.').next().unwrap_or(host).to_string(),
        place: Place::Tcp(host.to_string(), port),
        port: Some(port),
        seen: false,
        evidence: format!("the node on {} {why}", target.host),
        settings: settings
            .map(|(name, value)| (name.clone(), value.clone()))
            .chain([("unit".to_string(), "rabbitmq-server".to_string())])
            .collect(),
    }
}
