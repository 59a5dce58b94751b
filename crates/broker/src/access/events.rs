//! What the log says of a change of definitions. Every change goes through one door ([`Access::change`](super::Access)),
//! so that none is missed, whoever asked for it.

use super::image::{Account, Change, Grant, Image, VhostRecord};

/// Writes the line for a change that is on disk, and that `image` does not know yet.
pub(super) fn tell(image: &Image, change: &Change) {
    match change {
        Change::PutVhost(VhostRecord { name: vhost, description, .. }) => {
            tracing::info!(vhost, description, "vhost added");
        }
        Change::DropVhost(vhost) => tracing::info!(vhost, "vhost deleted"),
        Change::PutUser(account) => tell_user(image, account),
        Change::DropUser(user) => tracing::info!(user, "user deleted"),
        Change::PutGrant(Grant { permission, .. }) => tracing::info!(
            user = permission.user,
            vhost = permission.vhost,
            configure = permission.configure,
            write = permission.write,
            read = permission.read,
            "permissions set"
        ),
        Change::DropGrant { user, vhost } => tracing::info!(user, vhost, "permissions cleared"),
    }
}

fn tell_user(image: &Image, account: &Account) {
    let (user, tags) = (account.identity.name.as_str(), &account.identity.tags);
    match image.users.get(user) {
        None => tracing::info!(user, ?tags, "user added"),
        Some(before) if before.identity.tags != *tags => tracing::info!(user, ?tags, "user tags set"),
        Some(_) if !account.password.is_set() => tracing::info!(user, "password cleared"),
        Some(before) if before.password.to_base64() != account.password.to_base64() => {
            tracing::info!(user, "password changed");
        }
        Some(_) => tracing::info!(user, ?tags, "user set as it was"),
    }
}
