//! The default of every listing: a heading and tab-separated values.

use super::super::term::Term;
use super::{Output, Row, Style, erlang, line, rows};

/// Prints the answer, the heading first unless the style leaves it out.
pub(super) fn render(output: &Output, style: &Style) -> String {
    if let Some(rows) = rows(output) {
        return listing(&rows, style);
    }
    match output {
        Output::Listed(_) => line(""),
        Output::Value(term) | Output::Answered(term) => match as_row(term) {
            Some(row) => listing(&[&row], style),
            None => super::plain(output),
        },
        _ => super::plain(output),
    }
}

fn listing(rows: &[&Row], style: &Style) -> String {
    let mut out = String::new();
    if let Some(first) = rows.first().filter(|row| !style.headless && !row.is_empty()) {
        out.push_str(&line(&first.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join("\t")));
    }
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .map(|(key, value)| {
                let width = if style.pad { key.chars().count() } else { 0 };
                format!("{:<width$}", cell(value))
            })
            .collect();
        out.push_str(&line(&cells.join("\t")));
    }
    out
}

fn as_row(term: &Term) -> Option<Row> {
    let Term::List(items) = term else { return None };
    items
        .iter()
        .map(|item| match item.as_pair() {
            Some((Term::Atom(key), value)) => Some((key.clone(), value.clone())),
            _ => None,
        })
        .collect()
}

/// A value as one cell of a table.
pub(crate) fn cell(value: &Term) -> String {
    match value {
        Term::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Term::Atom(name) | Term::Pid(name) => name.clone(),
        Term::Map(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{} => {}", cell(key), cell(value))).collect();
            format!("#{{{}}}", pairs.join(", "))
        }
        Term::Tuple(parts) => match (address(parts), value.as_pair()) {
            (Some(address), _) => address,
            (None, Some((key, value))) => format!("{{{}, {}}}", erlang::pretty(key), cell(value)),
            (None, None) => erlang::single_line(value),
        },
        Term::List(items) => match items.first() {
            Some(first) if is_field(first) => erlang::single_line(&arguments(items)),
            Some(Term::Int(_) | Term::Float(_) | Term::Map(_)) | None => erlang::single_line(value),
            Some(_) => format!("[{}]", items.iter().map(cell).collect::<Vec<_>>().join(", ")),
        },
        Term::Int(_) | Term::Float(_) => erlang::single_line(value),
    }
}

/// Whether this is an AMQP field: `{Name, Type, Value}`.
fn is_field(term: &Term) -> bool {
    matches!(term, Term::Tuple(parts) if matches!(parts.as_slice(), [Term::Bytes(_), Term::Atom(_), _]))
}

/// A field table with its types left out: `[{"x-expires",1800000}]`.
fn arguments(fields: &[Term]) -> Term {
    Term::List(
        fields
            .iter()
            .map(|field| match field {
                Term::Tuple(parts) => match parts.as_slice() {
                    [Term::Bytes(name), Term::Atom(kind), value] => {
                        Term::Tuple(vec![characters(name), argument(kind, value)])
                    }
                    _ => field.clone(),
                },
                _ => field.clone(),
            })
            .collect(),
    )
}

fn argument(kind: &str, value: &Term) -> Term {
    match (kind, value) {
        ("longstr", Term::Bytes(bytes)) => characters(bytes),
        ("table", Term::List(fields)) => arguments(fields),
        ("array", Term::List(items)) => Term::List(
            items
                .iter()
                .map(|item| match item.as_pair() {
                    Some((Term::Atom(kind), value)) => argument(kind, value),
                    _ => item.clone(),
                })
                .collect(),
        ),
        _ => value.clone(),
    }
}

fn characters(bytes: &[u8]) -> Term {
    Term::charlist(&String::from_utf8_lossy(bytes))
}

/// An IP address, which Erlang holds as a tuple of its parts.
fn address(parts: &[Term]) -> Option<String> {
    let number = |part: &Term| match part {
        Term::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    };
    let numbers: Option<Vec<u16>> = parts.iter().map(number).collect();
    match numbers?.as_slice() {
        [a, b, c, d] => {
            let bytes: Result<Vec<u8>, _> =
                [a, b, c, d].into_iter().map(|part| u8::try_from(*part)).collect();
            let bytes: [u8; 4] = bytes.ok()?.try_into().ok()?;
            Some(std::net::Ipv4Addr::from(bytes).to_string())
        }
        segments => {
            let segments: [u16; 8] = segments.try_into().ok()?;
            Some(std::net::Ipv6Addr::from(segments).to_string())
        }
    }
}
