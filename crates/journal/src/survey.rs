//! A look at a journal's files before anything is changed: what is there, what must be, what does not belong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Position;
use crate::error::Error;
use crate::footer::{TRAILER, Trailer};
use crate::manifest::{Image, Listed, manifest_path};
use crate::pending::draw;
use crate::scan::{Ground, scan};
use crate::segment::{FORMAT_VERSION, HEADER_BLOCK, Header, POSITION_MAX, base_in_name, segment_path};
use crate::storage::{Storage, StorageFile};

/// The first format with a manifest.
const WITH_MANIFEST: u32 = 2;

/// A segment file before its records are read.
pub(crate) struct Found {
    pub(crate) base: Position,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn StorageFile>,
    /// Where it is intact, and of a segment of this name.
    pub(crate) header: Option<Header>,
    /// In an intact header, whatever segment it is of.
    tag: Option<u32>,
    /// Positions it may take: up to the next file.
    pub(crate) span: u64,
    /// Its records were on disk up to here.
    pub(crate) known_end: Option<Position>,
    /// That records at its end are missing was accepted, or is about to be.
    pub(crate) may_be_short: bool,
}

impl Found {
    /// As a manifest lists it.
    pub(crate) fn listed(&self) -> Listed {
        let tag = self.header.map_or(0, |header| header.tag);
        Listed { base: self.base, capacity: self.span, tag, may_be_short: self.may_be_short }
    }
}

/// What a look found.
pub(crate) struct Survey {
    pub(crate) log: [u8; 16],
    /// By base.
    pub(crate) found: Vec<Found>,
    pub(crate) manifest: Option<Image>,
    /// Segments that were retired and whose files are there, by base and name.
    pub(crate) retired: Vec<(Position, String)>,
    /// The newest segment, where its entry in the manifest did not come to be.
    pub(crate) unlisted: Option<Listed>,
    /// Why the journal cannot be opened.
    pub(crate) refusals: Vec<Refusal>,
}

/// Why a journal is not opened.
#[derive(Debug)]
pub struct Refusal {
    /// What `open` says.
    pub error: Error,
    /// Whether [`Journal::accept_loss`](crate::Journal::accept_loss) helps. Else it is another release, or another place for the file, that does.
    pub can_be_accepted: bool,
}

impl Survey {
    pub(crate) fn make(
        dir: &Path,
        storage: &dyn Storage,
        files: &[(String, u64)],
        scratch: bool,
    ) -> Result<Survey, Error> {
        let (found, retired, log) = (Vec::new(), Vec::new(), [0; 16]);
        let mut survey = Survey { log, found, manifest: None, retired, unlisted: None, refusals: Vec::new() };
        match Image::read(dir, storage) {
            Ok(image) => survey.manifest = image,
            Err(error @ Error::Manifest { .. }) => survey.refuse(error),
            Err(error @ Error::NewerFormat { .. }) => survey.refuse_for_good(error),
            Err(error) => return Err(error),
        }
        if survey.manifest.is_some() && scratch {
            let why = "it is of a durable journal, which would be removed as scratch";
            survey.refuse_for_good(Error::Foreign { path: manifest_path(dir), why });
        }
        survey.open_files(dir, storage, files)?;
        survey.judge_headers(scratch);
        if !scratch {
            survey.judge_by_manifest(dir);
            survey.judge_ends()?;
        }
        Ok(survey)
    }

    /// The first reason not to open the journal.
    pub(crate) fn refusal(&mut self) -> Result<(), Error> {
        match self.refusals.is_empty() {
            true => Ok(()),
            false => Err(self.refusals.swap_remove(0).error),
        }
    }

    /// Once the loss is accepted, it may be opened.
    fn refuse(&mut self, error: Error) {
        self.refusals.push(Refusal { error, can_be_accepted: true });
    }

    fn refuse_for_good(&mut self, error: Error) {
        self.refusals.push(Refusal { error, can_be_accepted: false });
    }

    /// Reads the header of every segment file, in order of base.
    fn open_files(
        &mut self,
        dir: &Path,
        storage: &dyn Storage,
        files: &[(String, u64)],
    ) -> Result<(), Error> {
        let mut bases: Vec<(Position, u64)> = Vec::new();
        for (name, len) in files {
            let Some(base) = base_in_name(name) else { continue };
            let removed = self.manifest.as_ref().and_then(|image| image.removed.get(&base));
            match removed {
                Some(entry) if is_rest_of(entry, dir, storage)? => self.retired.push((base, name.clone())),
                _ => bases.push((base, *len)),
            }
        }
        bases.sort_unstable();
        for (n, &(base, len)) in bases.iter().enumerate() {
            let path = segment_path(dir, base);
            let (file, header) = open_segment(&path, storage)?;
            let next = bases.get(n + 1).map_or(POSITION_MAX, |&(next, _)| next);
            let of_its_name = header.filter(|header| header.base == base);
            let span = of_its_name.map_or(len, |header| header.capacity);
            let room = next.saturating_sub(base);
            if base >= POSITION_MAX || (n + 1 == bases.len() && span > room) {
                let why = "it lies beyond the end of any log";
                self.refuse_for_good(Error::Foreign { path, why });
                continue;
            }
            let tag = header.map(|header| header.tag);
            let (span, known_end, may_be_short) = (span.min(room), None, false);
            self.found.push(Found { base, path, file, header, tag, span, known_end, may_be_short });
        }
        Ok(())
    }

    /// Refuses files that this journal must not touch.
    fn judge_headers(&mut self, scratch: bool) {
        let by_manifest = self.manifest.as_ref().map(|image| image.log);
        let log = by_manifest.or_else(|| self.found.iter().find_map(|f| f.header).map(|header| header.log));
        self.log = log.unwrap_or_else(new_log);
        for n in 0..self.found.len() {
            let Some(Found { base, path, header: Some(header), .. }) = self.found.get(n) else { continue };
            if let Err(error) = accept(header, path, self.log, scratch) {
                self.refuse_for_good(error);
            } else if !scratch && header.base != *base {
                let (path, why) = (path.clone(), "its header names another segment: it was renamed");
                self.refuse_for_good(Error::Foreign { path, why });
            }
        }
    }

    /// Compares what is there with what must be.
    fn judge_by_manifest(&mut self, dir: &Path) {
        let Some(image) = &self.manifest else {
            let is_newer = |found: &Found| found.header.is_some_and(|h| h.version >= WITH_MANIFEST);
            if self.refusals.is_empty() && self.found.iter().any(is_newer) {
                let (path, why) =
                    (manifest_path(dir), "it is missing: whether all segments are there is not known");
                self.refuse(Error::Manifest { path, why });
            }
            return;
        };
        let mut refusals = Vec::new();
        for found in self.found.iter_mut().filter(|found| found.header.is_none()) {
            let listed = image.listed.get(&found.base);
            found.span = listed.map_or(found.span, |entry| entry.capacity);
        }
        for entry in image.listed.values() {
            if self.found.binary_search_by_key(&entry.base, |found| found.base).is_err() {
                let (from, to) = (entry.base, entry.end());
                refusals.push(Error::Missing { path: segment_path(dir, from), from, to });
            }
        }
        // One at most: its name was there, and the machine went down before its entry was.
        let next = image.listed.last_key_value().map_or(0, |(_, newest)| newest.end());
        let newer = self.found.iter().filter(|found| found.base >= next).count();
        for found in &self.found {
            if self.refusals.iter().any(|refusal| refusal.error.path() == Some(&found.path)) {
                continue;
            }
            let path = found.path.clone();
            let is_another = |tag: u32| found.tag.is_some_and(|found| tag != 0 && found != tag);
            match (image.listed.get(&found.base), found.header) {
                (Some(entry), _) if is_another(entry.tag) => {
                    let why = "it is not the file that had this name last";
                    refusals.push(Error::Foreign { path, why });
                }
                (Some(_), _) => {}
                (None, Some(_)) if found.base >= next && newer == 1 => self.unlisted = Some(found.listed()),
                (None, _) => {
                    let why = "the manifest does not list it (any more): it was put there, or the manifest is an older one";
                    refusals.push(Error::Foreign { path, why });
                }
            }
        }
        refusals.into_iter().for_each(|error| self.refuse(error));
    }

    /// Compares where the segments end with what is known of it: by the next one's header, and by the manifest for the
    /// newest. What is torn or damaged there is told by whoever reads it; a clean end that comes too soon is another
    /// file's: an older copy's, or one cut short.
    fn judge_ends(&mut self) -> Result<(), Error> {
        let mut short = Vec::new();
        for n in 0..self.found.len() {
            let next = self.found.get(n + 1).map(|next| next.header.and_then(|header| header.previous_end));
            let image = self.manifest.as_ref();
            let end = next.unwrap_or_else(|| image.and_then(|image| image.end));
            let Some(found) = self.found.get_mut(n) else { continue };
            let listed = image.and_then(|image| image.listed.get(&found.base));
            found.may_be_short = listed.is_some_and(|entry| entry.may_be_short);
            if found.may_be_short || (image.is_some() && listed.is_none()) {
                continue;
            }
            found.known_end = end.filter(|end| (found.base + 1..=found.base + found.span).contains(end));
            if let Some(from) = found.lacks().map_err(Error::io("read", &found.path))? {
                found.may_be_short = true;
                let to = found.known_end.unwrap_or(found.base + found.span);
                short.push(Error::Short { path: found.path.clone(), from, to });
            }
        }
        short.into_iter().for_each(|error| self.refuse(error));
        Ok(())
    }
}

impl Found {
    /// From where on records are missing, if any are.
    fn lacks(&self) -> io::Result<Option<Position>> {
        let len = self.file.len()?;
        let is_cut = len < self.span;
        // A file whose header is unreadable too was overwritten, where no record is found in it.
        let is_doubtful = is_cut || self.header.is_none();
        let Some(known) = self.known_end.or(is_doubtful.then_some(self.base + self.span)) else {
            return Ok(None);
        };
        let tag = self.header.map(|header| header.tag);
        if !is_cut && self.ends_with_footer(known)? {
            return Ok(None);
        }
        let limit = self.span.min(len);
        let mut records = 0_u64;
        let ground = Ground { file: &*self.file, path: &self.path, base: self.base, limit, tag };
        let done = scan(&ground, &mut |_, _| records += 1)?;
        let end = self.base + done.end;
        if self.header.is_none() && !is_cut && self.known_end.is_none() {
            return Ok((records == 0).then_some(self.base));
        }
        Ok(((is_cut || done.torn.is_none()) && end < known).then_some(end))
    }

    /// Whether it was sealed with its records up to there: an older copy was not.
    fn ends_with_footer(&self, end: Position) -> io::Result<bool> {
        let mut raw = [0; TRAILER as usize];
        let Some(at) = self.span.checked_sub(TRAILER) else { return Ok(false) };
        let read = self.file.read_at(&mut raw, at)?;
        let trailer = raw.get(..read).and_then(Trailer::decode);
        let is_ours =
            |t: &Trailer| t.base == self.base && self.header.is_some_and(|header| header.tag == t.tag);
        Ok(trailer.filter(is_ours).is_some_and(|trailer| self.base + trailer.records_end >= end))
    }
}

/// A segment's file, and its header where that is intact.
pub(crate) fn open_segment(
    path: &Path,
    storage: &dyn Storage,
) -> Result<(Arc<dyn StorageFile>, Option<Header>), Error> {
    let file = storage.open(path).map_err(Error::io("open", path))?;
    let mut block = vec![0; HEADER_BLOCK as usize];
    let read = file.read_at(&mut block, 0).map_err(Error::io("read", path))?;
    let header = Header::decode(block.get(..read).unwrap_or_default());
    Ok((file, header))
}

/// Whether the file under this name is the one that was removed from the log, and not one that somebody put there.
fn is_rest_of(removed: &Listed, dir: &Path, storage: &dyn Storage) -> Result<bool, Error> {
    let (_, header) = open_segment(&segment_path(dir, removed.base), storage)?;
    // With another segment's header it has had another life since, and a crash took its new name.
    let Some(header) = header.filter(|header| header.base == removed.base) else { return Ok(true) };
    Ok(!removed.may_be_short && (removed.tag == 0 || removed.tag == header.tag))
}

pub(crate) fn lock(dir: &Path, storage: &dyn Storage) -> Result<Box<dyn Send + Sync>, Error> {
    let path = dir.join("lock");
    storage.lock(&path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => Error::InUse { path },
        _ => Error::Io { action: "lock", path, source },
    })
}

fn new_log() -> [u8; 16] {
    let mut log = [0; 16];
    log[..8].copy_from_slice(&draw().to_le_bytes());
    log[8..].copy_from_slice(&draw().to_le_bytes());
    log
}

fn accept(header: &Header, path: &Path, log: [u8; 16], scratch: bool) -> Result<(), Error> {
    let path = path.to_path_buf();
    if header.version > FORMAT_VERSION {
        return Err(Error::NewerFormat { path, found: header.version, known: FORMAT_VERSION });
    }
    // Scratch of earlier lives goes, whichever they were: a power cut may have left some of each.
    if header.log != log && !scratch {
        return Err(Error::Foreign { path, why: "its header names another journal" });
    }
    match (header.scratch, scratch) {
        (false, true) => Err(Error::Foreign { path, why: "it is durable and would be removed as scratch" }),
        (true, false) => Err(Error::Foreign { path, why: "it is scratch of a running journal" }),
        _ => Ok(()),
    }
}
