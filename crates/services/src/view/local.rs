//! The view of the host this process runs on, from `/proc`, `/etc` and the container engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::{Listener, Process, View};
use crate::reach::FILE_MAX;
use crate::service::Kind;

/// Looks at this host. What may not be seen is left out: discovery works without root as far as it goes.
pub fn collect(host: &str) -> View {
    let daemons: BTreeSet<&str> =
        Kind::ALL.iter().flat_map(|kind| kind.examine().daemons()).copied().collect();
    let processes = processes(&daemons);
    let mut view = View { host: host.to_string(), units: units(), ..View::default() };
    view.listeners = listeners(&processes);
    let globs = Kind::ALL.iter().flat_map(|kind| kind.examine().files());
    for path in globs.filter_map(|pattern| glob::glob(pattern).ok()).flatten().flatten() {
        take(&mut view, &path);
    }
    for argument in processes.iter().flat_map(|process| &process.arguments) {
        // Options like --defaults-file=/etc/my.cnf name a file behind the equals sign.
        let named = argument.split_once('=').map_or(argument.as_str(), |(_, value)| value);
        if named.starts_with('/') {
            take(&mut view, Path::new(named));
        }
    }
    view.addresses = addresses();
    view.processes = processes;
    view
}

fn take(view: &mut View, path: &Path) {
    let name = path.display().to_string();
    if view.files.contains_key(&name) || !fs::metadata(path).is_ok_and(|about| about.is_file()) {
        return;
    }
    let mut bytes = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes)) {
        Ok(_) if !bytes.contains(&0) => {
            view.files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(_) => {}
        Err(_) => {
            view.denied.insert(name);
        }
    }
}

/// Processes of known names in our own network namespace: another namespace is another host's, or a
/// network of containers that cannot be reached as the host is.
fn processes(daemons: &BTreeSet<&str>) -> Vec<Process> {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let folder = entry.path();
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        let name = name.trim_end().to_string();
        if !daemons.contains(name.as_str()) {
            continue;
        }
        // Without root the namespace of another user's process cannot be read: take it for ours.
        let theirs = fs::read_link(folder.join("ns/net")).ok();
        if theirs.is_some() && theirs != own {
            continue;
        }
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        let arguments: Vec<String> = line
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        found.push(Process { pid, name, arguments, container: None });
    }
    found.sort_by_key(|process| process.pid);
    found
}

fn listeners(processes: &[Process]) -> Vec<Listener> {
    let mut owners = HashMap::new();
    for process in processes {
        let folder = format!("/proc/{}/fd", process.pid);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(link) = fs::read_link(entry.path()) else { continue };
            let inode = link.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
            if let Some(inode) = inode.and_then(|text| text.parse::<u64>().ok()) {
                owners.insert(inode, process.pid);
            }
        }
    }
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|text| text.lines().filter_map(listening_line).collect::<Vec<_>>())
        .map(|(address, inode)| Listener { address, pid: owners.get(&inode).copied() })
        .collect()
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

/// Units that a target wants: what `systemctl is-enabled` looks at.
fn units() -> BTreeSet<String> {
    let wanted = "/etc/systemd/system/*.wants/*";
    glob::glob(wanted)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
        .collect()
}

/// The host's own addresses: the kernel's table of local routes, and the list of IPv6 addresses.
fn addresses() -> Vec<IpAddr> {
    let mut all = BTreeMap::new();
    let table = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut last = None;
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last
        {
            all.insert(IpAddr::V4(address), ());
        }
    }
    for line in fs::read_to_string("/proc/net/if_inet6").unwrap_or_default().lines() {
        let digits = line.split_ascii_whitespace().next().unwrap_or_default();
        if let Ok(number) = u128::from_str_radix(digits, 16) {
            all.insert(IpAddr::V6(Ipv6Addr::from(number)), ());
        }
    }
    all.into_keys().collect()
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

    #[test]
    fn this_host_has_loopback() {
        assert!(addresses().contains(&"127.0.0.1".parse().unwrap()));
    }
}
