//! A disk that does not answer: no error ever comes of one, so it is known by how long the present write or sync of a
//! vhost's log has taken. `node` looks now and then, and for whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::vhost::Vhost;

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

impl HungDisk {
    /// The disk, if one of these vhosts has waited for it so long or longer; never where the limit is zero.
    pub(crate) fn under(vhosts: &[Arc<Vhost>], limit: Duration) -> Option<HungDisk> {
        let waits = vhosts.iter().filter_map(|vhost| Some((vhost.store().waits_for_disk()?, vhost)));
        let (waited, vhost) = waits.max_by_key(|(waited, _)| *waited)?;
        let hangs = !limit.is_zero() && waited >= limit;
        hangs.then(|| HungDisk { vhost: vhost.name.to_string(), waited })
    }
}

/// Whether the log was told that the disk hangs.
#[derive(Default)]
pub(crate) struct Told(AtomicBool);

impl Told {
    /// Tells the log when the disk begins to hang, and when it answers again.
    pub(crate) fn tell(&self, hung: Option<&HungDisk>) {
        match (hung, self.0.swap(hung.is_some(), Ordering::AcqRel)) {
            (Some(hung), false) => tracing::error!("{hung}: nothing is confirmed until it does"),
            (None, true) => tracing::warn!("the disk answers again"),
            (Some(_), true) | (None, false) => {}
        }
    }
}
