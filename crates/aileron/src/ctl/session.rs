//! One command being carried out: its arguments, the connection to the node, and the words that
//! RabbitMQ's tool has for what a node answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::client::{Answer, Link, LinkError};
use super::failure::{self, DATA, Failure, NO_USER, UNAVAILABLE};
use super::format;
use super::given::{Columns, Given, Patience};
use super::protocol::{Exported, Hello, Refusal, Request};
use super::term::Term;

/// A command being carried out.
pub(crate) struct Session {
    /// The command's name.
    pub(crate) command: &'static str,
    /// The columns it can show.
    pub(crate) columns: Columns,
    /// What the operator gave.
    pub(crate) given: Given,
    patience: Patience,
    socket: PathBuf,
    link: Option<Link>,
    /// Why there is none: a node that is silent is not waited for twice.
    failed: Option<Failure>,
}

impl Session {
    /// A session that connects when it has to.
    pub(crate) fn new(
        command: &'static str,
        columns: Columns,
        patience: Patience,
        given: Given,
        socket: PathBuf,
    ) -> Session {
        Session { command, columns, given, patience, socket, link: None, failed: None }
    }

    /// Connects if needed; says who answers. A node of another name than asked for is "not running".
    pub(crate) fn greet(&mut self) -> Result<Hello, Failure> {
        let hello = match &self.link {
            Some(link) => link.hello().clone(),
            None => {
                if let Some(failure) = &self.failed {
                    return Err(failure.clone());
                }
                let limit = self.given.timeout().unwrap_or_else(|| self.patience.greeting_seconds());
                let mut link = match Link::open(&self.socket, Some(Duration::from_secs(limit))) {
                    Ok(link) => link,
                    Err(error) => {
                        let failure = self.link_failure(&error, limit, false);
                        self.failed = Some(failure.clone());
                        return Err(failure);
                    }
                };
                if self.given.timeout().is_none() {
                    link.limit(Duration::from_secs(self.given.limit()));
                }
                let hello = link.hello().clone();
                self.link = Some(link);
                hello
            }
        };
        match self.given.options.text("node") {
            Some(_) if self.given.node != hello.node => Err(self.other_node(&hello.node)),
            _ => {
                self.given.node.clone_from(&hello.node);
                Ok(hello)
            }
        }
    }

    /// Sends a request; the rows and the end of the answer.
    pub(crate) fn listing(&mut self, request: &Request) -> Result<Answer, Failure> {
        self.exchange(request, true)
    }

    /// Sends a request; refusals become failures in RabbitMQ's usual words.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Term, Failure> {
        self.exchange(request, false)?.end.map_err(|refusal| usual_words(&refusal))
    }

    /// Sends a request; refusals are the caller's to word.
    pub(crate) fn try_ask(&mut self, request: &Request) -> Result<Result<Term, Refusal>, Failure> {
        Ok(self.exchange(request, false)?.end)
    }

    /// All that is defined on the node.
    pub(crate) fn exported(&mut self) -> Result<Result<Exported, Refusal>, Failure> {
        self.greet()?;
        let told = match &mut self.link {
            Some(link) => link.document(&Request::ExportDefinitions),
            None => Err(LinkError::Closed),
        };
        told.map_err(|error| self.link_failure(&error, self.given.limit(), false))
    }

    /// The node's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits until the node has ended: its end of the connection closes and its process is gone.
    pub(crate) fn wait_for_end(&mut self) -> Result<(), Failure> {
        let pid = self.greet()?.pid;
        if let Some(link) = &mut self.link {
            let ended = link.wait_for_end();
            ended.map_err(|error| self.link_failure(&error, self.given.limit(), false))?;
        }
        super::process::wait_for_death(pid, Some(Duration::from_secs(self.given.limit())));
        Ok(())
    }

    fn exchange(&mut self, request: &Request, streamed: bool) -> Result<Answer, Failure> {
        self.greet()?;
        let answer = match &mut self.link {
            Some(link) => link.ask(request),
            None => Err(LinkError::Closed),
        };
        answer.map_err(|error| self.link_failure(&error, self.given.limit(), streamed))
    }

    /// What is said of a node that cannot be talked to; `limit` is how many seconds it was given.
    fn link_failure(&self, error: &LinkError, limit: u64, streamed: bool) -> Failure {
        let node = &self.given.node;
        match error {
            LinkError::TimedOut => {
                let limit = Duration::from_secs(limit);
                let hint = match (streamed, self.command) {
                    (true, "list_queues") => {
                        "Some queue(s) are unresponsive, use list_unresponsive_queues command."
                    }
                    _ => "",
                };
                let limit = if streamed { format::seconds(limit) } else { limit.as_millis().to_string() };
                Failure::timed_out(self.command, node, &limit, hint)
            }
            LinkError::Unreachable { source, .. } => {
                let suggestion = match source.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        "only root and the node's own user may: try again as one of them (sudo)"
                    }
                    _ => "start the node, or name its socket with --socket or AILERON_CTL_SOCKET",
                };
                Failure::node_down(node, &format!("  * {error}\n  * suggestion: {suggestion}"))
            }
            LinkError::Closed | LinkError::Garbled(_) => Failure::node_down(node, &format!("  * {error}")),
        }
    }

    fn other_node(&self, running: &str) -> Failure {
        let name = self.given.node.split('@').next().unwrap_or_default();
        let details = format!(
            "  * connected to the control socket {}\n  * it reports: node '{name}' not running at all\n                  \
             other nodes here: [{running}]\n  * suggestion: start the node",
            self.socket.display()
        );
        Failure::node_down(&self.given.node, &details)
    }
}

/// What RabbitMQ's tool prints for a refusal that a command has no words of its own for.
pub(crate) fn usual_words(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::NoSuchVhost(vhost) => Failure::new(DATA, format!("Virtual host '{vhost}' does not exist")),
        Refusal::NoSuchUser(user) => Failure::reason("no_such_user", user),
        Refusal::UserExists(user) => Failure::reason("user_already_exists", user),
        Refusal::BadCredentials(user) => Failure::error(DATA, format!("user '{user}' - invalid credentials")),
        Refusal::InvalidRegex { pattern, cause, offset } => Failure::error(
            UNAVAILABLE,
            format!(
                "{{:invalid_regexp, {}, {{{}, {offset}}}}}",
                failure::elixir_charlist(pattern),
                failure::elixir_charlist(cause)
            ),
        ),
        Refusal::NoSuchQueue => Failure::error(UNAVAILABLE, "not_found"),
        Refusal::QueueInUse => Failure::error(UNAVAILABLE, "in_use"),
        Refusal::QueueNotEmpty => Failure::error(UNAVAILABLE, "not_empty"),
        Refusal::NotReady => Failure::error(UNAVAILABLE, "the node is still starting"),
        Refusal::BadRequest(what) | Refusal::Other(what) => Failure::error(UNAVAILABLE, what),
    }
}

/// A user that is not there, in the words of most commands.
pub(crate) fn no_such_user(user: &str) -> Failure {
    Failure::error(NO_USER, format!("User \"{user}\" does not exist"))
}

impl Session {
    /// A failure that `--formatter json` shows as an object, and then with its own exit code.
    pub(crate) fn worded(&self, json: &str, plain: Failure) -> Failure {
        if self.given.options.text("formatter") != Some("json") {
            return plain;
        }
        let object = Term::Map(vec![
            (Term::atom("message"), Term::text(json)),
            (Term::atom("node"), Term::text(self.given.node.clone())),
            (Term::atom("result"), Term::text("error")),
        ]);
        Failure::new(UNAVAILABLE, format::to_json(&object))
    }
}
