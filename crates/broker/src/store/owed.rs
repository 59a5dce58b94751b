//! What the log has to be told and cannot while the disk is full: acknowledgements and deletions are owed to it, and paid
//! when there is space again.

use std::collections::BTreeMap;

use journal::{Cause, Position};

use super::Store;
use super::records::{self, Record};

/// What has to be on disk is not in the log yet: it waits for space. [`Store::said_up_to`] tells when it is.
pub(crate) const OWED: Position = Position::MAX;

/// What the log still has to be told. Locked under the ledger, never the other way round.
#[derive(Default)]
pub(super) struct Owed {
    /// Messages that queues are done with, by queue.
    pub(super) acks: BTreeMap<u64, Vec<u64>>,
    pub(super) deleted: Vec<u64>,
}

impl Owed {
    pub(super) fn add(&mut self, record: Record) {
        match record {
            Record::Ack { queue, ids } => self.acks.entry(queue).or_default().extend(ids),
            Record::Deleted { id } => self.deleted.push(id),
            _ => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.acks.is_empty() && self.deleted.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.acks.values().map(Vec::len).sum::<usize>() + self.deleted.len()
    }

    /// One record's worth.
    fn take(&mut self) -> Option<Record> {
        if let Some(id) = self.deleted.pop() {
            return Some(Record::Deleted { id });
        }
        let mut first = self.acks.first_entry()?;
        let queue = *first.key();
        let left = first.get().len().saturating_sub(records::MOST_ACKS);
        let ids = first.get_mut().split_off(left);
        if left == 0 {
            first.remove();
        }
        Some(Record::Ack { queue, ids })
    }
}

impl Store {
    /// Appends an acknowledgement or deletion, or owes it while the disk is full. `None`: the log takes nothing any
    /// more (it has failed, or is closed), so that what it was told last stands, and nothing may be released.
    pub(super) fn say(&self, kind: u8, index: &[u8], owe: impl FnOnce(&mut Owed)) -> Option<Cause> {
        match self.log.append(journal::Record { kind, index, body: &[] }) {
            Ok(appended) => Some(appended.cause()),
            Err(error) => {
                let cause = Cause::owed(&error);
                match cause {
                    Some(_) => owe(&mut self.owed.lock()),
                    None => tracing::debug!(
                        %error,
                        "an acknowledgement was not written: a restart brings the message back"
                    ),
                }
                cause
            }
        }
    }

    /// Appends what had to wait for space, as far as there is some now.
    pub(crate) fn pay_owed(&self) {
        let mut paid = false;
        while self.pay_one() {
            paid = true;
        }
        if paid {
            self.waiters.wake_all();
        }
    }

    /// Appends one record's worth of it. `false`: nothing waits, or it still has to.
    fn pay_one(&self) -> bool {
        // In step with reclaim, as every acknowledgement; but for a slice at a time.
        let _in_step = self.ledger.lock();
        let Some(owed) = self.owed.lock().take() else { return false };
        // What is gone from the disk needs no word any more.
        let (kind, index) = match &owed {
            Record::Ack { ids, .. } if ids.iter().all(|id| !self.log.holds(*id)) => return true,
            Record::Deleted { id } if !self.log.holds(*id) => return true,
            owed => owed.encode(),
        };
        match self.log.append_reserved(journal::Record { kind, index: &index, body: &[] }) {
            Ok(_) => true,
            Err(journal::Error::Full(_)) => {
                self.owed.lock().add(owed);
                false
            }
            Err(error) => {
                tracing::debug!(%error, "an acknowledgement that had to wait was not written");
                false
            }
        }
    }

    /// Up to where the log has to be on disk for all that was said so far; [`OWED`] while something waits for space, and
    /// for good where the log has failed.
    pub(crate) fn said_up_to(&self) -> Position {
        let _in_step = self.ledger.lock();
        let is_told = self.owed.lock().is_empty() && self.log.state() != journal::State::Failed;
        if is_told { self.log.end() } else { OWED }
    }

    /// Waits until all that was said so far is on disk; an error where that has to wait for space.
    pub(crate) fn reach_disk(&self) -> Result<(), journal::Error> {
        self.log.sync()?;
        match self.owed.lock().is_empty() {
            true => Ok(()),
            false => Err(journal::Error::Full("it is told as soon as there is space".to_owned())),
        }
    }

    /// Whether something waits for space.
    #[cfg(feature = "simulated")]
    pub(crate) fn owes(&self) -> bool {
        !self.owed.lock().is_empty()
    }

    /// Appends what had to wait for space, with what can be done for it. Returns how much still waits.
    pub(super) fn pay_before_the_end(&self) -> usize {
        for _ in 0..2 {
            if self.owed.lock().is_empty() {
                return 0;
            }
            // What is dead altogether goes without a word; the rest is told, from the reserve if need be.
            if let Err(error) = self.reclaim() {
                tracing::warn!(%error, "space could not be given back before the end");
            }
            self.pay_owed();
            if !self.owed.lock().is_empty() {
                self.log.try_again();
                self.pay_owed();
            }
        }
        self.owed.lock().count()
    }
}
