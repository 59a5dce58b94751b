//! Why the daemon ends other than by being asked to: each names the thing, and what to do.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use broker::StartError;

use super::data_folder::DataFolderError;
use crate::holder;

/// See the module's documentation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// An address in the configuration is none of this machine's or has no such name.
    #[error("cannot resolve '{address}' of broker.listen: {source}")]
    Address {
        /// The address as configured.
        address: String,
        /// What the resolver says.
        source: std::io::Error,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The control socket cannot be made.
    #[error("cannot listen on the control socket {}: {source}{}", path.display(), socket_remedy(path, source))]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An address cannot be had.
    #[error("cannot listen on {address} (broker.listen): {source}{}", holder::way_to(*address, source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The broker does not start.
    #[error(transparent)]
    Start(StartError),
    /// The operating system refuses something the daemon cannot do without.
    #[error("cannot {attempted}: {source}")]
    System {
        /// What was attempted.
        attempted: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl From<StartError> for ServeError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Listen { address, source } => ServeError::Listen { address, source },
            other => ServeError::Start(other),
        }
    }
}

fn socket_remedy(path: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let user = rustix::process::geteuid().as_raw();
            format!(
                ": user {user} may not write in {}. Run as a user who may, or name another place by ctl.socket",
                folder.display()
            )
        }
        ErrorKind::AddrInUse => ": stop that one first, or name another place by ctl.socket".to_string(),
        ErrorKind::AlreadyExists => ": move it away, or name another place by ctl.socket".to_string(),
        ErrorKind::InvalidInput => ": name a shorter one, of at most 107 bytes, by ctl.socket".to_string(),
        _ => String::new(),
    }
}
