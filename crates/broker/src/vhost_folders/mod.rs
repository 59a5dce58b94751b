//! The vhosts' folders beside the definitions that name them: neither may be there without the other.
//!
//! A vhost's number is never used twice, so a folder that the definitions do not name is left from a deletion that was
//! cut short, or does not belong here. Served it must never be: it holds another tenant's messages. What belongs where is
//! told by each folder's [label].

mod error;
mod label;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{Journal, Storage};

pub use self::error::FolderError;
use self::label::Label;

/// The vhosts' folders of a data folder.
pub(crate) struct VhostFolders {
    vhosts: PathBuf,
    definitions: PathBuf,
    /// What their logs are stored with.
    storage: Arc<dyn Storage>,
}

impl VhostFolders {
    /// In `data`, made where it does not exist. Refuses one that holds messages and no definitions.
    pub(crate) fn open(data: &Path, storage: Arc<dyn Storage>) -> Result<Self, FolderError> {
        let folders = VhostFolders::at(data, storage);
        fs::create_dir_all(&folders.vhosts).map_err(refused(&folders.vhosts))?;
        sync(data)?;
        if !folders.have_definitions()?
            && let Some(&number) = folders.numbers()?.first()
        {
            let (definitions, folder) = (folders.definitions.clone(), folders.of(number));
            return Err(FolderError::NoDefinitions { definitions, folder });
        }
        Ok(folders)
    }

    /// In `data`, as they are.
    pub(crate) fn at(data: &Path, storage: Arc<dyn Storage>) -> Self {
        VhostFolders { vhosts: data.join("vhosts"), definitions: data.join("definitions.redb"), storage }
    }

    /// The file beside them.
    pub(crate) fn definitions(&self) -> &Path {
        &self.definitions
    }

    /// Whether there is something in that file.
    pub(crate) fn have_definitions(&self) -> Result<bool, FolderError> {
        Ok(look_at(&self.definitions)?.is_some_and(|file| file.len() > 0))
    }

    /// The folder of one vhost.
    pub(crate) fn of(&self, number: u64) -> PathBuf {
        self.vhosts.join(number.to_string())
    }

    /// Removes what deletions and creations left that were cut short; refuses what definitions with `next` as the next
    /// number cannot know, or should. Nothing is touched then.
    pub(crate) fn settle(&self, is_named: impl Fn(u64) -> bool, next: u64) -> Result<(), FolderError> {
        let mut rests = Vec::new();
        for number in self.numbers()?.into_iter().filter(|number| !is_named(*number)) {
            if let Some(error) = self.stranger(number, next)? {
                return Err(error);
            }
            rests.push(number);
        }
        for number in rests {
            tracing::warn!(folder = %self.of(number).display(), "the rest of a deleted vhost, or of one that was being made, is removed");
            self.remove(number)?;
        }
        Ok(())
    }

    /// Why the folder, which the definitions with `next` as the next number do not name, is no rest to be removed.
    pub(crate) fn stranger(&self, number: u64, next: u64) -> Result<Option<FolderError>, FolderError> {
        let (folder, definitions) = (self.of(number), self.definitions.clone());
        let label = self.label(number)?;
        if self.is_unused(number, label.as_ref())? {
            // A vhost's folder comes before its definition.
            return Ok(None);
        }
        Ok(match label {
            Some(label) if label.number != number => Some(self.moved(number, label)),
            _ if number >= next => Some(FolderError::Foreign { folder, definitions, next }),
            Some(label) if !label.deleted => {
                Some(FolderError::Unnamed { folder, vhost: label.name, definitions })
            }
            _ => None,
        })
    }

    fn moved(&self, number: u64, label: Label) -> FolderError {
        FolderError::Moved { path: self.of(number), home: self.of(label.number), vhost: label.name }
    }

    /// Whether the folder is there and nothing is in it.
    pub(crate) fn is_empty(&self, number: u64) -> Result<bool, FolderError> {
        let folder = self.of(number);
        Ok(fs::read_dir(&folder).map_err(refused(&folder))?.next().is_none())
    }

    /// Makes the folder of a new vhost.
    pub(crate) fn create(&self, number: u64, vhost: &str) -> Result<PathBuf, FolderError> {
        let folder = self.of(number);
        fs::create_dir(&folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => FolderError::Occupied { folder: folder.clone() },
            _ => refused(&folder)(error),
        })?;
        let labelled = Label::new(number, vhost).write(&folder).map_err(refused(&folder));
        if let Err(error) = labelled.and_then(|()| sync(&self.vhosts)) {
            self.remove_or_leave(number);
            return Err(error);
        }
        Ok(folder)
    }

    /// Removes the folder of a new vhost that an earlier try left there, if nothing was ever in it.
    pub(crate) fn clear_unused(&self, number: u64) -> Result<(), FolderError> {
        let is_left = look_at(&self.of(number))?.is_some_and(|found| found.is_dir())
            && self.is_unused(number, self.label(number)?.as_ref())?;
        if is_left { self.remove(number) } else { Ok(()) }
    }

    /// The folder of a vhost that is defined. Refuses one that lost its log, and what belongs to another.
    pub(crate) fn existing(&self, number: u64, vhost: &str) -> Result<PathBuf, FolderError> {
        let (folder, log) = (self.of(number), self.of(number).join("log"));
        let missing = |missing: &Path| {
            let (vhost, missing, folder) = (vhost.to_owned(), missing.to_path_buf(), folder.clone());
            Err(FolderError::Missing { vhost, missing, folder })
        };
        if look_at(&folder)?.is_none() {
            return missing(&folder);
        }
        let of_log = |source| FolderError::Log { vhost: vhost.to_owned(), source };
        let has_log = Journal::exists(&log, &*self.storage).map_err(of_log)?;
        let Some(label) = self.label(number)? else {
            // Of an older release, which had none, and made the log's first file with the first record.
            let was_opened = look_at(&log.join("lock"))?.is_some();
            return if has_log || was_opened { Ok(folder) } else { missing(&log) };
        };
        if label.number != number {
            return Err(self.moved(number, label));
        }
        if label.name != vhost {
            let (vhost, found, definitions) = (vhost.to_owned(), label.name, self.definitions.clone());
            return Err(FolderError::Renamed { folder, vhost, found, definitions });
        }
        match label.log {
            Some(_) if !has_log => missing(&log),
            Some(known) => {
                let found = Journal::identity_in(&log, &*self.storage).map_err(of_log)?;
                // One that cannot be read is told by whoever opens it.
                if found.is_some_and(|found| label::hexadecimal(found) != known) {
                    return Err(FolderError::ForeignLog { vhost: vhost.to_owned(), log });
                }
                Ok(folder)
            }
            None => Ok(folder),
        }
    }

    /// Writes down which log the folder of a defined vhost holds.
    pub(crate) fn note_log(&self, number: u64, vhost: &str, log: [u8; 16]) -> Result<(), FolderError> {
        let label = Label { log: Some(label::hexadecimal(log)), ..Label::new(number, vhost) };
        if self.label(number)?.as_ref() == Some(&label) {
            return Ok(());
        }
        let folder = self.of(number);
        match label.write(&folder) {
            // Nothing depends on it today: the next start tries again.
            Err(error) if lacks_space(&error) => {
                tracing::warn!(folder = %folder.display(), %error, "no room to write down which log the folder holds");
                Ok(())
            }
            written => written.map_err(refused(&folder)),
        }
    }

    /// What is in the folder is nobody's once the definitions do not name it, or somebody's after all.
    pub(crate) fn mark_deleted(&self, number: u64, deleted: bool) -> Result<(), FolderError> {
        let folder = self.of(number);
        let Some(label) = self.label(number)? else { return Ok(()) };
        match (Label { deleted, ..label }).write(&folder) {
            // A full disk must not prevent what makes room. Should the deletion be cut short a start will ask.
            Err(error) if lacks_space(&error) => Ok(()),
            written => written.map_err(refused(&folder)),
        }
    }

    /// What the folder says of itself.
    fn label(&self, number: u64) -> Result<Option<Label>, FolderError> {
        let folder = self.of(number);
        Label::read(&folder).map_err(refused(&folder))
    }

    /// The vhosts in the folders, by the folders' own word; `name_of` names those of older releases, which say nothing.
    pub(crate) fn vhosts(
        &self,
        name_of: impl Fn(u64) -> String,
    ) -> Result<BTreeMap<u64, String>, FolderError> {
        let mut by_name = BTreeMap::new();
        for number in self.numbers()? {
            let label = self.label(number)?;
            let was_deleted = label.as_ref().is_some_and(|label| label.deleted);
            if !was_deleted && !self.is_unused(number, label.as_ref())? {
                // Of two of one name the older was deleted, or one is a copy: a name is free only then.
                let is_home = label.as_ref().is_none_or(|label| label.number == number);
                let name = label.map_or_else(|| name_of(number), |label| label.name);
                if is_home || !by_name.contains_key(&name) {
                    by_name.insert(name, number);
                }
            }
        }
        Ok(by_name.into_iter().map(|(name, number)| (number, name)).collect())
    }

    /// Whether there was never anything in the folder.
    fn is_unused(&self, number: u64, label: Option<&Label>) -> Result<bool, FolderError> {
        let folder = self.of(number);
        for entry in fs::read_dir(&folder).map_err(refused(&folder))? {
            let name = entry.map_err(refused(&folder))?.file_name();
            if !name.to_str().is_some_and(Label::is) {
                return Ok(false);
            }
        }
        Ok(label.is_none_or(|label| label.log.is_none()))
    }

    /// Removes a vhost's folder with all in it.
    pub(crate) fn remove(&self, number: u64) -> Result<(), FolderError> {
        let folder = self.of(number);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(&folder)(error)),
            _ => sync(&self.vhosts),
        }
    }

    /// The same for a folder that is nobody's: what cannot be removed goes at the next start.
    pub(crate) fn remove_or_leave(&self, number: u64) {
        if let Err(error) = self.remove(number) {
            tracing::warn!(%error, "the folder of a vhost that was not made stays until the next start");
        }
    }

    /// The numbers there are folders for, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, FolderError> {
        let mut numbers = Vec::new();
        if look_at(&self.vhosts)?.is_none() {
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

fn refused(folder: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let folder = folder.to_path_buf();
    move |source| FolderError::Io { folder, source }
}

fn lacks_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// `None` where there is nothing; what may not be looked at is an error.
fn look_at(path: &Path) -> Result<Option<fs::Metadata>, FolderError> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(path)(error)),
    }
}

/// A folder's names are on disk when this returns.
pub(crate) fn sync(folder: &Path) -> Result<(), FolderError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(refused(folder))
}

#[cfg(test)]
mod tests;
