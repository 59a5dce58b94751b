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
        Output::Value(Term::List(pairs)) | Output::Answered(Term::List(pairs)) => {
            let pairs: Vec<_> = pairs.iter().filter_map(Term::as_pair).collect();
            let mut out = String::new();
            record(&mut out, pairs.iter().map(|(key, _)| cell(key)));
            record(&mut out, pairs.iter().map(|(_, value)| cell(value)));
            Ok(out)
        }
        Output::Said(text) => Err(Failure::not_enumerable(text)),
        Output::Answered(term) | Output::Value(term) => Err(Failure::not_enumerable(&cell(term))),
        _ => Ok(String::new()),
    }
}

fn record(out: &mut String, fields: impl Iterator<Item = String>) {
    let fields: Vec<String> = fields.map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
    out.push_str(&fields.join(","));
    out.push('\n');
}
