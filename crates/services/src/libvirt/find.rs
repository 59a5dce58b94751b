//! The daemon that a host runs, or should run.

use std::collections::BTreeMap;

use crate::place::Place;
use crate::remedy;
use crate::service::{Kind, Target};
use crate::view::View;

/// The daemon for QEMU alone before the one for everything: where both run, instances are the first one's.
pub(super) const DAEMONS: &[&str] = &["virtqemud", "libvirtd"];
/// A unit for the socket starts the daemon for who connects, and it may end when nobody asks it.
const UNITS: &[&str] = &["virtqemud.service", "libvirtd.service", "virtqemud.socket", "libvirtd.socket"];
/// TripleO's, which are Kolla's too, and the folder of Kolla's configuration.
const CONTAINERS: &[&str] = &["nova_virtqemud", "nova_libvirt", "nova-libvirt"];

/// The daemon on a host that runs, or that the host is meant to run; a controller has none.
pub(super) fn find(view: &View) -> Vec<Target> {
    let process =
        DAEMONS.iter().find_map(|daemon| view.processes.iter().find(|process| process.name == *daemon));
    let Some(process) = process else {
        let evidence = CONTAINERS.iter().find_map(|container| view.expected(UNITS, container));
        return evidence
            .map(|evidence| target(view, evidence.contains("virtqemud"), evidence))
            .into_iter()
            .collect();
    };
    let mut target = target(view, process.name == "virtqemud", format!("process {}", process.pid));
    target.seen = true;
    if let Some(name) = &process.container {
        target.settings.insert("root".to_string(), format!("/proc/{}/root", process.pid));
        if let Some(container) = view.containers.iter().find(|one| one.name == *name) {
            target.settings.insert("inside".to_string(), format!("{} {name}", container.engine));
        }
    }
    vec![target]
}

fn target(view: &View, modular: bool, evidence: String) -> Target {
    let socket = if modular { "virtqemud-sock-ro" } else { "libvirt-sock-ro" };
    let mut settings = BTreeMap::new();
    let of_daemon = |unit: &&&str| unit.starts_with("virtqemud") == modular;
    let units: Vec<&str> = UNITS.iter().filter(of_daemon).copied().collect();
    remedy::note(&mut settings, view, &units, CONTAINERS);
    // What hangs is the daemon, whoever has its socket.
    if let Some(unit) = settings.get_mut("unit") {
        *unit = unit.trim_end_matches(".socket").to_string();
    }
    Target {
        kind: Kind::Libvirt,
        host: view.host.clone(),
        place: Place::Unix(format!("/run/libvirt/{socket}").into()),
        port: None,
        seen: false,
        evidence,
        settings,
    }
}
