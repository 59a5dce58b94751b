//! The index at a sealed segment's end: its entries without bodies, and a trailer that tells where they are.
//!
//! A start reads this instead of the records. It repeats what the records say and nothing else: a segment
//! whose footer is unreadable is scanned instead.

use crate::Position;
use crate::record::{Draft, Entry, INDEX_MAX, size_of};
use crate::segment::HEADER_BLOCK;

/// Bytes of the trailer, the last ones of the segment's capacity.
pub(crate) const TRAILER: u64 = 64;
const MAGIC: [u8; 8] = *b"AILINDEX";
/// Entry flag: a relocated copy, the id is written out.
const COPY: u8 = 1;
/// Entry flag: does not follow the previous record at once (what was between them is damaged).
const GAP: u8 = 2;

/// Grows with the records of the open segment, written when it is sealed.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    entries: u64,
    /// Offset in the segment behind the newest record.
    next: u64,
}

/// Bytes that a record adds to the index, where it follows its neighbour at once.
pub(crate) fn entry_len(copy: bool, index_len: usize, body_len: u32) -> u64 {
    let id = if copy { 8 } else { 0 };
    2 + varint_len(index_len as u64) + varint_len(u64::from(body_len)) + id + index_len as u64
}

/// Bytes a record takes of a segment: its own and those of its index entry.
pub(crate) fn needs(draft: &Draft<'_>) -> u64 {
    u64::from(draft.size) + entry_len(draft.id.is_some(), draft.record.index.len(), draft.body_len)
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder { bytes: Vec::new(), entries: 0, next: HEADER_BLOCK }
    }

    /// Adds the record at `offset` of its segment. Offsets only grow.
    pub(crate) fn push(&mut self, offset: u64, entry: &Entry<'_>) {
        let gap = offset.saturating_sub(self.next);
        let copy = entry.id != entry.position;
        let flags = if copy { COPY } else { 0 } | if gap > 0 { GAP } else { 0 };
        self.bytes.extend_from_slice(&[entry.kind, flags]);
        put_varint(&mut self.bytes, entry.index.len() as u64);
        put_varint(&mut self.bytes, u64::from(entry.body_len));
        if gap > 0 {
            put_varint(&mut self.bytes, gap / 8);
        }
        if copy {
            self.bytes.extend_from_slice(&entry.id.to_le_bytes());
        }
        self.bytes.extend_from_slice(entry.index);
        self.entries += 1;
        self.next = offset + u64::from(entry.size);
    }

    /// Bytes of the index so far.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Index and trailer: what belongs at the very end of the segment's capacity.
    pub(crate) fn seal(&self, base: Position, tag: u32) -> Vec<u8> {
        let mut trailer = [0; TRAILER as usize];
        trailer[..8].copy_from_slice(&MAGIC);
        trailer[12..16].copy_from_slice(&tag.to_le_bytes());
        trailer[16..24].copy_from_slice(&base.to_le_bytes());
        trailer[24..32].copy_from_slice(&self.entries.to_le_bytes());
        trailer[32..40].copy_from_slice(&self.len().to_le_bytes());
        trailer[40..48].copy_from_slice(&self.next.to_le_bytes());
        trailer[48..52].copy_from_slice(&crc32fast::hash(&self.bytes).to_le_bytes());
        let crc = crc32fast::hash(&trailer[12..]);
        trailer[8..12].copy_from_slice(&crc.to_le_bytes());
        let mut all = Vec::with_capacity(self.bytes.len() + trailer.len());
        all.extend_from_slice(&self.bytes);
        all.extend_from_slice(&trailer);
        all
    }
}

/// What an intact trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) base: Position,
    pub(crate) tag: u32,
    pub(crate) entries: u64,
    pub(crate) index_len: u64,
    /// Offset in the segment behind the last record.
    pub(crate) records_end: u64,
    index_crc: u32,
}

impl Trailer {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Trailer> {
        let raw: &[u8; TRAILER as usize] = bytes.first_chunk()?;
        let u32_at = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if raw[..8] != MAGIC || u32_at(8) != crc32fast::hash(&raw[12..]) {
            return None;
        }
        Some(Trailer {
            tag: u32_at(12),
            base: u64_at(16),
            entries: u64_at(24),
            index_len: u64_at(32),
            records_end: u64_at(40),
            index_crc: u32_at(48),
        })
    }

    /// Whether `index` is the index this trailer was written with.
    pub(crate) fn index_matches(&self, index: &[u8]) -> bool {
        index.len() as u64 == self.index_len && crc32fast::hash(index) == self.index_crc
    }
}

/// Reads an index back. Ends early, with `intact` false, at the first entry that cannot be.
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    base: Position,
    next: u64,
    records_end: u64,
    intact: bool,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(index: &'a [u8], trailer: &Trailer) -> Self {
        Entries {
            rest: index,
            base: trailer.base,
            next: HEADER_BLOCK,
            records_end: trailer.records_end,
            intact: true,
        }
    }

    /// Whether every entry so far was well-formed.
    pub(crate) fn is_intact(&self) -> bool {
        self.intact
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let (&[kind, flags], rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        let index_len = usize::try_from(take_varint(&mut self.rest)?).ok()?;
        let body_len = u32::try_from(take_varint(&mut self.rest)?).ok()?;
        if index_len > INDEX_MAX {
            return None;
        }
        if flags & GAP != 0 {
            let gap = take_varint(&mut self.rest)?.checked_mul(8)?;
            self.next = self.next.checked_add(gap)?;
        }
        let position = self.base.checked_add(self.next)?;
        let mut id = position;
        if flags & COPY != 0 {
            let (raw, rest) = self.rest.split_first_chunk()?;
            id = u64::from_le_bytes(*raw);
            self.rest = rest;
        }
        let (index, rest) = self.rest.split_at_checked(index_len)?;
        self.rest = rest;
        let size = size_of(flags & COPY != 0, index_len, body_len as usize);
        self.next = self.next.checked_add(size)?;
        if self.next > self.records_end {
            return None;
        }
        Some(Entry { position, id, size: u32::try_from(size).ok()?, kind, index, body_len })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.rest.is_empty() || !self.intact {
            return None;
        }
        let entry = self.entry();
        self.intact = entry.is_some();
        entry
    }
}

fn varint_len(value: u64) -> u64 {
    u64::from((64 - (value | 1).leading_zeros()).div_ceil(7))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_reads_back_with_gaps_and_copies() {
        let mut builder = Builder::new();
        let base = 1 << 40;
        let mut expected = Vec::new();
        let mut offset = HEADER_BLOCK;
        for n in 0..300_u64 {
            let copy = n % 3 == 0;
            let index = vec![n as u8; n as usize];
            let body_len = n as u32 * 1000;
            if n % 50 == 7 {
                offset += 8 * n;
            }
            let position = base + offset;
            let id = if copy { n * 8 + 8 } else { position };
            let size = size_of(copy, index.len(), body_len as usize) as u32;
            let before = builder.len();
            let entry = Entry { position, id, size, kind: n as u8, index: &index, body_len };
            builder.push(offset, &entry);
            if n % 50 != 7 {
                assert_eq!(builder.len() - before, entry_len(copy, index.len(), body_len));
            }
            offset += u64::from(size);
            expected.push((position, id, size, n as u8, index, body_len));
        }
        let sealed = builder.seal(base, 77);
        let (index, trailer) = sealed.split_at(sealed.len() - TRAILER as usize);
        let trailer = Trailer::decode(trailer).expect("trailer");
        assert!(trailer.index_matches(index));
        assert_eq!(
            (trailer.base, trailer.tag, trailer.entries, trailer.records_end),
            (base, 77, 300, offset)
        );
        let mut entries = Entries::new(index, &trailer);
        let read: Vec<_> = entries
            .by_ref()
            .map(|e| (e.position, e.id, e.size, e.kind, e.index.to_vec(), e.body_len))
            .collect();
        assert!(entries.is_intact());
        assert_eq!(read, expected);
    }
}
