//! Erlang's own protocol between nodes ("Distribution Protocol" in the run-time system's manual), as far as
//! it takes to call functions on a node: what `rabbitmqctl` does, without starting an Erlang machine for it.
//!
//! Measured on two cores with Debian's 3.10.8: `rabbitmqctl cluster_status` takes 1.6 s and as much of a
//! processor, a survey may take less than that in all; the calls here take 5 ms. And `cluster_status` asks the
//! other nodes too, so it hangs with one of them; each call here asks for what the node itself knows.
//!
//! We come as a hidden node, which no member tells the others of, and go with the connection. It takes the
//! cookie, as all of this does.

mod epmd;
mod term;

use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Duration, Instant, timeout_at};

pub(super) use epmd::names;
pub(super) use term::{Term, atom};

use crate::answer::Trouble;

/// Reads bytes as each of the things that the other side says, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn parse(bytes: &[u8]) {
    let _ = (epmd::parse(bytes), challenged(bytes), answer(bytes, "node"), Term::read(&mut &*bytes));
}

/// What the other side has to know that we can: exactly what Erlang 25 and 26 insist on.
const CAPABILITIES: u64 = 0x4 // extended references
    | 0x10 | 0x80 // functions, old and new
    | 0x100 // extended process numbers
    | 0x200 // exports
    | 0x400 // binaries of bits
    | 0x800 // floats of eight bytes
    | 0x1_0000 // atoms in UTF-8
    | 0x2_0000 // maps
    | 0x4_0000 // creations of four bytes
    | 0x100_0000 // this form of the handshake
    | 0x200_0000 // numbered unlinks
    | 0x4_0000_0000; // process numbers of 64 bits
/// Which life of ours this is; a node that has one has one only.
const CREATION: u32 = 1;
/// The most that one answer may have.
const ANSWER_MAX: usize = 4 << 20;
/// The calls that are not answered by then are not waited for, once some are: another node holds them up.
const STRAGGLERS: Duration = Duration::from_millis(250);
/// Control messages: to a process, to a name.
const SEND: i64 = 2;
const SEND_TO_NAME: i64 = 6;

/// A function to be called on a node: module, function, arguments.
pub(super) type Call = (&'static str, &'static str, Vec<Term>);

/// A connection to a node.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    own: String,
    /// The node's full name.
    pub(super) node: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Shakes hands; both sides prove that they know the cookie.
    ///
    /// # Errors
    /// When it is another cookie, or no node that speaks as Erlang 23 and later do.
    pub(super) async fn open(mut stream: S, cookie: &[u8]) -> Result<Connection<S>, Trouble> {
        let trouble = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Trouble::Denied("the node hung up on us".to_string()),
            _ => Trouble::from_io(&error, "shaking hands with the node"),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let own = format!("aileron-{}-{}@survey", std::process::id(), since.as_nanos());
        send(&mut stream, &introduction(&own)).await.map_err(trouble)?;
        let status = receive(&mut stream).await.map_err(trouble)?;
        if status != b"sok" && status != b"sok_simultaneous" {
            let said = String::from_utf8_lossy(status.get(1..).unwrap_or_default()).into_owned();
            return Err(Trouble::Denied(format!("the node says '{}'", said.escape_debug())));
        }
        let challenge = receive(&mut stream).await.map_err(trouble)?;
        let (number, node) = challenged(&challenge)
            .ok_or_else(|| Trouble::Broken("the node shakes hands as before Erlang 23".to_string()))?;
        let own_number = since.subsec_nanos();
        let mut reply = vec![b'r'];
        reply.extend(own_number.to_be_bytes());
        reply.extend(proof(cookie, number));
        send(&mut stream, &reply).await.map_err(trouble)?;
        let proven = receive(&mut stream).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Trouble::Denied(format!("{node} has another cookie")),
            _ => trouble(error),
        })?;
        if proven.strip_prefix(b"a") != Some(proof(cookie, own_number).as_slice()) {
            return Err(Trouble::Denied(format!("{node} does not prove that it knows the cookie")));
        }
        Ok(Connection { stream, own, node })
    }

    /// Calls all functions at once and gives their results in this order. One that has failed, or had not
    /// come when the time was up, is `None`.
    pub(super) async fn call(&mut self, calls: &[Call], until: Instant) -> Vec<Option<Term>> {
        let mut results = vec![None; calls.len()];
        let mut questions = Vec::new();
        for (number, call) in (0..).zip(calls) {
            questions.extend(self.question(number, call));
        }
        let mut until = until;
        if !matches!(timeout_at(until, self.stream.write_all(&questions)).await, Ok(Ok(()))) {
            return results;
        }
        let mut missing = calls.len();
        while missing > 0 {
            let Ok(Ok(message)) = timeout_at(until, message(&mut self.stream)).await else { break };
            let Some((number, result)) = answer(&message, &self.own) else { continue };
            let Some(place) = results.get_mut(number as usize) else { continue };
            missing -= 1;
            *place = Some(result).filter(|result| !is_failure(result));
            until = until.min(Instant::now() + STRAGGLERS);
        }
        results
    }

    /// What `rpc:call` sends to the node's server for it, and whom to answer.
    fn question(&self, number: u32, (module, function, arguments): &Call) -> Vec<u8> {
        let own = Term::Pid(self.own.clone(), CREATION);
        let control = Term::Tuple(vec![Term::Int(SEND_TO_NAME), own.clone(), atom(""), atom("rex")]);
        let reference = Term::Reference(self.own.clone(), CREATION, number);
        let call = Term::Tuple(vec![
            atom("call"),
            atom(module),
            atom(function),
            Term::List(arguments.clone()),
            own.clone(),
        ]);
        let message = Term::Tuple(vec![atom("$gen_call"), Term::Tuple(vec![own, reference]), call]);
        let mut bytes = vec![b'p'];
        control.write(&mut bytes);
        message.write(&mut bytes);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        [length.as_slice(), &bytes].concat()
    }
}

fn introduction(own: &str) -> Vec<u8> {
    let mut bytes = vec![b'N'];
    bytes.extend(CAPABILITIES.to_be_bytes());
    bytes.extend(CREATION.to_be_bytes());
    bytes.extend(u16::try_from(own.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(own.bytes());
    bytes
}

/// The other side's challenge and name.
fn challenged(bytes: &[u8]) -> Option<(u32, String)> {
    let rest = bytes.strip_prefix(b"N")?.get(8..)?;
    let (number, rest) = rest.split_first_chunk::<4>()?;
    let name = rest.get(6..)?;
    Some((u32::from_be_bytes(*number), String::from_utf8_lossy(name).into_owned()))
}

/// What only who knows the cookie can answer.
fn proof(cookie: &[u8], challenge: u32) -> [u8; 16] {
    Md5::new().chain_update(cookie).chain_update(challenge.to_string()).finalize().into()
}

/// Sends a message of the handshake: two bytes of length before it.
async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&length, bytes].concat()).await
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// The next message that is no sign of life: four bytes of length before it.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    loop {
        let length = stream.read_u32().await? as usize;
        if length > ANSWER_MAX {
            return Err(std::io::Error::other("an answer without an end"));
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await?;
        if length > 0 {
            return Ok(bytes);
        }
    }
}

/// Which call a message answers, and with what.
fn answer(message: &[u8], own: &str) -> Option<(u32, Term)> {
    let mut rest = message.strip_prefix(b"p")?;
    let control = Term::read(&mut rest)?;
    let [Term::Int(SEND), ..] = control.items() else { return None };
    let Term::Tuple(mut answer) = Term::read(&mut rest)? else { return None };
    let result = answer.pop()?;
    match answer.as_slice() {
        [Term::Reference(node, CREATION, number)] if node == own => Some((*number, result)),
        _ => None,
    }
}

/// Whether the function failed, as `rpc:call` tells it.
fn is_failure(result: &Term) -> bool {
    matches!(result.items(), [Term::Atom(first), ..] if first == "badrpc")
}

/// The results of a recorded conversation, as [`Connection::call`] gives them.
#[cfg(test)]
pub(super) fn recorded(mut bytes: &[u8], calls: usize) -> Vec<Option<Term>> {
    let mut results = vec![None; calls];
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        // A function that logs sends that to us too, where its output goes.
        if let Some((number, result)) = answer(message, "aileron-1-1@survey") {
            results[number as usize] = Some(result).filter(|result| !is_failure(result));
        }
        bytes = rest;
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_answer_is_read() {
        let recording = include_bytes!("../recorded/healthy.bin");
        let length = u32::from_be_bytes(recording[..4].try_into().unwrap()) as usize;
        let (message, own) = (&recording[4..4 + length], "aileron-1-1@survey");
        let (number, result) = answer(message, own).unwrap();
        assert_eq!(number, 0);
        assert_eq!(result.items().len(), 3, "the running nodes");
        assert_eq!(answer(message, "another@survey"), None);
        for end in 0..message.len() {
            assert_eq!(answer(&message[..end], own), None);
        }
    }

    #[tokio::test]
    async fn another_cookie_is_no_way_in() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let node = tokio::spawn(async move {
            let introduction = receive(&mut theirs).await.unwrap();
            assert_eq!(introduction[0], b'N');
            send(&mut theirs, b"sok").await.unwrap();
            let mut challenge = introduction[..9].to_vec();
            challenge.extend(4711_u32.to_be_bytes());
            challenge.extend([0, 0, 0, 1, 0, 8]);
            challenge.extend(b"rabbit@a");
            send(&mut theirs, &challenge).await.unwrap();
            let reply = receive(&mut theirs).await.unwrap();
            assert_eq!(reply[5..], proof(b"WRONG", 4711));
            assert_ne!(reply[5..], proof(b"RIGHT", 4711));
        });
        let trouble = Connection::open(ours, b"WRONG").await.unwrap_err();
        assert_eq!(trouble, Trouble::Denied("rabbit@a has another cookie".to_string()));
        node.await.unwrap();
    }
}
