//! The definitions in memory: what every check reads, and what applying the stored changes gives.
//!
//! A change is decided against the image, written to the store (`store.rs`), and only then applied
//! here. Applying is deterministic and cannot fail, so memory and file never disagree.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::password::PasswordHash;
use super::rights::Rights;

/// A vhost's number: stable for its life, never used again. Names its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VhostId(pub u64);

impl std::fmt::Display for VhostId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// A vhost as defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VhostRecord {
    /// Names its folder.
    pub id: VhostId,
    /// The name clients open.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Free labels for tools.
    pub tags: Vec<String>,
    /// Whether the firehose is on. Lost at a restart, as in RabbitMQ.
    pub tracing: bool,
}

/// A user as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// What tools let the user do: `administrator`, `monitoring`, ...
    pub tags: Vec<String>,
}

/// Who has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The login name.
    pub name: String,
    /// The user's tags at the time of the login.
    pub tags: Vec<String>,
}

/// A user's permissions in one vhost, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The user.
    pub user: String,
    /// The vhost.
    pub vhost: String,
    /// Pattern of names the user may create, delete and change.
    pub configure: String,
    /// Pattern of names the user may write to.
    pub write: String,
    /// Pattern of names the user may read from.
    pub read: String,
}

/// A user with what a login needs.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) password: PasswordHash,
    pub(super) identity: Arc<Identity>,
}

impl Account {
    pub(super) fn new(name: &str, password: PasswordHash, tags: Vec<String>) -> Account {
        Account { password, identity: Arc::new(Identity { name: name.to_owned(), tags }) }
    }
}

/// Permissions as given beside what they compile to.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) permission: Permission,
    pub(super) rights: Arc<Rights>,
}

/// One step of a change. Names are those of the record that appears or goes.
#[derive(Debug)]
pub(super) enum Change {
    PutVhost(VhostRecord),
    DropVhost(String),
    PutUser(Account),
    DropUser(String),
    PutGrant(Grant),
    DropGrant { user: String, vhost: String },
}

/// Every definition of this node. Sorted by name, so that listings are stable.
#[derive(Debug, Default)]
pub(super) struct Image {
    pub(super) vhosts: BTreeMap<String, VhostRecord>,
    pub(super) users: BTreeMap<String, Account>,
    /// By vhost, then by user: a check has both, a listing usually the vhost.
    pub(super) grants: BTreeMap<String, BTreeMap<String, Grant>>,
    /// The number the next vhost gets.
    pub(super) next_vhost: u64,
}

impl Image {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::PutVhost(vhost) => {
                self.next_vhost = self.next_vhost.max(vhost.id.0 + 1);
                self.vhosts.insert(vhost.name.clone(), vhost);
            }
            Change::DropVhost(name) => {
                self.vhosts.remove(&name);
            }
            Change::PutUser(account) => {
                self.users.insert(account.identity.name.clone(), account);
            }
            Change::DropUser(name) => {
                self.users.remove(&name);
            }
            Change::PutGrant(grant) => {
                let permission = &grant.permission;
                let of_vhost = self.grants.entry(permission.vhost.clone()).or_default();
                of_vhost.insert(permission.user.clone(), grant);
            }
            Change::DropGrant { user, vhost } => {
                if let Some(of_vhost) = self.grants.get_mut(&vhost) {
                    of_vhost.remove(&user);
                    if of_vhost.is_empty() {
                        self.grants.remove(&vhost);
                    }
                }
            }
        }
    }

    pub(super) fn grant(&self, user: &str, vhost: &str) -> Option<&Grant> {
        self.grants.get(vhost)?.get(user)
    }
}
