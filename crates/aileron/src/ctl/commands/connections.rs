//! Connections: closing one or many, and keeping new ones out.

use super::super::command::{BASE, Patience, Section, Spec};
use super::super::failure::{Failure, UNAVAILABLE, elixir_string};
use super::super::format::{Output, cell};
use super::super::given::{between, no_words, one_word};
use super::super::options::Kind;
use super::super::protocol::Request;
use super::super::session::Session;
use super::super::term::Term;

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "close_connection",
        section: Section::Operations,
        description: "Instructs the broker to close the connection associated with the Erlang process id",
        usage: "close_connection <connection pid> <explanation>",
        arguments: &[
            ("<connection pid>", "connection identifier (Erlang PID), see list_connections"),
            ("<explanation>", "reason for connection closure"),
        ],
        guides: &["connections"],
        check: |given| between(given, 2, 2),
        banner: |given| Some(format!("Closing connection {}, reason: {}...", given.word(0), given.word(1))),
        run: close_one,
        ..BASE
    },
    Spec {
        name: "close_all_connections",
        section: Section::Operations,
        description: "Instructs the broker to close all connections for the specified vhost or entire RabbitMQ node",
        usage: "close_all_connections [--vhost <vhost> --limit <limit>] [-n <node> --global] [--per-connection-delay <delay>] <explanation>",
        arguments: &[
            ("--global", "consider connections across all virtual hosts"),
            ("--limit <number>", "close up to this many connections"),
            ("--per-connection-delay <milliseconds>", "inject a delay between closures"),
        ],
        guides: &["connections"],
        switches: &[("global", Kind::Flag), ("per_connection_delay", Kind::Number), ("limit", Kind::Number)],
        patience: Patience::Hour,
        check: one_word,
        banner: |given| {
            let reason = given.word(0);
            Some(match given.options.number("limit").unwrap_or(0) {
                _ if given.options.flag("global") => {
                    format!(
                        "Closing all connections to node {} (across all vhosts), reason: {reason}...",
                        given.node
                    )
                }
                0 => format!("Closing all connections in vhost {}, reason: {reason}...", given.vhost()),
                limit => {
                    format!("Closing {limit} connections in vhost {}, reason: {reason}...", given.vhost())
                }
            })
        },
        run: close_all,
        ..BASE
    },
    Spec {
        name: "suspend_listeners",
        section: Section::Operations,
        description: "Suspends client connection listeners so that no new client connections are accepted",
        usage: "suspend_listeners",
        guides: &["upgrade"],
        check: no_words,
        banner: |given| {
            let node = &given.node;
            Some(format!(
                "Will suspend client connection listeners on node {node}. The node will no longer accept client connections!"
            ))
        },
        run: |session| session.ask(&Request::SuspendListeners).map(|_| Output::Done),
        ..BASE
    },
    Spec {
        name: "resume_listeners",
        section: Section::Operations,
        description: "Resumes client connection listeners making them accept client connections again",
        usage: "resume_listeners",
        guides: &["upgrade"],
        check: no_words,
        banner: |given| {
            let node = &given.node;
            Some(format!(
                "Will resume client connection listeners on node {node}. The node will now accept client connections"
            ))
        },
        run: |session| session.ask(&Request::ResumeListeners).map(|_| Output::Done),
        ..BASE
    },
];

fn close_one(session: &mut Session) -> Result<Output, Failure> {
    let pid = session.given.word(0).to_string();
    if !is_pid(&pid) {
        let reason = format!("Error:\n{{:invalid_pid_syntax, {}}}", elixir_string(&pid));
        return Err(Failure::error(UNAVAILABLE, reason));
    }
    let reason = session.given.word(1).to_string();
    session.ask(&Request::CloseConnection { pid, reason }).map(|_| Output::Done)
}

/// Whether the text has a pid's form: `<node.creation.id.serial>`, the node's name with or without dots.
fn is_pid(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else { return false };
    let parts: Vec<&str> = inner.rsplitn(4, '.').collect();
    let numbers = |parts: &[&str]| {
        parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    match parts.as_slice() {
        [serial, id, creation, node] => !node.is_empty() && numbers(&[serial, id, creation]),
        _ => false,
    }
}

fn close_all(session: &mut Session) -> Result<Output, Failure> {
    let given = &session.given;
    let number = |name: &str| u64::try_from(given.options.number(name).unwrap_or(0)).unwrap_or(0);
    let global = given.options.flag("global");
    let request = Request::CloseAllConnections {
        vhost: (!global).then(|| given.vhost().to_string()),
        reason: given.word(0).to_string(),
        // RabbitMQ's limit is for a vhost's connections only.
        limit: if global { 0 } else { number("limit") },
        delay_ms: number("per_connection_delay"),
    };
    let closed = session.ask(&request)?;
    Ok(Output::Answered(Term::text(format!("Closed {} connections", cell(&closed)))))
}

#[cfg(test)]
mod tests {
    use super::is_pid;

    #[test]
    fn pids_name_their_node() {
        for good in ["<rabbit@localhost.1795387119.1254.0>", "<rabbit@a.example.com.1.2.3>"] {
            assert!(is_pid(good), "{good}");
        }
        for bad in ["a", "<0.1.0>", "<rabbit@h.1.2.x>", "<.1.2.3>", "rabbit@h.1.2.3", "<rabbit@h.1..3>"] {
            assert!(!is_pid(bad), "{bad}");
        }
    }
}
