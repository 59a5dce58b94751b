//! Which process is the daemon: surely that one, or surely none.
//!
//! A daemon locks its data folder for as long as it lives, frozen or not, and the kernel says who holds a lock. What
//! the last start noted covers the moments before that. A process is held by a descriptor from then on, so that no
//! signal can reach another one that got its number.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::holder::{self, threads};

/// What a start noted of the daemon it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Its process.
    pub(super) pid: u32,
    /// When that began, in the kernel's ticks: a later one of the same number began later.
    pub(super) born: u64,
    /// Its data folder.
    pub(super) data_dir: PathBuf,
    /// Its control socket.
    pub(super) socket: PathBuf,
}

impl Mark {
    /// What was noted, if anything.
    pub(super) fn read(file: &Path) -> Option<Mark> {
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// Notes it.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_vec(self).map_err(io::Error::other)?)
    }
}

/// A process that lives, or has lived when it was found.
#[derive(Debug)]
pub(super) struct Daemon {
    /// Its number.
    pub(super) pid: u32,
    process: OwnedFd,
}

impl Daemon {
    /// Sends it a signal; to one that has ended, nothing happens.
    pub(super) fn signal(&self, signal: Signal) {
        // It has ended, which is all that a signal is for here.
        let _ = pidfd_send_signal(&self.process, signal);
    }

    /// Waits until it has ended; says whether it has.
    pub(super) fn ends_by(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(3600));
            let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
            match poll(&mut ended, left.try_into().ok().as_ref()) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Whether its first thread has ended and others have not: one that was killed, and hangs in the kernel. It holds
    /// all that the process had.
    pub(super) fn is_dying(&self) -> bool {
        has_ended(Path::new(&format!("/proc/{}", self.pid)))
    }

    /// Why one that was killed is no stopped one.
    pub(super) fn does_not_end(&self) -> String {
        format!(
            "the broker, pid {}, was killed and does not end, and holds its data folder: its disk hangs, or the kernel does",
            self.pid
        )
    }

    /// Whether systemd runs it, as the unit that the package brings.
    pub(super) fn is_a_unit(&self) -> bool {
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        groups.lines().any(|line| line.ends_with("/aileron.service"))
    }
}

/// The living processes that were started by the one who left `mark`, or hold one of the data folders.
pub(super) fn find(mark: Option<&Mark>, folders: &[PathBuf]) -> Vec<Daemon> {
    let seen = || -> BTreeSet<u32> {
        let marked = mark.filter(|mark| born(mark.pid) == Some(mark.born)).map(|mark| mark.pid);
        let holders = folders.iter().flat_map(|folder| holder::of_lock(&folder.join(holder::LOCKED)));
        holders.chain(marked).collect()
    };
    let held: Vec<Daemon> = seen().into_iter().filter_map(hold).collect();
    if held.is_empty() {
        return held;
    }
    // Between look and hold a number may have gone to another process: whoever is still seen is the one held.
    let again = seen();
    held.into_iter().filter(|daemon| again.contains(&daemon.pid)).collect()
}

fn hold(pid: u32) -> Option<Daemon> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    let process = pidfd_open(number, PidfdFlags::empty()).ok()?;
    Some(Daemon { pid, process })
}

/// What the kernel says of a process or thread from its state on, which is the third field.
fn stat(folder: &Path) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // The name in brackets may hold anything.
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_string).collect())
}

/// Whether a thread has ended, though somebody has yet to take note of it.
fn has_ended(thread: &Path) -> bool {
    stat(thread).is_none_or(|fields| matches!(fields.first().map(String::as_str), None | Some("Z" | "X")))
}

/// When a process began of which a thread lives, in ticks since the host did.
pub(super) fn born(pid: u32) -> Option<u64> {
    // The 22nd field.
    let born = stat(Path::new(&format!("/proc/{pid}")))?.get(19)?.parse().ok();
    born.filter(|_| threads(pid).iter().any(|thread| !has_ended(thread)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_leads_to_who_locked_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(holder::LOCKED);
        let folders = [folder.path().to_path_buf()];
        assert!(find(None, &folders).is_empty(), "nothing there");
        let file = std::fs::File::create(&path).expect("made");
        assert!(find(None, &folders).is_empty(), "not locked");
        file.lock().expect("locked");
        let found: Vec<u32> = find(None, &folders).iter().map(|daemon| daemon.pid).collect();
        assert_eq!(found, [std::process::id()]);
    }

    #[test]
    fn a_mark_counts_for_the_process_it_was_made_for_and_as_long_as_that_lives() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let born = born(child.id()).expect("it lives");
        let mark = Mark { pid: child.id(), born, data_dir: "/a".into(), socket: "/b".into() };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("agents/mark.json");
        assert_eq!(Mark::read(&file), None);
        mark.write(&file).expect("written");
        assert_eq!(Mark::read(&file).as_ref(), Some(&mark));
        let other = Mark { born: born + 1, ..mark.clone() };
        assert!(find(Some(&other), &[]).is_empty(), "another process that got the number");
        let found = find(Some(&mark), &[]).pop().expect("found");
        assert!(!found.is_a_unit());
        assert!(!found.ends_by(Instant::now() + Duration::from_millis(20)));
        found.signal(Signal::KILL);
        assert!(found.ends_by(Instant::now() + Duration::from_secs(20)));
        assert!(find(Some(&mark), &[]).is_empty(), "dead, though its parent has not noticed yet");
        child.wait().expect("our child");
        found.signal(Signal::KILL);
    }
}
