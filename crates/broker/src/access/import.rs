//! Users and permissions of a definitions file, all in one change.

use super::image::{Account, Change, Grant, Permission};
use super::password::{Hashing, PasswordHash};
use super::{Access, AccessError, permissions, users};

/// A user as a definitions file has one.
pub(crate) trait Imported {
    fn name(&self) -> &str;
    fn tags(&self) -> &[String];
    fn password(&self) -> Result<PasswordHash, AccessError>;
}

/// The password that a hash in base64 and a digest's name stand for.
pub(crate) fn stored_password(hash: &str, algorithm: &str) -> Result<PasswordHash, AccessError> {
    PasswordHash::from_base64(hash, Hashing::from_name(algorithm)?)
}

impl Permission {
    /// Whether its patterns are some.
    ///
    /// # Errors
    /// [`AccessError::BadRegex`].
    pub(crate) fn compiled(&self) -> Result<(), AccessError> {
        grant(self).map(drop)
    }
}

fn grant(permission: &Permission) -> Result<Grant, AccessError> {
    let Permission { user, vhost, configure, write, read } = permission;
    permissions::compile(user, vhost, configure, write, read)
}

impl Access {
    /// Makes or replaces these users, then these permissions: all of them or none.
    ///
    /// # Errors
    /// What a user or a permission alone is refused with.
    pub(crate) fn import(&self, new: &[impl Imported], granted: &[Permission]) -> Result<(), AccessError> {
        let mut changes = Vec::with_capacity(new.len() + granted.len());
        for user in new {
            let account = Account::new(user.name(), user.password()?, user.tags().to_vec());
            changes.push(Change::PutUser(account));
        }
        let grants: Vec<Grant> = granted.iter().map(grant).collect::<Result<_, _>>()?;
        self.change(|image| {
            for Grant { permission: Permission { user, vhost, .. }, .. } in &grants {
                if !new.iter().any(|new| new.name() == user) {
                    users::account(image, user)?;
                }
                if !image.vhosts.contains_key(vhost) {
                    return Err(AccessError::NoSuchVhost(vhost.clone()));
                }
            }
            changes.extend(grants.into_iter().map(Change::PutGrant));
            Ok((changes, ()))
        })
    }
}
