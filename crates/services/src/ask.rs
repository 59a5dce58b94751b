//! What a probe asks with: connections, programs and files of the member's host, wherever that is,
//! and a note of what is being waited for.

use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::answer::Trouble;
use crate::credentials::{Credential, Credentials};
use crate::place::Place;
use crate::reach::{Reach, Stream};
use crate::service::Kind;

/// How one probe reaches its member.
#[derive(Debug)]
pub struct Ask {
    reach: Arc<Reach>,
    credentials: Arc<Credentials>,
    deadline: Instant,
    doing: Mutex<String>,
}

impl Ask {
    /// A way to ask on one host until `deadline`.
    pub fn new(reach: Arc<Reach>, credentials: Arc<Credentials>, deadline: Instant) -> Ask {
        Ask { reach, credentials, deadline, doing: Mutex::new("starting".to_string()) }
    }

    /// Notes what is waited for next; it is what is told if nothing comes.
    pub fn doing(&self, what: impl Into<String>) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
    }

    /// What was waited for last.
    pub fn last_doing(&self) -> String {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The time that is left.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Connects to a place of the member's host.
    ///
    /// # Errors
    /// When nothing listens there or the connection is refused or not allowed.
    pub async fn connect(&self, place: &Place) -> Result<Stream, Trouble> {
        self.doing(format!("connecting to {place}"));
        let stream = self.reach.connect(place).await?;
        self.doing(format!("waiting for the answer of {place}"));
        Ok(stream)
    }

    /// A place that this process can connect to and that leads to `place` of the member's host, for
    /// client libraries that connect themselves.
    ///
    /// # Errors
    /// When there is no way there.
    pub async fn dial(&self, place: &Place) -> Result<Place, Trouble> {
        self.doing(format!("connecting to {place}"));
        self.reach.dial(place).await
    }

    /// Runs a program on the member's host and waits for its end; it is killed at the deadline.
    ///
    /// # Errors
    /// When it is not installed or may not be run; its exit code is for the caller to judge.
    pub async fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, Trouble> {
        self.doing(format!("waiting for {program}"));
        self.reach.run(program, arguments).await
    }

    /// Reads a file of the member's host, at most [`crate::reach::FILE_MAX`] bytes of it.
    ///
    /// # Errors
    /// When it is not there or may not be read.
    pub async fn read(&self, path: &Path) -> Result<Vec<u8>, Trouble> {
        self.doing(format!("reading {}", path.display()));
        self.reach.read(path).await
    }

    /// The name and password to use with a kind of service, if any are configured.
    pub fn credential(&self, kind: Kind) -> Option<&Credential> {
        self.credentials.of(kind)
    }
}
