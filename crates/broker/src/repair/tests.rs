//! Damaged folders, looked at and mended.

use journal::{Config, Record};

use super::*;

/// A node with two vhosts, "/" and "nova", each with a log, closed.
fn node() -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a folder");
    let folders = VhostFolders::open(data.path(), Arc::new(DiskStorage)).expect("opens");
    let access = Access::open(folders.definitions()).expect("opens");
    access.bootstrap("/", "guest", "guest").expect("made");
    access.add_vhost("nova").expect("made");
    for (number, vhost) in [(0, "/"), (1, "nova")] {
        let folder = folders.create(number, vhost).expect("made");
        let log = open_log(&folder.join("log"));
        folders.note_log(number, vhost, log.identity()).expect("noted");
    }
    data
}

fn open_log(log: &Path) -> Journal {
    let (log, _) =
        Journal::open(log, Arc::new(DiskStorage), Config::default(), &mut |_| {}, Box::new(|_| {}))
            .expect("opens");
    log.append(Record { kind: 1, index: b"a record", body: &[] }).expect("taken");
    log.sync().expect("synced");
    log
}

fn texts(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.what.as_str()).collect()
}

fn look(data: &tempfile::TempDir) -> Vec<Finding> {
    repair(data.path(), false).expect("looks").findings
}

fn mend(data: &tempfile::TempDir) -> Vec<Finding> {
    let report = repair(data.path(), true).expect("mends");
    assert!(report.is_done, "{:?}", report.findings);
    report.findings
}

/// All names in a folder, with the files' contents.
fn image(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("read") {
        let path = entry.expect("read").path();
        if path.is_dir() {
            found.extend(image(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("read"));
        }
    }
    found
}

#[test]
fn a_sound_folder_has_no_findings_and_is_left_alone() {
    let data = node();
    let before = image(data.path());
    assert!(mend(&data).is_empty());
    assert!(image(data.path()) == before);
    let report = repair(tempfile::tempdir().expect("a folder").path(), false).expect("looks");
    assert!(report.is_new && report.findings.is_empty());
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
        let found = look(&data);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(damaged, path.exists(), "looking changes nothing");
        assert_eq!(mend(&data).len(), 1);
        assert!(look(&data).is_empty());
        let access = Access::open(&path).expect("opens");
        assert!(access.users().is_empty() && !access.is_empty(), "no administrator is made at the start");
        let names: Vec<String> = access.vhosts().into_iter().map(|vhost| vhost.name).collect();
        assert_eq!((names, access.next_vhost()), (vec!["/".to_owned(), "nova".to_owned()], 2));
        assert_eq!(damaged, data.path().join("definitions.redb.aside-1").exists());
    }
}

#[test]
fn vhosts_of_an_older_release_get_names_where_the_definitions_are_lost() {
    let data = node();
    for number in [0, 1] {
        fs::remove_file(data.path().join(format!("vhosts/{number}/vhost.json"))).expect("removed");
    }
    fs::remove_file(data.path().join("definitions.redb")).expect("removed");
    mend(&data);
    assert!(look(&data).is_empty());
    let access = Access::open(&data.path().join("definitions.redb")).expect("opens");
    let names: Vec<String> = access.vhosts().into_iter().map(|vhost| vhost.name).collect();
    assert_eq!(names, ["/", "recovered-1"]);
}

#[test]
fn of_two_vhosts_of_one_name_the_deleted_one_is_set_aside() {
    let data = node();
    let folders = VhostFolders::at(data.path(), Arc::new(DiskStorage));
    let again = folders.create(4, "nova").expect("made");
    folders.note_log(4, "nova", open_log(&again.join("log")).identity()).expect("noted");
    fs::remove_file(folders.definitions()).expect("removed");
    assert_eq!(look(&data).len(), 2);
    mend(&data);
    assert!(look(&data).is_empty());
    assert!(data.path().join("vhosts/1.aside-1/log").is_dir());
    let access = Access::open(folders.definitions()).expect("opens");
    assert_eq!((access.vhost("nova").expect("there").id.0, access.next_vhost()), (4, 5));
}

#[test]
fn a_lost_vhost_begins_anew_and_an_unknown_one_is_set_aside() {
    let data = node();
    let vhosts = data.path().join("vhosts");
    fs::remove_dir_all(vhosts.join("1")).expect("removed");
    fs::create_dir_all(vhosts.join("7/log")).expect("made");
    let found = mend(&data);
    assert_eq!(found.len(), 2, "{:?}", texts(&found));
    assert!(vhosts.join("1").is_dir() && vhosts.join("7.aside-1/log").is_dir());
    assert!(look(&data).is_empty());
}

#[test]
fn looking_tells_all_that_accepting_does() {
    // Definitions, a segment and a vhost's log at once.
    let data = node();
    fs::remove_file(data.path().join("definitions.redb")).expect("removed");
    fs::remove_dir_all(data.path().join("vhosts/1/log")).expect("removed");
    let log = data.path().join("vhosts/0/log");
    let segment = image(&log).into_keys().find(|path| path.extension().is_some_and(|e| e == "seg"));
    fs::remove_file(segment.expect("there")).expect("removed");
    let told = look(&data);
    assert_eq!(told.len(), 3, "{:?}", texts(&told));
    let done = mend(&data);
    assert_eq!(texts(&told), texts(&done));
    assert!(look(&data).is_empty());
}

#[test]
fn cut_short_it_is_carried_to_its_end_by_the_next_try() {
    // Killed behind the first step: the damaged definitions have another name.
    let data = node();
    let path = data.path().join("definitions.redb");
    fs::rename(&path, data.path().join("definitions.redb.aside-1")).expect("renamed");
    // Or while the new ones were written.
    fs::write(data.path().join("definitions.new"), vec![1; 4096]).expect("written");
    mend(&data);
    assert!(look(&data).is_empty());
    assert!(!data.path().join("vhosts/1.aside-1").exists(), "no vhost is set aside");
}

#[test]
fn while_a_log_is_in_use_nothing_is_changed() {
    let data = node();
    fs::remove_file(data.path().join("definitions.redb")).expect("removed");
    let log = open_log(&data.path().join("vhosts/1/log"));
    let names = || image(data.path()).into_keys().collect::<Vec<_>>();
    let before = names();
    let error = repair(data.path(), true).expect_err("the broker runs").to_string();
    assert!(error.contains("in use"), "{error}");
    // What is in the log's files is the log's own business.
    assert_eq!(names(), before);
    log.close().expect("closes");
}

#[test]
fn what_accepting_does_not_help_with_leaves_all_as_it_is() {
    let data = node();
    let vhosts = data.path().join("vhosts");
    fs::remove_dir_all(vhosts.join("0")).expect("removed");
    fs::rename(vhosts.join("1"), vhosts.join("0")).expect("moved");
    let told = look(&data);
    assert_eq!(told.len(), 2, "{:?}", texts(&told));
    let report = repair(data.path(), true).expect("looks");
    assert!(!report.is_done && texts(&report.findings) == texts(&told));
    assert!(told.iter().any(|finding| finding.what.contains("vhosts/1 of the vhost 'nova'")), "{told:?}");
    assert!(!vhosts.join("1").exists(), "nothing was done");
    fs::rename(vhosts.join("0"), vhosts.join("1")).expect("moved back");
    assert_eq!(mend(&data).len(), 1);
    assert!(look(&data).is_empty());
}

#[test]
fn a_refusal_of_the_system_is_no_damage() {
    let data = node();
    let path = data.path().join("definitions.redb");
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    let error = repair(data.path(), true).expect_err("a folder cannot be read").to_string();
    assert!(error.contains("cannot open"), "{error}");
    assert!(path.is_dir(), "nothing was set aside");
}

#[test]
fn pages_that_cannot_be_used_are_set_aside() {
    let data = node();
    let pages = data.path().join("vhosts/1/pages");
    fs::create_dir_all(pages.join("lock")).expect("made");
    let found = look(&data);
    assert!(
        matches!(&texts(&found)[..], [what] if what.contains("pages/lock") && what.contains("nova")),
        "{found:?}"
    );
    mend(&data);
    assert!(!pages.exists() && look(&data).is_empty());
    fs::write(&pages, b"a file").expect("written");
    assert_eq!(mend(&data).len(), 1);
    assert!(look(&data).is_empty());
}
