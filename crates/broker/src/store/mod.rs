//! A vhost's durable state: the log of everything that must survive, and the page file of what need not.
//!
//! | room | what |
//! |---|---|
//! | [`owed`] | what a full disk keeps from the log |
//! | [`records`] | the form of the log's records |
//! | [`ledger`] | which records are dead |
//! | [`replay`] | what a log says, record by record |
//! | [`reclaim`] | disk space given back |
//! | [`together`] | what a transaction does, as one |

pub(crate) mod ledger;
mod owed;
pub(crate) mod reclaim;
pub(crate) mod records;
pub(crate) mod replay;
pub(crate) mod together;

use std::collections::HashSet;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Waker;
use std::time::Duration;

use journal::{Appended, Cause, Journal, Position, SegmentId};
use parking_lot::Mutex;
use sched::fault;
use smallvec::SmallVec;

use self::ledger::Ledger;
pub(crate) use self::owed::OWED;
use self::owed::Owed;
use self::records::Record;
use crate::clock;
use crate::message::{Incoming, Message, Stored};

/// Why a message cannot be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Its bytes are damaged or gone for good.
    Damaged,
    /// Every queue is done with it meanwhile.
    Settled,
    /// The system did not let us read (no descriptors, an error of the disk): it may next time.
    Failed,
}

/// A message to be read, the `at`th of a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    position: Position,
    size: u32,
    at: usize,
}

/// Takes what one read came to.
type Found<'a> = dyn FnMut(&Wanted, Result<&[u8], journal::Error>) + 'a;

/// What reading came to; what it did not come to is told here, with file and offset.
fn kept(wanted: &Wanted, read: Result<&[u8], journal::Error>) -> Result<Message, Unread> {
    let position = wanted.position;
    match read {
        Ok(block) => Message::from_block(block).ok_or_else(|| {
            tracing::error!(position, "a message is not of the form it was written in and is lost");
            Unread::Damaged
        }),
        Err(error @ (journal::Error::Damaged(_) | journal::Error::Gone(_))) => {
            tracing::error!(position, %error, "a message cannot be read back and is lost");
            Err(Unread::Damaged)
        }
        Err(error) => {
            tracing::error!(position, %error, "a message cannot be read now; it is tried again");
            Err(Unread::Failed)
        }
    }
}

/// See the module's documentation.
pub(crate) struct Store {
    pub(crate) log: Journal,
    pages: Journal,
    pub(crate) ledger: Mutex<Ledger>,
    /// Acknowledgements and deletions that found the disk full: appended when there is space again.
    owed: Mutex<Owed>,
    waiters: Arc<Waiters>,
    /// Somebody gives space back.
    reclaiming: AtomicBool,
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
        Store {
            log,
            pages,
            ledger: Mutex::new(ledger),
            owed: Mutex::default(),
            waiters,
            reclaiming: AtomicBool::new(false),
            segment_bytes,
        }
    }

    /// How long the disk has taken for the present write or sync, of the log or of a page file.
    pub(crate) fn waits_for_disk(&self) -> Option<Duration> {
        self.log.outstanding_for().max(self.pages.outstanding_for())
    }

    /// Appends a message for these durable queues, given by identity, and notes its record in `message`. Returns
    /// the log position that must be on disk before the message may be confirmed.
    pub(crate) fn put(
        &self,
        message: &Incoming<'_>,
        holders: &[u64],
        expires_at: u64,
    ) -> Result<Position, journal::Error> {
        let index = message_index(message, holders, expires_at);
        let appended = message.parts().with_pieces(|body| {
            self.log.append(journal::Record { kind: records::MESSAGE, index: &index, body })
        })?;
        note_record(message, holders, &appended, || self.ledger.lock());
        Ok(appended.end)
    }

    /// Appends a definition and returns its identity and size.
    pub(crate) fn define(&self, record: &Record) -> Result<(u64, u32), journal::Error> {
        let (kind, index) = record.encode();
        let appended = self.log.append(journal::Record { kind, index: &index, body: &[] })?;
        Ok((appended.position, appended.size))
    }

    /// The same for a definition that is lost, and that others name.
    pub(crate) fn define_again(&self, id: u64, record: &Record) -> Result<(u64, u32), journal::Error> {
        let (kind, index) = record.encode();
        let copy = journal::Record { kind, index: &index, body: &[] };
        let appended = self.log.append_copy(SegmentId::at(id), id, copy)?;
        Ok((appended.position, appended.size))
    }

    /// The exchange, queue or binding `id` is gone. Nothing happens for one that was never in the log. `None`: the log
    /// takes nothing any more.
    pub(crate) fn undefine(&self, id: u64, size: u32) -> Option<Cause> {
        if size == 0 {
            return Some(Cause::scratch());
        }
        let (kind, index) = Record::Deleted { id }.encode();
        let mut ledger = self.ledger.lock();
        let told_late = fault::is_back("two-declarations");
        let owe = |owed: &mut Owed| owed.deleted.push(id);
        let cause = match told_late {
            true => {
                owe(&mut self.owed.lock());
                Cause::replayed()
            }
            false => self.say(kind, &index, owe)?,
        };
        let (position, size) = ledger.bury(id, size);
        self.log.release(cause, position, size);
        Some(cause)
    }

    /// Lets go of the messages of a queue whose deletion is in the log: that says all there is to say of them.
    pub(crate) fn let_go(&self, cause: Cause, queue: u64, messages: &[Stored]) {
        for slice in messages.chunks(records::MOST_ACKS) {
            self.release(cause, queue, slice.iter(), &mut self.ledger.lock());
        }
    }

    /// Queues are done with these messages: acknowledged in the log, released from it. Empties the list.
    pub(crate) fn settle(&self, settled: &mut Vec<(u64, Stored)>) {
        for run in settled.chunk_by(|a, b| a.0 == b.0) {
            let Some(queue) = run.first().map(|(queue, _)| *queue) else { continue };
            // A purge of millions neither outgrows a record nor keeps everybody else from the ledger.
            for slice in run.chunks(records::MOST_ACKS) {
                self.settle_slice(queue, slice);
            }
        }
        settled.clear();
    }

    fn settle_slice(&self, queue: u64, slice: &[(u64, Stored)]) {
        let ids = || slice.iter().filter(|(_, s)| s.is_in_log()).map(|(_, s)| s.id);
        if fault::is_back("long-list-swallowed") && slice.len() >= records::MOST_ACKS {
            return self.release(
                Cause::replayed(),
                queue,
                slice.iter().map(|(_, s)| s),
                &mut self.ledger.lock(),
            );
        }
        let mut index = Vec::with_capacity(16 + slice.len() * 2);
        records::encode_ack(queue, ids(), &mut index);
        let mut ledger = self.ledger.lock();
        let cause = match index.len() <= records::EMPTY_ACK {
            true => Some(Cause::scratch()),
            false => self.say(records::ACK, &index, |owed| owed.acks.entry(queue).or_default().extend(ids())),
        };
        if let Some(cause) = cause {
            self.release(cause, queue, slice.iter().map(|(_, stored)| stored), &mut ledger);
        }
    }

    /// The queue is done with these, which was said in the log where they are in it.
    fn release<'s>(
        &self,
        cause: Cause,
        queue: u64,
        messages: impl Iterator<Item = &'s Stored>,
        ledger: &mut Ledger,
    ) {
        let mut released = SmallVec::<[(Position, u32); 16]>::new();
        for stored in messages {
            if stored.has(Stored::PAGED) {
                self.pages.release(Cause::scratch(), stored.id, stored.size);
            } else if !stored.has(Stored::SHARED) || ledger.unshare(stored.id, queue) {
                released.push(ledger.bury(stored.id, stored.size));
            }
        }
        self.log.release_many(cause, &released);
    }

    /// Asks for everything up to `end` to reach the disk; `waker` is called when it may have, or, for what is
    /// [`OWED`], when it may be in the log.
    pub(crate) fn commit(&self, end: Position, waker: &Waker) {
        self.waiters.0.lock().push(waker.clone());
        if end == OWED {
            if self.said_up_to() != OWED || self.log.state() == journal::State::Failed {
                waker.wake_by_ref();
            }
            return;
        }
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

    /// Reads messages back. `found` gets the place in `locations` and the message, or why there is none: damage is
    /// logged with file and offset.
    pub(crate) fn load(&self, locations: &[Stored], found: &mut dyn FnMut(usize, Result<Message, Unread>)) {
        for paged in [false, true] {
            let places = locations.iter().enumerate().filter(|(_, l)| l.has(Stored::PAGED) == paged);
            let mut wanted: Vec<Wanted> =
                places.map(|(at, l)| Wanted { position: l.id, size: l.size, at }).collect();
            if paged {
                self.read(&self.pages, &mut wanted, &mut |wanted, read| found(wanted.at, kept(wanted, read)));
                continue;
            }
            self.locate(locations, &mut wanted);
            while !wanted.is_empty() {
                sched::yield_point("store: between locate and read");
                let mut moved = Vec::new();
                self.read(&self.log, &mut wanted, &mut |wanted, read| match read {
                    Err(journal::Error::Gone(_)) if !fault::is_back("gone-is-lost") => moved.push(*wanted),
                    read => found(wanted.at, kept(wanted, read)),
                });
                // A reclaim moved these after they were located: they lie elsewhere now. One that does not was settled
                // meanwhile, or somebody removed its file.
                let before = moved.clone();
                let settled = self.locate(locations, &mut moved);
                wanted.clear();
                for (was, now) in before.into_iter().zip(moved) {
                    if was.position != now.position {
                        wanted.push(now);
                    } else if settled.contains(&was.at) {
                        found(was.at, Err(Unread::Settled));
                    } else {
                        found(was.at, kept(&was, Err(journal::Error::Gone(was.position))));
                    }
                }
            }
        }
    }

    /// Where these messages lie now; returns which of them nobody wants any more.
    fn locate(&self, locations: &[Stored], wanted: &mut [Wanted]) -> HashSet<usize> {
        let mut settled = HashSet::new();
        let ledger = self.ledger.lock();
        for wanted in wanted {
            let Some(location) = locations.get(wanted.at) else { continue };
            (wanted.position, wanted.size) = ledger.locate(location.id, location.size);
            if ledger.is_dead(location.id) {
                settled.insert(wanted.at);
            }
        }
        settled
    }

    fn read(&self, journal: &Journal, wanted: &mut [Wanted], found: &mut Found<'_>) {
        wanted.sort_unstable();
        let positions: Vec<(Position, u32)> = wanted.iter().map(|w| (w.position, w.size)).collect();
        journal.read_many(&positions, &mut |nth, read| {
            if let Some(wanted) = wanted.get(nth) {
                found(wanted, read);
            }
        });
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
    fn trim_pages(&self) {
        while let Some(segment) = self.pages.victim() {
            if let Err(error) = self.pages.retire(segment) {
                tracing::warn!(%error, "space of the page file could not be given back");
                return;
            }
        }
    }

    /// A life begins: what was told of deliveries at the last stop does not hold any more. Blocks on the disk.
    pub(crate) fn note_start(&self) -> Result<(), journal::Error> {
        let (kind, index) = Record::Started.encode();
        self.log.append(journal::Record { kind, index: &index, body: &[] })?;
        self.log.sync()
    }

    /// A life ends in good order: of the messages in these queues, these were delivered before.
    pub(crate) fn note_stop(&self, delivered: &[(u64, Vec<u64>)]) -> Result<(), journal::Error> {
        let told = delivered.iter().flat_map(|(queue, ids)| {
            ids.chunks(records::MOST_ACKS).map(|ids| Record::Delivered { queue: *queue, ids: ids.to_vec() })
        });
        for record in told.chain([Record::Stopped]) {
            let (kind, index) = record.encode();
            self.log.append_reserved(journal::Record { kind, index: &index, body: &[] })?;
        }
        Ok(())
    }

    /// Everything appended so far is on disk, or an error says why not. Blocks.
    pub(crate) fn close(&self) -> Result<(), journal::Error> {
        let owed = self.pay_before_the_end();
        if let Err(error) = self.pages.close() {
            // Nothing in it outlives the process.
            tracing::debug!(%error, "the page file did not close");
        }
        let closed = self.log.close();
        if owed == 0 {
            return closed;
        }
        let why = closed.err().map(|error| format!(" ({error})")).unwrap_or_default();
        Err(journal::Error::Full(format!(
            "{owed} acknowledgements and deletions found no room; their messages and queues will be back{why}"
        )))
    }
}

/// The index part of a message's record, which names the durable queues that hold it.
fn message_index(message: &Incoming<'_>, holders: &[u64], expires_at: u64) -> SmallVec<[u8; 64]> {
    let mut index = SmallVec::new();
    let body_len = message.parts().body.len() as u32;
    let expires_at = clock::to_wall(expires_at);
    records::encode_message(holders.iter().copied(), message.priority, expires_at, body_len, &mut index);
    index
}

/// Notes a message's record in the message, and in the ledger where several queues hold it.
fn note_record<L: DerefMut<Target = Ledger>>(
    message: &Incoming<'_>,
    holders: &[u64],
    appended: &Appended,
    ledger: impl FnOnce() -> L,
) {
    let mut flags = 0;
    if holders.len() > 1 {
        flags = Stored::SHARED;
        ledger().share(appended.position, holders.iter().copied());
    }
    message.stored.set(Some(Stored { id: appended.position, size: appended.size, flags }));
}
