//! Users, vhosts and permissions: what is asked, granted and refused.

use super::super::{AccessError, AuthFailure, DEFAULT_EXCHANGE_RESOURCE, Hashing, PasswordHash, Right};
use super::first_start;

/// "test12" with salt 908DC60A: the example in RabbitMQ's guide on passwords.
const GUIDE_HASH: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

#[test]
fn a_first_start_makes_the_default_vhost_and_its_administrator() {
    let (_folder, _path, access) = first_start();
    assert!(!access.is_empty());
    let vhosts = access.vhosts();
    assert_eq!(vhosts.len(), 1);
    assert_eq!((vhosts[0].name.as_str(), vhosts[0].description.as_str()), ("/", "Default virtual host"));
    let users = access.users();
    assert_eq!(
        (users[0].name.as_str(), users[0].tags.as_slice()),
        ("guest", &["administrator".to_owned()][..])
    );
    let rights = access.rights("guest", "/").unwrap();
    for right in [Right::Configure, Right::Write, Right::Read] {
        assert!(rights.may(right, "anything") && rights.may(right, ""));
    }
    assert!(matches!(access.bootstrap("/", "other", "x"), Err(AccessError::VhostExists(_))));
}

#[test]
fn logins_are_checked() {
    let (_folder, _path, access) = first_start();
    assert_eq!(access.authenticate("guest", b"guest").unwrap().tags, ["administrator"]);
    assert_eq!(access.authenticate("guest", b"wrong"), Err(AuthFailure::WrongPassword));
    assert_eq!(access.authenticate("guest", b""), Err(AuthFailure::BlankPassword));
    assert_eq!(access.authenticate("nobody", b"guest"), Err(AuthFailure::UnknownUser));
    access.clear_password("guest").unwrap();
    assert_eq!(access.authenticate("guest", b"guest"), Err(AuthFailure::NoPassword));
    access.change_password("guest", "new").unwrap();
    assert!(access.authenticate("guest", b"new").is_ok());
    assert_eq!(access.authenticate("guest", b"guest"), Err(AuthFailure::WrongPassword));
    access.add_user("blank", "").unwrap();
    assert_eq!(access.authenticate("blank", b""), Err(AuthFailure::BlankPassword));
}

#[test]
fn hashes_of_rabbitmq_are_accepted() {
    let (_folder, _path, access) = first_start();
    access.add_user_with_hash("nova", GUIDE_HASH, "rabbit_password_hashing_sha256").unwrap();
    assert!(access.authenticate("nova", b"test12").is_ok());
    assert_eq!(access.password_hash("nova").unwrap().to_base64(), GUIDE_HASH);
    for (user, hash, algorithm) in [
        // Made with Python: salt "salt", password "secret".
        ("md5", "c2FsdNQqD3Qv/Bvk4cwIRcJCnJc=", Hashing::Md5),
        (
            "sha512",
            "c2FsdJkBhH/4x2vV+0c7e9Lk9N3REDMqUqiI/WnesnZhOIXd84LlzxIQ7Q3s24AQrjmUMxqeBjnDyn6eixEN1Ql4znY=",
            Hashing::Sha512,
        ),
    ] {
        access.add_user_with_hash(user, hash, algorithm.name()).unwrap();
        assert!(access.authenticate(user, b"secret").is_ok(), "{user}");
        assert_eq!(access.authenticate(user, b"Secret"), Err(AuthFailure::WrongPassword), "{user}");
    }
    let refused = |hash, algorithm| access.add_user_with_hash("x", hash, algorithm).unwrap_err();
    assert!(matches!(refused("not base64", Hashing::Sha256.name()), AccessError::BadHash(_)));
    assert!(matches!(refused("YWJj", Hashing::Sha256.name()), AccessError::BadHash(_)));
    assert!(matches!(refused(GUIDE_HASH, "plain"), AccessError::UnknownHashing(_)));
    assert!(!access.user_exists("x"));
    access.add_user_with_hash("x509", "", Hashing::Sha256.name()).unwrap();
    assert_eq!(access.authenticate("x509", b"secret"), Err(AuthFailure::NoPassword));
}

#[test]
fn equal_passwords_have_different_hashes() {
    let one = PasswordHash::new(b"secret").unwrap();
    let other = PasswordHash::new(b"secret").unwrap();
    assert_ne!(one, other);
    assert_eq!(PasswordHash::from_base64(&one.to_base64(), one.hashing()).unwrap(), one);
}

#[test]
fn users_come_and_go_with_their_permissions() {
    let (_folder, _path, access) = first_start();
    access.add_user("nova", "secret").unwrap();
    assert!(matches!(access.add_user("nova", "x"), Err(AccessError::UserExists(name)) if name == "nova"));
    access.set_user_tags("nova", &["monitoring".to_owned()]).unwrap();
    assert_eq!(access.authenticate("nova", b"secret").unwrap().tags, ["monitoring"], "the password stays");
    assert!(access.rights("nova", "/").is_none());
    access.set_permissions("nova", "/", "^nova", ".*", "").unwrap();
    let rights = access.rights("nova", "/").unwrap();
    assert!(rights.may(Right::Configure, "nova.x") && !rights.may(Right::Configure, "cinder"));
    assert!(rights.may(Right::Write, "cinder") && !rights.may(Right::Read, "cinder"));
    assert_eq!(access.list_user_permissions("nova").unwrap()[0].configure, "^nova");
    access.delete_user("nova").unwrap();
    assert!(access.rights("nova", "/").is_none());
    assert_eq!(access.list_permissions("/").unwrap().len(), 1);
    access.add_user("nova", "again").unwrap();
    assert!(access.rights("nova", "/").is_none(), "a new user of an old name inherits nothing");
    assert!(matches!(access.delete_user("nobody"), Err(AccessError::NoSuchUser(_))));
    assert!(matches!(access.list_user_permissions("nobody"), Err(AccessError::NoSuchUser(_))));
}

#[test]
fn vhosts_come_and_go_with_their_permissions() {
    let (_folder, _path, access) = first_start();
    let first = access.add_vhost("/nova").unwrap();
    assert!(matches!(access.add_vhost("/nova"), Err(AccessError::VhostExists(_))));
    assert!(access.has_vhost("/nova"));
    access.set_permissions("guest", "/nova", "", "", "").unwrap();
    access.set_tracing("/nova", true).unwrap();
    assert!(access.vhost("/nova").unwrap().tracing);
    assert_eq!(access.delete_vhost("/nova").unwrap(), first);
    assert!(access.rights("guest", "/nova").is_none());
    assert!(matches!(access.list_permissions("/nova"), Err(AccessError::NoSuchVhost(_))));
    let second = access.add_vhost("/nova").unwrap();
    assert!(second > first, "a number is never used again: {second}");
    assert!(access.rights("guest", "/nova").is_none());
    assert!(!access.vhost("/nova").unwrap().tracing);
}

#[test]
fn permissions_are_refused_by_name() {
    let (_folder, _path, access) = first_start();
    let refused = |user, vhost, write| access.set_permissions(user, vhost, ".*", write, ".*").unwrap_err();
    assert!(matches!(refused("nobody", "/", ".*"), AccessError::NoSuchUser(name) if name == "nobody"));
    assert!(matches!(refused("guest", "/x", ".*"), AccessError::NoSuchVhost(name) if name == "/x"));
    let error = refused("guest", "/", "*");
    assert_eq!(
        error.to_string(),
        "invalid regular expression \"*\" for write: nothing to repeat at offset 0"
    );
    assert!(access.rights("guest", "/").unwrap().may(Right::Write, "x"), "nothing changed");
    access.clear_permissions("guest", "/").unwrap();
    access.clear_permissions("guest", "/").unwrap();
    assert!(access.rights("guest", "/").is_none());
    assert!(matches!(access.clear_permissions("guest", "/x"), Err(AccessError::NoSuchVhost(_))));
}

#[test]
fn the_default_exchange_is_checked_by_its_permission_name() {
    let (_folder, _path, access) = first_start();
    access.set_permissions("guest", "/", "", "^amq\\.default$", "^$").unwrap();
    let rights = access.rights("guest", "/").unwrap();
    assert!(rights.may(Right::Write, "") && rights.may(Right::Write, DEFAULT_EXCHANGE_RESOURCE));
    assert!(!rights.may(Right::Configure, "") && !rights.may(Right::Read, ""));
}

#[test]
fn every_change_has_a_new_generation_and_nothing_else_has() {
    let (_folder, _path, access) = first_start();
    let mut last = access.generation();
    let mut grew = |changed: bool, what: &str| {
        let now = access.generation();
        assert_eq!(now > last, changed, "{what}");
        last = now;
    };
    access.add_user("a", "a").unwrap();
    grew(true, "add_user");
    access.add_user("a", "a").unwrap_err();
    grew(false, "add_user refused");
    access.set_permissions("a", "/", "", "", "").unwrap();
    grew(true, "set_permissions");
    access.clear_permissions("a", "/").unwrap();
    grew(true, "clear_permissions");
    access.clear_permissions("a", "/").unwrap();
    grew(false, "clear_permissions without any");
    access.set_tracing("/", true).unwrap();
    grew(true, "set_tracing");
    access.set_tracing("/", true).unwrap();
    grew(false, "set_tracing again");
    access.delete_vhost("/").unwrap();
    grew(true, "delete_vhost");
    let _ = (access.users(), access.authenticate("a", b"a").unwrap());
    grew(false, "reading");
}

#[test]
fn guest_is_for_this_machine_only_unless_told_otherwise() {
    let (_folder, _path, access) = first_start();
    assert!(access.loopback_only("guest") && !access.loopback_only("nova"));
    access.set_loopback_users(Vec::new());
    assert!(!access.loopback_only("guest"));
}
