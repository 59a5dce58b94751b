//! Character classes of PCRE patterns: what stands between `[` and `]`.
//!
//! Every member comes out as a letter, a digit, a `\xHH` or a set in brackets of its own, so that
//! nothing in it can be read as the other dialect's set operators. Part of `pcre.rs`.

use super::byte_sets;
use super::pcre::{PatternError, Translator};

impl Translator<'_> {
    /// Reads a class whose opening bracket was just read.
    pub(super) fn class(&mut self) -> Result<(), PatternError> {
        if self.posix_end().is_some() {
            let cause = "POSIX named classes are supported only within a class";
            return Err(self.error_at(cause, self.at - 1));
        }
        self.out.push('[');
        if self.take(b'^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(byte) = self.next() else {
                return Err(self.error("missing terminating ] for character class"));
            };
            match byte {
                b']' if !first => break,
                b'[' if let Some((mark, end)) = self.posix_end() => self.posix_class(mark, end)?,
                b'\\' if self.peek() == Some(b'Q') => {
                    self.at += 1;
                    while let Some(byte) = self.next() {
                        if byte == b'\\' && self.take(b'E') {
                            break;
                        }
                        self.push_code(byte);
                    }
                }
                b'\\' if self.peek() == Some(b'E') => self.at += 1,
                b'\\' if self.peek().is_some_and(|byte| byte_sets::shorthand(byte).is_some()) => {
                    let set = self.next().and_then(byte_sets::shorthand).unwrap_or_default();
                    self.out.push_str(&set);
                }
                b'\\' if matches!(self.peek(), Some(b'p' | b'P')) => {
                    return Err(self.error("\\p and \\P are not supported here"));
                }
                _ => self.class_range(byte)?,
            }
            first = false;
        }
        self.out.push(']');
        self.repeatable = true;
        Ok(())
    }

    fn class_range(&mut self, byte: u8) -> Result<(), PatternError> {
        let low = self.class_character(byte)?;
        self.push_code(low);
        self.skip_quote_end();
        if self.peek() != Some(b'-') || matches!(self.rest().get(1), None | Some(b']')) {
            return Ok(());
        }
        self.at += 1;
        self.skip_quote_end();
        let set_follows = self.peek() == Some(b'\\')
            && self.rest().get(1).is_some_and(|letter| byte_sets::shorthand(*letter).is_some());
        let posix_follows = self.peek() == Some(b'[') && self.posix_end_from(self.at + 1).is_some();
        if set_follows || posix_follows {
            return Err(self.error_at("invalid range in character class", self.at + 1));
        }
        let Some(byte) = self.next() else { return Ok(()) };
        let high = self.class_character(byte)?;
        if high < low {
            return Err(self.error_at("range out of order in character class", self.at - 1));
        }
        self.out.push('-');
        self.push_code(high);
        Ok(())
    }

    /// A `\E` that ends no quotation is nothing.
    fn skip_quote_end(&mut self) {
        while self.rest().starts_with(br"\E") {
            self.at += 2;
        }
    }

    fn class_character(&mut self, byte: u8) -> Result<u8, PatternError> {
        if byte != b'\\' {
            return Ok(byte);
        }
        match self.next() {
            None => Err(self.error("\\ at end of pattern")),
            Some(b'b') => Ok(0x08),
            Some(digit @ b'1'..=b'7') => self.octal(digit),
            Some(other) => self.character(other),
        }
    }

    /// Where the `[:name:]`, `[.name.]` or `[=name=]` ends whose bracket was just read: the mark and
    /// the position behind it.
    fn posix_end(&self) -> Option<(u8, usize)> {
        self.posix_end_from(self.at)
    }

    fn posix_end_from(&self, start: usize) -> Option<(u8, usize)> {
        let (mark, rest) =
            self.input.get(start..)?.split_first().filter(|(mark, _)| b":.=".contains(mark))?;
        let length = rest.iter().position(|byte| byte == mark || b"[]\\".contains(byte))?;
        let closed = rest.get(length..)?.starts_with(&[*mark, b']']);
        closed.then_some((*mark, start + 1 + length))
    }

    fn posix_class(&mut self, mark: u8, end: usize) -> Result<(), PatternError> {
        if mark != b':' {
            return Err(self.error_at("POSIX collating elements are not supported", self.at - 1));
        }
        let name = self.input.get(self.at + 1..end).unwrap_or_default();
        let Some(set) = std::str::from_utf8(name).ok().and_then(byte_sets::posix) else {
            return Err(self.error_at("unknown POSIX class name", self.at + 1));
        };
        self.out.push_str(&set);
        self.at = end + 2;
        Ok(())
    }
}
