//! How asking ends: with facts, or in one of four kinds of trouble that mean different things.

use std::io;

use serde::{Deserialize, Serialize};

/// What came of asking one member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Answer<T> {
    /// It answered.
    Got {
        /// What it said.
        facts: T,
    },
    /// It did not answer within the deadline: frozen, overloaded, or cut off.
    Silent {
        /// What was being waited for, as in "waiting for connecting to 10.0.0.1:3306".
        doing: String,
        /// How long was waited, in milliseconds.
        after_ms: u64,
    },
    /// It is surely not there: the connection was refused, the socket is gone, the process is not running.
    Down {
        /// The cause in words.
        cause: String,
    },
    /// It is there and does not let us in: says nothing on its health.
    Denied {
        /// The cause in words, with what would let us in.
        cause: String,
    },
    /// It answered something that its protocol does not allow, or hung up.
    Broken {
        /// The cause in words.
        cause: String,
    },
}

impl<T> Answer<T> {
    /// The facts, if there are any.
    pub fn facts(&self) -> Option<&T> {
        match self {
            Answer::Got { facts } => Some(facts),
            _ => None,
        }
    }

    /// The word for it in outputs.
    pub fn word(&self) -> &'static str {
        match self {
            Answer::Got { .. } => "got",
            Answer::Silent { .. } => "silent",
            Answer::Down { .. } => "down",
            Answer::Denied { .. } => "denied",
            Answer::Broken { .. } => "broken",
        }
    }

    /// What went wrong, in words for a finding; `None` with facts.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Answer::Got { .. } => None,
            Answer::Silent { doing, after_ms } => {
                Some(format!("did not answer within {:.1} s ({doing})", *after_ms as f64 / 1000.0))
            }
            Answer::Down { cause } => Some(format!("is not running: {cause}")),
            Answer::Denied { cause } => Some(format!("does not let us in: {cause}")),
            Answer::Broken { cause } => Some(format!("answers nonsense: {cause}")),
        }
    }

    /// The same answer with other facts; facts that cannot be converted make it [`Answer::Broken`].
    pub(crate) fn convert<U>(self, convert: impl FnOnce(T) -> Result<U, Trouble>) -> Answer<U> {
        match self {
            Answer::Got { facts } => match convert(facts) {
                Ok(facts) => Answer::Got { facts },
                Err(trouble) => trouble.into(),
            },
            Answer::Silent { doing, after_ms } => Answer::Silent { doing, after_ms },
            Answer::Down { cause } => Answer::Down { cause },
            Answer::Denied { cause } => Answer::Denied { cause },
            Answer::Broken { cause } => Answer::Broken { cause },
        }
    }
}

/// Why a probe has no facts. That the time is up is not among them: the survey keeps the clock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Surely not running.
    #[error("is not running: {0}")]
    Down(String),
    /// Not allowed to ask.
    #[error("does not let us in: {0}")]
    Denied(String),
    /// Nothing its protocol allows.
    #[error("answers nonsense: {0}")]
    Broken(String),
}

impl Trouble {
    /// What an I/O error says of the other side; `doing` is what was attempted.
    pub fn from_io(error: &io::Error, doing: &str) -> Trouble {
        let cause = format!("{doing}: {error}");
        match error.kind() {
            io::ErrorKind::PermissionDenied => Trouble::Denied(cause),
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Trouble::Down(cause),
            _ => Trouble::Broken(cause),
        }
    }
}

impl<T> From<Trouble> for Answer<T> {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Down(cause) => Answer::Down { cause },
            Trouble::Denied(cause) => Answer::Denied { cause },
            Trouble::Broken(cause) => Answer::Broken { cause },
        }
    }
}
