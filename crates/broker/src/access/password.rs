//! Passwords as RabbitMQ stores them: base64 of four salt bytes and the digest of salt and password.
//!
//! The format is a contract: exported definitions carry these strings from one broker to another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use subtle::ConstantTimeEq as _;

use super::error::AccessError;

/// Bytes of salt before the digest.
const SALT_LENGTH: usize = 4;

/// The digest of a stored password, by the names definitions.json uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// `rabbit_password_hashing_sha256`, what new passwords get.
    #[default]
    Sha256,
    /// `rabbit_password_hashing_sha512`.
    Sha512,
    /// `rabbit_password_hashing_md5`, in definitions that come from before RabbitMQ 3.6.
    Md5,
}

impl Hashing {
    /// The name in definitions.json.
    pub fn name(self) -> &'static str {
        match self {
            Hashing::Sha256 => "rabbit_password_hashing_sha256",
            Hashing::Sha512 => "rabbit_password_hashing_sha512",
            Hashing::Md5 => "rabbit_password_hashing_md5",
        }
    }

    /// Reads the name in definitions.json.
    pub fn from_name(name: &str) -> Result<Hashing, AccessError> {
        [Hashing::Sha256, Hashing::Sha512, Hashing::Md5]
            .into_iter()
            .find(|hashing| hashing.name() == name)
            .ok_or_else(|| AccessError::UnknownHashing(name.to_owned()))
    }

    fn digest(self, salt: &[u8], password: &[u8]) -> Vec<u8> {
        match self {
            Hashing::Sha256 => {
                sha2::Sha256::new().chain_update(salt).chain_update(password).finalize().to_vec()
            }
            Hashing::Sha512 => {
                sha2::Sha512::new().chain_update(salt).chain_update(password).finalize().to_vec()
            }
            Hashing::Md5 => md5::Md5::new().chain_update(salt).chain_update(password).finalize().to_vec(),
        }
    }
}

/// A stored password: its digest, or none at all (such a user cannot log in by password).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordHash {
    hashing: Hashing,
    /// Salt and digest, or empty.
    salted: Vec<u8>,
}

impl PasswordHash {
    /// Hashes `password` with a fresh random salt.
    pub fn new(password: &[u8]) -> Result<PasswordHash, AccessError> {
        let mut salt = [0; SALT_LENGTH];
        getrandom::fill(&mut salt).map_err(|error| AccessError::NoRandomness(error.to_string()))?;
        Ok(PasswordHash::with_salt(Hashing::default(), salt, password))
    }

    /// Reads what definitions.json holds. The empty string means no password.
    pub fn from_base64(text: &str, hashing: Hashing) -> Result<PasswordHash, AccessError> {
        let salted = STANDARD.decode(text).map_err(|error| AccessError::BadHash(error.to_string()))?;
        if !salted.is_empty() && salted.len() <= SALT_LENGTH {
            return Err(AccessError::BadHash("shorter than its salt".to_owned()));
        }
        Ok(PasswordHash { hashing, salted })
    }

    /// What definitions.json holds.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.salted)
    }

    /// The digest in use.
    pub fn hashing(&self) -> Hashing {
        self.hashing
    }

    /// Whether there is a password to log in with.
    pub fn is_set(&self) -> bool {
        !self.salted.is_empty()
    }

    /// Whether `password` is the one. Takes the same time whatever differs.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let (salt, stored) = self.salted.split_at_checked(SALT_LENGTH).unwrap_or((&[0; SALT_LENGTH], &[]));
        let computed = self.hashing.digest(salt, password);
        // A missing digest is compared with something, so that it costs what a wrong one costs.
        let against =
            if stored.len() == computed.len() { stored } else { &[0; 64][..computed.len().min(64)] };
        bool::from(computed.ct_eq(against)) & (stored.len() == computed.len())
    }

    fn with_salt(hashing: Hashing, salt: [u8; SALT_LENGTH], password: &[u8]) -> PasswordHash {
        let mut salted = salt.to_vec();
        salted.extend_from_slice(&hashing.digest(&salt, password));
        PasswordHash { hashing, salted }
    }
}
