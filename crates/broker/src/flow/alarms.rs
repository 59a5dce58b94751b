//! Watermarks: when memory or disk runs short, publishers are held back until it is better.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Resources that can run short, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Resource {
    Memory = 1,
    Disk = 2,
    /// A vhost's log cannot be written: its file system is full.
    Log = 4,
    /// A vhost's log failed for good.
    Failed = 8,
}

/// Which alarms are on, and the figures they go by.
#[derive(Default)]
pub(crate) struct Alarms {
    raised: AtomicU8,
    /// Changes so far, and how many of them were told.
    changes: AtomicU64,
    told: AtomicU64,
    pub(crate) memory_used: AtomicU64,
    pub(crate) disk_free: AtomicU64,
}

impl Alarms {
    /// Raises or clears an alarm; `true` when that is news.
    pub(crate) fn set(&self, resource: Resource, on: bool) -> bool {
        let bit = resource as u8;
        let before = if on {
            self.raised.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.raised.fetch_and(!bit, Ordering::AcqRel)
        };
        let is_news = (before & bit != 0) != on;
        if is_news {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        is_news
    }

    /// Whether an alarm was raised or cleared since the last call: those whom alarms concern have to be woken.
    pub(crate) fn take_news(&self) -> bool {
        let changes = self.changes.load(Ordering::Acquire);
        self.told.swap(changes, Ordering::AcqRel) != changes
    }

    pub(crate) fn is_on(&self, resource: Resource) -> bool {
        self.raised.load(Ordering::Acquire) & resource as u8 != 0
    }

    /// Whether publishers are held back.
    pub(crate) fn any(&self) -> bool {
        self.raised.load(Ordering::Acquire) != 0
    }

    /// What `connection.blocked` states: RabbitMQ's words.
    pub(crate) fn reason(&self) -> String {
        let memory = self.is_on(Resource::Memory).then_some("memory");
        let disk = self.is_on(Resource::Disk) || self.is_on(Resource::Log) || self.is_on(Resource::Failed);
        let low: Vec<&str> = memory.into_iter().chain(disk.then_some("disk")).collect();
        format!("low on {}", low.join(" & "))
    }

    /// The alarms by their stable names, for programs.
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        let all = [
            (Resource::Memory, "memory"),
            (Resource::Disk, "disk"),
            (Resource::Log, "log-full"),
            (Resource::Failed, "log-failed"),
        ];
        all.iter().filter(|(resource, _)| self.is_on(*resource)).map(|(_, code)| *code).collect()
    }

    /// The alarms by name, for reports.
    pub(crate) fn names(&self) -> Vec<String> {
        let all = [
            (Resource::Memory, "memory"),
            (Resource::Disk, "disk"),
            (Resource::Log, "log: no space left, nothing is stored until there is"),
            (
                Resource::Failed,
                "log: the disk failed, nothing is stored any more; check the disk, then restart",
            ),
        ];
        all.iter().filter(|(resource, _)| self.is_on(*resource)).map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// Bytes of memory the process has in RAM.
pub(crate) fn resident_bytes() -> u64 {
    let page = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * page)
}

/// Bytes of memory the machine has.
pub fn machine_memory() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.map_or(u64::MAX, |kb| kb * 1024)
}

/// Bytes free for this process on the file system of `folder`.
pub(crate) fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_came_and_went_is_news_all_the_same() {
        let alarms = Alarms::default();
        assert!(!alarms.take_news());
        assert!(alarms.set(Resource::Disk, true) && !alarms.set(Resource::Disk, true));
        assert!(alarms.set(Resource::Disk, false));
        assert!(alarms.take_news(), "somebody may have seen it while it was on");
        assert!(!alarms.take_news());
    }

    #[test]
    fn reasons_are_rabbitmqs_words() {
        let alarms = Alarms::default();
        alarms.set(Resource::Log, true);
        assert_eq!(alarms.reason(), "low on disk");
        alarms.set(Resource::Memory, true);
        assert_eq!(alarms.reason(), "low on memory & disk");
        assert_eq!(alarms.codes(), ["memory", "log-full"]);
    }
}
