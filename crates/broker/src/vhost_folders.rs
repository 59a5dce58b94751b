//! The vhosts' folders beside the definitions that name them: neither may be there without the other.
//!
//! A vhost's number is never used twice, so a folder that the definitions do not name is left from a deletion that was
//! cut short, or does not belong here. Served it must never be: it holds another tenant's messages.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with the folders.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The file with users and vhosts is gone, and the messages are not.
    #[error(
        "{} is missing or empty, but {} holds a vhost's messages. Put the file back from a backup; \
         `aileron repair` tells how to go on without it",
        definitions.display(), folder.display()
    )]
    NoDefinitions {
        /// Where the definitions should be.
        definitions: PathBuf,
        /// A folder with messages.
        folder: PathBuf,
    },
    /// A vhost's folder that these definitions cannot know.
    #[error(
        "{} is newer than the definitions in {}, which name {next} as the next vhost: they are from an older backup or \
         another node. Put the right file back; `aileron repair` tells how to go on without",
        folder.display(), definitions.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The definitions that do not know it.
        definitions: PathBuf,
        /// The number the next vhost would get.
        next: u64,
    },
    /// A vhost is defined, and its messages are gone.
    #[error(
        "the vhost '{vhost}' has lost its messages: {} is missing or empty. Put the vhost's folder {} back; \
         `aileron repair` tells how to go on without its queues and messages",
        missing.display(), folder.display()
    )]
    Missing {
        /// The vhost.
        vhost: String,
        /// What is not there.
        missing: PathBuf,
        /// The vhost's folder.
        folder: PathBuf,
    },
    /// A new vhost's folder is there already.
    #[error("{} is there already and is not touched: move it away", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("cannot use {}: {source}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn refused(folder: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let folder = folder.to_path_buf();
    move |source| FolderError::Io { folder, source }
}

/// The vhosts' folders of a data folder.
pub(crate) struct VhostFolders {
    vhosts: PathBuf,
    definitions: PathBuf,
}

impl VhostFolders {
    /// In `data`, made where it does not exist. Refuses one that holds messages and no definitions.
    pub(crate) fn open(data: &Path) -> Result<Self, FolderError> {
        let (vhosts, definitions) = (data.join("vhosts"), data.join("definitions.redb"));
        fs::create_dir_all(&vhosts).map_err(refused(&vhosts))?;
        sync(data)?;
        let is_there = fs::metadata(&definitions).is_ok_and(|file| file.len() > 0);
        let folders = VhostFolders { vhosts, definitions };
        if !is_there && let Some(&number) = folders.numbers()?.first() {
            let (definitions, folder) = (folders.definitions.clone(), folders.of(number));
            return Err(FolderError::NoDefinitions { definitions, folder });
        }
        Ok(folders)
    }

    /// In `data`, as they are.
    pub(crate) fn at(data: &Path) -> Self {
        VhostFolders { vhosts: data.join("vhosts"), definitions: data.join("definitions.redb") }
    }

    /// The file beside them.
    pub(crate) fn definitions(&self) -> &Path {
        &self.definitions
    }

    /// The folder of one vhost.
    pub(crate) fn of(&self, number: u64) -> PathBuf {
        self.vhosts.join(number.to_string())
    }

    /// Removes what deletions and creations left that were cut short; refuses what definitions with `next` as the next
    /// number cannot know.
    pub(crate) fn settle(&self, is_named: impl Fn(u64) -> bool, next: u64) -> Result<(), FolderError> {
        let mut numbers = self.numbers()?;
        if numbers.last() == Some(&next) && self.is_empty(next)? {
            // A vhost's folder comes before its definition.
            self.remove(next)?;
            numbers.pop();
        }
        if let Some(&number) = numbers.iter().find(|number| **number >= next) {
            let (folder, definitions) = (self.of(number), self.definitions.clone());
            return Err(FolderError::Foreign { folder, definitions, next });
        }
        for number in numbers.into_iter().filter(|number| !is_named(*number)) {
            tracing::warn!(folder = %self.of(number).display(), "the rest of a deleted vhost is removed");
            self.remove(number)?;
        }
        Ok(())
    }

    /// Makes the folder of a new vhost.
    pub(crate) fn create(&self, number: u64) -> Result<PathBuf, FolderError> {
        let folder = self.of(number);
        fs::create_dir(&folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => FolderError::Occupied { folder: folder.clone() },
            _ => refused(&folder)(error),
        })?;
        sync(&self.vhosts)?;
        Ok(folder)
    }

    /// The folder of a vhost that is defined. Refuses one that lost its log; an empty one is a new vhost's, or an
    /// operator's word to go on without what was in it.
    pub(crate) fn existing(&self, number: u64, vhost: &str) -> Result<PathBuf, FolderError> {
        let (folder, log) = (self.of(number), self.of(number).join("log"));
        let missing = match (folder.is_dir(), log.is_dir()) {
            // The page file is made behind the log, which has a file then.
            (_, true) if folder.join("pages").is_dir() && is_empty(&log)? => log,
            (_, true) => return Ok(folder),
            (true, false) if self.is_empty(number)? => return Ok(folder),
            (true, false) => log,
            (false, false) => folder.clone(),
        };
        Err(FolderError::Missing { vhost: vhost.to_owned(), missing, folder })
    }

    /// Whether there is nothing in the folder.
    pub(crate) fn is_empty(&self, number: u64) -> Result<bool, FolderError> {
        is_empty(&self.of(number))
    }

    /// Removes a vhost's folder with all in it.
    pub(crate) fn remove(&self, number: u64) -> Result<(), FolderError> {
        let folder = self.of(number);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(&folder)(error)),
            _ => sync(&self.vhosts),
        }
    }

    /// The numbers there are folders for, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, FolderError> {
        let mut numbers = Vec::new();
        if !self.vhosts.exists() {
            return Ok(numbers);
        }
        for entry in fs::read_dir(&self.vhosts).map_err(refused(&self.vhosts))? {
            let entry = entry.map_err(refused(&self.vhosts))?;
            numbers.extend(entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

fn is_empty(folder: &Path) -> Result<bool, FolderError> {
    Ok(fs::read_dir(folder).map_err(refused(folder))?.next().is_none())
}

/// A folder's names are on disk when this returns.
pub(crate) fn sync(folder: &Path) -> Result<(), FolderError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(refused(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(numbers: &[u64], definitions: &[u8]) -> tempfile::TempDir {
        let data = tempfile::tempdir().expect("a folder");
        for number in numbers {
            fs::create_dir_all(data.path().join(format!("vhosts/{number}/log"))).expect("made");
        }
        fs::write(data.path().join("definitions.redb"), definitions).expect("written");
        data
    }

    #[test]
    fn messages_without_definitions_are_not_begun_anew() {
        let error = VhostFolders::open(data(&[0], b"").path()).err().expect("refused");
        assert!(matches!(&error, FolderError::NoDefinitions { .. }), "{error}");
        VhostFolders::open(data(&[], b"").path()).expect("a new node");
    }

    #[test]
    fn what_a_deletion_left_goes_and_what_is_not_ours_stays() {
        let home = data(&[0, 1, 2], b"x");
        let folders = VhostFolders::open(home.path()).expect("opens");
        let error = folders.settle(|number| number == 0, 2).expect_err("2 is not known");
        assert!(matches!(&error, FolderError::Foreign { next: 2, .. }), "{error}");
        assert!(folders.of(1).exists(), "nothing was touched");
        folders.settle(|number| number == 0, 3).expect("1 and 2 were deleted");
        assert_eq!(folders.numbers().expect("read"), [0]);
    }

    #[test]
    fn a_new_vhost_never_adopts_a_folder() {
        let home = data(&[0], b"x");
        let folders = VhostFolders::open(home.path()).expect("opens");
        assert!(matches!(folders.create(0), Err(FolderError::Occupied { .. })));
        assert!(folders.create(1).expect("made").is_dir());
    }

    #[test]
    fn a_vhost_that_lost_its_log_is_named() {
        let home = data(&[0], b"x");
        let folders = VhostFolders::open(home.path()).expect("opens");
        folders.existing(0, "/").expect("whole");
        fs::create_dir(folders.of(0).join("pages")).expect("made");
        assert!(folders.existing(0, "/").is_err(), "emptied");
        fs::remove_dir(folders.of(0).join("log")).expect("removed");
        for (number, vhost) in [(0, "/"), (1, "nova")] {
            let error = folders.existing(number, vhost).expect_err("lost").to_string();
            assert!(error.contains(&format!("'{vhost}' has lost its messages")), "{error}");
        }
        fs::create_dir(folders.of(1)).expect("made");
        folders.existing(1, "nova").expect("the operator goes on without");
    }

    #[test]
    fn a_creation_that_was_cut_short_is_undone() {
        let home = data(&[0], b"x");
        let folders = VhostFolders::open(home.path()).expect("opens");
        folders.create(1).expect("made");
        folders.settle(|number| number == 0, 1).expect("an empty folder is nobody's");
        assert_eq!(folders.numbers().expect("read"), [0]);
    }
}
