//! Vhosts: listing, adding, deleting, and the firehose switch.

use super::image::{Change, Image, VhostId, VhostRecord};
use super::{Access, AccessError, Ordering};

impl Access {
    /// All vhosts by name.
    pub fn vhosts(&self) -> Vec<VhostRecord> {
        self.image.read().vhosts.values().cloned().collect()
    }

    /// One vhost.
    pub fn vhost(&self, name: &str) -> Option<VhostRecord> {
        self.image.read().vhosts.get(name).cloned()
    }

    /// Whether there is a vhost of that name.
    pub fn has_vhost(&self, name: &str) -> bool {
        self.image.read().vhosts.contains_key(name)
    }

    /// The number the next vhost gets; all that were given out are below.
    pub fn next_vhost(&self) -> u64 {
        self.image.read().next_vhost
    }

    /// Adds a vhost without description and tags; nobody has permissions in it yet.
    ///
    /// # Errors
    /// [`AccessError::VhostExists`].
    pub fn add_vhost(&self, name: &str) -> Result<VhostId, AccessError> {
        self.add_vhost_with(name, "", &[])
    }

    /// Adds a vhost with its description and tags.
    ///
    /// # Errors
    /// [`AccessError::VhostExists`].
    pub fn add_vhost_with(
        &self,
        name: &str,
        description: &str,
        tags: &[String],
    ) -> Result<VhostId, AccessError> {
        self.change(|image| {
            refuse_existing(image, name)?;
            let id = VhostId(image.next_vhost);
            let vhost = VhostRecord {
                id,
                name: name.to_owned(),
                description: description.to_owned(),
                tags: tags.to_vec(),
                tracing: false,
            };
            Ok((vec![Change::PutVhost(vhost)], id))
        })
    }

    /// Deletes a vhost and every permission in it. Its folder is the caller's to remove, by the
    /// number returned, after this.
    ///
    /// # Errors
    /// [`AccessError::NoSuchVhost`].
    pub fn delete_vhost(&self, name: &str) -> Result<VhostId, AccessError> {
        self.change(|image| {
            let vhost = image.vhosts.get(name).ok_or_else(|| AccessError::NoSuchVhost(name.to_owned()))?;
            let users = image.grants.get(name).into_iter().flat_map(|grants| grants.keys());
            let mut changes: Vec<Change> =
                users.map(|user| Change::DropGrant { user: user.clone(), vhost: name.to_owned() }).collect();
            changes.push(Change::DropVhost(name.to_owned()));
            Ok((changes, vhost.id))
        })
    }

    /// Switches the firehose of a vhost, in memory only: a restart switches it off, as in RabbitMQ.
    ///
    /// # Errors
    /// [`AccessError::NoSuchVhost`].
    pub fn set_tracing(&self, name: &str, on: bool) -> Result<(), AccessError> {
        // The store's lock orders this after a change that is being applied.
        let _store = self.store.lock();
        let mut image = self.image.write();
        let vhost = image.vhosts.get_mut(name).ok_or_else(|| AccessError::NoSuchVhost(name.to_owned()))?;
        if vhost.tracing != on {
            vhost.tracing = on;
            self.generation.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }
}

pub(super) fn refuse_existing(image: &Image, name: &str) -> Result<(), AccessError> {
    if image.vhosts.contains_key(name) { Err(AccessError::VhostExists(name.to_owned())) } else { Ok(()) }
}
