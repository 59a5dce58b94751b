//! nova.conf, as far as a proxy needs it: sections, `name = value`, and `$name` for a value above.

use std::collections::BTreeMap;

/// Values by section and name; a later file's count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conf {
    values: BTreeMap<(String, String), String>,
}

impl Conf {
    /// Adds a file.
    pub(super) fn read(&mut self, text: &str) {
        let mut section = "DEFAULT".to_string();
        // A value goes on in lines that are indented; none of those wanted here does.
        for line in text.lines().filter(|line| !line.starts_with([' ', '\t', '#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                section = name.trim().to_string();
            } else if let Some((name, value)) = line.split_once(['=', ':']) {
                let value = value.trim().trim_matches(['"', '\'']);
                self.values.insert((section.clone(), name.trim().to_string()), value.to_string());
            }
        }
    }

    /// A value that is not empty; a whole `$name` stands for the option of that name in `[DEFAULT]`.
    pub(super) fn get(&self, section: &str, name: &str) -> Option<&str> {
        let plain = |section: &str, name: &str| {
            let value = self.values.get(&(section.to_string(), name.to_string()))?;
            Some(value.as_str()).filter(|value| !value.is_empty())
        };
        let value = plain(section, name)?;
        match value.strip_prefix('$') {
            Some(other) => plain("DEFAULT", other.trim_matches(['{', '}'])),
            None => Some(value),
        }
    }

    /// Whether a switch is on, as oslo.config reads it.
    pub(super) fn is_on(&self, section: &str, name: &str) -> bool {
        self.get(section, name)
            .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1"))
    }
}
