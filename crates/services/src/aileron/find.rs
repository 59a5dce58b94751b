//! Which brokers of ours a host runs, or should run.

use std::collections::BTreeMap;

use super::PORT;
use crate::place::Place;
use crate::remedy;
use crate::service::{Kind, Target};
use crate::view::{Process, View};

/// The package's configuration.
pub(super) const CONFIG: &str = "/etc/aileron/aileron.toml";
const UNITS: &[&str] = &["aileron.service"];
const CONTAINER: &str = "aileron";
/// Where the data is, where nothing else is said.
const DATA: &str = "/var/lib/aileron";

/// The brokers on a host that run, or that the host is meant to run.
pub(super) fn find(view: &View) -> Vec<Target> {
    let mut found: Vec<Target> = view
        .named(&["aileron"])
        .filter(|process| process.arguments.get(1).is_some_and(|word| word == "serve"))
        .map(|process| running(view, process))
        .collect();
    if found.is_empty()
        && let Some(evidence) = view.expected(UNITS, CONTAINER)
    {
        let said = Said::by(view, &[]);
        let mut target = target(view, said.place(), evidence);
        target.settings.insert("control".to_string(), said.control());
        found.push(target);
    }
    for target in &mut found {
        contest(view, target);
    }
    found
}

fn running(view: &View, process: &Process) -> Target {
    let said = Said::by(view, &process.arguments);
    let configured = said.place();
    let wanted = port(&configured);
    let mut listens: Vec<_> = view.listening(process.pid).collect();
    listens.sort_by_key(|address| (Some(address.port()) != wanted, !address.ip().is_loopback(), *address));
    // Without root nobody says whose socket it is.
    let address = listens.first().copied().or_else(|| view.listens_on(wanted.unwrap_or(PORT)));
    let place = address.map_or(configured, |address| {
        let (host, port) = View::reachable(address);
        Place::Tcp(host, port)
    });
    let mut target = target(view, place, format!("process {}", process.pid));
    target.seen = true;
    let control = said.control();
    let control = match (&process.container, control.starts_with('/')) {
        (Some(_), true) => format!("/proc/{}/root{control}", process.pid),
        (_, false) => format!("/proc/{}/cwd/{control}", process.pid),
        (None, true) => control,
    };
    target.settings.insert("control".to_string(), control);
    target
}

/// What its command line says, else its configuration file.
#[derive(Debug, Default)]
struct Said {
    listen: Option<String>,
    data: Option<String>,
    socket: Option<String>,
}

impl Said {
    fn by(view: &View, arguments: &[String]) -> Said {
        let option = |name: &str| {
            let whole = |word: &String| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_string());
            let place = arguments.iter().position(|word| word == name);
            let behind = place.and_then(|place| arguments.get(place + 1)).cloned();
            behind.or_else(|| arguments.iter().find_map(whole))
        };
        let file = option("--config").unwrap_or_else(|| CONFIG.to_string());
        let text = view.files.get(&file).map(String::as_str).unwrap_or_default();
        let table: toml::Table = toml::from_str(text).unwrap_or_default();
        let key = |section: &str, key: &str| table.get(section).and_then(|section| section.get(key));
        let set = |key: &str| {
            let value = |word: &String| Some(word.strip_prefix(key)?.strip_prefix('=')?.to_string());
            arguments.iter().rev().find_map(value)
        };
        let text = |value: &toml::Value| value.as_str().map(ToString::to_string);
        let first = |value: &toml::Value| value.as_array()?.first()?.as_str().map(ToString::to_string);
        let plain =
            |list: String| list.split(['[', ']', '"', ',']).find(|one| one.contains(':')).map(String::from);
        Said {
            listen: set("broker.listen").and_then(plain).or_else(|| key("broker", "listen").and_then(first)),
            data: set("broker.data_dir")
                .or_else(|| option("--data-dir"))
                .or_else(|| key("broker", "data_dir").and_then(text)),
            socket: set("ctl.socket").or_else(|| key("ctl", "socket").and_then(text)),
        }
    }

    fn place(&self) -> Place {
        let address = self.listen.as_deref().and_then(|address| address.rsplit_once(':'));
        let (host, port) = address
            .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)))
            .unwrap_or(("", PORT));
        let host = if matches!(host, "" | "0.0.0.0" | "::") { "127.0.0.1" } else { host };
        Place::Tcp(host.to_string(), port)
    }

    fn control(&self) -> String {
        let data = self.data.as_deref().unwrap_or(DATA);
        self.socket.clone().unwrap_or_else(|| format!("{data}/ctl.sock"))
    }
}

fn port(place: &Place) -> Option<u16> {
    match place {
        Place::Tcp(_, port) => Some(*port),
        _ => None,
    }
}

/// Notes a RabbitMQ of the same host that wants the same port.
fn contest(view: &View, target: &mut Target) {
    let rival = crate::rabbitmq::find(view).into_iter().find(|one| one.port == target.port);
    if let Some(rival) = rival {
        target.settings.insert("rival".to_string(), rival.evidence);
    }
}

fn target(view: &View, place: Place, evidence: String) -> Target {
    let mut settings = BTreeMap::new();
    remedy::note(&mut settings, view, UNITS, &[CONTAINER]);
    let port = port(&place);
    Target { kind: Kind::Aileron, host: view.host.clone(), place, port, seen: false, evidence, settings }
}
