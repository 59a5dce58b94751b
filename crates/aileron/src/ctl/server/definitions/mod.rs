//! `export_definitions` and `import_definitions`: RabbitMQ's definitions file, as JSON.
//!
//! The broker says what is defined (`broker::definitions`); `write` and `read` turn it into the file's objects and back.

mod read;
#[cfg(test)]
mod tests;
mod write;

use broker::Broker;
use broker::access::AccessError;
use broker::definitions::ImportError;

use super::super::protocol::{Exported, Refusal, Reply};
use super::super::term::Term;
use super::replies;

/// All definitions of the node: a document, with what JSON cannot hold named beside it.
pub(super) fn export(broker: &Broker, node: &str) -> Reply {
    let (definitions, left_out) = write::document(&broker.export_definitions(), node);
    replies::document(&Exported { definitions, left_out })
}

/// Makes what `text` defines; a list of texts, what was left out.
pub(super) fn import(broker: &Broker, text: &str, node: &str) -> Result<Term, Refusal> {
    let read::Read { definitions, mut left_out } = read::document(text, node).map_err(Refusal::Other)?;
    let passed_over = broker.import_definitions(&definitions).map_err(refused)?;
    left_out.extend(passed_over.iter().map(ToString::to_string));
    Ok(Term::List(left_out.into_iter().map(Term::text).collect()))
}

fn refused(error: ImportError) -> Refusal {
    match error {
        ImportError::NoSuchVhost(vhost) => Refusal::NoSuchVhost(vhost),
        ImportError::Access(AccessError::NoSuchVhost(vhost)) => Refusal::NoSuchVhost(vhost),
        ImportError::Access(error) => replies::denied(error),
        other => Refusal::Other(other.to_string()),
    }
}
