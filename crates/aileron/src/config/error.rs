//! Why a configuration is refused: every reason in a line of its own, with its place and what is allowed there.

use std::path::PathBuf;

/// One reason. Its text is one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: line {line}: {what}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where, counted from one.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// No such key.
    #[error("unknown key '{key}' in {place} (its value: {value}): {}`aileron config show` lists all keys", meant(*.near))]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        place: String,
        /// Its value.
        value: String,
        /// The key most like it, if one is like enough.
        near: Option<&'static str>,
    },
    /// A value that its key does not allow.
    #[error("bad value {value} for '{key}' in {place}: allowed is {allowed}")]
    BadValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Where it stands.
        place: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A `--set` without a key and a value.
    #[error("bad --set '{0}': allowed is section.key=value")]
    BadSet(String),
}

fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("did you mean '{near}'? ")).unwrap_or_default()
}

/// All that is wrong with a configuration, in the order in which it was read; never empty.
#[derive(Debug)]
pub(crate) struct ConfigErrors(pub(super) Vec<ConfigError>);

impl ConfigErrors {
    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let end_of_last = if n > 0 { "\n" } else { "" };
            write!(f, "{end_of_last}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
