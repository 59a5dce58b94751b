//! The file: what survives, what is refused, and that a refused file stays as it was.

use std::path::Path;

use redb::{Database, TableDefinition};

use super::super::{Access, AccessError, Right};
use super::first_start;

#[test]
fn definitions_survive_a_restart() {
    let (_folder, path, access) = first_start();
    access.add_user("nova", "secret").unwrap();
    access.set_user_tags("nova", &["monitoring".to_owned(), "policymaker".to_owned()]).unwrap();
    let id = access.add_vhost_with("/nova", "compute", &["a".to_owned()]).unwrap();
    access.set_permissions("nova", "/nova", "^(?!amq\\.)", ".*", "^nova").unwrap();
    access.add_vhost("gone").unwrap();
    access.delete_vhost("gone").unwrap();
    access.set_tracing("/nova", true).unwrap();
    let (vhosts, users) = (access.vhosts(), access.users());
    drop(access);

    let access = Access::open(&path).unwrap();
    assert_eq!(access.users(), users);
    assert_eq!(access.vhosts().len(), vhosts.len());
    let vhost = access.vhost("/nova").unwrap();
    assert_eq!((vhost.id, vhost.description.as_str(), vhost.tags), (id, "compute", vec!["a".to_owned()]));
    assert!(!vhost.tracing, "the firehose is off after a restart");
    assert!(access.authenticate("nova", b"secret").is_ok());
    assert!(!access.rights("nova", "/nova").unwrap().may(Right::Configure, "amq.x"));
    assert!(access.add_vhost("next").unwrap().0 > id.0 + 1, "numbers of deleted vhosts stay used");
    assert!(!access.is_empty());
}

#[test]
fn everything_deleted_is_no_first_start() {
    let (_folder, path, access) = first_start();
    access.delete_user("guest").unwrap();
    access.delete_vhost("/").unwrap();
    drop(access);
    assert!(!Access::open(&path).unwrap().is_empty());
}

#[test]
fn a_file_in_use_is_refused() {
    let (_folder, path, access) = first_start();
    assert!(matches!(Access::open(&path), Err(AccessError::InUse { path: named }) if named == path));
    drop(access);
    Access::open(&path).unwrap();
}

fn set_format(path: &Path, format: u64) {
    const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("format", format).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_newer_file_is_refused_untouched() {
    let (_folder, path, access) = first_start();
    drop(access);
    set_format(&path, 2);
    let before = std::fs::read(&path).unwrap();
    let refused = Access::open(&path);
    assert!(matches!(refused, Err(AccessError::NewerFormat { found: 2, supported: 1, .. })));
    assert!(std::fs::read(&path).unwrap() == before, "not a byte changed");
}

#[test]
fn a_newer_file_that_was_not_closed_is_refused_untouched() {
    let (folder, path, access) = first_start();
    drop(access);
    set_format(&path, 2);
    // A copy of an open file is what kill -9 leaves.
    let database = Database::open(&path).unwrap();
    let killed = folder.path().join("killed.redb");
    std::fs::copy(&path, &killed).unwrap();
    drop(database);
    let before = std::fs::read(&killed).unwrap();
    assert!(matches!(Access::open(&killed), Err(AccessError::NewerFormat { found: 2, .. })));
    assert!(std::fs::read(&killed).unwrap() == before, "not a byte changed");
}

#[test]
fn a_file_that_was_not_closed_opens_with_everything_promised() {
    let (folder, path, access) = first_start();
    access.add_user("nova", "secret").unwrap();
    let killed = folder.path().join("killed.redb");
    std::fs::copy(&path, &killed).unwrap();
    let access = Access::open(&killed).unwrap();
    assert!(access.authenticate("nova", b"secret").is_ok());
}

#[test]
fn an_empty_file_is_a_first_start_and_a_strange_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.redb");
    std::fs::write(&empty, b"").unwrap();
    assert!(Access::open(&empty).unwrap().is_empty());

    let strange = folder.path().join("strange.redb");
    std::fs::write(&strange, b"<html>not a database</html>").unwrap();
    let error = Access::open(&strange).unwrap_err().to_string();
    assert!(error.contains("strange.redb"), "{error}");
    assert_eq!(std::fs::read(&strange).unwrap(), b"<html>not a database</html>");

    let missing = folder.path().join("no such folder").join("x.redb");
    let error = Access::open(&missing).unwrap_err().to_string();
    assert!(error.starts_with("cannot create "), "{error}");
}

#[test]
fn a_record_that_is_no_definition_is_named() {
    const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
    let (_folder, path, access) = first_start();
    drop(access);
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(USERS).unwrap().insert("nova", &b"{"[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Access::open(&path).unwrap_err().to_string();
    assert!(error.contains("is damaged: user \"nova\""), "{error}");
}

#[test]
fn changes_from_many_threads_are_all_kept() {
    let (_folder, path, access) = first_start();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let access = &access;
            scope.spawn(move || {
                for n in 0..10 {
                    let user = format!("user-{thread}-{n}");
                    access.add_user(&user, "secret").unwrap();
                    access.set_permissions(&user, "/", ".*", ".*", ".*").unwrap();
                    assert!(access.rights(&user, "/").is_some());
                }
            });
        }
    });
    assert_eq!(access.users().len(), 41);
    drop(access);
    assert_eq!(Access::open(&path).unwrap().list_permissions("/").unwrap().len(), 41);
}

/// Opens the file with these bytes; what is defined there, or the error's text.
fn opened_with(path: &Path, bytes: &[u8]) -> Result<(Vec<String>, usize), String> {
    std::fs::write(path, bytes).unwrap();
    let access = Access::open(path).map_err(|error| error.to_string())?;
    let names = access.users().into_iter().map(|user| user.name).collect();
    Ok((names, access.list_permissions("/").unwrap().len()))
}

#[test]
fn a_page_of_zeros_is_an_error_that_names_the_file_or_does_no_harm() {
    let (folder, path, access) = first_start();
    access.add_user("nova", "secret").unwrap();
    access.set_permissions("nova", "/", ".*", ".*", ".*").unwrap();
    access.delete_user("guest").unwrap();
    let killed = std::fs::read(&path).unwrap();
    drop(access);
    let closed = std::fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged.redb");
    let all = opened_with(&damaged, &closed).unwrap();
    assert_eq!(all, (vec!["nova".to_owned()], 1));
    let mut refused = 0;
    for whole in [&closed, &killed] {
        for page in 0..whole.len().div_ceil(4096) {
            let mut bytes = whole.clone();
            let end = bytes.len().min((page + 1) * 4096);
            if bytes[page * 4096..end].iter().all(|byte| *byte == 0) {
                continue;
            }
            bytes[page * 4096..end].fill(0);
            match opened_with(&damaged, &bytes) {
                Ok(found) => assert_eq!(found, all, "page {page}"),
                Err(error) => {
                    assert!(error.contains("damaged.redb"), "page {page}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 4, "{refused}");
}

#[test]
fn a_flipped_bit_is_an_error_that_names_the_file_or_does_no_harm() {
    let (folder, path, access) = first_start();
    access.add_user("nova", "secret").unwrap();
    access.delete_user("guest").unwrap();
    let killed = std::fs::read(&path).unwrap();
    drop(access);
    let closed = std::fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged.redb");
    for whole in [&closed, &killed] {
        let all = opened_with(&damaged, whole).unwrap();
        assert_eq!(all, (vec!["nova".to_owned()], 0));
        let places = (0..320).step_by(11).chain((320..whole.len()).step_by(4093));
        for place in places.filter(|place| *place < 320 || whole[*place] != 0) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            match opened_with(&damaged, &bytes) {
                Ok(found) => assert_eq!(found, all, "byte {place}"),
                Err(error) => assert!(error.contains("damaged.redb"), "byte {place}: {error}"),
            }
        }
        // Bit 0 says which of the two last commits is in force, and nothing tells its flip from a commit that a kill
        // cut short: the one before is served then.
        for bit in 1..8 {
            let mut bytes = whole.clone();
            bytes[9] ^= 1 << bit;
            match opened_with(&damaged, &bytes) {
                Ok(found) => {
                    assert_eq!(found, all, "bit {bit} of the byte that says which commit is the last")
                }
                Err(error) => assert!(error.contains("damaged.redb"), "bit {bit}: {error}"),
            }
        }
    }
}
