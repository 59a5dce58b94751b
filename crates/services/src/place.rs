//! Where a member listens.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An address that can be connected to, or a program that is run instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A TCP port; the host is a name or an address without brackets.
    Tcp(String, u16),
    /// A Unix socket, by its path on the host.
    Unix(PathBuf),
    /// Nothing to connect to: the state is asked by running this program on the host.
    Program(String),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(host, port) if host.contains(':') => write!(out, "[{host}]:{port}"),
            Place::Tcp(host, port) => write!(out, "{host}:{port}"),
            Place::Unix(path) => write!(out, "{}", path.display()),
            Place::Program(name) => out.write_str(name),
        }
    }
}
