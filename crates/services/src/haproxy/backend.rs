//! A backend as one HAProxy sees it: which servers are usable, which are not, and which somebody took out.

use super::facts::{Facts, Part, Row};

/// One backend with its servers.
#[derive(Clone, Debug)]
pub(super) struct Backend<'a> {
    /// Its name.
    pub name: &'a str,
    /// Servers that get traffic.
    pub usable: Vec<&'a Row>,
    /// Servers that have failed.
    pub down: Vec<&'a Row>,
    /// Servers that an operator took out.
    pub taken_out: Vec<&'a Row>,
    /// Whether one usable server is how it is built.
    pub one_primary: bool,
}

impl Backend<'_> {
    /// All of its servers.
    pub(super) fn total(&self) -> usize {
        self.usable.len() + self.down.len() + self.taken_out.len()
    }

    /// Servers that do not even take a connection; of those that do, a check for the primary may still
    /// send away all but one.
    pub(super) fn unreachable(&self) -> Vec<&Row> {
        let lost = |row: &&&Row| {
            !self.one_primary || row.check.starts_with("L4") || row.status.contains("resolution")
        };
        self.down.iter().filter(lost).copied().collect()
    }
}

/// What a server's status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Usable,
    Down,
    TakenOut,
}

fn used(row: &Row) -> Use {
    let status = row.status.as_str();
    // A name that cannot be resolved puts a server into maintenance by itself.
    if status.starts_with("MAINT (resolution)") {
        Use::Down
    } else if status.starts_with("MAINT") || status.starts_with("DRAIN") {
        Use::TakenOut
    } else if status.starts_with("UP") || status == "no check" {
        Use::Usable
    } else {
        // "DOWN", "DOWN 1/2" on its way up, "DOWN (agent)", NOLB.
        Use::Down
    }
}

/// The backends that have servers; `primaries` are those whose check passes on the primary only.
pub(super) fn backends<'a>(facts: &'a Facts, primaries: &[&str]) -> Vec<Backend<'a>> {
    let mut all: Vec<Backend<'a>> = Vec::new();
    for row in facts.rows.iter().filter(|row| row.part == Part::Server) {
        let index = all.iter().position(|backend| backend.name == row.proxy).unwrap_or_else(|| {
            all.push(Backend {
                name: &row.proxy,
                usable: Vec::new(),
                down: Vec::new(),
                taken_out: Vec::new(),
                one_primary: primaries.contains(&row.proxy.as_str())
                    || row.proxy.to_ascii_lowercase().contains("redis"),
            });
            all.len() - 1
        });
        let Some(backend) = all.get_mut(index) else { continue };
        match used(row) {
            Use::Usable => backend.usable.push(row),
            Use::Down => backend.down.push(row),
            Use::TakenOut => backend.taken_out.push(row),
        }
    }
    all
}

/// Servers with how their check ended: "c3 DOWN (L4CON, Connection refused)".
pub(super) fn listed(rows: &[&Row]) -> String {
    let one = |row: &&Row| {
        let code = if row.check_code.is_empty() { String::new() } else { format!(" {}", row.check_code) };
        let words = if row.check_words.is_empty() { String::new() } else { format!(", {}", row.check_words) };
        match row.check.as_str() {
            "" => format!("{} {}", row.name, row.status),
            check => format!("{} {} ({check}{code}{words})", row.name, row.status),
        }
    };
    rows.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Names of rows.
pub(super) fn named(rows: &[&Row]) -> String {
    rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ")
}
