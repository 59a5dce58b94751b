//! The overview for people: a line a service, then what is not as it should be, service by service, and
//! what to do. Colour comes only with a terminal; outside words lose their control characters here.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use services::{Finding, Overview, Severity, State, Verdict};

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

/// Writes the whole page.
pub(super) fn write(out: &mut impl Write, overview: &Overview, style: Style) -> io::Result<()> {
    out.write_all(page(overview, style).as_bytes())
}

/// The page as text.
pub(super) fn page(overview: &Overview, style: Style) -> String {
    let mut text = String::new();
    let state = style.state(overview.state, &overview.state.name().to_uppercase());
    let head = overview.state.name().len() + 2;
    wrapped(&mut text, &format!("{state}  "), head, head, &overview.summary, style, None);
    if !overview.risk.is_empty() {
        wrapped(&mut text, &format!("{:head$}", ""), head, head, &overview.risk, style, None);
    }
    let answered = overview.hosts.iter().filter(|host| host.answer == "got").count();
    let asked = format!(
        "{answered} of {} host{} answered, {:.2} s",
        overview.hosts.len(),
        if overview.hosts.len() == 1 { "" } else { "s" },
        seconds(overview.took_ms)
    );
    let _ = writeln!(text, "{}", style.paint("2", &format!("{:head$}{asked}", "")));
    if !overview.services.is_empty() {
        text.push('\n');
    }
    for verdict in &overview.services {
        service(&mut text, verdict, style);
    }
    for host in overview.hosts.iter().filter(|host| host.answer != "got") {
        let _ = write!(text, "\n{}", style.state(State::Unknown, &clean(&host.name)));
        text.push('\n');
        wrapped(&mut text, "  ", 2, 2, &host.trouble, style, None);
    }
    let general: Vec<&Finding> =
        overview.findings.iter().filter(|finding| finding.code != "host-no-answer").collect();
    findings(&mut text, &general, style);
    let mut order: Vec<&Verdict> = overview.services.iter().filter(|one| !one.findings.is_empty()).collect();
    order.sort_by_key(|verdict| std::cmp::Reverse(rank(verdict.state)));
    for verdict in order {
        let name = verdict.service.name();
        let head = style.state(verdict.state, &format!("{name} {}", verdict.state.name()));
        let risk = if verdict.risk.is_empty() || verdict.state == State::Ok { "" } else { &verdict.risk };
        text.push('\n');
        let taken = name.len() + verdict.state.name().len() + 1;
        let separator = if risk.is_empty() { "" } else { ": " };
        wrapped(&mut text, &format!("{head}{separator}"), taken + separator.len(), 4, risk, style, None);
        findings(&mut text, &verdict.findings.iter().collect::<Vec<_>>(), style);
    }
    text
}

/// The line of one service; the risk stands behind it where both fit.
fn service(text: &mut String, verdict: &Verdict, style: Style) {
    let state = style.state(verdict.state, &format!("{:<8}", verdict.state.name()));
    let start = format!("  {state}  {:<11}", verdict.service.name());
    let summary = clean(&verdict.summary);
    let risk = clean(&verdict.risk);
    let room = style.width.saturating_sub(23);
    let fits = !risk.is_empty() && summary.chars().count().max(34) + 2 + risk.chars().count() <= room;
    if fits {
        let _ = writeln!(text, "{start}{summary:<34}  {}", style.paint("2", &risk));
    } else {
        wrapped(text, &start, 23, 23, &summary, style, None);
    }
    if style.members {
        for member in &verdict.members {
            let state = style.state(member.state, &format!("{:<8}", member.state.name()));
            let start = format!("      {state}  {}  ", clean(&member.host));
            let taken = 18 + clean(&member.host).chars().count();
            let role = if member.role.is_empty() { &member.answer } else { &member.role };
            let about = format!("{}  {role}  {} ms", member.place, member.took_ms);
            wrapped(text, &start, taken, 18, &about, style, None);
        }
    }
}

fn findings(text: &mut String, all: &[&Finding], style: Style) {
    for finding in all {
        let state = match finding.severity {
            Severity::Failed => State::Failed,
            Severity::Degraded => State::Degraded,
            Severity::Unknown => State::Unknown,
            Severity::Notice => State::Ok,
        };
        let word = match finding.severity {
            Severity::Notice => "notice",
            _ => state.name(),
        };
        let subject = clean(&finding.subject);
        let space = if subject.is_empty() { "" } else { "  " };
        let _ = writeln!(
            text,
            "  {}  {subject}{space}{}",
            style.state(state, &format!("{word:<8}")),
            style.paint("2", &clean(&finding.code))
        );
        let will = if finding.intended { " (by an operator)" } else { "" };
        wrapped(text, "            ", 12, 12, &format!("{}{will}", finding.cause), style, None);
        if !finding.next.is_empty() {
            wrapped(text, "            next: ", 18, 18, &finding.next, style, Some("1"));
        }
    }
}

/// One paragraph: `start` (which takes `taken` columns), then words, following lines indented.
pub(super) fn wrapped(
    text: &mut String,
    start: &str,
    taken: usize,
    indent: usize,
    words: &str,
    style: Style,
    code: Option<&str>,
) {
    text.push_str(start);
    let mut column = taken;
    for (number, word) in clean(words).split_whitespace().enumerate() {
        let length = word.chars().count();
        if number > 0 && column + 1 + length > style.width {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if number > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(&code.map_or_else(|| word.to_string(), |code| style.paint(code, word)));
        column += length;
    }
    text.push('\n');
}

/// Without control characters: what a daemon says must not steer the operator's terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

fn rank(state: State) -> u8 {
    match state {
        State::Failed => 3,
        State::Degraded => 2,
        State::Unknown => 1,
        State::Ok => 0,
    }
}

#[allow(clippy::cast_precision_loss)] // milliseconds of a survey: far below 2^53
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
