//! Listings with columns of the operator's choice: queues, exchanges, bindings, connections, channels
//! and consumers.

use super::super::command::{BASE, Section, Spec, TIMEOUT};
use super::super::failure::Failure;
use super::super::format::{self, Formatter, Output, Row};
use super::super::given::{Columns, Given, Misuse};
use super::super::options::Kind;
use super::super::protocol::{Listing, Refusal, Request};
use super::super::session::{Session, usual_words};
use super::super::term::Term;

const QUEUE_COLUMNS: &[&str] = &[
    "name",
    "durable",
    "auto_delete",
    "arguments",
    "policy",
    "pid",
    "owner_pid",
    "exclusive",
    "exclusive_consumer_pid",
    "exclusive_consumer_tag",
    "messages_ready",
    "messages_unacknowledged",
    "messages",
    "messages_ready_ram",
    "messages_unacknowledged_ram",
    "messages_ram",
    "messages_persistent",
    "message_bytes",
    "message_bytes_ready",
    "message_bytes_unacknowledged",
    "message_bytes_ram",
    "message_bytes_persistent",
    "head_message_timestamp",
    "disk_reads",
    "disk_writes",
    "consumers",
    "consumer_utilisation",
    "consumer_capacity",
    "memory",
    "slave_pids",
    "synchronised_slave_pids",
    "state",
    "type",
    "leader",
    "members",
    "online",
];
const CONNECTION_COLUMNS: &[&str] = &[
    "pid",
    "name",
    "port",
    "host",
    "peer_port",
    "peer_host",
    "ssl",
    "ssl_protocol",
    "ssl_key_exchange",
    "ssl_cipher",
    "ssl_hash",
    "peer_cert_subject",
    "peer_cert_issuer",
    "peer_cert_validity",
    "state",
    "channels",
    "protocol",
    "auth_mechanism",
    "user",
    "vhost",
    "timeout",
    "frame_max",
    "channel_max",
    "client_properties",
    "recv_oct",
    "recv_cnt",
    "send_oct",
    "send_cnt",
    "send_pend",
    "connected_at",
];
const CHANNEL_COLUMNS: &[&str] = &[
    "pid",
    "connection",
    "name",
    "number",
    "user",
    "vhost",
    "transactional",
    "confirm",
    "consumer_count",
    "messages_unacknowledged",
    "messages_uncommitted",
    "acks_uncommitted",
    "messages_unconfirmed",
    "prefetch_count",
    "global_prefetch_count",
];
const EXCHANGE_COLUMNS: &[&str] =
    &["name", "type", "durable", "auto_delete", "internal", "arguments", "policy"];
const BINDING_COLUMNS: &[&str] =
    &["source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"];
const CONSUMER_COLUMNS: &[&str] = &[
    "queue_name",
    "channel_pid",
    "consumer_tag",
    "ack_required",
    "prefetch_count",
    "active",
    "activity_status",
    "arguments",
];

/// What every listing has in common.
const LISTING: Spec =
    Spec { section: Section::Monitoring, formatter: Formatter::Table, switches: TIMEOUT, ..BASE };

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "list_queues",
        description: "Lists queues and their properties",
        usage: "list_queues [--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...]",
        arguments: &[
            (
                "<column>",
                "must be one of arguments, auto_delete, consumer_capacity, consumer_utilisation, consumers, disk_reads, disk_writes, durable, exclusive, exclusive_consumer_pid, exclusive_consumer_tag, head_message_timestamp, leader, members, memory, message_bytes, message_bytes_persistent, message_bytes_ram, message_bytes_ready, message_bytes_unacknowledged, messages, messages_persistent, messages_ram, messages_ready, messages_ready_ram, messages_unacknowledged, messages_unacknowledged_ram, name, online, owner_pid, pid, policy, slave_pids, state, synchronised_slave_pids, type",
            ),
            ("--online", "lists only queues on online (reachable) nodes"),
            ("--offline", "lists only queues on offline (unreachable) nodes"),
            ("--local", "only return queues hosted on the target node"),
        ],
        guides: &["queues"],
        switches: &[
            ("offline", Kind::Flag),
            ("online", Kind::Flag),
            ("local", Kind::Flag),
            ("timeout", Kind::Number),
        ],
        columns: Columns { all: QUEUE_COLUMNS, default: &["name", "messages"] },
        check: |given| check_columns(given, "list_queues"),
        banner: |given| {
            let limit = format::seconds(std::time::Duration::from_millis(given.limit_ms()));
            Some(format!("Timeout: {limit} seconds ...\nListing queues for vhost {} ...", given.vhost()))
        },
        run: |session| {
            let options = &session.given.options;
            // All of a node's queues are on it: none is offline.
            if options.flag("offline") && !options.flag("online") && !options.flag("local") {
                return Ok(Output::Rows(Vec::new()));
            }
            list(session, Listing::Queues)
        },
        ..LISTING
    },
    Spec {
        name: "list_exchanges",
        description: "Lists exchanges",
        usage: "list_exchanges [--vhost <vhost>] [--no-table-headers] [<column> ...]",
        arguments: &[(
            "<column>",
            "must be one of arguments, auto_delete, durable, internal, name, policy, type",
        )],
        columns: Columns { all: EXCHANGE_COLUMNS, default: &["name", "type"] },
        check: |given| check_columns(given, "list_exchanges"),
        banner: |given| Some(format!("Listing exchanges for vhost {} ...", given.vhost())),
        run: |session| list(session, Listing::Exchanges),
        ..LISTING
    },
    Spec {
        name: "list_bindings",
        description: "Lists all bindings on a vhost",
        usage: "list_bindings [--vhost <vhost>] [--no-table-headers] [<column> ...]",
        arguments: &[(
            "<column>",
            "must be one of arguments, destination_kind, destination_name, routing_key, source_kind, source_name",
        )],
        columns: Columns { all: BINDING_COLUMNS, default: BINDING_COLUMNS },
        check: |given| check_columns(given, "list_bindings"),
        banner: |given| Some(format!("Listing bindings for vhost {}...", given.vhost())),
        run: |session| list(session, Listing::Bindings),
        ..LISTING
    },
    Spec {
        name: "list_connections",
        description: "Lists AMQP 0.9.1 connections for the node",
        usage: "list_connections [--no-table-headers] [<column> ...]",
        arguments: &[(
            "<column>",
            "must be one of auth_mechanism, channel_max, channels, client_properties, connected_at, frame_max, host, name, peer_cert_issuer, peer_cert_subject, peer_cert_validity, peer_host, peer_port, pid, port, protocol, recv_cnt, recv_oct, send_cnt, send_oct, send_pend, ssl, ssl_cipher, ssl_hash, ssl_key_exchange, ssl_protocol, state, timeout, user, vhost",
        )],
        guides: &["connections"],
        columns: Columns { all: CONNECTION_COLUMNS, default: &["user", "peer_host", "peer_port", "state"] },
        check: |given| check_columns(given, "list_connections"),
        banner: |_| Some("Listing connections ...".to_string()),
        run: |session| list(session, Listing::Connections),
        ..LISTING
    },
    Spec {
        name: "list_channels",
        description: "Lists all channels in the node",
        usage: "list_channels [--no-table-headers] [<column> ...]",
        arguments: &[(
            "<column>",
            "must be one of acks_uncommitted, confirm, connection, consumer_count, global_prefetch_count, messages_unacknowledged, messages_uncommitted, messages_unconfirmed, name, number, pid, prefetch_count, transactional, user, vhost",
        )],
        guides: &["channels"],
        // Its usage names no time limit, though it takes one.
        switches: &[],
        columns: Columns {
            all: CHANNEL_COLUMNS,
            default: &["pid", "user", "consumer_count", "messages_unacknowledged"],
        },
        check: |given| check_columns(given, "list_channels"),
        banner: |_| Some("Listing channels ...".to_string()),
        run: |session| list(session, Listing::Channels),
        ..LISTING
    },
    Spec {
        name: "list_consumers",
        description: "Lists all consumers for a vhost",
        usage: "list_consumers [--vhost <vhost>] [--no-table-headers] [<column> ...]",
        arguments: &[(
            "<column>",
            "must be one of ack_required, active, activity_status, arguments, channel_pid, consumer_tag, prefetch_count, queue_name",
        )],
        guides: &["consumers"],
        columns: Columns {
            all: CONSUMER_COLUMNS,
            default: &[
                "queue_name",
                "channel_pid",
                "consumer_tag",
                "ack_required",
                "prefetch_count",
                "active",
                "arguments",
            ],
        },
        check: |given| check_columns(given, "list_consumers"),
        banner: |given| Some(format!("Listing consumers in vhost {} ...", given.vhost())),
        run: list_consumers,
        ..LISTING
    },
];

/// The columns named in the words, which may be joined by commas; each once.
pub(super) fn columns(given: &Given, columns: Columns) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in
        given.words.iter().flat_map(|word| word.split(',')).map(str::trim).filter(|name| !name.is_empty())
    {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
    }
    if given.words.is_empty() {
        names = columns.default.iter().map(|name| (*name).to_string()).collect();
    }
    names
}

/// Whether every column named exists for that command.
pub(super) fn check_columns(given: &Given, command: &str) -> Result<(), Misuse> {
    let Some(spec) = super::find(command) else { return Ok(()) };
    let known = |name: &String| spec.columns.all.contains(&name.as_str());
    let mut unknown: Vec<String> =
        columns(given, spec.columns).into_iter().filter(|name| !known(name)).collect();
    unknown.sort();
    if unknown.is_empty() { Ok(()) } else { Err(Misuse::BadColumns(unknown)) }
}

/// Asks for a listing and names its values.
pub(super) fn list(session: &mut Session, what: Listing) -> Result<Output, Failure> {
    let columns = columns(&session.given, session.columns);
    let rows = fetch(session, what, &columns)?;
    Ok(if what == Listing::Vhosts { Output::Listed(rows) } else { Output::Rows(rows) })
}

fn fetch(session: &mut Session, what: Listing, columns: &[String]) -> Result<Vec<Row>, Failure> {
    let request = Request::List { what, vhost: session.given.vhost().to_string(), columns: columns.to_vec() };
    let answer = session.listing(&request)?;
    match answer.end {
        // A vhost that is not there has nothing to list; RabbitMQ says no more than that.
        Ok(_) | Err(Refusal::NoSuchVhost(_)) => {}
        Err(other) => return Err(usual_words(&other)),
    }
    Ok(answer.rows.into_iter().map(|row| columns.iter().cloned().zip(row).collect()).collect())
}

/// Consumers come in groups, one for each queue, with their columns always in the same order.
fn list_consumers(session: &mut Session) -> Result<Output, Failure> {
    let wanted = columns(&session.given, session.columns);
    let shown: Vec<&str> =
        session.columns.all.iter().copied().filter(|name| wanted.iter().any(|w| w == name)).collect();
    let mut asked = vec!["queue_name".to_string()];
    asked.extend(shown.iter().map(|name| (*name).to_string()));
    let mut groups: Vec<(Term, Vec<Row>)> = Vec::new();
    for mut row in fetch(session, Listing::Consumers, &asked)? {
        let queue = row.remove(0).1;
        match groups.last_mut().filter(|(name, _)| *name == queue) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((queue, vec![row])),
        }
    }
    Ok(Output::Groups(groups.into_iter().map(|(_, rows)| rows).collect()))
}
