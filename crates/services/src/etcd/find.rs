//! Which members a host runs, or should run, and which others they name.

use std::collections::BTreeMap;

use super::{Facts, PORT};
use crate::place::Place;
use crate::remedy;
use crate::service::{Kind, Target};
use crate::view::{Process, View};

/// Debian's and Red Hat's places; a file named by --config-file is read too.
pub(super) const FILES: &[&str] =
    &["/etc/default/etcd", "/etc/etcd/etcd.conf", "/etc/etcd/etcd.conf.y*ml", "/etc/etcd.env"];
const UNITS: &[&str] = &["etcd.service", "etcd2.service"];
const CONTAINER: &str = "etcd";

/// The members on a host that run, or that the host is meant to run.
pub(super) fn find(view: &View) -> Vec<Target> {
    let mut found: Vec<Target> = view.named(&["etcd"]).filter_map(|process| running(view, process)).collect();
    if found.is_empty()
        && let Some(evidence) = view.expected(UNITS, CONTAINER)
    {
        let said = said(view, None);
        let (scheme, host, port) =
            said.get("listen-client-urls").and_then(|urls| first(urls)).unwrap_or_default();
        let host =
            if matches!(host.as_str(), "" | "0.0.0.0" | "::") { "127.0.0.1".to_string() } else { host };
        let port = if port == 0 { PORT } else { port };
        found.push(target(view, &said, scheme, Place::Tcp(host, port), port, evidence));
    }
    found
}

fn running(view: &View, process: &Process) -> Option<Target> {
    let said = said(view, Some(process));
    let urls: Vec<_> =
        said.get("listen-client-urls").into_iter().flat_map(|urls| urls.split(',')).filter_map(url).collect();
    let peers: Vec<_> =
        said.get("listen-peer-urls").into_iter().flat_map(|urls| urls.split(',')).filter_map(url).collect();
    let mut listens: Vec<_> = view.listening(process.pid).collect();
    if listens.is_empty() {
        // Without root nobody says whose socket it is.
        listens.extend(view.listens_on(urls.first().map_or(PORT, |(.., port)| *port)));
    }
    let is_peer = |port: u16| {
        if peers.is_empty() { port == PORT + 1 } else { peers.iter().any(|(.., peer)| *peer == port) }
    };
    listens.retain(|address| !is_peer(address.port()));
    let configured =
        |port: u16| urls.iter().any(|(.., wanted)| *wanted == port) || (urls.is_empty() && port == PORT);
    listens.sort_by_key(|address| (!configured(address.port()), !address.ip().is_loopback(), *address));
    let (host, port) = View::reachable(*listens.first()?);
    // What is not said is taken for the scheme of any other client URL.
    let scheme =
        urls.iter().find(|(.., wanted)| *wanted == port).or(urls.first()).map(|(scheme, ..)| scheme.clone());
    let evidence = format!("process {}", process.pid);
    let mut target = target(view, &said, scheme.unwrap_or_default(), Place::Tcp(host, port), port, evidence);
    target.seen = true;
    Some(target)
}

/// What the command line, the environment file or the configuration file says, by the options' names.
fn said(view: &View, process: Option<&Process>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let arguments = process.map(|process| process.arguments.as_slice()).unwrap_or_default();
    let named = |path: &String| arguments.iter().any(|argument| argument.ends_with(path.as_str()));
    let files = view.files.iter().filter(|(path, _)| path.contains("etcd") || named(path));
    for line in files.flat_map(|(_, text)| text.lines()).map(str::trim).filter(|line| !line.starts_with('#'))
    {
        let pair = line
            .split_once('=')
            .filter(|(name, _)| name.starts_with("ETCD_"))
            .or_else(|| line.split_once(": "));
        if let Some((name, value)) = pair {
            let name = name.trim_start_matches("ETCD_").to_ascii_lowercase().replace('_', "-");
            all.insert(name, value.trim().trim_matches(['"', '\'']).to_string());
        }
    }
    let mut words = arguments.iter().skip(1).map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
        match option.split_once('=') {
            Some((name, value)) => _ = all.insert(name.to_string(), value.to_string()),
            None => {
                if let Some(value) = words.next_if(|next| !next.starts_with('-')) {
                    all.insert(option.to_string(), value.to_string());
                }
            }
        }
    }
    all
}

/// The first address of a list of URLs.
fn first(urls: &str) -> Option<(String, String, u16)> {
    urls.split(',').find_map(url)
}

/// Scheme, host without brackets, port.
pub(super) fn url(url: &str) -> Option<(String, String, u16)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let (host, port) = rest.split('/').next()?.rsplit_once(':')?;
    Some((scheme.to_string(), host.trim_matches(['[', ']']).to_string(), port.parse().ok()?))
}

fn target(
    view: &View,
    said: &BTreeMap<String, String>,
    scheme: String,
    place: Place,
    port: u16,
    evidence: String,
) -> Target {
    let mut settings = BTreeMap::new();
    let addresses: Vec<String> =
        view.addresses.iter().filter(|address| !address.is_loopback()).map(ToString::to_string).collect();
    settings.insert("addresses".to_string(), addresses.join(","));
    if scheme == "https" {
        settings.insert("scheme".to_string(), scheme);
        for name in ["trusted-ca-file", "cert-file", "key-file"] {
            if let Some(path) = said.get(name) {
                settings.insert(name.to_string(), path.clone());
            }
        }
    }
    if let Some(everyone) = said.get("initial-cluster") {
        settings.insert("initial-cluster".to_string(), everyone.clone());
    }
    remedy::note(&mut settings, view, UNITS, &[CONTAINER]);
    Target {
        kind: Kind::Etcd,
        host: view.host.clone(),
        place,
        port: Some(port),
        seen: false,
        evidence,
        settings,
    }
}

/// The other members: as the cluster lists them, else as the configuration did when it began.
pub(super) fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
    let mut found = Vec::new();
    match &facts.members {
        Some(members) => {
            for member in members.iter().filter(|member| member.id != facts.member) {
                found.extend(member.client_urls.first().and_then(|address| url(address)));
            }
        }
        None => {
            let everyone = target.settings.get("initial-cluster").map(String::as_str).unwrap_or_default();
            let own = target.settings.get("addresses").map(String::as_str).unwrap_or_default();
            let scheme = target.settings.get("scheme").cloned().unwrap_or_default();
            let hosts = everyone.split(',').filter_map(|one| Some(url(one.split_once('=')?.1)?.1));
            // Their peer port says nothing of the clients' one: it is most likely the same on all.
            found.extend(
                hosts
                    .filter(|host| !own.split(',').any(|one| one == host))
                    .map(|host| (scheme.clone(), host, target.port.unwrap_or(PORT))),
            );
        }
    }
    let loopback = |host: &str| matches!(host, "127.0.0.1" | "::1" | "localhost" | "0.0.0.0");
    found.retain(|(_, host, port)| !loopback(host) || Some(*port) != target.port);
    found.into_iter().map(|(scheme, host, port)| peer(target, &scheme, host, port)).collect()
}

fn peer(target: &Target, scheme: &str, host: String, port: u16) -> Target {
    let mut settings = BTreeMap::new();
    if scheme == "https" {
        settings.insert("scheme".to_string(), scheme.to_string());
        for name in ["trusted-ca-file", "cert-file", "key-file"] {
            if let Some(path) = target.settings.get(name) {
                settings.insert(name.to_string(), path.clone());
            }
        }
    }
    Target {
        kind: Kind::Etcd,
        host: host.clone(),
        place: Place::Tcp(host, port),
        port: Some(port),
        seen: false,
        evidence: format!("the member on {} lists it", target.host),
        settings,
    }
}
