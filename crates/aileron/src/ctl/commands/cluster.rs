//! `cluster_status`: a node that stands alone is a cluster of one.

use super::super::command::{BASE, Section, Spec, TIMEOUT};
use super::super::failure::Failure;
use super::super::format::{Output, cell};
use super::super::given::no_words;
use super::super::protocol::Request;
use super::super::session::Session;
use super::super::term::Term;
use super::status::{alarms, heading, listeners};

/// RabbitMQ 3.10's feature flags. What each stands for is behaviour we have or that has no meaning
/// for one node; tools that look for them before an upgrade find them on.
const FEATURE_FLAGS: &[&str] = &[
    "classic_mirrored_queue_version",
    "implicit_default_bindings",
    "maintenance_mode_status",
    "quorum_queue",
    "stream_queue",
    "user_limits",
    "virtual_host_metadata",
];

pub(super) const COMMANDS: &[Spec] = &[Spec {
    name: "cluster_status",
    section: Section::Cluster,
    description: "Displays all the nodes in the cluster grouped by node type, together with the currently running nodes",
    usage: "cluster_status",
    guides: &["clustering", "cluster-formation", "monitoring"],
    switches: TIMEOUT,
    check: no_words,
    banner: |given| Some(format!("Cluster status of node {} ...", given.node)),
    run: |session| cluster_status(session),
    ..BASE
}];

/// Fetches the node's state and shows the part that is about a cluster.
pub(super) fn cluster_status(session: &mut Session) -> Result<Output, Failure> {
    let state = session.ask(&Request::Status)?;
    let node = session.given.node.clone();
    match session.given.options.text("formatter") {
        Some("json" | "erlang") => Ok(Output::Value(summary(&state, &node))),
        _ => Ok(Output::Text(page(&state, &node))),
    }
}

fn version(state: &Term) -> String {
    state.get("rabbitmq_version").map_or_else(String::new, cell)
}

fn summary(state: &Term, node: &str) -> Term {
    let key = |name: &str| Term::atom(name);
    let name = || Term::text(node);
    let under = |value: Term| Term::Map(vec![(Term::atom(node), value)]);
    let versions = Term::Map(vec![
        (key("erlang_version"), Term::text("")),
        (key("rabbitmq_name"), Term::text("RabbitMQ")),
        (key("rabbitmq_version"), Term::text(version(state))),
    ]);
    let flags = FEATURE_FLAGS
        .iter()
        .map(|flag| Term::Map(vec![(key("name"), Term::atom(*flag)), (key("state"), Term::atom("enabled"))]))
        .collect();
    Term::Map(vec![
        (key("alarms"), state.get("alarms").cloned().unwrap_or(Term::List(Vec::new()))),
        (key("cluster_name"), name()),
        (key("disk_nodes"), Term::List(vec![name()])),
        (key("feature_flags"), Term::List(flags)),
        (key("listeners"), under(state.get("listeners").cloned().unwrap_or(Term::List(Vec::new())))),
        (key("maintenance_status"), under(Term::text("not under maintenance"))),
        (key("partitions"), Term::Map(Vec::new())),
        (key("ram_nodes"), Term::List(Vec::new())),
        (key("running_nodes"), Term::List(vec![name()])),
        (key("versions"), under(versions)),
    ])
}

fn page(state: &Term, node: &str) -> String {
    let section = |name: &str| format!("\n{}", heading(name));
    let mut lines = vec![heading("Basics"), format!("Cluster name: {node}")];
    lines.extend([section("Disk Nodes"), node.to_string()]);
    lines.extend([section("Running Nodes"), node.to_string()]);
    lines.extend([section("Versions"), format!("{node}: RabbitMQ {} on Erlang (none)", version(state))]);
    lines.extend([section("Maintenance status"), format!("Node: {node}, status: not under maintenance")]);
    lines.push(section("Alarms"));
    lines.extend(alarms(state));
    lines.extend([section("Network Partitions"), "(none)".to_string()]);
    lines.push(section("Listeners"));
    lines.extend(listeners(state, &format!("Node: {node}, ")));
    lines.push(section("Feature flags"));
    lines.extend(FEATURE_FLAGS.iter().map(|flag| format!("Flag: {flag}, state: enabled")));
    lines.join("\n")
}
