//! What goes wrong between a client and the broker, as AMQP states it: a reply code, a text, and whether the channel
//! or the whole connection ends. Codes and texts are RabbitMQ 3.10.8's: clients match on them
//! (tests/recorded/protocol.json).

use amqp::reply;

/// An error that ends a channel or a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failure {
    pub(crate) code: u16,
    /// The reply text, the code's name in front.
    pub(crate) text: String,
    pub(crate) ends: Ends,
}

/// How far an error reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Channel,
    Connection,
}

/// Result of a client's request.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn channel(code: u16, what: impl std::fmt::Display) -> Self {
        Failure { code, text: cut(format!("{} - {what}", reply::name(code))), ends: Ends::Channel }
    }

    pub(crate) fn connection(code: u16, what: impl std::fmt::Display) -> Self {
        Failure { code, text: cut(format!("{} - {what}", reply::name(code))), ends: Ends::Connection }
    }

    /// RabbitMQ's 541 for what it did not foresee: the name alone.
    pub(crate) fn internal() -> Self {
        let text = reply::name(reply::INTERNAL_ERROR).to_owned();
        Failure { code: reply::INTERNAL_ERROR, text, ends: Ends::Connection }
    }

    pub(crate) fn precondition(what: impl std::fmt::Display) -> Self {
        Failure::channel(reply::PRECONDITION_FAILED, what)
    }

    pub(crate) fn no_queue(name: &str, vhost: &str) -> Self {
        Failure::channel(reply::NOT_FOUND, format_args!("no queue '{name}' in vhost '{vhost}'"))
    }

    pub(crate) fn no_exchange(name: &str, vhost: &str) -> Self {
        Failure::channel(reply::NOT_FOUND, format_args!("no exchange '{name}' in vhost '{vhost}'"))
    }

    pub(crate) fn refused(what: impl std::fmt::Display) -> Self {
        Failure::channel(reply::ACCESS_REFUSED, what)
    }

    /// The vhost's log does not take anything now.
    pub(crate) fn store(error: &journal::Error) -> Self {
        match error {
            journal::Error::Full(_) => Failure::channel(
                reply::RESOURCE_ERROR,
                "no space left on the broker's disk, nothing was stored",
            ),
            _ => Failure::connection(
                reply::INTERNAL_ERROR,
                format_args!("the broker's disk failed, nothing was stored: {error}"),
            ),
        }
    }
}

/// A reply text has room for 255 bytes; a longer one ends in three dots, as RabbitMQ's does.
fn cut(mut text: String) -> String {
    const ROOM: usize = 255;
    if text.len() > ROOM {
        text.truncate(text.floor_char_boundary(ROOM - 3));
        text.push_str("...");
    }
    text
}
