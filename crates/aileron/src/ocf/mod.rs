//! `aileron ocf ACTION`: the resource agent by which Pacemaker runs the broker (OCF resource agent API 1.1).
//!
//! Pacemaker starts it with the resource's parameters in the environment (`parameters`) and goes by the exit code
//! (`code`). Which process is the daemon is known from the data folder's lock (`daemon`), its state from its greeting
//! on the control socket (`state`), so that a monitor costs one process and waits for no work. `start` and `stop` are
//! the two ends, `score` says which host should be promoted, `metadata` describes all this to the cluster.
//!
//! Promoted means that clients are let in. There is no replication: what is in the data folder stays on its host.

mod code;
mod daemon;
mod metadata;
mod parameters;
mod score;
mod start;
mod state;
mod stop;

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use self::code::{Code, Outcome, Trouble};
use self::daemon::{Daemon, Mark};
use self::parameters::Parameters;
use self::state::Heard;
use crate::config::Config;
use crate::ctl::protocol::Request;

/// What the agent can do, for its usage.
const ACTIONS: &str = "start, stop, monitor, promote, demote, validate-all, meta-data";

/// Time for a process to be gone once its socket is closed.
const ENDING_TIME: Duration = Duration::from_secs(1);

/// Carries out an action and gives the exit code; failures are explained on standard error, as Pacemaker shows it.
pub(crate) fn run(action: Option<&str>) -> u8 {
    let agent = Agent::new(Parameters::from(|name| std::env::var(name).ok()));
    let outcome = match action.unwrap_or_default() {
        "start" => agent.start(),
        "stop" => agent.stop(),
        "monitor" | "status" => agent.monitor(),
        "promote" => agent.promote(),
        "demote" => agent.demote(),
        "validate-all" => agent.validate().map(|_| Code::Success),
        "meta-data" => metadata::print(),
        "" => Err(Trouble::new(Code::Arguments, format!("an action is missing: {ACTIONS}"))),
        other => Err(Trouble::new(Code::Unimplemented, format!("no action '{other}'; there are {ACTIONS}"))),
    };
    match outcome {
        Ok(code) => code as u8,
        Err(trouble) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "ocf-exit-reason:{}", trouble.reason);
            trouble.code as u8
        }
    }
}

/// One call of the agent.
struct Agent {
    parameters: Parameters,
    /// What the last start noted.
    mark: Option<Mark>,
}

impl Agent {
    fn new(parameters: Parameters) -> Self {
        let mark = Mark::read(&parameters.mark_file());
        Agent { parameters, mark }
    }

    /// The daemon of this resource: more than one process only where somebody started another by hand.
    fn daemons(&self) -> Vec<Daemon> {
        daemon::find(self.mark.as_ref(), &self.data_folders())
    }

    /// Where its data may be: where the last start found it, and where the configuration says now.
    fn data_folders(&self) -> Vec<PathBuf> {
        let configured = self.parameters.load().map_or_else(
            // A configuration that was broken since must not hide a daemon that runs.
            |_| self.parameters.data_dir.clone().unwrap_or_else(|| PathBuf::from("/var/lib/aileron")),
            |config| config.broker.data_dir,
        );
        self.mark.iter().map(|mark| mark.data_dir.clone()).chain([configured]).collect()
    }

    /// The control socket of the daemon that runs.
    fn socket(&self, daemons: &[Daemon]) -> Option<PathBuf> {
        let started = self.mark.as_ref().filter(|mark| daemons.iter().any(|daemon| daemon.pid == mark.pid));
        let configured = || self.parameters.load().ok().map(|config| config.ctl.socket);
        started.map(|mark| mark.socket.clone()).or_else(configured)
    }

    fn hear(&self, daemons: &[Daemon], limit: Duration) -> Heard {
        match self.socket(daemons) {
            Some(socket) => state::greeting(&socket, limit),
            None => {
                Heard::Nobody("the configuration cannot be read and does not say where it is".to_string())
            }
        }
    }

    /// The state of things. Ends within the cluster's time-out, whatever hangs.
    fn monitor(self) -> Outcome {
        let limit = self.parameters.timeout * 3 / 4;
        let silent = || Err(Trouble::failed("the file system or the control socket does not answer in time"));
        within(limit, move || self.look()).unwrap_or_else(silent)
    }

    fn look(&self) -> Outcome {
        let daemons = self.daemons();
        let pids: Vec<u32> = daemons.iter().map(|daemon| daemon.pid).collect();
        if pids.is_empty() {
            return Ok(Code::NotRunning);
        }
        // What it was asked over is open as long as its last thread hangs, and answers nothing.
        if let Some(dying) = daemons.iter().find(|daemon| daemon.is_dying()) {
            let gone = end_soon(&daemons);
            return if gone { Ok(Code::NotRunning) } else { Err(Trouble::failed(dying.does_not_end())) };
        }
        let heard = self.hear(&daemons, self.parameters.timeout / 2);
        let code = match state::judge(&pids, &heard, self.parameters.promotable) {
            // One that is about to end closes its socket before it is gone.
            Err(_) if matches!(heard, Heard::Nobody(_)) && end_soon(&daemons) => return Ok(Code::NotRunning),
            judged => judged?,
        };
        if let Heard::Hello(hello) = &heard {
            if self.parameters.depth >= 10 && hello.ready {
                self.ask(&daemons, Request::SelfCheck)?;
            }
            self.publish_score(code == Code::Promoted, hello.log_position);
        }
        Ok(code)
    }

    /// Lets clients in.
    fn promote(&self) -> Outcome {
        let daemons = self.daemons();
        if daemons.is_empty() {
            return Err(Trouble::new(Code::NotRunning, "the broker does not run"));
        }
        self.ask(&daemons, Request::ResumeListeners)?;
        self.publish_score_of(&daemons, true);
        Ok(Code::Success)
    }

    /// Keeps clients out and sends those away that are there. A dead daemon serves nobody, which is what was wanted:
    /// Pacemaker takes any other answer for one more failure, and remembers that in place of the one that counts. One
    /// that cannot be told any more is ended, since it must not come back to life in its old role.
    fn demote(&self) -> Outcome {
        let daemons = self.daemons();
        if daemons.is_empty() {
            return Ok(Code::Success);
        }
        if matches!(self.hear(&daemons, stop::greeting_time(self.parameters.timeout)), Heard::Silent) {
            return stop::end_the_silent(&daemons, self.parameters.timeout).map(|()| Code::Success);
        }
        let reason = "this node of the broker stands by".to_string();
        match self.ask(&daemons, Request::StandBy { reason }) {
            // It ended while it was asked.
            Err(_) if end_soon(&daemons) => return Ok(Code::Success),
            asked => asked?,
        }
        self.publish_score_of(&daemons, false);
        Ok(Code::Success)
    }

    fn publish_score_of(&self, daemons: &[Daemon], promoted: bool) {
        if let Heard::Hello(hello) = self.hear(daemons, self.parameters.timeout / 8) {
            self.publish_score(promoted, hello.log_position);
        }
    }

    fn ask(&self, daemons: &[Daemon], request: Request) -> Result<(), Trouble> {
        let socket =
            self.socket(daemons).ok_or_else(|| Trouble::failed("the control socket is not known"))?;
        state::request(&socket, request, self.parameters.timeout * 3 / 4)
    }

    fn publish_score(&self, promoted: bool, position: u64) {
        if self.parameters.promotable {
            score::publish(&self.parameters.instance, score::of(promoted, position));
        }
    }

    /// The configuration, if a start can work with it on this host.
    fn validate(&self) -> Result<Config, Trouble> {
        let config = self.parameters.load()?;
        start::user(&self.parameters)?;
        start::check_data_folder(&config.broker.data_dir)?;
        Ok(config)
    }

    fn start(&self) -> Outcome {
        let config = self.validate()?;
        start::start(self, &config)
    }

    fn stop(&self) -> Outcome {
        stop::stop(self)
    }
}

/// Whether all of them are gone in a moment.
fn end_soon(daemons: &[Daemon]) -> bool {
    let deadline = Instant::now() + ENDING_TIME;
    daemons.iter().all(|daemon| daemon.ends_by(deadline))
}

/// What `work` returns, or nothing where it takes longer: work that hangs ends with the process.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody waits any more: then it is not needed either.
        let _ = tell.send(work());
    });
    told.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests;
