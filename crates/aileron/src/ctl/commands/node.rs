//! The node itself: is it there, has it started, its settings, and its end.

use std::time::Duration;

use broker::EMULATED_VERSION;

use super::super::command::{BASE, Needs, Patience, Section, Spec, TIMEOUT};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::format::{Formatter, Output};
use super::super::given::{Given, between, no_words};
use super::super::options::Kind;
use super::super::process::wait_for_death;
use super::super::protocol::Request;
use super::super::session::Session;
use super::super::term::Term;

/// Seconds that `shutdown` and the wait for a pid file allow.
const SHUTDOWN_SECONDS: u64 = 120;

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "ping",
        section: Section::Monitoring,
        description: "Checks that the node OS process is up, registered with EPMD and CLI tools can authenticate with it",
        usage: "ping",
        guides: &["monitoring"],
        switches: TIMEOUT,
        needs: Needs::Process,
        patience: Patience::Health,
        check: no_words,
        banner: |given| {
            Some(format!(
                "Will ping {}. This only checks if the OS process is running and registered with epmd. Timeout: {} ms.",
                given.node,
                given.limit_ms()
            ))
        },
        run: |session| {
            let failed = format!(
                "Failed to connect and authenticate to {} in {} ms",
                session.given.node,
                session.given.limit_ms()
            );
            match session.ask(&Request::Ping) {
                Ok(_) => Ok(Output::Said("Ping succeeded".to_string())),
                Err(_) => Err(Failure::error(UNAVAILABLE, failed)),
            }
        },
        ..BASE
    },
    Spec {
        name: "version",
        section: Section::Help,
        description: "Displays CLI tools version",
        usage: "version",
        needs: Needs::Nothing,
        check: no_words,
        run: |session| {
            let version = Term::text(EMULATED_VERSION);
            Ok(match session.given.options.text("formatter") {
                Some("json") => Output::Answered(Term::Map(vec![(Term::atom("version"), version)])),
                Some("csv") => Output::Rows(vec![vec![("version".to_string(), version)]]),
                _ => Output::Answered(version),
            })
        },
        ..BASE
    },
    Spec {
        name: "stop",
        section: Section::Nodes,
        description: "Stops RabbitMQ and its runtime (Erlang VM). Requires a local node pid file path to monitor progress.",
        usage: "stop [--idempotent] [<pidfile>]",
        arguments: &[
            (
                "<pidfile>",
                "node PID file path to monitor. To avoid using a PID file, use 'rabbitmqctl shutdown'",
            ),
            ("--idempotent", "return success if target node is not running (cannot be contacted)"),
        ],
        switches: &[("idempotent", Kind::Flag)],
        needs: Needs::Process,
        patience: Patience::Hour,
        check: |given| between(given, 0, 1),
        banner: |given| {
            let monitor = match given.words.first() {
                Some(path) => format!(" (will monitor pid file {path})"),
                None => String::new(),
            };
            Some(format!("Stopping and halting node {}{monitor} ...", given.node))
        },
        run: stop,
        ..BASE
    },
    Spec {
        name: "shutdown",
        section: Section::Nodes,
        description: "Stops RabbitMQ and its runtime (Erlang VM). Monitors progress for local nodes. Does not require a PID file path.",
        usage: "shutdown [--wait]",
        arguments: &[
            (
                "--wait",
                "if set, will wait for target node to terminate (by inferring and monitoring its PID file). Only works for local nodes.",
            ),
            ("--no-wait", "if set, will not wait for target node to terminate"),
        ],
        switches: &[("timeout", Kind::Number), ("wait", Kind::Flag)],
        needs: Needs::Process,
        patience: Patience::Hour,
        check: no_words,
        run: shutdown,
        ..BASE
    },
    Spec {
        name: "environment",
        section: Section::Configuration,
        description: "Displays the name and value of each variable in the application environment for each running application",
        usage: "environment",
        guides: &["configure", "monitoring"],
        formatter: Formatter::Erlang,
        needs: Needs::Process,
        check: no_words,
        banner: |given| Some(format!("Application environment of node {} ...", given.node)),
        run: |session| session.ask(&Request::Environment).map(Output::Value),
        ..BASE
    },
];

fn stop(session: &mut Session) -> Result<Output, Failure> {
    let given: &Given = &session.given;
    let idempotent = given.options.flag("idempotent") && given.words.is_empty();
    let pid_file = given.words.first().cloned();
    let pid = pid_file.as_ref().map(|path| read_pid(path));
    if let Err(failure) = session.greet() {
        let gone = format!("Node {} is no longer running", session.given.node);
        return if idempotent { Ok(Output::Answered(Term::text(gone))) } else { Err(failure) };
    }
    session.ask(&Request::Stop)?;
    session.wait_for_end()?;
    match (pid_file, pid) {
        (Some(path), Some(pid)) => {
            let pid = pid?;
            wait_for_death(pid, Some(Duration::from_secs(SHUTDOWN_SECONDS)));
            let text = format!("process {pid} (take from pid file {path}) is no longer running");
            Ok(Output::Answered(Term::text(text)))
        }
        _ => Ok(Output::Done),
    }
}

fn read_pid(path: &str) -> Result<u32, Failure> {
    let refuse =
        |why: String| Failure::error(UNAVAILABLE, format!("could not read pid from file {path}. {why}"));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("Error: {error}")))?;
    text.trim().parse().map_err(|_| refuse(format!("File contents: {}", text.trim())))
}

fn shutdown(session: &mut Session) -> Result<Output, Failure> {
    let hello = session.greet()?;
    if !session.given.options.flag_or("wait", true) {
        return session.ask(&Request::Stop).map(|_| Output::Done);
    }
    super::super::print_line(&format!(
        "Shutting down RabbitMQ node {} running at PID {}",
        hello.node, hello.pid
    ))?;
    session.ask(&Request::Stop)?;
    super::super::print_line(&format!("Waiting for PID {} to terminate", hello.pid))?;
    session.wait_for_end()?;
    Ok(Output::Text(format!(
        "RabbitMQ node {} running at PID {} successfully shut down",
        hello.node, hello.pid
    )))
}
