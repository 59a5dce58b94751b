//! The Erlang port mapper: which nodes a host has, and where they take other nodes' connections. It
//! answers for nodes that are frozen or whose broker is stopped: being listed says nothing of their health.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;

/// Its port, which nothing ever changes.
const PORT: u16 = 4369;
/// The request for all names: two bytes of length, one of kind.
const NAMES: [u8; 3] = [0, 1, b'n'];
/// The most that an answer may have.
const ANSWER_MAX: u64 = 64 << 10;

/// Asks a host for its nodes: short names and ports.
pub(in crate::rabbitmq) async fn names(host: &str, ask: &Ask) -> Result<Vec<(String, u16)>, Trouble> {
    let place = Place::Tcp(host.to_string(), PORT);
    let mut stream = ask.connect(&place).await?;
    let trouble = |error| Trouble::from_io(&error, &format!("asking the Erlang port mapper {place}"));
    stream.write_all(&NAMES).await.map_err(trouble)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).await.map_err(trouble)?;
    Ok(parse(&answer))
}

/// "name rabbit at port 25672", a line each behind four bytes with the mapper's own port.
pub(super) fn parse(answer: &[u8]) -> Vec<(String, u16)> {
    let text = String::from_utf8_lossy(answer.get(4..).unwrap_or_default());
    let line = |line: &str| {
        let (name, port) = line.strip_prefix("name ")?.split_once(" at port ")?;
        Some((name.to_string(), port.trim().parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_read() {
        let answer = b"\x00\x00\x11\x11name rabbitmqcli-70 at port 35101\nname rabbit at port 25672\n";
        assert_eq!(parse(answer), [("rabbitmqcli-70".to_string(), 35101), ("rabbit".to_string(), 25672)]);
        assert_eq!(parse(b"\x00\x00\x11\x11"), []);
        assert_eq!(parse(b"?"), []);
    }
}
