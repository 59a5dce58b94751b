//! How a host is reached: as the one we run on, or by ssh.
//!
//! | room | what |
//! |---|---|
//! | `local` | this host |
//! | `ssh`, `control` | a host behind OpenSSH, and the sockets that its calls share |
//! | `tunnel` | a connection through ssh |
//! | `program` | runs a program with a bound on what it may say |
//! | `complaint` | what it means that ssh complains |

mod complaint;
mod control;
mod local;
mod program;
mod ssh;
mod tunnel;

use std::path::Path;
use std::pin::Pin;
use std::process::Output;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

pub(crate) use ssh::quoted;
pub use ssh::{Become, Ssh, UnsafeArgument};
use tunnel::Tunnel;

use crate::answer::Trouble;
use crate::place::Place;

/// The most that is read of one file: configuration and state files are far smaller.
pub const FILE_MAX: u64 = 4 << 20;

/// A way to one host.
#[derive(Debug)]
pub enum Reach {
    /// The host this process runs on.
    Local,
    /// Another one.
    Ssh(Box<Ssh>),
}

impl Reach {
    pub(crate) async fn connect(&self, place: &Place) -> Result<Stream, Trouble> {
        match self {
            Reach::Local => local::connect(place).await,
            Reach::Ssh(ssh) => ssh.connect(place).await,
        }
    }

    pub(crate) async fn dial(&self, place: &Place) -> Result<Place, Trouble> {
        match self {
            Reach::Local => Ok(place.clone()),
            Reach::Ssh(ssh) => ssh.dial(place).await,
        }
    }

    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, Trouble> {
        match self {
            Reach::Local => local::run(program, arguments).await,
            Reach::Ssh(ssh) => ssh.run(program, arguments).await,
        }
    }

    pub(crate) async fn read(&self, path: &Path) -> Result<Vec<u8>, Trouble> {
        match self {
            Reach::Local => local::read(path).await,
            Reach::Ssh(ssh) => ssh.read(path).await,
        }
    }
}

/// A connection of either family.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Through ssh.
    Tunnel(Box<Tunnel>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tunnel(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tunnel(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tunnel(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tunnel(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
