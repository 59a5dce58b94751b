//! A vhost's durable state: the log of everything that must survive, and the page file of what need not.
//!
//! | room | what |
//! |---|---|
//! | [`records`] | the form of the log's records |
//! | [`ledger`] | which records are dead |
//! | [`replay`] | what a log says, record by record |
//! | [`reclaim`] | disk space given back |

pub(crate) mod ledger;
pub(crate) mod reclaim;
pub(crate) mod records;
pub(crate) mod replay;

use std::path::Path;
use std::sync::Arc;
use std::task::Waker;

use journal::{Journal, Position};
use parking_lot::Mutex;
use smallvec::SmallVec;

use self::ledger::Ledger;
use self::records::Record;
use crate::message::{Incoming, Message, Stored};

/// See the module's documentation.
pub(crate) struct Store {
    pub(crate) log: Journal,
    pages: Journal,
    pub(crate) ledger: Mutex<Ledger>,
    /// Acknowledgements that found the disk full: appended when there is space again.
    deferred: Mutex<Vec<(u8, Vec<u8>)>>,
    waiters: Arc<Waiters>,
    segment_bytes: u64,
}

/// Tasks that wait for the log to reach the disk.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<Vec<Waker>>);

impl Waiters {
    /// Lets all of them look how far the log is.
    pub(crate) fn wake_all(&self) {
        let waiting = std::mem::take(&mut *self.0.lock());
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Store {
    pub(crate) fn new(
        (log, pages): (Journal, Journal),
        ledger: Ledger,
        waiters: Arc<Waiters>,
        segment_bytes: u64,
    ) -> Self {
        Store { log, pages, ledger: Mutex::new(ledger), deferred: Mutex::default(), waiters, segment_bytes }
    }

    /// Appends a message for these durable queues, given by identity, and notes its record in `message`. Returns
    /// the log position that must be on disk before the message may be confirmed.
    pub(crate) fn put(
        &self,
        message: &Incoming<'_>,
        holders: &[u64],
        expires_at: u64,
    ) -> Result<Position, journal::Error> {
        let mut index = SmallVec::<[u8; 64]>::new();
        let body_len = message.parts().body.len() as u32;
        records::encode_message(holders.iter().copied(), message.priority, expires_at, body_len, &mut index);
        let appended = message.parts().with_pieces(|body| {
            self.log.append(journal::Record { kind: records::MESSAGE, index: &index, body })
        })?;
        let mut flags = 0;
        if holders.len() > 1 {
            flags = Stored::SHARED;
            self.ledger.lock().share(appended.position, holders.iter().copied());
        }
        message.stored.set(Some(Stored { id: appended.position, size: appended.size, flags }));
        Ok(appended.end)
    }

    /// Appends a definition and returns its identity and size.
    pub(crate) fn define(&self, record: &Record) -> Result<(u64, u32), journal::Error> {
        let (kind, index) = record.encode();
        let appended = self.log.append(journal::Record { kind, index: &index, body: &[] })?;
        Ok((appended.position, appended.size))
    }

    /// The exchange, queue or binding `id` is gone. Nothing happens for one that was never in the log.
    pub(crate) fn undefine(&self, id: u64, size: u32) {
        if size == 0 {
            return;
        }
        let (kind, index) = Record::Deleted { id }.encode();
        let mut ledger = self.ledger.lock();
        self.append_or_defer(kind, index);
        let (position, size) = ledger.bury(id, size);
        self.log.release(position, size);
    }

    /// Queues are done with these messages: acknowledged in the log, released from it. Empties the list.
    pub(crate) fn settle(&self, settled: &mut Vec<(u64, Stored)>) {
        let mut released = Vec::new();
        let mut ledger = self.ledger.lock();
        for run in settled.chunk_by(|a, b| a.0 == b.0) {
            let Some(queue) = run.first().map(|(queue, _)| *queue) else { continue };
            let ids = run.iter().filter(|(_, s)| s.is_in_log()).map(|(_, s)| s.id);
            let mut index = Vec::with_capacity(16 + run.len() * 2);
            records::encode_ack(queue, ids, &mut index);
            if index.len() > 8 {
                self.append_or_defer(records::ACK, index);
            }
            for (_, s) in run {
                if s.has(Stored::PAGED) {
                    self.pages.release(s.id, s.size);
                } else if !s.has(Stored::SHARED) || ledger.unshare(s.id, queue) {
                    released.push(ledger.bury(s.id, s.size));
                }
            }
        }
        drop(ledger);
        self.log.release_many(&released);
        settled.clear();
    }

    fn append_or_defer(&self, kind: u8, index: Vec<u8>) {
        let record = journal::Record { kind, index: &index, body: &[] };
        if let Err(journal::Error::Full(_)) = self.log.append(record) {
            self.deferred.lock().push((kind, index));
        }
    }

    /// There is space again: appends what had to wait.
    pub(crate) fn append_deferred(&self) {
        let _in_step = self.ledger.lock();
        for (kind, index) in std::mem::take(&mut *self.deferred.lock()) {
            self.append_or_defer(kind, index);
        }
    }

    /// Asks for everything up to `end` to reach the disk; `waker` is called when it may have.
    pub(crate) fn commit(&self, end: Position, waker: &Waker) {
        self.waiters.0.lock().push(waker.clone());
        self.log.commit(end);
        // It may have happened between the caller's look and the entry in the list.
        if self.log.durable() >= end || self.log.state() == journal::State::Failed {
            waker.wake_by_ref();
        }
    }

    /// Moves a transient message to the page file; `None` when that cannot take it.
    pub(crate) fn page_out(&self, message: &Message) -> Option<Stored> {
        let index = [0; 32];
        let record = journal::Record { kind: records::MESSAGE, index: &index, body: &[message.block()] };
        let appended = self.pages.append(record).ok()?;
        Some(Stored { id: appended.position, size: appended.size, flags: Stored::PAGED })
    }

    /// Reads messages back. `found` gets the place in `locations` and the message, or `None` when its bytes are
    /// damaged: that is logged with file and offset.
    pub(crate) fn load(&self, locations: &[Stored], found: &mut dyn FnMut(usize, Option<Message>)) {
        for paged in [false, true] {
            let ledger = self.ledger.lock();
            let mut wanted: Vec<(Position, u32, usize)> = Vec::with_capacity(locations.len());
            for (at, location) in locations.iter().enumerate().filter(|(_, l)| l.has(Stored::PAGED) == paged)
            {
                let place = (location.id, location.size);
                let (position, size) = if paged { place } else { ledger.locate(place.0, place.1) };
                wanted.push((position, size, at));
            }
            drop(ledger);
            wanted.sort_unstable();
            let journal = if paged { &self.pages } else { &self.log };
            let positions: Vec<(Position, u32)> = wanted.iter().map(|(p, s, _)| (*p, *s)).collect();
            journal.read_many(&positions, &mut |nth, read| {
                let Some((position, _, at)) = wanted.get(nth) else { return };
                let message = match read {
                    Ok(block) => Message::from_block(block),
                    Err(error) => {
                        tracing::error!(position, %error, "a message cannot be read back and is lost");
                        None
                    }
                };
                found(*at, message);
            });
        }
    }

    /// Forgets what was dead in parts of the log that are gone.
    pub(super) fn forget_dead(&self) {
        let step = usize::try_from(self.segment_bytes).unwrap_or(usize::MAX);
        self.ledger.lock().forget_pages(|range| {
            // A segment that reaches into the range holds one of these positions.
            let last = range.end - 1;
            range.step_by(step).chain([last]).any(|position| self.log.holds(position))
        });
    }

    /// Gives back the page file's space that nothing lives in.
    pub(crate) fn trim_pages(&self) {
        while let Some(segment) = self.pages.victim() {
            if let Err(error) = self.pages.retire(segment) {
                tracing::warn!(%error, "space of the page file could not be given back");
                return;
            }
        }
    }

    /// Everything appended so far is on disk, or an error says why not. Blocks.
    pub(crate) fn close(&self) -> Result<(), journal::Error> {
        self.log.close()?;
        self.pages.close()
    }
}

/// Removes a vhost's folder.
pub(crate) fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
