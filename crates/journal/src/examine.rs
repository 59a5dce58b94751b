//! A look at a journal that is not open: whether there is one, why it would be refused, and the way on without what is lost.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::journal::Journal;
use crate::manifest::{Image, Manifest, manifest_path};
use crate::segment::base_in_name;
use crate::storage::Storage;
use crate::survey::{Found, Refusal, Survey, lock, open_segment};

impl Journal {
    /// Whether there is a durable journal in `dir`, whole or not.
    pub fn exists(dir: &Path, storage: &dyn Storage) -> Result<bool, Error> {
        let files = match storage.list(dir) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("list", dir)(error)),
        };
        Ok(files.iter().any(|(name, _)| base_in_name(name).is_some() || dir.join(name) == manifest_path(dir)))
    }

    /// The [`identity`](Journal::identity) of the durable journal in `dir`. `None` where there
    /// is no journal, or nothing in it can be read, which opening it tells.
    pub fn identity_in(dir: &Path, storage: &dyn Storage) -> Result<Option<[u8; 16]>, Error> {
        if !Journal::exists(dir, storage)? {
            return Ok(None);
        }
        match Image::read(dir, storage) {
            Ok(Some(image)) => return Ok(Some(image.log)),
            Ok(None) | Err(Error::Manifest { .. } | Error::NewerFormat { .. }) => {}
            Err(error) => return Err(error),
        }
        let files = storage.list(dir).map_err(Error::io("list", dir))?;
        for (name, _) in files.iter().filter(|(name, _)| base_in_name(name).is_some()) {
            if let (_, Some(header)) = open_segment(&dir.join(name), storage)? {
                return Ok(Some(header.log));
            }
        }
        Ok(None)
    }

    /// Everything for which `open` would refuse the durable journal in `dir`; nothing where there is none. Nothing is
    /// changed.
    pub fn examine(dir: &Path, storage: &dyn Storage) -> Result<Vec<Refusal>, Error> {
        if !Journal::exists(dir, storage)? {
            return Ok(Vec::new());
        }
        let _lock = lock(dir, storage)?;
        let files = storage.list(dir).map_err(Error::io("list", dir))?;
        Ok(Survey::make(dir, storage, &files, false)?.refusals)
    }

    /// Why `open` would refuse the scratch journal in `dir`, if it would. Nothing is changed.
    pub fn examine_scratch(dir: &Path, storage: &dyn Storage) -> Result<(), Error> {
        let files = match storage.list(dir) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("list", dir)(error)),
        };
        let _lock = lock(dir, storage)?;
        Survey::make(dir, storage, &files, true)?.refusal()
    }

    /// Goes on without what is missing: the manifest lists what is there from now on, and that
    /// something is lost, until the owner [has dealt with it](Journal::settle_losses). The result says what was
    /// accepted. An error, and nothing changed, where that would not help (`Error::NewerFormat`, another journal's files).
    pub fn accept_loss(dir: &Path, storage: Arc<dyn Storage>) -> Result<Vec<Error>, Error> {
        let _lock = lock(dir, &*storage)?;
        let files = storage.list(dir).map_err(Error::io("list", dir))?;
        let mut survey = Survey::make(dir, &*storage, &files, false)?;
        if let Some(at) = survey.refusals.iter().position(|refusal| !refusal.can_be_accepted) {
            return Err(survey.refusals.swap_remove(at).error);
        }
        if !survey.refusals.is_empty() {
            // By the old manifest's word, while it is there.
            for (_, name) in &survey.retired {
                storage.remove(&dir.join(name)).map_err(Error::io("remove", &dir.join(name)))?;
            }
            storage.sync_dir(dir).map_err(Error::io("sync", dir))?;
            let listed = survey.found.iter().map(Found::listed);
            let made = Manifest::create(dir, storage, survey.log, listed, None, true);
            made.map_err(Error::io("write", &manifest_path(dir)))?;
        }
        Ok(survey.refusals.into_iter().map(|refusal| refusal.error).collect())
    }
}
