//! Queues: emptying and deleting them.

use super::super::command::{BASE, Section, Spec, TIMEOUT};
use super::super::failure::{Failure, USAGE};
use super::super::format::Output;
use super::super::format::cell;
use super::super::given::{Given, Misuse, one_word};
use super::super::options::Kind;
use super::super::protocol::{Refusal, Request};
use super::super::session::{Session, usual_words};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "delete_queue",
        section: Section::Queues,
        description: "Deletes a queue",
        usage: "delete_queue <queue_name> [--if-empty|-e] [--if-unused|-u]",
        arguments: &[
            ("<queue_name>", "name of the queue to delete"),
            ("--if-empty", "delete the queue if it is empty (has no messages ready for delivery)"),
            ("--if-unused", "delete the queue only if it has no consumers"),
        ],
        guides: &["queues"],
        switches: &[("if_empty", Kind::Flag), ("if_unused", Kind::Flag), ("timeout", Kind::Number)],
        aliases: &[('e', "if_empty"), ('u', "if_unused")],
        check: |given| {
            one_word(given)?;
            if given.word(0).is_empty() {
                return Err(Misuse::BadArgument("queue name cannot be an empty string"));
            }
            Ok(())
        },
        banner: |given| Some(deleting(given)),
        run: delete,
        ..BASE
    },
    Spec {
        name: "purge_queue",
        section: Section::Queues,
        description: "Purges a queue (removes all messages in it)",
        usage: "purge_queue <queue>",
        arguments: &[("<queue>", "Name of the queue to purge")],
        guides: &["queues"],
        switches: TIMEOUT,
        check: one_word,
        banner: |given| Some(format!("Purging queue '{}' in vhost '{}' ...", given.word(0), given.vhost())),
        run: |session| {
            let (name, vhost) = (session.given.word(0).to_string(), session.given.vhost().to_string());
            match session.try_ask(&Request::PurgeQueue { vhost, name })? {
                Ok(_) => Ok(Output::Done),
                Err(Refusal::NoSuchVhost(_)) => Err(usual_words(&Refusal::NoSuchQueue)),
                Err(other) => Err(usual_words(&other)),
            }
        },
        ..BASE
    },
];

fn deleting(given: &Given) -> String {
    let conditions: Vec<&str> = [("if_empty", "if queue is empty "), ("if_unused", "if queue is unused ")]
        .into_iter()
        .filter(|(flag, _)| given.options.flag(flag))
        .map(|(_, text)| text)
        .collect();
    format!("Deleting queue '{}' on vhost '{}' {}...", given.word(0), given.vhost(), conditions.join("and "))
}

fn delete(session: &mut Session) -> Result<Output, Failure> {
    let given = &session.given;
    let request = Request::DeleteQueue {
        vhost: given.vhost().to_string(),
        name: given.word(0).to_string(),
        if_unused: given.options.flag("if_unused"),
        if_empty: given.options.flag("if_empty"),
    };
    match session.try_ask(&request)? {
        Ok(ready) => {
            Ok(Output::Said(format!("Queue was successfully deleted with {} ready messages", cell(&ready))))
        }
        Err(Refusal::NoSuchQueue | Refusal::NoSuchVhost(_)) => Err(Failure::error(USAGE, "Queue not found")),
        Err(Refusal::QueueNotEmpty) => Err(Failure::error(USAGE, "Queue is not empty")),
        Err(Refusal::QueueInUse) => Err(Failure::error(USAGE, "Queue is in use")),
        Err(other) => Err(usual_words(&other)),
    }
}
