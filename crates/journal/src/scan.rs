//! Finds the records of a segment that has no readable footer: the open tail, or a damaged file.
//!
//! A record counts only where its position is the one it stands at and its tag is the file's: neither what the
//! file held in an earlier life nor a message's body can pass as one.

use std::io;
use std::path::Path;

use crate::Position;
use crate::error::Damage;
use crate::record::{Entry, Front, HEAD, Head};
use crate::segment::HEADER_BLOCK;
use crate::storage::StorageFile;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;
/// Records begin at multiples of this.
const STEP: u64 = 8;

/// What to scan.
pub(crate) struct Ground<'a> {
    pub(crate) file: &'a dyn StorageFile,
    pub(crate) path: &'a Path,
    pub(crate) base: Position,
    /// Offset at which to stop.
    pub(crate) limit: u64,
    /// The tag of the file's records. `None`, header unreadable: that of the first record found.
    pub(crate) tag: Option<u32>,
}

/// What was found.
pub(crate) struct Scanned {
    /// Offset behind the last record.
    pub(crate) end: u64,
    pub(crate) tag: Option<u32>,
    /// Unreadable parts with records behind them.
    pub(crate) damages: Vec<Damage>,
    /// An unreadable part with nothing behind it that was meant as a record of this file.
    pub(crate) torn: Option<Damage>,
}

enum Found {
    Record(u64),
    Broken { what: &'static str, skip: u64, claims: Option<u64> },
}

/// Calls `visit` with the offset and entry of each record, in order.
pub(crate) fn scan(ground: &Ground<'_>, visit: &mut dyn FnMut(u64, &Entry<'_>)) -> io::Result<Scanned> {
    let mut window = Window { ground, bytes: Vec::new(), start: 0 };
    let mut done = Scanned { end: HEADER_BLOCK, tag: ground.tag, damages: Vec::new(), torn: None };
    let mut offset = HEADER_BLOCK;
    let mut hole: Option<(u64, &'static str)> = None;
    let mut torn: Option<u64> = None;
    while offset.saturating_add(HEAD as u64) <= ground.limit {
        match window.check(offset, offset == done.end, &mut done.tag, visit)? {
            Found::Record(size) => {
                if let Some((start, what)) = hole.take() {
                    done.damages.push(damage(ground, start, offset - start, what));
                    torn = None;
                }
                offset += size;
                done.end = offset;
            }
            Found::Broken { what, skip, claims } => {
                hole.get_or_insert((offset, what));
                if let Some(size) = claims {
                    torn = torn.max(Some(offset.saturating_add(size).min(ground.limit)));
                }
                offset += skip;
            }
        }
    }
    let what = hole.map_or("", |(_, what)| what);
    done.torn = torn.map(|until| damage(ground, done.end, until - done.end, what));
    Ok(done)
}

fn damage(ground: &Ground<'_>, offset: u64, length: u64, what: &str) -> Damage {
    Damage { file: ground.path.to_path_buf(), offset, length, what: what.to_owned() }
}

/// A stretch of the file in memory.
struct Window<'a> {
    ground: &'a Ground<'a>,
    bytes: Vec<u8>,
    start: u64,
}

impl Window<'_> {
    /// The bytes from `offset` on, `len` of them where the file has so many before the limit.
    fn get(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let len = (self.ground.limit.saturating_sub(offset)).min(len as u64) as usize;
        let at = offset.wrapping_sub(self.start) as usize;
        if offset < self.start || self.bytes.len().saturating_sub(at) < len || at > self.bytes.len() {
            let most = self.ground.limit.saturating_sub(offset).min(len.max(WINDOW) as u64);
            // A limit beyond the file's end must not cost memory.
            let there = self.ground.file.len()?.saturating_sub(offset).min(most);
            self.bytes.resize(there as usize, 0);
            let filled = self.ground.file.read_at(&mut self.bytes, offset)?;
            self.bytes.truncate(filled);
            self.start = offset;
            return Ok(self.bytes.get(..len).unwrap_or(&self.bytes));
        }
        Ok(self.bytes.get(at..at + len).unwrap_or_default())
    }

    fn check(
        &mut self,
        offset: u64,
        at_end: bool,
        tag: &mut Option<u32>,
        visit: &mut dyn FnMut(u64, &Entry<'_>),
    ) -> io::Result<Found> {
        let position = self.ground.base + offset;
        let broken = |what, claims| Ok(Found::Broken { what, skip: STEP, claims });
        let Some(head) = Head::decode(self.get(offset, HEAD)?) else {
            return broken("no record where one should be", None);
        };
        let here = head.position == position;
        let ours = tag.is_none_or(|tag| tag == head.tag);
        if !(here && ours) {
            // Where a record should be, half of its marks are enough to say that one was.
            let meant = at_end && (here || (tag.is_some() && ours));
            return broken("no record where one should be", meant.then_some(HEAD as u64));
        }
        if !head.is_sane() || Front::decode(self.get(offset, head.front())?).is_none() {
            return broken("record header or index fails its checksum", Some(HEAD as u64));
        }
        let size = head.size();
        let record = self.get(offset, size as usize)?;
        let front = Front::trusted(record);
        let body = record.get(head.front()..).and_then(|rest| rest.get(..head.body_len as usize));
        match (front, body) {
            (Some(front), Some(body)) if head.body_matches(body) => {
                *tag = Some(head.tag);
                visit(offset, &front.entry());
                Ok(Found::Record(size))
            }
            // The header is whole: no record begins within this one.
            _ => Ok(Found::Broken { what: "record body fails its checksum", skip: size, claims: Some(size) }),
        }
    }
}
