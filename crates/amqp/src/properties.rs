//! A message beside its method: the HEADER frame with size and properties, and
//! the BODY frames.
//!
//! A publish is a METHOD frame (`basic.publish`), one HEADER frame
//! ```text
//! short class | short weight, 0 | longlong body size | short flags | properties present, in order
//! ```
//! and as many BODY frames as the frame size makes necessary; none for an empty
//! body. The broker passes the property bytes on as they came.
#![deny(clippy::indexing_slicing)]

use crate::error::{DecodeError, Malformed};
use crate::frame;
use crate::table::RawTable;
use crate::wire::{self, Reader};

/// The class of every content there is: basic.
pub const CLASS_BASIC: u16 = 60;

/// Flag bits of the properties, from the specification's order: the first
/// property has the highest bit.
mod flag {
    pub(super) const CONTENT_TYPE: u16 = 1 << 15;
    pub(super) const CONTENT_ENCODING: u16 = 1 << 14;
    pub(super) const HEADERS: u16 = 1 << 13;
    pub(super) const DELIVERY_MODE: u16 = 1 << 12;
    pub(super) const PRIORITY: u16 = 1 << 11;
    pub(super) const CORRELATION_ID: u16 = 1 << 10;
    pub(super) const REPLY_TO: u16 = 1 << 9;
    pub(super) const EXPIRATION: u16 = 1 << 8;
    pub(super) const MESSAGE_ID: u16 = 1 << 7;
    pub(super) const TIMESTAMP: u16 = 1 << 6;
    pub(super) const MESSAGE_TYPE: u16 = 1 << 5;
    pub(super) const USER_ID: u16 = 1 << 4;
    pub(super) const APP_ID: u16 = 1 << 3;
    pub(super) const CLUSTER_ID: u16 = 1 << 2;
    /// Another word of flags follows: class basic has none.
    pub(super) const MORE: u16 = 1;
}

/// A message's properties, each borrowed; strings may be any bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Properties<'a> {
    /// MIME type.
    pub content_type: Option<&'a [u8]>,
    /// MIME encoding.
    pub content_encoding: Option<&'a [u8]>,
    /// The headers' table without its length, not checked yet: see [`Properties::headers`].
    pub headers_raw: Option<&'a [u8]>,
    /// 2 is persistent, all else transient.
    pub delivery_mode: Option<u8>,
    /// Higher goes first, in queues with priorities.
    pub priority: Option<u8>,
    /// Which request this answers.
    pub correlation_id: Option<&'a [u8]>,
    /// Where to answer.
    pub reply_to: Option<&'a [u8]>,
    /// Time to live in milliseconds, in decimal digits.
    pub expiration: Option<&'a [u8]>,
    /// The application's name for the message.
    pub message_id: Option<&'a [u8]>,
    /// Seconds since 1970, set by the application.
    pub timestamp: Option<u64>,
    /// The property `type`.
    pub message_type: Option<&'a [u8]>,
    /// Who published: RabbitMQ checks it against the login.
    pub user_id: Option<&'a [u8]>,
    /// Which application published.
    pub app_id: Option<&'a [u8]>,
    /// Reserved by the specification.
    pub cluster_id: Option<&'a [u8]>,
}

impl<'a> Properties<'a> {
    /// Reads flags and properties in one pass. The inside of the headers' table
    /// is not looked at: the cost does not grow with it.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for bytes missing or left over, or flags that
    /// announce a second word of flags (the class has no more properties).
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self::read(bytes)?)
    }

    #[inline]
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let flags = reader.short()?;
        if flags & flag::MORE != 0 {
            return Err(Malformed("more property flags than the class has"));
        }
        // Each field in its turn, in wire order.
        macro_rules! when {
            ($flag:ident, $kind:ident) => {
                if flags & flag::$flag != 0 { Some(reader.$kind()?) } else { None }
            };
        }
        let properties = Properties {
            content_type: when!(CONTENT_TYPE, shortbytes),
            content_encoding: when!(CONTENT_ENCODING, shortbytes),
            headers_raw: when!(HEADERS, longstr),
            delivery_mode: when!(DELIVERY_MODE, octet),
            priority: when!(PRIORITY, octet),
            correlation_id: when!(CORRELATION_ID, shortbytes),
            reply_to: when!(REPLY_TO, shortbytes),
            expiration: when!(EXPIRATION, shortbytes),
            message_id: when!(MESSAGE_ID, shortbytes),
            timestamp: when!(TIMESTAMP, longlong),
            message_type: when!(MESSAGE_TYPE, shortbytes),
            user_id: when!(USER_ID, shortbytes),
            app_id: when!(APP_ID, shortbytes),
            cluster_id: when!(CLUSTER_ID, shortbytes),
        };
        reader.finish()?;
        Ok(properties)
    }

    /// The headers, checked now; `None` if the message has none.
    ///
    /// # Errors
    /// As [`RawTable::parse`].
    pub fn headers(&self) -> Option<Result<RawTable<'a>, DecodeError>> {
        self.headers_raw.map(RawTable::parse)
    }

    /// Appends flags and properties, as [`Properties::parse`] takes them. Short
    /// strings over 255 bytes are cut.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mark = out.len();
        wire::short(out, 0);
        let mut flags = 0;
        macro_rules! put {
            ($field:ident, $flag:ident, $kind:ident) => {
                if let Some(value) = self.$field {
                    flags |= flag::$flag;
                    wire::$kind(out, value);
                }
            };
        }
        put!(content_type, CONTENT_TYPE, shortbytes);
        put!(content_encoding, CONTENT_ENCODING, shortbytes);
        put!(headers_raw, HEADERS, longstr);
        put!(delivery_mode, DELIVERY_MODE, octet);
        put!(priority, PRIORITY, octet);
        put!(correlation_id, CORRELATION_ID, shortbytes);
        put!(reply_to, REPLY_TO, shortbytes);
        put!(expiration, EXPIRATION, shortbytes);
        put!(message_id, MESSAGE_ID, shortbytes);
        put!(timestamp, TIMESTAMP, longlong);
        put!(message_type, MESSAGE_TYPE, shortbytes);
        put!(user_id, USER_ID, shortbytes);
        put!(app_id, APP_ID, shortbytes);
        put!(cluster_id, CLUSTER_ID, shortbytes);
        if let Some(place) = out.get_mut(mark..mark + 2) {
            place.copy_from_slice(&flags.to_be_bytes());
        }
    }
}

/// A HEADER frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The class of the method before it; [`CLASS_BASIC`], or the session refuses it.
    pub class: u16,
    /// Bytes of body to come, in all BODY frames together. Not bounded here.
    pub body_size: u64,
    /// Flags and properties for [`Properties::parse`]; not looked at yet.
    pub properties: &'a [u8],
}

impl<'a> ContentHeader<'a> {
    /// Takes a HEADER frame's payload apart.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if it is shorter than 12 bytes or its weight is
    /// not 0 (RabbitMQ takes no other, nor does any client send one).
    #[inline]
    pub fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let class = reader.short()?;
        if reader.short()? != 0 {
            return Err(Malformed("content weight is not 0").into());
        }
        let body_size = reader.longlong()?;
        Ok(ContentHeader { class, body_size, properties: reader.rest() })
    }
}

/// Appends a whole HEADER frame of class basic. `properties` are flags and
/// properties, as [`Properties::encode`] writes them or a publisher sent them.
#[inline]
pub fn write_header_frame(channel: u16, body_size: u64, properties: &[u8], out: &mut Vec<u8>) {
    const FIXED: usize = 12;
    let size = u32::try_from(FIXED + properties.len()).unwrap_or(u32::MAX);
    let [c0, c1] = channel.to_be_bytes();
    let [s0, s1, s2, s3] = size.to_be_bytes();
    let [k0, k1] = CLASS_BASIC.to_be_bytes();
    let [b0, b1, b2, b3, b4, b5, b6, b7] = body_size.to_be_bytes();
    out.reserve(frame::OVERHEAD + FIXED + properties.len());
    out.extend_from_slice(&[
        frame::HEADER,
        c0,
        c1,
        s0,
        s1,
        s2,
        s3,
        k0,
        k1,
        0,
        0,
        b0,
        b1,
        b2,
        b3,
        b4,
        b5,
        b6,
        b7,
    ]);
    out.extend_from_slice(properties);
    out.push(frame::END);
}

/// Appends `body` as BODY frames of at most `frame_max` bytes each, overhead
/// included; 0 is no limit. An empty body has no frame. A limit too small for any
/// payload (tuning never gives one) is taken for [`frame::MIN_FRAME_SIZE`].
#[inline]
pub fn write_body_frames(channel: u16, body: &[u8], frame_max: u32, out: &mut Vec<u8>) {
    let payload_max = match frame_max {
        // One frame's length has 32 bits.
        0 => u32::MAX as usize,
        1..=8 => frame::MIN_FRAME_SIZE as usize - frame::OVERHEAD,
        _ => frame_max as usize - frame::OVERHEAD,
    };
    out.reserve(body.len() + frame::OVERHEAD * body.len().div_ceil(payload_max));
    let [c0, c1] = channel.to_be_bytes();
    for piece in body.chunks(payload_max) {
        let [s0, s1, s2, s3] = (piece.len() as u32).to_be_bytes();
        out.extend_from_slice(&[frame::BODY, c0, c1, s0, s1, s2, s3]);
        out.extend_from_slice(piece);
        out.push(frame::END);
    }
}
