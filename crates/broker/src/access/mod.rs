//! Who may do what: vhosts, users and permissions of this node, and the checks on them.
//!
//! - [`Access`] is the door: reads from memory under a short lock, changes durably first (`store.rs`),
//!   then in memory (`image.rs`). The operations live in `vhosts.rs`, `users.rs`, `permissions.rs`, `import.rs`;
//!   `events.rs` is what the log says of each.
//! - [`Rights`] answers "may this user do this to that name" from compiled patterns (`pattern.rs`,
//!   which reads RabbitMQ's dialect through `pcre.rs`, `pcre_class.rs` and `byte_sets.rs`).
//! - `password.rs` has the hashes that definitions.json carries.
//!
//! Sessions keep what they were told and compare [`Access::generation`], one atomic load, to learn
//! that something changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

mod byte_sets;
mod error;
mod events;
mod image;
mod import;
mod password;
mod pattern;
mod pcre;
mod pcre_class;
mod permissions;
mod rights;
mod store;
mod users;
mod vhosts;

#[cfg(test)]
mod tests;

pub use error::{AccessError, AuthFailure};
pub use image::{Identity, Permission, User, VhostId, VhostRecord};
pub(crate) use import::{Imported, stored_password};
pub use password::{Hashing, PasswordHash};
pub use pcre::PatternError;
pub use rights::{DEFAULT_EXCHANGE_RESOURCE, Right, Rights};

use image::{Account, Change, Image};
pub(crate) use store::Definitions;
use store::Store;

/// The vhost a first start makes.
pub const DEFAULT_VHOST: &str = "/";

/// This node's definitions. Shared by all sessions; reads never wait for the disk.
pub struct Access {
    /// Changes are made one at a time: decided, written and applied under this lock.
    store: Mutex<Store>,
    image: RwLock<Image>,
    generation: AtomicU64,
    loopback_users: RwLock<Vec<String>>,
}

/// The vhosts that definitions name.
pub(crate) struct Named {
    /// Their names by number.
    pub(crate) vhosts: BTreeMap<u64, String>,
    /// The number the next one would get.
    pub(crate) next: u64,
}

impl Access {
    /// Opens the definitions file, creating it when there is none (its folder must exist).
    ///
    /// # Errors
    /// [`AccessError::NewerFormat`] and [`AccessError::InUse`] leave the file untouched;
    /// [`AccessError::Damaged`] and [`AccessError::Store`] say what could not be read.
    pub fn open(path: &Path) -> Result<Access, AccessError> {
        let (store, image) = Store::open(path)?;
        Ok(Access {
            store: Mutex::new(store),
            image: RwLock::new(image),
            generation: AtomicU64::new(1),
            loopback_users: RwLock::new(vec!["guest".to_owned()]),
        })
    }

    /// The vhosts in a file that is there, which is not changed, and is closed again.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn look(path: &Path) -> Result<Named, AccessError> {
        let image = Store::look(path)?;
        let vhosts = image.vhosts.into_values().map(|vhost| (vhost.id.0, vhost.name)).collect();
        Ok(Named { vhosts, next: image.next_vhost })
    }

    /// Makes a file with these vhosts, by number, without any user, and with the number that the next vhost gets; whole or
    /// not at all.
    ///
    /// # Errors
    /// [`AccessError::VhostExists`] for a name that stands there twice; [`AccessError::Store`].
    pub(crate) fn begin_with(path: &Path, vhosts: &[(u64, String)], next: u64) -> Result<(), AccessError> {
        Definitions::of_vhosts(path, vhosts, next)?.write_to(path)
    }

    /// All definitions as they are on disk now.
    pub(crate) fn copy(&self) -> Result<Definitions, AccessError> {
        self.store.lock().copy()
    }

    /// Whether nothing was ever defined: a first start.
    pub fn is_empty(&self) -> bool {
        let image = self.image.read();
        image.users.is_empty() && image.vhosts.is_empty() && image.next_vhost == 0
    }

    /// Makes what RabbitMQ makes at a first start, in one transaction: a vhost of this name ([`DEFAULT_VHOST`] where nobody
    /// wants another) and an administrator with every permission in it.
    ///
    /// # Errors
    /// [`AccessError::VhostExists`] or [`AccessError::UserExists`] when it is no first start.
    pub fn bootstrap(&self, name: &str, user: &str, password: &str) -> Result<VhostId, AccessError> {
        let password = PasswordHash::new(password.as_bytes())?;
        self.change(|image| {
            vhosts::refuse_existing(image, name)?;
            users::refuse_existing(image, user)?;
            let id = VhostId(image.next_vhost);
            let vhost = VhostRecord {
                id,
                name: name.to_owned(),
                description: "Default virtual host".to_owned(),
                tags: Vec::new(),
                tracing: false,
            };
            let account = Account::new(user, password, vec!["administrator".to_owned()]);
            let grant = permissions::compile(user, name, ".*", ".*", ".*")?;
            Ok((vec![Change::PutVhost(vhost), Change::PutUser(account), Change::PutGrant(grant)], id))
        })
    }

    /// A number that grows with every change of definitions: whatever was read at the same number
    /// still holds.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Decides a change against the image, makes it durable, applies it. An error changes nothing.
    fn change<T>(
        &self,
        decide: impl FnOnce(&Image) -> Result<(Vec<Change>, T), AccessError>,
    ) -> Result<T, AccessError> {
        let store = self.store.lock();
        let (changes, answer) = decide(&self.image.read())?;
        if changes.is_empty() {
            return Ok(answer);
        }
        store.commit(&changes)?;
        let mut image = self.image.write();
        for change in changes {
            events::tell(&image, &change);
            image.apply(change);
        }
        // Bumped while the image is locked: who reads the new number reads the new image.
        self.generation.fetch_add(1, Ordering::Release);
        Ok(answer)
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Access").field("generation", &self.generation()).finish_non_exhaustive()
    }
}
