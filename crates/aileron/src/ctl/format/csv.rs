//! Comma-separated values: every field in quotes, the heading always there.

use super::super::failure::Failure;
use super::super::term::Term;
use super::{Output, cell, rows};

/// Prints a listing; RabbitMQ's tool breaks on anything else, with the error given here.
pub(super) fn render(output: &Output) -> Result<String, Failure> {
    if let Some(rows) = rows(output) {
        let mut out = String::new();
        if let Some(first) = rows.first().filter(|row| !row.is_empty()) {
            record(&mut out, first.iter().map(|(key, _)| key.clone()));
        }
        for row in rows {
            record(&mut out, row.iter().map(|(_, value)| cell(value)));
        }
        return Ok(out);
    }
    match output {
        Output::Listed(_) => Ok(pair_of_records(&[])),
        Output::Value(Term::List(pairs)) | Output::Answered(Term::List(pairs)) => {
            Ok(pair_of_records(&pairs.iter().filter_map(Term::as_pair).collect::<Vec<_>>()))
        }
        Output::Value(Term::Map(pairs)) | Output::Answered(Term::Map(pairs)) => {
            Ok(pair_of_records(&pairs.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>()))
        }
        Output::Said(text) => Err(Failure::not_enumerable(text)),
        Output::Answered(term) | Output::Value(term) => Err(Failure::not_enumerable(&cell(term))),
        _ => Ok(String::new()),
    }
}

/// Names and values of a single answer, which RabbitMQ's tool ends with CR LF and one more line end.
fn pair_of_records(pairs: &[(&Term, &Term)]) -> String {
    let mut out = String::new();
    record(&mut out, pairs.iter().map(|(key, _)| cell(key)));
    record(&mut out, pairs.iter().map(|(_, value)| cell(value)));
    format!("{}\n", out.replace('\n', "\r\n"))
}

fn record(out: &mut String, fields: impl Iterator<Item = String>) {
    let fields: Vec<String> = fields.map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
    out.push_str(&fields.join(","));
    out.push('\n');
}
