//! One segment file's name and header block. Next door: `record` (what follows the header), `footer` (what ends it).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Position;

/// Bytes of the header block; the first record follows.
pub(crate) const HEADER_BLOCK: u64 = 4096;
/// The format this release writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;
/// Positions end here: 4 EiB, out of reach, and far from any overflow.
pub(crate) const POSITION_MAX: Position = 1 << 62;

const MAGIC: [u8; 8] = *b"AILJRNL\0";
const HEADER: usize = 64;

/// Names one segment: the position at which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub(crate) Position);

impl SegmentId {
    /// The segment that begins at `base`, whether there is one or not.
    pub fn at(base: Position) -> SegmentId {
        SegmentId(base)
    }

    /// The position at which the segment begins.
    pub fn base(self) -> Position {
        self.0
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// `<base, 16 hex digits>.seg`: the name of the segment that begins at `base`.
pub(crate) fn segment_path(dir: &Path, base: Position) -> PathBuf {
    dir.join(format!("{base:016x}.seg"))
}

/// The base in a segment file's name; `None` for any other file.
pub(crate) fn base_in_name(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| Position::from_str_radix(digits, 16).ok()).flatten()
}

/// What the header block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) base: Position,
    /// Which journal the file belongs to.
    pub(crate) log: [u8; 16],
    /// Drawn at random for each life of the file and repeated in each record, so that neither what the file held
    /// in an earlier life nor a record's body can pass as a record.
    pub(crate) tag: u32,
    /// Bytes from the header to the end of the footer.
    pub(crate) capacity: u64,
    /// Of a scratch journal, whose files are removed at open.
    pub(crate) scratch: bool,
    /// Whose records these are, once a log has several writers in turn; 0 until then, and in format 1.
    pub(crate) epoch: u64,
    /// Where the records of the segment before end, all of them on disk; stands behind the header's checksum, as nothing
    /// else depends on it.
    pub(crate) previous_end: Option<Position>,
}

/// Bytes of an end that is known to be on disk: `crc u32 | 0 u32 | position u64`.
pub(crate) const END: usize = 16;

/// An end as files keep it.
pub(crate) fn encode_end(end: Option<Position>) -> [u8; END] {
    let mut raw = [0; END];
    if let Some(end) = end {
        raw[8..].copy_from_slice(&end.to_le_bytes());
        let crc = crc32fast::hash(&raw[4..]);
        raw[..4].copy_from_slice(&crc.to_le_bytes());
    }
    raw
}

/// `None` where it is not known, or its bytes are damaged.
pub(crate) fn decode_end(raw: &[u8]) -> Option<Position> {
    let raw: &[u8; END] = raw.first_chunk()?;
    let (crc, checked) = raw.split_first_chunk::<4>()?;
    let end = Position::from_le_bytes(*raw.last_chunk()?);
    (end != 0 && u32::from_le_bytes(*crc) == crc32fast::hash(checked)).then_some(end)
}

impl Header {
    /// The whole block, zeros behind the fields.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; HEADER_BLOCK as usize];
        block[..8].copy_from_slice(&MAGIC);
        block[8..12].copy_from_slice(&self.version.to_le_bytes());
        block[16..24].copy_from_slice(&self.base.to_le_bytes());
        block[24..40].copy_from_slice(&self.log);
        block[40..44].copy_from_slice(&self.tag.to_le_bytes());
        block[44] = u8::from(self.scratch);
        block[48..56].copy_from_slice(&self.capacity.to_le_bytes());
        block[56..64].copy_from_slice(&self.epoch.to_le_bytes());
        let crc = Self::checksum(&block[..HEADER]);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        block[HEADER..HEADER + END].copy_from_slice(&encode_end(self.previous_end));
        block
    }

    /// `None` where the bytes are no intact header. The layout of these 64 bytes is the same in all versions, so
    /// that an older release can tell "newer" from "damaged".
    pub(crate) fn decode(bytes: &[u8]) -> Option<Header> {
        let head: &[u8; HEADER] = bytes.first_chunk()?;
        let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if head[..8] != MAGIC || u32_at(12) != Self::checksum(head) {
            return None;
        }
        let mut log = [0; 16];
        log.copy_from_slice(&head[24..40]);
        Some(Header {
            version: u32_at(8),
            base: u64_at(16),
            log,
            tag: u32_at(40),
            capacity: u64_at(48),
            scratch: head[44] != 0,
            epoch: u64_at(56),
            previous_end: bytes.get(HEADER..).and_then(decode_end),
        })
    }

    fn checksum(head: &[u8]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head[..12]);
        crc.update(&head[16..HEADER]);
        crc.finalize()
    }
}
