//! The configuration in force, for `aileron config show`.

use super::{Config, Watermark};

/// The configuration as a file that gives the same one. Secrets are left out, with a note.
pub(crate) fn as_toml(config: &Config) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_string()).to_string();
    let list = |items: &[String]| {
        format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
    };
    let path = |path: Option<&std::path::Path>| {
        quoted(&path.map(|path| path.display().to_string()).unwrap_or_default())
    };
    let broker = &config.broker;
    let watermark = match broker.memory_high_watermark {
        Watermark::Share(share) => format!("{share:?}"),
        Watermark::Bytes(bytes) => bytes.to_string(),
    };
    let source = match &config.file {
        Some(path) => match &config.environment_file {
            Some(variables) => format!("# read from {} and {}\n", path.display(), variables.display()),
            None => format!("# read from {}\n", path.display()),
        },
        None => "# no configuration file\n".to_string(),
    };
    let lines = [
        source,
        format!("[node]\nname = {}\n", quoted(&config.node.name)),
        format!("[broker]\nlisten = {}", list(&broker.listen)),
        format!("data_dir = {}", quoted(&broker.data_dir.display().to_string())),
        format!("heartbeat = {}", broker.heartbeat),
        format!("frame_max = {}", broker.frame_max),
        format!("channel_max = {}", broker.channel_max),
        format!("max_message_size = {}", broker.max_message_size),
        format!("memory_high_watermark = {watermark}"),
        format!("disk_free_limit = {}", broker.disk_free_limit),
        format!("memory_for_messages = {}", broker.memory_for_messages),
        format!("loopback_users = {}", list(&broker.loopback_users)),
        format!("default_user = {}", quoted(&broker.default_user)),
        "# default_pass is not shown".to_string(),
        format!("default_vhost = {}", quoted(&broker.default_vhost)),
        format!("handshake_timeout = {:?}", broker.handshake_timeout.as_secs_f64()),
        format!("max_connections = {}\n", broker.max_connections),
        format!("[journal]\nsegment_size = {}", config.journal.segment_size),
        format!("disk_timeout = {:?}\n", config.journal.disk_timeout.as_secs_f64()),
        format!("[ctl]\nsocket = {}\n", quoted(&config.ctl.socket.display().to_string())),
        format!("[services]\ninventory = {}", path(config.services.inventory.as_deref())),
        format!("group = {}", quoted(config.services.group.as_deref().unwrap_or_default())),
        format!("hosts = {}", list(&config.services.hosts)),
        format!("credentials = {}", path(config.services.credentials.as_deref())),
        format!("interval = {:?}\n", config.services.interval.as_secs_f64()),
        format!("[log]\nlevel = {}\n", quoted(&config.log.level)),
    ];
    lines.join("\n")
}
