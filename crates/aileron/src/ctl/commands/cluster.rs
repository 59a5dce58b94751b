//! The cluster: a node that stands alone is one of one. Its feature flags are all on, its name is the node's.

use super::super::command::{BASE, Patience, Section, Spec, TIMEOUT};
use super::super::failure::{Failure, UNAVAILABLE, USAGE};
use super::super::format::{Formatter, Output, cell};
use super::super::given::{Columns, Misuse, no_words, one_word};
use super::super::options::Kind;
use super::super::protocol::Request;
use super::super::session::Session;
use super::super::term::Term;
use super::listings::{check_columns, columns};
use super::status::{alarms, heading, listeners};

/// RabbitMQ 3.10's feature flags. What each stands for is behaviour we have or that has no meaning
/// for one node; tools that look for them before an upgrade find them on.
const FEATURE_FLAGS: &[Flag] = &[
    Flag {
        name: "classic_mirrored_queue_version",
        about: "Support setting version for classic mirrored queues",
        url: "",
    },
    Flag {
        name: "implicit_default_bindings",
        about: "Default bindings are now implicit, instead of being stored in the database",
        url: "",
    },
    Flag { name: "maintenance_mode_status", about: "Maintenance mode status", url: "" },
    Flag {
        name: "quorum_queue",
        about: "Support queues of type `quorum`",
        url: "https://www.rabbitmq.com/quorum-queues.html",
    },
    Flag {
        name: "stream_queue",
        about: "Support queues of type `stream`",
        url: "https://www.rabbitmq.com/stream.html",
    },
    Flag { name: "user_limits", about: "Configure connection and channel limits for a user", url: "" },
    Flag { name: "virtual_host_metadata", about: "Virtual host metadata (description, tags, etc)", url: "" },
];

/// A feature flag, on for good.
struct Flag {
    name: &'static str,
    about: &'static str,
    url: &'static str,
}

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "cluster_status",
        section: Section::Cluster,
        description: "Displays all the nodes in the cluster grouped by node type, together with the currently running nodes",
        usage: "cluster_status",
        guides: &["clustering", "cluster-formation", "monitoring"],
        switches: TIMEOUT,
        patience: Patience::Health,
        check: no_words,
        banner: |given| Some(format!("Cluster status of node {} ...", given.node)),
        run: |session| cluster_status(session),
        ..BASE
    },
    Spec {
        name: "list_feature_flags",
        section: Section::Flags,
        description: "Lists feature flags",
        usage: "list_feature_flags [<column> ...]",
        arguments: &[("<column>", "must be one of desc, doc_url, name, provided_by, stability, state")],
        guides: &["feature-flags"],
        switches: TIMEOUT,
        formatter: Formatter::Table,
        columns: Columns {
            all: &["name", "state", "stability", "provided_by", "desc", "doc_url"],
            default: &["name", "state"],
        },
        check: |given| check_columns(given, "list_feature_flags"),
        banner: |_| Some("Listing feature flags ...".to_string()),
        run: list_flags,
        ..BASE
    },
    Spec {
        name: "enable_feature_flag",
        section: Section::Flags,
        description: "Enables a feature flag or all supported feature flags on the target node",
        usage: "enable_feature_flag <all | feature_flag>",
        arguments: &[(
            "<feature_flag>",
            "name of the feature flag to enable, or \"all\" to enable all supported flags",
        )],
        check: |given| {
            one_word(given)?;
            match given.word(0) {
                "" => Err(Misuse::BadArgument("feature_flag cannot be an empty string.")),
                _ => Ok(()),
            }
        },
        banner: |given| {
            Some(match given.word(0) {
                "all" => "Enabling all feature flags ...".to_string(),
                flag => format!("Enabling feature flag \"{flag}\" ..."),
            })
        },
        run: enable_flag,
        ..BASE
    },
    Spec {
        name: "set_cluster_name",
        section: Section::Configuration,
        description: "Sets the cluster name",
        usage: "set_cluster_name <name>",
        arguments: &[("<name>", "New cluster name")],
        guides: &["virtual-hosts", "access-control"],
        check: one_word,
        banner: |given| Some(format!("Setting cluster name to {} ...", given.word(0))),
        run: set_name,
        ..BASE
    },
    Spec {
        name: "forget_cluster_node",
        section: Section::Cluster,
        description: "Removes a node from the cluster",
        usage: "forget_cluster_node [--offline] <existing_cluster_member_node>",
        arguments: &[(
            "--offline",
            "try to update cluster membership state directly. Use when target node is stopped. Only works for local nodes.",
        )],
        guides: &["clustering", "cluster-formation"],
        switches: &[("offline", Kind::Flag)],
        check: one_word,
        banner: |given| {
            let offline = given.options.flag("offline");
            (!offline).then(|| format!("Removing node {} from the cluster", given.word(0)))
        },
        run: forget,
        ..BASE
    },
];

fn list_flags(session: &mut Session) -> Result<Output, Failure> {
    let columns = columns(&session.given, session.columns);
    let cell = |flag: &Flag, column: &str| match column {
        "name" => Term::atom(flag.name),
        "state" => Term::atom("enabled"),
        "stability" => Term::atom("stable"),
        "provided_by" => Term::atom("rabbit"),
        "desc" => Term::text(flag.about),
        _ => Term::text(flag.url),
    };
    let row = |flag: &Flag| columns.iter().map(|column| (column.clone(), cell(flag, column))).collect();
    Ok(Output::Rows(FEATURE_FLAGS.iter().map(row).collect()))
}

/// All that are known are on.
fn enable_flag(session: &mut Session) -> Result<Output, Failure> {
    let name = session.given.word(0);
    if name == "all" || FEATURE_FLAGS.iter().any(|flag| flag.name == name) {
        return Ok(Output::Done);
    }
    let node = &session.given.node;
    Err(Failure::error(USAGE, format!("This feature flag is not supported by node {node}")))
}

/// Taken, so that deployments go on; the name that clients see stays.
fn set_name(session: &mut Session) -> Result<Output, Failure> {
    let (name, node) = (session.given.word(0), &session.given.node);
    if name != node {
        super::super::warn(&format!(
            "note: the cluster's name stays {node}, which is the node's (node.name)"
        ));
    }
    Ok(Output::Done)
}

/// A cluster of one has nobody to forget.
fn forget(session: &mut Session) -> Result<Output, Failure> {
    let given = &session.given;
    if given.options.flag("offline") {
        return Err(Failure::new(USAGE, "Error: this command requires the target node to be stopped."));
    }
    let why = if given.word(0) == given.node {
        format!("{{:failed_to_remove_node, :{}, {{:combine_error, :schema, 'Last replica'}}}}", given.node)
    } else {
        "{:not_a_cluster_node, 'The node selected is not in the cluster.'}".to_string()
    };
    Err(Failure::error(UNAVAILABLE, why))
}

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
        .map(|flag| {
            Term::Map(vec![(key("name"), Term::atom(flag.name)), (key("state"), Term::atom("enabled"))])
        })
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
    lines.extend(FEATURE_FLAGS.iter().map(|flag| format!("Flag: {}, state: enabled", flag.name)));
    lines.join("\n")
}
