//! One survey in a process of its own: the daemon's end, and the program's that is sent.
//!
//! The daemon starts itself again as `aileron services --errand` and writes what to survey on its standard
//! input; the overview comes back on standard output. The process ends with its parent and is the first that
//! the kernel kills when memory is short.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use services::{Overview, Settings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::config::Services;
use crate::services::hosts;

/// This very program, also when its file was replaced by an upgrade.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// The most of an errand.
const ERRAND_MAX: u64 = 1 << 20;
/// The most of an overview.
const OVERVIEW_MAX: u64 = 16 << 20;
/// The most of a complaint.
const COMPLAINT_MAX: u64 = 4 << 10;
/// How long after its end the process' complaint is waited for.
const COMPLAINT_TIME: Duration = Duration::from_millis(500);
/// What the process may take beyond the survey's deadline before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Variables that are for the daemon only.
const NOT_INHERITED: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// What is to be surveyed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Errand {
    deadline_ms: u64,
    inventory: Option<PathBuf>,
    group: Option<String>,
    hosts: Vec<String>,
    credentials: Option<PathBuf>,
}

impl Errand {
    pub(super) fn new(config: &Services, deadline: Duration) -> Errand {
        Errand {
            deadline_ms: deadline.as_millis().try_into().unwrap_or(u64::MAX),
            inventory: config.inventory.clone(),
            group: config.group.clone(),
            hosts: config.hosts.clone(),
            credentials: config.credentials.clone(),
        }
    }

    /// Has it carried out. Ends within the deadline and [`GRACE`].
    pub(super) async fn survey(&self) -> Result<Overview, String> {
        let limit = Duration::from_millis(self.deadline_ms) + GRACE;
        match tokio::time::timeout(limit, self.send()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("the survey's process did not end within {limit:?} and was killed")),
        }
    }

    async fn send(&self) -> Result<Overview, String> {
        let broken = |error: std::io::Error| format!("talking to the survey's process: {error}");
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0("aileron").args(["services", "--errand"]).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let mut child =
            command.spawn().map_err(|error| format!("cannot start the survey's process: {error}"))?;
        let (Some(mut input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the survey's process has no pipes".to_string());
        };
        let errand = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        input.write_all(&errand).await.map_err(broken)?;
        drop(input);
        let complaint = tokio::spawn(read(errors, COMPLAINT_MAX));
        let said = read(output, OVERVIEW_MAX).await.map_err(broken)?;
        let status = child.wait().await.map_err(broken)?;
        if !status.success() {
            // Something that it started may hold the pipe open.
            let complaint = match tokio::time::timeout(COMPLAINT_TIME, complaint).await {
                Ok(Ok(Ok(bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
                _ => String::new(),
            };
            let complaint = complaint.lines().next().unwrap_or_default().trim_start_matches("aileron: ");
            return Err(match complaint {
                "" => format!("the survey's process ended with {status}"),
                told => told.to_string(),
            });
        }
        serde_json::from_slice(&said).map_err(|error| format!("the survey's answer: {error}"))
    }

    /// What it means for this process. Blocking: the inventory and the credentials are read.
    fn settings(self) -> Result<Settings, String> {
        let config = Services {
            inventory: self.inventory,
            group: self.group,
            hosts: self.hosts,
            credentials: self.credentials,
            interval: Duration::ZERO,
        };
        Ok(Settings {
            deadline: Duration::from_millis(self.deadline_ms),
            hosts: hosts::configured(&config)?,
            credentials: Arc::new(hosts::credentials(None, &config)?),
            only: Vec::new(),
        })
    }
}

/// Reads up to `limit`; the rest is read and dropped, so that the writer is not held up.
async fn read(mut pipe: impl AsyncRead + Unpin, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(limit).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// Carries out the errand on standard input; exit code 0 whatever the services' state is.
pub(in crate::services) fn run() -> ExitCode {
    match carry_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out() -> Result<(), String> {
    humble();
    let mut text = Vec::new();
    std::io::stdin().take(ERRAND_MAX).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let errand: Errand = serde_json::from_slice(&text).map_err(|error| format!("the errand: {error}"))?;
    let settings = errand.settings()?;
    // One thread: nobody waits for this survey, and the broker's work goes first.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let overview = runtime.block_on(services::survey(&settings));
    // A read that hangs in the kernel must not hold the answer back.
    runtime.shutdown_background();
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &overview).map_err(|error| format!("cannot answer: {error}"))?;
    out.flush().map_err(|error| format!("cannot answer: {error}"))
}

/// Makes this process one that nobody misses. What the system refuses is left as it is.
fn humble() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let _ = rustix::thread::set_name(c"aileron-survey");
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pipe_is_read_to_its_end_and_kept_to_its_limit() {
        let long = vec![7_u8; 100_000];
        let kept = read(long.as_slice(), 1000).await.expect("read");
        assert_eq!(kept, vec![7_u8; 1000]);
    }

    #[test]
    fn an_errand_travels() {
        let config = Services { hosts: vec!["c1".to_string()], ..Services::default() };
        let errand = Errand::new(&config, Duration::from_secs(5));
        let text = serde_json::to_string(&errand).expect("JSON");
        let settings = serde_json::from_str::<Errand>(&text).expect("the same").settings().expect("good");
        assert_eq!(settings.deadline, Duration::from_secs(5));
        assert_eq!(settings.hosts.len(), 1);
        assert_eq!(settings.hosts[0].name, "c1");
    }
}
