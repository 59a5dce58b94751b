//! The folder for the sockets over which one ssh connection serves many calls.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where root keeps it: not below the daemon's own `/run/aileron`, which another user owns.
const ROOTS: &str = "/run/aileron-ssh";
/// A socket's path has at most 107 bytes, of which ssh needs 67 beside the folder's.
const LENGTH_MAX: usize = 40;

/// The folder, made where it is missing. `None` where there is none that is surely ours alone: then every
/// call makes a connection of its own.
pub(super) fn folder() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let path = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => Path::new(&folder).join("aileron"),
        _ if uid == 0 => PathBuf::from(ROOTS),
        _ => Path::new("/run/user").join(uid.to_string()).join("aileron"),
    };
    if path.as_os_str().len() > LENGTH_MAX {
        return None;
    }
    // It may be there already; what counts is what is there afterwards.
    let _ = fs::DirBuilder::new().mode(0o700).create(&path);
    let about = fs::symlink_metadata(&path).ok()?;
    (about.is_dir() && about.uid() == uid && about.mode() & 0o077 == 0).then_some(path)
}
