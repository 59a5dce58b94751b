//! The verdict: what is said of a service and of the control plane, with stable codes.
//!
//! The serialized form is what `aileron services --json` prints; its fields and the findings' codes
//! may grow but do not change meaning (docs/services/ lists them).

use serde::{Deserialize, Serialize};

use crate::service::Kind;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Serves, and can lose what it is built to lose.
    Ok,
    /// Serves, but with less than it is built with.
    Degraded,
    /// Does not serve.
    Failed,
    /// Nothing certain is known.
    Unknown,
}

impl State {
    /// The exit code for scripts: 0 ok, 1 degraded, 2 failed, 3 unknown (as Nagios plug-ins have it).
    pub fn exit_code(self) -> u8 {
        match self {
            State::Ok => 0,
            State::Degraded => 1,
            State::Failed => 2,
            State::Unknown => 3,
        }
    }

    /// The worse of two: failed, then degraded, then unknown, then ok.
    #[must_use]
    pub fn worst(self, other: State) -> State {
        let rank = |state| match state {
            State::Ok => 0,
            State::Unknown => 1,
            State::Degraded => 2,
            State::Failed => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// Its name in all outputs.
    pub fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::Failed => "failed",
            State::Unknown => "unknown",
        }
    }
}

/// What a finding does to the state of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, changes nothing.
    Notice,
    /// The service is degraded.
    Degraded,
    /// The service has failed.
    Failed,
    /// Hides what would have to be known.
    Unknown,
}

impl Severity {
    fn state(self) -> State {
        match self {
            Severity::Notice => State::Ok,
            Severity::Degraded => State::Degraded,
            Severity::Failed => State::Failed,
            Severity::Unknown => State::Unknown,
        }
    }

    /// Its name in all outputs.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Degraded => "degraded",
            Severity::Failed => "failed",
            Severity::Unknown => "unknown",
        }
    }
}

/// One thing that is not as it should be, or that an operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name for scripts, `SERVICE-WHAT` in lower case ("galera-node-down").
    pub code: String,
    /// What it does to the service's state.
    pub severity: Severity,
    /// Whether somebody wanted it so: maintenance, standby, a drained backend.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub intended: bool,
    /// What it is about: a host, a backend, a resource; empty for the service as a whole.
    pub subject: String,
    /// The cause in words, one sentence without a full stop.
    pub cause: String,
    /// The next command to type or step to take; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
}

impl Finding {
    /// A finding that has no next step and that nobody wanted.
    pub fn new(code: &str, severity: Severity, subject: &str, cause: impl Into<String>) -> Finding {
        Finding {
            code: code.to_string(),
            severity,
            intended: false,
            subject: subject.to_string(),
            cause: cause.into(),
            next: String::new(),
        }
    }

    /// The same with the next command to type.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Finding {
        self.next = next.into();
        self
    }

    /// The same as an operator's will.
    #[must_use]
    pub fn intended(mut self) -> Finding {
        self.intended = true;
        self
    }
}

/// What one more failure would mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Risk {
    /// In words, one sentence; empty where it means nothing of note.
    pub words: String,
    /// Whether it would stop the service.
    pub fragile: bool,
}

impl Risk {
    /// A failure that the service carries, at whatever price; also where nothing is left to lose.
    pub fn carried(words: impl Into<String>) -> Risk {
        Risk { words: words.into(), fragile: false }
    }

    /// A failure that stops the service.
    pub fn stops(words: impl Into<String>) -> Risk {
        Risk { words: words.into(), fragile: true }
    }

    /// Those of several groups of members together.
    pub fn all(risks: impl IntoIterator<Item = Risk>) -> Risk {
        let mut all = Risk::default();
        let mut words: Vec<String> = Vec::new();
        for risk in risks {
            all.fragile |= risk.fragile;
            if !words.contains(&risk.words) {
                words.push(risk.words);
            }
        }
        all.words = words.join("; ");
        all
    }
}

/// One member in a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberVerdict {
    /// The host it runs on.
    pub host: String,
    /// Where it was asked.
    pub place: String,
    /// Its own state.
    pub state: State,
    /// What it is, in the service's words ("Primary, Synced", "master", "leader"); empty if it did not say.
    pub role: String,
    /// How its asking ended: got, silent, down, denied or broken.
    pub answer: String,
    /// How long it took to answer, in milliseconds.
    pub took_ms: u64,
}

/// What is said of one service over all hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which service.
    pub service: Kind,
    /// The worst of its findings.
    pub state: State,
    /// One line: how many of how many, who leads.
    pub summary: String,
    /// What one more failure would mean, one sentence; empty where it means nothing of note.
    pub risk: String,
    /// Whether one more failure would stop it.
    pub fragile: bool,
    /// Its members, in the order of their hosts.
    pub members: Vec<MemberVerdict>,
    /// What is not as it should be, worst first.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The state that findings make together.
    pub fn state_of(findings: &[Finding]) -> State {
        findings.iter().fold(State::Ok, |state, finding| state.worst(finding.severity.state()))
    }
}

/// One host in an overview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostVerdict {
    /// Its name.
    pub name: String,
    /// How asking it ended: got, silent, down, denied or broken.
    pub answer: String,
    /// What went wrong, empty if nothing.
    pub trouble: String,
    /// How long it took to answer, in milliseconds.
    pub took_ms: u64,
}

/// What is said of the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The version of this form; grows when a field changes its meaning.
    pub version: u32,
    /// The worst of its services, where a service OpenStack can do without for a while degrades only.
    pub state: State,
    /// One line for people and for Nagios.
    pub summary: String,
    /// What one more failure would mean: the services it would stop; empty if none.
    pub risk: String,
    /// When it was taken, in seconds since 1970.
    pub taken_at: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The deadline it was taken under, in milliseconds.
    pub deadline_ms: u64,
    /// The hosts that were asked.
    pub hosts: Vec<HostVerdict>,
    /// The services found on them.
    pub services: Vec<Verdict>,
    /// What concerns no single service: a host that does not answer, nothing found at all.
    pub findings: Vec<Finding>,
}
