//! Tests of the definitions: the store's promises, logins, permissions, and patterns as Erlang reads them.

mod definitions;
mod patterns;
mod store;

use std::path::PathBuf;

use super::Access;

/// A fresh definitions file, bootstrapped as at a first start.
fn first_start() -> (tempfile::TempDir, PathBuf, Access) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("definitions.redb");
    let access = Access::open(&path).unwrap();
    assert!(access.is_empty());
    access.bootstrap("/", "guest", "guest").unwrap();
    (folder, path, access)
}
