//! The node's state as `status --formatter json` shows it: one map, keys as RabbitMQ's, sorted.
//!
//! What only an Erlang node has says so or counts what comes closest; tools that read a key find it.

use broker::info::Health;
use broker::{Broker, EMULATED_VERSION, SnapshotInfo};

use super::super::term::Term;
use super::Facts;

/// Everything `status` and `cluster_status` show.
pub(super) fn state(broker: &Broker, facts: &Facts) -> Term {
    let status = broker.status();
    let text = |text: &str| Term::text(text);
    let (handles, handles_max) = status.file_descriptors;
    let vhosts = u64::try_from(broker.access().vhosts().len()).unwrap_or(u64::MAX);
    let threads = threads();
    let config_files = facts.config_file.iter().map(|path| Term::text(path.display().to_string())).collect();
    let listeners =
        status.listeners.iter().map(|(protocol, address)| listener(&facts.node, protocol, address));
    map([
        ("active_plugins", Term::List(Vec::new())),
        ("alarms", Term::List(status.alarms.iter().map(|alarm| alarm_map(&facts.node, alarm)).collect())),
        ("config_files", Term::List(config_files)),
        ("crypto_lib_version", text("none")),
        ("data_directory", text(&status.data_dir)),
        ("disk_free", Term::int(status.disk_free)),
        ("disk_free_limit", Term::int(status.disk_free_limit)),
        ("enabled_plugin_file", text("")),
        ("erlang_version", text(&format!("none (aileron {})", status.version))),
        (
            "file_descriptors",
            map([
                ("sockets_limit", Term::int(handles_max)),
                ("sockets_used", Term::int(status.connections)),
                ("total_limit", Term::int(handles_max)),
                ("total_used", Term::int(handles)),
            ]),
        ),
        ("is_under_maintenance", false.into()),
        ("listeners", Term::List(listeners.collect())),
        ("log_files", Term::List(vec![text("<stdout>")])),
        ("memory", memory(status.memory_used, status.message_memory)),
        ("net_ticktime", Term::int(60)),
        ("os", text("Linux")),
        ("pid", Term::int(status.pid)),
        ("processes", map([("limit", Term::int(threads.1)), ("used", Term::int(threads.0))])),
        ("product_name", text("aileron")),
        ("product_version", text(&status.version)),
        ("rabbitmq_version", text(EMULATED_VERSION)),
        ("raft_data_directory", text(&status.data_dir)),
        ("release_series_support_status", Term::atom("supported")),
        ("run_queue", Term::int(0)),
        (
            "totals",
            Term::List(vec![
                Term::pair("virtual_host_count", Term::int(vhosts)),
                Term::pair("connection_count", Term::int(status.connections)),
                Term::pair("queue_count", Term::int(status.queues)),
            ]),
        ),
        ("uptime", Term::int(status.uptime)),
        ("vm_memory_calculation_strategy", Term::atom("rss")),
        ("vm_memory_high_watermark_limit", Term::int(status.memory_limit)),
        ("vm_memory_high_watermark_setting", map([(facts.watermark.0, facts.watermark.1.clone())])),
    ])
}

/// What `health` answers; `services` reads it by these names.
pub(super) fn health(health: &Health) -> Term {
    let (handles, handles_max) = health.file_descriptors;
    map([
        ("version", Term::text(&health.version)),
        ("uptime", Term::int(health.uptime)),
        ("alarms", Term::List(health.alarms.iter().map(|code| Term::text(*code)).collect())),
        ("memory_used", Term::int(health.memory_used)),
        ("memory_limit", Term::int(health.memory_limit)),
        ("disk_free", Term::int(health.disk_free)),
        ("disk_free_limit", Term::int(health.disk_free_limit)),
        ("damages", Term::int(health.damages)),
        ("disk_waits", Term::int(health.hung_disk.as_ref().map_or(0, |hung| hung.waited.as_secs()))),
        ("disk_waits_vhost", Term::text(health.hung_disk.as_ref().map_or("", |hung| &hung.vhost))),
        ("connections", Term::int(health.connections)),
        ("connections_limit", Term::int(health.max_connections)),
        ("descriptors", Term::int(handles)),
        ("descriptors_limit", Term::int(handles_max)),
    ])
}

fn map<const N: usize>(pairs: [(&str, Term); N]) -> Term {
    Term::Map(pairs.into_iter().map(|(key, value)| (Term::atom(key), value)).collect())
}

/// What holds the memory: message bodies, and everything else.
fn memory(used: u64, messages: u64) -> Term {
    let total = map([("allocated", Term::int(used)), ("erlang", Term::int(used)), ("rss", Term::int(used))]);
    map([
        ("binary", Term::int(messages)),
        ("other_proc", Term::int(used.saturating_sub(messages))),
        ("strategy", Term::atom("rss")),
        ("total", total),
    ])
}

/// A snapshot in figures.
pub(super) fn snapshot(taken: &SnapshotInfo) -> Term {
    map([
        ("copied_bytes", Term::int(taken.copied_bytes)),
        ("linked", Term::int(taken.linked)),
        ("segments", Term::int(taken.segments)),
        ("vhosts", Term::int(taken.vhosts)),
    ])
}

fn alarm_map(node: &str, alarm: &str) -> Term {
    map([("node", Term::atom(node)), ("resource", Term::atom(alarm)), ("type", Term::atom("resource_limit"))])
}

fn listener(node: &str, protocol: &str, address: &str) -> Term {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    let purpose = match protocol {
        "amqp" => "AMQP 0-9-1 and AMQP 1.0",
        "amqp/ssl" => "AMQP 0-9-1 and AMQP 1.0 over TLS",
        other => other,
    };
    map([
        ("interface", Term::text(host)),
        ("node", Term::atom(node)),
        ("port", Term::int(port.parse::<u16>().unwrap_or(0))),
        ("protocol", Term::atom(protocol)),
        ("purpose", Term::text(purpose)),
    ])
}

/// Threads of this process, and how many the system allows: the closest to Erlang's processes.
fn threads() -> (u64, u64) {
    let number = |path: &str| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let used = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"))
        .and_then(|rest| rest.trim().parse().ok());
    (used.unwrap_or(0), number("/proc/sys/kernel/threads-max").unwrap_or(0))
}

/// How this process was started: arguments and our environment variables. What may be a secret is
/// left out, since reports are sent to others.
pub(super) fn process() -> Term {
    let shown = |name: &str, value: &str| {
        let secret = name.to_lowercase().contains("pass") || value.to_lowercase().contains("pass");
        if secret { "(hidden)".to_string() } else { value.to_string() }
    };
    let arguments = std::env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy();
        Term::charlist(&shown("", &word))
    });
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with("AILERON_") || name.starts_with("RABBITMQ_"))
        .collect();
    variables.sort();
    let variables = variables
        .iter()
        .map(|(name, value)| Term::Tuple(vec![Term::text(name), Term::text(shown(name, value))]));
    map([
        ("arguments", Term::List(vec![Term::pair("aileron", Term::List(arguments.collect()))])),
        ("variables", Term::List(variables.collect())),
    ])
}
