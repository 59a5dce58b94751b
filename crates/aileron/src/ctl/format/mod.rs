//! rabbitmqctl's `--formatter`s: an answer in, the text for standard output out.
//!
//! A command hands over an [`Output`]; which formatter prints it is the command's default or the
//! operator's choice. Each formatter has a room of its own, all of them print `Term`s by type.

mod csv;
pub(crate) mod erlang;
mod json;
mod pretty_table;
mod table;

pub(crate) use table::cell;

use std::time::Duration;

use super::failure::Failure;
use super::term::Term;

/// Seconds as Elixir prints them: `60.0`.
pub(crate) fn seconds(limit: Duration) -> String {
    cell(&Term::Float(limit.as_secs_f64()))
}

/// One line of a listing: column names and values, in the order in which they are printed.
pub(crate) type Row = Vec<(String, Term)>;

/// What a command has to say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// It worked, and there is nothing to say.
    Done,
    /// A sentence; for JSON an object with a `message`.
    Said(String),
    /// A node's answer; for JSON an object with `result`, `node` and `value`.
    Answered(Term),
    /// A value that JSON prints as it is.
    Value(Term),
    /// A listing.
    Rows(Vec<Row>),
    /// A listing that RabbitMQ's tool receives whole: it is printed as `Rows`, but an empty one as an
    /// empty list.
    Listed(Vec<Row>),
    /// A listing whose rows RabbitMQ's tool receives in groups, which only Erlang's format shows.
    Groups(Vec<Vec<Row>>),
    /// A document: any formatter prints it as it is, without another line end.
    Exact(String),
    /// Lines for people: any formatter prints them as they are.
    Text(String),
}

/// The ways to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formatter {
    /// Values as they are.
    Plain,
    /// A heading and tab-separated columns.
    Table,
    /// Boxes drawn with the terminal's line characters.
    PrettyTable,
    /// JSON.
    Json,
    /// Comma-separated values, quoted.
    Csv,
    /// Erlang terms.
    Erlang,
    /// The sections of `report`.
    Report,
}

impl Formatter {
    /// The formatter of that name on the command line.
    pub(crate) fn named(name: &str) -> Option<Formatter> {
        Some(match name {
            "string" => Formatter::Plain,
            "table" => Formatter::Table,
            "pretty_table" => Formatter::PrettyTable,
            "json" => Formatter::Json,
            "csv" => Formatter::Csv,
            "erlang" => Formatter::Erlang,
            "report" => Formatter::Report,
            _ => return None,
        })
    }

    /// Whether programs read it: then no banner is printed.
    pub(crate) fn for_machines(self) -> bool {
        matches!(self, Formatter::Json | Formatter::Csv)
    }
}

/// What the options say about printing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    /// Leave the heading out (`--silent` or `--no-table-headers`).
    pub(crate) headless: bool,
    /// Fill values up to the heading's width (`--pad-to-header`).
    pub(crate) pad: bool,
    /// The node's name, for JSON.
    pub(crate) node: String,
}

/// The text to print, with its line ends; empty when there is nothing to say.
pub(crate) fn render(formatter: Formatter, output: &Output, style: &Style) -> Result<String, Failure> {
    match output {
        Output::Text(text) => return Ok(line(text)),
        Output::Exact(text) => return Ok(text.clone()),
        Output::Done if formatter != Formatter::Json => return Ok(String::new()),
        _ => {}
    }
    match formatter {
        Formatter::Plain | Formatter::Report => Ok(plain(output)),
        Formatter::Table => Ok(table::render(output, style)),
        Formatter::PrettyTable => Ok(pretty_table::render(output)),
        Formatter::Json => Ok(json::render(output, &style.node)),
        Formatter::Csv => csv::render(output),
        Formatter::Erlang => Ok(line(&erlang::pretty(&whole(output)))),
    }
}

/// A term as JSON.
pub(crate) fn to_json(term: &Term) -> String {
    let mut out = String::new();
    json::write(&mut out, term);
    out
}

/// `text` as a line.
fn line(text: &str) -> String {
    format!("{text}\n")
}

/// The rows of a listing, grouped or not.
fn rows(output: &Output) -> Option<Vec<&Row>> {
    match output {
        Output::Rows(rows) => Some(rows.iter().collect()),
        Output::Listed(rows) if !rows.is_empty() => Some(rows.iter().collect()),
        Output::Groups(groups) => Some(groups.iter().flatten().collect()),
        _ => None,
    }
}

/// The whole answer as one term.
fn whole(output: &Output) -> Term {
    let listing = |rows: &[Row]| Term::List(rows.iter().map(proplist).collect());
    match output {
        Output::Done => Term::atom("ok"),
        Output::Said(text) | Output::Text(text) | Output::Exact(text) => Term::text(text.clone()),
        Output::Answered(term) | Output::Value(term) => term.clone(),
        Output::Rows(rows) | Output::Listed(rows) => listing(rows),
        Output::Groups(groups) => Term::List(groups.iter().map(|rows| listing(rows)).collect()),
    }
}

/// A row as Erlang has it.
fn proplist(row: &Row) -> Term {
    Term::List(row.iter().map(|(key, value)| Term::pair(key, value.clone())).collect())
}

fn plain(output: &Output) -> String {
    match whole(output) {
        Term::Bytes(bytes) => line(&String::from_utf8_lossy(&bytes)),
        Term::Atom(name) => line(&name),
        other => line(&erlang::pretty(&other)),
    }
}

/// A process's name as another Erlang node prints it: the node is a number there. Ours is always the same.
fn local_pid(name: &str) -> String {
    let inner = name.trim_start_matches('<').trim_end_matches('>');
    let mut parts = inner.rsplitn(4, '.');
    let serial = parts.next().unwrap_or("0");
    let id = parts.next().unwrap_or("0");
    format!("<12345.{id}.{serial}>")
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod oracle;
