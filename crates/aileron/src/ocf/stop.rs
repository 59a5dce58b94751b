//! Stopping: in order if it can, by force well before the cluster's time is up. What was confirmed is on the disk
//! either way.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::code::{Code, Outcome, Trouble};
use super::daemon::{self, Daemon};
use super::state::Heard;
use super::{Agent, score, within};

/// For the greeting of one that is about to end: whoever does not say even that will not end in order.
const GREETING_TIME: Duration = Duration::from_secs(3);
/// Time in which one that does not answer may end in order all the same.
const SILENT_GRACE: Duration = Duration::from_secs(2);

/// Ends the daemon. Success means that it is gone.
pub(super) fn stop(agent: &Agent) -> Outcome {
    let timeout = agent.parameters.timeout;
    let begin = Instant::now();
    if agent.parameters.promotable {
        score::withdraw(&agent.parameters.instance);
    }
    // A systemd that was not told may start another one: so it is looked for until there is none.
    loop {
        let daemons = find(agent, timeout / 8);
        if daemons.is_empty() {
            // Nobody's any more; the next start writes its own.
            let _ = std::fs::remove_file(agent.parameters.mark_file());
            return Ok(Code::Success);
        }
        if daemons.iter().any(Daemon::is_a_unit) {
            leave_it_stopped();
        }
        let grace = match agent.hear(&daemons, greeting_time(timeout)) {
            Heard::Hello(_) | Heard::Nobody(_) => timeout / 2,
            Heard::Silent => SILENT_GRACE.min(timeout / 8),
        };
        // The last half is for the force, whatever took its time before.
        end(&daemons, (Instant::now() + grace).min(begin + timeout / 2), begin + timeout * 3 / 4)?;
    }
}

/// How long to wait for a greeting before a daemon counts as silent.
pub(super) fn greeting_time(timeout: Duration) -> Duration {
    GREETING_TIME.min(timeout / 8)
}

/// Ends daemons that do not answer any more.
pub(super) fn end_the_silent(daemons: &[Daemon], timeout: Duration) -> Result<(), Trouble> {
    let now = Instant::now();
    end(daemons, now + SILENT_GRACE.min(timeout / 8), now + timeout / 2)
}

/// The daemons; where a file system hangs, the one that was noted.
fn find(agent: &Agent, limit: Duration) -> Vec<Daemon> {
    let (mark, wanted) = (agent.mark.clone(), agent.data_folders());
    within(limit, move || daemon::find(mark.as_ref(), &wanted))
        .unwrap_or_else(|| daemon::find(agent.mark.as_ref(), &[]))
}

fn end(daemons: &[Daemon], in_order: Instant, by_force: Instant) -> Result<(), Trouble> {
    for daemon in daemons {
        daemon.signal(Signal::TERM);
    }
    let left: Vec<&Daemon> = daemons.iter().filter(|daemon| !daemon.ends_by(in_order)).collect();
    for daemon in &left {
        daemon.signal(Signal::KILL);
    }
    match left.iter().find(|daemon| !daemon.ends_by(by_force)) {
        None => Ok(()),
        Some(daemon) => Err(Trouble::failed(daemon.does_not_end())),
    }
}

/// Tells systemd that this is no failure after which to start it again.
fn leave_it_stopped() {
    let mut command = Command::new("systemctl");
    command.args(["stop", "--no-block", "aileron.service"]).stdin(Stdio::null()).stdout(Stdio::null());
    let _ = within(GREETING_TIME, move || command.status());
}
