//! What an operator gave a command: words and switches, and whether they fit.

use super::failure::{DATA, USAGE};
use super::options::Options;

/// All columns of a listing and the default ones.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    /// Every one, in the order in which `report` shows them.
    pub(crate) all: &'static [&'static str],
    /// The ones shown where none is named.
    pub(crate) default: &'static [&'static str],
}

/// For commands without columns.
pub(crate) const NO_COLUMNS: Columns = Columns { all: &[], default: &[] };

/// How long a node may take for a command whose line has no `--timeout`, so that none waits for ever: a daemon
/// that is frozen accepts connections and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Monitoring asks every few seconds: ten seconds.
    Health,
    /// Listings and changes: a minute.
    Minute,
    /// What waits for other nodes, or for this one to start, as RabbitMQ's tool waits: five minutes.
    Startup,
    /// What copies or ends a node and takes as long as there is data: a minute to greet, and an hour in all.
    Hour,
}

impl Patience {
    /// Seconds for the whole command.
    pub(crate) const fn seconds(self) -> u64 {
        match self {
            Patience::Health => 10,
            Patience::Minute => 60,
            Patience::Startup => 300,
            Patience::Hour => 3600,
        }
    }

    /// Seconds until the node has greeted: it does so from memory.
    pub(crate) fn greeting_seconds(self) -> u64 {
        self.seconds().min(Patience::Minute.seconds())
    }
}

/// What the operator gave, with the node's name filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// The arguments behind the command's name; for listings the columns.
    pub(crate) words: Vec<String>,
    /// The switches.
    pub(crate) options: Options,
    /// The node's name.
    pub(crate) node: String,
    /// Seconds that the command waits where none are given.
    pub(crate) patience: u64,
}

impl Given {
    /// The word at `at`, or nothing at all; commands check the number of words first.
    pub(crate) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// The vhost that the command is about.
    pub(crate) fn vhost(&self) -> &str {
        self.options.text("vhost").unwrap_or("/")
    }

    /// Whether only results are wanted.
    pub(crate) fn silent(&self) -> bool {
        self.options.flag("quiet") || self.options.flag("silent")
    }

    /// The time limit given, in seconds; a negative one is none at all.
    pub(crate) fn timeout(&self) -> Option<u64> {
        self.options.number("timeout").map(|seconds| u64::try_from(seconds).unwrap_or(0))
    }

    /// The time limit in force, in seconds.
    pub(crate) fn limit(&self) -> u64 {
        self.timeout().unwrap_or(self.patience)
    }

    /// The time limit in force, in milliseconds.
    pub(crate) fn limit_ms(&self) -> u64 {
        self.limit().saturating_mul(1000)
    }
}

/// Why a command line does not fit its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// Too few words.
    NotEnough,
    /// Too many.
    TooMany,
    /// A word that makes no sense here.
    BadArgument(&'static str),
    /// The same, told with the word.
    BadValue(String),
    /// Columns that do not exist.
    BadColumns(Vec<String>),
    /// Switches that do not exist, or without a fitting value.
    BadSwitches(Vec<(String, Option<String>)>),
    /// Something else, told by the command.
    Told(String),
}

impl Misuse {
    /// RabbitMQ's words for it.
    pub(crate) fn text(&self) -> String {
        match self {
            Misuse::NotEnough => "not enough arguments.".to_string(),
            Misuse::TooMany => "too many arguments.".to_string(),
            Misuse::BadArgument(detail) => format!("Bad argument: {detail}"),
            Misuse::BadValue(detail) => format!("Bad argument: {detail}"),
            Misuse::BadColumns(names) => format!("Info key(s) {} are not supported", names.join(",")),
            Misuse::BadSwitches(switches) => {
                let mut text = "Invalid options for this command:".to_string();
                for (name, value) in switches {
                    text.push_str(&format!("\n{name} : {}", value.as_deref().unwrap_or_default()));
                }
                text
            }
            Misuse::Told(text) => text.clone(),
        }
    }

    /// The exit code for it.
    pub(crate) fn code(&self) -> u8 {
        if matches!(self, Misuse::BadArgument(_) | Misuse::BadValue(_)) { DATA } else { USAGE }
    }
}

/// For commands without arguments.
pub(crate) fn no_words(given: &Given) -> Result<(), Misuse> {
    between(given, 0, 0)
}

/// For commands with one argument.
pub(crate) fn one_word(given: &Given) -> Result<(), Misuse> {
    between(given, 1, 1)
}

/// For commands with at least `least` and at most `most` arguments.
pub(crate) fn between(given: &Given, least: usize, most: usize) -> Result<(), Misuse> {
    match given.words.len() {
        count if count < least => Err(Misuse::NotEnough),
        count if count > most => Err(Misuse::TooMany),
        _ => Ok(()),
    }
}
