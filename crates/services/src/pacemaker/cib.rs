//! The configuration and state as cibadmin prints them: what crm_mon does not tell, and nothing more. A
//! parameter may be a password, so that only the addresses are kept.

use super::facts::{Address, Configured, Demand, Moved};
use super::xml::{self, Element};

/// The names under which a bundle's engine stands in it.
const ENGINES: &[&str] = &["podman", "docker", "rkt"];

/// Reads a CIB; `None` when it is none.
pub(super) fn configured(text: &str) -> Option<Configured> {
    let root = xml::parse(text).ok().filter(|root| root.name == "cib")?;
    let configuration = root.child("configuration")?;
    let empty = Element::default();
    let resources = configuration.child("resources").unwrap_or(&empty);
    let mut all = Configured { watchdog: watches(configuration), ..Configured::default() };
    for primitive in resources.within("primitive") {
        if primitive.get("class") == Some("stonith") {
            all.fence_devices.push(primitive.text_of("id"));
        }
    }
    // An address of a clone is meant to be on several hosts.
    for child in
        resources.children.iter().filter(|child| matches!(child.name.as_str(), "primitive" | "group"))
    {
        let members = if child.name == "group" { child.all("primitive").collect() } else { vec![child] };
        all.addresses.extend(members.into_iter().filter_map(address));
    }
    all.demands = resources.children.iter().filter_map(demand).collect();
    let constraints = configuration.child("constraints").unwrap_or(&empty);
    all.moved = constraints.all("rsc_location").filter_map(moved).collect();
    if let Some(status) = root.child("status") {
        for state in status.all("node_state") {
            let name = state.text_of("uname");
            all.failed_at
                .extend(state.within("lrm_rsc_op").into_iter().filter_map(|one| failed_at(one, &name)));
            if state.get("expected") == Some("down") {
                all.left.push(name);
            }
        }
    }
    Some(all)
}

/// A named value in the sets of an element: `meta_attributes`, `instance_attributes`.
fn value<'a>(element: &'a Element, set: &'a str, names: &[&str]) -> Option<&'a str> {
    element
        .all(set)
        .flat_map(|set| set.all("nvpair"))
        .find(|pair| pair.get("name").is_some_and(|name| names.contains(&name)))?
        .get("value")
}

/// Whether hosts fence themselves by their watchdog (sbd without a disk).
fn watches(configuration: &Element) -> bool {
    let options = configuration.child("crm_config");
    let option = |name: &str| value(options?, "cluster_property_set", &[name]);
    let timeout = option("stonith-watchdog-timeout").or_else(|| option("fencing-watchdog-timeout"));
    option("have-watchdog").is_some_and(xml::truth)
        && timeout.is_some_and(|timeout| !timeout.trim_start_matches('0').trim_end_matches('s').is_empty())
}

fn address(primitive: &Element) -> Option<Address> {
    if !matches!(primitive.get("type"), Some("IPaddr2" | "IPaddr" | "IPv6addr")) {
        return None;
    }
    let parameter = |names: &[&str]| value(primitive, "instance_attributes", names);
    // Behind a director every real server has the address too, on its loopback.
    if parameter(&["lvs_support", "lvs_ipv6_addrlabel"]).is_some_and(xml::truth)
        || parameter(&["nic"]) == Some("lo")
    {
        return None;
    }
    let ip = parameter(&["ip", "ipv6addr"])?.split('/').next()?.to_string();
    Some(Address { resource: primitive.text_of("id"), ip })
}

fn demand(element: &Element) -> Option<Demand> {
    let number = |text: &str| text.parse::<usize>().ok();
    let id = element.text_of("id");
    match element.name.as_str() {
        "bundle" => {
            let engine = element.children.iter().find(|child| ENGINES.contains(&child.name.as_str()))?;
            let promoted =
                engine.get("promoted-max").or_else(|| engine.get("masters")).and_then(number).unwrap_or(0);
            let replicas = engine.get("replicas").and_then(number).unwrap_or(promoted.max(1));
            Some(Demand { id, replicas, promoted })
        }
        "clone" | "master" => {
            let meta = |names: &[&str]| value(element, "meta_attributes", names);
            let promotable = element.name == "master" || meta(&["promotable"]).is_some_and(xml::truth);
            let promoted = meta(&["promoted-max", "master-max"]).and_then(number).unwrap_or(1);
            promotable.then_some(Demand { id, replicas: 0, promoted })
        }
        _ => None,
    }
}

/// A constraint that `pcs resource move` and `ban` (`crm_resource`) have made.
fn moved(constraint: &Element) -> Option<Moved> {
    let id = constraint.get("id")?;
    ["cli-ban-", "cli-prefer-", "cli-standby-"].iter().any(|prefix| id.starts_with(prefix)).then(|| Moved {
        id: id.to_string(),
        resource: constraint.text_of("rsc"),
        node: constraint.text_of("node"),
    })
}

/// Key, node and time of a failed action.
fn failed_at(one: &Element, node: &str) -> Option<(String, String, u64)> {
    one.get("id").filter(|id| id.contains("_last_failure_"))?;
    let when = one.get("last-rc-change")?.parse().ok()?;
    let node = one.get("on_node").unwrap_or(node);
    Some((one.get("operation_key")?.to_string(), node.to_string(), when))
}
