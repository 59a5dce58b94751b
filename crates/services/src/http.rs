//! One question over HTTP/1.0: the answer ends with the connection, so there is nothing to decode. etcd's
//! gateway and RabbitMQ's management are asked so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::credentials::Credential;
use crate::place::Place;

/// The most that is read; `/metrics` has about 150 kB.
const ANSWER_MAX: usize = 4 << 20;

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[("http: answer", |bytes| drop(parse(bytes)))];

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// What follows the head.
    pub(crate) body: String,
}

/// Asks with GET, or with POST if there is a body.
pub(crate) async fn ask(place: &Place, path: &str, body: Option<&str>, ask: &Ask) -> Result<Reply, Trouble> {
    let (method, body) = body.map_or(("GET", ""), |body| ("POST", body));
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {place}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(place, path, &request, ask).await
}

/// Asks with GET and a login.
pub(crate) async fn ask_as(
    login: &Credential,
    place: &Place,
    path: &str,
    ask: &Ask,
) -> Result<Reply, Trouble> {
    let login = STANDARD.encode(format!("{}:{}", login.user, login.password));
    let request = format!("GET {path} HTTP/1.0\r\nHost: {place}\r\nAuthorization: Basic {login}\r\n\r\n");
    exchange(place, path, &request, ask).await
}

async fn exchange(place: &Place, path: &str, request: &str, ask: &Ask) -> Result<Reply, Trouble> {
    let mut stream = ask.connect(place).await?;
    ask.doing(format!("waiting for the answer of {place} to {path}"));
    let trouble = |error| Trouble::from_io(&error, &format!("asking {place} for {path}"));
    stream.write_all(request.as_bytes()).await.map_err(trouble)?;
    let mut answer = Vec::new();
    while stream.read_buf(&mut answer).await.map_err(trouble)? > 0 {
        if answer.len() > ANSWER_MAX {
            return Err(Trouble::Broken(format!("{path} is answered by more than {ANSWER_MAX} bytes")));
        }
    }
    parse(&answer).ok_or_else(|| {
        let start: String =
            String::from_utf8_lossy(&answer).chars().filter(|one| !one.is_control()).take(60).collect();
        Trouble::Broken(format!("{path} is answered by '{start}'"))
    })
}

/// Reads a whole answer.
pub(crate) fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(answer.get(..end)?);
    let mut first = head.lines().next()?.split(' ');
    if !first.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let body = String::from_utf8_lossy(answer.get(end + 4..)?).into_owned();
    Some(Reply { status: first.next()?.parse().ok()?, body })
}
