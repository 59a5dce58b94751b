//! The view of the host this process runs on, from `/proc`, `/etc` and the engines' files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::raw::{Raw, RawProcess, named_file};
use super::{View, containers, sources};
use crate::reach::FILE_MAX;

/// Looks at this host. What may not be seen is left out: discovery works without root as far as it goes.
pub fn collect() -> View {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut raw = Raw { name, processes: processes(), units: units(), ..Raw::default() };
    read_network(&mut raw);
    for pattern in sources::files().into_iter().chain([containers::PODMAN_LIST, containers::DOCKER_STATES]) {
        for path in glob::glob(pattern).into_iter().flatten().flatten() {
            take(&mut raw, &path);
        }
    }
    for word in raw.processes.iter().flat_map(RawProcess::arguments).collect::<Vec<_>>() {
        if let Some(path) = named_file(&word) {
            take(&mut raw, Path::new(path));
        }
    }
    take_from_containers(&mut raw);
    raw.into_view()
}

/// The addresses of this host, and nothing else of it.
pub fn addresses() -> Vec<IpAddr> {
    let mut raw = Raw::default();
    read_network(&mut raw);
    raw.into_view().addresses
}

/// The process that listens where `address` would: there, or on all addresses where either is for all. Another user's
/// process is seen by root only.
pub fn listener(address: SocketAddr) -> Option<u32> {
    let mut raw = Raw::default();
    read_network(&mut raw);
    let sockets = raw.listening();
    let in_the_way = |there: &SocketAddr| {
        let same = there.ip() == address.ip() || there.ip().is_unspecified() || address.ip().is_unspecified();
        same && there.port() == address.port()
    };
    let taken: BTreeSet<u64> =
        sockets.into_iter().filter(|(there, _)| in_the_way(there)).map(|(_, inode)| inode).collect();
    let pids =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.into_iter()
        .find(|pid| inodes(Path::new(&format!("/proc/{pid}"))).iter().any(|inode| taken.contains(inode)))
}

fn read_network(raw: &mut Raw) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    raw.sockets = read("/proc/net/tcp") + &read("/proc/net/tcp6");
    raw.routes = read("/proc/net/fib_trie");
    raw.addresses6 = read("/proc/net/if_inet6");
}

fn take(raw: &mut Raw, path: &Path) {
    let name = path.display().to_string();
    if raw.files.contains_key(&name) || !fs::metadata(path).is_ok_and(|about| about.is_file()) {
        return;
    }
    keep(raw, name, File::open(path));
}

fn keep(raw: &mut Raw, name: String, file: std::io::Result<File>) {
    let mut bytes = Vec::new();
    match file.and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes)) {
        Ok(_) if !bytes.contains(&0) => {
            raw.denied.remove(&name);
            raw.files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(_) => {}
        Err(_) => {
            raw.denied.insert(name);
        }
    }
}

/// Files of the daemons that run in containers: these are the ones in force, so they replace the host's own
/// of the same name.
fn take_from_containers(raw: &mut Raw) {
    let contained: Vec<_> = raw
        .processes
        .iter()
        .filter(|one| one.name != containers::MONITOR)
        .filter(|one| one.monitored.is_some() || containers::id_in(&one.cgroup).is_some())
        .map(|one| (one.pid, one.name.clone(), one.arguments()))
        .collect();
    for (pid, name, arguments) in contained {
        let root = format!("/proc/{pid}/root");
        let Ok(folder) = File::open(&root) else { continue };
        let named = arguments.iter().filter_map(|word| named_file(word)).map(ToString::to_string);
        let usual = sources::files_of(&name)
            .into_iter()
            .filter_map(|pattern| glob::glob(&format!("{root}{pattern}")).ok())
            .flatten()
            .flatten()
            .filter_map(|path| path.to_str()?.strip_prefix(&root).map(ToString::to_string));
        for path in usual.chain(named).collect::<BTreeSet<_>>() {
            if let Some(file) = beneath(&folder, &path) {
                keep(raw, path, Ok(file));
            }
        }
    }
}

/// Opens a plain file of another root; its links are followed as they are seen from there, never out of it.
fn beneath(root: &File, path: &str) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file: OwnedFd = openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
    let file = File::from(file);
    file.metadata().is_ok_and(|about| about.is_file()).then_some(file)
}

/// Processes of known names in our own network namespace: another namespace is another host's, or a
/// network of containers that cannot be reached as the host is.
fn processes() -> Vec<RawProcess> {
    let daemons = sources::daemons();
    let own = fs::read_link("/proc/self/ns/net").ok();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let folder = entry.path();
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        let name = name.trim_end().to_string();
        if name != containers::MONITOR && !daemons.contains(name.as_str()) {
            continue;
        }
        // Without root the namespace of another user's process cannot be read: take it for ours.
        let theirs = fs::read_link(folder.join("ns/net")).ok();
        if theirs.is_some() && theirs != own {
            continue;
        }
        found.push(RawProcess {
            pid,
            name,
            line: fs::read(folder.join("cmdline")).unwrap_or_default(),
            cgroup: fs::read_to_string(folder.join("cgroup")).unwrap_or_default(),
            inodes: inodes(&folder),
            monitored: None,
        });
    }
    name_monitored(&mut found);
    found
}

fn inodes(folder: &Path) -> Vec<u64> {
    fs::read_dir(folder.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let link = fs::read_link(entry.path()).ok()?;
            link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

/// Where no cgroup tells the container (`--cgroups=disabled`), an ancestor does: the container's monitor.
fn name_monitored(found: &mut [RawProcess]) {
    let monitors: Vec<(u32, Option<String>)> = found
        .iter()
        .filter(|one| one.name == containers::MONITOR)
        .map(|one| {
            let words = one.arguments();
            let id = words.iter().position(|word| word == "-c").and_then(|place| words.get(place + 1));
            (one.pid, id.cloned())
        })
        .collect();
    if monitors.is_empty() {
        return;
    }
    for process in found.iter_mut().filter(|one| one.name != containers::MONITOR) {
        let mut pid = process.pid;
        // A container's own tree of processes is flat; a loop cannot be, but costs nothing to bound.
        for _ in 0..32 {
            let Some(above) = parent(pid).filter(|above| *above > 1) else { break };
            if let Some((_, id)) = monitors.iter().find(|(monitor, _)| *monitor == above) {
                process.monitored.clone_from(id);
                break;
            }
            pid = above;
        }
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the parent stands behind it.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Units that a target wants: what `systemctl is-enabled` looks at.
fn units() -> BTreeSet<String> {
    sources::UNIT_FOLDERS
        .iter()
        .filter_map(|pattern| glob::glob(pattern).ok())
        .flatten()
        .flatten()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
        .filter(|name| !is_masked(name))
        .collect()
}

fn is_masked(unit: &str) -> bool {
    ["/etc", "/run"].iter().any(|root| {
        let file = format!("{root}/systemd/system/{unit}");
        fs::read_link(file).is_ok_and(|target| target == Path::new("/dev/null"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_loopback() {
        assert!(addresses().contains(&"127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_link_out_of_a_containers_root_leads_nowhere() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/real"), "inside").unwrap();
        std::os::unix::fs::symlink("/etc/real", root.path().join("etc/absolute")).unwrap();
        std::os::unix::fs::symlink("../../../../../etc/passwd", root.path().join("etc/escape")).unwrap();
        let folder = File::open(root.path()).unwrap();
        let mut text = String::new();
        beneath(&folder, "/etc/absolute").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        assert!(beneath(&folder, "/etc/escape").is_none());
    }
}
