//! The command that starts or restarts a member, as it is run there: by a unit or in a container.
//!
//! Finding notes how in the target's settings, judging reads it there.

use std::collections::BTreeMap;

use crate::service::Target;
use crate::view::View;

/// Notes who runs a service, given the names its units and its containers go by, usual ones first.
///
/// A unit that is enabled counts most: TripleO's and Kolla's start the container, and know that it should run.
pub(crate) fn note(
    settings: &mut BTreeMap<String, String>,
    view: &View,
    units: &[&str],
    containers: &[&str],
) {
    let wrapped = containers.iter().find_map(|name| view.wrapper(name));
    let enabled = view.enabled(units).map(str::to_string).or(wrapped);
    let container = view.containers.iter().find(|one| containers.contains(&one.name.as_str()));
    let (key, value) = match (enabled, container) {
        (Some(unit), _) => ("unit", unit),
        (None, Some(one)) => ("container", format!("{} {}", one.engine, one.name)),
        (None, None) => ("unit", units.first().copied().unwrap_or_default().to_string()),
    };
    settings.insert(key.to_string(), value.trim_end_matches(".service").to_string());
}

/// "on controller-0: systemctl restart memcached".
pub(crate) fn service(target: &Target, verb: &str) -> String {
    format!("on {}: {}", target.host, bare(target, verb))
}

/// Where it says what ails it: "on controller-0: journalctl -u memcached -n 50".
pub(crate) fn log(target: &Target) -> String {
    let (container, unit) = run_by(target);
    let command = match container {
        Some((engine, name)) => format!("{engine} logs --tail 50 {name}"),
        None => format!("journalctl -u {unit} -n 50"),
    };
    format!("on {}: {command}", target.host)
}

/// [`service`] without the host, for a longer sentence.
pub(crate) fn bare(target: &Target, verb: &str) -> String {
    let (container, unit) = run_by(target);
    match container {
        Some((engine, name)) => format!("{engine} {verb} {name}"),
        None => format!("systemctl {verb} {unit}"),
    }
}

/// Engine and name of the container if that is who runs it, and the unit.
fn run_by(target: &Target) -> (Option<(&str, &str)>, &str) {
    let container = target.settings.get("container").and_then(|one| one.split_once(' '));
    (container, target.settings.get("unit").map_or(target.kind.name(), String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::service::Kind;
    use crate::view::Container;

    fn target(view: &View) -> Target {
        let mut settings = BTreeMap::new();
        note(&mut settings, view, &["memcached.service"], &["memcached"]);
        let place = Place::Tcp("127.0.0.1".to_string(), 11211);
        let host = "c0".to_string();
        let evidence = String::new();
        Target { kind: Kind::Memcached, host, place, port: None, seen: false, evidence, settings }
    }

    fn said(view: &View) -> String {
        service(&target(view), "restart")
    }

    #[test]
    fn who_runs_it_restarts_it() {
        assert_eq!(said(&View::default()), "on c0: systemctl restart memcached");
        let container = Container {
            name: "memcached".to_string(),
            image: String::new(),
            running: true,
            engine: "podman".to_string(),
        };
        let bare = View { containers: vec![container], ..View::default() };
        assert_eq!(said(&bare), "on c0: podman restart memcached");
        assert_eq!(log(&target(&bare)), "on c0: podman logs --tail 50 memcached");
        let units = ["tripleo_memcached.service".to_string()].into();
        assert_eq!(said(&View { units, ..bare }), "on c0: systemctl restart tripleo_memcached");
    }
}
