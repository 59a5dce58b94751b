//! A host reached by the system's OpenSSH, with the operator's own configuration, keys and jump hosts.
//!
//! One connection serves all calls to a host, also those of the next minute (`ControlMaster`,
//! `ControlPersist`). Nothing is ever asked of the operator (`BatchMode`). `tunnel` carries a
//! connection to one of the host's ports or sockets, `complaint` reads what ssh says when it fails.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::OnceLock;

use tokio::process::{Child, Command};

use super::program;
use super::tunnel::Tunnel;
use super::{FILE_MAX, Stream, complaint, control};
use crate::answer::Trouble;
use crate::place::Place;

/// Options of ssh with a value that may stand in an inventory.
const WITH_VALUE: &str = "BFJbcilmop";
/// Options of ssh without one.
const WITHOUT_VALUE: &str = "46ACKakqvx";

/// The operator's own forwards would be made again with every call.
const NO_FORWARDS: &str = "ClearAllForwardings=yes";

/// How to become root on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Become {
    /// The user that ssh logs in is good enough.
    No,
    /// By sudo, which must not ask for a password.
    Sudo,
}

/// Arguments for ssh that would change what is run, not how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not among the options of ssh that may be given (-o -F -i -J -l -p -b -B -c -m -4 -6 -A -C -q -v)"
)]
pub struct UnsafeArgument(pub String);

/// A way to one host by ssh.
#[derive(Debug)]
pub struct Ssh {
    /// What ssh is told: a name of its configuration, a host name or an address.
    pub destination: String,
    /// The port, where not ssh's own choice.
    pub port: Option<u16>,
    /// The user, where not ssh's own choice.
    pub user: Option<String>,
    /// A private key.
    pub key: Option<PathBuf>,
    /// How to become root there.
    pub becoming: Become,
    /// The aileron to run there; `None` to look for one in the usual folders.
    pub aileron: Option<String>,
    extra: Vec<String>,
    control: Option<PathBuf>,
    listening: OnceLock<BTreeSet<u16>>,
}

impl Ssh {
    /// A way to a host that ssh knows by itself.
    pub fn new(destination: impl Into<String>) -> Ssh {
        Ssh {
            destination: destination.into(),
            port: None,
            user: None,
            key: None,
            becoming: Become::No,
            aileron: None,
            extra: Vec::new(),
            control: control::folder(),
            listening: OnceLock::new(),
        }
    }

    /// Adds arguments for ssh, as an inventory's `ansible_ssh_common_args` has them.
    ///
    /// # Errors
    /// When one is not an option that only says how to connect.
    pub fn with_arguments(&mut self, words: &[String]) -> Result<(), UnsafeArgument> {
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let wrong = || UnsafeArgument(word.clone());
            let mut letters = word.strip_prefix('-').ok_or_else(wrong)?.chars();
            let letter = letters.next().ok_or_else(wrong)?;
            if WITH_VALUE.contains(letter) {
                let value = match letters.as_str() {
                    "" => rest.next().ok_or_else(wrong)?.clone(),
                    value => value.to_string(),
                };
                self.extra.extend([format!("-{letter}"), value]);
            } else if std::iter::once(letter).chain(letters).all(|one| WITHOUT_VALUE.contains(one)) {
                self.extra.push(word.clone());
            } else {
                return Err(wrong());
            }
        }
        Ok(())
    }

    /// Tells which TCP ports are listened on there, to know what a refused connection means.
    pub(crate) fn learn(&self, ports: BTreeSet<u16>) {
        // The first view is as good as the second.
        let _ = self.listening.set(ports);
    }

    /// ssh with all that says how to connect, but not yet what to do there.
    fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        let mut option = |text: String| {
            command.arg("-o").arg(text);
        };
        option("BatchMode=yes".to_string());
        option("ServerAliveInterval=1".to_string());
        option("ServerAliveCountMax=3".to_string());
        option("ConnectTimeout=10".to_string());
        option("RequestTTY=no".to_string());
        option("PermitLocalCommand=no".to_string());
        option("RemoteCommand=none".to_string());
        match &self.control {
            Some(folder) => {
                option("ControlMaster=auto".to_string());
                option("ControlPersist=60".to_string());
                option(format!("ControlPath={}/%C{}", folder.display(), self.mark()));
            }
            None => option("ControlPath=none".to_string()),
        }
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(user) = &self.user {
            command.arg("-l").arg(user);
        }
        if let Some(key) = &self.key {
            command.arg("-i").arg(key).arg("-o").arg("IdentitiesOnly=yes");
        }
        command.args(&self.extra).kill_on_drop(true);
        command
    }

    /// Tells connections with other options or keys apart, which ssh's own `%C` does not.
    fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.key, &self.extra).hash(&mut hasher);
        format!("{:08x}", hasher.finish() & 0xffff_ffff)
    }

    /// Starts a command line of the host's shell as root, as far as the inventory allows; its streams are pipes.
    pub(crate) fn shell(&self, line: &str) -> std::io::Result<Child> {
        self.command()
            .args(["-o", NO_FORWARDS, "--"])
            .arg(&self.destination)
            .arg(self.as_root(line))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// The user's own shell may be any, so what is run is put to `sh`.
    fn as_root(&self, line: &str) -> String {
        let line = format!("sh -c {}", quoted(line));
        match self.becoming {
            Become::No => line,
            Become::Sudo => format!("sudo -n -- {line}"),
        }
    }

    /// What a failed ssh means.
    pub(crate) fn trouble(&self, complaint: &str) -> Trouble {
        complaint::trouble(&self.destination, complaint)
    }

    /// Whether ssh failed because the host is silent.
    pub(crate) fn is_silence(complaint: &str) -> bool {
        complaint::is_silence(complaint)
    }

    pub(super) async fn connect(&self, place: &Place) -> Result<Stream, Trouble> {
        let there = forwarded(place)?;
        if let Place::Unix(_) = place {
            return self.connect_socket(place).await;
        }
        let mut command = self.command();
        command.args(["-o", NO_FORWARDS, "-W", &there, "--", &self.destination]);
        let tunnel = Tunnel::open(&mut command, self.meaning_of_refusal(place), &self.destination)
            .map_err(|error| Trouble::from_io(&error, "starting ssh"))?;
        Ok(Stream::Tunnel(Box::new(tunnel)))
    }

    /// `ssh -W` leads to ports only, so a socket is reached as for `dial`. sshd opens it as the user who logs
    /// in, whatever sudo would allow; where nobody listens it hangs up at once.
    async fn connect_socket(&self, place: &Place) -> Result<Stream, Trouble> {
        if self.becoming == Become::Sudo {
            return Err(Trouble::Denied(format!(
                "{place} cannot be reached through sudo: install aileron there, or log in as root"
            )));
        }
        match self.dial(place).await? {
            near @ Place::Unix(_) => super::local::connect(&near).await,
            other => Err(Trouble::Broken(format!("{other} is no socket"))),
        }
    }

    /// A refused connection to a port that is listened on is sshd's will, not the daemon's state.
    fn meaning_of_refusal(&self, place: &Place) -> std::io::ErrorKind {
        let listened = match place {
            Place::Tcp(_, port) => self.listening.get().is_some_and(|ports| ports.contains(port)),
            _ => false,
        };
        if listened { std::io::ErrorKind::PermissionDenied } else { std::io::ErrorKind::ConnectionRefused }
    }

    /// A local socket that leads to the place, kept open by the shared connection.
    pub(super) async fn dial(&self, place: &Place) -> Result<Place, Trouble> {
        let there = forwarded(place)?;
        let Some(folder) = &self.control else {
            return Err(Trouble::Denied(
                "no folder for a socket of our own: set XDG_RUNTIME_DIR".to_string(),
            ));
        };
        let mut hasher = DefaultHasher::new();
        (&self.destination, self.port, &self.user, self.mark(), &there).hash(&mut hasher);
        let here = folder.join(format!("to-{:016x}", hasher.finish()));
        let mut command = self.command();
        command.args(["-o", "StreamLocalBindUnlink=yes", "-O", "forward", "-L"]);
        command.arg(format!("{}:{there}", here.display())).arg("--").arg(&self.destination);
        let output =
            program::output(&mut command).await.map_err(|error| Trouble::from_io(&error, "starting ssh"))?;
        if output.status.success() {
            return Ok(Place::Unix(here));
        }
        Err(self.trouble(&String::from_utf8_lossy(&output.stderr)))
    }

    pub(super) async fn run(&self, name: &str, arguments: &[&str]) -> Result<Output, Trouble> {
        let words: Vec<String> = std::iter::once(&name).chain(arguments).map(|word| quoted(word)).collect();
        let line = format!("{} exec {}", crate::view::remote::SETTING, words.join(" "));
        let mut command = self.command();
        command.args(["-o", NO_FORWARDS, "--", &self.destination]).arg(self.as_root(&line));
        let output =
            program::output(&mut command).await.map_err(|error| Trouble::from_io(&error, "starting ssh"))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(127) => Err(Trouble::Denied(format!("{name} is not installed"))),
            Some(255) => Err(self.trouble(&complaint)),
            Some(1) if complaint.starts_with("sudo:") => Err(self.trouble(&complaint)),
            _ => Ok(output),
        }
    }

    pub(super) async fn read(&self, path: &Path) -> Result<Vec<u8>, Trouble> {
        let name = path.display().to_string();
        let output = self.run("head", &["-c", &FILE_MAX.to_string(), "--", &name]).await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let cause =
            format!("reading {name}: {}", complaint::last_line(&String::from_utf8_lossy(&output.stderr)));
        Err(match () {
            () if cause.contains("Permission denied") => Trouble::Denied(cause),
            () if cause.contains("No such file") => Trouble::Down(cause),
            () => Trouble::Broken(cause),
        })
    }
}

/// A place as `ssh -W` and `-L` want it.
fn forwarded(place: &Place) -> Result<String, Trouble> {
    match place {
        Place::Tcp(..) => Ok(place.to_string()),
        Place::Unix(path) => Ok(path.display().to_string()),
        Place::Program(name) => Err(Trouble::Broken(format!("{name} is a program, not an address"))),
    }
}

/// A word that `sh` takes as it is.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(words: &[&str]) -> Result<Vec<String>, UnsafeArgument> {
        let mut ssh = Ssh::new("c1");
        ssh.with_arguments(&words.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(ssh.extra)
    }

    #[test]
    fn options_that_say_how_to_connect_are_taken() {
        assert_eq!(with(&["-F", "/x", "-oProxyJump=a"]).unwrap(), ["-F", "/x", "-o", "ProxyJump=a"]);
        assert_eq!(with(&["-4C"]).unwrap(), ["-4C"]);
    }

    #[test]
    fn words_that_would_be_the_host_or_the_command_are_not() {
        for words in [&["evil"][..], &["-N"], &["-o"], &["-L", "1:2:3"], &["-"], &["-4f"], &["--"]] {
            assert!(with(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_socket_that_only_sudo_could_open_is_not_taken_for_broken() {
        let mut ssh = Ssh::new("c1");
        ssh.becoming = Become::Sudo;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(ssh.connect(&Place::Unix("/run/x.sock".into())));
        assert!(matches!(answer, Err(Trouble::Denied(cause)) if cause.contains("log in as root")));
    }

    #[test]
    fn a_quote_in_a_word_stays_a_quote() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
