//! Why a record is dead: the token that a release takes, so that nothing is released before what made it dead is told.

use crate::Position;
use crate::error::Error;
use crate::pending::Appended;

/// What made records dead. Comes from the append that did it ([`Appended::cause`]), or from one of the few other reasons
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

    pub(crate) fn due(self) -> Position {
        self.due
    }
}

impl Appended {
    /// What this record made dead.
    ///
    /// A plain auxiliary record (an acknowledgement) is not waited for: should a crash take it, and its message's segment
    /// is gone, the message is gone all the same. A record that takes the place of another (a relocated or
    /// dead-lettered copy), and one of a group, which counts as a whole or not at all, must be on disk first.
    pub fn cause(&self) -> Cause {
        Cause { due: if self.stands_alone { 0 } else { self.end } }
    }
}
