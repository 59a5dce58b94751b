//! Which hosts `aileron services` asks: from the command line, else from the configuration, else this one.
//!
//! Also the far side of that: `--observe`, which an aileron on another host runs over ssh.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use services::credentials::Credentials;
use services::inventory::{Inventory, host_named};
use services::reach::Reach;
use services::survey::{Request, observe as look};
use services::{Answer, Host};
use tokio::time::Instant;

use crate::config::{self, Config, ConfigError, Services, Sources};

/// The most that a request may have.
const REQUEST_MAX: u64 = 1 << 20;
/// Nothing is known of this host.
const EXIT_UNKNOWN: u8 = 3;

/// What the command line says of hosts.
#[derive(Args, Default)]
pub(super) struct HostArgs {
    /// Ask the controllers of an Ansible inventory (INI or YAML), over ssh
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// The inventory's group to ask [default: its controllers, else all]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Ask this host only, by its name in the inventory or for ssh; may be repeated
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Ask this very host only, whatever is configured
    #[arg(long, conflicts_with_all = ["inventory", "group", "host"])]
    local: bool,
    /// Print what runs here, as JSON for an aileron elsewhere whose request is read from standard input
    #[arg(long, hide = true)]
    pub(super) observe: bool,
}

impl HostArgs {
    /// The hosts to ask.
    ///
    /// # Errors
    /// When the inventory is not understood or has no such host.
    pub(super) fn hosts(&self, config: &Services) -> Result<Vec<Host>, String> {
        let here = || vec![Host { name: own_name(), reach: Arc::new(Reach::Local) }];
        if self.local {
            return Ok(here());
        }
        let mut hosts = Vec::new();
        if let Some(path) = self.inventory.as_ref().or(config.inventory.as_ref()) {
            // Hosts that are named may stand in any group.
            let group = match (&self.group, self.host.is_empty()) {
                (Some(group), _) => Some(group.as_str()),
                (None, false) => Some("all"),
                (None, true) => config.group.as_deref(),
            };
            let inventory = Inventory::load(path).map_err(|error| error.to_string())?;
            hosts = inventory.hosts(group).map_err(|error| error.to_string())?;
        }
        if !self.host.is_empty() {
            let known = |name: &String| hosts.iter().find(|host| host.name == *name).cloned();
            return Ok(self
                .host
                .iter()
                .map(|name| known(name).unwrap_or_else(|| host_named(name)))
                .collect());
        }
        if self.inventory.is_none() {
            let more = config.hosts.iter().filter(|name| !hosts.iter().any(|host| host.name == **name));
            hosts.extend(more.map(|name| host_named(name)).collect::<Vec<_>>());
        }
        Ok(if hosts.is_empty() { here() } else { hosts })
    }
}

/// The hosts to ask where the command line says nothing of them.
///
/// # Errors
/// When the inventory is not understood.
pub(super) fn configured(config: &Services) -> Result<Vec<Host>, String> {
    HostArgs::default().hosts(config)
}

/// The names and passwords of a file, else of the configured one, else none.
///
/// # Errors
/// When the file cannot be used.
pub(super) fn credentials(named: Option<&PathBuf>, config: &Services) -> Result<Credentials, String> {
    match named.or(config.credentials.as_ref()) {
        Some(path) => Credentials::load(path).map_err(|error| error.to_string()),
        None => Ok(Credentials::default()),
    }
}

/// The configuration. A file that only root may read must not keep others from a look at this host.
pub(super) fn config() -> Result<Option<Config>, String> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match config::load(&Sources::default(), environment) {
        Ok(config) => Ok(Some(config)),
        Err(errors) if errors.iter().all(|error| matches!(error, ConfigError::File { .. })) => Ok(None),
        Err(errors) => Err(errors.to_string()),
    }
}

fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().filter(|name| !name.is_empty()).unwrap_or("localhost").to_string()
}

/// Answers the request on standard input with a report of this host.
pub(super) fn observe() -> ExitCode {
    match report() {
        Ok(text) => match writeln!(std::io::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(EXIT_UNKNOWN),
        },
        Err(cause) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {cause}");
            ExitCode::from(EXIT_UNKNOWN)
        }
    }
}

fn report() -> Result<String, String> {
    let begun = Instant::now();
    let mut text = Vec::new();
    std::io::stdin().take(REQUEST_MAX).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let settings = Request::read(&text)?.settings();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let answer = runtime.block_on(look(&settings, begun + settings.deadline));
    // A read that hangs in the kernel must not hold the report back.
    runtime.shutdown_background();
    match answer {
        Answer::Got { facts } => serde_json::to_string(&facts).map_err(|error| error.to_string()),
        other => Err(other.trouble().unwrap_or_default()),
    }
}
