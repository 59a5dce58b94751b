//! Records that are not in a file yet: appenders copy them in here, the writer takes them out.
//!
//! The room behind the one lock that every append takes. What happens under it is a memcpy, a checksum over
//! the head, and the decision which segment the record goes to; the writer does what was decided here.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::Position;
use crate::cause::Cause;
use crate::footer::{TRAILER, entry_len, needs};
use crate::group::Group;
use crate::record::{AUXILIARY, Draft, Entry, Head, MORE, PART, Stamp};
use crate::segment::HEADER_BLOCK;
use crate::table::{Segment, Table, Tally};

/// Bytes that a chunk gathers, unless one record is larger: one write.
pub(crate) const CHUNK: usize = 1 << 20;
/// Written chunks kept for another round.
const POOL: usize = 4;

/// A run of records, contiguous in one segment.
pub(crate) struct Chunk {
    pub(crate) segment: Arc<Segment>,
    pub(crate) start: Position,
    pub(crate) bytes: Vec<u8>,
}

impl Chunk {
    pub(crate) fn end(&self) -> Position {
        self.start + self.bytes.len() as u64
    }

    /// The body of the record at `position`, if one begins there.
    fn body(&self, position: Position) -> Option<&[u8]> {
        let record = self.bytes.get(usize::try_from(position.checked_sub(self.start)?).ok()?..)?;
        let head = Head::decode(record).filter(|head| head.position == position)?;
        record.get(head.front()..)?.get(..head.body_len as usize)
    }
}

/// Where an appended record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place and, unless it is a relocated copy, its identity.
    pub position: Position,
    /// Bytes in the log: what `release` takes.
    pub size: u32,
    /// The position behind it: what `commit` takes, and what `Event::Durable` reaches once it is on disk.
    pub end: Position,
    /// What it makes dead needs no other record in its place: see `cause`.
    pub(crate) stands_alone: bool,
}

impl Appended {
    /// What this record made dead.
    ///
    /// A plain auxiliary record (an acknowledgement) is not waited for: should a crash take it, and its message's segment
    /// is gone, the message is gone all the same. A record that takes the place of another (a relocated or
    /// dead-lettered copy), and one of a group, which counts as a whole or not at all, must be on disk first.
    pub fn cause(&self) -> Cause {
        if self.stands_alone { Cause::plain() } else { Cause::durable(self.end) }
    }
}

pub(crate) struct Pending {
    chunks: Vec<Chunk>,
    /// Taken by the writer, still to be found here until they are in the file.
    writing: Vec<Arc<Chunk>>,
    pool: Vec<Vec<u8>>,
    open: Arc<Segment>,
    open_tag: u32,
    /// Offset in the open segment behind the newest record.
    next: u64,
    /// Bytes of the open segment's index so far.
    footer: u64,
    segment_bytes: u64,
    /// The position behind the newest record.
    end: Position,
}

/// A number that nobody can guess, new on each call.
pub(crate) fn draw() -> u64 {
    RandomState::new().hash_one(0)
}

impl Pending {
    /// `next` and `footer` are what the open segment has already.
    pub(crate) fn new(open: Arc<Segment>, next: u64, footer: u64, segment_bytes: u64, end: Position) -> Self {
        let open_tag = open.tag.unwrap_or_default();
        let (chunks, writing, pool) = (Vec::new(), Vec::new(), Vec::new());
        Pending { chunks, writing, pool, open, open_tag, next, footer, segment_bytes, end }
    }

    pub(crate) fn end(&self) -> Position {
        self.end
    }

    /// Where the open segment begins, whether it has a file yet or not.
    pub(crate) fn open_base(&self) -> Position {
        self.open.base
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether so many bytes of records and their index go into the open segment.
    pub(crate) fn fits(&self, needs: u64) -> bool {
        self.next + needs + self.footer + TRAILER <= self.open.capacity
    }

    /// Takes a record in. `large` is the record's bytes where they were laid out before; the log is durable up to
    /// `durable`.
    pub(crate) fn append(
        &mut self,
        draft: &Draft<'_>,
        large: Option<Vec<u8>>,
        table: &Table,
        durable: Position,
    ) -> Appended {
        if !self.fits(needs(draft)) {
            self.roll(needs(draft), table);
        }
        let position = self.open.base + self.next;
        let stamp = Stamp { position, tag: self.open_tag, durable, group: 0 };
        match large {
            Some(mut bytes) => {
                draft.stamp(&stamp, &mut bytes);
                self.chunks.push(Chunk { segment: self.open.clone(), start: position, bytes });
            }
            None => draft.put(&stamp, &mut self.room(position, draft.size as usize).bytes),
        }
        self.count(draft, position);
        let stands_alone = draft.id.is_none() && draft.record.kind >= AUXILIARY;
        Appended { position, size: draft.size, end: self.end, stands_alone }
    }

    /// Takes a group in, all of it into one segment.
    pub(crate) fn append_group(
        &mut self,
        group: Group<'_>,
        table: &Table,
        durable: Position,
    ) -> Vec<Appended> {
        if !self.fits(group.needs()) {
            self.roll(group.needs(), table);
        }
        let start = self.open.base + self.next;
        let Group { drafts, mut bytes } = group;
        let mut appended = Vec::with_capacity(drafts.len());
        let mut rest = bytes.as_mut_slice();
        for (nth, draft) in drafts.iter().enumerate() {
            let more = if nth + 1 < drafts.len() { MORE } else { 0 };
            let group = more | if nth > 0 { PART } else { 0 };
            let position = self.open.base + self.next;
            draft.stamp(&Stamp { position, tag: self.open_tag, durable, group }, rest);
            rest = rest.get_mut(draft.size as usize..).unwrap_or_default();
            self.count(draft, position);
            appended.push(Appended { position, size: draft.size, end: self.end, stands_alone: false });
        }
        if bytes.len() < LARGE {
            self.room(start, bytes.len()).bytes.extend_from_slice(&bytes);
        } else {
            self.chunks.push(Chunk { segment: self.open.clone(), start, bytes });
        }
        let end = self.end;
        appended.iter_mut().for_each(|member| member.end = end);
        appended
    }

    /// Notes a record that was put at the end of the open segment.
    fn count(&mut self, draft: &Draft<'_>, position: Position) {
        self.open.count(Tally::of(&Entry {
            position,
            id: draft.id.unwrap_or(position),
            size: draft.size,
            kind: draft.record.kind,
            index: draft.record.index,
            body_len: draft.body_len,
        }));
        self.next += u64::from(draft.size);
        self.footer += entry_len(draft.id.is_some(), draft.record.index.len(), draft.body_len);
        self.end = position + u64::from(draft.size);
    }

    /// The chunk that the next `size` bytes go to.
    fn room(&mut self, position: Position, size: usize) -> &mut Chunk {
        let fits = self.chunks.last().is_some_and(|chunk| {
            chunk.end() == position
                && chunk.bytes.capacity() - chunk.bytes.len() >= size
                && Arc::ptr_eq(&chunk.segment, &self.open)
        });
        if !fits {
            let bytes = self.pool.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK.max(size)));
            self.chunks.push(Chunk { segment: self.open.clone(), start: position, bytes });
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// Goes on in a new segment, one of its own for what no ordinary segment can take.
    fn roll(&mut self, needs: u64, table: &Table) {
        let least = HEADER_BLOCK + needs + TRAILER;
        let capacity = self.segment_bytes.max(least.next_multiple_of(HEADER_BLOCK));
        self.open_tag = draw() as u32;
        self.open = Arc::new(Segment::new(self.open.end(), capacity, Some(self.open_tag), false));
        self.next = HEADER_BLOCK;
        self.footer = 0;
        table.insert(self.open.clone());
    }

    /// Hands everything gathered to the writer, oldest first.
    pub(crate) fn take(&mut self) -> &[Arc<Chunk>] {
        let from = self.writing.len();
        self.writing.extend(self.chunks.drain(..).map(Arc::new));
        self.writing.get(from..).unwrap_or_default()
    }

    /// The chunk is in its file: readers find it there.
    pub(crate) fn written(&mut self, chunk: Arc<Chunk>) {
        self.writing.retain(|other| !Arc::ptr_eq(other, &chunk));
        if let Some(Chunk { mut bytes, .. }) = Arc::into_inner(chunk)
            && bytes.capacity() == CHUNK
            && self.pool.len() < POOL
        {
            bytes.clear();
            self.pool.push(bytes);
        }
    }

    /// The body of a record that is not in a file yet.
    pub(crate) fn body(&self, position: Position) -> Option<&[u8]> {
        let taken = self.writing.iter().map(|chunk| &**chunk);
        let chunk =
            taken.chain(&self.chunks).find(|chunk| chunk.start <= position && position < chunk.end())?;
        chunk.body(position)
    }
}

/// Records from this size on are laid out before the lock is taken.
pub(crate) const LARGE: usize = 64 << 10;
