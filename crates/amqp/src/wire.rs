//! The primitive types of AMQP: integers in network order, short and long
//! strings, flags packed into octets. [`Reader`] takes them off a slice, the
//! functions below it append them to a buffer.
//!
//! Next door: `method` and `properties` are made of these, `table` adds its own
//! tagged values.
#![deny(clippy::indexing_slicing)]

use crate::error::Malformed;

/// The longest short string, in bytes: its length is one octet.
pub const SHORT_STRING_MAX: usize = u8::MAX as usize;

const SHORT: Malformed = Malformed("ends in the middle of a field");

/// A cursor over bytes from outside. Every read either takes the whole field or fails.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// True once every byte has been taken.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been taken yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Fails if bytes are left. RabbitMQ, too, takes a method with bytes after
    /// its last argument for malformed.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("goes on after its last field")) }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(SHORT)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn octet(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[octet]| octet)
    }

    #[inline]
    pub(crate) fn short(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn longlong(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A short string whose bytes need not be UTF-8 (routing keys, exchange names of publishes).
    #[inline]
    pub(crate) fn shortbytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.octet()?;
        self.bytes(usize::from(len))
    }

    /// A short string that is text.
    #[inline]
    pub(crate) fn shortstr(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.shortbytes()?).map_err(|_| Malformed("short string is not UTF-8"))
    }

    /// A long string: any bytes, up to 4 GiB by its length, in truth up to the frame's end.
    #[inline]
    pub(crate) fn longstr(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.long()?;
        self.bytes(usize::try_from(len).map_err(|_| SHORT)?)
    }
}

#[inline]
pub(crate) fn octet(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

#[inline]
pub(crate) fn short(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn long(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn longlong(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Cuts text to what a short string holds, never inside a character.
#[inline]
pub(crate) fn fit_str(value: &str) -> &str {
    value.get(..value.floor_char_boundary(SHORT_STRING_MAX)).unwrap_or(value)
}

/// Cuts bytes to what a short string holds, and gives their length.
#[inline]
pub(crate) fn fit_bytes(value: &[u8]) -> (u8, &[u8]) {
    match u8::try_from(value.len()) {
        Ok(len) => (len, value),
        Err(_) => (u8::MAX, value.get(..SHORT_STRING_MAX).unwrap_or_default()),
    }
}

#[inline]
pub(crate) fn shortbytes(out: &mut Vec<u8>, value: &[u8]) {
    let (len, value) = fit_bytes(value);
    out.push(len);
    out.extend_from_slice(value);
}

#[inline]
pub(crate) fn shortstr(out: &mut Vec<u8>, value: &str) {
    shortbytes(out, fit_str(value).as_bytes());
}

/// Appends a long string. A frame cannot hold 4 GiB, so more than `u32::MAX`
/// bytes never get here from a frame; they would be cut.
#[inline]
pub(crate) fn longstr(out: &mut Vec<u8>, value: &[u8]) {
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    long(out, len);
    out.extend_from_slice(value.get(..usize::try_from(len).unwrap_or(usize::MAX)).unwrap_or(value));
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "these bytes are our own")]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut out = Vec::new();
        octet(&mut out, 7);
        short(&mut out, 0x0102);
        long(&mut out, 0x0304_0506);
        longlong(&mut out, u64::MAX - 1);
        shortstr(&mut out, "grüße");
        longstr(&mut out, b"\xff\x00");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.octet(), Ok(7));
        assert_eq!(reader.short(), Ok(0x0102));
        assert_eq!(reader.long(), Ok(0x0304_0506));
        assert_eq!(reader.longlong(), Ok(u64::MAX - 1));
        assert_eq!(reader.shortstr(), Ok("grüße"));
        assert_eq!(reader.longstr(), Ok(&b"\xff\x00"[..]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let mut out = Vec::new();
        shortstr(&mut out, &"ü".repeat(128));
        assert_eq!(out[0], 254);
        assert_eq!(out.len(), 255);
        out.clear();
        shortbytes(&mut out, &[1; 300]);
        assert_eq!((out[0], out.len()), (255, 256));
    }

    #[test]
    fn a_long_string_longer_than_the_bytes_fails() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]).longstr(), Err(SHORT));
        assert!(Reader::new(&[2, 0xc3, 0x28]).shortstr().is_err());
    }
}
