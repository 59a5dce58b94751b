//! The client's end of the control socket: connect, greet, ask, read the answer within a time limit.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::protocol::{Hello, Refusal, Reply, Request};
use super::term::Term;

/// Why the node did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// Nobody answers at the socket.
    #[error("cannot connect to the control socket {}: {source}", path.display())]
    Unreachable {
        /// The socket that was tried.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The time limit passed.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended in the middle.
    #[error("the node closed the control connection before it answered")]
    Closed,
    /// What came back is no answer.
    #[error("the node's answer is not understood: {0}")]
    Garbled(String),
}

/// The whole of an answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// A listing's rows.
    pub(crate) rows: Vec<Vec<Term>>,
    /// The closing value, or why not.
    pub(crate) end: Result<Term, Refusal>,
}

/// A connection to a node.
pub(crate) struct Link {
    stream: BufReader<UnixStream>,
    hello: Hello,
    deadline: Option<Instant>,
}

impl Link {
    /// Connects and reads the greeting. `limit` counts for everything from here on; `None` waits.
    pub(crate) fn open(path: &Path, limit: Option<Duration>) -> Result<Link, LinkError> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let stream = connect(path, limit)?;
        let mut link = Link { stream: BufReader::new(stream), hello: Hello::default(), deadline };
        link.hello = link.read()?;
        Ok(link)
    }

    /// Another limit, from now on, for what comes.
    pub(crate) fn limit(&mut self, limit: Duration) {
        self.deadline = Instant::now().checked_add(limit);
    }

    /// Who answers.
    pub(crate) fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Sends `request` and reads its whole answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, LinkError> {
        self.send(request)?;
        let mut rows = Vec::new();
        loop {
            match self.read()? {
                Reply::Row(row) => rows.push(row),
                Reply::Done(value) => return Ok(Answer { rows, end: Ok(value) }),
                Reply::Refused(refusal) => return Ok(Answer { rows, end: Err(refusal) }),
                Reply::Document(_) => return Err(LinkError::Garbled("a document".to_string())),
            }
        }
    }

    /// Sends `request` and reads the document that answers it. An older daemon refuses it.
    pub(crate) fn document<T: serde::de::DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> Result<Result<T, Refusal>, LinkError> {
        self.send(request)?;
        match self.read()? {
            Reply::Document(value) => serde_json::from_value(value)
                .map(Ok)
                .map_err(|error| LinkError::Garbled(format!("{error}: is the daemon of another version?"))),
            Reply::Refused(refusal) => Ok(Err(refusal)),
            Reply::Row(_) | Reply::Done(_) => Err(LinkError::Garbled("no document".to_string())),
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), LinkError> {
        let mut line = serde_json::to_vec(request).map_err(|error| LinkError::Garbled(error.to_string()))?;
        line.push(b'\n');
        self.limit_wait()?;
        self.stream.get_mut().write_all(&line).map_err(|error| link_error(&error))
    }

    /// Waits until the server closes the connection, which is when it ends.
    pub(crate) fn wait_for_end(&mut self) -> Result<(), LinkError> {
        let mut line = Vec::new();
        loop {
            self.limit_wait()?;
            line.clear();
            match self.stream.read_until(b'\n', &mut line) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(link_error(&error)),
            }
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, LinkError> {
        self.limit_wait()?;
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(_) if line.last() != Some(&b'\n') => Err(LinkError::Closed),
            Ok(_) => serde_json::from_slice(&line).map_err(|error| LinkError::Garbled(error.to_string())),
            Err(error) => Err(link_error(&error)),
        }
    }

    fn limit_wait(&self) -> Result<(), LinkError> {
        let left = match self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return Err(LinkError::TimedOut),
            left => left,
        };
        let stream = self.stream.get_ref();
        stream
            .set_read_timeout(left)
            .and_then(|()| stream.set_write_timeout(left))
            .map_err(|error| link_error(&error))
    }
}

/// Connects, by a thread that may be left behind: where a frozen daemon has as many connections waiting as fit,
/// connecting waits too, and knows no time limit.
fn connect(path: &Path, limit: Option<Duration>) -> Result<UnixStream, LinkError> {
    let unreachable = |source| LinkError::Unreachable { path: path.to_path_buf(), source };
    let Some(limit) = limit else { return UnixStream::connect(path).map_err(unreachable) };
    let (tell, told) = mpsc::sync_channel(1);
    let own = path.to_path_buf();
    std::thread::spawn(move || {
        // Nobody listens any more where the limit has passed.
        let _ = tell.send(UnixStream::connect(own));
    });
    match told.recv_timeout(limit) {
        Ok(connected) => connected.map_err(unreachable),
        Err(_) => Err(LinkError::TimedOut),
    }
}

fn link_error(error: &std::io::Error) -> LinkError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => LinkError::TimedOut,
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => LinkError::Closed,
        _ => LinkError::Garbled(error.to_string()),
    }
}
