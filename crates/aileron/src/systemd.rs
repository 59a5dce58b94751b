//! What the service manager is told: ready, stopping, and that the broker still answers.
//!
//! `serve` is next door. The watchdog's word is sent only after the broker has answered as it would
//! answer a client: a connection to its listener was greeted, and its state could be read, which takes
//! the locks that work takes; and only while the disk answers its logs. A broker that has stopped working is so killed
//! and started again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::time::Duration;

use broker::Broker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a client of AMQP 0-9-1 says first.
const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// How a broker's greeting begins: a method frame on channel 0.
const GREETING: [u8; 3] = [1, 0, 0];

/// Sends a state to the service manager, if it asked for one (`sd_notify`'s protocol: one datagram).
pub(crate) fn tell(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let Ok(socket) = std::os::unix::net::UnixDatagram::unbound() else { return };
    let text = path.to_string_lossy();
    let sent = match text.strip_prefix('@') {
        Some(name) => std::os::unix::net::SocketAddr::from_abstract_name(name)
            .and_then(|address| socket.send_to_addr(state.as_bytes(), &address)),
        None => socket.send_to(state.as_bytes(), &path),
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager could not be told {state}");
    }
}

/// Feeds the service manager's watchdog for as long as the broker answers; returns at once where no
/// watchdog waits for this process.
pub(crate) async fn feed_watchdog(broker: Broker) {
    let variable = |name| std::env::var(name).ok();
    let Some(limit) =
        watchdog_time(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref())
    else {
        return;
    };
    loop {
        // Half the time for the answer and a quarter for the pause leave a quarter to spare.
        match tokio::time::timeout(limit / 2, answers(&broker)).await {
            Ok(Ok(())) => tell("WATCHDOG=1"),
            Ok(Err(error)) => tracing::warn!(%error, "the broker does not answer its watchdog"),
            Err(_) => tracing::warn!("the broker did not answer its watchdog in {:?}", limit / 2),
        }
        tokio::time::sleep(limit / 4).await;
    }
}

/// The time within which the service manager wants to hear; `None` if it is not waiting for us.
fn watchdog_time(microseconds: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(std::process::id())) {
        return None;
    }
    let microseconds = microseconds?.parse().ok().filter(|time| *time > 0)?;
    Some(Duration::from_micros(microseconds))
}

/// Whether the broker does its work, and its disk too.
pub(crate) async fn answers(broker: &Broker) -> std::io::Result<()> {
    if let Some(address) = broker.addresses().first() {
        greeted(*address).await?;
    }
    if let Some(hung) = broker.hung_disk() {
        return Err(std::io::Error::other(hung));
    }
    let broker = broker.clone();
    tokio::task::spawn_blocking(move || drop(broker.status())).await.map_err(std::io::Error::other)
}

/// Connects as a client does and waits for the greeting. A broker that takes the connection and closes
/// it has as many clients as it may have, and is well.
async fn greeted(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(from_here(address)).await?;
    stream.write_all(PROTOCOL_HEADER).await?;
    let mut greeting = [0; GREETING.len()];
    match stream.read_exact(&mut greeting).await {
        Ok(_) if greeting == GREETING => Ok(()),
        Ok(_) => Err(std::io::Error::other("the greeting is not AMQP's")),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error),
    }
}

/// The address by which this host reaches a listener of its own.
fn from_here(listener: SocketAddr) -> SocketAddr {
    let host = match listener.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        own => own,
    };
    SocketAddr::new(host, listener.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn the_watchdog_is_for_the_process_it_names() {
        let own = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog_time(Some("1000000"), Some(&own)), second);
        assert_eq!(watchdog_time(Some("1000000"), None), second);
        assert_eq!(watchdog_time(Some("1000000"), Some("1")), None);
        for none in [None, Some(""), Some("0"), Some("-1"), Some("soon")] {
            assert_eq!(watchdog_time(none, Some(&own)), None, "{none:?}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_over_the_loopback() {
        for (listener, reached) in [
            ("0.0.0.0:5672", "127.0.0.1:5672"),
            ("[::]:5672", "[::1]:5672"),
            ("192.0.2.7:5672", "192.0.2.7:5672"),
        ] {
            assert_eq!(from_here(listener.parse().expect("an address")).to_string(), reached);
        }
    }

    /// A listener that answers its first connection with these bytes and closes it.
    async fn listener(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut header = [0; 8];
            stream.read_exact(&mut header).await.expect("a header");
            assert_eq!(header, PROTOCOL_HEADER);
            stream.write_all(answer).await.expect("written");
        });
        address
    }

    #[tokio::test]
    async fn only_an_answer_is_an_answer() {
        greeted(listener(b"\x01\x00\x00\x00\x00\x01").await).await.expect("a greeting");
        greeted(listener(b"").await).await.expect("closed: there are too many clients");
        greeted(listener(b"HTTP/1.1 400").await).await.expect_err("somebody else");
        // The kernel takes connections for a process that does not: that must not count.
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = silent.local_addr().expect("its address");
        tokio::time::timeout(Duration::from_millis(300), greeted(address)).await.expect_err("no answer");
        drop(silent);
        greeted(address).await.expect_err("nobody listens");
    }
}
