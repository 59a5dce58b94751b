//! Threads of the system that simulated threads run on: kept for the next one, since making one costs more than most
//! simulated threads do.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, Thread};

use parking_lot::Mutex;

type Job = Box<dyn FnOnce() + Send>;

static IDLE: Mutex<Vec<Sender<Job>>> = Mutex::new(Vec::new());

/// Runs the job on a thread that has nothing to do.
pub(super) fn run(job: Job) {
    let idle = IDLE.lock().pop();
    let Some(worker) = idle else { return begin(job) };
    if let Err(unsent) = worker.send(job) {
        begin(unsent.0);
    }
}

fn begin(job: Job) {
    let started = thread::Builder::new().name("simulated".to_owned()).spawn(move || {
        let (sender, jobs) = channel::<Job>();
        job();
        IDLE.lock().push(sender.clone());
        while let Ok(job) = jobs.recv() {
            job();
            IDLE.lock().push(sender.clone());
        }
    });
    if let Err(error) = started {
        // Without the thread the simulation would wait for it for ever.
        tell_and_end(&error.to_string());
    }
}

#[allow(clippy::print_stderr, reason = "a test's own machine has no other way to say it")]
fn tell_and_end(why: &str) {
    eprintln!("no thread for the simulation: {why}");
    std::process::exit(2);
}

/// What a panic said.
pub(super) fn text(panic: &(dyn Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// The right to run, handed from one simulated thread to the next.
pub(super) struct Baton {
    given: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Baton {
    /// Nobody's yet, or that of the thread that runs.
    pub(super) fn new() -> Baton {
        Baton { given: AtomicBool::new(false), thread: Mutex::new(None) }
    }

    /// Lets its thread go on.
    pub(super) fn give(&self) {
        let thread = self.thread.lock();
        self.given.store(true, Ordering::Release);
        if let Some(thread) = &*thread {
            thread.unpark();
        }
    }

    /// The calling thread waits for it.
    pub(super) fn take(&self) {
        *self.thread.lock() = Some(thread::current());
        while !self.given.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}
