//! Where a view looks: the names, files and folders that all kinds want, for this host and the script
//! that looks at another.

use std::collections::BTreeSet;

use crate::service::Kind;

/// Where systemd keeps what starts with the host.
pub(super) const UNIT_FOLDERS: &[&str] = &[
    "/etc/systemd/system/*.wants/*",
    "/etc/systemd/system/*.requires/*",
    "/run/systemd/system/*.wants/*",
    "/run/systemd/generator*/*.wants/*",
];
/// What TripleO and Kolla write of every host: which services it has, each container's configuration.
const DEPLOYMENTS: &[&str] = &[super::HIERA_SERVICES, "/etc/kolla/*/config.json"];

/// All names of processes.
pub(super) fn daemons() -> BTreeSet<&'static str> {
    Kind::ALL.iter().flat_map(|kind| kind.examine().daemons()).copied().collect()
}

/// All globs of files.
pub(super) fn files() -> BTreeSet<&'static str> {
    Kind::ALL.iter().flat_map(|kind| kind.examine().files()).chain(DEPLOYMENTS).copied().collect()
}

/// The globs of the kinds that a process of this name belongs to.
pub(super) fn files_of(daemon: &str) -> BTreeSet<&'static str> {
    Kind::ALL
        .iter()
        .map(|kind| kind.examine())
        .filter(|examine| examine.daemons().contains(&daemon))
        .flat_map(super::super::service::Examine::files)
        .copied()
        .collect()
}
