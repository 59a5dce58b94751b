//! MariaDB's option files and command lines: where a server listens, keeps its data, and whose
//! cluster it belongs to.

use std::collections::BTreeMap;
use std::path::Path;

use crate::view::{Process, View};

/// Where a server without `--defaults-file` reads its options, a later file wins.
const STANDARD: &[&str] = &[
    "/etc/my.cnf",
    "/etc/mysql/my.cnf",
    "/etc/kolla/mariadb/galera.cnf",
    "/var/lib/config-data/puppet-generated/mysql/etc/my.cnf",
];
/// Folders that Red Hat's and TripleO's files include; Debian's are named by `!includedir`.
const FOLDERS: &[&str] = &["/etc/my.cnf.d", "/var/lib/config-data/puppet-generated/mysql/etc/my.cnf.d"];
/// Files that include each other in a circle end here.
const DEPTH: u8 = 4;

/// A server's options: names in lower case with underscores.
pub(super) type Options = BTreeMap<String, String>;

/// What a running server was started with.
pub(super) fn of_process(view: &View, process: &Process) -> Options {
    let mut options = Options::new();
    let given: Options = process.arguments.iter().filter_map(|word| argument(word)).collect();
    match given.get("defaults_file") {
        Some(file) => read(view, file, DEPTH, &mut options),
        None if process.arguments.iter().any(|word| word == "--no-defaults") => {}
        None => {
            options = standard(view);
            if let Some(file) = given.get("defaults_extra_file") {
                read(view, file, DEPTH, &mut options);
            }
        }
    }
    options.extend(given);
    options
}

/// What a server of this host would be started with.
pub(super) fn standard(view: &View) -> Options {
    let mut options = Options::new();
    for file in STANDARD {
        read(view, file, DEPTH, &mut options);
    }
    for folder in FOLDERS {
        read_folder(view, folder, DEPTH, &mut options);
    }
    options
}

/// `--name=value` or `--name`; none for a word that is no option.
fn argument(word: &str) -> Option<(String, String)> {
    let option = word.strip_prefix("--")?;
    let (name, value) = option.split_once('=').unwrap_or((option, "ON"));
    Some((canonical(name), value.to_string()))
}

fn canonical(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase().replace('-', "_");
    match name.strip_prefix("loose_") {
        Some(bare) => bare.to_string(),
        None => name,
    }
}

fn read(view: &View, file: &str, depth: u8, options: &mut Options) {
    let Some(text) = view.files.get(file) else { return };
    let mut ours = false;
    for line in text.lines().map(str::trim) {
        if let Some(folder) = line.strip_prefix("!includedir") {
            if let Some(depth) = depth.checked_sub(1) {
                read_folder(view, folder.trim(), depth, options);
            }
        } else if let Some(file) = line.strip_prefix("!include") {
            if let Some(depth) = depth.checked_sub(1) {
                read(view, file.trim(), depth, options);
            }
        } else if let Some(name) = group(line) {
            ours = is_servers(name);
        } else if ours && !line.starts_with(['#', ';']) && !line.is_empty() {
            let (name, value) = line.split_once('=').unwrap_or((line, "ON"));
            options.insert(canonical(name), unquoted(value.trim()).to_string());
        }
    }
}

fn read_folder(view: &View, folder: &str, depth: u8, options: &mut Options) {
    // The map is in the order of the names, as the server reads a folder.
    for file in view.files.keys() {
        let path = Path::new(file);
        if path.parent() == Some(Path::new(folder)) && path.extension().is_some_and(|end| end == "cnf") {
            read(view, file, depth, options);
        }
    }
}

/// The groups that a MariaDB server reads, versions left aside ("mariadb-10.11").
fn is_servers(group: &str) -> bool {
    let group = group.trim();
    if group == "client-server" {
        return true;
    }
    let base = group.split_once('-').map_or(group, |(base, _)| base);
    matches!(base, "mysqld" | "server" | "mariadb" | "mariadbd" | "galera") && group != "mariadb-client"
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote)
            && let Some((inner, _)) = inner.split_once(quote)
        {
            return inner;
        }
    }
    // An unquoted value ends where a comment begins.
    value.split(" #").next().unwrap_or(value).trim_end()
}

/// User and password of a client's option file (`[client]`), as `/root/.my.cnf` has them.
pub(super) fn login(text: &str) -> Option<(String, String)> {
    let mut ours = false;
    let (mut user, mut password) = (None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = group(line) {
            ours = matches!(name.trim(), "client" | "client-mariadb" | "mysql" | "mariadb-client");
        } else if ours && let Some((name, value)) = line.split_once('=') {
            let value = unquoted(value.trim()).to_string();
            match canonical(name).as_str() {
                "user" => user = Some(value),
                "password" => password = Some(value),
                _ => {}
            }
        }
    }
    password.map(|password| (user.unwrap_or_else(|| "root".to_string()), password))
}

/// The hosts of a `wsrep_cluster_address` ("gcomm://h1,h2:4567?option=value").
pub(super) fn cluster_hosts(address: &str) -> Vec<String> {
    let list = address.strip_prefix("gcomm://").unwrap_or_default();
    let list = list.split('?').next().unwrap_or_default();
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(host_of).collect()
}

/// The host of "host", "host:port", "[v6]" or "[v6]:port".
pub(super) fn host_of(entry: &str) -> String {
    if let Some(inner) = entry.strip_prefix('[') {
        return inner.split(']').next().unwrap_or(inner).to_string();
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => host.to_string(),
        _ => entry.to_string(),
    }
}

/// Whether an option's value means "on".
pub(super) fn is_on(value: &str) -> bool {
    matches!(value.trim().to_ascii_uppercase().as_str(), "ON" | "1" | "TRUE" | "YES")
}

/// The name in a line `[name]`, whatever follows it.
fn group(line: &str) -> Option<&str> {
    Some(line.strip_prefix('[')?.split_once(']')?.0)
}
