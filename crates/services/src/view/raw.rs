//! What was read on a host, as text, and the view it makes: the same for this host and one behind ssh.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Listener, Process, View, containers};

/// The text as it was read.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The host's own name, as the kernel has it.
    pub(super) name: String,
    /// `/proc/net/tcp` and `tcp6`.
    pub(super) sockets: String,
    /// `/proc/net/fib_trie`.
    pub(super) routes: String,
    /// `/proc/net/if_inet6`.
    pub(super) addresses6: String,
    /// The processes of known names.
    pub(super) processes: Vec<RawProcess>,
    /// Enabled units.
    pub(super) units: BTreeSet<String>,
    /// Files by path.
    pub(super) files: BTreeMap<String, String>,
    /// Files that could not be read.
    pub(super) denied: BTreeSet<String>,
}

/// One process as it was read.
#[derive(Debug, Default)]
pub(super) struct RawProcess {
    pub(super) pid: u32,
    pub(super) name: String,
    /// The command line, with a zero behind each word.
    pub(super) line: Vec<u8>,
    /// `/proc/PID/cgroup`.
    pub(super) cgroup: String,
    /// The sockets it holds, by inode.
    pub(super) inodes: Vec<u64>,
    /// The monitor of its container, where its ancestors show one: id.
    pub(super) monitored: Option<String>,
}

impl RawProcess {
    /// Its command line.
    pub(super) fn arguments(&self) -> Vec<String> {
        self.line
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }
}

/// A file named by a word of a command line: itself, or behind the equals sign of an option.
pub(super) fn named_file(word: &str) -> Option<&str> {
    let named = word.split_once('=').map_or(word, |(_, value)| value);
    named.starts_with('/').then_some(named)
}

impl Raw {
    /// Addresses that are listened on, with the sockets' inodes.
    pub(super) fn listening(&self) -> Vec<(SocketAddr, u64)> {
        self.sockets.lines().filter_map(listening_line).collect()
    }

    /// The view that it makes.
    pub(super) fn into_view(mut self) -> View {
        let sockets = self.listening();
        let (monitors, processes): (Vec<_>, Vec<_>) =
            self.processes.into_iter().partition(|one| one.name == containers::MONITOR);
        let monitors: Vec<_> = monitors.iter().map(RawProcess::arguments).collect();
        let known = containers::read(&self.files, &monitors);
        self.files
            .retain(|path, _| !path.ends_with("/containers.json") && !path.ends_with("/config.v2.json"));
        let owners: HashMap<u64, u32> = processes
            .iter()
            .flat_map(|process| process.inodes.iter().map(|inode| (*inode, process.pid)))
            .collect();
        let listeners = sockets
            .into_iter()
            .map(|(address, inode)| Listener { address, pid: owners.get(&inode).copied() })
            .collect();
        let mut processes: Vec<_> = processes
            .into_iter()
            .map(|process| Process {
                pid: process.pid,
                arguments: process.arguments(),
                container: containers::id_in(&process.cgroup)
                    .map(ToString::to_string)
                    .or(process.monitored)
                    .map(|id| known.names.get(&id).cloned().unwrap_or(id)),
                name: process.name,
            })
            .collect();
        processes.sort_by_key(|process| process.pid);
        View {
            host: short(&self.name),
            addresses: addresses(&self.routes, &self.addresses6),
            listeners,
            processes,
            containers: known.containers,
            units: self.units,
            files: self.files,
            denied: self.denied,
        }
    }
}

/// A host's name up to the first dot.
fn short(name: &str) -> String {
    name.trim().split('.').next().filter(|name| !name.is_empty()).unwrap_or("localhost").to_string()
}

/// Address and inode of a line of `/proc/net/tcp` whose socket listens (state 0A).
fn listening_line(line: &str) -> Option<(SocketAddr, u64)> {
    let mut words = line.split_ascii_whitespace();
    let local = words.nth(1)?;
    if words.nth(1)? != "0A" {
        return None;
    }
    let inode = words.nth(5)?.parse().ok()?;
    let (address, port) = local.split_once(':')?;
    Some((SocketAddr::new(hex_address(address)?, u16::from_str_radix(port, 16).ok()?), inode))
}

/// The kernel prints an address as 32-bit words in the machine's order.
fn hex_address(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for start in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let sixteen = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some(sixteen.to_ipv4_mapped().map_or(IpAddr::V6(sixteen), IpAddr::V4))
}

/// The host's own addresses: the kernel's table of local routes, and the list of IPv6 addresses.
fn addresses(routes: &str, addresses6: &str) -> Vec<IpAddr> {
    let mut all = BTreeSet::new();
    let mut last = None;
    for line in routes.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last
        {
            all.insert(IpAddr::V4(address));
        }
    }
    for line in addresses6.lines() {
        let digits = line.split_ascii_whitespace().next().unwrap_or_default();
        if let Ok(number) = u128::from_str_radix(digits, 16) {
            all.insert(IpAddr::V6(Ipv6Addr::from(number)));
        }
    }
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_line_gives_address_and_inode() {
        let line = "   1: 0100007F:2B67 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        assert_eq!(listening_line(line), Some(("127.0.0.1:11111".parse().unwrap(), 4711)));
        let connected = line.replace(" 0A ", " 01 ");
        assert_eq!(listening_line(&connected), None);
        assert_eq!(listening_line("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn an_ipv6_line_is_read_and_a_mapped_one_is_ipv4() {
        assert_eq!(hex_address("00000000000000000000000001000000"), Some("::1".parse().unwrap()));
        assert_eq!(hex_address("0000000000000000FFFF00000100007F"), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(hex_address("0100007"), None);
    }
}
