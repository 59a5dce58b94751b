//! Where values come from, and in which order they override one another.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::schema::{KEYS, Key, defaults};
use super::{Config, ConfigError, DEFAULT_FILE};

/// The environment variables that are configuration begin so.
const PREFIX: &str = "AILERON_";
/// Variables with that beginning that are none: they tell clients and tests where things are.
const NOT_KEYS: [&str; 2] = ["AILERON_CTL_SOCKET", "AILERON_BIN"];

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
) -> Result<Config, ConfigError> {
    let mut config = defaults();
    match &sources.file {
        Some(path) => read_file(&mut config, path)?,
        None if Path::new(DEFAULT_FILE).exists() => read_file(&mut config, Path::new(DEFAULT_FILE))?,
        None => {}
    }
    let mut variables: Vec<(String, String)> = environment.filter(|(name, _)| is_variable(name)).collect();
    variables.sort();
    for (name, value) in variables {
        let key = name.trim_start_matches(PREFIX).to_ascii_lowercase().replacen("__", ".", 1);
        set(&mut config, &key, &from_text(&key, &value), &format!("the environment ({name})"))?;
    }
    for given in &sources.set {
        let (key, value) = given.split_once('=').ok_or_else(|| ConfigError::BadSet(given.clone()))?;
        let key = key.trim();
        set(&mut config, key, &from_text(key, value.trim()), "--set")?;
    }
    if let Some(path) = &sources.data_dir {
        config.broker.data_dir.clone_from(path);
    }
    if config.ctl.socket.as_os_str().is_empty() {
        config.ctl.socket = config.broker.data_dir.join("ctl.sock");
    }
    Ok(config)
}

fn is_variable(name: &str) -> bool {
    name.starts_with(PREFIX) && name.contains("__") && !NOT_KEYS.contains(&name)
}

fn read_file(config: &mut Config, path: &Path) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.to_path_buf(), source })?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        path: path.to_path_buf(),
        line: error
            .span()
            .map_or(1, |span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()),
        what: error.message().lines().collect::<Vec<_>>().join(" "),
    })?;
    let place = path.display().to_string();
    for (section, content) in &table {
        match content {
            Value::Table(keys) => {
                for (key, value) in keys {
                    set(config, &format!("{section}.{key}"), value, &place)?;
                }
            }
            // Every key is in a section: this one cannot be known.
            value => set(config, section, value, &place)?,
        }
    }
    config.file = Some(path.to_path_buf());
    Ok(())
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

fn set(config: &mut Config, name: &str, value: &Value, place: &str) -> Result<(), ConfigError> {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        return Err(ConfigError::UnknownKey {
            key: name.to_string(),
            place: place.to_string(),
            value: shown(value, name.contains("pass")),
            allowed: KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "),
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
