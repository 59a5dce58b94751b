//! The data folder before a start: that it is one, can be written, belongs to no other process, and is closed to others.
//!
//! Messages and the hashes of passwords are in it: folders are the daemon's own (0700), and files (0600), whatever the
//! umask was; what an older release left open is closed here, and told.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::holder;

/// What everybody else may do, as bits of a mode.
const OTHERS: u32 = 0o077;
/// What is ours in the folder, by name; whatever else is there is somebody's who put it there.
const OURS: [&str; 4] = ["vhosts", "definitions.redb", "services.json", "ctl.sock"];

/// Why a data folder cannot be used. Each names the folder, and the way out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataFolderError {
    /// There is something else.
    #[error("the data folder {} is a file: name a folder by broker.data_dir or --data-dir", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// It is not there, and cannot be made, or not be looked at.
    #[error("cannot {attempted} the data folder {}: {source}", folder.display())]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be written.
    #[error(
        "cannot write in the data folder {} as user {user}: {source}; it is user {owner}'s, with mode {mode:04o}. Run as that \
         user, or give it over: chown -R {user} {}",
        folder.display(), folder.display()
    )]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// Who we are.
        user: u32,
        /// Whose it is.
        owner: u32,
        /// Its mode.
        mode: u32,
        /// What the system says.
        source: io::Error,
    },
    /// Another daemon runs on it.
    #[error("the data folder {} is in use by {holder}: stop that one first, or name another folder by broker.data_dir or --data-dir", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who has it.
        holder: String,
    },
}

/// Makes the folder where it is missing, and says why it cannot be used. What this process makes from now on is its own.
pub(super) fn prepare(folder: &Path) -> Result<(), DataFolderError> {
    let io = |attempted, source| DataFolderError::Io { attempted, folder: folder.to_path_buf(), source };
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            return Err(DataFolderError::NoFolder { folder: folder.to_path_buf() });
        }
        Ok(found) => must_be_writable(folder, &found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder).map_err(|error| io("make", error))?
        }
        Err(error) => return Err(io("look at", error)),
    }
    if let Some(pid) = holder::of_lock(&folder.join(holder::LOCKED)).first() {
        let holder = holder::in_words(*pid);
        return Err(DataFolderError::InUse { folder: folder.to_path_buf(), holder });
    }
    make_private();
    Ok(())
}

/// What this process makes from now on is for its own user alone.
pub(crate) fn make_private() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

fn make(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(0o700).create(folder)
}

fn must_be_writable(folder: &Path, found: &Metadata) -> Result<(), DataFolderError> {
    let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, folder, all, AtFlags::EACCESS).map_err(|error| DataFolderError::Unwritable {
        folder: folder.to_path_buf(),
        user: rustix::process::geteuid().as_raw(),
        owner: found.uid(),
        mode: found.mode() & 0o7777,
        source: error.into(),
    })
}

/// Closes what is ours in the folder to all other users, and the folder itself unless somebody keeps other things in it;
/// tells the log what was open.
pub(super) fn close(folder: &Path) {
    let mut closed = Closed::default();
    let mut has_others = false;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| {
            OURS.iter().any(|ours| {
                name.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        });
        match is_ours {
            true => closed.all(&entry.path()),
            false => has_others |= name != "lost+found",
        }
    }
    if !has_others {
        closed.one(folder);
    } else if fs::metadata(folder).is_ok_and(|found| found.mode() & OTHERS != 0) {
        let folder = folder.display().to_string();
        tracing::warn!(
            folder,
            "others can look into the data folder, and it is left so since other things are in it too"
        );
    }
    closed.tell(folder);
}

/// What was open to others.
#[derive(Default)]
struct Closed {
    folders: u64,
    files: u64,
    failed: Option<(PathBuf, io::Error)>,
}

impl Closed {
    /// A file, or a folder with all that is in it. Links are not followed.
    fn all(&mut self, path: &Path) {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                self.all(&entry.path());
            }
        }
        self.one(path);
    }

    fn one(&mut self, path: &Path) {
        let Ok(found) = fs::symlink_metadata(path) else { return };
        // A link has no mode of its own, and where it leads is nothing of ours.
        if found.mode() & OTHERS == 0 || !(found.is_dir() || found.is_file()) {
            return;
        }
        match fs::set_permissions(path, Permissions::from_mode(found.mode() & 0o7777 & !OTHERS)) {
            Ok(()) if found.is_dir() => self.folders += 1,
            Ok(()) => self.files += 1,
            Err(error) => {
                self.failed.get_or_insert_with(|| (path.to_path_buf(), error));
            }
        }
    }

    fn tell(self, folder: &Path) {
        let folder = folder.display().to_string();
        if self.folders + self.files > 0 {
            let (folders, files) = (self.folders, self.files);
            tracing::warn!(
                folder,
                folders,
                files,
                "the data folder was open to other users, with messages and hashes of passwords in it: closed \
                 (folders 0700, files 0600)"
            );
        }
        if let Some((path, error)) = self.failed {
            let path = path.display().to_string();
            tracing::warn!(
                folder,
                path,
                %error,
                "the data folder is open to other users and cannot be closed: chmod -R go= it, as its owner or root"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o7777
    }

    fn open_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("vhosts/0/log");
        fs::create_dir_all(&log).expect("made");
        for file in ["definitions.redb", "definitions.redb.aside-1", "services.json", "vhosts/0/log/1.seg"] {
            let path = folder.path().join(file);
            fs::write(&path, "x").expect("written");
            fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("open");
        }
        for open in ["", "vhosts", "vhosts/0", "vhosts/0/log"] {
            fs::set_permissions(folder.path().join(open), Permissions::from_mode(0o755)).expect("open");
        }
        folder
    }

    #[test]
    fn what_was_open_is_closed() {
        let folder = open_folder();
        close(folder.path());
        for closed in ["", "vhosts", "vhosts/0", "vhosts/0/log"] {
            assert_eq!(mode(&folder.path().join(closed)), 0o700, "{closed}");
        }
        for closed in ["definitions.redb", "definitions.redb.aside-1", "services.json", "vhosts/0/log/1.seg"]
        {
            assert_eq!(mode(&folder.path().join(closed)), 0o600, "{closed}");
        }
    }

    #[test]
    fn what_is_not_ours_stays_as_it_is() {
        let folder = open_folder();
        let elsewhere = open_folder();
        fs::write(folder.path().join("notes.txt"), "x").expect("written");
        fs::set_permissions(folder.path().join("notes.txt"), Permissions::from_mode(0o644)).expect("open");
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("vhosts/link")).expect("linked");
        close(folder.path());
        assert_eq!(mode(folder.path()), 0o755, "others may need it");
        assert_eq!(mode(&folder.path().join("notes.txt")), 0o644);
        assert_eq!(mode(elsewhere.path()), 0o755, "a link leads out");
        assert_eq!(mode(&elsewhere.path().join("definitions.redb")), 0o644);
        assert_eq!(mode(&folder.path().join("definitions.redb")), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("written");
        let text = prepare(&file).expect_err("a file").to_string();
        assert_eq!(
            text,
            format!(
                "the data folder {} is a file: name a folder by broker.data_dir or --data-dir",
                file.display()
            )
        );
        let text = prepare(&file.join("below")).expect_err("below a file").to_string();
        assert!(
            text.starts_with(&format!("cannot look at the data folder {}/below: ", file.display())),
            "{text}"
        );
        fs::write(folder.path().join(holder::LOCKED), "x").expect("written");
        let held = fs::File::open(folder.path().join(holder::LOCKED)).expect("opened");
        held.lock().expect("locked");
        let text = prepare(folder.path()).expect_err("in use").to_string();
        assert!(text.contains(&format!("is in use by pid {} (", std::process::id())), "{text}");
    }
}
