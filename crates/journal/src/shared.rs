//! What appenders, readers and the writer of one journal share, and how they wake each other.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use sched::{Signal, Thread};

use crate::Position;
use crate::config::Config;
use crate::depot::Depot;
use crate::error::Error;
use crate::outstanding::Outstanding;
use crate::pending::{CHUNK, Pending};
use crate::storage::Storage;
use crate::table::Table;

/// What the listener is told, on the writer's thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every record that ends at or below is on disk.
    Durable(Position),
    /// The disk is full, or will be with the next segment: `append` refuses until `SpaceBack`. The text says
    /// which file and why. Nothing taken so far is lost.
    Full(String),
    /// There is space again; everything taken meanwhile has been written.
    SpaceBack,
    /// A write or sync failed for another reason than space. Nothing becomes durable any more. The text names
    /// file and cause, and what the operator is to do.
    Failed(String),
}

/// Whether a journal takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Yes.
    Healthy,
    /// Only relocated copies and auxiliary records, as far as they fit into space already reserved.
    Full,
    /// None, until it is opened again.
    Failed,
}

/// The writer runs.
pub(crate) const AWAKE: u8 = 0;
/// The writer sleeps until its flush timer: only a commit or a full chunk wakes it.
pub(crate) const DOZING: u8 = 1;
/// The writer sleeps with nothing to do: any record wakes it.
pub(crate) const QUIET: u8 = 2;

/// Counters since open.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) retired: AtomicU64,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) dir: PathBuf,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) depot: Depot,
    pub(crate) table: Table,
    /// First in the order of locks.
    pub(crate) pending: Mutex<Pending>,
    pub(crate) pending_bytes: AtomicU64,
    /// Up to where somebody waits for durability.
    pub(crate) requested: AtomicU64,
    pub(crate) durable: AtomicU64,
    /// Base of the newest segment that has a file.
    pub(crate) active: AtomicU64,
    /// Bytes of relocated copies since the last retirement.
    pub(crate) copied_bytes: AtomicU64,
    pub(crate) sleep: AtomicU8,
    pub(crate) thread: OnceLock<Arc<Thread>>,
    state: AtomicU8,
    reason: Mutex<String>,
    /// Full, and what was taken cannot be written.
    pub(crate) stalled: AtomicBool,
    /// A file was freed: the writer need not wait for its next attempt.
    pub(crate) space: AtomicBool,
    /// Times that a full disk was tried again.
    pub(crate) tries: AtomicU64,
    pub(crate) stop: AtomicBool,
    /// The writer has left.
    pub(crate) gone: AtomicBool,
    turn: Signal,
    /// The writer's present step on the disk.
    pub(crate) outstanding: Outstanding,
    pub(crate) counters: Counters,
    /// Held as long as the journal is open.
    pub(crate) _lock: Box<dyn Send + Sync>,
}

/// What recovery knows and `Shared` begins with.
pub(crate) struct Beginning {
    pub(crate) config: Config,
    pub(crate) dir: PathBuf,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) depot: Depot,
    pub(crate) table: Table,
    pub(crate) pending: Pending,
    pub(crate) active: Position,
    pub(crate) lock: Box<dyn Send + Sync>,
}

impl Shared {
    pub(crate) fn new(from: Beginning) -> Self {
        let end = from.pending.end();
        Shared {
            config: from.config,
            dir: from.dir,
            storage: from.storage,
            depot: from.depot,
            table: from.table,
            pending: Mutex::new(from.pending),
            pending_bytes: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            durable: AtomicU64::new(end),
            active: AtomicU64::new(from.active),
            copied_bytes: AtomicU64::new(0),
            sleep: AtomicU8::new(AWAKE),
            thread: OnceLock::new(),
            state: AtomicU8::new(State::Healthy as u8),
            reason: Mutex::new(String::new()),
            stalled: AtomicBool::new(false),
            space: AtomicBool::new(false),
            tries: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            turn: Signal::default(),
            outstanding: Outstanding::new(),
            counters: Counters::default(),
            _lock: from.lock,
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Healthy,
            1 => State::Full,
            _ => State::Failed,
        }
    }

    /// Failed is for good; the reason given first stands.
    pub(crate) fn set_state(&self, state: State, reason: &str) {
        let mut text = self.reason.lock();
        if self.state() != State::Failed {
            reason.clone_into(&mut text);
            self.state.store(state as u8, Ordering::Release);
        }
        drop(text);
        self.notify();
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.lock().clone()
    }

    /// The error of a state in which nothing is taken.
    pub(crate) fn refusal(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        match self.state() {
            State::Healthy => Ok(()),
            State::Full => Err(Error::Full(self.reason())),
            State::Failed => Err(Error::Failed(self.reason())),
        }
    }

    /// Whether a full journal may begin another segment: the file for it is there, and no segment waits for one.
    pub(crate) fn reserve_is_free(&self, pending: &Pending) -> bool {
        pending.open_base() <= self.active.load(Ordering::Acquire) && self.depot.spares() > 0
    }

    /// The error of a journal that is closed or has failed.
    pub(crate) fn refuse_failed(&self) -> Result<(), Error> {
        match self.refusal() {
            Err(Error::Full(_)) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A record of `size` bytes was appended.
    pub(crate) fn appended(&self, size: u64) {
        let before = self.pending_bytes.fetch_add(size, Ordering::Relaxed);
        self.counters.records.fetch_add(1, Ordering::Relaxed);
        self.counters.bytes.fetch_add(size, Ordering::Relaxed);
        let asleep = self.sleep.load(Ordering::SeqCst);
        let chunk = CHUNK as u64;
        if asleep == QUIET || (asleep == DOZING && before < chunk && before + size >= chunk) {
            self.wake();
        }
    }

    /// Somebody waits until everything up to `end` is durable.
    pub(crate) fn request(&self, end: Position) {
        self.requested.fetch_max(end, Ordering::SeqCst);
        if self.sleep.load(Ordering::SeqCst) != AWAKE {
            self.wake();
        }
    }

    /// Waits until a full disk was tried again, which begins at once.
    pub(crate) fn try_again(&self) {
        let before = self.tries.load(Ordering::Acquire);
        self.space.store(true, Ordering::Release);
        self.wake();
        self.turn.wait(|| {
            let tried = self.tries.load(Ordering::Acquire) > before || self.state() != State::Full;
            (tried || self.gone.load(Ordering::Acquire)).then_some(())
        });
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.wake();
        }
    }

    /// Whoever waits looks again.
    pub(crate) fn notify(&self) {
        self.turn.notify();
    }

    /// Waits until `end` is durable or never will be.
    pub(crate) fn wait(&self, end: Position) -> Result<(), Error> {
        self.turn.wait(|| {
            if self.durable.load(Ordering::Acquire) >= end {
                return Some(Ok(()));
            }
            match self.state() {
                State::Failed => Some(Err(Error::Failed(self.reason()))),
                State::Full if self.stalled.load(Ordering::Acquire) => Some(Err(Error::Full(self.reason()))),
                _ if self.gone.load(Ordering::Acquire) => Some(Err(Error::Closed)),
                _ => None,
            }
        })
    }
}
