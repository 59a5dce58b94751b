//! A copy of everything that a restart would bring back, made while the node goes on, in a folder that a broker of its own
//! can be started on. Next door: the journal, which copies one vhost's log.
//!
//! Definitions come first: a vhost that is made later is in neither. They are written last, so that a copy that was cut
//! short is none: a broker refuses logs without definitions.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::AccessError;
use crate::node::{Defined, Node};
use crate::vhost_folders::{self, FolderError, VhostFolders};

/// Why a snapshot was not taken. Of what had been made of it nothing is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is something in the folder.
    #[error("{} is not empty: a snapshot is made in a new or an empty folder", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// It would be taken for a vhost.
    #[error("{} is among the folders of the vhosts: a snapshot needs a place of its own", dir.display())]
    AmongVhosts {
        /// The folder.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("cannot make a snapshot in {}: {source}", dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A vhost's log cannot be copied.
    #[error("cannot copy the log of the vhost '{vhost}': {source}")]
    Log {
        /// The vhost.
        vhost: String,
        /// What is wrong.
        source: journal::Error,
    },
    /// A vhost is down, and its messages would be missing in the copy.
    #[error(
        "the vhost '{vhost}' is down: open it (`rabbitmqctl restart_vhost -p '{vhost}'`) or delete it first"
    )]
    Down {
        /// The vhost.
        vhost: String,
    },
    /// Folders cannot be made.
    #[error(transparent)]
    Folders(#[from] FolderError),
    /// The definitions cannot be copied.
    #[error(transparent)]
    Definitions(#[from] AccessError),
}

/// A snapshot in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Vhosts in it.
    pub vhosts: u64,
    /// Segments of their logs.
    pub segments: u64,
    /// Segments that share their space with the node's own.
    pub linked: u64,
    /// Bytes copied of the others.
    pub copied_bytes: u64,
}

/// Makes one in `dir`, which must be empty or not there. Blocks on the disk.
pub(crate) fn take(node: &Node, dir: &Path) -> Result<SnapshotInfo, SnapshotError> {
    let refused = |source| SnapshotError::Io { dir: dir.to_path_buf(), source };
    let dir = std::path::absolute(dir).map_err(refused)?;
    let place = Place::claim(&dir, &node.settings.data_dir.join("vhosts"))?;
    let taken = place.fill(node);
    if taken.is_err() {
        place.clear();
    }
    taken
}

/// The folder of a snapshot that is being made.
struct Place {
    dir: PathBuf,
    vhosts: PathBuf,
    /// It was not there before.
    is_new: bool,
}

impl Place {
    fn claim(dir: &Path, vhosts_of_node: &Path) -> Result<Place, SnapshotError> {
        let refused = |source| SnapshotError::Io { dir: dir.to_path_buf(), source };
        let parent = fs::canonicalize(dir.parent().unwrap_or(dir)).map_err(refused)?;
        if fs::canonicalize(vhosts_of_node).is_ok_and(|vhosts| parent.starts_with(vhosts)) {
            return Err(SnapshotError::AmongVhosts { dir: dir.to_path_buf() });
        }
        let is_new = match private().create(dir) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(refused(error)),
        };
        if !is_new && fs::read_dir(dir).map_err(refused)?.next().is_some() {
            return Err(SnapshotError::NotEmpty { dir: dir.to_path_buf() });
        }
        let vhosts = dir.join("vhosts");
        match private().create(&vhosts) {
            Ok(()) => Ok(Place { dir: dir.to_path_buf(), vhosts, is_new }),
            // Another snapshot was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(SnapshotError::NotEmpty { dir: dir.to_path_buf() })
            }
            Err(error) => Err(refused(error)),
        }
    }

    fn fill(&self, node: &Node) -> Result<SnapshotInfo, SnapshotError> {
        let Defined { mut definitions, vhosts, down } = node.defined()?;
        if let Some(vhost) = down.into_iter().next() {
            return Err(SnapshotError::Down { vhost });
        }
        let folders = VhostFolders::at(&self.dir, Arc::clone(&node.settings.storage));
        let logs: Vec<_> = vhosts.iter().map(|(vhost, _)| vhost.store().log.snapshot()).collect();
        let mut taken = SnapshotInfo::default();
        for ((vhost, number), log) in vhosts.iter().zip(&logs) {
            let folder = folders.create(*number, &vhost.name)?;
            match log.write_to(&folder.join("log")) {
                Ok(copied) => {
                    taken.vhosts += 1;
                    taken.segments += copied.segments;
                    taken.linked += copied.linked;
                    taken.copied_bytes += copied.bytes;
                    vhost_folders::sync(&folder)?;
                    folders.note_log(*number, &vhost.name, vhost.store().log.identity())?;
                }
                // It was deleted meanwhile.
                Err(_) if !node.vhost(&vhost.name).is_some_and(|now| Arc::ptr_eq(&now, vhost)) => {
                    definitions.drop_vhost(&vhost.name);
                    folders.remove(*number)?;
                }
                Err(source) => return Err(SnapshotError::Log { vhost: vhost.name.to_string(), source }),
            }
        }
        drop(logs);
        definitions.write_to(folders.definitions())?;
        let secret = fs::set_permissions(folders.definitions(), Permissions::from_mode(0o600));
        secret.map_err(|source| SnapshotError::Io { dir: self.dir.clone(), source })?;
        vhost_folders::sync(&self.dir)?;
        vhost_folders::sync(self.dir.parent().unwrap_or(&self.dir))?;
        Ok(taken)
    }

    /// What was made is no snapshot and goes.
    fn clear(&self) {
        let definitions = self.dir.join("definitions.redb");
        for file in [definitions.with_extension("new"), definitions] {
            forget(fs::remove_file(&file), &file);
        }
        forget(fs::remove_dir_all(&self.vhosts), &self.vhosts);
        if self.is_new {
            forget(fs::remove_dir(&self.dir), &self.dir);
        }
    }
}

fn forget(removed: io::Result<()>, path: &Path) {
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a part of a snapshot that failed could not be removed");
    }
}

/// Makes folders that their owner alone may look into: messages and passwords are in them.
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}
