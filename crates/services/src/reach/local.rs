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

/// The program is killed when the caller stops waiting. Texts are asked for in English, whatever the locale.
pub(super) async fn run(name: &str, arguments: &[&str]) -> Result<Output, Trouble> {
    program::output(Command::new(name).args(arguments).env("LC_ALL", "C")).await.map_err(|error| match error
        .kind()
    {
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
