//! The resource's parameters and the cluster's own, as they come in the environment (`OCF_RESKEY_...`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::code::{Code, Trouble};
use crate::config::{self, Config, ConfigError, ConfigErrors, Sources};

/// What a call by hand, without a cluster, allows itself.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The user that the package makes.
const USER: &str = "aileron";
/// Settings that not everybody may read; systemd's service reads the same file.
const SECRETS: &str = "/etc/aileron/aileron.env";
/// Where journald takes a service's output.
const JOURNAL: &str = "/run/systemd/journal/stdout";
/// The log where there is no journal.
const LOG: &str = "/var/log/aileron.log";

/// What this call was given.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    /// `config`: the configuration file, else the usual one.
    pub(super) config: Option<PathBuf>,
    /// `data_dir`, over the configuration's.
    pub(super) data_dir: Option<PathBuf>,
    /// `ctl_socket`, over the configuration's.
    pub(super) ctl_socket: Option<PathBuf>,
    /// `user`, if one is named.
    pub(super) user: Option<String>,
    /// `set`: further settings, `section.key=value`.
    pub(super) set: Vec<String>,
    /// `log`: where the daemon's output goes.
    pub(super) log: Log,
    /// The resource's name, without the number of a clone's instance.
    pub(super) instance: String,
    /// How long the cluster waits for this action.
    pub(super) timeout: Duration,
    /// Whether the resource is a promotable clone.
    pub(super) promotable: bool,
    /// How deep a monitor looks.
    pub(super) depth: u32,
    /// Where agents keep what is over when the host restarts.
    scratch: PathBuf,
}

/// Where the daemon's output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// journald, as `aileron`.
    Journal,
    /// The end of a file.
    File(PathBuf),
}

impl Parameters {
    /// Reads them from the environment.
    pub(super) fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let own = |name: &str| given(&format!("OCF_RESKEY_{name}"));
        let meta = |name: &str| given(&format!("OCF_RESKEY_CRM_meta_{name}"));
        let instance = given("OCF_RESOURCE_INSTANCE").unwrap_or_else(|| "aileron".to_string());
        let promoted = ["promoted_max", "master_max"].iter().find_map(|name| meta(name));
        Parameters {
            config: own("config").map(PathBuf::from),
            data_dir: own("data_dir").map(PathBuf::from),
            ctl_socket: own("ctl_socket").map(PathBuf::from),
            user: own("user"),
            set: own("set").map_or_else(Vec::new, |all| all.split_whitespace().map(str::to_string).collect()),
            log: match own("log").as_deref() {
                Some("journal") => Log::Journal,
                Some(path) => Log::File(path.into()),
                None if Path::new(JOURNAL).exists() => Log::Journal,
                None => Log::File(LOG.into()),
            },
            instance: instance.split(':').next().unwrap_or_default().replace('/', "_"),
            timeout: meta("timeout")
                .and_then(|text| text.parse().ok())
                .filter(|milliseconds| *milliseconds > 0)
                .map_or(TIMEOUT, Duration::from_millis),
            promotable: meta("promotable").as_deref() == Some("true")
                || promoted.and_then(|text| text.parse::<u32>().ok()).is_some_and(|most| most > 0),
            depth: given("OCF_CHECK_LEVEL").and_then(|text| text.parse().ok()).unwrap_or(0),
            scratch: given("HA_RSCTMP").map_or_else(|| "/run/resource-agents".into(), PathBuf::from),
        }
    }

    /// Where a start notes what it started.
    pub(super) fn mark_file(&self) -> PathBuf {
        self.scratch.join(format!("aileron-{}.json", self.instance))
    }

    /// The user the daemon runs as, and whether somebody asked for that one.
    pub(super) fn user(&self) -> (&str, bool) {
        self.user.as_deref().map_or((USER, false), |named| (named, true))
    }

    /// The configuration as the daemon will see it.
    pub(super) fn load(&self) -> Result<Config, Trouble> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        config::load(&self.sources(), environment.chain(secrets())).map_err(|error| trouble(&error))
    }

    fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), data_dir: self.data_dir.clone(), set: self.settings() }
    }

    fn settings(&self) -> Vec<String> {
        let socket = self.ctl_socket.iter().map(|path| format!("ctl.socket={}", path.display()));
        self.set.iter().cloned().chain(socket).collect()
    }

    /// The arguments with which the daemon sees the same configuration.
    pub(super) fn arguments(&self) -> Vec<String> {
        let path = |option: &str, path: &Path| [option.to_string(), path.display().to_string()];
        let config = self.config.iter().flat_map(|file| path("--config", file));
        let data_dir = self.data_dir.iter().flat_map(|folder| path("--data-dir", folder));
        let settings = self.settings().into_iter().flat_map(|setting| ["--set".to_string(), setting]);
        config.chain(data_dir).chain(settings).collect()
    }
}

/// Settings for the service that not everybody may read.
pub(super) fn secrets() -> Vec<(String, String)> {
    std::fs::read_to_string(SECRETS).map_or_else(|_| Vec::new(), |text| config::variables(&text))
}

/// A file may be wrong on this host alone; what the resource says is wrong everywhere.
fn trouble(errors: &ConfigErrors) -> Trouble {
    let code = match errors.iter().next() {
        None => Code::Arguments,
        Some(error) => code_of(error),
    };
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Trouble::new(code, texts.join("; "))
}

fn code_of(error: &ConfigError) -> Code {
    match error {
        ConfigError::File { .. } => Code::NotInstalled,
        ConfigError::BadSet(_) => Code::NotConfigured,
        ConfigError::UnknownKey { place, .. } | ConfigError::BadValue { place, .. } if place == "--set" => {
            Code::NotConfigured
        }
        ConfigError::Syntax { .. } | ConfigError::UnknownKey { .. } | ConfigError::BadValue { .. } => {
            Code::Arguments
        }
    }
}
