//! How the files that the system lets the process have open are shared: the daemon's own, the vhosts', the clients'.
//! What one of them took beyond its share, another would find missing at the worst time.

use rustix::process::{Resource, getrlimit};

/// The daemon's own: its log, its sockets, its definitions, the files it opens for a moment.
const OWN: u64 = 16;
/// Most control connections at a time.
const OPERATORS: u64 = 64;
/// A vhost's: the locks, the manifest and the open segments of its log and pages.
const OF_VHOST: u64 = 4;
/// Clients that there must be room for beside another vhost.
const CLIENTS_MIN: u64 = 8;

/// Files that may be open.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Control connections there may be at a time where so many files may be open.
pub fn operators(limit: u64) -> u64 {
    (limit / 8).min(OPERATORS)
}

/// Clients there may be beside so many vhosts. The share is RabbitMQ's (`file_handle_cache`: all but a hundred, nine
/// tenths of it, less two); of few files, half.
pub(crate) fn clients(limit: u64, vhosts: u64) -> u64 {
    // The first one's are in the hundred.
    let beside = limit.saturating_sub(vhosts.saturating_sub(1).saturating_mul(OF_VHOST));
    let share = (beside.saturating_sub(100) / 10 * 9).saturating_sub(2);
    share.max((limit / 2).min(left(limit, vhosts)))
}

/// Whether so many vhosts can be served.
pub(crate) fn suffice(limit: u64, vhosts: u64) -> bool {
    left(limit, vhosts) > 0
}

/// Whether there is room for one more than these.
pub(crate) fn have_room(limit: u64, vhosts: u64) -> bool {
    left(limit, vhosts.saturating_add(1)) >= CLIENTS_MIN
}

/// Files that neither the daemon nor these vhosts need.
fn left(limit: u64, vhosts: u64) -> u64 {
    limit.saturating_sub(OWN + operators(limit)).saturating_sub(vhosts.saturating_mul(OF_VHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_what_another_needs() {
        for limit in [32, 64, 100, 150, 256, 1024, 65_536] {
            let mut vhosts = 0;
            while have_room(limit, vhosts) {
                vhosts += 1;
                let all = clients(limit, vhosts) + vhosts * OF_VHOST + OWN + operators(limit);
                assert!(suffice(limit, vhosts) && all <= limit, "{limit} {vhosts}: {all}");
                assert!(clients(limit, vhosts) >= CLIENTS_MIN);
            }
        }
    }

    #[test]
    fn a_vhost_or_two_leave_clients_rabbitmqs_share() {
        assert_eq!(clients(1024, 1), 826);
        assert_eq!(clients(65_536, 1), 58_885);
        assert_eq!(clients(150, 1), 75);
        assert_eq!(clients(u64::MAX, 1), (u64::MAX - 100) / 10 * 9 - 2);
    }
}
