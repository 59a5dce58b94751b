//! Vhosts that cannot be opened: nothing of them is left, or it is told, and the way on works.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{DiskStorage, Storage, StorageFile};

use super::{Node, NodeError};
use crate::settings::Settings;
use crate::snapshot::SnapshotError;

/// The disk, but that at a switch no log can be locked, as where no more files can be opened.
#[derive(Default)]
struct Locked {
    refuses: AtomicBool,
    /// A vhost's label cannot be written from then on either.
    spoils_labels: AtomicBool,
}

impl Storage for Locked {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        DiskStorage.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        DiskStorage.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        DiskStorage.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        DiskStorage.open(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskStorage.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskStorage.remove(path)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskStorage.link(from, to)
    }
    fn links(&self, path: &Path) -> io::Result<u64> {
        DiskStorage.links(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskStorage.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        if !self.refuses.load(Ordering::Relaxed) {
            return DiskStorage.lock(path);
        }
        if self.spoils_labels.load(Ordering::Relaxed)
            && let Some(folder) = path.ancestors().nth(2)
        {
            fs::create_dir_all(in_place_of_label(folder))?;
        }
        // The log is there, and the pages are not.
        match path.ancestors().nth(1).is_some_and(|dir| dir.ends_with("pages")) {
            true => Err(io::Error::other("too many open files")),
            false => DiskStorage.lock(path),
        }
    }
}

/// Where a label is written before it gets its name.
fn in_place_of_label(folder: &Path) -> PathBuf {
    folder.join("vhost.json.new")
}

fn settings(data: &Path, disk: &Arc<Locked>) -> Settings {
    Settings {
        storage: Arc::clone(disk) as Arc<dyn Storage>,
        segment_bytes: 1 << 20,
        ..Settings::new("rabbit@test", data)
    }
}

fn open(data: &Path, disk: &Arc<Locked>) -> Result<Arc<Node>, NodeError> {
    Node::open(settings(data, disk), Arc::new(|job| job()))
}

#[test]
fn a_vhost_that_does_not_open_is_taken_back() {
    let (data, disk) = (tempfile::tempdir().expect("a folder"), Arc::new(Locked::default()));
    let node = open(data.path(), &disk).expect("opens");
    disk.refuses.store(true, Ordering::Relaxed);
    let error = node.add_vhost("nova", "", &[]).expect_err("it does not open");
    assert!(error.to_string().contains("too many open files"), "{error}");
    assert!(!node.access.has_vhost("nova") && node.vhost("nova").is_none());
    assert_eq!(node.folders.numbers().expect("listed"), [0]);
    disk.refuses.store(false, Ordering::Relaxed);
    node.add_vhost("nova", "", &[]).expect("as if nothing had been");
    assert!(node.vhost("nova").is_some());
    drop(node);
    assert!(open(data.path(), &disk).expect("and again").vhost("nova").is_some());
}

#[test]
fn a_vhost_that_cannot_be_taken_back_is_told_and_opened_when_that_works() {
    let (data, disk) = (tempfile::tempdir().expect("a folder"), Arc::new(Locked::default()));
    let node = open(data.path(), &disk).expect("opens");
    disk.refuses.store(true, Ordering::Relaxed);
    disk.spoils_labels.store(true, Ordering::Relaxed);
    let error = node.add_vhost("nova", "", &[]).expect_err("it does not open");
    assert!(matches!(&error, NodeError::HalfMade { vhost, .. } if vhost == "nova"), "{error}");
    assert!(node.access.has_vhost("nova") && node.vhost("nova").is_none());
    let copy = crate::snapshot::take(&node, &data.path().join("copy"));
    assert!(matches!(&copy, Err(SnapshotError::Down { vhost }) if vhost == "nova"), "{copy:?}");
    node.restart_vhost("nova").expect_err("still not");
    disk.refuses.store(false, Ordering::Relaxed);
    fs::remove_dir(in_place_of_label(&node.folders.of(1))).expect("mended");
    assert!(node.restart_vhost("nova").expect("opens"));
    assert!(node.vhost("nova").is_some() && !node.restart_vhost("nova").expect("is open"));
    node.delete_vhost("nova").expect("deleted");
    assert_eq!(node.folders.numbers().expect("listed"), [0]);
}

#[test]
fn what_an_earlier_try_left_is_in_nobodys_way() {
    let (data, disk) = (tempfile::tempdir().expect("a folder"), Arc::new(Locked::default()));
    let node = open(data.path(), &disk).expect("opens");
    node.folders.create(1, "nova").expect("and nothing more");
    node.add_vhost("nova", "", &[]).expect("made all the same");
    assert!(node.vhost("nova").is_some());
}
