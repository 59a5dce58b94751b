//! What a user may do in a vhost: three patterns, asked once per operation and resource.

use super::pattern::Pattern;
use super::pcre::PatternError;

/// The name permissions know the default exchange by, whose own name is empty.
pub const DEFAULT_EXCHANGE_RESOURCE: &str = "amq.default";

/// The three kinds of access RabbitMQ distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Create, delete or change a resource.
    Configure,
    /// Put messages in: publish to an exchange, bind to a queue.
    Write,
    /// Take messages out: consume, get, purge; bind from an exchange.
    Read,
}

impl Right {
    /// The word RabbitMQ's refusals and listings use: `configure`, `write` or `read`.
    pub fn name(self) -> &'static str {
        match self {
            Right::Configure => "configure",
            Right::Write => "write",
            Right::Read => "read",
        }
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// A user's compiled permissions in one vhost. Immutable: a change makes a new one and bumps
/// [`Access::generation`](super::Access::generation).
#[derive(Debug)]
pub struct Rights {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
}

impl Rights {
    /// Whether `right` is granted on the queue or exchange named `resource`.
    ///
    /// The empty name is the default exchange and is checked as [`DEFAULT_EXCHANGE_RESOURCE`]; no
    /// queue has it, server-named ones being named before they are checked.
    pub fn may(&self, right: Right, resource: &str) -> bool {
        let resource = if resource.is_empty() { DEFAULT_EXCHANGE_RESOURCE } else { resource };
        let pattern = match right {
            Right::Configure => &self.configure,
            Right::Write => &self.write,
            Right::Read => &self.read,
        };
        pattern.allows(resource)
    }

    /// Compiles the three patterns, in RabbitMQ's order; the first bad one is named.
    pub(super) fn compile(configure: &str, write: &str, read: &str) -> Result<Rights, (Right, PatternError)> {
        let compile = |right, text| Pattern::compile(text).map_err(|error| (right, error));
        Ok(Rights {
            configure: compile(Right::Configure, configure)?,
            write: compile(Right::Write, write)?,
            read: compile(Right::Read, read)?,
        })
    }
}
