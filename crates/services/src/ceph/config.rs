//! What `ceph.conf` says of one daemon: its sections from the general to the special, where spaces,
//! dashes and underscores in names are the same.

use std::collections::BTreeMap;

/// A configuration: values by section and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

/// A daemon's name in parts, as its configuration may use them (`$cluster-$type.$id`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub cluster: String,
    /// mon, mgr or mds.
    pub kind: String,
    pub id: String,
}

impl Config {
    pub(super) fn parse(text: &str) -> Config {
        let mut config = Config::default();
        let mut section = "global".to_string();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[') {
                section = name.split(']').next().unwrap_or_default().trim().to_string();
            } else if let Some((key, value)) = line.split_once('=') {
                let key = key.trim().replace([' ', '-'], "_").to_ascii_lowercase();
                let value = value.trim().trim_matches('"').to_string();
                config.sections.entry(section.clone()).or_default().insert(key, value);
            }
        }
        config
    }

    /// A setting as it stands for all.
    pub(super) fn global(&self, key: &str) -> Option<&str> {
        self.sections.get("global")?.get(key).map(String::as_str)
    }

    /// A setting of a daemon, with what it may name put in.
    pub(super) fn of(&self, name: &Name, key: &str) -> Option<String> {
        let own = format!("{}.{}", name.kind, name.id);
        let found = [own.as_str(), name.kind.as_str(), "global"]
            .into_iter()
            .find_map(|section| self.sections.get(section)?.get(key))?;
        let run = match key {
            "run_dir" => None,
            _ => self.of(name, "run_dir"),
        };
        Some(name.put_in(&found.replace("$run_dir", run.as_deref().unwrap_or("/var/run/ceph"))))
    }
}

impl Name {
    fn put_in(&self, text: &str) -> String {
        text.replace("$cluster", &self.cluster)
            .replace("$type", &self.kind)
            .replace("$id", &self.id)
            .replace("$name", &format!("{}.{}", self.kind, self.id))
    }

    /// The file name of its admin socket, where nothing else is said.
    pub(super) fn socket(&self) -> String {
        format!("{}-{}.{}.asok", self.cluster, self.kind, self.id)
    }

    /// The name of its folder.
    pub(super) fn folder(&self) -> String {
        format!("/var/lib/ceph/{}/{}-{}", self.kind, self.cluster, self.id)
    }
}

/// The name and key of a keyring, of the first name in it that has a key.
pub(super) fn keyring(text: &str) -> Option<(String, String)> {
    let mut name = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            name = section.split(']').next()?.to_string();
        } else if let Some((key, value)) = line.split_once('=')
            && key.trim() == "key"
            && !name.is_empty()
        {
            return Some((name, value.trim().to_string()));
        }
    }
    None
}
