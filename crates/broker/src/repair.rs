//! What a start refuses because something is missing or damaged, and the way on without it, on purpose. The daemon
//! must not run. Next door: `vhost_folders` and [`access`](crate::access), which do the refusing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{DiskStorage, Journal};

use crate::access::{Access, AccessError, DEFAULT_VHOST};
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

/// Looks a data folder through; with `accept` makes it one that starts, without what is lost. Nothing that is there is
/// removed: what cannot be used is renamed.
///
/// # Errors
/// A daemon that runs on the folder, a newer format, and whatever the system refuses: nothing more is done then.
pub fn repair(data: &Path, accept: bool) -> Result<Vec<Finding>, NodeError> {
    let mut findings = Vec::new();
    let folders = VhostFolders::at(data);
    let Some(access) = definitions(&folders, accept, &mut findings)? else { return Ok(findings) };
    let named: BTreeMap<u64, String> =
        access.vhosts().into_iter().map(|vhost| (vhost.id.0, vhost.name)).collect();
    for number in folders.numbers()? {
        if number >= access.next_vhost() && !folders.is_empty(number)? {
            let folder = folders.of(number);
            let aside = beside(&folder);
            findings.push(Finding {
                what: format!("{} holds a vhost that the definitions do not know", folder.display()),
                way_on: format!("it is set aside as {}", aside.display()),
            });
            if accept {
                rename(&folder, &aside)?;
            }
        }
    }
    for (number, vhost) in named {
        let folder = folders.of(number);
        let Err(error @ FolderError::Missing { .. }) = folders.existing(number, &vhost) else {
            let source = log(&folder.join("log"), &vhost, accept, &mut findings);
            source.map_err(|source| NodeError::Log { vhost, source })?;
            continue;
        };
        findings.push(Finding {
            what: error.to_string(),
            way_on: format!("the vhost '{vhost}' begins anew, without queues and messages"),
        });
        if accept {
            if folder.exists() {
                rename(&folder, &beside(&folder))?;
            }
            folders.create(number)?;
        }
    }
    Ok(findings)
}

/// The definitions; `None` where there are none yet, or where there are none without `accept`.
fn definitions(
    folders: &VhostFolders,
    accept: bool,
    findings: &mut Vec<Finding>,
) -> Result<Option<Access>, NodeError> {
    let path = folders.definitions();
    let length = fs::metadata(path).map_or(0, |file| file.len());
    let numbers = folders.numbers()?;
    let what = match Access::open_existing(path) {
        Ok(Some(access)) => return Ok(Some(access)),
        Ok(None) if numbers.is_empty() => return Ok(None),
        Ok(None) => format!("{} is missing or empty", path.display()),
        Err(error @ (AccessError::InUse { .. } | AccessError::NewerFormat { .. })) => {
            return Err(error.into());
        }
        Err(error) => error.to_string(),
    };
    let vhosts: Vec<(u64, String)> = numbers.into_iter().map(|number| (number, name_of(number))).collect();
    let names: Vec<&str> = vhosts.iter().map(|(_, name)| name.as_str()).collect();
    let way_on = format!(
        "users, permissions and the vhosts' names are lost; the vhosts are kept as {}, nobody can log in before \
         `rabbitmqctl add_user` and `set_permissions`",
        names.join(", ")
    );
    findings.push(Finding { what, way_on });
    if !accept {
        return Ok(None);
    }
    if length > 0 {
        rename(path, &beside(path))?;
    }
    Ok(Some(Access::begin_with(path, &vhosts)?))
}

/// A vhost's log.
fn log(folder: &Path, vhost: &str, accept: bool, findings: &mut Vec<Finding>) -> Result<(), journal::Error> {
    if !Journal::exists(folder, &DiskStorage)? {
        return Ok(());
    }
    for refusal in Journal::examine(folder, &DiskStorage)? {
        let way_on = match &refusal.error {
            _ if !refusal.can_be_accepted => {
                "this does not help: the file has to be moved to where it belongs"
            }
            journal::Error::Missing { .. } | journal::Error::Short { .. } => {
                "what is missing is lost: messages, declarations, and acknowledgements, so that some messages come again"
            }
            journal::Error::Manifest { .. } => {
                "the segments that are there are taken for all; whether one is missing cannot be told then"
            }
            _ => {
                "it is taken for a part of the log; an old file that was put there has to be moved away before"
            }
        };
        let what = format!("the vhost '{vhost}': {}", refusal.error);
        findings.push(Finding { what, way_on: way_on.to_owned() });
    }
    if accept {
        Journal::accept_loss(folder, Arc::new(DiskStorage))?;
    }
    Ok(())
}

/// The first vhost ever made is RabbitMQ's `/`; what the others were called stood in the definitions.
fn name_of(number: u64) -> String {
    if number == 0 { DEFAULT_VHOST.to_owned() } else { format!("recovered-{number}") }
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

fn rename(from: &Path, to: &Path) -> Result<(), FolderError> {
    fs::rename(from, to).map_err(|source| FolderError::Io { folder: from.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> tempfile::TempDir {
        let data = tempfile::tempdir().expect("a folder");
        let folders = VhostFolders::open(data.path()).expect("opens");
        let access = Access::open(folders.definitions()).expect("opens");
        access.bootstrap("guest", "guest").expect("made");
        access.add_vhost("nova").expect("made");
        for number in [0, 1] {
            fs::create_dir_all(folders.of(number).join("log")).expect("made");
        }
        data
    }

    fn texts(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.what.as_str()).collect()
    }

    #[test]
    fn a_sound_folder_has_no_findings_and_is_left_alone() {
        let data = node();
        assert!(repair(data.path(), true).expect("looks").is_empty());
        assert!(repair(tempfile::tempdir().expect("a folder").path(), false).expect("looks").is_empty());
    }

    #[test]
    fn lost_definitions_keep_the_vhosts_and_let_nobody_in() {
        for damaged in [false, true] {
            let data = node();
            let path = data.path().join("definitions.redb");
            if damaged {
                fs::write(&path, vec![7; 40_000]).expect("written");
            } else {
                fs::remove_file(&path).expect("removed");
            }
            let found = repair(data.path(), false).expect("looks");
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(damaged, path.exists(), "looking changes nothing");
            assert_eq!(repair(data.path(), true).expect("mends").len(), 1);
            assert!(repair(data.path(), false).expect("looks").is_empty());
            let access = Access::open(&path).expect("opens");
            assert!(access.users().is_empty() && !access.is_empty(), "no administrator is made at the start");
            let names: Vec<String> = access.vhosts().into_iter().map(|vhost| vhost.name).collect();
            assert_eq!((names, access.next_vhost()), (vec!["/".to_owned(), "recovered-1".to_owned()], 2));
            assert_eq!(damaged, data.path().join("definitions.redb.aside-1").exists());
        }
    }

    #[test]
    fn a_lost_vhost_begins_anew_and_an_unknown_one_is_set_aside() {
        let data = node();
        let vhosts = data.path().join("vhosts");
        fs::remove_dir_all(vhosts.join("1")).expect("removed");
        fs::create_dir_all(vhosts.join("7/log")).expect("made");
        let found = repair(data.path(), true).expect("mends");
        assert_eq!(found.len(), 2, "{:?}", texts(&found));
        assert!(vhosts.join("1").is_dir() && vhosts.join("7.aside-1/log").is_dir());
        assert!(repair(data.path(), false).expect("looks").is_empty());
    }
}
