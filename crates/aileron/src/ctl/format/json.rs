//! JSON as rabbitmqctl writes it: a listing is an array with an object a line, a list of pairs is an
//! object, a tuple an array. Field tables keep their types: `["x-expires","signedint",1800000]`.

use super::super::term::Term;
use super::{Output, Row, erlang, line, local_pid, rows};

/// Prints the answer.
pub(super) fn render(output: &Output, node: &str) -> String {
    if let Some(rows) = rows(output) {
        return listing(&rows);
    }
    let mut out = String::new();
    match output {
        Output::Said(text) => object(&mut out, [("message", &Term::text(text.clone()))]),
        Output::Answered(value) => {
            object(&mut out, [("node", &Term::text(node)), ("result", &Term::text("ok")), ("value", value)])
        }
        Output::Value(value) => write(&mut out, value),
        Output::Listed(_) => out.push_str("[]"),
        _ => object(&mut out, [("node", &Term::text(node)), ("result", &Term::text("ok"))]),
    }
    line(&out)
}

fn listing(rows: &[&Row]) -> String {
    let mut out = String::from("[\n");
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        object(&mut out, row.iter().map(|(key, value)| (key.as_str(), value)));
        out.push('\n');
    }
    out.push_str("]\n");
    out
}

/// Writes one value.
pub(super) fn write(out: &mut String, term: &Term) {
    match term {
        Term::Atom(name) => match name.as_str() {
            "nil" => out.push_str("null"),
            "true" | "false" => out.push_str(name),
            _ => string(out, name),
        },
        Term::Int(number) => out.push_str(&number.to_string()),
        Term::Float(number) => out.push_str(&erlang::float(*number)),
        Term::Bytes(bytes) => string(out, &String::from_utf8_lossy(bytes)),
        Term::Pid(name) => string(out, &format!("#PID{}", local_pid(name))),
        Term::Tuple(items) => array(out, items),
        Term::List(items) => match keyword(items) {
            Some(pairs) => object(out, pairs),
            None => array(out, items),
        },
        Term::Map(pairs) => {
            let mut pairs: Vec<(String, &Term)> =
                pairs.iter().map(|(key, value)| (super::cell(key), value)).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            object(out, pairs.iter().map(|(key, value)| (key.as_str(), *value)));
        }
    }
}

/// The pairs of a list that is one of pairs with names.
fn keyword(items: &[Term]) -> Option<Vec<(&str, &Term)>> {
    if items.is_empty() {
        return None;
    }
    items
        .iter()
        .map(|item| match item.as_pair() {
            Some((Term::Atom(key), value)) => Some((key.as_str(), value)),
            _ => None,
        })
        .collect()
}

fn array(out: &mut String, items: &[Term]) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn object<'a>(out: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a Term)>) {
    out.push('{');
    for (at, (key, value)) in pairs.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        string(out, key);
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

/// A JSON string; only what has to be escaped is.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 32 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
