//! Why a command did not work: the exit code and what standard error says, in rabbitmqctl's words.
//!
//! Codes are those of `sysexits.h`, as RabbitMQ's tools use them.

/// A command line that is not understood.
pub(crate) const USAGE: u8 = 64;
/// Arguments that name something wrong: a vhost that is not there, a password that does not fit.
pub(crate) const DATA: u8 = 65;
/// No such user.
pub(crate) const NO_USER: u8 = 67;
/// The node cannot be reached, or said no.
pub(crate) const UNAVAILABLE: u8 = 69;
/// Something is there already, or went wrong inside.
pub(crate) const SOFTWARE: u8 = 70;
/// It took too long; it may work later.
pub(crate) const TEMPORARY: u8 = 75;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The process's exit code.
    pub(crate) code: u8,
    /// What to print on standard error, without the last line end.
    pub(crate) message: String,
}

impl Failure {
    /// A failure whose text stands as it is.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }

    /// A failure reported by a command: `Error:` on a line of its own.
    pub(crate) fn error(code: u8, message: impl std::fmt::Display) -> Failure {
        Failure::new(code, format!("Error:\n{message}"))
    }

    /// A reason that RabbitMQ's tool has no sentence for and prints as Elixir does: `{:no_such_user, "x"}`.
    pub(crate) fn reason(tag: &str, value: &str) -> Failure {
        Failure::error(UNAVAILABLE, format!("{{:{tag}, {}}}", elixir_string(value)))
    }

    /// A command whose node did not answer in time.
    pub(crate) fn timed_out(command: &str, node: &str, limit: &str, hint: &str) -> Failure {
        let text =
            format!("Error: operation {command} on node {node} timed out. Timeout value used: {limit}");
        Failure::new(TEMPORARY, if hint.is_empty() { text } else { format!("{text}. {hint}") })
    }

    /// A sentence that was to be printed as comma-separated values, which it is not.
    pub(crate) fn not_enumerable(text: &str) -> Failure {
        Failure::new(
            SOFTWARE,
            format!(
                "%Protocol.UndefinedError{{protocol: Enumerable, value: {}, description: \"\"}}\n",
                elixir_string(text)
            ),
        )
    }

    /// The node is not there: what was tried and what to do.
    pub(crate) fn node_down(node: &str, details: &str) -> Failure {
        Failure::new(
            UNAVAILABLE,
            format!(
                "Error: unable to perform an operation on node '{node}'. Please see diagnostics information and suggestions below.\n\
                 \n\
                 Most common reasons for this are:\n\
                 \n \
                 * Target node is unreachable (e.g. due to hostname resolution, TCP connection or firewall issues)\n \
                 * CLI tool fails to authenticate with the server (e.g. due to CLI tool's Erlang cookie not matching that of the server)\n \
                 * Target node is not running\n\
                 \n\
                 In addition to the diagnostics info below:\n\
                 \n \
                 * See the CLI, clustering and networking guides on https://rabbitmq.com/documentation.html to learn more\n \
                 * Consult server logs on node {node}\n \
                 * If target node is configured to use long node names, don't forget to use --longnames with CLI tools\n\
                 \n\
                 DIAGNOSTICS\n\
                 ===========\n\
                 \n\
                 attempted to contact: [{node}]\n\
                 \n\
                 {node}:\n{details}\n"
            ),
        )
    }
}

/// Text as Elixir's `inspect` quotes it.
pub(crate) fn elixir_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A charlist as Elixir's `inspect` quotes it.
pub(crate) fn elixir_charlist(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
}
