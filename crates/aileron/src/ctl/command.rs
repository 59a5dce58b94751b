//! What a command is: its place in the help, its switches, how its arguments are checked, what it does.
//!
//! The commands themselves are tables of [`Spec`]s in `commands/`; `session.rs` carries one out.

use super::failure::Failure;
use super::format::{Formatter, Output};
pub(crate) use super::given::Patience;
use super::given::{Columns, Given, Misuse, NO_COLUMNS, no_words};
use super::options::{Aliases, Kind, Switches};
use super::session::Session;

/// The switches of a command that only has a time limit.
pub(crate) const TIMEOUT: Switches = &[("timeout", Kind::Number)];

/// One command.
pub(crate) struct Spec {
    /// What the operator types.
    pub(crate) name: &'static str,
    /// Where help lists it.
    pub(crate) section: Section,
    /// What it does, in help's words; no full stop.
    pub(crate) description: &'static str,
    /// How it is called.
    pub(crate) usage: &'static str,
    /// Its arguments and switches explained.
    pub(crate) arguments: &'static [(&'static str, &'static str)],
    /// Pages of RabbitMQ's documentation that tell more, without site and suffix.
    pub(crate) guides: &'static [&'static str],
    /// Switches beyond the common ones.
    pub(crate) switches: Switches,
    /// One-letter names for them.
    pub(crate) aliases: Aliases,
    /// How it prints when nothing else is asked for.
    pub(crate) formatter: Formatter,
    /// What must be there for it to work.
    pub(crate) needs: Needs,
    /// How long the node may take where the operator gives no time limit.
    pub(crate) patience: Patience,
    /// The columns it can show: all, and those shown by default.
    pub(crate) columns: Columns,
    /// Whether the arguments fit.
    pub(crate) check: fn(&Given) -> Result<(), Misuse>,
    /// What it says before it starts.
    pub(crate) banner: fn(&Given) -> Option<String>,
    /// What it does.
    pub(crate) run: fn(&mut Session) -> Result<Output, Failure>,
}

/// What a command needs to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nobody: it answers by itself.
    Nothing,
    /// The node's process, started or starting; the command reports itself when it is not there.
    Process,
    /// A node that has started.
    Node,
}

/// What every command starts from.
pub(crate) const BASE: Spec = Spec {
    name: "",
    section: Section::Help,
    description: "",
    usage: "",
    arguments: &[],
    guides: &[],
    switches: &[],
    aliases: &[],
    formatter: Formatter::Plain,
    needs: Needs::Node,
    patience: Patience::Minute,
    columns: NO_COLUMNS,
    check: no_words,
    banner: |_| None,
    run: |_| Ok(Output::Done),
};

/// Help's headings, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Help.
    Help,
    /// Nodes.
    Nodes,
    /// Cluster.
    Cluster,
    /// Users.
    Users,
    /// Access Control.
    Access,
    /// Monitoring, observability and health checks.
    Monitoring,
    /// Parameters.
    Parameters,
    /// Policies.
    Policies,
    /// Virtual hosts.
    Vhosts,
    /// Configuration and Environment.
    Configuration,
    /// Definitions.
    Definitions,
    /// Feature flags.
    Flags,
    /// Operations.
    Operations,
    /// Queues.
    Queues,
    /// Deprecated.
    Deprecated,
}

impl Section {
    /// Every section, in order.
    pub(crate) const ALL: [Section; 15] = [
        Section::Help,
        Section::Nodes,
        Section::Cluster,
        Section::Users,
        Section::Access,
        Section::Monitoring,
        Section::Parameters,
        Section::Policies,
        Section::Vhosts,
        Section::Configuration,
        Section::Definitions,
        Section::Flags,
        Section::Operations,
        Section::Queues,
        Section::Deprecated,
    ];

    /// The heading.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Section::Help => "Help",
            Section::Nodes => "Nodes",
            Section::Cluster => "Cluster",
            Section::Users => "Users",
            Section::Access => "Access Control",
            Section::Monitoring => "Monitoring, observability and health checks",
            Section::Parameters => "Parameters",
            Section::Policies => "Policies",
            Section::Vhosts => "Virtual hosts",
            Section::Configuration => "Configuration and Environment",
            Section::Definitions => "Definitions",
            Section::Flags => "Feature flags",
            Section::Operations => "Operations",
            Section::Queues => "Queues",
            Section::Deprecated => "Deprecated",
        }
    }
}
