//! Bodies back out of the log: from memory where they are not written yet, else from the file, verified.

use std::sync::atomic::Ordering;

use crate::Position;
use crate::error::{Damage, Error};
use crate::journal::Journal;
use crate::record::{Front, HEAD};
use crate::segment::segment_path;
use crate::shared::Shared;
use crate::table::Segment;

/// The first read of a record whose size is not known.
const GUESS: usize = 4096;
/// Records this near to each other are read together with what lies between them.
const GAP: u64 = 32 << 10;
/// Unless that makes more than this.
const TOGETHER: u64 = 1 << 20;

/// Takes the bodies that `read_many` finds: the place in the list, and the body or its error.
pub type BodySink<'a> = dyn FnMut(usize, Result<&[u8], Error>) + 'a;

impl Journal {
    /// The body of the record at `position`, checksum verified. `Error::Damaged`: not as it was written;
    /// `Error::Gone`: its segment was retired, the record has moved or is dead. See [`Journal::pin`] for records that
    /// others may move meanwhile.
    pub fn read(&self, position: Position) -> Result<Vec<u8>, Error> {
        let shared = self.shared();
        if let Some(body) = in_memory(shared, position) {
            return Ok(body);
        }
        let segment = shared.table.find(position).ok_or(Error::Gone(position))?;
        let read = read_one(shared, &segment, position);
        read.map_err(|error| settled(shared, &segment, position, error))
    }

    /// Many bodies at once: `(position, size)` in ascending order, neighbours in one read. `out` gets the place
    /// in `records` and the body, or the error that `read` would have given. Buffers 1 MiB, or the largest record.
    pub fn read_many(&self, records: &[(Position, u32)], out: &mut BodySink<'_>) {
        let shared = self.shared();
        let mut buffer = Vec::new();
        let mut at = 0;
        while let Some(&(position, _)) = records.get(at) {
            let durable = shared.durable.load(Ordering::Acquire);
            if let Some(body) = in_memory(shared, position) {
                out(at, Ok(&body));
                at += 1;
                continue;
            }
            let Some(segment) = shared.table.find(position) else {
                out(at, Err(Error::Gone(position)));
                at += 1;
                continue;
            };
            let rest = records.get(at..).unwrap_or_default();
            // Those behind may not be in the file yet: each of them is looked for in memory first.
            let in_file = rest.partition_point(|&(position, size)| position + u64::from(size) <= durable);
            let count = neighbours(&segment, rest.get(..in_file.max(1)).unwrap_or_default());
            let group = records.get(at..at + count).unwrap_or_default();
            read_group(shared, &segment, group, &mut buffer, &mut |n, body| out(at + n, body));
            at += count;
        }
    }
}

/// The body of a record that is not in a file yet. Backlog readers stay out of the appenders' lock.
fn in_memory(shared: &Shared, position: Position) -> Option<Vec<u8>> {
    let written = position < shared.durable.load(Ordering::Acquire);
    if written { None } else { shared.pending.lock().body(position).map(<[u8]>::to_vec) }
}

/// How many of the records, from the first on, are worth one read. At least one.
fn neighbours(segment: &Segment, records: &[(Position, u32)]) -> usize {
    let mut ends = records.iter().map(|&(position, size)| (position, position + u64::from(size)));
    let Some((first, mut end)) = ends.next() else { return 1 };
    let mut count = 1;
    for (position, next_end) in ends {
        let near = position >= end && position - end <= GAP && next_end - first <= TOGETHER;
        if !near || next_end > segment.end() {
            break;
        }
        end = next_end;
        count += 1;
    }
    count
}

fn read_group(
    shared: &Shared,
    segment: &Segment,
    group: &[(Position, u32)],
    buffer: &mut Vec<u8>,
    out: &mut BodySink<'_>,
) {
    let (Some(&(first, _)), Some(&(last, size))) = (group.first(), group.last()) else { return };
    let end = (last + u64::from(size)).min(segment.end());
    let filled = fill(shared, segment, first, (end - first) as usize, buffer);
    for (n, &(position, _)) in group.iter().enumerate() {
        let body = match &filled {
            Ok(()) => {
                let record = buffer.get((position - first) as usize..).unwrap_or_default();
                verified(shared, segment, position, record)
            }
            // The error cannot be shared out; each record finds its own.
            Err(_) => match read_one(shared, segment, position) {
                Ok(body) => {
                    out(n, Ok(&body));
                    continue;
                }
                Err(error) => Err(error),
            },
        };
        match body {
            Ok(body) => out(n, Ok(body)),
            // Not in memory when looked for, not in the file at reading: only a position that never was one.
            Err(error) => out(n, Err(settled(shared, segment, position, error))),
        }
    }
}

fn read_one(shared: &Shared, segment: &Segment, position: Position) -> Result<Vec<u8>, Error> {
    let mut buffer = Vec::new();
    fill(shared, segment, position, GUESS, &mut buffer)?;
    let front = buffer.get(..HEAD).and_then(crate::record::Head::decode);
    let size = front.filter(|head| head.position == position && head.is_sane()).map(|head| head.size());
    if let Some(size) = size
        && size > GUESS as u64
        && size <= segment.end() - position
    {
        fill(shared, segment, position, size as usize, &mut buffer)?;
    }
    verified(shared, segment, position, &buffer).map(<[u8]>::to_vec)
}

/// Reads what there is of `len` bytes from `position` on.
fn fill(
    shared: &Shared,
    segment: &Segment,
    position: Position,
    len: usize,
    buffer: &mut Vec<u8>,
) -> Result<(), Error> {
    let file = shared.table.file(segment, &shared.dir, &*shared.storage)?;
    let path = segment_path(&shared.dir, segment.base);
    let mut len = len as u64;
    if len > TOGETHER {
        // A size that is not true must not cost memory that the file has no bytes for.
        let end = file.len().map_err(Error::io("read", &path))?;
        len = len.min(end.saturating_sub(position - segment.base));
    }
    buffer.resize(len as usize, 0);
    let filled = file.read_at(buffer, position - segment.base).map_err(Error::io("read", &path))?;
    buffer.truncate(filled);
    Ok(())
}

/// The body in the bytes of a record, if they are what was written there.
fn verified<'b>(
    shared: &Shared,
    segment: &Segment,
    position: Position,
    record: &'b [u8],
) -> Result<&'b [u8], Error> {
    let damaged = |what: &str, length| {
        let file = segment_path(&shared.dir, segment.base);
        Err(Error::Damaged(Damage { file, offset: position - segment.base, length, what: what.to_owned() }))
    };
    let ours = |front: &Front<'_>| {
        front.head.position == position && segment.tag.is_none_or(|tag| tag == front.head.tag)
    };
    let Some(front) = Front::decode(record).filter(ours) else {
        return damaged("record header or index fails its checksum", HEAD as u64);
    };
    let body = record.get(front.head.front()..).and_then(|rest| rest.get(..front.head.body_len as usize));
    match body {
        Some(body) if front.head.body_matches(body) => Ok(body),
        _ => damaged("record body fails its checksum", front.head.size()),
    }
}

/// What an error means once it is known whether the segment still exists: a file that was given another life
/// while it was read looks damaged.
fn settled(shared: &Shared, segment: &Segment, position: Position, error: Error) -> Error {
    let there = shared.table.at(segment.base).is_some_and(|now| std::ptr::eq(&*now, segment));
    if there { error } else { Error::Gone(position) }
}
