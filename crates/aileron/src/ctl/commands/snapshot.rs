//! `snapshot`: a copy of all that a restart would bring back. RabbitMQ has no such command.

use super::super::command::{BASE, Patience, Section, Spec, TIMEOUT};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::format::{Output, cell};
use super::super::given::{Given, Misuse, one_word};
use super::super::protocol::Request;
use super::super::session::Session;
use super::super::term::Term;

pub(super) const COMMANDS: &[Spec] = &[Spec {
    name: "snapshot",
    section: Section::Operations,
    description: "Copies definitions and messages into a folder that a broker can be started on, while the node goes on",
    usage: "snapshot <dir>",
    arguments: &[(
        "<dir>",
        "folder on the node's host, new or empty, where the node's user may write; best on the same file system",
    )],
    switches: TIMEOUT,
    patience: Patience::Hour,
    check,
    banner: |given| Some(format!("Taking a snapshot of node {} in {} ...", given.node, given.word(0))),
    run: snapshot,
    ..BASE
}];

fn check(given: &Given) -> Result<(), Misuse> {
    one_word(given)?;
    match given.word(0) {
        "" => Err(Misuse::BadArgument("the folder cannot be an empty string")),
        _ => Ok(()),
    }
}

fn snapshot(session: &mut Session) -> Result<Output, Failure> {
    // The node stands in another folder than the operator.
    let dir = std::path::absolute(session.given.word(0))
        .map_err(|error| Failure::error(UNAVAILABLE, format!("cannot tell where the folder is: {error}")))?;
    let dir = dir.display().to_string();
    let taken = session.ask(&Request::Snapshot { dir: dir.clone() })?;
    if session.given.options.text("formatter") == Some("json") {
        return Ok(Output::Answered(taken));
    }
    let figure = |key: &str| cell(taken.get(key).unwrap_or(&Term::unknown()));
    Ok(Output::Said(format!(
        "Snapshot of {} vhost(s) in {dir}: {} segment(s), {} of them shared with the node's own, {} bytes copied",
        figure("vhosts"),
        figure("segments"),
        figure("linked"),
        figure("copied_bytes")
    )))
}
