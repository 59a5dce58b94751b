//! One record: its bytes in the log, written and read back. Next door: `scan` (finding records), `footer` (their index).
//!
//! Layout, little endian, at a multiple of 8 (docs/journal.md is the reference):
//! `crc u32 | body_crc u32 | position u64 | body_len u32 | index_len u32 | kind u8 | flags u8 | lag u16 | tag u32`,
//! then the id (u64, only where flag COPY is set), the index, the body, zeros up to a multiple of 8.

use crc32fast::Hasher;

use crate::Position;
use crate::error::Error;

/// Bytes of the fixed part.
pub(crate) const HEAD: usize = 32;
/// Flag: a relocated copy; the id of the original follows the head.
pub(crate) const COPY: u8 = 1;
/// Flag: more of this record's group follows.
pub(crate) const MORE: u8 = 2;
/// Flag: more of this record's group stands before it.
pub(crate) const PART: u8 = 4;
/// What `lag` counts in.
const LAG: u64 = 4096;
/// Kinds from here on are auxiliary (acknowledgements, deletions): never counted live.
pub const AUXILIARY: u8 = 128;
/// Longest index part, 1 MiB: it is held in memory and repeated in the segment's footer.
pub const INDEX_MAX: usize = 1 << 20;
/// Longest body, 1 GiB less 4 MiB, so that a record's size and the file around it fit their fields.
pub const BODY_MAX: usize = (1 << 30) - (4 << 20);

/// What the owner hands over: the index part is replayed at start, the body is read on demand.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The owner's type of record; from [`AUXILIARY`] on never counted live.
    pub kind: u8,
    /// What the owner needs at start, at most [`INDEX_MAX`] bytes.
    pub index: &'a [u8],
    /// The rest in parts that are written one behind the other, at most [`BODY_MAX`] bytes together.
    pub body: &'a [&'a [u8]],
}

/// A record as replay and [`Journal::entries`](crate::Journal::entries) show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it lies: what `read` takes.
    pub position: Position,
    /// Who it is: the position of the original, for a relocated copy; else its own position.
    pub id: Position,
    /// Bytes in the log: what `release` takes.
    pub size: u32,
    /// The owner's type of record.
    pub kind: u8,
    /// The index part.
    pub index: &'a [u8],
    /// Bytes of the body.
    pub body_len: u32,
}

/// Bytes a record takes in the log.
pub(crate) fn size_of(copy: bool, index_len: usize, body_len: usize) -> u64 {
    let id = if copy { 8 } else { 0 };
    (HEAD as u64 + id + index_len as u64 + body_len as u64).next_multiple_of(8)
}

/// What a record is given when its place is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) position: Position,
    pub(crate) tag: u32,
    /// Up to here the log was durable then.
    pub(crate) durable: Position,
    /// [`MORE`] and [`PART`].
    pub(crate) group: u8,
}

impl Stamp {
    /// How far behind the record the log was durable, from 1 on, rounded up; 0: too far to say.
    fn lag(&self) -> u16 {
        let behind = self.position.saturating_sub(self.durable).div_ceil(LAG);
        u16::try_from(behind + 1).unwrap_or(0)
    }
}

/// A record on its way in: everything that can be computed before its position is known.
pub(crate) struct Draft<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) id: Option<Position>,
    pub(crate) size: u32,
    pub(crate) body_len: u32,
    body_crc: u32,
    index_crc: Hasher,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(record: Record<'a>, id: Option<Position>) -> Result<Self, Error> {
        let body_len: usize = record.body.iter().map(|part| part.len()).sum();
        for (size, limit) in [(record.index.len(), INDEX_MAX), (body_len, BODY_MAX)] {
            if size > limit {
                return Err(Error::TooLarge { size: size as u64, limit: limit as u64 });
            }
        }
        let mut body = Hasher::new();
        record.body.iter().for_each(|part| body.update(part));
        let mut index_crc = Hasher::new();
        index_crc.update(record.index);
        let size = size_of(id.is_some(), record.index.len(), body_len) as u32;
        Ok(Draft { record, id, size, body_len: body_len as u32, body_crc: body.finalize(), index_crc })
    }

    /// Writes the record behind what `out` holds.
    pub(crate) fn put(&self, stamp: &Stamp, out: &mut Vec<u8>) {
        let end = out.len() + self.size as usize;
        let (head, head_len) = self.head(stamp);
        out.extend_from_slice(&head[..head_len]);
        out.extend_from_slice(self.record.index);
        for part in self.record.body {
            out.extend_from_slice(part);
        }
        out.resize(end, 0);
    }

    /// The record as `put` writes it, without a place.
    pub(crate) fn lay_out(&self, out: &mut Vec<u8>) {
        self.put(&Stamp { position: 0, tag: 0, durable: 0, group: 0 }, out);
    }

    /// Gives a record that was laid out its place.
    pub(crate) fn stamp(&self, stamp: &Stamp, record: &mut [u8]) {
        let (head, head_len) = self.head(stamp);
        if let Some(place) = record.get_mut(..head_len) {
            place.copy_from_slice(&head[..head_len]);
        }
    }

    fn head(&self, stamp: &Stamp) -> ([u8; HEAD + 8], usize) {
        let mut head = [0; HEAD + 8];
        head[4..8].copy_from_slice(&self.body_crc.to_le_bytes());
        head[8..16].copy_from_slice(&stamp.position.to_le_bytes());
        head[16..20].copy_from_slice(&self.body_len.to_le_bytes());
        head[20..24].copy_from_slice(&(self.record.index.len() as u32).to_le_bytes());
        head[24] = self.record.kind;
        head[25] = stamp.group;
        head[26..28].copy_from_slice(&stamp.lag().to_le_bytes());
        head[28..32].copy_from_slice(&stamp.tag.to_le_bytes());
        let mut crc = self.index_crc.clone();
        let mut len = HEAD;
        if let Some(id) = self.id {
            head[25] |= COPY;
            head[32..40].copy_from_slice(&id.to_le_bytes());
            crc.update(&head[32..40]);
            len += 8;
        }
        crc.update(&head[4..HEAD]);
        head[..4].copy_from_slice(&crc.finalize().to_le_bytes());
        (head, len)
    }
}

/// The fixed part as it stands in the log, unchecked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    crc: u32,
    body_crc: u32,
    pub(crate) position: Position,
    pub(crate) body_len: u32,
    pub(crate) index_len: u32,
    pub(crate) kind: u8,
    flags: u8,
    lag: u16,
    pub(crate) tag: u32,
}

impl Head {
    /// Decodes the first 32 bytes; `None` if there are fewer.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Head> {
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Some(Head {
            crc: u32_at(0),
            body_crc: u32_at(4),
            position: u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32,
            body_len: u32_at(16),
            index_len: u32_at(20),
            kind: head[24],
            flags: head[25],
            lag: u16::from_le_bytes([head[26], head[27]]),
            tag: u32_at(28),
        })
    }

    pub(crate) fn is_copy(&self) -> bool {
        self.flags & COPY != 0
    }

    /// Whether more of its group follows.
    pub(crate) fn has_more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// Whether more of its group stands before it.
    pub(crate) fn is_part(&self) -> bool {
        self.flags & PART != 0
    }

    /// Up to here, at least, the log was durable when the record was appended; 0 where it does not say.
    pub(crate) fn durable(&self) -> Position {
        let Some(behind) = u64::from(self.lag).checked_sub(1) else { return 0 };
        self.position.saturating_sub(behind * LAG)
    }

    /// Bytes before the body.
    pub(crate) fn front(&self) -> usize {
        HEAD + if self.is_copy() { 8 } else { 0 } + self.index_len as usize
    }

    /// Bytes in the log, padding included.
    pub(crate) fn size(&self) -> u64 {
        size_of(self.is_copy(), self.index_len as usize, self.body_len as usize)
    }

    /// Whether the lengths are ones that this release writes.
    pub(crate) fn is_sane(&self) -> bool {
        self.index_len as usize <= INDEX_MAX
            && self.body_len as usize <= BODY_MAX
            && self.flags & !(COPY | MORE | PART) == 0
    }

    /// Whether `body` is what was written.
    pub(crate) fn body_matches(&self, body: &[u8]) -> bool {
        crc32fast::hash(body) == self.body_crc
    }
}

/// A record's front part, with its checksum verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Front<'a> {
    pub(crate) head: Head,
    pub(crate) index: &'a [u8],
    pub(crate) id: Position,
}

impl<'a> Front<'a> {
    /// Verifies head and index of the record that `bytes` begin with; `None` where the checksum, the lengths or
    /// the number of bytes say that it is none. Position and tag are the caller's to compare.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Front<'a>> {
        let front = Front::trusted(bytes)?;
        let mut crc = Hasher::new();
        crc.update(front.index);
        if front.head.is_copy() {
            crc.update(&front.id.to_le_bytes());
        }
        crc.update(bytes.get(4..HEAD)?);
        (crc.finalize() == front.head.crc).then_some(front)
    }

    /// The same without the checksum, for bytes that never left memory.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Option<Front<'a>> {
        let head = Head::decode(bytes).filter(Head::is_sane)?;
        let front = bytes.get(..head.front())?;
        let index = front.get(front.len() - head.index_len as usize..)?;
        let id = match head.is_copy() {
            true => u64::from_le_bytes(*front.get(HEAD..)?.first_chunk()?),
            false => head.position,
        };
        Some(Front { head, index, id })
    }

    pub(crate) fn entry(&self) -> Entry<'a> {
        Entry {
            position: self.head.position,
            id: self.id,
            size: self.head.size() as u32,
            kind: self.head.kind,
            index: self.index,
            body_len: self.head.body_len,
        }
    }
}
