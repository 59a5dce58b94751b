//! Settings as variables: those of the process, and those in the file beside the configuration file, `aileron.env`
//! beside `aileron.toml`, in which passwords are.
//!
//! systemd gives that file to the service (`EnvironmentFile=`), Pacemaker's agent to what it starts. It is read here as
//! well, so that whoever checks or shows the configuration by hand sees what the service uses.

use std::path::{Path, PathBuf};

use super::schema::{KEYS, nearest_of};

/// The variables that are configuration begin so.
const PREFIX: &str = "AILERON_";
/// Variables with that beginning that are none: they tell clients and tests where things are.
const NOT_KEYS: [&str; 3] = ["AILERON_CTL_SOCKET", "AILERON_BIN", "AILERON_BENCH_PORT"];

/// The file of variables beside a configuration file.
pub(super) fn file_beside(config: &Path) -> PathBuf {
    config.with_extension("env")
}

/// `NAME=VALUE` lines as systemd reads them from an environment file, quotes around a value taken off.
pub(crate) fn variables(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let unquoted = |value: &str| {
        let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        inner.unwrap_or(value).to_string()
    };
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_string(), unquoted(value.trim())))
        .collect()
}

/// The key that a variable is for, known or not; none for a variable that is no setting.
pub(super) fn key_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX)?;
    (name.contains("__") && !NOT_KEYS.contains(&variable))
        .then(|| name.to_ascii_lowercase().replacen("__", ".", 1))
}

/// What to say of a variable that looks like a setting and is none. It is passed over, since others may set variables of
/// that beginning too (a cluster's service that is called so, for one).
pub(super) fn passed_over(variable: &str) -> Option<String> {
    if !variable.starts_with(PREFIX) || NOT_KEYS.contains(&variable) || key_of(variable).is_some() {
        return None;
    }
    let names: Vec<String> = KEYS
        .iter()
        .map(|key| format!("{PREFIX}{}", key.name.to_ascii_uppercase().replacen('.', "__", 1)))
        .collect();
    let meant = match nearest_of(variable, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "settings are AILERON_SECTION__KEY".to_string(),
    };
    Some(format!("{variable} in the environment is no setting and is passed over: {meant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_file_is_read_as_systemd_reads_it() {
        let text = "# secret\n;too\n\nAILERON_BROKER__DEFAULT_PASS=\"a b=c\"\n A = 'x' \nB=\nno line\n";
        let pairs = [("AILERON_BROKER__DEFAULT_PASS", "a b=c"), ("A", "x"), ("B", "")];
        assert_eq!(variables(text), pairs.map(|(name, value)| (name.to_string(), value.to_string())));
    }

    #[test]
    fn a_variable_that_is_no_setting_is_named_with_the_one_that_was_meant() {
        assert_eq!(
            passed_over("AILERON_BROKER_HEARTBEAT").as_deref(),
            Some(
                "AILERON_BROKER_HEARTBEAT in the environment is no setting and is passed over: did you mean AILERON_BROKER__HEARTBEAT?"
            )
        );
        let other = passed_over("AILERON_PORT_5672_TCP_ADDR").expect("named");
        assert!(other.ends_with("settings are AILERON_SECTION__KEY"), "{other}");
        for fine in ["AILERON_CTL_SOCKET", "AILERON_BROKER__HEARTBEAT", "PATH"] {
            assert_eq!(passed_over(fine), None);
        }
    }
}
