//! A disk that does not answer: no error ever comes of one, so it is known by how long the present write or sync of a
//! vhost's log has taken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Broker;
use crate::node::Node;

/// A disk that has not answered for longer than [`Settings::disk_timeout`](crate::Settings::disk_timeout): nothing is
/// confirmed while that lasts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk has not answered a write or sync of vhost '{vhost}' for {} s", .waited.as_secs())]
pub struct HungDisk {
    /// The vhost that has waited longest.
    pub vhost: String,
    /// For how long.
    pub waited: Duration,
}

impl Broker {
    /// The disk, if it hangs. Reads memory only.
    pub fn hung_disk(&self) -> Option<HungDisk> {
        of(self.node())
    }
}

fn of(node: &Node) -> Option<HungDisk> {
    let limit = Some(node.settings.disk_timeout).filter(|limit| !limit.is_zero())?;
    let waits = node.vhosts().into_iter().filter_map(|vhost| Some((vhost.store().waits_for_disk()?, vhost)));
    let (waited, vhost) = waits.max_by_key(|(waited, _)| *waited).filter(|(waited, _)| *waited >= limit)?;
    Some(HungDisk { vhost: vhost.name.to_string(), waited })
}

/// Whether the log was told that the disk hangs.
#[derive(Default)]
pub(crate) struct Told(AtomicBool);

impl Told {
    /// Tells the log when the disk begins to hang, and when it answers again.
    pub(crate) fn look(&self, node: &Node) {
        let hung = of(node);
        match (&hung, self.0.swap(hung.is_some(), Ordering::AcqRel)) {
            (Some(hung), false) => tracing::error!("{hung}: nothing is confirmed until it does"),
            (None, true) => tracing::warn!("the disk answers again"),
            (Some(_), true) | (None, false) => {}
        }
    }
}
