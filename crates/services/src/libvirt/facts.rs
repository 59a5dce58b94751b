//! What virsh prints: versions, then each domain with its state and the reason of that, as numbers
//! (libvirt-domain.h, `virDomainState` and the reasons of each).

use std::process::Output;

use serde::{Deserialize, Serialize};

use crate::answer::Trouble;

/// The most domains that are read of one host.
const DOMAINS_MAX: usize = 10_000;

/// What a daemon says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The daemon's version.
    pub version: String,
    /// The hypervisor, as "QEMU 7.2.22".
    pub hypervisor: String,
    /// Its domains.
    pub domains: Vec<Domain>,
}

/// A domain: an instance on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its name ("instance-0000002a").
    pub name: String,
    /// How it stands.
    pub stand: Stand,
}

/// What a state and its reason come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stand {
    /// It runs, or is about to stop or start.
    Running,
    /// Somebody paused it, or it waits for a migration, a snapshot or the like.
    Paused,
    /// QEMU paused it: its disk could not be written or read.
    IoError,
    /// Paused by its own watchdog, or by a migration that has failed half-way.
    Stuck,
    /// Its guest has crashed, and is kept for looking at.
    Crashed,
    /// It was shut down.
    Off,
    /// It is off because its QEMU ended by itself, or did not start.
    Lost,
}

impl Stand {
    fn of(state: u32, reason: u32) -> Stand {
        match (state, reason) {
            (3, 5) => Stand::IoError,
            (3, 6 | 13) => Stand::Stuck,
            (3, 10) | (6, _) => Stand::Crashed,
            (3, _) | (7, _) => Stand::Paused,
            (5, 3 | 6) => Stand::Lost,
            (5, _) => Stand::Off,
            _ => Stand::Running,
        }
    }
}

/// Reads what a virsh that has ended said.
///
/// # Errors
/// When it could not ask.
pub(super) fn read(done: &Output) -> Result<Facts, Trouble> {
    if done.status.success() {
        return parse(&String::from_utf8_lossy(&done.stdout));
    }
    Err(trouble(&String::from_utf8_lossy(&done.stderr)))
}

pub(super) fn parse(text: &str) -> Result<Facts, Trouble> {
    let mut facts = Facts::default();
    let mut domain: Option<(String, u32)> = None;
    let number = |value: &str| value.trim().parse::<u32>().unwrap_or_default();
    for line in text.lines() {
        if let Some(version) = line.strip_prefix("Running against daemon: ") {
            facts.version = version.trim().to_string();
        } else if let Some(hypervisor) = line.strip_prefix("Running hypervisor: ") {
            facts.hypervisor = hypervisor.trim().to_string();
        } else if let Some(name) = line.strip_prefix("Domain: ") {
            let plain = name.trim().trim_matches('\'').chars().filter(|one| !one.is_control()).collect();
            domain = Some((plain, 0));
        } else if let Some(value) = line.trim_start().strip_prefix("state.state=") {
            domain = domain.map(|(name, _)| (name, number(value)));
        } else if let Some(value) = line.trim_start().strip_prefix("state.reason=")
            && let Some((name, state)) = domain.take()
            && facts.domains.len() < DOMAINS_MAX
        {
            facts.domains.push(Domain { name, stand: Stand::of(state, number(value)) });
        }
    }
    if facts.version.is_empty() {
        let start: String = text.chars().filter(|one| !one.is_control()).take(80).collect();
        return Err(Trouble::Broken(format!("virsh says '{start}'")));
    }
    Ok(facts)
}

/// What virsh's complaint says of the daemon.
pub(super) fn trouble(complaint: &str) -> Trouble {
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let cause: String = last.trim_start_matches("error: ").chars().take(200).collect();
    let says = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
    if says(&["authentication", "Permission denied", "access denied"]) {
        Trouble::Denied(format!("{cause} (run as root, or let polkit's org.libvirt.unix.monitor through)"))
    } else if says(&["Connection refused", "No such file or directory"]) {
        Trouble::Down(cause)
    } else {
        Trouble::Broken(cause)
    }
}
