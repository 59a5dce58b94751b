//! Threads that sleep until they are woken.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::Mutex;

/// A thread that was [`spawn`]ed.
pub struct Thread(Kind);

enum Kind {
    Real(thread::Thread, Mutex<Option<JoinHandle<()>>>),
    #[cfg(feature = "simulated")]
    Simulated(std::sync::Arc<dyn crate::Task>),
}

/// Starts a thread. One started by a simulated thread is simulated too.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
    #[cfg(feature = "simulated")]
    if let Some(machine) = crate::machine::current() {
        return Ok(Thread(Kind::Simulated(machine.spawn(name, Box::new(run)))));
    }
    let handle = thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(Thread(Kind::Real(handle.thread().clone(), Mutex::new(Some(handle)))))
}

impl Thread {
    /// Ends the thread's [`park`], or the next one if it is in none.
    pub fn wake(&self) {
        match &self.0 {
            Kind::Real(thread, _) => thread.unpark(),
            #[cfg(feature = "simulated")]
            Kind::Simulated(task) => task.wake(),
        }
    }

    /// Waits for the thread's end. On the thread itself, or a second time, it does nothing.
    pub fn join(&self) {
        match &self.0 {
            Kind::Real(thread, _) if thread.id() == thread::current().id() => {}
            Kind::Real(_, handle) => {
                let handle = handle.lock().take();
                if let Some(handle) = handle {
                    drop(handle.join());
                }
            }
            #[cfg(feature = "simulated")]
            Kind::Simulated(task) => task.join(),
        }
    }
}

/// Sleeps until this thread is woken, `until` has come, or for no reason at all.
pub fn park(until: Option<Instant>) {
    #[cfg(feature = "simulated")]
    if let Some(machine) = crate::machine::current() {
        return machine.park(until);
    }
    match until {
        Some(at) => thread::park_timeout(at.saturating_duration_since(Instant::now())),
        None => thread::park(),
    }
}
