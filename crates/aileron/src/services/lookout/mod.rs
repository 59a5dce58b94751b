//! The survey that `aileron serve` makes again and again, and the history that comes of it.
//!
//! Nothing of it may reach the broker. So it has a thread of its own with a low priority, and the survey
//! itself runs in a process of its own (`errand`): a read that hangs, a panic over what some daemon said,
//! memory without bounds end there. The thread compares, writes the file (`store`) and shows what it has
//! (`told`) to the control socket.
//!
//! The first survey is made soon after the start, so that there is something to tell. The second comes after
//! a random part of the interval: controllers that started together do not go on in step.

mod errand;
mod store;
mod told;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use services::Overview;
use services::history::History;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use errand::Errand;
pub(in crate::services) use errand::run as run_errand;
use store::{Kept, Store};
pub(crate) use told::{ToldHistory, ToldOverview, VERSION as TOLD_VERSION};

/// The pause before the first survey: the start has other work.
const FIRST: Duration = Duration::from_secs(2);
/// The most time that one survey has. More than `aileron services` takes: nobody waits for it, and a busy
/// host should not look silent.
const DEADLINE_MAX: Duration = Duration::from_secs(5);
/// The file is written at each change, and after this time without any.
const WRITE_EVERY: Duration = Duration::from_secs(600);
/// How long the end of the daemon waits for the last write.
const STOP_TIME: Duration = Duration::from_secs(2);
/// How much lower than the broker's threads: half of the way to the lowest.
const NICE: i32 = 10;

/// What the last surveys brought, for whoever asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookout {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The time between two surveys; zero where none are made.
    interval: Duration,
    overview: Option<Arc<Overview>>,
    history: History,
    /// Why the last survey came to nothing; empty if it did not.
    trouble: String,
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Watching {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Lookout {
    /// One that has seen nothing yet.
    pub(crate) fn new(config: &Config) -> Lookout {
        let lookout = Lookout::default();
        lookout.lock().interval = config.services.interval;
        lookout
    }

    /// Begins to survey, if the configuration wants it.
    pub(crate) fn start(&self, config: &Config) -> Option<Watching> {
        let interval = config.services.interval;
        if interval.is_zero() {
            return None;
        }
        let work = Work {
            lookout: self.clone(),
            interval,
            errand: Errand::new(&config.services, DEADLINE_MAX.min(interval)),
            store: Store::new(config.broker.data_dir.join("services.json")),
            written: None,
            complained: false,
        };
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("services".to_string()).spawn(move || {
            work.run(stopped);
            // The daemon may be gone already.
            let _ = end.send(());
        });
        match thread {
            Ok(_) => Some(Watching { stop, ended }),
            Err(error) => {
                tracing::warn!(%error, "the services are not surveyed: no thread");
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    /// Ends it; waits a little for the file to be written.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_TIME, self.ended).await.is_err() {
            tracing::warn!("the history of the services was not written in time");
        }
    }
}

/// What the thread works with.
struct Work {
    lookout: Lookout,
    interval: Duration,
    errand: Errand,
    store: Store,
    written: Option<Instant>,
    /// Whether a failure to write was told.
    complained: bool,
}

impl Work {
    fn run(mut self, mut stopped: watch::Receiver<bool>) {
        // Of this thread alone, and of what it starts. Where it is refused the survey is a little louder.
        let _ = rustix::process::setpriority_process(None, NICE);
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(self.watch(&mut stopped));
                runtime.shutdown_background();
            }
            Err(error) => tracing::warn!(%error, "the services are not surveyed: no runtime"),
        }
    }

    async fn watch(&mut self, stopped: &mut watch::Receiver<bool>) {
        let (kept, warning) = self.store.load();
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        {
            let mut seen = self.lookout.lock();
            seen.overview = kept.overview().map(Arc::new);
            seen.history = kept.history;
            seen.history.resume(now());
        }
        let mut next = Instant::now() + FIRST.min(self.interval);
        let mut first = true;
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                () = sleep_until(next) => {}
            }
            let begun = Instant::now();
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                outcome = self.errand.survey() => self.note(outcome),
            }
            let pause = if first { part_of(self.interval) } else { self.interval };
            first = false;
            next = begun + pause;
        }
        self.write();
    }

    fn note(&mut self, outcome: Result<Overview, String>) {
        let changed = {
            let mut seen = self.lookout.lock();
            match outcome {
                Ok(overview) => {
                    seen.trouble.clear();
                    let changed = seen.history.take(&overview);
                    seen.overview = Some(Arc::new(overview));
                    changed
                }
                Err(trouble) => {
                    let news = seen.history.failed(now(), &trouble);
                    if news {
                        tracing::warn!("the services could not be surveyed: {trouble}");
                    }
                    seen.trouble = trouble;
                    news
                }
            }
        };
        if changed || self.written.is_none_or(|written| written.elapsed() > WRITE_EVERY) {
            self.write();
        }
    }

    fn write(&mut self) {
        let kept = {
            let seen = self.lookout.lock();
            Kept::new(&seen.history, seen.overview.as_deref())
        };
        match self.store.save(&kept) {
            Ok(()) => {
                self.written = Some(Instant::now());
                self.complained = false;
            }
            Err(error) => {
                // Tried again after the next survey, told once.
                self.written = None;
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::warn!("the history of the services cannot be written: {error}");
                }
            }
        }
    }
}

/// A random part of an interval, at least a quarter.
fn part_of(interval: Duration) -> Duration {
    // The standard library's own source of chance, which is enough here.
    let chance = RandomState::new().build_hasher().finish() % 750;
    interval.mul_f64(f64::from(u32::try_from(chance + 250).unwrap_or(1000)) / 1000.0)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
