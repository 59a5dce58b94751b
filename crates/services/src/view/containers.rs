//! Containers, from what the engines leave on disk and in the process table.
//!
//! No engine is asked: `podman ps` takes a lock and hangs when another podman does, a docker daemon may be
//! down. podman's storage lists its containers, its monitors (`conmon`) run as long as they do; docker
//! keeps a file for each container with its state.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Container;

/// The process that watches one podman container.
pub(super) const MONITOR: &str = "conmon";
/// podman's list of containers, at root's usual place.
pub(super) const PODMAN_LIST: &str = "/var/lib/containers/storage/*-containers/containers.json";
/// docker's state of each container.
pub(super) const DOCKER_STATES: &str = "/var/lib/docker/containers/*/config.v2.json";
/// What is told of an image that podman does not name: it was started with `--rootfs`.
const NO_IMAGE: &str = "";

/// The containers, and the names by id that processes are told by.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Known {
    /// All, running or not.
    pub(super) containers: Vec<Container>,
    /// Name by id.
    pub(super) names: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Stored {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    metadata: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "image-name")]
    image: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    state: DockerState,
    config: DockerConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerState {
    running: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerConfig {
    #[serde(default)]
    image: String,
}

/// Reads the engines' files (by path) and the monitors' command lines. What is no such file is left out.
pub(super) fn read(files: &BTreeMap<String, String>, monitors: &[Vec<String>]) -> Known {
    let mut known = Known::default();
    let watched: BTreeMap<&str, &str> = monitors.iter().filter_map(|words| monitored(words)).collect();
    let mut listed = BTreeSet::new();
    for text in of(files, "containers.json") {
        for one in serde_json::from_str::<Vec<Stored>>(text).unwrap_or_default() {
            let more: Metadata = serde_json::from_str(&one.metadata).unwrap_or_default();
            let name = one.names.unwrap_or_default().into_iter().next().unwrap_or(more.name);
            let running = watched.contains_key(one.id.as_str());
            known.add("podman", &one.id, name, more.image, running);
            listed.insert(one.id);
        }
    }
    for (id, name) in watched.into_iter().filter(|(id, _)| !listed.contains(*id)) {
        known.add("podman", id, name.to_string(), NO_IMAGE.to_string(), true);
    }
    for text in of(files, "config.v2.json") {
        if let Ok(one) = serde_json::from_str::<Docker>(text) {
            let name = one.name.trim_start_matches('/').to_string();
            known.add("docker", &one.id, name, one.config.image, one.state.running);
        }
    }
    known
}

/// The engines' files, a monitor's command line and a cgroup, all with these bytes.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzzed(bytes: &[u8]) {
    let text = crate::fuzzing::text(bytes);
    let _ = id_in(&text);
    let words = text.split('\n').map(ToString::to_string).collect();
    let paths = ["/a/containers.json", "/b/config.v2.json"];
    let _ = read(&paths.map(|path| (path.to_string(), text.clone())).into(), &[words]);
}

fn of<'a>(files: &'a BTreeMap<String, String>, name: &'a str) -> impl Iterator<Item = &'a String> {
    files.iter().filter(move |(path, _)| path.rsplit('/').next() == Some(name)).map(|(_, text)| text)
}

/// Id and name of the container that a monitor watches.
fn monitored(words: &[String]) -> Option<(&str, &str)> {
    let after = |option: &str| {
        let place = words.iter().position(|word| word == option)?;
        words.get(place + 1).map(String::as_str)
    };
    Some((after("-c")?, after("-n")?))
}

impl Known {
    fn add(&mut self, engine: &str, id: &str, name: String, image: String, running: bool) {
        self.names.insert(id.to_string(), name.clone());
        self.containers.push(Container { name, image, running, engine: engine.to_string() });
    }
}

/// The id of the container that a process runs in, from its `/proc/PID/cgroup`: 64 hexadecimal digits in
/// `libpod-ID.scope`, `docker-ID.scope` or `/docker/ID`.
pub(super) fn id_in(cgroup: &str) -> Option<&str> {
    cgroup.split(['/', '-', '.', '\n', ':']).find(|word| {
        word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4ac4a1a1e0c0b3b5d9d07f0d2f4a87c1d9e1b0a7f6e5d4c3b2a19081726354";

    #[test]
    fn a_cgroup_names_its_container() {
        for line in [
            format!("0::/machine.slice/libpod-{ID}.scope/container\n"),
            format!("0::/system.slice/docker-{ID}.scope\n"),
            format!("12:pids:/docker/{ID}\n0::/\n"),
        ] {
            assert_eq!(id_in(&line), Some(ID), "{line}");
        }
        assert_eq!(id_in("0::/system.slice/memcached.service\n"), None);
    }
}
