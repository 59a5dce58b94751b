//! What can be wrong with the inside of a frame. Broken frames themselves are
//! [`crate::frame::FrameError`]'s business.

use crate::method_id::MethodId;

/// A payload that is not what the protocol says it should be.
///
/// Both cases end the connection in RabbitMQ: an unknown method with 540
/// (`NOT_IMPLEMENTED`), a malformed payload with 502 (`SYNTAX_ERROR`) or 541.
/// Choosing the reply is the session's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The class or the method's number is not one of AMQP 0-9-1 or RabbitMQ's extensions.
    #[error("unknown method {0}")]
    Unknown(MethodId),
    /// The bytes end early, go on after the last argument, or break a type's rules.
    #[error("malformed {}: {what}", Subject(*method))]
    Malformed {
        /// The method concerned; none for content headers, properties and loose tables.
        method: Option<MethodId>,
        /// What is wrong, in words for a log line.
        what: &'static str,
    },
}

/// Names what was being decoded in [`DecodeError`]'s text.
struct Subject(Option<MethodId>);

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(id) => id.fmt(f),
            None => f.write_str("content"),
        }
    }
}

/// A broken rule found while reading primitive types, before it is known in
/// which method it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Malformed {
    /// Names the method in which the rule was broken.
    #[cold]
    pub(crate) fn of(self, method: MethodId) -> DecodeError {
        DecodeError::Malformed { method: Some(method), what: self.0 }
    }
}

impl From<Malformed> for DecodeError {
    fn from(Malformed(what): Malformed) -> Self {
        DecodeError::Malformed { method: None, what }
    }
}
