//! Which servers a host runs, or should run.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::PORT;
use crate::place::Place;
use crate::remedy;
use crate::service::{Kind, Target};
use crate::view::{Process, View};

/// Debian's and Red Hat's unit.
const UNITS: &[&str] = &["memcached.service"];
/// TripleO's and Kolla's container.
const CONTAINER: &str = "memcached";

/// The servers on a host that run, or that the host is meant to run.
pub(super) fn find(view: &View) -> Vec<Target> {
    let mut found: Vec<Target> =
        view.named(&["memcached"]).filter_map(|process| running(view, process)).collect();
    if found.is_empty()
        && let Some(evidence) = view.expected(UNITS, CONTAINER)
    {
        found.push(target(view, Place::Tcp("127.0.0.1".to_string(), PORT), evidence));
    }
    found
}

fn running(view: &View, process: &Process) -> Option<Target> {
    let options = Options::read(process);
    let mut listens: Vec<SocketAddr> = view.listening(process.pid).collect();
    if listens.is_empty() {
        // Without root nobody says whose socket it is.
        listens.extend(view.listens_on(options.port.unwrap_or(PORT)));
    }
    listens.sort_by_key(|address| (!address.ip().is_loopback(), *address));
    let place = match (listens.first(), options.socket) {
        (Some(address), _) => {
            let (host, port) = View::reachable(*address);
            Place::Tcp(host, port)
        }
        (None, Some(path)) => Place::Unix(path.into()),
        (None, None) => return None,
    };
    let mut target = target(view, place, format!("process {}", process.pid));
    target.seen = true;
    for (said, name) in [(options.tls, "tls"), (options.sasl, "sasl")] {
        if said {
            target.settings.insert(name.to_string(), "yes".to_string());
        }
    }
    Some(target)
}

/// What its command line says.
#[derive(Default)]
struct Options {
    port: Option<u16>,
    socket: Option<String>,
    tls: bool,
    sasl: bool,
}

impl Options {
    fn read(process: &Process) -> Options {
        let mut options = Options::default();
        let mut words = process.arguments.iter().skip(1).map(String::as_str);
        while let Some(word) = words.next() {
            let (name, joined) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ if word.starts_with("--") => (word, None),
                // "-p 11311" and "-p11311".
                _ => match word.split_at_checked(2) {
                    Some((name, value)) => (name, Some(value).filter(|value| !value.is_empty())),
                    None => continue,
                },
            };
            match name {
                "-p" | "--port" => {
                    options.port = joined.or_else(|| words.next()).and_then(|port| port.parse().ok());
                }
                "-s" | "--unix-socket" => {
                    options.socket = joined.or_else(|| words.next()).map(str::to_string);
                }
                "-Z" | "--enable-ssl" => options.tls = true,
                "-S" | "--enable-sasl" => options.sasl = true,
                _ => {}
            }
        }
        options
    }
}

pub(super) fn target(view: &View, place: Place, evidence: String) -> Target {
    let port = match &place {
        Place::Tcp(_, port) => Some(*port),
        _ => None,
    };
    let mut settings = BTreeMap::new();
    remedy::note(&mut settings, view, UNITS, &[CONTAINER]);
    Target { kind: Kind::Memcached, host: view.host.clone(), place, port, seen: false, evidence, settings }
}
