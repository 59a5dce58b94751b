//! Vhosts, and the firehose, which is switched for one.

use super::super::command::{BASE, Section, Spec, TIMEOUT};
use super::super::failure::{Failure, SOFTWARE, elixir_string};
use super::super::format::{Formatter, Output};
use super::super::given::{Columns, Given, one_word};
use super::super::options::Kind;
use super::super::protocol::{Listing, Refusal, Request};
use super::super::session::{Session, usual_words};
use super::super::term::Term;
use super::listings::{check_columns, list};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "add_vhost",
        section: Section::Vhosts,
        description: "Creates a virtual host",
        usage: "add_vhost <vhost> [--description <description> --tags \"<tag1>,<tag2>,<...>\" --default-queue-type <quorum|classic|stream>]",
        arguments: &[
            ("<vhost>", "Virtual host name"),
            ("--description <description>", "Virtual host description"),
            ("--tags <tags>", "Command separated list of tags"),
            (
                "--default-queue-type <quorum|classic|stream>",
                "Queue type to use if no type is explicitly provided by the client",
            ),
        ],
        guides: &["virtual-hosts"],
        switches: &[("description", Kind::Text), ("tags", Kind::Text), ("default_queue_type", Kind::Text)],
        aliases: &[('d', "description")],
        check: one_word,
        banner: |given| Some(format!("Adding vhost \"{}\" ...", given.word(0))),
        run: add_vhost,
        ..BASE
    },
    Spec {
        name: "delete_vhost",
        section: Section::Vhosts,
        description: "Deletes a virtual host",
        usage: "delete_vhost <vhost>",
        arguments: &[("<vhost>", "Name of the virtual host to delete.")],
        guides: &["virtual-hosts"],
        check: one_word,
        banner: |given| Some(format!("Deleting vhost \"{}\" ...", given.word(0))),
        run: |session| {
            let name = session.given.word(0).to_string();
            session.ask(&Request::DeleteVhost { name }).map(|_| Output::Done)
        },
        ..BASE
    },
    Spec {
        name: "restart_vhost",
        section: Section::Vhosts,
        description: "Restarts a failed vhost data stores and queues",
        usage: "restart_vhost [--vhost <vhost>] [--timeout <timeout>]",
        arguments: &[("--vhost", "Virtual host name")],
        guides: &["virtual-hosts", "monitoring"],
        switches: TIMEOUT,
        banner: |given| {
            Some(format!("Trying to restart vhost '{}' on node '{}' ...", given.vhost(), given.node))
        },
        run: restart_vhost,
        ..BASE
    },
    Spec {
        name: "list_vhosts",
        section: Section::Access,
        description: "Lists virtual hosts",
        usage: "list_vhosts [--no-table-headers] [<column> ...]",
        arguments: &[(
            "<column>",
            "must be one of cluster_state, default_queue_type, description, name, tags, tracing",
        )],
        guides: &["virtual-hosts", "access-control"],
        switches: TIMEOUT,
        formatter: Formatter::Table,
        columns: Columns {
            all: &["name", "description", "tags", "default_queue_type", "tracing", "cluster_state"],
            default: &["name"],
        },
        check: |given| check_columns(given, "list_vhosts"),
        banner: |_| Some("Listing vhosts ...".to_string()),
        run: |session| list(session, Listing::Vhosts),
        ..BASE
    },
    Spec {
        name: "trace_on",
        section: Section::Vhosts,
        usage: "trace_on [--vhost <vhost>]",
        guides: &["firehose", "virtual-hosts"],
        check: |_| Ok(()),
        banner: |given| Some(format!("Starting tracing for vhost \"{}\" ...", given.vhost())),
        run: |session| trace(session, true, "enabled"),
        ..BASE
    },
    Spec {
        name: "trace_off",
        section: Section::Vhosts,
        usage: "trace_off [--vhost <vhost>]",
        guides: &["firehose", "virtual-hosts"],
        check: |_| Ok(()),
        banner: |given| Some(format!("Stopping tracing for vhost \"{}\" ...", given.vhost())),
        run: |session| trace(session, false, "disabled"),
        ..BASE
    },
];

fn add_vhost(session: &mut Session) -> Result<Output, Failure> {
    let given: &Given = &session.given;
    let tags = given.options.text("tags").unwrap_or_default();
    let request = Request::AddVhost {
        name: given.word(0).to_string(),
        description: given.options.text("description").unwrap_or_default().to_string(),
        tags: tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_string).collect(),
    };
    session.ask(&request).map(|_| Output::Done)
}

fn restart_vhost(session: &mut Session) -> Result<Output, Failure> {
    let name = session.given.vhost().to_string();
    let answer = session.try_ask(&Request::RestartVhost { name: name.clone() })?;
    let place = format!("vhost '{name}' on node '{}'", session.given.node);
    let why = match answer {
        Ok(opened) if opened == Term::from(true) => {
            return Ok(Output::Answered(Term::text(format!("Successfully restarted {place}"))));
        }
        Ok(_) => {
            let text = format!("Vhost '{name}' is already running on node '{}'", session.given.node);
            return Ok(Output::Answered(Term::text(text)));
        }
        Err(Refusal::NoSuchVhost(vhost)) => format!("{{:no_such_vhost, {}}}", elixir_string(&vhost)),
        Err(Refusal::Other(why)) => why,
        Err(refusal) => return Err(usual_words(&refusal)),
    };
    // There is no space in RabbitMQ's text either.
    Err(Failure::error(SOFTWARE, format!("Failed to start {place}Reason: {why}")))
}

/// RabbitMQ answers for a vhost that is not there as if it had worked, and so do we.
fn trace(session: &mut Session, on: bool, word: &str) -> Result<Output, Failure> {
    let vhost = session.given.vhost().to_string();
    session.ask(&Request::SetTracing { vhost: vhost.clone(), on })?;
    Ok(Output::Answered(Term::text(format!("Trace {word} for vhost {vhost}"))))
}
