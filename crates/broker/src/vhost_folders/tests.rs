//! What is refused, what is removed, what is left alone.

use std::sync::Arc;

use journal::{Config, DiskStorage, Journal, Storage};

use super::*;

fn disk() -> Arc<dyn Storage> {
    Arc::new(DiskStorage)
}

/// A data folder with these definitions.
fn data(definitions: &[u8]) -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a folder");
    fs::write(data.path().join("definitions.redb"), definitions).expect("written");
    data
}

fn open(data: &tempfile::TempDir) -> VhostFolders {
    VhostFolders::open(data.path(), disk()).expect("opens")
}

/// Opens the vhost's log, as a start does, and notes it.
fn serve(folders: &VhostFolders, number: u64, vhost: &str) {
    let log = folders.existing(number, vhost).expect("whole").join("log");
    let (log, _) =
        Journal::open(&log, disk(), Config::default(), &mut |_| {}, Box::new(|_| {})).expect("opens");
    folders.note_log(number, vhost, log.identity()).expect("noted");
    log.close().expect("closes");
}

/// Folders with logs of these vhosts, numbered from 0.
fn folders(vhosts: &[&str]) -> (tempfile::TempDir, VhostFolders) {
    let data = data(b"x");
    let folders = open(&data);
    for (number, vhost) in (0..).zip(vhosts) {
        folders.create(number, vhost).expect("made");
        serve(&folders, number, vhost);
    }
    (data, folders)
}

fn lost(folders: &VhostFolders, number: u64, vhost: &str) -> String {
    folders.existing(number, vhost).expect_err("lost").to_string()
}

#[test]
fn messages_without_definitions_are_not_begun_anew() {
    let (data, _) = folders(&["/"]);
    fs::write(data.path().join("definitions.redb"), b"").expect("emptied");
    let error = VhostFolders::open(data.path(), disk()).err().expect("refused");
    assert!(matches!(&error, FolderError::NoDefinitions { .. }), "{error}");
}

#[test]
fn a_new_node_has_neither() {
    let data = data(b"");
    assert!(open(&data).numbers().expect("read").is_empty());
}

#[test]
fn what_a_deletion_left_goes_and_what_is_not_ours_stays() {
    let (_data, folders) = folders(&["/", "gone", "nova"]);
    folders.mark_deleted(1, true).expect("marked");
    let error = folders.settle(|number| number == 0, 2).expect_err("2 is not known");
    assert!(matches!(&error, FolderError::Foreign { next: 2, .. }), "{error}");
    let error = folders.settle(|number| number == 0, 3).expect_err("2 was never deleted");
    assert!(matches!(&error, FolderError::Unnamed { .. }) && error.to_string().contains("'nova'"), "{error}");
    assert!(folders.of(1).exists(), "nothing was touched");
    folders.settle(|number| number != 1, 3).expect("1 was deleted");
    assert_eq!(folders.numbers().expect("read"), [0, 2]);
}

#[test]
fn a_deletion_that_was_not_carried_out_leaves_no_mark() {
    let (_data, folders) = folders(&["/"]);
    folders.mark_deleted(0, true).expect("marked");
    serve(&folders, 0, "/");
    let error = folders.settle(|_| false, 1).expect_err("it is served again");
    assert!(matches!(&error, FolderError::Unnamed { .. }), "{error}");
}

#[test]
fn a_new_vhost_never_adopts_a_folder() {
    let (_data, folders) = folders(&["/"]);
    assert!(matches!(folders.create(0, "/"), Err(FolderError::Occupied { .. })));
    assert!(folders.create(1, "nova").expect("made").is_dir());
}

#[test]
fn a_vhost_whose_folder_or_log_is_gone_or_empty_is_named() {
    for gone in ["", "log", "log/*"] {
        let (_data, folders) = folders(&["/", "nova"]);
        let path = folders.of(1).join(gone.trim_end_matches("/*"));
        fs::remove_dir_all(&path).expect("removed");
        if gone.ends_with('*') {
            fs::create_dir(&path).expect("made");
        }
        let error = lost(&folders, 1, "nova");
        assert!(error.contains("'nova' has lost its messages"), "{gone}: {error}");
        folders.existing(0, "/").expect("whole");
    }
}

#[test]
fn an_empty_folder_is_no_vhost() {
    // A volume that is not mounted.
    let (_data, folders) = folders(&["/"]);
    fs::remove_dir_all(folders.of(0)).expect("removed");
    fs::create_dir(folders.of(0)).expect("made");
    assert!(lost(&folders, 0, "/").contains("has lost its messages"));
}

#[test]
fn folders_and_logs_that_changed_places_are_told() {
    for what in ["", "log"] {
        let (data, folders) = folders(&["/", "nova"]);
        let (one, other) = (folders.of(0).join(what), folders.of(1).join(what));
        let between = data.path().join("between");
        for (from, to) in [(&one, &between), (&other, &one), (&between, &other)] {
            fs::rename(from, to).expect("moved");
        }
        for (number, vhost) in [(0, "/"), (1, "nova")] {
            let error = lost(&folders, number, vhost);
            assert!(error.contains("move it"), "{what}: {error}");
        }
    }
}

#[test]
fn definitions_that_call_the_vhost_otherwise_are_another_nodes() {
    let (_data, folders) = folders(&["/", "nova"]);
    assert!(lost(&folders, 1, "neutron").contains("holds the vhost 'nova', which the definitions"));
}

#[test]
fn a_creation_that_was_cut_short_is_undone() {
    let (_data, folders) = folders(&["/"]);
    folders.create(1, "nova").expect("made");
    folders.settle(|number| number == 0, 1).expect("nothing was ever in it");
    assert_eq!(folders.numbers().expect("read"), [0]);
    // Or even before it had a label, or while it got one.
    fs::create_dir(folders.of(1)).expect("made");
    fs::write(folders.of(1).join("vhost.json.new"), "{").expect("written");
    folders.settle(|number| number == 0, 1).expect("nothing was ever in it");
    assert_eq!(folders.numbers().expect("read"), [0]);
}

#[test]
fn a_vhost_that_was_defined_and_never_opened_is_new() {
    let (_data, folders) = folders(&["/"]);
    folders.create(1, "nova").expect("made");
    folders.existing(1, "nova").expect("nothing is lost");
}

#[test]
fn a_vhost_that_an_older_release_opened_and_never_wrote_to_is_whole() {
    let (_data, folders) = folders(&["/"]);
    fs::remove_file(folders.of(0).join("vhost.json")).expect("removed");
    let log = folders.of(0).join("log");
    fs::remove_dir_all(&log).expect("removed");
    assert!(lost(&folders, 0, "/").contains("has lost its messages"));
    fs::create_dir(&log).expect("made");
    fs::write(log.join("lock"), "").expect("written");
    serve(&folders, 0, "/");
}

#[test]
fn a_folder_of_an_older_release_and_one_with_a_damaged_label_get_one() {
    for damage in [None, Some("{\"number\": 0, \"na")] {
        let (_data, folders) = folders(&["/"]);
        let label = folders.of(0).join("vhost.json");
        match damage {
            None => fs::remove_file(&label).expect("removed"),
            Some(text) => fs::write(&label, text).expect("written"),
        }
        serve(&folders, 0, "/");
        assert!(fs::read_to_string(&label).expect("there").contains("\"log\""));
        fs::remove_dir_all(folders.of(0).join("log")).expect("removed");
        assert!(lost(&folders, 0, "/").contains("has lost its messages"));
    }
}
