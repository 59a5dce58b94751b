//! What a host shows without being asked: the raw material of discovery.
//!
//! `local` collects it on this host, `remote` by a script on another; both end in `raw`, which makes
//! the view. A view is plain data, so that finding members in it can be tested with recorded ones.

mod containers;
mod local;
mod raw;
pub(crate) mod remote;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use local::{addresses, collect, listener};

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("view: from a script", |bytes| drop(remote::read(&crate::fuzzing::text(bytes)))),
    ("view: containers", containers::fuzzed),
    ("view: members of a view", |bytes| {
        let view =
            serde_json::from_slice::<View>(bytes).or_else(|_| remote::read(&crate::fuzzing::text(bytes)));
        if let Ok(view) = view {
            crate::Kind::ALL.iter().for_each(|kind| drop(kind.examine().find(&view)));
        }
    }),
];

/// TripleO's list of the services of a host, as hiera has it.
pub(crate) const HIERA_SERVICES: &str = "/etc/puppet/hieradata/service_names.json";

/// One host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The host's short name.
    pub host: String,
    /// Its addresses, loopback among them.
    pub addresses: Vec<IpAddr>,
    /// Who listens on TCP.
    pub listeners: Vec<Listener>,
    /// Processes of services we know, in the host's network namespace.
    pub processes: Vec<Process>,
    /// Containers, stopped ones too.
    pub containers: Vec<Container>,
    /// systemd units that start with the host.
    pub units: BTreeSet<String>,
    /// Configuration files by path, those that could be read.
    pub files: BTreeMap<String, String>,
    /// Configuration files that are there and could not be read.
    pub denied: BTreeSet<String>,
}

/// A listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose it is, where that can be seen and the process is one of ours to know.
    pub pid: Option<u32>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number on the host.
    pub pid: u32,
    /// Its name as the kernel has it, at most 15 characters.
    pub name: String,
    /// Its command line.
    pub arguments: Vec<String>,
    /// The container it runs in, by id or name.
    pub container: Option<String>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The image's name.
    pub image: String,
    /// Whether it runs.
    pub running: bool,
    /// The engine: podman or docker.
    pub engine: String,
}

impl View {
    /// The processes of a name.
    pub fn named<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Process> {
        self.processes.iter().filter(move |process| names.contains(&process.name.as_str()))
    }

    /// Where a process listens.
    pub fn listening(&self, pid: u32) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().filter(move |one| one.pid == Some(pid)).map(|one| one.address)
    }

    /// Whether anybody listens on a port.
    pub fn listens_on(&self, port: u16) -> Option<SocketAddr> {
        self.listeners.iter().map(|one| one.address).find(|address| address.port() == port)
    }

    /// The first of the units that is enabled.
    pub fn enabled<'a>(&self, units: &[&'a str]) -> Option<&'a str> {
        units.iter().copied().find(|unit| self.units.contains(*unit))
    }

    /// Why a service that is not seen running should be: an enabled unit, a container of that name which
    /// exists and has stopped, or a deployment tool that gave this host the service. A Pacemaker bundle's
    /// container is called `NAME-bundle-podman-0`.
    pub fn expected(&self, units: &[&str], container: &str) -> Option<String> {
        if let Some(unit) = self.enabled(units) {
            return Some(format!("unit {unit} is enabled"));
        }
        if let Some(unit) = self.wrapper(container) {
            return Some(format!("unit {unit} is enabled"));
        }
        let bundle = format!("{container}-bundle-");
        let stopped = self
            .containers
            .iter()
            .find(|one| (one.name == container || one.name.starts_with(&bundle)) && !one.running);
        if let Some(stopped) = stopped {
            return Some(format!("{} container {} has stopped", stopped.engine, stopped.name));
        }
        let kolla = format!("/etc/kolla/{container}/config.json");
        if self.files.contains_key(&kolla) {
            return Some(format!("Kolla put {kolla} there"));
        }
        self.deployed(&[container]).map(|name| format!("TripleO gave this host the service {name}"))
    }

    /// The unit that starts a container of this name with the host, as TripleO, Kolla or podman writes it.
    pub fn wrapper(&self, container: &str) -> Option<String> {
        let own = [
            format!("tripleo_{container}.service"),
            format!("kolla-{container}-container.service"),
            format!("container-{container}.service"),
        ];
        own.into_iter().find(|unit| self.units.contains(unit))
    }

    /// The first of the services (by TripleO's names) that hiera lists for this host.
    pub fn deployed<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        #[derive(Deserialize)]
        struct Hiera {
            service_names: Vec<String>,
        }
        let text = self.files.get(HIERA_SERVICES)?;
        let listed = serde_json::from_str::<Hiera>(text).ok()?.service_names;
        names.iter().copied().find(|name| listed.iter().any(|one| one == name))
    }

    /// The address to connect to for a socket that listens on `address`: itself, or loopback where it
    /// listens on all.
    pub fn reachable(address: SocketAddr) -> (String, u16) {
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_string(),
            IpAddr::V6(ip) if ip.is_unspecified() => "::1".to_string(),
            ip => ip.to_string(),
        };
        (host, address.port())
    }
}
