//! Time, threads, and the points at which another thread may run: what the core takes of the machine beside its disk.
//!
//! In production each of these is the standard library's. With the feature `simulated` a thread may belong to a
//! [`Machine`]: a simulator that runs one of its threads at a time, keeps a clock of its own, and decides by a seed who
//! goes on at a [`yield_point`], a [`park`] or a [`Signal::wait`]. A thread that belongs to none has the real machine.
//!
//! The tour: [`clock`](now) (time), [`thread`](spawn) (threads that sleep until woken), [`Signal`] (a wait for a
//! condition), `machine` (who may take the machine's place), `simulated` (one that does), [`fault`] (mended faults, put back
//! to try a simulator).

mod clock;
pub mod fault;
#[cfg(feature = "simulated")]
mod machine;
mod signal;
#[cfg(feature = "simulated")]
pub mod simulated;
mod thread;

pub use clock::{now, now_ms, wall_ms};
#[cfg(feature = "simulated")]
pub use machine::{Machine, Task, belong_to};
pub use signal::Signal;
pub use thread::{Thread, park, spawn};

/// Another thread may run here. Stands where the core lets go of a lock in the midst of one operation, and is never
/// reached with a lock held: a simulated thread that is held up here must not hold up others. `place` is for histories.
#[inline]
pub fn yield_point(place: &'static str) {
    #[cfg(feature = "simulated")]
    if let Some(machine) = machine::current() {
        machine.yield_point(place);
    }
    #[cfg(not(feature = "simulated"))]
    let _ = place;
}
