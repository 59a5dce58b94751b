//! Boxes, drawn with the VT100 line characters that RabbitMQ's `stdout_formatter` uses when its
//! output may be anything: `ESC ( 0` switches to them, `ESC ( B` back.

use super::super::term::Term;
use super::{Output, erlang, line, rows};

/// One row of the box: the lines of each cell.
type BoxRow = Vec<Vec<String>>;

/// Prints a listing as a box of rows; anything else as a box with the one heading `Output`.
pub(super) fn render(output: &Output) -> String {
    match rows(output) {
        Some(rows) => {
            let Some(first) = rows.first() else { return String::new() };
            let titles: Vec<String> = first.iter().map(|(key, _)| key.clone()).collect();
            let cells: Vec<BoxRow> =
                rows.iter().map(|row| row.iter().map(|(_, value)| lines(&cell(value))).collect()).collect();
            draw(&titles, &cells)
        }
        None => {
            let text = match super::whole(output) {
                Term::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                other => erlang::pretty(&other),
            };
            draw(&["Output".to_string()], &[vec![lines(&text)]])
        }
    }
}

fn draw(titles: &[String], cells: &[BoxRow]) -> String {
    let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
    for row in cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.iter().map(|text| text.chars().count()).fold(*width, usize::max);
        }
    }
    let mut out = rule(&widths, ['l', 'w', 'k']);
    let titles: Vec<Vec<String>> = titles.iter().map(|title| vec![title.clone()]).collect();
    content(&mut out, &titles, &widths, true);
    for row in cells {
        out.push_str(&rule(&widths, ['t', 'n', 'u']));
        content(&mut out, row, &widths, false);
    }
    out.push_str(&rule(&widths, ['m', 'v', 'j']));
    out
}

fn rule(widths: &[usize], [left, cross, right]: [char; 3]) -> String {
    let parts: Vec<String> = widths.iter().map(|width| "q".repeat(width + 2)).collect();
    line(&format!("\x1b(0{left}{}{right}\x1b(B", parts.join(&cross.to_string())))
}

fn content(out: &mut String, row: &[Vec<String>], widths: &[usize], title: bool) {
    const BAR: &str = "\x1b(0x\x1b(B";
    let height = row.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        out.push_str(BAR);
        for (cell, width) in row.iter().zip(widths) {
            let text = cell.get(at).map_or("", String::as_str);
            let fill = " ".repeat(width - text.chars().count().min(*width));
            if title {
                out.push_str(&format!(" \x1b[1m{text}\x1b[0m{fill} {BAR}"));
            } else {
                out.push_str(&format!(" {text}{fill} {BAR}"));
            }
        }
        out.push('\n');
    }
}

/// A value's text: a list is its elements one after the other, as `stdout_formatter` has it.
fn cell(value: &Term) -> String {
    match value {
        Term::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_string(),
            Err(_) => erlang::pretty(value),
        },
        Term::Atom(name) => name.clone(),
        Term::Float(number) => format!("{number:.6}"),
        Term::List(items) => match erlang::pretty(value) {
            text if text.starts_with('"') => charlist(items),
            _ => items.iter().map(cell).collect(),
        },
        _ => erlang::pretty(value),
    }
}

fn charlist(items: &[Term]) -> String {
    items
        .iter()
        .filter_map(|item| match item {
            Term::Int(code) => u32::try_from(*code).ok().and_then(char::from_u32),
            _ => None,
        })
        .collect()
}

/// The cell's lines, tabs expanded to eight columns.
fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(expand_tabs).collect()
}

fn expand_tabs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        let width = if c == '\t' { 8 - column % 8 } else { 1 };
        if c == '\t' {
            out.extend(std::iter::repeat_n(' ', width));
        } else {
            out.push(c);
        }
        column += width;
    }
    out
}
