//! The time that expiry goes by, in milliseconds: steady while the broker runs, whatever is done to the wall clock.
//! What is written to the log outlives the broker and is turned into the wall clock's time, and back at a start.

pub(crate) use sched::now_ms;

/// No expiry at all.
const NEVER: u64 = u64::MAX;

/// What the wall clock will show at `at`.
pub(crate) fn to_wall(at: u64) -> u64 {
    if at == NEVER { NEVER } else { sched::wall_ms().saturating_add(at).saturating_sub(now_ms()) }
}

/// The steady time at which the wall clock will show `at`, as it goes now.
pub(crate) fn from_wall(at: u64) -> u64 {
    if at == NEVER { NEVER } else { now_ms().saturating_add(at).saturating_sub(sched::wall_ms()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_went() {
        assert_eq!((to_wall(NEVER), from_wall(NEVER)), (NEVER, NEVER));
        let at = now_ms() + 60_000;
        assert!(from_wall(to_wall(at)).abs_diff(at) < 1000);
        assert!(from_wall(0) < now_ms(), "what expired long ago is expired");
    }
}
