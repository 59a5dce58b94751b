//! What client and server say to each other over the control socket: one JSON value a line.
//!
//! The server greets with a [`Hello`], the client sends one [`Request`] and reads [`Reply`] lines:
//! any number of rows, then `Done`, `Document` or `Refused`, which is the last. A line is at most [`LINE_MAX`]
//! bytes; passwords travel in it, so nothing here is ever logged and `Secret` does not print itself.

use serde::{Deserialize, Serialize};

use super::term::Term;

/// The longest request a server reads, in bytes: definitions of some hundred thousand queues. Only root and the
/// daemon's own user are read at all.
pub(crate) const LINE_MAX: u64 = 64 << 20;

/// The server's first line: the state of the node, from memory and without waiting for any work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The node's name: `rabbit@controller0`.
    pub(crate) node: String,
    /// The server's process id.
    pub(crate) pid: u32,
    /// Whether it has finished starting.
    pub(crate) ready: bool,
    /// Whether it lets clients in. A daemon that does not say, of an older release, always does.
    #[serde(default = "yes")]
    pub(crate) listening: bool,
    /// Whether it lets nobody in because another host is to; nothing while it starts, and of an older release.
    #[serde(default)]
    pub(crate) standing_by: Option<bool>,
    /// Whether a log has failed, so that nothing is confirmed until a restart.
    #[serde(default)]
    pub(crate) log_failed: bool,
    /// In words, where the disk does not answer.
    #[serde(default)]
    pub(crate) hung_disk: Option<String>,
    /// How far its logs have come, in bytes.
    #[serde(default)]
    pub(crate) log_position: u64,
}

impl Hello {
    /// Whether this node is the one that lets clients in, though an operator may have suspended its listeners.
    pub(crate) fn is_promoted(&self) -> bool {
        !self.standing_by.unwrap_or(!self.listening)
    }
}

fn yes() -> bool {
    true
}

/// A password on its way to the server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Nothing: that an answer comes is the answer.
    Ping,
    /// An answer once the node has started.
    AwaitStartup,
    /// The node's state as a list of pairs.
    Status,
    /// How well the node is, as a map: what the survey of the services asks for. Answered from memory.
    Health,
    /// The node's settings as a list of pairs.
    Environment,
    /// How the node was started: its arguments and its environment, two lists of pairs.
    Process,
    /// The daemon's last view of the services: one document.
    ServicesOverview,
    /// What changed in the services at `since` or later, in seconds since 1970: one document.
    ServicesHistory {
        #[serde(default)]
        since: u64,
    },
    /// The end of the node; answered before it begins.
    Stop,
    /// No new clients.
    SuspendListeners,
    /// New clients again.
    ResumeListeners,
    /// No new clients, and the end of those that are there; answered when they are gone.
    StandBy { reason: String },
    /// Whether the node does its work: what systemd's watchdog is told.
    SelfCheck,
    /// A listing.
    List {
        /// Of what.
        what: Listing,
        /// In which vhost, for those that have one.
        vhost: String,
        /// The columns of each row, in order.
        columns: Vec<String>,
    },
    /// Permissions in a vhost, or of a user.
    ListPermissions {
        /// The vhost, or none.
        vhost: Option<String>,
        /// The user, or none.
        user: Option<String>,
    },
    /// A new user.
    AddUser { name: String, password: Secret },
    /// A user's end.
    DeleteUser { name: String },
    /// Another password.
    ChangePassword { name: String, password: Secret },
    /// No password any more.
    ClearPassword { name: String },
    /// Whether a password is right.
    AuthenticateUser { name: String, password: Secret },
    /// A user's tags.
    SetUserTags { name: String, tags: Vec<String> },
    /// A user's rights in a vhost.
    SetPermissions { user: String, vhost: String, configure: String, write: String, read: String },
    /// None of them.
    ClearPermissions { user: String, vhost: String },
    /// A new vhost.
    AddVhost { name: String, description: String, tags: Vec<String> },
    /// A vhost that is down opened; answers whether it was.
    RestartVhost { name: String },
    /// A vhost's end.
    DeleteVhost { name: String },
    /// A copy of definitions and logs in this folder, an absolute path; answers with its figures.
    Snapshot { dir: String },
    /// All that is defined: one document, [`Exported`].
    ExportDefinitions,
    /// All that this file defines, its text (which has password hashes); answers with a list of what was left out.
    ImportDefinitions { definitions: Secret },
    /// The firehose on or off.
    SetTracing { vhost: String, on: bool },
    /// A queue's end; answers how many messages were ready.
    DeleteQueue { vhost: String, name: String, if_unused: bool, if_empty: bool },
    /// A queue without messages.
    PurgeQueue { vhost: String, name: String },
    /// One connection's end.
    CloseConnection { pid: String, reason: String },
    /// The end of many; answers how many.
    CloseAllConnections {
        /// The vhost, or none for the whole node.
        vhost: Option<String>,
        reason: String,
        /// At most so many; 0 for all.
        limit: u64,
        /// Milliseconds between two of them.
        delay_ms: u64,
    },
}

/// What can be listed with columns of the operator's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Listing {
    /// Queues of a vhost.
    Queues,
    /// Exchanges of a vhost.
    Exchanges,
    /// Bindings of a vhost.
    Bindings,
    /// Connections of the node.
    Connections,
    /// Channels of the node.
    Channels,
    /// Consumers of a vhost.
    Consumers,
    /// Vhosts.
    Vhosts,
    /// Users with their tags.
    Users,
}

/// A line of the server's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// One row: values in the order of the columns asked for.
    Row(Vec<Term>),
    /// It worked.
    Done(Term),
    /// It worked, and this is what was asked for, in a form of its own (docs/services.md).
    Document(serde_json::Value),
    /// It did not.
    Refused(Refusal),
}

/// What `export_definitions` is answered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exported {
    /// The definitions, as RabbitMQ's file has them.
    pub(crate) definitions: serde_json::Value,
    /// In words, what is defined and could not be written in JSON.
    pub(crate) left_out: Vec<String>,
}

/// Why the server refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// No vhost of that name.
    NoSuchVhost(String),
    /// No user of that name.
    NoSuchUser(String),
    /// There is a user of that name.
    UserExists(String),
    /// The password does not fit, or there is no such user.
    BadCredentials(String),
    /// A permission pattern is no regular expression.
    InvalidRegex { pattern: String, cause: String, offset: usize },
    /// No such queue.
    NoSuchQueue,
    /// It has consumers.
    QueueInUse,
    /// It has messages.
    QueueNotEmpty,
    /// The node is still starting.
    NotReady,
    /// The request makes no sense to this server.
    BadRequest(String),
    /// Anything else, in words.
    Other(String),
}
