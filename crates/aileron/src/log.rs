//! How a line of the log is written: to standard error, for the service manager to keep.
//!
//! Names in it come from clients that have not logged in, and from files and daemons that are not ours. So nothing in a
//! line can begin another, or reach into a terminal, and nothing makes it long: control characters are escaped, and each
//! field is cut. It is done here, for all lines, so that nobody who writes one can forget it. Texts (`str`) are quoted
//! as well, with quotes in them escaped: none can pass for another field.

use std::fmt::{self, Debug, Write};
use std::io::IsTerminal;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format;

/// Bytes of one field, at the most.
const FIELD_MAX: usize = 512;
/// Bytes of a line's own words, which may hold several paths.
const WORDS_MAX: usize = 4096;

/// Begins to log at this level, which `config` has checked.
pub(crate) fn to_stderr(level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let fields = format::debug_fn(|writer: &mut format::Writer<'_>, field: &Field, value: &dyn Debug| {
        write_field(writer, field.name(), value)
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .fmt_fields(tracing_subscriber::field::MakeExt::delimited(fields, " "))
        .init();
}

fn write_field(writer: &mut dyn Write, name: &str, value: &dyn Debug) -> fmt::Result {
    if name == "message" {
        return write_cut(writer, value, WORDS_MAX);
    }
    write!(writer, "{name}=")?;
    write_cut(writer, value, FIELD_MAX)
}

fn write_cut(writer: &mut dyn Write, value: &dyn Debug, max: usize) -> fmt::Result {
    let mut cut = Cut { writer, left: max, is_cut: false };
    match write!(cut, "{value:?}") {
        // The value need not be made to its end.
        Err(_) if cut.is_cut => Ok(()),
        written => written,
    }
}

/// Lets so many bytes through, control characters as escapes.
struct Cut<'w> {
    writer: &'w mut dyn Write,
    left: usize,
    is_cut: bool,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let length = if c.is_control() { c.escape_default().len() } else { c.len_utf8() };
            if self.left < length {
                self.is_cut = true;
                self.writer.write_str("... (cut)")?;
                return Err(fmt::Error);
            }
            self.left -= length;
            match c.is_control() {
                true => write!(self.writer, "{}", c.escape_default())?,
                false => self.writer.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, value: &dyn Debug) -> String {
        let mut text = String::new();
        write_field(&mut text, name, value).expect("written");
        text
    }

    #[test]
    fn nothing_in_a_field_begins_a_line_or_another_field() {
        assert_eq!(written("user", &"x\n2026 INFO forged"), r#"user="x\n2026 INFO forged""#);
        assert_eq!(written("user", &"x\" vhost=\"/"), r#"user="x\" vhost=\"/""#);
        // What is written as it is, without quotes.
        assert_eq!(written("error", &format_args!("a\nb\u{1b}[31m\u{9b}")), r"error=a\nb\u{1b}[31m\u{9b}");
        assert_eq!(written("message", &format_args!("ä\r\n")), r"ä\r\n");
    }

    #[test]
    fn nothing_makes_a_line_long() {
        let long = written("user", &"u".repeat(100_000));
        assert!(long.len() < FIELD_MAX + 40 && long.ends_with("u... (cut)"), "{long}");
        let all_escaped = written("user", &"\n".repeat(100_000));
        assert!(all_escaped.len() < FIELD_MAX + 40, "{all_escaped}");
        assert!(written("message", &format_args!("{}", "w".repeat(100_000))).len() < WORDS_MAX + 40);
    }
}
