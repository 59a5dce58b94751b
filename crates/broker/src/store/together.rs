//! What a transaction does, told to the log as one group: whole or not at all, whenever the process or the power goes.

use journal::{Group, Position};
use smallvec::SmallVec;

use super::{Store, message_index, note_record, records};
use crate::message::{Incoming, Message, Stored};

/// A message with the queues that must keep it.
pub(crate) struct Placed<'a> {
    pub(crate) message: &'a Incoming<'a>,
    /// Durable queues, by identity.
    pub(crate) holders: SmallVec<[u64; 8]>,
    pub(crate) expires_at: u64,
}

impl Store {
    /// Appends these messages, and that queues are done with these others, which are released. Notes each message's
    /// record in it. Returns the log position that must be on disk before the transaction may be answered.
    ///
    /// On a full disk messages are refused, and with them all. Where there are only acknowledgements they are told one by
    /// one as far as there is room, and owed like any other from there on.
    pub(crate) fn put_together(
        &self,
        messages: &[Placed<'_>],
        settled: &[(u64, Stored)],
    ) -> Result<Position, journal::Error> {
        let mut settled: Vec<_> = settled.iter().filter(|(_, stored)| stored.is_in_log()).copied().collect();
        settled.sort_by_key(|(queue, _)| *queue);
        let kept: Vec<Message> = messages.iter().map(|placed| placed.message.keep()).collect();
        let blocks: Vec<[&[u8]; 1]> = kept.iter().map(|message| [message.block()]).collect();
        let indexes: Vec<_> = messages
            .iter()
            .map(|placed| message_index(placed.message, &placed.holders, placed.expires_at))
            .collect();
        let told = || settled.chunk_by(|a, b| a.0 == b.0).flat_map(|run| run.chunks(records::MOST_ACKS));
        let acks: Vec<Vec<u8>> = told().map(ack).collect();
        let records =
            indexes.iter().zip(&blocks).map(|(index, body)| (records::MESSAGE, index.as_slice(), &body[..]));
        let acks = acks.iter().map(|index| (records::ACK, index.as_slice(), &[][..]));
        let records = records.chain(acks).map(|(kind, index, body)| journal::Record { kind, index, body });
        let group = Group::new(records)?;
        if group.is_empty() {
            return Ok(0);
        }
        let mut ledger = self.ledger.lock();
        let appended = match self.log.append_group(group) {
            Ok(appended) => appended,
            Err(journal::Error::Full(_)) if messages.is_empty() => {
                drop(ledger);
                self.settle(&mut settled);
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        for (placed, appended) in messages.iter().zip(&appended) {
            note_record(placed.message, &placed.holders, appended, || &mut *ledger);
        }
        for (slice, appended) in told().zip(appended.iter().skip(messages.len())) {
            let Some((queue, _)) = slice.first() else { continue };
            self.release(appended.cause(), *queue, slice.iter().map(|(_, stored)| stored), &mut ledger);
        }
        Ok(appended.last().map_or(0, |last| last.end))
    }
}

fn ack(slice: &[(u64, Stored)]) -> Vec<u8> {
    let mut index = Vec::with_capacity(16 + slice.len() * 2);
    let queue = slice.first().map_or(0, |(queue, _)| *queue);
    records::encode_ack(queue, slice.iter().map(|(_, stored)| stored.id), &mut index);
    index
}
