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
    /// Unreadable parts of what was on disk once.
    pub(crate) damages: Vec<Damage>,
    /// Unreadable parts with records behind them of what nobody had been told is on disk: after a power cut.
    pub(crate) unsynced: Vec<Damage>,
    /// An unfinished record or group with nothing behind it.
    pub(crate) torn: Option<Damage>,
}

impl Scanned {
    /// Whether there are records only, up to the end.
    pub(crate) fn is_sound(&self) -> bool {
        self.damages.is_empty() && self.unsynced.is_empty()
    }
}

/// Calls `visit` with the offset and entry of each record that counts, in order.
///
/// The first walk tells how far the log was durable, by what the records say of it, and so what an unreadable part was.
pub(crate) fn scan(ground: &Ground<'_>, visit: &mut dyn FnMut(u64, &Entry<'_>)) -> io::Result<Scanned> {
    let mut outline = Outline::default();
    let walked = walk(ground, &mut |seen| outline.see(&seen))?;
    let unfinished = outline.end();
    let is_durable = |offset: u64| outline.durable == 0 || ground.base + offset < outline.durable;
    let passed_over: Vec<Lost> = outline.lost.into_iter().filter(|lost| !is_durable(lost.at)).collect();
    walk(ground, &mut |seen| {
        if let Seen::Record { offset, entry, .. } = seen
            && !passed_over.iter().any(|lost| lost.from <= offset && offset < lost.to)
        {
            visit(offset, entry);
        }
    })?;
    let mut done = Scanned {
        end: walked.end,
        tag: walked.tag,
        damages: Vec::new(),
        unsynced: Vec::new(),
        torn: walked.torn.map(|until| damage(ground, walked.end, until - walked.end, walked.what)),
    };
    for (start, end, what) in outline.holes {
        let part = damage(ground, start, end - start, what);
        if is_durable(start) { done.damages.push(part) } else { done.unsynced.push(part) }
    }
    if let Some(group) = unfinished {
        let until = walked.torn.unwrap_or(walked.end).max(walked.end);
        done.end = group;
        done.torn = Some(damage(ground, group, until - group, "a group of records was not finished"));
    }
    Ok(done)
}

fn damage(ground: &Ground<'_>, offset: u64, length: u64, what: &str) -> Damage {
    Damage { file: ground.path.to_path_buf(), offset, length, what: what.to_owned() }
}

/// What a walk comes by.
enum Seen<'a> {
    Record {
        offset: u64,
        head: Head,
        entry: &'a Entry<'a>,
    },
    /// An unreadable part, seen once there is a record behind it.
    Hole {
        start: u64,
        end: u64,
        what: &'static str,
    },
}

/// How a walk ended.
struct Walked {
    end: u64,
    tag: Option<u32>,
    /// Behind the end is something that was meant as a record, up to here.
    torn: Option<u64>,
    what: &'static str,
}

/// A group of which a part is missing.
struct Lost {
    from: u64,
    to: u64,
    /// Where the first missing part was.
    at: u64,
}

/// What the first walk gathers.
#[derive(Default)]
struct Outline {
    durable: Position,
    holes: Vec<(u64, u64, &'static str)>,
    lost: Vec<Lost>,
    /// The group whose end has not come: its first record, the offset behind its last, and where a part is missing.
    open: Option<(u64, u64, Option<u64>)>,
}

impl Outline {
    fn see(&mut self, seen: &Seen<'_>) {
        let (offset, head) = match *seen {
            Seen::Record { offset, head, .. } => (offset, head),
            Seen::Hole { start, end, what } => {
                self.holes.push((start, end, what));
                if let Some((_, _, missing)) = &mut self.open {
                    missing.get_or_insert(start);
                }
                return;
            }
        };
        self.durable = self.durable.max(head.durable());
        if !head.is_part()
            && let Some((from, to, missing)) = self.open.take()
        {
            // Its end never came.
            self.lost.push(Lost { from, to, at: missing.unwrap_or(to) });
        }
        let end = offset + head.size();
        match &mut self.open {
            Some((_, to, _)) => *to = end,
            None if head.is_part() => {
                // Its beginning is what the hole before it was.
                let hole = self.holes.last().filter(|(_, behind, _)| *behind == offset);
                self.open = Some((offset, end, Some(hole.map_or(offset, |(start, _, _)| *start))));
            }
            None if head.has_more() => self.open = Some((offset, end, None)),
            None => {}
        }
        if !head.has_more()
            && let Some((from, to, Some(at))) = self.open.take()
        {
            self.lost.push(Lost { from, to, at });
        }
    }

    /// Where the group begins that the last record left unfinished, if it did.
    fn end(&mut self) -> Option<u64> {
        let (from, to, missing) = self.open.take()?;
        self.lost.push(Lost { from, to, at: missing.unwrap_or(to) });
        // One with a hole in it is behind a hole: the file ends there anyway.
        missing.is_none().then_some(from)
    }
}

/// Goes from record to record, past what is none.
fn walk(ground: &Ground<'_>, see: &mut dyn FnMut(Seen<'_>)) -> io::Result<Walked> {
    let mut window = Window { ground, bytes: Vec::new(), start: 0 };
    let mut done = Walked { end: HEADER_BLOCK, tag: ground.tag, torn: None, what: "" };
    let mut offset = HEADER_BLOCK;
    let mut hole: Option<(u64, &'static str)> = None;
    while offset.saturating_add(HEAD as u64) <= ground.limit {
        let found = window.check(offset, offset == done.end, &mut done.tag, &mut |head, entry| {
            if let Some((start, what)) = hole.take() {
                see(Seen::Hole { start, end: offset, what });
            }
            see(Seen::Record { offset, head, entry });
        })?;
        match found {
            Found::Record(size) => {
                done.torn = None;
                offset += size;
                done.end = offset;
            }
            Found::Broken { what, skip, claims } => {
                hole.get_or_insert((offset, what));
                if let Some(size) = claims {
                    done.torn = done.torn.max(Some(offset.saturating_add(size).min(ground.limit)));
                }
                offset += skip;
            }
        }
    }
    done.what = hole.map_or("", |(_, what)| what);
    Ok(done)
}

enum Found {
    Record(u64),
    Broken { what: &'static str, skip: u64, claims: Option<u64> },
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
        visit: &mut dyn FnMut(Head, &Entry<'_>),
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
                visit(head, &front.entry());
                Ok(Found::Record(size))
            }
            // The header is whole: no record begins within this one.
            _ => Ok(Found::Broken { what: "record body fails its checksum", skip: size, claims: Some(size) }),
        }
    }
}
