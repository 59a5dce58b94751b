//! Why a record is dead: the token that a release takes, so that nothing is released before what made it dead is told.

use crate::Position;
use crate::error::Error;

/// What made records dead. Comes from the append that did it ([`Appended::cause`](crate::Appended::cause)), or from one of the few other reasons
/// here; an append that was refused gives none, but for lack of space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Cause {
    /// What was released for this cause stays on disk until the log is durable up to here.
    due: Position,
}

impl Cause {
    /// Replay showed why, so it is on disk.
    pub fn replayed() -> Cause {
        Cause { due: 0 }
    }

    /// The word of it found the disk full, and is appended when there is space. Should its record go first, that says
    /// the same. `None` for every other error: the record lives.
    pub fn owed(error: &Error) -> Option<Cause> {
        matches!(error, Error::Full(_)).then_some(Cause { due: 0 })
    }

    /// Nobody would look for it after a stop: in a scratch journal. In a durable one such a record's segment stays until
    /// the journal is opened again.
    pub fn scratch() -> Cause {
        Cause { due: Position::MAX }
    }

    /// Both causes were needed.
    pub fn and(self, other: Cause) -> Cause {
        Cause { due: self.due.max(other.due) }
    }

    /// A record that must be on disk first, up to here.
    pub(crate) fn durable(end: Position) -> Cause {
        Cause { due: end }
    }

    /// A record that is not waited for.
    pub(crate) fn plain() -> Cause {
        Cause { due: 0 }
    }

    pub(crate) fn due(self) -> Position {
        self.due
    }
}
