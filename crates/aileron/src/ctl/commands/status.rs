//! `status`: what the node is, has and uses, on one page.
//!
//! The server sends one map; JSON and Erlang's format print it whole, people get RabbitMQ's headings
//! with the same words, which monitoring scripts look for.

use super::super::command::{BASE, Patience, Section, Spec};
use super::super::failure::Failure;
use super::super::format::{Output, cell, erlang};
use super::super::given::{Misuse, no_words};
use super::super::options::Kind;
use super::super::protocol::Request;
use super::super::session::Session;
use super::super::term::Term;

pub(super) const COMMANDS: &[Spec] = &[Spec {
    name: "status",
    section: Section::Monitoring,
    description: "Displays status of a node",
    usage: "status [--unit <unit>]",
    arguments: &[
        ("--unit <bytes | mb | gb>", "byte multiple (bytes, megabytes, gigabytes) to use"),
        ("--formatter <json | erlang>", "alternative formatter (JSON, Erlang terms)"),
    ],
    guides: &["monitoring"],
    switches: &[("unit", Kind::Text), ("timeout", Kind::Number)],
    patience: Patience::Health,
    check: |given| {
        no_words(given)?;
        let unit = given.options.text("unit").unwrap_or("gb");
        match Unit::named(unit) {
            Some(_) => Ok(()),
            None => Err(Misuse::Told(format!(
                "\"unit '{unit}' is not supported. Please use one of: bytes, mb, gb\""
            ))),
        }
    },
    banner: |given| Some(format!("Status of node {} ...", given.node)),
    run: |session| status(session),
    ..BASE
}];

/// Fetches the node's state and words it for the formatter asked for.
pub(super) fn status(session: &mut Session) -> Result<Output, Failure> {
    let state = session.ask(&Request::Status)?;
    match session.given.options.text("formatter") {
        Some("json" | "erlang") => Ok(Output::Value(state)),
        _ => {
            let unit = session.given.options.text("unit").unwrap_or("gb");
            Ok(Output::Text(page(&state, &session.given.node, unit)))
        }
    }
}

/// A multiple of bytes, by thousands.
struct Unit(f64);

impl Unit {
    fn named(name: &str) -> Option<Unit> {
        Some(Unit(match name.to_lowercase().as_str() {
            "bytes" => 1.0,
            "kb" | "kilobytes" => 1e3,
            "mb" | "megabytes" => 1e6,
            "gb" | "gigabytes" => 1e9,
            "tb" | "terabytes" => 1e12,
            _ => return None,
        }))
    }

    /// A number of bytes with four decimals, as Elixir prints a rounded float; bytes stay whole.
    fn show(&self, bytes: Option<&Term>) -> String {
        match bytes {
            Some(Term::Int(bytes)) if self.0 > 1.0 => {
                #[allow(clippy::cast_precision_loss)] // four decimals are shown
                let value = *bytes as f64 / self.0;
                erlang::float((value * 1e4).round() / 1e4)
            }
            Some(other) => cell(other),
            None => "unknown".to_string(),
        }
    }
}

/// A heading as RabbitMQ's tools print one, always bold.
pub(super) fn heading(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m\n")
}

fn page(state: &Term, node: &str, unit: &str) -> String {
    let show = |key: &str| state.get(key).map_or_else(String::new, cell);
    let mut lines = runtime(state, node);
    lines.extend([format!("\n{}", heading("Plugins"))]);
    lines.push(format!("Enabled plugin file: {}", show("enabled_plugin_file")));
    lines.push("Enabled plugins:\n".to_string());
    lines.extend(bullets(state, "active_plugins"));
    lines.push(format!("\n{}", heading("Data directory")));
    lines.push(format!("Node data directory: {}", show("data_directory")));
    lines.push(format!("Raft data directory: {}", show("raft_data_directory")));
    lines.push(format!("\n{}", heading("Config files")));
    lines.extend(bullets(state, "config_files"));
    lines.push(format!("\n{}", heading("Log file(s)")));
    lines.extend(bullets(state, "log_files"));
    lines.push(format!("\n{}", heading("Alarms")));
    lines.extend(alarms(state));
    lines.extend(resources(state, unit));
    lines.push(format!("\n{}", heading("Totals")));
    let total =
        |key: &str| state.get("totals").and_then(|totals| totals.get(key)).map_or_else(String::new, cell);
    lines.push(format!("Connection count: {}", total("connection_count")));
    lines.push(format!("Queue count: {}", total("queue_count")));
    lines.push(format!("Virtual host count: {}", total("virtual_host_count")));
    lines.push(format!("\n{}", heading("Listeners")));
    lines.extend(listeners(state, ""));
    lines.join("\n")
}

fn runtime(state: &Term, node: &str) -> Vec<String> {
    let show = |key: &str| state.get(key).map_or_else(String::new, cell);
    let processes = |key: &str| {
        state.get("processes").and_then(|processes| processes.get(key)).map_or_else(String::new, cell)
    };
    let mut lines = vec![
        heading("Runtime"),
        format!("OS PID: {}", show("pid")),
        format!("OS: {}", show("os")),
        format!("Uptime (seconds): {}", show("uptime")),
        format!("Is under maintenance?: {}", show("is_under_maintenance")),
    ];
    for (label, key) in [("Product name", "product_name"), ("Product version", "product_version")] {
        let value = show(key);
        if !value.is_empty() {
            lines.push(format!("{label}: {value}"));
        }
    }
    lines.push(format!("RabbitMQ version: {}", show("rabbitmq_version")));
    lines.push(format!("RabbitMQ release series support status: {}", show("release_series_support_status")));
    lines.push(format!("Node name: {node}"));
    lines.push(format!("Erlang configuration: {}", show("erlang_version")));
    lines.push(format!("Crypto library: {}", show("crypto_lib_version")));
    lines.push(format!("Erlang processes: {} used, {} limit", processes("used"), processes("limit")));
    lines.push(format!("Scheduler run queue: {}", show("run_queue")));
    lines.push(format!("Cluster heartbeat timeout (net_ticktime): {}", show("net_ticktime")));
    lines
}

fn resources(state: &Term, unit: &str) -> Vec<String> {
    let scale = Unit::named(unit).unwrap_or(Unit(1.0));
    let amount = |key: &str| format!("{} {unit}", scale.show(state.get(key)));
    let strategy = state.get("vm_memory_calculation_strategy").map_or_else(String::new, cell);
    let memory = state.get("memory");
    let total = memory.and_then(|memory| memory.get("total")).and_then(|total| total.get(&strategy));
    let setting = state.get("vm_memory_high_watermark_setting");
    let setting = match (setting.and_then(|s| s.get("relative")), setting.and_then(|s| s.get("absolute"))) {
        (Some(share), _) => format!("{} of available memory", cell(share)),
        (None, absolute) => format!("{} {unit}", scale.show(absolute)),
    };
    let mut lines = vec![
        format!("\n{}", heading("Memory")),
        format!("Total memory used: {} {unit}", scale.show(total)),
        format!("Calculation strategy: {strategy}"),
        format!(
            "Memory high watermark setting: {setting}, computed to: {}\n",
            amount("vm_memory_high_watermark_limit")
        ),
    ];
    lines.extend(breakdown(memory, total, &scale, unit));
    let handles =
        |key: &str| state.get("file_descriptors").and_then(|fds| fds.get(key)).map_or_else(String::new, cell);
    lines.push(format!("\n{}", heading("File Descriptors")));
    lines.push(format!("Total: {}, limit: {}", handles("total_used"), handles("total_limit")));
    lines.push(format!("Sockets: {}, limit: {}", handles("sockets_used"), handles("sockets_limit")));
    lines.push(format!("\n{}", heading("Free Disk Space")));
    lines.push(format!("Low free disk space watermark: {}", amount("disk_free_limit")));
    lines.push(format!("Free disk space: {}", amount("disk_free")));
    lines
}

/// What holds how much of the memory, the largest first.
fn breakdown(memory: Option<&Term>, total: Option<&Term>, scale: &Unit, unit: &str) -> Vec<String> {
    let Some(Term::Map(pairs)) = memory else { return Vec::new() };
    let total = match total {
        Some(Term::Int(total)) => (*total).max(1),
        _ => 1,
    };
    let mut parts: Vec<(String, i128)> = pairs
        .iter()
        .filter_map(|(key, value)| match value {
            Term::Int(bytes) => Some((cell(key), *bytes)),
            _ => None,
        })
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.1));
    parts
        .into_iter()
        .map(|(name, bytes)| {
            #[allow(clippy::cast_precision_loss)] // two decimals are shown
            let share = bytes as f64 / total as f64 * 100.0;
            let share = erlang::float((share * 100.0).round() / 100.0);
            format!("{name}: {} {unit} ({share} %)", scale.show(Some(&Term::Int(bytes))))
        })
        .collect()
}

fn bullets(state: &Term, key: &str) -> Vec<String> {
    match state.get(key) {
        Some(Term::List(items)) => items.iter().map(|item| format!(" * {}", cell(item))).collect(),
        _ => Vec::new(),
    }
}

/// Alarms as sentences, or `(none)`.
pub(super) fn alarms(state: &Term) -> Vec<String> {
    let Some(Term::List(alarms)) = state.get("alarms") else { return vec!["(none)".to_string()] };
    let lines: Vec<String> = alarms
        .iter()
        .map(|alarm| {
            let node = alarm.get("node").map_or_else(String::new, cell);
            match alarm.get("resource").map(cell).as_deref() {
                Some("memory") => format!("Memory alarm on node {node}"),
                Some("disk") => format!("Free disk space alarm on node {node}"),
                Some(other) => format!("{other} alarm on node {node}"),
                None => cell(alarm),
            }
        })
        .collect();
    if lines.is_empty() { vec!["(none)".to_string()] } else { lines }
}

/// One line for each listener, behind `prefix`, or `(none)`.
pub(super) fn listeners(state: &Term, prefix: &str) -> Vec<String> {
    let Some(Term::List(listeners)) = state.get("listeners") else { return vec!["(none)".to_string()] };
    if listeners.is_empty() {
        return vec!["(none)".to_string()];
    }
    let first = if prefix.is_empty() { "Interface" } else { "interface" };
    listeners
        .iter()
        .map(|listener| {
            let show = |key: &str| listener.get(key).map_or_else(String::new, cell);
            format!(
                "{prefix}{first}: {}, port: {}, protocol: {}, purpose: {}",
                show("interface"),
                show("port"),
                show("protocol"),
                show("purpose")
            )
        })
        .collect()
}
