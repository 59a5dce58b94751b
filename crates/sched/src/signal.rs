//! A wait for something that another thread brings about.

use parking_lot::{Condvar, Mutex};

/// Whoever waits looks again at each [`notify`](Signal::notify).
#[derive(Default)]
pub struct Signal {
    turn: Mutex<()>,
    turned: Condvar,
}

impl Signal {
    /// Lets everybody who waits look again. Call it after the change they wait for.
    pub fn notify(&self) {
        drop(self.turn.lock());
        self.turned.notify_all();
    }

    /// Waits until `look` finds something, and returns that.
    pub fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        #[cfg(feature = "simulated")]
        if let Some(machine) = crate::machine::current() {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                machine.wait();
            }
        }
        let mut turn = self.turn.lock();
        loop {
            if let Some(found) = look() {
                return found;
            }
            self.turned.wait(&mut turn);
        }
    }
}
