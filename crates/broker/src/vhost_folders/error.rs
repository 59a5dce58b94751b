//! What is wrong with the vhosts' folders.

use std::io;
use std::path::PathBuf;

/// What is wrong with the folders.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The file with users and vhosts is gone, and the messages are not.
    #[error(
        "{} is missing or empty, but {} holds a vhost's messages. Put the file back from a backup; \
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
        "{} holds the vhost '{vhost}', which the definitions in {} do not name and nobody deleted: they are from an \
         older backup or another node. Put the right file back; `aileron repair` tells how to go on without",
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
    /// Another vhost's folder, or one with another vhost's log.
    #[error("{} is {what}, and the vhost '{vhost}' belongs there: move it to where it belongs", path.display())]
    Misplaced {
        /// The vhost whose place this is.
        vhost: String,
        /// The folder or the log that is there.
        path: PathBuf,
        /// What it is instead.
        what: String,
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
