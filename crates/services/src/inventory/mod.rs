//! Which hosts there are, from an Ansible inventory: INI (`ini`) or YAML (`yaml`), with the variables that
//! say how a host is reached (`host`). Variables in `group_vars` and `host_vars` beside the file count too.
//!
//! Nothing is run: no templates, no dynamic inventories.

mod host;
mod ini;
mod range;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

pub use host::{host_named, is_here};

use crate::survey::Host;

/// The most that is read of one file.
const FILE_MAX: u64 = 4 << 20;
/// The most hosts that an inventory may name.
const HOSTS_MAX: usize = 10_000;
/// Groups of controllers, by who writes them: our documentation, TripleO (`Controller` of a director,
/// `overcloud_Controller` of several stacks), Kolla, and habit. The first that is there counts.
const CONTROLLERS: &[&str] = &["controller", "Controller", "overcloud_Controller", "control", "controllers"];
/// The group that every host is in.
const ALL: &str = "all";

/// Variables by name, as text.
type Variables = BTreeMap<String, String>;

/// Why an inventory is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// It cannot be read.
    #[error("cannot read the inventory {path}: {source}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is a folder or a program.
    #[error(
        "the inventory {path} is a {what}: write what Ansible makes of it to a file: ansible-inventory -i {path} --list --yaml --output hosts.yaml"
    )]
    NoFile {
        /// Its path.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A line is not understood.
    #[error("{path}:{line}: {cause}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        cause: String,
    },
    /// Something in a file is wrong that has no line.
    #[error("{path}: {cause}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// There is no such group.
    #[error("the inventory {path} has no group '{group}'; it has {known}")]
    NoGroup {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        group: String,
        /// What there is.
        known: String,
    },
}

/// A group of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    hosts: Vec<String>,
    children: Vec<String>,
    variables: Variables,
}

/// What an inventory says.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    path: PathBuf,
    /// Hosts in the file's order, with their own variables.
    hosts: Vec<(String, Variables)>,
    groups: BTreeMap<String, Group>,
}

impl Inventory {
    /// Reads an inventory.
    ///
    /// # Errors
    /// When it cannot be read or is not understood.
    pub fn load(path: &Path) -> Result<Inventory, InventoryError> {
        let text = read(path)?;
        let mut inventory = Inventory::parse(path, &text)?;
        inventory.read_beside()?;
        Ok(inventory)
    }

    /// Reads an inventory's text; its path says what it is, if it ends with `.yml`, `.yaml` or `.ini`.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn parse(path: &Path, text: &str) -> Result<Inventory, InventoryError> {
        let mut inventory = Inventory { path: path.to_path_buf(), ..Inventory::default() };
        if is_yaml(path, text) {
            yaml::read(&mut inventory, text)?
        } else {
            ini::read(&mut inventory, text)?
        }
        Ok(inventory)
    }

    /// The hosts of a group, else of the first group of controllers, else all; each with the way there.
    ///
    /// # Errors
    /// When there is no such group, or a host's variables say nothing that we can follow.
    pub fn hosts(&self, group: Option<&str>) -> Result<Vec<Host>, InventoryError> {
        let group = match group {
            Some(group) if group == ALL || self.groups.contains_key(group) => group,
            Some(group) => {
                let known: Vec<_> = self.groups.keys().map(String::as_str).collect();
                return Err(InventoryError::NoGroup {
                    path: self.path.clone(),
                    group: group.to_string(),
                    known: if known.is_empty() { "none".to_string() } else { known.join(", ") },
                });
            }
            None => CONTROLLERS.iter().find(|name| !self.within(name).is_empty()).copied().unwrap_or(ALL),
        };
        let wanted = self.within(group);
        let mut hosts = Vec::new();
        for (name, _) in self.hosts.iter().filter(|(name, _)| group == ALL || wanted.contains(name)) {
            let host = host::host(name, &self.variables(name))
                .map_err(|cause| self.wrong(format!("host {name}: {cause}")))?;
            hosts.push(host);
        }
        if hosts.is_empty() {
            return Err(self.wrong(format!("the group '{group}' has no hosts")));
        }
        Ok(hosts)
    }

    /// The hosts of a group and of the groups in it. A group that contains itself is no endless story.
    fn within(&self, group: &str) -> BTreeSet<String> {
        let mut hosts = BTreeSet::new();
        let mut seen = BTreeSet::from([group]);
        let mut open = vec![group];
        while let Some(group) = open.pop().and_then(|name| self.groups.get(name)) {
            hosts.extend(group.hosts.iter().cloned());
            open.extend(group.children.iter().map(String::as_str).filter(|child| seen.insert(child)));
        }
        hosts
    }

    /// A host's variables: its groups', outer ones first, then its own.
    fn variables(&self, host: &str) -> Variables {
        let mut groups: Vec<(usize, &String)> = self
            .groups
            .keys()
            .filter(|name| name.as_str() != ALL && self.within(name).contains(host))
            .map(|name| (self.depth(name), name))
            .collect();
        groups.sort();
        let outermost = self.groups.get_key_value(ALL).map(|(name, _)| name);
        let mut all = Variables::new();
        for name in outermost.into_iter().chain(groups.into_iter().map(|(_, name)| name)) {
            all.extend(self.groups.get(name).into_iter().flat_map(|group| group.variables.clone()));
        }
        let own = self.hosts.iter().find(|(name, _)| name == host);
        all.extend(own.into_iter().flat_map(|(_, variables)| variables.clone()));
        all
    }

    /// How many groups lie around a group.
    fn depth(&self, group: &str) -> usize {
        let mut around = BTreeSet::from([group.to_string()]);
        loop {
            let before = around.len();
            for (name, one) in &self.groups {
                if one.children.iter().any(|child| around.contains(child)) {
                    around.insert(name.clone());
                }
            }
            if around.len() == before {
                return before;
            }
        }
    }

    /// Makes a host known, and a member of a group.
    fn add_host(&mut self, group: &str, name: &str) -> Result<&mut Variables, String> {
        let members = &mut self.groups.entry(group.to_string()).or_default().hosts;
        if !members.iter().any(|one| one == name) {
            members.push(name.to_string());
        }
        let place = match self.hosts.iter().position(|(one, _)| one == name) {
            Some(place) => place,
            None if self.hosts.len() >= HOSTS_MAX => {
                return Err(format!("more than {HOSTS_MAX} hosts"));
            }
            None => {
                self.hosts.push((name.to_string(), Variables::new()));
                self.hosts.len() - 1
            }
        };
        self.hosts.get_mut(place).map(|(_, variables)| variables).ok_or_else(String::new)
    }

    /// Reads `group_vars/GROUP` and `host_vars/HOST` beside the file.
    fn read_beside(&mut self) -> Result<(), InventoryError> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_path_buf();
        if folder.join("group_vars").is_dir() {
            self.groups.entry(ALL.to_string()).or_default();
            for (name, group) in &mut self.groups {
                group.variables.extend(beside(&folder.join("group_vars"), name)?);
            }
        }
        if folder.join("host_vars").is_dir() {
            for (name, variables) in &mut self.hosts {
                variables.extend(beside(&folder.join("host_vars"), name)?);
            }
        }
        Ok(())
    }

    fn wrong(&self, cause: String) -> InventoryError {
        InventoryError::Content { path: self.path.clone(), cause }
    }
}

/// The variables of one name in a folder: `NAME`, `NAME.yml`, `NAME.yaml`, or all files of a folder `NAME`.
fn beside(folder: &Path, name: &str) -> Result<Variables, InventoryError> {
    let mut variables = Variables::new();
    // A name with a slash would leave the folder.
    if name.contains('/') {
        return Ok(variables);
    }
    let mut files: Vec<PathBuf> =
        ["", ".yml", ".yaml"].iter().map(|end| folder.join(format!("{name}{end}"))).collect();
    if let Ok(entries) = std::fs::read_dir(folder.join(name)) {
        let mut inside: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        inside.sort();
        files.extend(inside);
    }
    for path in files.into_iter().filter(|path| path.is_file()) {
        let text = read(&path)?;
        // An encrypted file holds passwords, not addresses.
        if !text.starts_with("$ANSIBLE_VAULT") {
            variables.extend(yaml::variables(&path, &text)?);
        }
    }
    Ok(variables)
}

fn read(path: &Path) -> Result<String, InventoryError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| InventoryError::Read { path: path.to_path_buf(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    let no_file = |what| InventoryError::NoFile { path: path.to_path_buf(), what };
    if about.is_dir() {
        return Err(no_file("folder"));
    }
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text).map_err(failed)?;
    if about.permissions().mode() & 0o111 != 0 && text.starts_with("#!") {
        return Err(no_file("program"));
    }
    Ok(text)
}

/// Whether this is YAML: by its name, else by its first line that says something.
fn is_yaml(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|end| end.to_str()) {
        Some("yml" | "yaml" | "json") => return true,
        Some("ini" | "cfg") => return false,
        _ => {}
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| line == "---" || line.starts_with('{') || line.ends_with(':'))
}
