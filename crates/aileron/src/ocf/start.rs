//! Starting: the daemon in a session of its own, under its own user, its output to journal or file; then waiting
//! until it is ready.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::code::{Code, Outcome, Trouble};
use super::daemon::{self, Mark};
use super::parameters::{self, Log, Parameters};
use super::state::{self, Heard};
use super::{Agent, Request};
use crate::config::Config;

/// Between two looks at a daemon that starts.
const PAUSE: Duration = Duration::from_millis(100);
/// What makes systemd start the unit with the host.
const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/aileron.service";

/// Starts the daemon unless it runs; returns when it is ready. A promotable one is not promoted then.
pub(super) fn start(agent: &Agent, config: &Config) -> Outcome {
    if Path::new(ENABLED).exists() {
        say(
            "systemd starts aileron with the host too; where Pacemaker does: systemctl disable --now aileron",
        );
    }
    let parameters = &agent.parameters;
    let daemons = agent.daemons();
    // One that runs may have another socket than the configuration says by now.
    let running = if daemons.is_empty() { None } else { agent.socket(&daemons) };
    let mut started = if daemons.is_empty() { Some(Started::new(parameters, config)?) } else { None };
    let socket = running.unwrap_or_else(|| config.ctl.socket.clone());
    let pids: Vec<u32> = match &started {
        Some(started) => vec![started.child.id()],
        None => daemons.iter().map(|daemon| daemon.pid).collect(),
    };
    let position = wait_until_ready(&socket, &pids, parameters.timeout * 9 / 10, started.as_mut())?;
    if parameters.promotable {
        // One that ran before may let clients in, and was not asked to.
        let reason = "this node of the broker stands by".to_string();
        state::request(&socket, Request::StandBy { reason }, parameters.timeout / 4)?;
        agent.publish_score(false, position);
    }
    Ok(Code::Success)
}

/// Waits for the greeting of one of these processes, and no other's, to say that it is ready; how far its log has
/// come.
fn wait_until_ready(
    socket: &Path,
    pids: &[u32],
    limit: Duration,
    mut started: Option<&mut Started>,
) -> Result<u64, Trouble> {
    let begin = Instant::now();
    loop {
        if let Some(started) = started.as_deref_mut() {
            started.must_live()?;
        }
        let heard = state::greeting(socket, PAUSE.max(limit / 10));
        match &heard {
            Heard::Hello(hello) if hello.ready && pids.contains(&hello.pid) => return Ok(hello.log_position),
            Heard::Hello(_) | Heard::Nobody(_) | Heard::Silent => {}
        }
        if begin.elapsed() > limit {
            let what = match heard {
                Heard::Hello(hello) if pids.contains(&hello.pid) => "still reads its data".to_string(),
                Heard::Hello(hello) => format!("another one, pid {}, has the control socket", hello.pid),
                Heard::Nobody(why) => why,
                Heard::Silent => "does not answer".to_string(),
            };
            let seconds = limit.as_secs();
            return Err(Trouble::failed(format!("the broker is not ready after {seconds} s: {what}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The user and group the daemon is to run as; none where the agent is not root, or nobody is named and the
/// package's user does not exist.
pub(super) fn user(parameters: &Parameters) -> Result<Option<(u32, u32)>, Trouble> {
    let (name, named) = parameters.user();
    let number = |what: &str| -> Option<u32> {
        let said = Command::new("id").args([what, "--", name]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(said.stdout).ok()?.trim().parse().ok()
    };
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    match (number("-u").zip(number("-g")), named) {
        (Some(ids), _) => Ok(Some(ids)),
        (None, true) => Err(Trouble::new(Code::NotInstalled, format!("there is no user '{name}' here"))),
        (None, false) => Ok(None),
    }
}

/// The folder may be missing, but not what it would be in: that would be a file system that is not mounted.
pub(super) fn check_data_folder(folder: &Path) -> Result<(), Trouble> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if folder.is_dir() || parent.is_some_and(Path::is_dir) {
        return Ok(());
    }
    let reason = format!("the data folder {} is not here: is its file system mounted?", folder.display());
    Err(Trouble::new(Code::NotInstalled, reason))
}

/// A daemon that this call started.
struct Started {
    child: Child,
    log: Log,
    /// The log's length before.
    log_from: u64,
}

impl Started {
    fn new(parameters: &Parameters, config: &Config) -> Result<Started, Trouble> {
        let failed = |what: &str| {
            let what = what.to_string();
            move |error: io::Error| Trouble::failed(format!("{what}: {error}"))
        };
        let owner = user(parameters)?;
        folder(&config.broker.data_dir, 0o700, owner).map_err(failed("cannot make the data folder"))?;
        if let Some(place) = config.ctl.socket.parent() {
            folder(place, 0o755, owner).map_err(failed("cannot make the control socket's folder"))?;
        }
        // What the daemon and this agent write is nobody else's.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let (mut command, log_from) =
            command(parameters, owner).map_err(failed("cannot start the broker"))?;
        let child = command.spawn().map_err(failed("cannot start the broker"))?;
        let mark = daemon::born(child.id()).map(|born| Mark {
            pid: child.id(),
            born,
            data_dir: config.broker.data_dir.clone(),
            socket: config.ctl.socket.clone(),
        });
        if let Some(mark) = mark {
            mark.write(&parameters.mark_file()).map_err(failed("cannot note what was started"))?;
        }
        Ok(Started { child, log: parameters.log.clone(), log_from })
    }

    /// A daemon that has ended already says why.
    fn must_live(&mut self) -> Result<(), Trouble> {
        let Ok(Some(status)) = self.child.try_wait() else { return Ok(()) };
        let words = self.last_words().unwrap_or_else(|| format!("the broker ended at once: {status}"));
        Err(Trouble::new(meaning(status), words))
    }

    fn last_words(&self) -> Option<String> {
        let text = match &self.log {
            Log::File(path) => {
                let mut file = std::fs::File::open(path).ok()?;
                file.seek(SeekFrom::Start(self.log_from)).ok()?;
                let mut bytes = Vec::new();
                file.take(1 << 20).read_to_end(&mut bytes).ok()?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Log::Journal => {
                let pid = format!("_PID={}", self.child.id());
                let said =
                    Command::new("journalctl").args(["--quiet", "--output=cat", "--lines=20", &pid]).output();
                String::from_utf8_lossy(&said.ok()?.stdout).into_owned()
            }
        };
        text.lines().rev().find_map(|line| line.strip_prefix("aileron: ")).map(str::to_string)
    }
}

/// What the exit code of a daemon that does not start means to the cluster.
fn meaning(status: ExitStatus) -> Code {
    match status.code() {
        // Wrong configuration, as sysexits.h has it.
        Some(78) => Code::Arguments,
        // Of the programs that start it, where one is missing.
        Some(126 | 127) => Code::NotInstalled,
        _ => Code::Failed,
    }
}

/// The command line; each program runs the next in its own place, so that the process is the daemon's in the end.
fn command(parameters: &Parameters, owner: Option<(u32, u32)>) -> io::Result<(Command, u64)> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_string()));
    if parameters.log == Log::Journal {
        add(&["systemd-cat", "--identifier=aileron"]);
    }
    add(&["setsid"]);
    if let Some((uid, gid)) = owner {
        let (uid, gid) = (format!("--reuid={uid}"), format!("--regid={gid}"));
        add(&["setpriv", &uid, &gid, "--init-groups", "--inh-caps=-all", "--no-new-privs"]);
    }
    add(&[&std::env::current_exe()?.to_string_lossy(), "serve"]);
    if parameters.promotable {
        add(&["--standby"]);
    }
    words.extend(parameters.arguments());
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    // Nothing of the cluster's environment but what is ours.
    let kept = std::env::vars_os().filter(|(name, _)| {
        name.to_str()
            .is_some_and(|name| name.starts_with("AILERON_") || name.starts_with("LC_") || name == "PATH")
    });
    command
        .args(words)
        .env_clear()
        .envs(kept)
        .envs(parameters::secrets())
        .current_dir("/")
        .stdin(Stdio::null());
    let mut log_from = 0;
    if let Log::File(path) = &parameters.log {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        log_from = file.metadata()?.len();
        command.stdout(file.try_clone()?).stderr(file);
    }
    Ok((command, log_from))
}

/// Makes a folder where it is missing, and gives it to the daemon's user then.
fn folder(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    match owner {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

fn say(text: &str) {
    // Nobody left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}
