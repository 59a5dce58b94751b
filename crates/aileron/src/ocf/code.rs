//! The exit codes of the resource agent API, and failures with their reason in words.

/// How an action ended. Pacemaker's reaction is behind each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Code {
    /// Done; of a monitor: it runs and is not promoted.
    Success = 0,
    /// It did not work, or what runs is not well: stop it, and start it here or elsewhere.
    Failed = 1,
    /// What is configured does not fit this host: not here.
    Arguments = 2,
    /// There is no such action.
    Unimplemented = 3,
    /// Something that is needed is missing on this host: not here.
    NotInstalled = 5,
    /// The resource's parameters are wrong: nowhere.
    NotConfigured = 6,
    /// It surely does not run.
    NotRunning = 7,
    /// It runs and is promoted.
    Promoted = 8,
}

/// Why an action did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The exit code.
    pub(super) code: Code,
    /// One line, which `pcs status` shows.
    pub(super) reason: String,
}

impl Trouble {
    pub(super) fn new(code: Code, reason: impl Into<String>) -> Self {
        Trouble { code, reason: reason.into() }
    }

    /// With the code for everything that has none of its own.
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Trouble::new(Code::Failed, reason)
    }
}

/// How an action ends.
pub(super) type Outcome = Result<Code, Trouble>;
