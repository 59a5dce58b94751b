//! A small client of a MON: logs in and runs commands that only read, as the `ceph` tool does, in a few
//! milliseconds instead of a second and without the tool being installed on the host.
//!
//! `frame` is the messenger's framing, `cephx` the cryptography of logging in, `bytes` the encoding below
//! both; `session` is the conversation. Only what that needs is here: version 2 of the messenger (Nautilus
//! and newer) with sums instead of encryption, and keys of the one kind that all releases have.

mod bytes;
mod cephx;
mod frame;
mod session;

use std::net::SocketAddr;

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;

/// Reads bytes as each of the things that the other side says, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn parse(bytes: &[u8]) {
    let _ = (frame::preamble(bytes), cephx::challenge(bytes), session::own_address(bytes));
    if let Some(key) = cephx::Key::from_base64("AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==") {
        let _ = cephx::session_key(&key, bytes);
    }
    let (front, back) = bytes.split_at(bytes.len() / 2);
    let _ = session::reply(&frame::Frame {
        tag: frame::Tag::MESSAGE,
        segments: vec![front.to_vec(), back.to_vec()],
    });
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Login {
    kind: u32,
    id: String,
    key: cephx::Key,
}

const KIND_MON: u32 = 1;
const KIND_CLIENT: u32 = 8;

impl Login {
    /// From a name (`client.admin`, `mon.`) and a key as keyrings have it.
    pub(super) fn new(name: &str, key: &str) -> Option<Login> {
        let (kind, id) = name.split_once('.')?;
        let kind = match kind {
            "client" => KIND_CLIENT,
            "mon" => KIND_MON,
            _ => return None,
        };
        Some(Login { kind, id: id.to_string(), key: cephx::Key::from_base64(key)? })
    }
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// 0, or an error's number below it.
    pub result: i32,
    /// The error in words.
    pub words: String,
    /// The output.
    pub output: Vec<u8>,
}

/// Asks a MON for its greeting, which needs no key: whoever greets is there and not frozen.
pub(super) async fn greet(place: &Place, ask: &Ask) -> Result<(), Trouble> {
    session::Session::open(place, ask).await.map(|_| ())
}

/// Runs commands (as JSON) at the MON at `address`, all over one connection; a reply for each.
pub(super) async fn commands(
    address: SocketAddr,
    fsid: [u8; 16],
    login: &Login,
    commands: &[&str],
    ask: &Ask,
) -> Result<Vec<Reply>, Trouble> {
    let place = Place::Tcp(address.ip().to_string(), address.port());
    let mut session = session::Session::open(&place, ask).await?;
    session.log_in(login, address).await?;
    ask.doing(format!("waiting for the answer of {place} to {}", commands.join(", ")));
    session.run(fsid, commands).await
}
