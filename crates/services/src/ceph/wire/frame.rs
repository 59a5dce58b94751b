//! Frames of the messenger's second version, revision 1, checked by CRC and not encrypted: a preamble
//! with a tag and the lengths of up to four segments, the first segment with its sum, the others with
//! theirs behind the last.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::bytes::{Reader, Writer};
use crate::answer::Trouble;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u8);

impl Tag {
    pub(super) const HELLO: Tag = Tag(1);
    pub(super) const AUTH_REQUEST: Tag = Tag(2);
    pub(super) const AUTH_BAD_METHOD: Tag = Tag(3);
    pub(super) const AUTH_REPLY_MORE: Tag = Tag(4);
    pub(super) const AUTH_REQUEST_MORE: Tag = Tag(5);
    pub(super) const AUTH_DONE: Tag = Tag(6);
    pub(super) const AUTH_SIGNATURE: Tag = Tag(7);
    pub(super) const CLIENT_IDENT: Tag = Tag(8);
    pub(super) const SERVER_IDENT: Tag = Tag(9);
    pub(super) const IDENT_MISSING_FEATURES: Tag = Tag(10);
    pub(super) const MESSAGE: Tag = Tag(17);
}

const PREAMBLE: usize = 32;
const SEGMENTS_MAX: usize = 4;
/// The most that a frame may have: a `health detail` of a large cluster has a few megabytes.
const FRAME_MAX: usize = 16 << 20;
/// Behind the last of several segments: a byte, and three sums.
const EPILOGUE: usize = 1 + 3 * 4;
/// The byte that says that the frame was sent to its end.
const COMPLETE: u8 = 0x0e;
const ALIGNMENT: u16 = 8;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) tag: Tag,
    pub(super) segments: Vec<Vec<u8>>,
}

impl Frame {
    pub(super) fn new(tag: Tag, payload: Writer) -> Frame {
        Frame { tag, segments: vec![payload.0] }
    }

    /// A segment; one that was not sent is empty.
    pub(super) fn segment(&self, index: usize) -> &[u8] {
        self.segments.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// The bytes that are sent.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut head = Writer::default().u8(self.tag.0).u8(self.segments.len() as u8);
        for index in 0..SEGMENTS_MAX {
            let length = self.segment(index).len() as u32;
            head = head.u32(length).u16(if index < self.segments.len() { ALIGNMENT } else { 0 });
        }
        let head = head.u8(0).u8(0);
        let sum = crc32c(0, &head.0);
        let first = self.segment(0);
        let mut out = head.u32(sum).bytes(first);
        if !first.is_empty() {
            out = out.u32(crc32c(u32::MAX, first));
        }
        if self.segments.len() > 1 {
            let mut epilogue = Writer::default().u8(COMPLETE);
            for index in 1..SEGMENTS_MAX {
                let sent = self.segments.get(index);
                epilogue = epilogue.u32(sent.map_or(0, |bytes| crc32c(u32::MAX, bytes)));
            }
            out = self.segments.iter().skip(1).fold(out, |out, segment| out.bytes(segment));
            out = out.bytes(&epilogue.0);
        }
        out.0
    }

    /// Reads the next frame; what was read is added to `seen`.
    pub(super) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        seen: &mut Vec<u8>,
    ) -> Result<Frame, Trouble> {
        let head = exactly(stream, PREAMBLE, seen).await?;
        let (tag, lengths) = preamble(&head)?;
        let (first, others) = lengths.split_first().ok_or_else(|| broken("a frame without segments"))?;
        let mut segments = vec![exactly(stream, *first, seen).await?];
        if *first > 0 {
            let sum = exactly(stream, 4, seen).await?;
            check(segments.first().map_or(&[], Vec::as_slice), &mut Reader(&sum))?;
        }
        if !others.is_empty() {
            for length in others {
                segments.push(exactly(stream, *length, seen).await?);
            }
            let end = exactly(stream, EPILOGUE, seen).await?;
            let mut sums = Reader(&end);
            if sums.u8().is_none_or(|status| status & 0x0f != COMPLETE) {
                return Err(broken("a frame that was given up"));
            }
            for segment in segments.iter().skip(1) {
                check(segment, &mut sums)?;
            }
        }
        Ok(Frame { tag, segments })
    }
}

/// Tag and lengths.
pub(super) fn preamble(head: &[u8]) -> Result<(Tag, Vec<usize>), Trouble> {
    let read = || {
        let mut reader = Reader(head);
        let summed = reader.take(PREAMBLE - 4)?;
        let right = reader.u32()? == crc32c(0, summed);
        let mut reader = Reader(summed);
        let (tag, count) = (Tag(reader.u8()?), usize::from(reader.u8()?));
        let mut lengths = Vec::new();
        for _ in 0..SEGMENTS_MAX.min(count) {
            lengths.push(usize::try_from(reader.u32()?).ok()?);
            reader.u16()?;
        }
        Some((right && count <= SEGMENTS_MAX, tag, lengths))
    };
    match read() {
        Some((true, tag, lengths)) if lengths.iter().sum::<usize>() <= FRAME_MAX => Ok((tag, lengths)),
        Some((true, ..)) => Err(broken("a frame larger than 16 MiB")),
        _ => Err(broken("a frame with a wrong preamble")),
    }
}

fn check(segment: &[u8], sums: &mut Reader<'_>) -> Result<(), Trouble> {
    match sums.u32() {
        Some(sum) if sum == crc32c(u32::MAX, segment) => Ok(()),
        _ => Err(broken("a frame with a wrong sum")),
    }
}

/// Reads so many bytes, and notes them.
pub(super) async fn exactly(
    stream: &mut (impl AsyncRead + Unpin),
    count: usize,
    seen: &mut Vec<u8>,
) -> Result<Vec<u8>, Trouble> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => broken("it hung up"),
        _ => Trouble::from_io(&error, "reading from the MON"),
    })?;
    seen.extend_from_slice(&bytes);
    Ok(bytes)
}

fn broken(what: &str) -> Trouble {
    Trouble::Broken(format!("the MON's messenger: {what}"))
}

/// Castagnoli's sum without the usual inversion at the end, as Ceph has it.
fn crc32c(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |sum, byte| {
        let index = (sum ^ u32::from(*byte)) & 0xff;
        (sum >> 8) ^ TABLE.get(index as usize).copied().unwrap_or_default()
    })
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut sum = index as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (if sum & 1 == 1 { 0x82f6_3b78 } else { 0 });
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Frame, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut source = bytes;
        runtime.block_on(Frame::read(&mut source, &mut Vec::new()))
    }

    #[test]
    fn the_sum_is_castagnolis() {
        assert_eq!(!crc32c(u32::MAX, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let frame = Frame { tag: Tag::MESSAGE, segments: vec![vec![1; 41], vec![2; 5], vec![], vec![3; 9]] };
        let bytes = frame.encode();
        assert_eq!(read(&bytes), Ok(frame));
        // All but the upper half of the byte in front of the last sums, which means nothing.
        let quiet = bytes.len() - EPILOGUE;
        for place in (0..bytes.len()).filter(|place| *place != quiet) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            assert!(read(&flipped).is_err(), "{place}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            tag in 1u8..20,
            segments in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70), 1..5),
        ) {
            let frame = Frame { tag: Tag(tag), segments };
            prop_assert_eq!(read(&frame.encode()), Ok(frame));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
