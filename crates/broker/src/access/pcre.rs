//! Translates a permission pattern from the dialect RabbitMQ reads (PCRE over bytes, as Erlang's
//! `re` has it without options) into the dialect of our regex engines.
//!
//! The two dialects look alike and differ in traps: `a{x}` is literal text there and an error here,
//! `[a&&b]` is three characters there and an intersection here, `a*+` is possessive there and plain
//! repetition here. A permission must never mean more than it meant in RabbitMQ, so every construct
//! is either rewritten to the same meaning or refused; nothing is passed through unread. Errors
//! carry PCRE's words and byte offsets (recorded with Erlang 25), since operators know those.
//!
//! What comes out is ASCII; other bytes are written `\xHH`, a byte each. `pattern.rs`, next door,
//! compiles it; `pcre_class.rs` reads what stands in brackets.

use super::byte_sets;

/// Why a pattern was refused: PCRE's words and the byte offset it would name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause} at offset {offset}")]
pub struct PatternError {
    /// What is wrong, in PCRE's words where PCRE refuses it too.
    pub cause: String,
    /// Where reading stopped, in bytes from the pattern's start.
    pub offset: usize,
}

/// A pattern in the engines' dialect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    /// The pattern rewritten, ASCII only.
    pub(super) text: String,
    /// Whether it needs an engine that backtracks: look-around, back references, possessive or atomic parts.
    pub(super) backtracking: bool,
}

/// Groups inside groups before a pattern is refused; PCRE's own limit.
const DEPTH_MAX: usize = 250;
/// The largest count in `{n,m}`; PCRE's own limit.
const REPEAT_MAX: u32 = 65_535;
/// A dollar as PCRE means it outside multi-line mode: the end, or before a final line feed.
const END: &str = r"(?:\n?\z)";

/// Rewrites `pattern`, or says with PCRE's words why not.
pub(super) fn translate(pattern: &str) -> Result<Translated, PatternError> {
    let mut reader = Translator {
        input: pattern.as_bytes(),
        at: 0,
        out: String::with_capacity(pattern.len() + 16),
        backtracking: false,
        depth: 0,
        groups: 0,
        names: Vec::new(),
        references: Vec::new(),
        repeatable: false,
    };
    while let Some(byte) = reader.next() {
        reader.item(byte)?;
    }
    if reader.depth > 0 {
        return Err(reader.error("missing )"));
    }
    reader.check_references()?;
    Ok(Translated { text: reader.out, backtracking: reader.backtracking })
}

/// Reads a pattern once, front to back.
pub(super) struct Translator<'a> {
    pub(super) input: &'a [u8],
    pub(super) at: usize,
    pub(super) out: String,
    backtracking: bool,
    depth: usize,
    /// Groups that can be referred to, by number and by name.
    groups: u32,
    names: Vec<String>,
    /// References, each with its offset: to be there when the whole pattern is read.
    references: Vec<(Reference, usize)>,
    /// Whether a quantifier may stand here: the thing before it is an atom.
    pub(super) repeatable: bool,
}

/// What a back reference names.
enum Reference {
    Number(u32),
    Name(String),
}

impl Translator<'_> {
    fn item(&mut self, byte: u8) -> Result<(), PatternError> {
        match byte {
            b'\\' => self.escape(),
            b'[' => self.class(),
            b'(' => self.open(),
            b')' => self.close(),
            b'*' | b'+' | b'?' => {
                self.require_repeatable()?;
                self.out.push(char::from(byte));
                self.repeated();
                Ok(())
            }
            b'{' => self.counted(),
            b'|' | b'^' => {
                self.out.push(char::from(byte));
                self.repeatable = false;
                Ok(())
            }
            b'$' => {
                self.out.push_str(END);
                self.repeatable = false;
                Ok(())
            }
            b'.' => {
                self.out.push('.');
                self.repeatable = true;
                Ok(())
            }
            _ => {
                self.literal(byte);
                Ok(())
            }
        }
    }

    fn require_repeatable(&self) -> Result<(), PatternError> {
        if self.repeatable { Ok(()) } else { Err(self.error_at("nothing to repeat", self.at - 1)) }
    }

    /// After a quantifier: `?` makes it lazy, `+` possessive, and nothing may be repeated again.
    fn repeated(&mut self) {
        if self.take(b'?') {
            self.out.push('?');
        } else if self.take(b'+') {
            self.out.push('+');
            self.backtracking = true;
        }
        self.repeatable = false;
    }

    /// A brace is a count only if it reads as one; otherwise it is itself.
    fn counted(&mut self) -> Result<(), PatternError> {
        let Some((low, high, length)) = read_count(self.rest()) else {
            self.literal(b'{');
            return Ok(());
        };
        let end = self.at + length;
        if low > REPEAT_MAX || high.is_some_and(|high| high > REPEAT_MAX) {
            return Err(self.error_at("number too big in {} quantifier", end - 1));
        }
        if high.is_some_and(|high| high < low) {
            return Err(self.error_at("numbers out of order in {} quantifier", end - 1));
        }
        if !self.repeatable {
            return Err(self.error_at("nothing to repeat", end - 1));
        }
        let text = self.input.get(self.at..end).unwrap_or_default();
        self.out.push('{');
        self.out.extend(text.iter().copied().map(char::from));
        self.at = end;
        self.repeated();
        Ok(())
    }

    fn open(&mut self) -> Result<(), PatternError> {
        if self.peek() == Some(b'*') {
            return Err(self.error_at("(*VERB) not recognized or malformed", self.at + 1));
        }
        if !self.take(b'?') {
            self.groups += 1;
            return self.enter("(");
        }
        let start = self.at;
        match self.next() {
            Some(b'#') => self.comment(),
            Some(b':') => self.enter("(?:"),
            Some(b'=') => self.enter_backtracking("(?="),
            Some(b'!') => self.enter_backtracking("(?!"),
            Some(b'>') => self.enter_backtracking("(?>"),
            Some(b'<') if self.take(b'=') => self.enter_backtracking("(?<="),
            Some(b'<') if self.take(b'!') => self.enter_backtracking("(?<!"),
            Some(b'<') => self.named(b'>'),
            Some(b'\'') => self.named(b'\''),
            Some(b'P') if self.take(b'<') => self.named(b'>'),
            Some(b'P') if self.take(b'=') => {
                let name = self.name(b')')?;
                self.back_reference(name);
                Ok(())
            }
            Some(b'|' | b'(' | b'R' | b'&' | b'P' | b'+' | b'0'..=b'9') => {
                Err(self.error_at("recursion, conditions and branch resets are not supported here", start))
            }
            _ => {
                self.at = start;
                self.flags()
            }
        }
    }

    fn enter(&mut self, text: &str) -> Result<(), PatternError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("parentheses are too deeply nested"));
        }
        self.out.push_str(text);
        self.repeatable = false;
        Ok(())
    }

    fn enter_backtracking(&mut self, text: &str) -> Result<(), PatternError> {
        self.backtracking = true;
        self.enter(text)
    }

    fn close(&mut self) -> Result<(), PatternError> {
        if self.depth == 0 {
            return Err(self.error_at("unmatched parentheses", self.at - 1));
        }
        self.depth -= 1;
        self.out.push(')');
        self.repeatable = true;
        Ok(())
    }

    fn comment(&mut self) -> Result<(), PatternError> {
        while let Some(byte) = self.next() {
            if byte == b')' {
                return Ok(());
            }
        }
        Err(self.error("missing ) after comment"))
    }

    fn named(&mut self, end: u8) -> Result<(), PatternError> {
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.error("group name must start with a non-digit"));
        }
        let name = self.name(end)?;
        self.groups += 1;
        self.enter(&format!("(?<{name}>"))?;
        self.names.push(name);
        Ok(())
    }

    fn name(&mut self, end: u8) -> Result<String, PatternError> {
        let mut name = String::new();
        while let Some(byte) = self.next() {
            match byte {
                _ if byte == end && !name.is_empty() => return Ok(name),
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => name.push(char::from(byte)),
                b'0'..=b'9' if !name.is_empty() => name.push(char::from(byte)),
                _ => return Err(self.error_at("unrecognized character after (?<", self.at - 1)),
            }
        }
        Err(self.error("unrecognized character after (?<"))
    }

    /// Option letters, for the rest of the group `(?i)` or for a group of its own `(?i:...)`.
    ///
    /// Only `i` and `s` mean the same in all dialects; `m` would change the dollar, `x` how the
    /// pattern is read. `U` and `J` don't change what matches and are dropped.
    fn flags(&mut self) -> Result<(), PatternError> {
        let mut kept = String::new();
        let mut off = false;
        while let Some(byte) = self.next() {
            match byte {
                b'i' | b's' => kept.push(char::from(byte)),
                b'U' | b'J' => {}
                b'-' if !off => {
                    off = true;
                    kept.push('-');
                }
                b'm' | b'x' | b'X' if off => {}
                b'm' | b'x' | b'X' => {
                    return Err(self.error_at("the options m, x and X are not supported here", self.at - 1));
                }
                b')' | b':' => {
                    let kept = kept.strip_suffix('-').unwrap_or(&kept);
                    if byte == b':' {
                        return self.enter(&format!("(?{kept}:"));
                    }
                    if !kept.is_empty() {
                        self.out.push_str(&format!("(?{kept})"));
                    }
                    self.repeatable = false;
                    return Ok(());
                }
                _ => return Err(self.error_at("unrecognized character after (? or (?-", self.at - 1)),
            }
        }
        Err(self.error("unrecognized character after (? or (?-"))
    }

    fn back_reference(&mut self, name: String) {
        self.out.push_str(&format!(r"\k<{name}>"));
        self.references.push((Reference::Name(name), self.at - 1));
        self.backtracking = true;
        self.repeatable = true;
    }

    fn check_references(&self) -> Result<(), PatternError> {
        let missing = self.references.iter().find(|(reference, _)| match reference {
            Reference::Number(number) => *number > self.groups,
            Reference::Name(name) => !self.names.contains(name),
        });
        missing
            .map_or(Ok(()), |(_, offset)| Err(self.error_at("reference to non-existent subpattern", *offset)))
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        let Some(byte) = self.next() else {
            return Err(self.error("\\ at end of pattern"));
        };
        if let Some(set) = byte_sets::shorthand(byte) {
            self.out.push_str(&set);
            self.repeatable = true;
            return Ok(());
        }
        let (text, repeatable) = match byte {
            b'b' => (r"(?-u:\b)", false),
            b'B' => (r"(?-u:\B)", false),
            b'A' | b'G' => (r"\A", false),
            b'z' => (r"\z", false),
            b'Z' => (END, false),
            b'K' | b'E' => ("", self.repeatable),
            b'R' => (r"(?:\r\n|[\n-\r\x85])", true),
            b'C' => (r"[\x00-\xFF]", true),
            b'N' if self.peek() != Some(b'{') => (r"[^\n]", true),
            b'Q' => {
                self.quoted();
                return Ok(());
            }
            b'k' => return self.named_reference(),
            b'1'..=b'9' => return self.digits(byte),
            b'g' | b'X' | b'p' | b'P' => {
                return Err(self.error("\\g, \\p, \\P and \\X are not supported here"));
            }
            _ => {
                let value = self.character(byte)?;
                self.literal(value);
                return Ok(());
            }
        };
        self.out.push_str(text);
        self.repeatable = repeatable;
        Ok(())
    }

    /// `\Q...\E`: everything between is itself, and a missing `\E` means to the end.
    fn quoted(&mut self) {
        while let Some(byte) = self.next() {
            if byte == b'\\' && self.peek() == Some(b'E') {
                self.at += 1;
                return;
            }
            self.literal(byte);
        }
    }

    fn named_reference(&mut self) -> Result<(), PatternError> {
        let end = match self.next() {
            Some(b'<') => b'>',
            Some(b'{') => b'}',
            Some(b'\'') => b'\'',
            _ => {
                return Err(self.error("\\k is not followed by a braced, angle-bracketed, or quoted name"));
            }
        };
        let name = self.name(end)?;
        self.back_reference(name);
        Ok(())
    }

    /// One digit names a group; more are an octal character when they can be one.
    fn digits(&mut self, first: u8) -> Result<(), PatternError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.out.push_str(&format!(r"\{}", char::from(first)));
            // PCRE misses a number only when it has read everything.
            self.references.push((Reference::Number(u32::from(first - b'0')), self.input.len()));
            self.backtracking = true;
            self.repeatable = true;
            return Ok(());
        }
        if first >= b'8' {
            return Err(self.error("reference to non-existent subpattern"));
        }
        let value = self.octal(first)?;
        self.literal(value);
        Ok(())
    }

    pub(super) fn octal(&mut self, first: u8) -> Result<u8, PatternError> {
        let mut value = u32::from(first.saturating_sub(b'0'));
        for _ in 0..2 {
            match self.peek() {
                Some(byte @ b'0'..=b'7') => {
                    self.at += 1;
                    value = value * 8 + u32::from(byte - b'0');
                }
                _ => break,
            }
        }
        u8::try_from(value).map_err(|_| {
            self.error_at("octal value is greater than \\377 in 8-bit non-UTF-8 mode", self.at - 1)
        })
    }

    /// The single character an escape stands for, inside a class and outside.
    pub(super) fn character(&mut self, byte: u8) -> Result<u8, PatternError> {
        Ok(match byte {
            b'a' => 0x07,
            b'e' => 0x1B,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => self.octal(byte)?,
            b'x' => self.hexadecimal()?,
            b'c' => match self.next() {
                Some(letter) if letter.is_ascii() => letter.to_ascii_uppercase() ^ 0x40,
                _ => return Err(self.error("\\c at end of pattern")),
            },
            b'L' | b'l' | b'N' | b'U' | b'u' => {
                return Err(
                    self.error_at("PCRE does not support \\L, \\l, \\N{name}, \\U, or \\u", self.at - 1)
                );
            }
            other => other,
        })
    }

    fn hexadecimal(&mut self) -> Result<u8, PatternError> {
        let braced = self.peek() == Some(b'{') && self.rest().contains(&b'}');
        if braced {
            self.at += 1;
        }
        let mut value: u32 = 0;
        let mut digits = 0;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
            if !braced && digits == 2 {
                break;
            }
            value = value.saturating_mul(16).saturating_add(digit);
            digits += 1;
            self.at += 1;
        }
        if braced && !self.take(b'}') {
            return Err(self.error("invalid escape in \\x{}"));
        }
        u8::try_from(value)
            .map_err(|_| self.error_at("character value in \\x{} or \\o{} is too large", self.at - 1))
    }

    fn literal(&mut self, byte: u8) {
        self.push_code(byte);
        self.repeatable = true;
    }

    /// Letters and digits as they are, everything else by its code, so that no dialect reads more into it.
    pub(super) fn push_code(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            self.out.push(char::from(byte));
        } else {
            self.out.push_str(&format!(r"\x{byte:02X}"));
        }
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn error(&self, cause: &str) -> PatternError {
        self.error_at(cause, self.at)
    }

    pub(super) fn error_at(&self, cause: &str, offset: usize) -> PatternError {
        PatternError { cause: cause.to_owned(), offset }
    }
}

/// Reads `n}`, `n,}` or `n,m}` at the start of `text`: the counts and the length read.
fn read_count(text: &[u8]) -> Option<(u32, Option<u32>, usize)> {
    let end = text.iter().position(|byte| *byte == b'}')?;
    let inner = std::str::from_utf8(text.get(..end)?).ok()?;
    let number = |digits: &str| {
        let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (low, high) = match inner.split_once(',') {
        None => (number(inner)?, None),
        Some((low, "")) => (number(low)?, None),
        Some((low, high)) => (number(low)?, Some(number(high)?)),
    };
    Some((low, high, end + 1))
}
