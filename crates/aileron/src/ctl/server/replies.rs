//! What the broker says, as the socket's answers: documents, and refusals for errors.

use broker::AdminError;
use broker::access::AccessError;

use super::super::protocol::{Refusal, Reply};

/// A document as an answer.
pub(super) fn document(told: &impl serde::Serialize) -> Reply {
    match serde_json::to_value(told) {
        Ok(value) => Reply::Document(value),
        Err(error) => Reply::Refused(Refusal::Other(error.to_string())),
    }
}

/// The refusal of an operator's request.
pub(super) fn refused(error: AdminError) -> Refusal {
    match error {
        AdminError::NoSuchVhost(vhost) => Refusal::NoSuchVhost(vhost),
        AdminError::NoSuchQueue { .. } => Refusal::NoSuchQueue,
        AdminError::InUse(_) => Refusal::QueueInUse,
        AdminError::NotEmpty(_) => Refusal::QueueNotEmpty,
        AdminError::Access(error) => denied(error),
        other => Refusal::Other(other.to_string()),
    }
}

/// The refusal of a change of users, permissions or vhosts.
pub(super) fn denied(error: AccessError) -> Refusal {
    match error {
        AccessError::NoSuchUser(user) => Refusal::NoSuchUser(user),
        AccessError::NoSuchVhost(vhost) => Refusal::NoSuchVhost(vhost),
        AccessError::UserExists(user) => Refusal::UserExists(user),
        AccessError::BadRegex { pattern, cause, .. } => {
            Refusal::InvalidRegex { pattern, cause: cause.cause, offset: cause.offset }
        }
        other => Refusal::Other(other.to_string()),
    }
}
