//! Users: listing, changing, and the login check.

use std::sync::Arc;

use super::image::{Account, Change, Identity, Image, User};
use super::password::{Hashing, PasswordHash};
use super::{Access, AccessError, AuthFailure};

impl Access {
    /// All users by name.
    pub fn users(&self) -> Vec<User> {
        let image = self.image.read();
        let user = |account: &Account| {
            let Identity { name, tags } = account.identity.as_ref().clone();
            User { name, tags }
        };
        image.users.values().map(user).collect()
    }

    /// Whether there is a user of that name.
    pub fn user_exists(&self, name: &str) -> bool {
        self.image.read().users.contains_key(name)
    }

    /// The stored password, for exported definitions.
    pub fn password_hash(&self, name: &str) -> Option<PasswordHash> {
        self.image.read().users.get(name).map(|account| account.password.clone())
    }

    /// Adds a user without tags and permissions.
    ///
    /// # Errors
    /// [`AccessError::UserExists`], [`AccessError::NoRandomness`].
    pub fn add_user(&self, name: &str, password: &str) -> Result<(), AccessError> {
        self.add_account(name, PasswordHash::new(password.as_bytes())?)
    }

    /// Adds a user with the hash and algorithm that definitions.json carries; an empty hash means no password.
    ///
    /// # Errors
    /// [`AccessError::UserExists`], [`AccessError::BadHash`], [`AccessError::UnknownHashing`].
    pub fn add_user_with_hash(&self, name: &str, hash: &str, algorithm: &str) -> Result<(), AccessError> {
        self.add_account(name, PasswordHash::from_base64(hash, Hashing::from_name(algorithm)?)?)
    }

    /// Deletes a user and all their permissions. Open connections are the caller's to close.
    ///
    /// # Errors
    /// [`AccessError::NoSuchUser`].
    pub fn delete_user(&self, name: &str) -> Result<(), AccessError> {
        self.change(|image| {
            account(image, name)?;
            let granted = image.grants.iter().filter(|(_, grants)| grants.contains_key(name));
            let mut changes: Vec<Change> = granted
                .map(|(vhost, _)| Change::DropGrant { user: name.to_owned(), vhost: vhost.clone() })
                .collect();
            changes.push(Change::DropUser(name.to_owned()));
            Ok((changes, ()))
        })
    }

    /// Sets a new password, hashed with a fresh salt.
    ///
    /// # Errors
    /// [`AccessError::NoSuchUser`], [`AccessError::NoRandomness`].
    pub fn change_password(&self, name: &str, password: &str) -> Result<(), AccessError> {
        self.replace_password(name, PasswordHash::new(password.as_bytes())?)
    }

    /// Sets the hash and algorithm that definitions.json carries.
    ///
    /// # Errors
    /// [`AccessError::NoSuchUser`], [`AccessError::BadHash`], [`AccessError::UnknownHashing`].
    pub fn change_password_hash(&self, name: &str, hash: &str, algorithm: &str) -> Result<(), AccessError> {
        self.replace_password(name, PasswordHash::from_base64(hash, Hashing::from_name(algorithm)?)?)
    }

    /// Takes the password away: no login by password until one is set.
    ///
    /// # Errors
    /// [`AccessError::NoSuchUser`].
    pub fn clear_password(&self, name: &str) -> Result<(), AccessError> {
        self.replace_password(name, PasswordHash::default())
    }

    /// Replaces the user's tags.
    ///
    /// # Errors
    /// [`AccessError::NoSuchUser`].
    pub fn set_user_tags(&self, name: &str, tags: &[String]) -> Result<(), AccessError> {
        self.change(|image| {
            let password = account(image, name)?.password.clone();
            Ok((vec![Change::PutUser(Account::new(name, password, tags.to_vec()))], ()))
        })
    }

    /// Checks a login. An unknown user costs what a wrong password costs, and a blank password is
    /// never accepted. The reason is for the log; clients are told the same in every case.
    ///
    /// # Errors
    /// [`AuthFailure`].
    pub fn authenticate(&self, name: &str, password: &[u8]) -> Result<Arc<Identity>, AuthFailure> {
        let found = self.image.read().users.get(name).cloned();
        let hash = found.as_ref().map_or_else(PasswordHash::default, |account| account.password.clone());
        let right = hash.verify(password);
        match found {
            None => Err(AuthFailure::UnknownUser),
            Some(_) if password.is_empty() => Err(AuthFailure::BlankPassword),
            Some(_) if !hash.is_set() => Err(AuthFailure::NoPassword),
            Some(_) if !right => Err(AuthFailure::WrongPassword),
            Some(account) => Ok(account.identity),
        }
    }

    /// Whether the user may connect only from this machine. By default that is `guest`.
    pub fn loopback_only(&self, user: &str) -> bool {
        self.loopback_users.read().iter().any(|name| name == user)
    }

    /// Sets who may connect only from this machine (RabbitMQ's `loopback_users`).
    pub fn set_loopback_users(&self, users: Vec<String>) {
        *self.loopback_users.write() = users;
    }

    fn add_account(&self, name: &str, password: PasswordHash) -> Result<(), AccessError> {
        self.change(|image| {
            refuse_existing(image, name)?;
            Ok((vec![Change::PutUser(Account::new(name, password, Vec::new()))], ()))
        })
    }

    fn replace_password(&self, name: &str, password: PasswordHash) -> Result<(), AccessError> {
        self.change(|image| {
            let tags = account(image, name)?.identity.tags.clone();
            Ok((vec![Change::PutUser(Account::new(name, password, tags))], ()))
        })
    }
}

pub(super) fn refuse_existing(image: &Image, name: &str) -> Result<(), AccessError> {
    if image.users.contains_key(name) { Err(AccessError::UserExists(name.to_owned())) } else { Ok(()) }
}

pub(super) fn account<'a>(image: &'a Image, name: &str) -> Result<&'a Account, AccessError> {
    image.users.get(name).ok_or_else(|| AccessError::NoSuchUser(name.to_owned()))
}
