//! What Ceph's own health checks weigh for OpenStack, by their codes.
//!
//! Ceph's colour says little: a cluster none of whose data can be read is as yellow as one where a daemon
//! crashed last week. So each code has a weight here (Ceph's manual, "Health checks" of RADOS and of CephFS);
//! one that is not here weighs what Ceph gives it.

use super::facts::Check;
use crate::verdict::{Finding, Severity};

use Weight::{Degraded, Failed, Notice, Will};

/// What a check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Data cannot be read or written.
    Failed,
    /// It serves, with less than it should have.
    Degraded,
    /// Worth knowing.
    Notice,
    /// Somebody wanted it so.
    Will,
}

const WEIGHTS: &[(&str, Weight)] = &[
    // Data.
    ("PG_AVAILABILITY", Failed),
    ("OSD_FULL", Failed),
    ("POOL_FULL", Failed),
    ("OBJECT_UNFOUND", Degraded),
    ("PG_DEGRADED", Degraded),
    ("PG_DAMAGED", Degraded),
    ("PG_RECOVERY_FULL", Degraded),
    ("PG_BACKFILL_FULL", Degraded),
    ("OSD_SCRUB_ERRORS", Degraded),
    ("OSD_TOO_MANY_REPAIRS", Degraded),
    ("OBJECT_MISPLACED", Notice),
    ("LARGE_OMAP_OBJECTS", Notice),
    ("PG_NOT_SCRUBBED", Notice),
    ("PG_NOT_DEEP_SCRUBBED", Notice),
    ("PG_SLOW_SNAP_TRIMMING", Notice),
    // OSDs and their disks.
    ("OSD_DOWN", Degraded),
    ("OSD_HOST_DOWN", Degraded),
    ("OSD_CHASSIS_DOWN", Degraded),
    ("OSD_RACK_DOWN", Degraded),
    ("OSD_ROOT_DOWN", Degraded),
    ("OSD_UNREACHABLE", Degraded),
    ("OSD_BACKFILLFULL", Degraded),
    ("OSD_NEARFULL", Degraded),
    ("OSD_OUT_OF_ORDER_FULL", Degraded),
    ("OSD_SLOW_PING_TIME_BACK", Degraded),
    ("OSD_SLOW_PING_TIME_FRONT", Degraded),
    ("SLOW_OPS", Degraded),
    ("TOO_FEW_OSDS", Degraded),
    ("DEVICE_HEALTH", Degraded),
    ("DEVICE_HEALTH_IN_USE", Degraded),
    ("DEVICE_HEALTH_TOOMANY", Degraded),
    ("BLUEFS_LOW_SPACE", Degraded),
    ("BLUESTORE_DISK_SIZE_MISMATCH", Degraded),
    ("BLUESTORE_SPURIOUS_READ_ERRORS", Degraded),
    ("BLUESTORE_SLOW_OP_ALERT", Degraded),
    ("BLUEFS_SPILLOVER", Notice),
    ("BLUESTORE_FRAGMENTATION", Notice),
    ("BLUESTORE_LEGACY_STATFS", Notice),
    ("BLUESTORE_NO_PER_POOL_OMAP", Notice),
    ("BLUESTORE_NO_PER_PG_OMAP", Notice),
    ("BLUESTORE_NO_COMPRESSION", Notice),
    ("OSD_FILESTORE", Notice),
    ("OSD_ORPHAN", Notice),
    ("OSD_NO_DOWN_OUT_INTERVAL", Notice),
    ("OSD_NO_SORTBITWISE", Notice),
    ("OSD_UPGRADE_FINISHED", Notice),
    ("OSDMAP_FLAGS", Will),
    ("OSD_FLAGS", Will),
    // Pools.
    ("POOL_NEAR_FULL", Degraded),
    ("CACHE_POOL_NEAR_FULL", Degraded),
    ("POOL_NO_REDUNDANCY", Notice),
    ("POOL_APP_NOT_ENABLED", Notice),
    ("POOL_PG_NUM_NOT_POWER_OF_TWO", Notice),
    ("POOL_TOO_FEW_PGS", Notice),
    ("POOL_TOO_MANY_PGS", Notice),
    ("POOL_TARGET_SIZE_BYTES_OVERCOMMITTED", Notice),
    ("POOL_HAS_TARGET_SIZE_BYTES_AND_RATIO", Notice),
    ("CACHE_POOL_NO_HIT_SET", Notice),
    ("TOO_FEW_PGS", Notice),
    ("TOO_MANY_PGS", Notice),
    ("SMALLER_PGP_NUM", Notice),
    ("MANY_OBJECTS_PER_PG", Notice),
    ("OLD_CRUSH_TUNABLES", Notice),
    ("OLD_CRUSH_STRAW_CALC_VERSION", Notice),
    // MONs and MGRs.
    ("MON_DOWN", Degraded),
    ("MON_CLOCK_SKEW", Degraded),
    ("MON_DISK_LOW", Degraded),
    ("MON_DISK_CRIT", Degraded),
    ("MON_NETSPLIT", Degraded),
    ("MON_DISK_BIG", Notice),
    ("MON_MSGR2_NOT_ENABLED", Notice),
    ("MGR_DOWN", Degraded),
    ("MGR_MODULE_ERROR", Degraded),
    ("MGR_MODULE_DEPENDENCY", Notice),
    ("AUTH_INSECURE_GLOBAL_ID_RECLAIM", Notice),
    ("AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED", Notice),
    ("AUTH_BAD_CAPS", Notice),
    ("DAEMON_OLD_VERSION", Notice),
    ("RECENT_CRASH", Notice),
    ("RECENT_MGR_MODULE_CRASH", Notice),
    ("TELEMETRY_CHANGED", Notice),
    ("DASHBOARD_DEBUG", Notice),
    // CephFS.
    ("MDS_ALL_DOWN", Failed),
    ("FS_DEGRADED", Degraded),
    ("FS_WITH_FAILED_MDS", Degraded),
    ("MDS_DAMAGE", Degraded),
    ("MDS_READ_ONLY", Degraded),
    ("MDS_UP_LESS_THAN_MAX", Degraded),
    ("MDS_SLOW_METADATA_IO", Degraded),
    ("MDS_SLOW_REQUEST", Degraded),
    ("MDS_TRIM", Notice),
    ("MDS_CACHE_OVERSIZED", Notice),
    ("MDS_CLIENT_LATE_RELEASE", Notice),
    ("MDS_CLIENT_LATE_RELEASE_MANY", Notice),
    ("MDS_CLIENT_RECALL", Notice),
    ("MDS_CLIENT_RECALL_MANY", Notice),
    ("MDS_CLIENT_OLDEST_TID", Notice),
    ("MDS_CLIENT_OLDEST_TID_MANY", Notice),
    ("MDS_INSUFFICIENT_STANDBY", Notice),
    ("FS_INLINE_DATA_DEPRECATED", Notice),
    // cephadm.
    ("CEPHADM_FAILED_DAEMON", Degraded),
    ("CEPHADM_HOST_CHECK_FAILED", Degraded),
    ("CEPHADM_STRAY_DAEMON", Notice),
    ("CEPHADM_STRAY_HOST", Notice),
    ("CEPHADM_REFRESH_FAILED", Notice),
    ("CEPHADM_PAUSED", Will),
    ("HOST_IN_MAINTENANCE", Will),
];

/// Flags of the OSDs' map with which nobody reads or writes. They have no code of their own.
const STOPPING_FLAGS: &[&str] = &["pauserd", "pausewr", "full"];

/// A check as a finding; its subject is Ceph's code.
pub(super) fn finding(check: &Check, ceph: &str) -> Finding {
    let known = WEIGHTS.iter().find(|(code, _)| *code == check.code).map(|(_, weight)| *weight);
    let weight = known.unwrap_or(if check.error { Failed } else { Degraded });
    let severity = match weight {
        _ if check.muted => Severity::Notice,
        Will if stops(check) => Severity::Failed,
        Failed => Severity::Failed,
        Degraded => Severity::Degraded,
        Notice | Will => Severity::Notice,
    };
    let muted = if check.muted { ", muted" } else { "" };
    let detail = match check.detail.first() {
        Some(first) if *first != check.summary => format!(": {first}"),
        _ => String::new(),
    };
    let cause = format!("{} ({}{muted}){detail}", check.summary, check.code);
    let next = match (check.code.as_str(), weight) {
        _ if check.muted => format!("{ceph} health unmute {}", check.code),
        ("OSDMAP_FLAGS", _) => format!("{ceph} osd unset FLAG when the work is done"),
        ("RECENT_CRASH", _) => format!("{ceph} crash ls-new, then {ceph} crash archive-all"),
        ("MON_CLOCK_SKEW", _) => "chronyc tracking, on each host with a MON".to_string(),
        ("CEPHADM_PAUSED", _) => format!("{ceph} orch resume"),
        _ => format!("{ceph} health detail"),
    };
    let finding = Finding::new("ceph-health", severity, &check.code, cause).next(next);
    if check.muted || weight == Will { finding.intended() } else { finding }
}

fn stops(check: &Check) -> bool {
    check.code == "OSDMAP_FLAGS" && check.summary.split([',', ' ']).any(|flag| STOPPING_FLAGS.contains(&flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(code: &str, error: bool, summary: &str, muted: bool) -> (Severity, bool) {
        let check = Check { code: code.into(), error, summary: summary.into(), muted, ..Check::default() };
        let finding = finding(&check, "ceph");
        (finding.severity, finding.intended)
    }

    #[test]
    fn codes_are_weighed_whatever_their_colour() {
        assert_eq!(weighed("PG_AVAILABILITY", false, "", false), (Severity::Failed, false));
        assert_eq!(weighed("MDS_SLOW_METADATA_IO", true, "", false), (Severity::Degraded, false));
        assert_eq!(weighed("POOL_NO_REDUNDANCY", false, "", false), (Severity::Notice, false));
    }

    #[test]
    fn unknown_codes_weigh_what_ceph_gives_them() {
        assert_eq!(weighed("SOMETHING_NEW", true, "", false), (Severity::Failed, false));
        assert_eq!(weighed("SOMETHING_NEW", false, "", false), (Severity::Degraded, false));
    }

    #[test]
    fn a_will_is_told_as_such_and_may_still_stop_everything() {
        assert_eq!(
            weighed("OSDMAP_FLAGS", false, "noout,norebalance flag(s) set", false),
            (Severity::Notice, true)
        );
        assert_eq!(
            weighed("OSDMAP_FLAGS", false, "pauserd,pausewr,noout flag(s) set", false),
            (Severity::Failed, true)
        );
        assert_eq!(weighed("OSD_DOWN", false, "", true), (Severity::Notice, true));
    }

    #[test]
    fn each_code_has_one_weight() {
        let mut codes: Vec<_> = WEIGHTS.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
