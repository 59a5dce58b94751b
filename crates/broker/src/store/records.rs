//! What stands in a vhost's log: the kinds of record and the form of their index part (docs/journal.md describes the
//! log itself, docs/store.md these records).
//!
//! Everything has its record's position as identity. Kinds below 128 live until they are released; the others say
//! that something else is gone, and are needed only as long as a record of that something is still on disk.
//! Integers are little endian; a string has its length (2 bytes) before it.

use amqp::table::{FieldTable, RawTable};
use smallvec::SmallVec;

pub(crate) const EXCHANGE: u8 = 1;
pub(crate) const QUEUE: u8 = 2;
pub(crate) const BINDING: u8 = 3;
pub(crate) const MESSAGE: u8 = 4;
pub(crate) const ACK: u8 = 128;
pub(crate) const DELETED: u8 = 129;
pub(crate) const DELIVERED: u8 = 130;
pub(crate) const STOPPED: u8 = 131;
pub(crate) const STARTED: u8 = 132;

/// Shortest index of a live record, so that no two records begin within the same 64 bytes (the ledger of dead
/// records has one bit for each 64 bytes of log).
const SHORTEST: usize = 32;

/// Messages that one acknowledgement names at the most: 40 KiB of index, and a slice of work under the ledger's lock.
pub(crate) const MOST_ACKS: usize = if cfg!(feature = "simulated") { 256 } else { 4096 };
/// Bytes of the index of an acknowledgement of nothing.
pub(crate) const EMPTY_ACK: usize = 8;

/// A decoded index part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    Exchange {
        name: String,
        kind: String,
        auto_delete: bool,
        internal: bool,
        arguments: FieldTable,
    },
    Queue {
        name: String,
        auto_delete: bool,
        arguments: FieldTable,
    },
    /// `source` and `destination` are identities; predeclared exchanges have small fixed ones.
    Binding {
        source: u64,
        destination: u64,
        to_queue: bool,
        key: Vec<u8>,
        arguments: FieldTable,
    },
    Message(MessageRecord),
    /// The queue is done with these messages.
    Ack {
        queue: u64,
        ids: Vec<u64>,
    },
    /// The exchange, queue or binding is gone.
    Deleted {
        id: u64,
    },
    /// At a stop in good order: of the messages that wait in the queue, these were delivered before.
    Delivered {
        queue: u64,
        ids: Vec<u64>,
    },
    /// The end of a life in good order: `Delivered` has told all there is to tell.
    Stopped,
    /// The beginning of another life: what was told of deliveries is not all any more.
    Started,
}

/// The index part of a message; its body is the message's block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MessageRecord {
    pub(crate) queues: SmallVec<[u64; 2]>,
    /// The record names several queues, whichever of them hold the message still. Not written.
    pub(crate) shared: bool,
    pub(crate) priority: u8,
    pub(crate) expires_at: u64,
    pub(crate) body_len: u32,
}

/// Writes the index part of a message record.
pub(crate) fn encode_message(
    queues: impl ExactSizeIterator<Item = u64>,
    priority: u8,
    expires_at: u64,
    body_len: u32,
    out: &mut SmallVec<[u8; 64]>,
) {
    out.extend_from_slice(&expires_at.to_le_bytes());
    out.extend_from_slice(&body_len.to_le_bytes());
    out.push(priority);
    out.extend_from_slice(&(queues.len() as u32).to_le_bytes());
    queues.for_each(|queue| out.extend_from_slice(&queue.to_le_bytes()));
    if out.len() < SHORTEST {
        out.resize(SHORTEST, 0);
    }
}

/// The index part of the same message for these queues; `None` where it is not the index of a message.
pub(crate) fn with_queues(index: &[u8], queues: &[u64]) -> Option<SmallVec<[u8; 64]>> {
    let Some(Record::Message(m)) = Record::decode(MESSAGE, index) else { return None };
    let mut out = SmallVec::new();
    encode_message(queues.iter().copied(), m.priority, m.expires_at, m.body_len, &mut out);
    Some(out)
}

/// Writes the index part of an acknowledgement: the queue, then each id as the difference to the one before it.
pub(crate) fn encode_ack(queue: u64, ids: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(&queue.to_le_bytes());
    let mut last = 0u64;
    for id in ids {
        let step = id.wrapping_sub(last).cast_signed();
        write_varint(((step << 1) ^ (step >> 63)).cast_unsigned(), out);
        last = id;
    }
}

impl Record {
    /// Kind and index part.
    pub(crate) fn encode(&self) -> (u8, Vec<u8>) {
        let mut out = Vec::with_capacity(64);
        let kind = match self {
            Record::Exchange { name, kind, auto_delete, internal, arguments } => {
                out.push(u8::from(*auto_delete) | u8::from(*internal) << 1);
                write_bytes(name.as_bytes(), &mut out);
                write_bytes(kind.as_bytes(), &mut out);
                arguments.encode(&mut out);
                EXCHANGE
            }
            Record::Queue { name, auto_delete, arguments } => {
                out.push(u8::from(*auto_delete));
                write_bytes(name.as_bytes(), &mut out);
                arguments.encode(&mut out);
                QUEUE
            }
            Record::Binding { source, destination, to_queue, key, arguments } => {
                out.push(u8::from(*to_queue));
                out.extend_from_slice(&source.to_le_bytes());
                out.extend_from_slice(&destination.to_le_bytes());
                write_bytes(key, &mut out);
                arguments.encode(&mut out);
                BINDING
            }
            Record::Message(m) => {
                let mut out = SmallVec::new();
                encode_message(m.queues.iter().copied(), m.priority, m.expires_at, m.body_len, &mut out);
                return (MESSAGE, out.into_vec());
            }
            Record::Ack { queue, ids } => {
                encode_ack(*queue, ids.iter().copied(), &mut out);
                return (ACK, out);
            }
            Record::Delivered { queue, ids } => {
                encode_ack(*queue, ids.iter().copied(), &mut out);
                return (DELIVERED, out);
            }
            Record::Stopped => return (STOPPED, out),
            Record::Started => return (STARTED, out),
            Record::Deleted { id } => {
                out.extend_from_slice(&id.to_le_bytes());
                return (DELETED, out);
            }
        };
        pad(&mut out);
        (kind, out)
    }

    /// Reads an index part; `None` when it is not of the form this version writes.
    pub(crate) fn decode(kind: u8, index: &[u8]) -> Option<Record> {
        let mut from = Reader(index);
        Some(match kind {
            EXCHANGE => {
                let flags = from.u8()?;
                let (name, kind) = (from.text()?, from.text()?);
                let arguments = from.table()?;
                let (auto_delete, internal) = (flags & 1 != 0, flags & 2 != 0);
                Record::Exchange { name, kind, auto_delete, internal, arguments }
            }
            QUEUE => {
                let auto_delete = from.u8()? & 1 != 0;
                Record::Queue { name: from.text()?, auto_delete, arguments: from.table()? }
            }
            BINDING => {
                let to_queue = from.u8()? & 1 != 0;
                let (source, destination) = (from.u64()?, from.u64()?);
                let key = from.bytes()?.to_vec();
                Record::Binding { source, destination, to_queue, key, arguments: from.table()? }
            }
            MESSAGE => {
                let (expires_at, body_len, priority) = (from.u64()?, from.u32()?, from.u8()?);
                let count = from.u32()? as usize;
                let queues = from.take(count.checked_mul(8)?)?.chunks_exact(8);
                let queues = queues.map(|c| c.try_into().map_or(0, u64::from_le_bytes)).collect();
                Record::Message(MessageRecord { queues, shared: count > 1, priority, expires_at, body_len })
            }
            ACK => Record::Ack { queue: from.u64()?, ids: from.ids()? },
            DELIVERED => Record::Delivered { queue: from.u64()?, ids: from.ids()? },
            STOPPED => Record::Stopped,
            STARTED => Record::Started,
            DELETED => Record::Deleted { id: from.u64()? },
            _ => return None,
        })
    }
}

fn pad(out: &mut Vec<u8>) {
    if out.len() < SHORTEST {
        out.resize(SHORTEST, 0);
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        self.take(usize::from(len))
    }

    fn text(&mut self) -> Option<String> {
        Some(std::str::from_utf8(self.bytes()?).ok()?.to_owned())
    }

    /// A field table as on the wire: its length in 4 bytes, big endian, then the fields.
    fn table(&mut self) -> Option<FieldTable> {
        let len = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        Some(RawTable::parse(self.take(len as usize)?).ok()?.to_owned())
    }

    /// All that is left, each as the difference to the one before it.
    fn ids(&mut self) -> Option<Vec<u64>> {
        let (mut ids, mut last) = (Vec::new(), 0u64);
        while !self.0.is_empty() {
            let step = self.varint()?;
            last = last.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
            ids.push(last);
        }
        Some(ids)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amqp::table::Value;

    #[test]
    fn records_come_back_as_they_were_written() {
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".to_owned(), Value::I32(1_800_000));
        let records = [
            Record::Exchange {
                name: "nova".into(),
                kind: "topic".into(),
                auto_delete: false,
                internal: true,
                arguments: arguments.clone(),
            },
            Record::Queue { name: "compute".into(), auto_delete: true, arguments: arguments.clone() },
            Record::Binding {
                source: 5,
                destination: u64::MAX,
                to_queue: true,
                key: b"compute.#".to_vec(),
                arguments,
            },
            Record::Message(MessageRecord {
                queues: SmallVec::from_slice(&[4096, 5000]),
                shared: true,
                priority: 9,
                expires_at: u64::MAX,
                body_len: 17,
            }),
            Record::Ack { queue: 4096, ids: vec![9000, 9064, 70, u64::MAX, 1] },
            Record::Deleted { id: 4096 },
            Record::Delivered { queue: 4096, ids: vec![9000, 70] },
            Record::Stopped,
            Record::Started,
        ];
        for record in records {
            let (kind, index) = record.encode();
            assert_eq!(Record::decode(kind, &index).as_ref(), Some(&record));
            if kind == EXCHANGE || kind == QUEUE || kind == MESSAGE {
                for cut in 0..8 {
                    assert!(Record::decode(kind, &index[..cut]).is_none(), "{record:?} cut at {cut}");
                }
            }
        }
    }
}
