//! AMQP's greeting: what a broker says of itself to anybody who connects, before any login. It proves that
//! the broker takes clients: the kernel accepts connections for a frozen one too, but nobody greets.
//!
//! RabbitMQ and our own broker are both asked so; `amqp` has the codec.

use amqp::frame;
use amqp::table::{RawTable, ValueRef};
use amqp::{Frame, Method};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[("amqp: greeting", |bytes| drop(parse(bytes)))];

/// The most that a greeting may have; RabbitMQ's has about 500 bytes.
const GREETING_MAX: u32 = 64 << 10;
/// How a record of TLS begins that says what went wrong (RFC 8446, section 5.1).
const TLS_ALERT: [u8; 2] = [21, 3];

/// What a broker says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// "RabbitMQ", whatever speaks as it does.
    pub product: String,
    /// The version it states.
    pub version: String,
    /// What it is built with: "Erlang/OTP 25.2.3".
    pub platform: String,
    /// What it says beside.
    pub information: String,
    /// The cluster's name.
    pub cluster: String,
    /// Whether it wants TLS; then it was not understood, and said so: it is there, and nothing else is known.
    pub tls: bool,
}

impl Greeting {
    /// Whether this is our own broker, which states RabbitMQ's name and version for the clients' sake.
    pub fn is_aileron(&self) -> bool {
        self.information.starts_with("aileron")
    }
}

/// Connects and reads the greeting.
///
/// # Errors
/// When nobody listens, or it is no broker that answers.
pub(crate) async fn greet(place: &Place, ask: &Ask) -> Result<Greeting, Trouble> {
    let mut stream = ask.connect(place).await?;
    ask.doing(format!("waiting for the greeting of {place}"));
    let trouble = |error| Trouble::from_io(&error, &format!("greeting {place}"));
    stream.write_all(&frame::PROTOCOL_HEADER).await.map_err(trouble)?;
    let mut answer = Vec::new();
    loop {
        if let Some(greeting) = parse(&answer)? {
            return Ok(greeting);
        }
        if stream.read_buf(&mut answer).await.map_err(trouble)? == 0 {
            return Err(Trouble::Broken(format!("{place} hung up instead of a greeting")));
        }
    }
}

/// Reads a greeting; `None` as long as it is not whole.
///
/// # Errors
/// When it is none.
pub(crate) fn parse(answer: &[u8]) -> Result<Option<Greeting>, Trouble> {
    if answer.starts_with(&TLS_ALERT) {
        return Ok(Some(Greeting { tls: true, ..Greeting::default() }));
    }
    let broken = |what: String| Trouble::Broken(format!("the greeting is {what}"));
    if answer.starts_with(b"AMQP") || answer.starts_with(b"HTTP") {
        let start: String = String::from_utf8_lossy(answer).chars().take(8).collect();
        return Err(broken(format!("'{}', it speaks something else", start.escape_debug())));
    }
    let Some((Frame { payload, .. }, _)) =
        frame::split(answer, GREETING_MAX).map_err(|error| broken(format!("no frame: {error}")))?
    else {
        return Ok(None);
    };
    match Method::decode(payload) {
        Ok(Method::ConnectionStart(start)) => Ok(Some(of(&start.server_properties))),
        Ok(other) => Err(broken(format!("{}, not connection.start", other.id().name()))),
        Err(error) => Err(broken(format!("no method: {error}"))),
    }
}

fn of(properties: &RawTable<'_>) -> Greeting {
    let text = |name: &str| match properties.get(name) {
        Some(ValueRef::LongStr(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    Greeting {
        product: text("product"),
        version: text("version"),
        platform: text("platform"),
        information: text("information"),
        cluster: text("cluster_name"),
        tls: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rabbitmq_says_who_it_is() {
        let answer = include_bytes!("rabbitmq/recorded/greeting.bin");
        let greeting = parse(answer).unwrap().unwrap();
        assert_eq!((greeting.product.as_str(), greeting.version.as_str()), ("RabbitMQ", "3.10.8"));
        assert_eq!(greeting.cluster, "rabbit@controller-0.internalapi.localdomain");
        assert_eq!(greeting.platform, "Erlang/OTP 25.2.3");
        assert!(!greeting.is_aileron());
        // However it is cut, no half of it is one.
        for end in 0..answer.len() {
            assert_eq!(parse(&answer[..end]).unwrap(), None, "{end}");
        }
    }

    #[test]
    fn our_own_broker_is_told_from_rabbitmq() {
        let greeting = parse(include_bytes!("aileron/recorded/greeting.bin")).unwrap().unwrap();
        assert!(greeting.is_aileron());
        assert_eq!(greeting.product, "RabbitMQ");
    }

    #[test]
    fn who_wants_tls_says_so_and_others_are_no_brokers() {
        assert!(parse(include_bytes!("rabbitmq/recorded/tls_alert.bin")).unwrap().unwrap().tls);
        for other in [b"AMQP\x00\x00\x09\x01".as_slice(), b"HTTP/1.1 400 Bad Request", b"SSH-2.0-OpenSSH"] {
            assert!(parse(other).is_err(), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
