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
    let findings = match broker::repair::repair(data, accept) {
        Ok(findings) => findings,
        Err(error) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {error}");
            return UNAVAILABLE;
        }
    };
    let mut out = std::io::stdout();
    for finding in &findings {
        let done = if accept { "done" } else { "with --accept-loss" };
        // Nobody left to tell here either.
        let _ = writeln!(out, "{}\n  {done}: {}", finding.what, finding.way_on);
    }
    let _ = match (findings.is_empty(), accept) {
        (true, _) => writeln!(out, "{}: nothing keeps the broker from starting", data.display()),
        (false, true) => writeln!(out, "{}: the broker can be started", data.display()),
        (false, false) => writeln!(out, "{}: put back what is missing, or accept the loss", data.display()),
    };
    if findings.is_empty() || accept { SOUND } else { FOUND }
}
