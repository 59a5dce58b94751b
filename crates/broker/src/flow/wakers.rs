//! Tasks to be woken, each once, however many they are and however often each is named.

use std::task::Waker;

use hashbrown::HashSet;

/// Up to so many are looked through; more are remembered by address.
const FEW: usize = 8;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Wakers {
    wakers: Vec<Waker>,
    /// Addresses of the tasks, once there are more than a few.
    known: HashSet<usize>,
}

impl Wakers {
    #[inline]
    pub(crate) fn add(&mut self, task: &Waker) {
        let is_last = self.wakers.last().is_some_and(|last| last.will_wake(task));
        if !is_last && self.is_news(task) {
            self.wakers.push(task.clone());
        }
    }

    fn is_news(&mut self, task: &Waker) -> bool {
        if self.wakers.len() < FEW {
            return !self.wakers.iter().any(|known| known.will_wake(task));
        }
        if self.known.is_empty() {
            self.known.extend(self.wakers.iter().map(address));
        }
        self.known.insert(address(task))
    }

    /// Wakes them all, and forgets them.
    pub(crate) fn wake_all(&mut self) {
        self.known.clear();
        self.wakers.drain(..).for_each(Waker::wake);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }
}

/// A task is the same where its data are: all that is woken here are connections.
fn address(task: &Waker) -> usize {
    task.data().addr()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    /// How often a task was woken.
    #[derive(Default)]
    pub(in crate::flow) struct Count(pub(in crate::flow) AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_is_woken_once_however_many_they_are() {
        let counts: Vec<Arc<Count>> = (0..100).map(|_| Arc::default()).collect();
        let tasks: Vec<Waker> = counts.iter().map(|count| Waker::from(Arc::clone(count))).collect();
        let mut wakers = Wakers::default();
        for many in [3, 8, 9, 100, 2] {
            for _ in 0..3 {
                tasks.iter().take(many).for_each(|task| wakers.add(task));
            }
            assert_eq!(wakers.len(), many);
            wakers.wake_all();
            let woken: u32 = counts.iter().map(|count| count.0.swap(0, Ordering::Relaxed)).sum();
            assert_eq!(woken as usize, many);
        }
    }
}
