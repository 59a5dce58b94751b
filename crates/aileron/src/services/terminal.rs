//! How text is laid out for people: width and colour of where it goes, paragraphs, words made harmless.

use std::io::IsTerminal;

use services::{Severity, State};

/// Widths of a page: less cannot be read, more neither.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;
/// The width where none is known.
const WIDTH: usize = 100;

/// How a page looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Columns.
    pub(super) width: usize,
    /// Whether states have colours.
    pub(super) colour: bool,
    /// Whether every member has a line.
    pub(super) members: bool,
}

impl Style {
    /// What fits where standard output goes.
    pub(super) fn of_output(members: bool) -> Style {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb;
        let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let width = size().map(|(columns, _)| columns).or(told).unwrap_or(WIDTH);
        Style { width: width.clamp(*WIDTHS.start(), *WIDTHS.end()), colour, members }
    }

    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    pub(super) fn state(self, state: State, text: &str) -> String {
        self.paint(
            match state {
                State::Ok => "32",
                State::Degraded => "33",
                State::Failed => "1;31",
                State::Unknown => "35",
            },
            text,
        )
    }
}

/// Columns and lines of the terminal that standard output is.
pub(super) fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// The state that a severity makes, for its colour.
pub(super) fn state_of(severity: Severity) -> State {
    match severity {
        Severity::Notice => State::Ok,
        Severity::Degraded => State::Degraded,
        Severity::Failed => State::Failed,
        Severity::Unknown => State::Unknown,
    }
}

/// One paragraph: `start` (which takes `taken` columns), then words, following lines indented. With a
/// colour's `code` the words have it.
pub(super) fn wrapped(
    text: &mut String,
    start: &str,
    taken: usize,
    indent: usize,
    words: &str,
    style: Style,
    code: Option<&str>,
) {
    let mut lines = vec![String::new()];
    let mut column = taken;
    for (number, word) in clean(words).split_whitespace().enumerate() {
        let length = word.chars().count();
        if number > 0 && column + 1 + length > style.width {
            lines.push(String::new());
            column = indent;
        } else if number > 0 {
            column += 1;
        }
        if let Some(line) = lines.last_mut() {
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(&format!("{space}{word}"));
        }
        column += length;
    }
    let painted = |line: &String| code.map_or_else(|| line.clone(), |code| style.paint(code, line));
    let body: Vec<String> = lines.iter().map(painted).collect();
    text.push_str(&format!("{start}{}\n", body.join(&format!("\n{:indent$}", ""))));
}

/// Without control characters: what a daemon says must not steer the operator's terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}
