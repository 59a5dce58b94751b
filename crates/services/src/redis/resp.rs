//! The protocol's second version, as far as a reader of answers needs it (redis.io, "RESP protocol
//! spec"): simple strings, errors, numbers, bulk strings, arrays.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::reach::Stream;

/// The most that one answer may hold; `INFO` has about 5 kB, a Sentinel's list 1 kB an entry.
const ANSWER_MAX: usize = 1 << 20;
/// The deepest nesting: a list of entries is two deep.
const DEPTH_MAX: usize = 4;
/// The longest list.
const LIST_MAX: usize = 4096;

/// One value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A simple or bulk string.
    Text(String),
    /// An error, without its leading minus.
    Error(String),
    /// A number.
    Number(i64),
    /// Nothing.
    Nil,
    /// A list.
    List(Vec<Value>),
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            _ => &[],
        }
    }

    /// The names and values of a list that alternates them.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list().as_chunks::<2>().0.iter().filter_map(|[name, value]| Some((name.text()?, value.text()?)))
    }
}

/// Reads one value at the front: it and its length, or `None` if not all of it is there yet.
///
/// # Errors
/// When it is no RESP, or goes beyond the limits.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
    value(bytes, DEPTH_MAX)
}

fn value(bytes: &[u8], depth: usize) -> Result<Option<(Value, usize)>, String> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return if bytes.len() > ANSWER_MAX { Err("a line without an end".into()) } else { Ok(None) };
    };
    let line = String::from_utf8_lossy(bytes.get(1..end).unwrap_or_default()).into_owned();
    let used = end + 2;
    let length = || line.parse::<i64>().map_err(|_| format!("'{}' is no length", shorten(&line)));
    Ok(match bytes.first() {
        Some(b'+') => Some((Value::Text(line), used)),
        Some(b'-') => Some((Value::Error(line), used)),
        Some(b':') => Some((Value::Number(length()?), used)),
        Some(b'$') => match usize::try_from(length()?) {
            Err(_) => Some((Value::Nil, used)),
            Ok(size) if size > ANSWER_MAX => return Err(format!("a string of {size} bytes")),
            Ok(size) => bytes.get(used..used + size).and_then(|body| {
                let text = String::from_utf8_lossy(body).into_owned();
                (bytes.len() >= used + size + 2).then_some((Value::Text(text), used + size + 2))
            }),
        },
        Some(b'*') => match usize::try_from(length()?) {
            Err(_) => Some((Value::Nil, used)),
            Ok(count) if count > LIST_MAX || depth == 0 => {
                return Err(format!("a list of {count}, {} deep", DEPTH_MAX - depth));
            }
            Ok(count) => list(bytes, used, count, depth - 1)?,
        },
        _ => return Err(format!("'{}'", shorten(&String::from_utf8_lossy(bytes)))),
    })
}

fn list(bytes: &[u8], mut used: usize, count: usize, depth: usize) -> Result<Option<(Value, usize)>, String> {
    let mut items = Vec::new();
    for _ in 0..count {
        let Some((item, length)) = value(bytes.get(used..).unwrap_or_default(), depth)? else {
            return Ok(None);
        };
        items.push(item);
        used += length;
    }
    Ok(Some((Value::List(items), used)))
}

fn shorten(text: &str) -> String {
    text.chars().take(60).filter(|one| !one.is_control()).collect()
}

/// A connection to a server or Sentinel.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    place: Place,
    unread: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(place: &Place, ask: &Ask) -> Result<Connection, Trouble> {
        let stream = ask.connect(place).await?;
        Ok(Connection { stream, place: place.clone(), unread: Vec::new() })
    }

    /// Asks one command and waits for its answer.
    pub(super) async fn say(&mut self, words: &[&str], ask: &Ask) -> Result<Value, Trouble> {
        self.send(words).await?;
        // A password has no place in a message.
        let shown = if words.first() == Some(&"AUTH") { "AUTH".to_string() } else { words.join(" ") };
        ask.doing(format!("waiting for the answer of {} to {shown}", self.place));
        self.answer().await
    }

    async fn send(&mut self, words: &[&str]) -> Result<(), Trouble> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.stream.write_all(command.as_bytes()).await.map_err(|error| self.trouble(&error))
    }

    /// Waits for an answer.
    pub(super) async fn answer(&mut self) -> Result<Value, Trouble> {
        loop {
            let parsed = parse(&self.unread)
                .map_err(|cause| Trouble::Broken(format!("{} answers {cause}", self.place)))?;
            if let Some((value, used)) = parsed {
                self.unread.drain(..used.min(self.unread.len()));
                return Ok(value);
            }
            if self.unread.len() > 2 * ANSWER_MAX {
                return Err(Trouble::Broken(format!("{} bytes without an end", self.unread.len())));
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) => return Err(Trouble::Broken(format!("{} closed the connection", self.place))),
                Ok(_) => {}
                Err(error) => return Err(self.trouble(&error)),
            }
        }
    }

    fn trouble(&self, error: &std::io::Error) -> Trouble {
        Trouble::from_io(error, &format!("asking {}", self.place))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> Value {
        let (value, used) = parse(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        value
    }

    #[test]
    fn each_kind_is_read() {
        let text = |text: &str| Value::Text(text.to_string());
        assert_eq!(whole(b"+PONG\r\n"), text("PONG"));
        assert_eq!(whole(b"-NOAUTH x\r\n"), Value::Error("NOAUTH x".into()));
        assert_eq!(whole(b":-3\r\n"), Value::Number(-3));
        assert_eq!(whole(b"$3\r\na\r\n\r\n"), text("a\r\n"));
        assert_eq!(whole(b"$-1\r\n"), Value::Nil);
        assert_eq!(whole(b"*-1\r\n"), Value::Nil);
        let list = whole(b"*3\r\n$1\r\na\r\n:1\r\n*0\r\n");
        assert_eq!(list, Value::List(vec![text("a"), Value::Number(1), Value::List(vec![])]));
    }

    #[test]
    fn a_part_asks_for_more_and_too_much_is_refused() {
        let all = b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n";
        for end in 0..all.len() {
            assert_eq!(parse(&all[..end]), Ok(None), "{end}");
        }
        assert!(parse(b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n").is_err());
        assert!(parse(b"$99999999999\r\n").is_err());
        assert!(parse(b"*99999999999\r\n").is_err());
        assert!(parse(b"HTTP/1.1 400 Bad Request\r\n").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn marks_and_numbers_are_read_without_a_panic(text in "([*$:+-]-?[0-9]{0,3}\r\n){0,8}") {
            let _ = parse(text.as_bytes());
        }
    }
}
