//! Where values come from, and in which order they override one another.
//!
//! All that is given is gathered first, each value with its place, and then put into the configuration: so that
//! everything that is wrong is told at once.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Table, Value};

use super::environment::{self, key_of};
use super::error::{ConfigError, ConfigErrors};
use super::schema::{KEYS, Key, defaults, nearest};
use super::{Config, DEFAULT_FILE};

/// What the command line says about configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// `--config`; it must exist.
    pub(crate) file: Option<PathBuf>,
    /// `--data-dir`, the same as the last `--set broker.data_dir=...`.
    pub(crate) data_dir: Option<PathBuf>,
    /// `--set section.key=value`, in order.
    pub(crate) set: Vec<String>,
}

/// Reads everything, the environment from `environment`, and checks it.
pub(crate) fn load(
    sources: &Sources,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigErrors> {
    let mut config = defaults();
    let mut given = Gathered::default();
    let file = sources.file.as_deref().or_else(|| Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()));
    if let Some(path) = file {
        given.file(path);
        config.file = Some(path.to_path_buf());
        config.environment_file = given.environment_file(&environment::file_beside(path));
    }
    given.environment(environment, |name| format!("the environment ({name})"));
    for line in &sources.set {
        given.set(line);
    }
    for One { key, value, place } in given.values {
        given.errors.extend(put(&mut config, &key, &value, &place).err());
    }
    if !given.errors.is_empty() {
        return Err(ConfigErrors(given.errors));
    }
    config.warnings = given.warnings;
    config.unread = given.unread;
    if let Some(path) = &sources.data_dir {
        config.broker.data_dir.clone_from(path);
    }
    if config.ctl.socket.as_os_str().is_empty() {
        config.ctl.socket = config.broker.data_dir.join("ctl.sock");
    }
    Ok(config)
}

/// A value with its key and where it stands.
struct One {
    key: String,
    value: Value,
    place: String,
}

/// What was given so far; a later value of a key wins.
#[derive(Default)]
struct Gathered {
    values: Vec<One>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
    unread: Option<String>,
}

impl Gathered {
    fn file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(source) => return self.errors.push(ConfigError::File { path: path.to_path_buf(), source }),
        };
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let syntax = |error: &toml::de::Error| ConfigError::Syntax {
            path: path.to_path_buf(),
            line: error.span().map_or(1, |span| line(span.start)),
            what: error.message().lines().collect::<Vec<_>>().join(" "),
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        if !errors.is_empty() {
            // What stands around a mistake may have been taken for something else.
            return self.errors.extend(errors.iter().map(syntax));
        }
        let mut found = Vec::new();
        for (section, content) in table.into_inner() {
            match content.get_ref() {
                DeValue::Table(keys) => found.extend(keys.iter().map(|(key, value)| {
                    (key.span().start, format!("{}.{}", section.get_ref(), key.get_ref()), value.clone())
                })),
                // Every key is in a section: this one cannot be known.
                _ => found.push((section.span().start, section.get_ref().to_string(), content)),
            }
        }
        found.sort_by_key(|(at, ..)| *at);
        for (at, key, value) in found {
            match plain(value) {
                Ok(value) => self.values.push(One {
                    key,
                    value,
                    place: format!("{}, line {}", path.display(), line(at)),
                }),
                Err(error) => self.errors.push(syntax(&error)),
            }
        }
    }

    /// The file of variables; its path where it is there and could be read.
    fn environment_file(&mut self, path: &Path) -> Option<PathBuf> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let variables = environment::variables(&text).into_iter();
                self.environment(variables, |name| format!("{} ({name})", path.display()));
                return Some(path.to_path_buf());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // The service's user may not, and need not: systemd has read it for the service.
            Err(error) => {
                self.unread = Some(format!(
                    "cannot read {}: {error}: what it sets is not seen here, run this as root",
                    path.display()
                ));
            }
        }
        None
    }

    fn environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
        place: impl Fn(&str) -> String,
    ) {
        let mut variables: Vec<(String, String)> = variables.collect();
        variables.sort();
        for (name, value) in variables {
            self.warnings.extend(environment::passed_over(&name));
            if let Some(key) = key_of(&name) {
                self.values.push(One { value: from_text(&key, &value), key, place: place(&name) });
            }
        }
    }

    fn set(&mut self, line: &str) {
        match line.split_once('=') {
            Some((key, value)) => {
                let (key, value) = (key.trim(), value.trim());
                self.values.push(One {
                    key: key.to_string(),
                    value: from_text(key, value),
                    place: "--set".to_string(),
                });
            }
            None => self.errors.push(ConfigError::BadSet(line.to_string())),
        }
    }
}

/// A value without its places in the text.
fn plain(value: Spanned<DeValue<'_>>) -> Result<Value, toml::de::Error> {
    Value::deserialize(ValueDeserializer::from(value))
}

/// A value given as text: TOML where it reads as such, else the text itself, as the key may want.
fn from_text(key: &str, text: &str) -> Value {
    let as_toml = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let wants_list = matches!(key, "broker.listen" | "broker.loopback_users");
    match as_toml {
        Some(value @ Value::Array(_)) => value,
        Some(value) if !wants_list => value,
        Some(Value::String(text)) => list_of(&text),
        _ if wants_list => list_of(text),
        _ => Value::String(text.to_string()),
    }
}

/// A list given without brackets: `a,b`.
fn list_of(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_string())).collect())
}

fn put(config: &mut Config, name: &str, value: &Value, place: &str) -> Result<(), ConfigError> {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        return Err(ConfigError::UnknownKey {
            key: name.to_string(),
            place: place.to_string(),
            value: shown(value, name.contains("pass")),
            near: nearest(name),
        });
    };
    (key.set)(config, value).ok_or_else(|| bad_value(key, value, place))
}

fn bad_value(key: &Key, value: &Value, place: &str) -> ConfigError {
    ConfigError::BadValue {
        key: key.name.to_string(),
        value: shown(value, key.secret),
        place: place.to_string(),
        allowed: key.allowed,
    }
}

/// A value in one line, or a stand-in for one that is a secret.
fn shown(value: &Value, secret: bool) -> String {
    if secret {
        "(hidden)".to_string()
    } else {
        value.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }
}
