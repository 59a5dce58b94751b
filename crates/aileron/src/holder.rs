//! Who holds what a daemon needs: the lock on a data folder, an address. From `/proc`, as far as that tells.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file in a data folder that its daemon has locked.
pub(crate) const LOCKED: &str = "definitions.redb";

/// A process in words: `pid 4711 (rabbitmq-server)`.
pub(crate) fn in_words(pid: u32) -> String {
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("pid {pid} ({})", name.trim_end()),
        Err(_) => format!("pid {pid}"),
    }
}

/// Who listens on an address, in words; none where that cannot be told.
fn of_address(address: SocketAddr) -> Option<String> {
    services::view::listener(address).map(in_words)
}

/// Behind an error over an address to listen on: who has it, or what to do.
pub(crate) fn way_to(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => match of_address(address) {
            Some(holder) => format!(": {holder} has it"),
            None => {
                format!(": another process has it, `ss -ltnp 'sport = {}'` as root names it", address.port())
            }
        },
        ErrorKind::AddrNotAvailable => {
            ": it is none of this host's addresses (`ip addr` lists them)".to_string()
        }
        ErrorKind::PermissionDenied => ": ports below 1024 are root's; choose a higher one".to_string(),
        _ => String::new(),
    }
}

/// Who has locked this file.
pub(crate) fn of_lock(file: &Path) -> Vec<u32> {
    let Ok(wanted) = std::fs::metadata(file) else { return Vec::new() };
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    lock_owners(&locks, wanted.ino()).into_iter().filter(|pid| has_open(*pid, &wanted)).collect()
}

/// The owners of locks on files of this number, which are on any file system, from the text of `/proc/locks`.
fn lock_owners(locks: &str, inode: u64) -> Vec<u32> {
    // 14: FLOCK  ADVISORY  WRITE 18289 fe:00:10076722 0 EOF; one that waits for it has an arrow before its kind.
    let owner = |line: &str| -> Option<u32> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, kind, _, _, pid, file, ..] = words.as_slice() else { return None };
        let number = file.rsplit(':').next()?.parse::<u64>().ok()?;
        (*kind == "FLOCK" && number == inode).then(|| pid.parse().ok()).flatten()
    };
    locks.lines().filter_map(owner).filter(|pid| *pid != 0).collect()
}

/// Whether a process has this very file open. The file's device as `/proc/locks` has it is not always the one that
/// `stat` tells, so it is compared here.
fn has_open(pid: u32, wanted: &Metadata) -> bool {
    let is_it = |file: Metadata| (file.dev(), file.ino()) == (wanted.dev(), wanted.ino());
    // All threads have the same files open, but for those that have ended: the first one has none then.
    threads(pid).iter().any(|thread| match std::fs::read_dir(thread.join("fd")) {
        Ok(open) => open.flatten().filter_map(|entry| std::fs::metadata(entry.path()).ok()).any(is_it),
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    })
}

/// The threads of a process, as folders of the kernel's.
pub(crate) fn threads(pid: u32) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(format!("/proc/{pid}/task"));
    listed.map_or_else(|_| Vec::new(), |entries| entries.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: FLOCK  ADVISORY  WRITE 18385 fe:00:5759093 0 EOF
1: -> FLOCK  ADVISORY  WRITE 18390 fe:00:5759093 0 EOF
2: POSIX  ADVISORY  WRITE 15419 00:30:14 0 EOF
12: OFDLCK ADVISORY  WRITE -1 fe:00:10076722 0 4611686018427387999
14: FLOCK  ADVISORY  WRITE 18289 fe:00:10076722 0 EOF
15: FLOCK  ADVISORY  WRITE 0 fe:00:10076723 0 EOF
16: FLOCK";

    #[test]
    fn the_kernel_says_who_holds_a_lock() {
        assert_eq!(lock_owners(LOCKS, 10_076_722), [18289]);
        assert_eq!(lock_owners(LOCKS, 5_759_093), [18385], "who waits for it does not hold it");
        assert_eq!(lock_owners(LOCKS, 10_076_723), [0; 0], "a process of another namespace");
        assert_eq!(lock_owners(LOCKS, 14), [0; 0], "a lock of another kind");
    }

    #[test]
    fn an_address_leads_to_who_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let any = SocketAddr::from(([0, 0, 0, 0], address.port()));
        for asked in [address, any] {
            let holder = of_address(asked).expect("we listen");
            assert!(holder.starts_with(&format!("pid {} (", std::process::id())), "{holder}");
        }
        drop(listener);
        assert_eq!(of_address(address), None);
    }
}
