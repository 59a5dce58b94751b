//! Names and passwords for the services, from one file that only its owner can read.
//!
//! ```toml
//! [mariadb]
//! user = "clustercheck"
//! password = "..."
//! ```
//!
//! A section is a kind's name. What a section may hold beside `user` and `password` its room says.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::service::Kind;

/// The most that is read of the file.
const FILE_MAX: u64 = 1 << 20;

/// One section.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The user's name.
    #[serde(default)]
    pub user: String,
    /// The password.
    #[serde(default)]
    pub password: String,
    /// Further keys, as text: certificates' paths and the like.
    #[serde(flatten)]
    pub more: BTreeMap<String, String>,
}

impl fmt::Debug for Credential {
    /// Without the password: this may end in a log.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What is configured for all kinds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Credential>", into = "BTreeMap<String, Credential>")]
pub struct Credentials {
    sections: BTreeMap<Kind, Credential>,
}

impl From<BTreeMap<String, Credential>> for Credentials {
    /// As another aileron sends them: what this one has no kind for is left out.
    fn from(sections: BTreeMap<String, Credential>) -> Self {
        let known = |name: &str| Kind::ALL.iter().copied().find(|kind| kind.name() == name);
        let sections =
            sections.into_iter().filter_map(|(name, section)| Some((known(&name)?, section))).collect();
        Credentials { sections }
    }
}

impl From<Credentials> for BTreeMap<String, Credential> {
    fn from(credentials: Credentials) -> Self {
        credentials.sections.into_iter().map(|(kind, section)| (kind.name().to_string(), section)).collect()
    }
}

/// Why a credentials file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("cannot read the credentials file {path}: {source}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Others than its owner can read or change it.
    #[error(
        "the credentials file {path} has mode {mode:04o}, so others can read or change it: chmod 600 {path}"
    )]
    Mode {
        /// Its path.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It belongs to somebody else, who could put anything there.
    #[error("the credentials file {path} belongs to user {uid}, not to root or to you")]
    Owner {
        /// Its path.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// It is no TOML, or has a section that is no service's.
    #[error("the credentials file {path}: {cause}")]
    Content {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

impl Credentials {
    /// The section of a kind.
    pub fn of(&self, kind: Kind) -> Option<&Credential> {
        self.sections.get(&kind)
    }

    /// Reads a file, which must belong to root or to the caller and have no permissions for others.
    ///
    /// # Errors
    /// When it cannot be read, others can read or change it, or it is not understood.
    pub fn load(path: &Path) -> Result<Credentials, CredentialsError> {
        let read = |source| CredentialsError::Read { path: path.to_path_buf(), source };
        let mut file = std::fs::File::open(path).map_err(read)?;
        // Asked of the open file: a path could be another file by now.
        let about = file.metadata().map_err(read)?;
        let mode = about.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(CredentialsError::Mode { path: path.to_path_buf(), mode });
        }
        let uid = about.uid();
        if uid != 0 && uid != rustix::process::geteuid().as_raw() {
            return Err(CredentialsError::Owner { path: path.to_path_buf(), uid });
        }
        let mut text = String::new();
        file.by_ref().take(FILE_MAX).read_to_string(&mut text).map_err(read)?;
        let content = |cause: String| CredentialsError::Content { path: path.to_path_buf(), cause };
        let sections = toml::from_str(&text).map_err(|error| content(error.message().to_string()))?;
        Ok(Credentials { sections })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_section_is_read() {
        let file = file("[memcached]\nuser = \"nova\"\npassword = \"secret\"\n", 0o600);
        let credentials = Credentials::load(file.path()).unwrap();
        let section = credentials.of(Kind::Memcached).unwrap();
        assert_eq!((section.user.as_str(), section.password.as_str()), ("nova", "secret"));
        assert!(!format!("{credentials:?}").contains("secret"));
    }

    #[test]
    fn a_file_for_others_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o644] {
            let file = file("[memcached]\n", mode);
            assert!(matches!(Credentials::load(file.path()), Err(CredentialsError::Mode { .. })), "{mode:o}");
        }
    }

    #[test]
    fn an_unknown_section_is_named() {
        let file = file("[oracle]\nuser = \"x\"\n", 0o600);
        let error = Credentials::load(file.path()).unwrap_err().to_string();
        assert!(error.contains("oracle"), "{error}");
    }
}
