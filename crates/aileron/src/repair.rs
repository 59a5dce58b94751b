//! `aileron repair`: what keeps the broker from starting, and the way on without what is lost.

use std::io::Write;

use crate::config::Config;

/// Nothing is wrong, or all of it was mended.
const SOUND: u8 = 0;
/// Something is wrong.
const FOUND: u8 = 1;
/// It could not be looked at: the broker runs, or the system refuses.
const UNAVAILABLE: u8 = 69;

/// Looks at the data folder, tells, mends where asked to; the exit code.
pub(crate) fn run(config: &Config, accept: bool) -> u8 {
    let data = &config.broker.data_dir;
    let report = match broker::repair::repair(data, accept) {
        Ok(report) => report,
        Err(error) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {error}");
            return UNAVAILABLE;
        }
    };
    let mut out = std::io::stdout();
    for finding in &report.findings {
        let done = if report.is_done { "done" } else { "with --accept-loss" };
        // Nobody left to tell here either.
        let _ = writeln!(out, "{}\n  {done}: {}", finding.what, finding.way_on);
    }
    let data = data.display();
    let (said, code) = match (report.findings.is_empty(), report.is_done) {
        _ if report.is_new => {
            ("neither definitions nor vhosts: a start begins a new node here".to_owned(), FOUND)
        }
        (true, _) => ("nothing keeps the broker from starting".to_owned(), SOUND),
        (false, true) => ("the broker can be started".to_owned(), SOUND),
        (false, false) if accept => ("nothing was done".to_owned(), FOUND),
        (false, false) => (
            format!("put back what is missing, or run `aileron repair --data-dir {data} --accept-loss`"),
            FOUND,
        ),
    };
    let _ = writeln!(out, "{data}: {said}");
    code
}
