//! Which hosts are members: where Pacemaker runs, or is meant to.

use std::collections::BTreeMap;

use super::PROGRAM;
use crate::place::Place;
use crate::service::{Kind, Target};
use crate::view::View;

/// corosync's configuration, with the list of nodes.
pub(super) const CONFIGURATION: &str = "/etc/corosync/corosync.conf";
/// The daemons, by the kernel's 15 characters of their names.
pub(super) const DAEMONS: &[&str] = &["pacemakerd", "corosync", "pacemaker-remot", "pacemaker_remot"];
const REMOTE: &[&str] = &["pacemaker-remot", "pacemaker_remot"];
const UNITS: &[&str] = &["pacemaker.service", "corosync.service"];

/// The member of a host, if it is one.
pub(super) fn find(view: &View) -> Vec<Target> {
    let process = |names: &[&str]| {
        let mut all = view.processes.iter().filter(|one| names.contains(&one.name.as_str()));
        // Each bundle has a remote daemon in its container, of which the container's host is no remote node.
        all.find(|one| one.container.is_none()).map(|one| one.pid)
    };
    let (mut seen, mut remote) = (true, false);
    let evidence = if let Some(pid) = process(&["pacemakerd"]) {
        format!("process {pid}")
    } else if let Some(pid) = process(&["corosync"]) {
        seen = false;
        format!("corosync is process {pid}")
    } else if let Some(unit) = view.enabled(UNITS) {
        seen = false;
        format!("unit {unit} is enabled")
    } else if let Some(pid) = process(REMOTE) {
        remote = true;
        format!("process {pid}")
    } else if let Some(unit) = view.enabled(&["pacemaker_remote.service"]) {
        (seen, remote) = (false, true);
        format!("unit {unit} is enabled")
    } else {
        return Vec::new();
    };
    let mut settings = BTreeMap::new();
    let addresses: Vec<String> =
        view.addresses.iter().filter(|address| !address.is_loopback()).map(ToString::to_string).collect();
    let nodes = view.files.get(CONFIGURATION).map(|text| nodes(text)).unwrap_or_default();
    let own = nodes.iter().find(|node| {
        node.name() == view.host || node.addresses.iter().any(|address| addresses.contains(address))
    });
    settings.insert("node".to_string(), own.map_or(view.host.clone(), |node| node.name().to_string()));
    settings.insert("nodes".to_string(), nodes.iter().map(Listed::name).collect::<Vec<_>>().join(","));
    settings.insert("addresses".to_string(), addresses.join(","));
    if remote {
        settings.insert("remote".to_string(), "yes".to_string());
    }
    vec![Target {
        kind: Kind::Pacemaker,
        host: view.host.clone(),
        place: Place::Program(PROGRAM.to_string()),
        port: None,
        seen,
        evidence,
        settings,
    }]
}

/// A node of corosync.conf.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    name: Option<String>,
    addresses: Vec<String>,
}

impl Listed {
    /// Its name; without one Pacemaker takes the host's, which the address mostly is.
    pub(super) fn name(&self) -> &str {
        self.name.as_ref().or(self.addresses.first()).map(String::as_str).unwrap_or_default()
    }
}

/// The nodes of a corosync.conf.
pub(super) fn nodes(text: &str) -> Vec<Listed> {
    let mut found = Vec::new();
    let mut inside: Vec<String> = Vec::new();
    let mut node = Listed::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_suffix('{') {
            inside.push(section.trim().to_string());
        } else if line == "}" {
            if inside.pop().as_deref() == Some("node") {
                found.push(std::mem::take(&mut node));
            }
        } else if let Some((key, value)) = line.split_once(':')
            && inside.last().is_some_and(|section| section == "node")
        {
            let value = value.trim().to_string();
            match key.trim() {
                "name" => node.name = Some(value),
                key if key.starts_with("ring") && key.ends_with("_addr") => node.addresses.push(value),
                _ => {}
            }
        }
    }
    found.retain(|node| !node.name().is_empty());
    found
}
