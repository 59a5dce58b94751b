//! Time: steady for what lasts, the wall's for what is written down.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock.
#[inline]
pub fn now() -> Instant {
    #[cfg(feature = "simulated")]
    if let Some(machine) = crate::machine::current() {
        return machine.now();
    }
    Instant::now()
}

/// Milliseconds since 1970 by the wall clock, which may be set at any time. For what outlives the process.
pub fn wall_ms() -> u64 {
    #[cfg(feature = "simulated")]
    if let Some(machine) = crate::machine::current() {
        return machine.wall_ms();
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds by the monotonic clock, counted from what the wall clock showed when the process first asked: a
/// setting of the wall clock does not move it. For expiry and whatever else lasts.
#[inline]
pub fn now_ms() -> u64 {
    #[cfg(feature = "simulated")]
    if let Some(machine) = crate::machine::current() {
        return machine.now_ms();
    }
    static START: OnceLock<(Instant, u64)> = OnceLock::new();
    let (start, shown) = START.get_or_init(|| (Instant::now(), wall_ms()));
    shown.saturating_add(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}
