//! A host behind ssh: its aileron is asked for a report, and where there is none, we look and ask through ssh.
//!
//! One call does either. The far side's `sh` says that it is there; then it is sent a script, with the time
//! that is left by then, which runs `aileron services --observe`, or else prints the view. The request
//! goes over standard input: passwords never stand on a command line.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Instant, timeout_at};

use super::report::{self, Report, VERSION};
use super::{Host, Settings, millis};
use crate::answer::{Answer, Trouble};
use crate::credentials::Credentials;
use crate::reach::{Ssh, quoted};
use crate::service::Kind;
use crate::view::remote as script;

/// What the far side's shell says first; whatever stands before is a greeting of the host.
const HERE: &str = "aileron-shell";
/// The most that a host's greeting may have.
const GREETING_MAX: u64 = 64 << 10;
/// The most that a report or a view may have.
const REPORT_MAX: u64 = 32 << 20;
/// The most that is read of what ssh complains of.
const COMPLAINT_MAX: u64 = 64 << 10;
/// The time that a report needs to come back, beside a tenth of what is left.
const WAY_BACK: Duration = Duration::from_millis(60);
/// The exit codes of an aileron that is too old to be asked (64: it does not know the option), or does not
/// run there at all.
const UNUSABLE: &str = "64 | 126 | 127";
/// Ends the request in the script; JSON on one line never has it.
const END: &str = "AILERON-REQUEST-END";

/// What an aileron on another host is asked for, as JSON on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The version of this form and of the report.
    pub version: u32,
    /// The time for everything, in milliseconds.
    pub deadline_ms: u64,
    /// The kinds to look for; empty for all. Names, since the far side may not know all of them.
    #[serde(default)]
    pub only: Vec<String>,
    /// Names and passwords.
    #[serde(default)]
    pub credentials: Credentials,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn read(bytes: &[u8]) -> Result<Request, String> {
        let request: Request = serde_json::from_slice(bytes)
            .map_err(|error| format!("the request is not understood: {error}"))?;
        match request.version {
            VERSION => Ok(request),
            other => Err(format!("a request of version {other}; this aileron knows {VERSION}")),
        }
    }

    /// What it asks for.
    pub fn settings(self) -> Settings {
        Settings {
            deadline: Duration::from_millis(self.deadline_ms),
            hosts: Vec::new(),
            only: Kind::ALL
                .iter()
                .copied()
                .filter(|kind| self.only.iter().any(|one| one == kind.name()))
                .collect(),
            credentials: Arc::new(self.credentials),
        }
    }
}

/// What came from the far side.
enum Came {
    Report(Report),
    View(Box<crate::view::View>),
    Silence,
}

/// The report of a host.
pub(super) async fn report(settings: &Settings, host: &Host, ssh: &Ssh, deadline: Instant) -> Answer<Report> {
    let begun = Instant::now();
    let mut doing = "connecting by ssh";
    let came = timeout_at(deadline, talk(settings, ssh, deadline, &mut doing)).await;
    match came {
        Ok(Ok(Came::Report(report))) => Answer::Got { facts: report },
        Ok(Ok(Came::View(view))) => {
            let ports: BTreeSet<u16> = view.listeners.iter().map(|one| one.address.port()).collect();
            ssh.learn(ports);
            report::ask(settings, &host.reach, *view, deadline).await
        }
        Ok(Err(trouble)) => trouble.into(),
        Ok(Ok(Came::Silence)) | Err(_) => {
            Answer::Silent { doing: doing.to_string(), after_ms: millis(begun) }
        }
    }
}

async fn talk(
    settings: &Settings,
    ssh: &Ssh,
    deadline: Instant,
    doing: &mut &'static str,
) -> Result<Came, Trouble> {
    let broken = |error: std::io::Error| Trouble::Broken(format!("talking to ssh: {error}"));
    let mut child = ssh
        .shell(&format!("{} echo {HERE}; exec sh -s", script::SETTING))
        .map_err(|error| Trouble::from_io(&error, "starting ssh"))?;
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Trouble::Broken("ssh without pipes".to_string()));
    };
    let complaints = tokio::spawn(async move {
        let mut said = Vec::new();
        let _ = errors.take(COMPLAINT_MAX).read_to_end(&mut said).await;
        String::from_utf8_lossy(&said).into_owned()
    });
    let mut output = BufReader::new(output);
    if !has_shell(&mut output).await.map_err(broken)? {
        let said = complaints.await.unwrap_or_default();
        return if Ssh::is_silence(&said) { Ok(Came::Silence) } else { Err(ssh.trouble(&said)) };
    }
    *doing = "looking at the host";
    ask_for(settings, ssh, deadline, &mut input).await.map_err(broken)?;
    drop(input);
    let mut all = Vec::new();
    output.take(REPORT_MAX).read_to_end(&mut all).await.map_err(broken)?;
    let text = String::from_utf8_lossy(&all);
    if let Some(view) = text.trim_start().strip_prefix(script::GREETING) {
        return Ok(Came::View(Box::new(script::read(view)?)));
    }
    if text.trim_start().starts_with('{') {
        return Ok(Came::Report(Report::read(&all)?));
    }
    let said = complaints.await.unwrap_or_default();
    match said.lines().rfind(|line| line.starts_with("aileron:")) {
        Some(line) => Err(Trouble::Broken(format!("the aileron there: {line}"))),
        None if Ssh::is_silence(&said) => Ok(Came::Silence),
        None => Err(ssh.trouble(&said)),
    }
}

/// Waits for the far side's shell; `false` when ssh ends before.
async fn has_shell(output: &mut BufReader<ChildStdout>) -> std::io::Result<bool> {
    let mut bounded = output.take(GREETING_MAX);
    let mut line = Vec::new();
    while bounded.read_until(b'\n', &mut line).await? > 0 {
        if line.trim_ascii_end() == HERE.as_bytes() {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}

/// Sends the script. A side that hangs up meanwhile says why on its other pipes.
async fn ask_for(
    settings: &Settings,
    ssh: &Ssh,
    deadline: Instant,
    input: &mut ChildStdin,
) -> std::io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let request = Request {
        version: VERSION,
        deadline_ms: (left - left / 10).saturating_sub(WAY_BACK).as_millis().try_into().unwrap_or(u64::MAX),
        only: settings.only.iter().map(|kind| kind.name().to_string()).collect(),
        credentials: (*settings.credentials).clone(),
    };
    let request = serde_json::to_string(&request)?;
    let aileron = ssh.aileron.as_deref().map_or_else(|| "aileron".to_string(), quoted);
    let text = format!(
        "if aileron=$(command -v {aileron}); then\n\"$aileron\" services --observe <<'{END}'\n{request}\n{END}\n\
         code=$?; case $code in {UNUSABLE}) ;; *) exit $code ;; esac; fi\n{}",
        script::script()
    );
    match input.write_all(text.as_bytes()).await {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
