//! Every reader of outside bytes by name, for the fuzz target `service_answers` and the test below.
//!
//! A room lists its own as `PARSERS`; [`ROOMS`] has a line for each room. What all rooms have in common is
//! here: finding members in whatever a host shows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use crate::inventory::Inventory;
use crate::service::Kind;
use crate::view::{Listener, Process, View};

/// A name, and what reads bytes and must neither panic nor take for ever.
pub type Parser = (&'static str, fn(&[u8]));

/// The lists of all rooms. A new room adds its line.
const ROOMS: &[&[Parser]] = &[
    OWN,
    crate::aileron::PARSERS,
    crate::amqp_greeting::PARSERS,
    crate::ceph::PARSERS,
    crate::etcd::PARSERS,
    crate::haproxy::PARSERS,
    crate::http::PARSERS,
    crate::libvirt::PARSERS,
    crate::mariadb::PARSERS,
    crate::memcached::PARSERS,
    crate::pacemaker::PARSERS,
    crate::rabbitmq::PARSERS,
    crate::redis::PARSERS,
    crate::survey::PARSERS,
    crate::view::PARSERS,
];

const OWN: &[Parser] = &[
    ("find: configuration files", |bytes| find(&text(bytes))),
    ("inventory: ini", |bytes| inventory("hosts.ini", &text(bytes))),
    ("inventory: yaml", |bytes| inventory("hosts.yaml", &text(bytes))),
    ("inventory: either", |bytes| inventory("hosts", &text(bytes))),
];

/// All of them, always in the same order.
pub fn parsers() -> impl Iterator<Item = &'static Parser> {
    ROOMS.iter().copied().flatten()
}

/// Bytes as the rooms make text of them.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn inventory(name: &str, text: &str) {
    if let Ok(inventory) = Inventory::parse(Path::new(name), text) {
        let _ = inventory.hosts(None);
        let _ = inventory.hosts(Some("all"));
    }
}

/// Every kind looks for members on a host where each configuration file has this text, and each daemon runs
/// with its words as arguments.
fn find(text: &str) {
    for kind in Kind::ALL {
        let examine = kind.examine();
        let files: BTreeMap<String, String> =
            examine.files().iter().map(|glob| (glob.replace('*', "x"), text.to_string())).collect();
        let words = text.split_whitespace().take(8).map(ToString::to_string);
        let named = files.keys().next().cloned().into_iter();
        let arguments: Vec<String> =
            ["daemon".to_string(), "-f".to_string()].into_iter().chain(named).chain(words).collect();
        let process = |(pid, name): (u32, &&str)| Process {
            pid,
            name: (*name).to_string(),
            arguments: arguments.clone(),
            container: (pid % 2 == 0).then(|| format!("{name}-bundle-podman-0")),
        };
        let processes: Vec<Process> = (1..).zip(examine.daemons()).map(process).collect();
        let listener = |process: &Process| Listener {
            address: SocketAddr::from(([127, 0, 0, 1], 1000)),
            pid: Some(process.pid),
        };
        let listeners = processes.iter().map(listener).collect();
        let view = View { host: "c0".to_string(), files, processes, listeners, ..View::default() };
        let _ = examine.find(&view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// All recorded answers of all rooms.
    fn recorded(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                recorded(&path, found);
            } else if path.components().any(|part| part.as_os_str() == "recorded") {
                found.push(path);
            }
        }
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<_> = parsers().map(|(name, _)| *name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// Any reader may be given anything: each gets every recorded answer, whole, cut and with bytes changed.
    #[test]
    fn no_reader_panics_on_a_damaged_answer_of_any_service() {
        let mut files = Vec::new();
        recorded(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        assert!(files.len() > 20, "{files:?}");
        for path in files {
            let mut bytes = fs::read(&path).unwrap();
            bytes.truncate(4 << 10);
            for (_, parser) in parsers() {
                parser(&bytes);
                parser(&bytes[..bytes.len() / 2]);
            }
            for place in (0..bytes.len()).step_by(bytes.len() / 8 + 1) {
                bytes[place] ^= 0x95;
            }
            parsers().for_each(|(_, parser)| parser(&bytes));
        }
    }
}
