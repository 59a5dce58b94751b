//! What can go wrong with definitions, and why a login is refused.

use std::path::PathBuf;

use super::pcre::PatternError;
use super::rights::Right;

/// Why definitions could not be opened, read or changed. A refused change leaves everything as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The file was written by a newer version; it was not touched.
    #[error("{} has format {found}, this version reads up to {supported}: start the newer version again, or another data folder", path.display())]
    NewerFormat {
        /// The definitions file.
        path: PathBuf,
        /// The format the file states.
        found: u64,
        /// The newest format known here.
        supported: u64,
    },
    /// Another process has the file open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The definitions file.
        path: PathBuf,
    },
    /// The file holds something that cannot be read as definitions.
    #[error("{} is damaged: {what}; users, vhosts and permissions are in it: put it back from a backup; `aileron repair` tells how to go on without it", path.display())]
    Damaged {
        /// The definitions file.
        path: PathBuf,
        /// Which record, and what is wrong with it.
        what: String,
    },
    /// The store failed to read or write; after a failed write the change did not happen.
    #[error("cannot {attempted} {}: {source}", path.display())]
    Store {
        /// What was attempted: `create`, `open`, `read` or `write`.
        attempted: &'static str,
        /// The definitions file.
        path: PathBuf,
        /// What the store says.
        source: Box<redb::Error>,
    },
    /// No user of that name.
    #[error("user \"{0}\" does not exist")]
    NoSuchUser(String),
    /// No vhost of that name.
    #[error("vhost \"{0}\" does not exist")]
    NoSuchVhost(String),
    /// There is a user of that name already.
    #[error("user \"{0}\" already exists")]
    UserExists(String),
    /// There is a vhost of that name already.
    #[error("vhost \"{0}\" already exists")]
    VhostExists(String),
    /// A permission pattern is not a regular expression that RabbitMQ and we both accept.
    #[error("invalid regular expression \"{pattern}\" for {which}: {cause}")]
    BadRegex {
        /// The permission it was meant for.
        which: Right,
        /// The pattern as given.
        pattern: String,
        /// What is wrong, and where.
        cause: PatternError,
    },
    /// A password hash is not base64 of salt and digest.
    #[error("invalid password hash: {0}")]
    BadHash(String),
    /// A hashing algorithm's name is unknown.
    #[error("unknown password hashing algorithm \"{0}\"")]
    UnknownHashing(String),
    /// The operating system gave no random bytes for a salt.
    #[error("no random bytes for a password's salt: {0}")]
    NoRandomness(String),
}

/// Why a login was refused: for the log. Clients are told the same in all cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// No user of that name.
    #[error("no such user")]
    UnknownUser,
    /// The user has no password and cannot log in with one.
    #[error("the user has no password")]
    NoPassword,
    /// The password given was empty, which is never accepted, as in RabbitMQ.
    #[error("blank password, which is prohibited")]
    BlankPassword,
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
}
