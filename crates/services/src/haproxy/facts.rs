//! What the stats socket says: `show info` and `show stat` (HAProxy's management guide, sections 9.1 and 9.3).

use serde::{Deserialize, Serialize};

use crate::answer::Trouble;

/// What one HAProxy says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// About the process; the page with statistics does not have it.
    pub info: Option<Info>,
    /// A row for each frontend, backend and server.
    pub rows: Vec<Row>,
}

/// About the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its version.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections allowed.
    pub connections_max: u64,
    /// Whether it is on its way out.
    pub stopping: bool,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What clients connect to.
    Frontend,
    /// Servers together.
    Backend,
    /// One server.
    Server,
}

/// A row of `show stat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Which proxy it belongs to.
    pub proxy: String,
    /// The server's name; `FRONTEND` and `BACKEND` are the others'.
    pub name: String,
    /// What it is about.
    pub part: Part,
    /// UP, DOWN, MAINT, OPEN, ... with what stands behind it.
    pub status: String,
    /// Sessions open now.
    pub sessions: u64,
    /// Sessions allowed.
    pub sessions_max: u64,
    /// Changes from up to down since the start.
    pub downs: u64,
    /// Seconds since its last change.
    pub changed: u64,
    /// How its last check ended (L4CON, L7STS, ...).
    pub check: String,
    /// The code that this check had, if any.
    pub check_code: String,
    /// What the check saw, in words.
    pub check_words: String,
}

/// Reads the answer to `show info`.
///
/// # Errors
/// When it is something else.
pub(super) fn info(answer: &str) -> Result<Info, Trouble> {
    let mut info = Info::default();
    let mut named = false;
    for line in answer.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let number = || value.trim().parse().unwrap_or_default();
        match name {
            "Name" => named = true,
            "Version" => info.version = value.trim().to_string(),
            "Uptime_sec" => info.uptime = number(),
            "CurrConns" => info.connections = number(),
            "Maxconn" => info.connections_max = number(),
            "Stopping" => info.stopping = value.trim() != "0",
            _ => {}
        }
    }
    if named { Ok(info) } else { Err(refusal("show info", answer)) }
}

/// Reads the answer to `show stat`, or the page's `;csv`.
///
/// # Errors
/// When it is something else.
pub(super) fn stat(answer: &str) -> Result<Vec<Row>, Trouble> {
    let mut lines = answer.lines();
    let Some(head) = lines.next().and_then(|line| line.strip_prefix("# ")) else {
        return Err(refusal("show stat", answer));
    };
    let names = fields(head);
    let rows = lines.filter(|line| !line.is_empty()).filter_map(|line| row(&names, &fields(line)));
    Ok(rows.collect())
}

fn row(names: &[String], values: &[String]) -> Option<Row> {
    let text = |wanted: &str| {
        let index = names.iter().position(|name| name == wanted)?;
        values.get(index).map(String::as_str)
    };
    let number = |wanted| text(wanted).and_then(|value| value.parse().ok()).unwrap_or_default();
    let part = match text("type")? {
        "0" => Part::Frontend,
        "1" => Part::Backend,
        "2" => Part::Server,
        _ => return None,
    };
    // A star in front says that the next check is under way.
    let check = text("check_status").unwrap_or_default().trim_start_matches("* ");
    // last_chk is what the server said; check_desc is HAProxy's word for it.
    let words = [text("last_chk"), text("check_desc")].into_iter().flatten().find(|words| !words.is_empty());
    Some(Row {
        proxy: text("pxname")?.to_string(),
        name: text("svname")?.to_string(),
        part,
        status: text("status")?.to_string(),
        sessions: number("scur"),
        sessions_max: number("slim"),
        downs: number("chkdown"),
        changed: number("lastchg"),
        check: check.to_string(),
        check_code: text("check_code").unwrap_or_default().to_string(),
        check_words: words.unwrap_or_default().to_string(),
    })
}

/// The fields of a line of CSV; one in quotes may hold commas, and a quote twice.
fn fields(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    all.push(field);
    all
}

fn refusal(question: &str, answer: &str) -> Trouble {
    let start: String = answer.chars().take(80).collect();
    if answer.trim_start().starts_with("Permission denied") {
        return Trouble::Denied(format!("{question} is answered by '{}'", start.trim()));
    }
    Trouble::Broken(format!("{question} is answered by '{}'", start.trim()))
}
