//! The configuration: `aileron.toml`, the environment, and `--set`, each key with a default.
//!
//! Precedence: file, then `AILERON_SECTION__KEY` (the file beside it, `aileron.env`, then the environment), then `--set section.key=value` (and `--data-dir`).
//! `schema` lists the keys and what each allows, `size` reads amounts of bytes, `environment` variables, `sources`
//! merges, `show` prints what is in force. Every wrong key or value is one line that names key, value, place and what is
//! allowed (`error`); the program then exits with 78.

mod environment;
mod error;
mod schema;
mod show;
mod size;
mod sources;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use environment::variables;
pub(crate) use error::{ConfigError, ConfigErrors};
pub(crate) use show::as_toml;
pub(crate) use sources::{Sources, load};

/// Where the configuration file is when none is named.
pub(crate) const DEFAULT_FILE: &str = "/etc/aileron/aileron.toml";
/// The data folder of a service, used by root and by its owner where it exists.
const SYSTEM_DATA_DIR: &str = "/var/lib/aileron";
/// The data folder otherwise: in the current folder, so that a laptop needs nothing else.
const LOCAL_DATA_DIR: &str = "aileron-data";
/// Where packages put the control socket, for clients that don't know the data folder.
const SYSTEM_SOCKET: &str = "/run/aileron/ctl.sock";
/// The environment's word on where the control socket is.
const SOCKET_VARIABLE: &str = "AILERON_CTL_SOCKET";

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// The file it was read from, if there was one.
    pub(crate) file: Option<PathBuf>,
    /// The file of variables beside it, if there was one.
    pub(crate) environment_file: Option<PathBuf>,
    /// That one, where it could not be read.
    pub(crate) unread: Option<String>,
    /// What was given and is passed over, a line each.
    pub(crate) warnings: Vec<String>,
    /// `[node]`
    pub(crate) node: Node,
    /// `[broker]`
    pub(crate) broker: Broker,
    /// `[journal]`
    pub(crate) journal: Journal,
    /// `[ctl]`
    pub(crate) ctl: Ctl,
    /// `[services]`
    pub(crate) services: Services,
    /// `[log]`
    pub(crate) log: Log,
}

/// `[node]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The node's name in listings, traces and pids: `NAME@HOST`. Default `rabbit@` and the host's name
    /// up to the first dot, as RabbitMQ has it.
    pub(crate) name: String,
}

/// `[broker]`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broker {
    /// Addresses for AMQP clients, `HOST:PORT`. Default `["127.0.0.1:5672"]`.
    pub(crate) listen: Vec<String>,
    /// Where everything durable is. Default `/var/lib/aileron` for root and its owner where that exists, else
    /// `./aileron-data`.
    pub(crate) data_dir: PathBuf,
    /// Seconds between heartbeats offered to clients; 0 for none. Default 60.
    pub(crate) heartbeat: u16,
    /// The largest frame offered, in bytes; 0 for any. Default 131072, at least 4096.
    pub(crate) frame_max: u32,
    /// The highest channel number offered; 0 for 65535. Default 2047.
    pub(crate) channel_max: u16,
    /// The largest message body, in bytes. Default 128 MiB.
    pub(crate) max_message_size: u64,
    /// Memory above which publishers are held back. Default 0.4 of the machine's.
    pub(crate) memory_high_watermark: Watermark,
    /// Free disk space, in bytes, below which publishers are held back. Default 50 MB.
    pub(crate) disk_free_limit: u64,
    /// Memory, in bytes, that message bodies may take before they live on disk only. Default 256 MiB.
    pub(crate) memory_for_messages: u64,
    /// Users that may log in from this machine only. Default `["guest"]`.
    pub(crate) loopback_users: Vec<String>,
    /// The user made at the first start. Default `guest`.
    pub(crate) default_user: String,
    /// Its password. Default `guest`; never shown.
    pub(crate) default_pass: String,
    /// The vhost made at the first start. Default `/`.
    pub(crate) default_vhost: String,
    /// Time a client has to log in. Default 10 s.
    pub(crate) handshake_timeout: Duration,
    /// Most connections at a time; 0 for any number. Default 0.
    pub(crate) max_connections: u64,
}

/// How much memory is too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Watermark {
    /// A share of the machine's memory, above 0 and at most 1.
    Share(f64),
    /// So many bytes.
    Bytes(u64),
}

/// `[journal]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    /// Bytes in one segment file. Default 16 MiB, 1 MiB to 1 GiB.
    pub(crate) segment_size: u64,
    /// Time that the disk may take for one write or sync before it counts as hung; zero for any time. Default 30 s.
    pub(crate) disk_timeout: Duration,
}

/// `[ctl]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ctl {
    /// The control socket. Default `ctl.sock` in the data folder.
    pub(crate) socket: PathBuf,
}

/// `[services]`: the view of the shared services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Services {
    /// An Ansible inventory that names the controllers. Default: none.
    pub(crate) inventory: Option<PathBuf>,
    /// The inventory's group of controllers. Default: the first that is usually called so.
    pub(crate) group: Option<String>,
    /// Controllers by name, beside those of the inventory. Default: none, which means this host alone.
    pub(crate) hosts: Vec<String>,
    /// A file with names and passwords for the services. Default: none.
    pub(crate) credentials: Option<PathBuf>,
    /// Time between two surveys that the daemon makes; zero for none. Default 30 s.
    pub(crate) interval: Duration,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives for single rooms
    /// (`info,broker=debug`). Default `info`.
    pub(crate) level: String,
}

/// The control socket a client uses: the one that is named, else the environment's, that of the
/// configuration, the one packages make.
pub(crate) fn client_socket(named: Option<PathBuf>, config: Option<&Config>) -> PathBuf {
    let told = named.or_else(|| std::env::var_os(SOCKET_VARIABLE).map(PathBuf::from));
    told.unwrap_or_else(|| config.map_or_else(|| PathBuf::from("ctl.sock"), configured_socket))
}

fn configured_socket(config: &Config) -> PathBuf {
    let system = Path::new(SYSTEM_SOCKET);
    if !config.ctl.socket.exists() && system.exists() {
        system.to_path_buf()
    } else {
        config.ctl.socket.clone()
    }
}

/// Every key with what it allows, in the order in which they are shown.
pub(crate) fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    schema::KEYS.iter().map(|key| (key.name, key.allowed))
}

fn default_data_dir() -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let owner =
        |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir).map(|it| it.uid());
    let system = Path::new(SYSTEM_DATA_DIR);
    match (owner(Path::new("/proc/self")), owner(system)) {
        // Root's, and the service's user's when the configuration does not say.
        (Some(own), Some(owner)) if own == 0 || own == owner => system.to_path_buf(),
        _ => PathBuf::from(LOCAL_DATA_DIR),
    }
}

/// This machine's name up to the first dot.
fn short_host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim().split('.').next() {
        Some(short) if !short.is_empty() => short.to_string(),
        _ => "localhost".to_string(),
    }
}

#[cfg(test)]
mod tests;
