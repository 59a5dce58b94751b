//! What can go wrong, by what the caller can do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::Position;
use crate::segment::SegmentId;

/// Bytes on disk that are not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// Where in the file the unreadable part begins.
    pub offset: u64,
    /// Bytes skipped.
    pub length: u64,
    /// Which check failed, in plain words.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {} ({} bytes): {}", self.file.display(), self.offset, self.length, self.what)
    }
}

/// Every failure of a journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something outside the write path (open, list, read).
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted: completes "cannot ...".
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process has the journal open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The end of a segment is not there any more. Nothing was touched; [`Journal::accept_loss`](crate::Journal::accept_loss)
    /// goes on without it.
    #[error("{} ends too soon, and positions {from} to {to} of the log are missing: it was cut short, emptied, or an older copy of it was put back", path.display())]
    Short {
        /// The segment file.
        path: PathBuf,
        /// The first position that is lost.
        from: Position,
        /// The position behind the last one that is known to have been on disk.
        to: Position,
    },
    /// A newer release wrote this journal. Nothing was touched.
    #[error("{} has format version {found}; this release knows versions up to {known}: use the release that wrote it", path.display())]
    NewerFormat {
        /// The segment file.
        path: PathBuf,
        /// The version in its header.
        found: u32,
        /// The newest version this release reads.
        known: u32,
    },
    /// A segment that must be there is not. Nothing was touched; [`Journal::accept_loss`](crate::Journal::accept_loss)
    /// goes on without it.
    #[error("{} is missing, and with it positions {from} to {to} of the log", path.display())]
    Missing {
        /// The segment file.
        path: PathBuf,
        /// The first position that is lost.
        from: Position,
        /// The position behind the last one.
        to: Position,
    },
    /// What says which segments must be there cannot be used. Nothing was touched.
    #[error("{} cannot be used: {why}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A segment file that cannot belong where it lies: another journal's, or one that the manifest does not list. Nothing
    /// was touched.
    #[error("{} does not belong to this journal: {why}", path.display())]
    Foreign {
        /// The segment file.
        path: PathBuf,
        /// How it was recognised.
        why: &'static str,
    },
    /// The disk is full: nothing new is taken until space is back (`Event::SpaceBack`). What was taken is kept.
    #[error("journal is full: {0}")]
    Full(String),
    /// A write or sync failed: nothing is taken, and nothing becomes durable, until the journal is opened again.
    #[error("journal has failed: {0}")]
    Failed(String),
    /// The record exceeds a limit of the format.
    #[error("record part of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Bytes given.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The record is there, but not as it was written.
    #[error("damaged record: {0}")]
    Damaged(Damage),
    /// No segment holds this position any more (moved or dead: look it up again), or none ever did.
    #[error("no record at position {0}")]
    Gone(Position),
    /// The segment cannot be retired: it is still open, or is the newest.
    #[error("segment {0} is not sealed")]
    NotSealed(SegmentId),
    /// The segment cannot be retired now: somebody reads from it.
    #[error("segment {0} is being read")]
    Pinned(SegmentId),
    /// The journal was closed.
    #[error("journal is closed")]
    Closed,
    /// A value in `Config` makes no sense.
    #[error("journal configuration: {0}")]
    Config(String),
}

impl Error {
    /// Whether files of the journal are missing, or are not the ones that belong there.
    pub fn is_of_files(&self) -> bool {
        matches!(
            self,
            Error::Missing { .. } | Error::Short { .. } | Error::Manifest { .. } | Error::Foreign { .. }
        )
    }

    /// The file that is missing, or does not belong.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        match self {
            Error::Missing { path, .. }
            | Error::Short { path, .. }
            | Error::Manifest { path, .. }
            | Error::Foreign { path, .. }
            | Error::NewerFormat { path, .. } => Some(path),
            _ => None,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { action, path, source }
    }
}

/// Whether the cause is a lack of space (or a limit of files' sizes) or of file descriptors, which passes, and not a broken disk, which does not.
pub(crate) fn is_full(error: &io::Error) -> bool {
    lacks_descriptors(error)
        || matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
}

fn lacks_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The error of a sync. Even a lack of space does not pass here: what is on the disk is not known any more. One of
/// descriptors does, as a folder is opened first.
pub(crate) fn lasting(error: io::Error) -> io::Error {
    if lacks_descriptors(&error) { error } else { io::Error::other(error) }
}
