//! What a start refuses because something is missing or damaged, and the way on without it, on purpose. The daemon
//! must not run. Next door: `vhost_folders` and [`access`](crate::access), which do the refusing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{DiskStorage, Journal, Storage};

use crate::access::{Access, AccessError, DEFAULT_VHOST, Named};
use crate::node::NodeError;
use crate::vhost_folders::{FolderError, VhostFolders};

/// One thing that keeps a node from starting.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong, and where.
    pub what: String,
    /// What going on without it means; with `accept`, what was done.
    pub way_on: String,
}

/// Why a data folder was not looked through, or not mended. What had been done until then stays, and is found done
/// by the next try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The daemon could not open the files that would be made.
    #[error("{} belongs to the user with number {owner}, and this is number {user}: run it as the broker's user, as `sudo -u '#{owner}' aileron repair` does", data.display())]
    NotOwner {
        /// The data folder.
        data: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// The system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A daemon that runs on the folder, a newer format of the definitions, what the system refuses.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl From<FolderError> for RepairError {
    fn from(error: FolderError) -> Self {
        RepairError::Node(error.into())
    }
}

impl From<AccessError> for RepairError {
    fn from(error: AccessError) -> Self {
        RepairError::Node(error.into())
    }
}

/// Looks a data folder through; with `accept` makes it one that starts, without what is lost. Nothing that is there is
/// removed: what cannot be used is renamed. All is looked at before anything is changed.
///
/// # Errors
/// See [`RepairError`].
pub fn repair(data: &Path, accept: bool) -> Result<Report, RepairError> {
    let owner = fs::metadata(data).map_err(refused(data))?.uid();
    let user = rustix::process::geteuid().as_raw();
    if owner != user {
        return Err(RepairError::NotOwner { data: data.to_path_buf(), owner, user });
    }
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage);
    let mut plan = Plan {
        folders: VhostFolders::at(data, Arc::clone(&storage)),
        storage,
        findings: Vec::new(),
        steps: Vec::new(),
        is_hopeless: false,
    };
    plan.look()?;
    let is_new = plan.is_new()?;
    let is_done = accept && !plan.is_hopeless;
    if is_done {
        plan.carry_out()?;
    }
    Ok(Report { findings: plan.findings, is_done, is_new })
}

/// What was found, and whether it was mended.
#[derive(Debug)]
pub struct Report {
    /// Everything that keeps a node from starting.
    pub findings: Vec<Finding>,
    /// All of it was mended: it was asked for, and could be.
    pub is_done: bool,
    /// There is neither a vhost nor definitions: a start begins a new node.
    pub is_new: bool,
}

/// What is wrong, and what is to be done about it.
struct Plan {
    folders: VhostFolders,
    storage: Arc<dyn Storage>,
    findings: Vec<Finding>,
    steps: Vec<Step>,
    /// There is something that accepting a loss does not help with: nothing is done.
    is_hopeless: bool,
}

enum Step {
    /// It gets another name.
    SetAside(PathBuf),
    /// Definitions of these vhosts and no users, and the number of the next vhost.
    Define(Vec<(u64, String)>, u64),
    /// A folder for a vhost that lost its own.
    Remake(u64, String),
    /// A vhost's log is what is there of it.
    AcceptLoss { vhost: String, log: PathBuf },
}

impl Plan {
    fn look(&mut self) -> Result<(), RepairError> {
        let Named { vhosts, next } = self.definitions()?;
        for number in self.folders.numbers()?.into_iter().filter(|number| !vhosts.contains_key(number)) {
            if let Some(error) = self.folders.stranger(number, next)? {
                self.set_aside(error.to_string(), self.folders.of(number));
            }
        }
        for (number, vhost) in vhosts {
            match self.folders.existing(number, &vhost) {
                Ok(folder) => {
                    self.pages(folder.join("pages"), &vhost)?;
                    self.log(folder.join("log"), vhost)?;
                }
                Err(error @ FolderError::Missing { .. }) => {
                    let way_on = format!("the vhost '{vhost}' begins anew, without queues and messages");
                    self.finding(error.to_string(), way_on);
                    self.steps.push(Step::Remake(number, vhost));
                }
                Err(
                    error @ (FolderError::Moved { .. }
                    | FolderError::Renamed { .. }
                    | FolderError::ForeignLog { .. }),
                ) => {
                    self.finding(error.to_string(), NO_HELP);
                    self.is_hopeless = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn is_new(&self) -> Result<bool, RepairError> {
        Ok(!self.folders.have_definitions()? && self.folders.numbers()?.is_empty())
    }

    fn finding(&mut self, what: String, way_on: impl Into<String>) {
        self.findings.push(Finding { what, way_on: way_on.into() });
    }

    fn set_aside(&mut self, what: String, folder: PathBuf) {
        self.finding(what, format!("it is set aside as {}", beside(&folder).display()));
        self.steps.push(Step::SetAside(folder));
    }

    /// The vhosts by the definitions; where these are lost, by their folders.
    fn definitions(&mut self) -> Result<Named, RepairError> {
        let path = self.folders.definitions().to_path_buf();
        let is_there = self.folders.have_definitions()?;
        let numbers = self.folders.numbers()?;
        let what = match is_there.then(|| Access::look(&path)) {
            Some(Ok(named)) => return Ok(named),
            None if numbers.is_empty() => return Ok(Named { vhosts: BTreeMap::new(), next: 0 }),
            None => format!("{} is missing or empty", path.display()),
            Some(Err(error @ AccessError::Damaged { .. })) => error.to_string(),
            Some(Err(error)) => return Err(error.into()),
        };
        let next = numbers.last().map_or(0, |last| last + 1);
        let vhosts = self.folders.vhosts(name_of)?;
        let names: Vec<&str> = vhosts.values().map(String::as_str).collect();
        let kept = match names.is_empty() {
            true => "there is no vhost".to_owned(),
            false => format!("the vhosts are kept as {}", names.join(", ")),
        };
        let way_on = format!(
            "users and permissions are lost; {kept}, nobody can log in before `rabbitmqctl add_user` and \
             `set_permissions`"
        );
        self.finding(what, way_on);
        for number in numbers {
            if self.folders.is_empty(number)? {
                let what =
                    format!("{} is empty: is a volume not mounted?", self.folders.of(number).display());
                self.finding(what, "it is no vhost, and goes at the next start");
            }
        }
        if fs::exists(&path).map_err(refused(&path))? {
            self.steps.push(Step::SetAside(path));
        }
        self.steps.push(Step::Define(vhosts.clone().into_iter().collect(), next));
        Ok(Named { vhosts, next })
    }

    /// What memory had no room for: nothing in it outlives a stop.
    fn pages(&mut self, pages: PathBuf, vhost: &str) -> Result<(), RepairError> {
        match Journal::examine_scratch(&pages, &*self.storage) {
            Ok(()) => Ok(()),
            Err(source @ journal::Error::InUse { .. }) => {
                Err(NodeError::Log { vhost: vhost.to_owned(), source }.into())
            }
            Err(error) => {
                self.set_aside(format!("the vhost '{vhost}': {error}"), pages);
                Ok(())
            }
        }
    }

    /// A vhost's log.
    fn log(&mut self, log: PathBuf, vhost: String) -> Result<(), RepairError> {
        let refused = |source| NodeError::Log { vhost: vhost.clone(), source };
        let refusals = Journal::examine(&log, &*self.storage).map_err(refused)?;
        let is_sound = refusals.is_empty();
        for refusal in refusals {
            let what = format!("the vhost '{vhost}': {}", refusal.error);
            self.finding(what, way_on(&refusal));
            self.is_hopeless |= !refusal.can_be_accepted;
        }
        if !is_sound {
            self.steps.push(Step::AcceptLoss { vhost, log });
        }
        Ok(())
    }

    fn carry_out(&mut self) -> Result<(), RepairError> {
        for step in self.steps.drain(..) {
            match step {
                Step::SetAside(path) => rename(&path, &beside(&path))?,
                Step::Define(vhosts, next) => {
                    Access::begin_with(self.folders.definitions(), &vhosts, next)?;
                }
                Step::Remake(number, vhost) => {
                    let folder = self.folders.of(number);
                    if fs::exists(&folder).map_err(refused(&folder))? {
                        rename(&folder, &beside(&folder))?;
                    }
                    self.folders.create(number, &vhost)?;
                }
                Step::AcceptLoss { vhost, log } => {
                    Journal::accept_loss(&log, Arc::clone(&self.storage))
                        .map_err(|source| NodeError::Log { vhost, source })?;
                }
            }
        }
        Ok(())
    }
}

/// What accepting a loss does for a thing in another one's place.
const NO_HELP: &str = "this does not help, and nothing is done before it is put right";

fn way_on(refusal: &journal::Refusal) -> &'static str {
    match &refusal.error {
        journal::Error::NewerFormat { .. } => "this does not help: use the release that wrote it",
        _ if !refusal.can_be_accepted => NO_HELP,
        journal::Error::Missing { .. } | journal::Error::Short { .. } => {
            "what is missing is lost: messages, declarations, and acknowledgements, so that some messages come again"
        }
        journal::Error::Manifest { .. } => {
            "the segments that are there are taken for all; whether one is missing cannot be told then"
        }
        _ => "it is taken for a part of the log (an old file, which is none, has to be moved away instead)",
    }
}

/// The first vhost ever made is RabbitMQ's `/`; what the others were called stood in the definitions, where an older
/// release made the folder.
fn name_of(number: u64) -> String {
    if number == 0 { DEFAULT_VHOST.to_owned() } else { format!("recovered-{number}") }
}

fn refused(path: &Path) -> impl FnOnce(io::Error) -> RepairError {
    let path = path.to_path_buf();
    move |source| RepairError::Io { path, source }
}

/// A name beside the old one that nothing has.
fn beside(path: &Path) -> PathBuf {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".aside-{n}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|free| !free.exists()).unwrap_or_else(|| name(0))
}

fn rename(from: &Path, to: &Path) -> Result<(), RepairError> {
    fs::rename(from, to).map_err(refused(from))
}

#[cfg(test)]
mod tests;
