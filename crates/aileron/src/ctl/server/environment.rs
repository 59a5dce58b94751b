//! The configuration in force, for `rabbitmqctl environment`.

use super::super::term::Term;
use crate::config::{Config, Watermark};

/// The configuration as the application environment of an Erlang node: RabbitMQ's variables under
/// their names, then what only we have. The password is not among them, as RabbitMQ hides it too.
pub(crate) fn environment(config: &Config) -> Term {
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
        Term::pair("journal_disk_timeout", Term::int(config.journal.disk_timeout.as_secs())),
        Term::pair("journal_segment_size", Term::int(config.journal.segment_size)),
        Term::pair("log_level", Term::charlist(&config.log.level)),
        Term::pair("memory_for_messages", Term::int(broker.memory_for_messages)),
        Term::pair("version", Term::charlist(env!("CARGO_PKG_VERSION"))),
    ]);
    Term::List(vec![Term::pair("aileron", own), Term::pair("rabbit", rabbit)])
}
