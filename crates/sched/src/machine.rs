//! Who may take the machine's place: a simulator, for the threads that belong to it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

/// A simulated machine. All of this is called on threads that belong to it.
pub trait Machine: Send + Sync {
    /// See [`now`](crate::now()).
    fn now(&self) -> Instant;
    /// See [`now_ms`](crate::now_ms()).
    fn now_ms(&self) -> u64;
    /// See [`wall_ms`](crate::wall_ms()).
    fn wall_ms(&self) -> u64;
    /// See [`yield_point`](crate::yield_point()).
    fn yield_point(&self, place: &'static str);
    /// See [`spawn`](crate::spawn()): a thread that belongs to this machine.
    fn spawn(&self, name: &str, run: Box<dyn FnOnce() + Send>) -> Arc<dyn Task>;
    /// See [`park`](crate::park()).
    fn park(&self, until: Option<Instant>);
    /// The calling thread waits for something that another one brings about, and will look again.
    fn wait(&self);
}

/// A thread of a [`Machine`].
pub trait Task: Send + Sync {
    /// Ends its park, or the next one.
    fn wake(&self);
    /// Waits for its end; on itself it does nothing.
    fn join(&self);
}

thread_local! {
    static MACHINE: RefCell<Option<Arc<dyn Machine>>> = const { RefCell::new(None) };
}

/// From now on the calling thread belongs to `machine`, or, with `None`, to the real one.
pub fn belong_to(machine: Option<Arc<dyn Machine>>) {
    MACHINE.with_borrow_mut(|own| *own = machine);
}

pub(crate) fn current() -> Option<Arc<dyn Machine>> {
    MACHINE.try_with(|own| own.borrow().clone()).ok().flatten()
}
