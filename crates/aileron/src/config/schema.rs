//! The keys, what each allows, and how a value gets into the [`Config`].

use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::{
    Broker, Config, Ctl, Journal, Log, Node, Services, Watermark, default_data_dir, short_host_name, size,
};

/// One key.
pub(super) struct Key {
    /// `section.key`
    pub(super) name: &'static str,
    /// What it allows, for error texts.
    pub(super) allowed: &'static str,
    /// Puts a value in its place; `None` where it is not allowed.
    pub(super) set: fn(&mut Config, &Value) -> Option<()>,
    /// Whether its value must not be shown.
    pub(super) secret: bool,
}

/// How like a key must be to be the one that was meant.
const LIKENESS_MIN: f64 = 0.6;
const TEXT: &str = "text that is not empty";
const WATERMARK: &str = "a share of the machine's memory above 0 and up to 1 (0.4), or an amount (\"2GiB\")";

/// Every key, in the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
    key("node.name", "NAME@HOST, each of letters, digits, '-', '_' and '.'", |config, value| {
        put(&mut config.node.name, text(value).filter(|name| is_node_name(name)))
    }),
    key("broker.listen", "a list of HOST:PORT, one at least ([\"127.0.0.1:5672\"])", |config, value| {
        let allowed = |items: &Vec<String>| !items.is_empty() && items.iter().all(|item| is_address(item));
        put(&mut config.broker.listen, list(value).filter(allowed))
    }),
    key("broker.data_dir", "a folder's path", |config, value| {
        put(&mut config.broker.data_dir, text(value).map(PathBuf::from))
    }),
    key("broker.heartbeat", "0 to 65535 seconds; 0 for none", |config, value| {
        put(&mut config.broker.heartbeat, number(value))
    }),
    key("broker.frame_max", "0 for any size, or 4096 to 2147483647 bytes", |config, value| {
        let allowed = |size: &u32| *size == 0 || (4096..=0x7fff_ffff).contains(size);
        put(
            &mut config.broker.frame_max,
            amount(value).and_then(|size| u32::try_from(size).ok()).filter(allowed),
        )
    }),
    key("broker.channel_max", "0 to 65535; 0 for 65535", |config, value| {
        put(&mut config.broker.channel_max, number(value))
    }),
    key("broker.max_message_size", "1 byte to 512MiB (536870912)", |config, value| {
        put(&mut config.broker.max_message_size, amount(value).filter(|size| (1..=512 << 20).contains(size)))
    }),
    key("broker.memory_high_watermark", WATERMARK, |config, value| {
        put(&mut config.broker.memory_high_watermark, watermark(value))
    }),
    key("broker.disk_free_limit", size::ALLOWED, |config, value| {
        put(&mut config.broker.disk_free_limit, amount(value))
    }),
    key("broker.memory_for_messages", size::ALLOWED, |config, value| {
        put(&mut config.broker.memory_for_messages, amount(value))
    }),
    key("broker.loopback_users", "a list of user names ([\"guest\"], or [] for none)", |config, value| {
        put(&mut config.broker.loopback_users, list(value))
    }),
    key("broker.default_user", TEXT, |config, value| put(&mut config.broker.default_user, text(value))),
    Key {
        name: "broker.default_pass",
        allowed: TEXT,
        set: |config, value| put(&mut config.broker.default_pass, text(value)),
        secret: true,
    },
    key("broker.default_vhost", TEXT, |config, value| put(&mut config.broker.default_vhost, text(value))),
    key("broker.handshake_timeout", "seconds, above 0 and up to 3600", |config, value| {
        put(&mut config.broker.handshake_timeout, seconds(value))
    }),
    key("broker.max_connections", "a number; 0 for any number", |config, value| {
        put(&mut config.broker.max_connections, number(value))
    }),
    key("journal.segment_size", "1MiB to 1GiB", |config, value| {
        let allowed = |size: &u64| (1 << 20..=1 << 30).contains(size);
        put(&mut config.journal.segment_size, amount(value).filter(allowed))
    }),
    key("journal.disk_timeout", "0 for any time, or 1 to 3600 seconds", |config, value| {
        put(&mut config.journal.disk_timeout, pause(value))
    }),
    key("ctl.socket", "a socket's path of at most 107 bytes", |config, value| {
        put(&mut config.ctl.socket, text(value).filter(|path| path.len() <= 107).map(PathBuf::from))
    }),
    key("services.inventory", "an Ansible inventory's path; empty for none", |config, value| {
        put(&mut config.services.inventory, optional(value).map(|path| path.map(PathBuf::from)))
    }),
    key("services.group", "a group of the inventory; empty for its controllers", |config, value| {
        put(&mut config.services.group, optional(value))
    }),
    key("services.hosts", "a list of hosts ([\"controller-0\"])", |config, value| {
        put(&mut config.services.hosts, list(value))
    }),
    key("services.credentials", "a path; empty for none", |config, value| {
        put(&mut config.services.credentials, optional(value).map(|path| path.map(PathBuf::from)))
    }),
    key("services.interval", "0 for none, or 1 to 3600 seconds", |config, value| {
        put(&mut config.services.interval, pause(value))
    }),
    key(
        "log.level",
        "error, warn, info, debug, trace, or directives (\"info,broker=debug\")",
        |config, value| put(&mut config.log.level, text(value).filter(|level| is_filter(level))),
    ),
];

const fn key(name: &'static str, allowed: &'static str, set: fn(&mut Config, &Value) -> Option<()>) -> Key {
    Key { name, allowed, set, secret: false }
}

/// What is in force where nothing is configured. The control socket follows the data folder, so it is
/// filled in when that is known.
pub(super) fn defaults() -> Config {
    Config {
        file: None,
        environment_file: None,
        unread: None,
        warnings: Vec::new(),
        node: Node { name: format!("rabbit@{}", short_host_name()) },
        broker: Broker {
            listen: vec!["127.0.0.1:5672".to_string()],
            data_dir: default_data_dir(),
            heartbeat: 60,
            frame_max: 131_072,
            channel_max: 2047,
            max_message_size: 128 << 20,
            memory_high_watermark: Watermark::Share(0.4),
            disk_free_limit: 50_000_000,
            memory_for_messages: 256 << 20,
            loopback_users: vec!["guest".to_string()],
            default_user: "guest".to_string(),
            default_pass: "guest".to_string(),
            default_vhost: "/".to_string(),
            handshake_timeout: Duration::from_secs(10),
            max_connections: 0,
        },
        journal: Journal { segment_size: 16 << 20, disk_timeout: Duration::from_secs(30) },
        ctl: Ctl { socket: PathBuf::new() },
        services: Services { interval: Duration::from_secs(30), ..Services::default() },
        log: Log { level: "info".to_string() },
    }
}

/// The key most like `name`, if one is like enough; one without a section may be meant in any.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    match name.contains('.') {
        true => nearest_of(name, KEYS.iter().map(|key| key.name)),
        false => {
            let bare = |key: &'static Key| key.name.split('.').nth(1).unwrap_or(key.name);
            let near = nearest_of(name, KEYS.iter().map(bare))?;
            KEYS.iter().find(|key| bare(key) == near).map(|key| key.name)
        }
    }
}

/// The one of `names` most like `name`, if one is like enough.
pub(super) fn nearest_of<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|known| (known, strsim::normalized_damerau_levenshtein(known, name)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .map(|(known, _)| known)
}

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_string)
}

/// A text where an empty one means none.
fn optional(value: &Value) -> Option<Option<String>> {
    value.as_str().map(|text| Some(text.to_string()).filter(|text| !text.is_empty()))
}

fn list(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(text).collect()
}

fn number<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    T::try_from(value.as_integer()?).ok()
}

fn amount(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => size::parse(text),
        _ => number(value),
    }
}

fn watermark(value: &Value) -> Option<Watermark> {
    match value {
        Value::Float(share) if *share > 0.0 && *share <= 1.0 => Some(Watermark::Share(*share)),
        Value::Integer(1) => Some(Watermark::Share(1.0)),
        Value::Float(_) => None,
        _ => amount(value).filter(|bytes| *bytes > 1).map(Watermark::Bytes),
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        #[allow(clippy::cast_precision_loss)] // at most 3600
        Value::Integer(whole) if (0..=3600).contains(whole) => *whole as f64,
        Value::Float(seconds) => *seconds,
        _ => return None,
    };
    (seconds > 0.0 && seconds <= 3600.0).then(|| Duration::from_secs_f64(seconds))
}

/// Seconds of which none is a meaning of its own.
fn pause(value: &Value) -> Option<Duration> {
    match value {
        Value::Integer(0) => Some(Duration::ZERO),
        Value::Float(none) if *none == 0.0 => Some(Duration::ZERO),
        _ => seconds(value).filter(|pause| *pause >= Duration::from_secs(1)),
    }
}

fn is_node_name(name: &str) -> bool {
    let plain = |part: &str, more: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    name.len() <= 255
        && name.split_once('@').is_some_and(|(name, host)| plain(name, "-_") && plain(host, "-_.:"))
}

/// Whether this is `HOST:PORT`; the host is looked up when it is listened on.
fn is_address(address: &str) -> bool {
    match address.rsplit_once(':') {
        Some((host, port)) => {
            let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let host_fits = match bare {
                Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
                None => !host.is_empty() && !host.contains([':', '[', ']', ' ']),
            };
            host_fits && port.parse::<u16>().is_ok()
        }
        None => false,
    }
}

fn is_filter(level: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    level.split(',').all(|part| {
        let level = part.rsplit('=').next().unwrap_or(part).trim();
        LEVELS.contains(&level.to_ascii_lowercase().as_str())
    })
}
