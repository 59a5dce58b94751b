//! The configuration in force, for `aileron config show` and `rabbitmqctl environment`.

use super::{Config, Watermark};
use crate::ctl::term::Term;

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
        Some(path) => format!("# read from {}\n", path.display()),
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
        format!("[journal]\nsegment_size = {}\n", config.journal.segment_size),
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

/// The configuration as the application environment of an Erlang node: RabbitMQ's variables under
/// their names, then what only we have. The password is not among them, as RabbitMQ hides it too.
pub(crate) fn as_term(config: &Config) -> Term {
    let broker = &config.broker;
    let strings = |items: &[String]| Term::List(items.iter().map(|item| Term::text(item.clone())).collect());
    let path = |path: &std::path::Path| Term::charlist(&path.display().to_string());
    let watermark = match broker.memory_high_watermark {
        Watermark::Share(share) => Term::float(share),
        Watermark::Bytes(bytes) => Term::Tuple(vec![Term::atom("absolute"), Term::int(bytes)]),
    };
    let permissions = Term::List(vec![Term::text(".*"); 3]);
    let listeners = broker.listen.iter().filter_map(|address| {
        let (host, port) = address.rsplit_once(':')?;
        Some(Term::Tuple(vec![Term::charlist(host), Term::int(port.parse::<u16>().ok()?)]))
    });
    let milliseconds = u64::try_from(broker.handshake_timeout.as_millis()).unwrap_or(u64::MAX);
    let connections = match broker.max_connections {
        0 => Term::atom("infinity"),
        most => Term::int(most),
    };
    let rabbit = Term::List(vec![
        Term::pair("auth_mechanisms", Term::List(vec![Term::atom("PLAIN"), Term::atom("AMQPLAIN")])),
        Term::pair("channel_max", Term::int(broker.channel_max)),
        Term::pair("connection_max", connections),
        Term::pair("default_permissions", permissions),
        Term::pair("default_user", Term::text(broker.default_user.clone())),
        Term::pair("default_user_tags", Term::List(vec![Term::atom("administrator")])),
        Term::pair("default_vhost", Term::text(broker.default_vhost.clone())),
        Term::pair("disk_free_limit", Term::int(broker.disk_free_limit)),
        Term::pair("frame_max", Term::int(broker.frame_max)),
        Term::pair("handshake_timeout", Term::int(milliseconds)),
        Term::pair("heartbeat", Term::int(broker.heartbeat)),
        Term::pair("loopback_users", strings(&broker.loopback_users)),
        Term::pair("max_message_size", Term::int(broker.max_message_size)),
        Term::pair("tcp_listeners", Term::List(listeners.collect())),
        Term::pair("vm_memory_high_watermark", watermark),
    ]);
    let own = Term::List(vec![
        Term::pair("config_file", config.file.as_deref().map_or(Term::atom("undefined"), path)),
        Term::pair("ctl_socket", path(&config.ctl.socket)),
        Term::pair("data_dir", path(&broker.data_dir)),
        Term::pair("journal_segment_size", Term::int(config.journal.segment_size)),
        Term::pair("log_level", Term::charlist(&config.log.level)),
        Term::pair("memory_for_messages", Term::int(broker.memory_for_messages)),
        Term::pair("version", Term::charlist(env!("CARGO_PKG_VERSION"))),
    ]);
    Term::List(vec![Term::pair("aileron", own), Term::pair("rabbit", rabbit)])
}
