//! The conversation with a MON: greeting, logging in, introducing ourselves, commands.

use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncWriteExt;

use super::bytes::{Reader, Writer};
use super::cephx;
use super::frame::{Frame, Tag, exactly};
use super::{KIND_CLIENT, Login, Reply};
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::reach::Stream;

const BANNER: &[u8] = b"ceph v2\n";
/// Frames with their sums in the places of revision 1.
const REVISION_1: u64 = 1;
const METHOD_CEPHX: u32 = 2;
/// Sums, no encryption: what we read is no secret, and the key is never sent.
const MODE_CRC: u32 = 1;
/// What a MON is told to be logged in to, in front of the name.
const FOR_A_MON: u8 = 10;
/// What a client of Pacific understands; a MON sends away who lacks what its map needs.
const FEATURES: u64 = 0x3f01_cfbf_7ffd_ffff;
/// A connection that is not taken up again when it breaks.
const LOSSY: u64 = 1;
const COMMAND: u16 = 50;
const COMMAND_ACK: u16 = 51;
const PRIORITY: u16 = 127;
const NOT_PERMITTED: i32 = -13;
/// A session brings maps and settings too, which nobody asked for.
const MESSAGES_MAX: usize = 256;
/// What a MON may say of its banner's rest.
const BANNER_MAX: u16 = 1024;

/// A connection to a MON.
#[derive(Debug)]
pub(super) struct Session {
    stream: Stream,
    /// All that was sent and all that was read until the login: both sides sign it.
    sent: Vec<u8>,
    seen: Vec<u8>,
    /// The address we come from, as the MON sees it.
    own: SocketAddr,
}

impl Session {
    /// Connects and greets.
    pub(super) async fn open(place: &Place, ask: &Ask) -> Result<Session, Trouble> {
        let stream = ask.connect(place).await?;
        if let Stream::Tcp(stream) = &stream {
            // Small frames go to and fro: none must wait for the one before to be acknowledged.
            stream
                .set_nodelay(true)
                .map_err(|error| Trouble::from_io(&error, "setting up the connection"))?;
        }
        let own = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut session = Session { stream, sent: Vec::new(), seen: Vec::new(), own };
        let features = Writer::default().u64(REVISION_1).u64(0);
        session
            .write(Writer::default().bytes(BANNER).u16(features.0.len() as u16).bytes(&features.0).0)
            .await?;
        let banner = exactly(&mut session.stream, BANNER.len() + 2, &mut session.seen).await?;
        let length = match banner.strip_prefix(BANNER).and_then(|rest| Reader(rest).u16()) {
            Some(length) if length <= BANNER_MAX => length,
            _ => return Err(broken("it does not speak Ceph's messenger, version 2")),
        };
        let rest = exactly(&mut session.stream, length.into(), &mut session.seen).await?;
        let mut features = Reader(&rest);
        let (supported, required) = (features.u64(), features.u64());
        if supported.is_none_or(|bits| bits & REVISION_1 == 0)
            || required.is_none_or(|bits| bits & !REVISION_1 != 0)
        {
            return Err(broken("it speaks another revision of Ceph's messenger"));
        }
        session
            .send(&Frame::new(Tag::HELLO, Writer::default().u8(KIND_CLIENT as u8).bytes(&no_address().0)))
            .await?;
        let hello = session.expect(Tag::HELLO).await?;
        session.own =
            own_address(hello.segment(0)).ok_or_else(|| broken("its greeting is not understood"))?;
        Ok(session)
    }

    /// Logs in and introduces ourselves to the MON at `address`.
    pub(super) async fn log_in(&mut self, login: &Login, address: SocketAddr) -> Result<(), Trouble> {
        let name = Writer::default().u8(FOR_A_MON).u32(login.kind).blob(login.id.as_bytes()).u64(0);
        let request = Writer::default().u32(METHOD_CEPHX).u32(1).u32(MODE_CRC).blob(&name.0);
        self.send(&Frame::new(Tag::AUTH_REQUEST, request)).await?;
        let more = self.expect(Tag::AUTH_REPLY_MORE).await?;
        let mut payload = Reader(more.segment(0));
        let theirs = payload
            .blob()
            .and_then(cephx::challenge)
            .ok_or_else(|| broken("its challenge is not understood"))?;
        let mut ours = [0; 8];
        getrandom::fill(&mut ours).map_err(|error| Trouble::Broken(format!("no random numbers: {error}")))?;
        let proof = cephx::authenticate(&login.key, theirs, u64::from_le_bytes(ours));
        self.send(&Frame::new(Tag::AUTH_REQUEST_MORE, Writer::default().blob(&proof.0))).await?;
        let done = self.expect(Tag::AUTH_DONE).await?;
        let read = || {
            let mut reader = Reader(done.segment(0));
            let (id, mode) = (reader.u64()?, reader.u32()?);
            Some((id, mode, cephx::session_key(&login.key, reader.blob()?)?))
        };
        let (id, mode, key) = read().ok_or_else(|| broken("its login is not understood"))?;
        if mode != MODE_CRC {
            return Err(broken("it insists on encryption"));
        }
        // Each signs what it has read; the signatures themselves are not part of that.
        let (ours, theirs) = (key.signature(&self.seen), key.signature(&self.sent));
        self.send(&Frame::new(Tag::AUTH_SIGNATURE, Writer::default().bytes(&ours))).await?;
        if self.expect(Tag::AUTH_SIGNATURE).await?.segment(0) != theirs {
            return Err(broken("its signature is wrong: somebody in between changes what is sent"));
        }
        self.introduce(id, address).await
    }

    async fn introduce(&mut self, id: u64, address: SocketAddr) -> Result<(), Trouble> {
        let ident = Writer::default()
            .u8(2)
            .u32(1)
            .bytes(&encoded(self.own).0)
            .bytes(&encoded(address).0)
            .u64(id)
            .u64(1)
            .u64(FEATURES)
            .u64(0)
            .u64(LOSSY)
            .u64(0);
        self.send(&Frame::new(Tag::CLIENT_IDENT, ident)).await?;
        self.expect(Tag::SERVER_IDENT).await.map(|_| ())
    }

    /// Sends all commands, then takes the replies.
    pub(super) async fn run(&mut self, fsid: [u8; 16], commands: &[&str]) -> Result<Vec<Reply>, Trouble> {
        for (number, command) in (1..).zip(commands) {
            self.send(&message(number, fsid, command)).await?;
        }
        let mut replies = vec![None; commands.len()];
        for _ in 0..MESSAGES_MAX {
            let frame = self.next().await?;
            if frame.tag == Tag::MESSAGE
                && let Some((number, reply)) = reply(&frame)
                && let Some(place) =
                    usize::try_from(number).ok().and_then(|number| replies.get_mut(number.checked_sub(1)?))
            {
                *place = Some(reply);
            }
            if replies.iter().all(Option::is_some) {
                return Ok(replies.into_iter().flatten().collect());
            }
        }
        Err(broken("it sends everything but replies"))
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.write(frame.encode()).await
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Trouble> {
        let trouble = |error| Trouble::from_io(&error, "writing to the MON");
        self.stream.write_all(&bytes).await.map_err(trouble)?;
        self.sent.extend(bytes);
        Ok(())
    }

    async fn next(&mut self) -> Result<Frame, Trouble> {
        // Nothing is signed any more that comes with messages, and they may be large.
        self.seen.clear();
        Frame::read(&mut self.stream, &mut self.seen).await
    }

    async fn expect(&mut self, tag: Tag) -> Result<Frame, Trouble> {
        let frame = Frame::read(&mut self.stream, &mut self.seen).await?;
        match frame.tag {
            got if got == tag => Ok(frame),
            Tag::AUTH_BAD_METHOD => Err(refused(frame.segment(0))),
            Tag::IDENT_MISSING_FEATURES => Err(broken("it wants a client of a newer release")),
            Tag(other) => Err(broken(&format!("a frame of kind {other} where {} was due", tag.0))),
        }
    }
}

fn broken(what: &str) -> Trouble {
    Trouble::Broken(format!("the MON's messenger: {what}"))
}

/// Why a MON does not take our login: the key, or the way of logging in.
fn refused(payload: &[u8]) -> Trouble {
    let mut reader = Reader(payload);
    let result = reader.u32().and_then(|_| reader.i32());
    Trouble::Denied(match result {
        Some(NOT_PERMITTED | -1) => "the MON does not take the key".to_string(),
        _ => "the MON wants another way of logging in (no cephx, or encryption only)".to_string(),
    })
}

fn no_address() -> Writer {
    address(0, &[])
}

/// An address behind its marker; kind 2 is the messenger's second version.
fn address(kind: u32, socket: &[u8]) -> Writer {
    let content = Writer::default().u32(kind).u32(0).blob(socket);
    Writer::default().u8(1).u8(1).u8(1).blob(&content.0)
}

fn encoded(at: SocketAddr) -> Writer {
    let port = at.port().to_be_bytes();
    let socket = match at.ip() {
        IpAddr::V4(ip) => Writer::default().u16(2).bytes(&port).bytes(&ip.octets()).u64(0),
        IpAddr::V6(ip) => Writer::default().u16(10).bytes(&port).u32(0).bytes(&ip.octets()).u32(0),
    };
    address(2, &socket.0)
}

/// Our address in a greeting.
pub(super) fn own_address(hello: &[u8]) -> Option<SocketAddr> {
    let mut reader = Reader(hello);
    // The kind of who greets, the address' marker, its version and the oldest that can read it.
    reader.take(4)?;
    let mut content = Reader(reader.blob()?);
    content.u32()?;
    content.u32()?;
    let mut socket = Reader(content.blob()?);
    let family = socket.u16()?;
    let port = u16::from_be_bytes(socket.take(2)?.try_into().ok()?);
    let ip = match family {
        2 => IpAddr::from(<[u8; 4]>::try_from(socket.take(4)?).ok()?),
        10 => {
            socket.u32()?;
            IpAddr::from(<[u8; 16]>::try_from(socket.take(16)?).ok()?)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// A command as a message.
fn message(number: u64, fsid: [u8; 16], command: &str) -> Frame {
    let header = Writer::default()
        .u64(number)
        .u64(number)
        .u16(COMMAND)
        .u16(PRIORITY)
        .u16(1)
        .u32(0)
        .u16(0)
        .u64(0)
        .u8(0)
        .u16(1)
        .u16(0);
    // In front stands what the MONs use among themselves.
    let front = Writer::default().u64(0).u16(u16::MAX).u64(0).bytes(&fsid).u32(1).blob(command.as_bytes());
    Frame { tag: Tag::MESSAGE, segments: vec![header.0, front.0] }
}

/// The number and content of a reply to a command.
pub(super) fn reply(frame: &Frame) -> Option<(u64, Reply)> {
    let mut header = Reader(frame.segment(0));
    header.u64()?;
    let number = header.u64()?;
    if header.u16()? != COMMAND_ACK {
        return None;
    }
    let mut front = Reader(frame.segment(1));
    front.take(8 + 2 + 8)?;
    let result = front.i32()?;
    let words = String::from_utf8_lossy(front.blob()?).into_owned();
    Some((number, Reply { result, words, output: frame.segment(3).to_vec() }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for at in ["10.77.0.11:3300", "[fd00::11]:3300"] {
            let at: SocketAddr = at.parse().unwrap();
            let hello = Writer::default().u8(1).bytes(&encoded(at).0);
            assert_eq!(own_address(&hello.0), Some(at));
        }
        assert_eq!(own_address(&Writer::default().u8(1).bytes(&no_address().0).0), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = own_address(&bytes);
            let _ = refused(&bytes);
            let _ = reply(&Frame { tag: Tag::MESSAGE, segments: vec![bytes.clone(), bytes] });
        }
    }
}
