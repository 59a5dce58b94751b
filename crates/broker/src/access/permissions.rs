//! Permissions: a user's three patterns in a vhost.

use std::sync::Arc;

use super::image::{Change, Grant, Permission};
use super::rights::Rights;
use super::{Access, AccessError, users};

impl Access {
    /// Sets the three patterns of a user in a vhost.
    ///
    /// # Errors
    /// [`AccessError::BadRegex`], [`AccessError::NoSuchUser`], [`AccessError::NoSuchVhost`], asked in
    /// this order, which is RabbitMQ's.
    pub fn set_permissions(
        &self,
        user: &str,
        vhost: &str,
        configure: &str,
        write: &str,
        read: &str,
    ) -> Result<(), AccessError> {
        let grant = compile(user, vhost, configure, write, read)?;
        self.change(|image| {
            users::account(image, user)?;
            if !image.vhosts.contains_key(vhost) {
                return Err(AccessError::NoSuchVhost(vhost.to_owned()));
            }
            Ok((vec![Change::PutGrant(grant)], ()))
        })
    }

    /// Takes a user's permissions in a vhost away; having none is fine.
    ///
    /// # Errors
    /// [`AccessError::NoSuchUser`], [`AccessError::NoSuchVhost`].
    pub fn clear_permissions(&self, user: &str, vhost: &str) -> Result<(), AccessError> {
        self.change(|image| {
            users::account(image, user)?;
            if !image.vhosts.contains_key(vhost) {
                return Err(AccessError::NoSuchVhost(vhost.to_owned()));
            }
            let granted = image.grant(user, vhost).is_some();
            let change = || Change::DropGrant { user: user.to_owned(), vhost: vhost.to_owned() };
            Ok((granted.then(change).into_iter().collect(), ()))
        })
    }

    /// Everybody's permissions in a vhost, by user.
    ///
    /// # Errors
    /// [`AccessError::NoSuchVhost`].
    pub fn list_permissions(&self, vhost: &str) -> Result<Vec<Permission>, AccessError> {
        let image = self.image.read();
        if !image.vhosts.contains_key(vhost) {
            return Err(AccessError::NoSuchVhost(vhost.to_owned()));
        }
        let grants = image.grants.get(vhost).into_iter().flat_map(|grants| grants.values());
        Ok(grants.map(|grant| grant.permission.clone()).collect())
    }

    /// A user's permissions in all vhosts, by vhost.
    ///
    /// # Errors
    /// [`AccessError::NoSuchUser`].
    pub fn list_user_permissions(&self, user: &str) -> Result<Vec<Permission>, AccessError> {
        let image = self.image.read();
        users::account(&image, user)?;
        let grants = image.grants.values().filter_map(|grants| grants.get(user));
        Ok(grants.map(|grant| grant.permission.clone()).collect())
    }

    /// What a user may do in a vhost; none when they may not even open it.
    pub fn rights(&self, user: &str, vhost: &str) -> Option<Arc<Rights>> {
        self.image.read().grant(user, vhost).map(|grant| Arc::clone(&grant.rights))
    }
}

pub(super) fn compile(
    user: &str,
    vhost: &str,
    configure: &str,
    write: &str,
    read: &str,
) -> Result<Grant, AccessError> {
    let rights = Rights::compile(configure, write, read).map_err(|(which, cause)| {
        let pattern =
            [configure, write, read].into_iter().zip([super::Right::Configure, super::Right::Write]);
        let pattern = pattern.into_iter().find(|(_, right)| *right == which).map_or(read, |(text, _)| text);
        AccessError::BadRegex { which, pattern: pattern.to_owned(), cause }
    })?;
    let permission = Permission {
        user: user.to_owned(),
        vhost: vhost.to_owned(),
        configure: configure.to_owned(),
        write: write.to_owned(),
        read: read.to_owned(),
    };
    Ok(Grant { permission, rights: Arc::new(rights) })
}
