//! What is wrong with the vhosts' folders.

use std::io;
use std::path::PathBuf;

/// What is wrong with the folders.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The file with users and vhosts is gone, and the messages are not.
    #[error(
        "{} is missing or empty, but {} is a vhost's folder. Put the file back from a backup; \
         `aileron repair` tells how to go on without it",
        definitions.display(), folder.display()
    )]
    NoDefinitions {
        /// Where the definitions should be.
        definitions: PathBuf,
        /// A folder with messages.
        folder: PathBuf,
    },
    /// A vhost's folder that these definitions cannot know.
    #[error(
        "{} is newer than the definitions in {}, which name {next} as the next vhost: they are from an older backup or \
         another node. Put the right file back; `aileron repair` tells how to go on without",
        folder.display(), definitions.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The definitions that do not know it.
        definitions: PathBuf,
        /// The number the next vhost would get.
        next: u64,
    },
    /// A vhost is defined, and its messages are gone.
    #[error(
        "the vhost '{vhost}' has lost its messages: {} is missing or empty. Put the vhost's folder {} back; \
         `aileron repair` tells how to go on without its queues and messages",
        missing.display(), folder.display()
    )]
    Missing {
        /// The vhost.
        vhost: String,
        /// What is not there.
        missing: PathBuf,
        /// The vhost's folder.
        folder: PathBuf,
    },
    /// The folder of a vhost that the definitions do not name, though nobody deleted it.
    #[error(
        "{} holds the vhost '{vhost}', which the definitions in {} do not name. Where the folder was put back after \
         the vhost was deleted, move it away; else the definitions are from an older backup or another node: put the \
         right file back; `aileron repair` tells how to go on without",
        folder.display(), definitions.display()
    )]
    Unnamed {
        /// The folder.
        folder: PathBuf,
        /// The vhost in it, by its own word.
        vhost: String,
        /// The definitions that do not know it.
        definitions: PathBuf,
    },
    /// A folder that was moved, or copied, to another one's place.
    #[error("{} is by its own word {} of the vhost '{vhost}': move it there, or away", path.display(), home.display())]
    Moved {
        /// Where it is.
        path: PathBuf,
        /// The vhost in it.
        vhost: String,
        /// Where it belongs.
        home: PathBuf,
    },
    /// The definitions call a folder's vhost otherwise than the folder does.
    #[error(
        "{} holds the vhost '{found}', which the definitions in {} call '{vhost}': they are another node's. Put the \
         right file back",
        folder.display(), definitions.display()
    )]
    Renamed {
        /// The folder.
        folder: PathBuf,
        /// The vhost's name by the definitions.
        vhost: String,
        /// And by the folder.
        found: String,
        /// The definitions.
        definitions: PathBuf,
    },
    /// A vhost's log in another vhost's folder.
    #[error("{} is not the log of the vhost '{vhost}' but another one's: move it to where it belongs", log.display())]
    ForeignLog {
        /// The vhost whose place this is.
        vhost: String,
        /// The log's folder.
        log: PathBuf,
    },
    /// A new vhost's folder is there already.
    #[error("{} is there already and is not touched: move it away", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// A vhost's log cannot be looked at.
    #[error("cannot look at the log of the vhost '{vhost}': {source}")]
    Log {
        /// The vhost.
        vhost: String,
        /// What is wrong.
        source: journal::Error,
    },
    /// The system refused.
    #[error("cannot use {}: {source}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
