//! The host this process runs on.

use std::path::Path;
use std::process::Output;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::process::Command;

use super::{FILE_MAX, Stream, program};
use crate::answer::Trouble;
use crate::place::Place;

pub(super) async fn connect(place: &Place) -> Result<Stream, Trouble> {
    let connected = match place {
        Place::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).await.map(Stream::Tcp),
        Place::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        Place::Program(name) => {
            return Err(Trouble::Broken(format!("{name} is a program, not an address")));
        }
    };
    connected.map_err(|error| Trouble::from_io(&error, &format!("connecting to {place}")))
}

/// Where programs are beside the caller's folders: a user's PATH may have none of root's.
const FOLDERS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program is killed when the caller stops waiting. Texts are asked for in English, whatever the locale.
pub(super) async fn run(name: &str, arguments: &[&str]) -> Result<Output, Trouble> {
    let path = match std::env::var("PATH") {
        Ok(own) if !own.is_empty() => format!("{own}:{FOLDERS}"),
        _ => FOLDERS.to_string(),
    };
    let mut command = Command::new(name);
    // The program is looked for in the PATH that it is given.
    command.args(arguments).env("LC_ALL", "C").env("PATH", path);
    program::output(&mut command).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Trouble::Denied(format!("{name} is not installed")),
        _ => Trouble::from_io(&error, &format!("running {name}")),
    })
}

pub(super) async fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    let trouble = |error| Trouble::from_io(&error, &format!("reading {}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(trouble)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).await.map_err(trouble)?;
    Ok(bytes)
}
