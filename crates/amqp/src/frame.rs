//! Frames: the envelope around everything on the wire.
//!
//! ```text
//! octet kind | short channel | long payload length | payload | octet 206
//! ```
//!
//! [`split`] cuts one frame off the front of a read buffer; [`begin`] and
//! [`finish`] put the envelope around what is written in between. What is in the
//! payload: `method`, `properties`. Which kinds are allowed when: the session.
#![deny(clippy::indexing_slicing)]

/// A method and its arguments.
pub const METHOD: u8 = 1;
/// Size and properties of the content that a method announced.
pub const HEADER: u8 = 2;
/// A piece of that content.
pub const BODY: u8 = 3;
/// A sign of life; empty, on channel 0.
pub const HEARTBEAT: u8 = 8;
/// The octet that ends every frame.
pub const END: u8 = 206;
/// The smallest frame size, in bytes, that may be negotiated; before tuning no
/// frame may be larger.
pub const MIN_FRAME_SIZE: u32 = 4096;
/// Bytes a frame has beside its payload: kind, channel, length and end.
pub const OVERHEAD: usize = 8;
/// What a client sends first; what a server answers when it speaks no other version.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// Bytes before the payload.
const PREFIX: usize = 7;

/// One frame, borrowed from the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// [`METHOD`], [`HEADER`], [`BODY`], [`HEARTBEAT`], or whatever the peer sent:
    /// judging it is left to the session.
    pub kind: u8,
    /// The channel, 0 for the connection itself.
    pub channel: u16,
    /// What is between length and end.
    pub payload: &'a [u8],
}

/// A frame after which the stream cannot be followed any more (501, `FRAME_ERROR`).
///
/// The offending frame is still at the front of the buffer given to [`split`]
/// (payload from byte 7 on), should the reply want to quote it as RabbitMQ's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame is larger than what was negotiated. Found as soon as its first
    /// seven bytes are there, so nothing is buffered for it.
    #[error(
        "frame of type {kind} on channel {channel} has a payload of {size} bytes, at most {max} are allowed"
    )]
    TooLarge {
        /// The frame's kind.
        kind: u8,
        /// The frame's channel.
        channel: u16,
        /// Bytes of payload it announces.
        size: u32,
        /// Bytes of payload it may have: the negotiated frame size less [`OVERHEAD`].
        max: u32,
    },
    /// The octet after the payload is not [`END`].
    #[error("frame of type {kind} on channel {channel} with {payload_size} bytes ends with {octet}, not 206")]
    BadEnd {
        /// The frame's kind.
        kind: u8,
        /// The frame's channel.
        channel: u16,
        /// Bytes of payload it announces.
        payload_size: u32,
        /// What stands in the place of [`END`].
        octet: u8,
    },
}

/// Cuts the first frame off `buf`: the frame and how many bytes it took, or
/// `None` if not all of it is there yet.
///
/// `max` is the negotiated `frame_max` in bytes, for the whole frame with its
/// [`OVERHEAD`]; 0 is no limit, and then it is the caller who must bound its buffer.
///
/// # Errors
/// [`FrameError`]; the connection can only be closed then.
#[inline]
pub fn split(buf: &[u8], max: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((&[kind, c0, c1, s0, s1, s2, s3], rest)) = buf.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let channel = u16::from_be_bytes([c0, c1]);
    let size = u32::from_be_bytes([s0, s1, s2, s3]);
    // Without a limit `max` wraps round to the greatest size there is.
    let payload_max = max.saturating_sub(OVERHEAD as u32).wrapping_sub(u32::from(max == 0));
    if size > payload_max {
        return Err(FrameError::TooLarge { kind, channel, size, max: payload_max });
    }
    let Some((payload, [octet, ..])) = rest.split_at_checked(size as usize) else {
        return Ok(None);
    };
    if *octet != END {
        return Err(FrameError::BadEnd { kind, channel, payload_size: size, octet: *octet });
    }
    Ok(Some((Frame { kind, channel, payload }, size as usize + OVERHEAD)))
}

/// Begins a frame at the end of `out`: append the payload, then call [`finish`]
/// with the mark returned here.
#[inline]
pub fn begin(out: &mut Vec<u8>, kind: u8, channel: u16) -> usize {
    let [c0, c1] = channel.to_be_bytes();
    let mark = out.len();
    out.extend_from_slice(&[kind, c0, c1, 0, 0, 0, 0]);
    mark
}

/// Ends the frame begun at `mark`: sets its length and appends its end.
///
/// A mark that [`begin`] did not give for this buffer leaves the length as it is.
#[inline]
pub fn finish(out: &mut Vec<u8>, mark: usize) {
    let size = u32::try_from(out.len().saturating_sub(mark + PREFIX)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(mark + 3..mark + PREFIX) {
        place.copy_from_slice(&size.to_be_bytes());
    }
    out.push(END);
}

/// Appends a whole heartbeat frame.
#[inline]
pub fn heartbeat(out: &mut Vec<u8>) {
    out.extend_from_slice(&[HEARTBEAT, 0, 0, 0, 0, 0, 0, END]);
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "these bytes are our own")]
mod tests {
    use super::*;

    fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mark = begin(&mut out, kind, channel);
        out.extend_from_slice(payload);
        finish(&mut out, mark);
        out
    }

    #[test]
    fn frames_come_back_one_after_the_other() {
        let mut buf = frame(METHOD, 258, b"abc");
        heartbeat(&mut buf);
        let (first, used) = split(&buf, 4096).unwrap().unwrap();
        assert_eq!(first, Frame { kind: METHOD, channel: 258, payload: b"abc" });
        assert_eq!(used, 11);
        let (second, used) = split(&buf[used..], 4096).unwrap().unwrap();
        assert_eq!(second, Frame { kind: HEARTBEAT, channel: 0, payload: b"" });
        assert_eq!(used, 8);
    }

    #[test]
    fn every_prefix_asks_for_more() {
        let buf = frame(BODY, 1, &[206; 40]);
        for end in 0..buf.len() {
            assert_eq!(split(&buf[..end], 4096), Ok(None), "{end} bytes");
        }
    }

    #[test]
    fn the_limit_counts_the_overhead() {
        let buf = frame(BODY, 3, &[0; 4089]);
        assert_eq!(
            split(&buf[..7], 4096),
            Err(FrameError::TooLarge { kind: BODY, channel: 3, size: 4089, max: 4088 })
        );
        assert!(split(&buf, 4097).unwrap().is_some());
        assert!(split(&buf, 0).unwrap().is_some());
        assert!(split(&frame(BODY, 3, &[0; 4088]), 4096).unwrap().is_some());
        assert!(split(&[3, 0, 1, 255, 255, 255, 255, 0], 0).unwrap().is_none());
        assert!(split(&frame(BODY, 3, &[0]), 3).is_err());
    }

    #[test]
    fn a_wrong_end_is_named() {
        let mut buf = frame(METHOD, 9, b"xy");
        *buf.last_mut().unwrap() = 0;
        assert_eq!(
            split(&buf, 4096),
            Err(FrameError::BadEnd { kind: METHOD, channel: 9, payload_size: 2, octet: 0 })
        );
    }
}
