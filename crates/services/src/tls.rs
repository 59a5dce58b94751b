//! A TLS client's first words, to see whether a server lives that speaks nothing else.
//!
//! The answer, be it a hello or a refusal (an alert), is all that is wanted: nothing is encrypted, no
//! certificate is looked at, the connection is dropped. That needs no TLS library.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;

/// Records that a server may answer a hello with (RFC 8446, section 5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Says hello and waits for the answer's first bytes.
///
/// # Errors
/// When nobody listens, or what answers does not speak TLS.
pub(crate) async fn hello(place: &Place, ask: &Ask) -> Result<(), Trouble> {
    let mut stream = ask.connect(place).await?;
    ask.doing(format!("waiting for the TLS hello of {place}"));
    let trouble = |error| Trouble::from_io(&error, &format!("greeting {place} by TLS"));
    stream.write_all(&client_hello()).await.map_err(trouble)?;
    let mut head = [0; 3];
    stream.read_exact(&mut head).await.map_err(trouble)?;
    if is_tls(head) { Ok(()) } else { Err(Trouble::Broken(format!("{place} does not speak TLS"))) }
}

/// Kind of record, major version.
fn is_tls([kind, major, _]: [u8; 3]) -> bool {
    matches!(kind, ALERT | HANDSHAKE) && major == 3
}

/// For TLS 1.2, with suites that any server of it has one of. One that wants 1.3 answers by an alert.
fn client_hello() -> Vec<u8> {
    const SUITES: [u16; 6] = [0xc02f, 0xc030, 0xc02b, 0xc02c, 0x009c, 0x002f];
    // supported_groups: x25519, secp256r1; signature_algorithms: RSA-PSS, ECDSA and RSA with SHA-256.
    const EXTENSIONS: [u8; 22] =
        [0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 13, 0, 8, 0, 6, 0x08, 0x04, 0x04, 0x03, 0x04, 0x01];
    let mut body = vec![3, 3];
    // Need not be random: no key comes of it.
    body.extend([0x61; 32]);
    body.push(0);
    body.extend(((SUITES.len() * 2) as u16).to_be_bytes());
    body.extend(SUITES.into_iter().flat_map(u16::to_be_bytes));
    body.extend([1, 0]);
    body.extend((EXTENSIONS.len() as u16).to_be_bytes());
    body.extend(EXTENSIONS);
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_within_a_hello_agree() {
        let hello = client_hello();
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
    }

    #[test]
    fn a_hello_or_an_alert_is_an_answer() {
        assert!(is_tls([22, 3, 3]) && is_tls([21, 3, 3]));
        assert!(!is_tls(*b"HTT") && !is_tls(*b"ERR"));
    }
}
