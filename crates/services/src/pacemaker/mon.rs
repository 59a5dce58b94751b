//! crm_mon's XML: the status. Versions since 1.1 write nearly the same; what got new names is read by
//! either.

use super::facts::{ClusterStatus, Failure, Fencing, Node, Resource, Role, Whole};
use super::xml::{self, Element};
use crate::answer::Trouble;

/// The exit codes of Pacemaker's tools: not enough privileges, not connected.
const DENIED: &str = "4";
const DISCONNECTED: [&str; 2] = ["102", "107"];
/// An agent that is not installed where it is to run.
pub(super) const NOT_INSTALLED: &str = "5";
/// What lets us in.
const REMEDY: &str = "run aileron as root or as a user of the group haclient";

/// Reads what crm_mon printed.
///
/// # Errors
/// When it could not ask: nothing runs there, it was not let in; or when it is no status.
pub(super) fn status(stdout: &str, stderr: &str, code: Option<i32>) -> Result<ClusterStatus, Trouble> {
    let code = code.map(|code| code.to_string()).unwrap_or_default();
    let root = match xml::parse(stdout) {
        Ok(root) if matches!(root.name.as_str(), "pacemaker-result" | "crm_mon") => root,
        Ok(_) => return Err(complaint(&code, "its XML is not crm_mon's")),
        Err(error) => {
            let said = stderr.lines().chain(stdout.lines()).rfind(|line| !line.trim().is_empty());
            return Err(complaint(&code, said.unwrap_or(&error)));
        }
    };
    if let Some(status) = root.child("status")
        && status.get("code").is_some_and(|code| code != "0")
    {
        let causes: Vec<&str> = status.within("error").iter().map(|error| error.text.as_str()).collect();
        let cause = causes.last().copied().filter(|cause| !cause.is_empty());
        return Err(complaint(&status.text_of("code"), cause.unwrap_or(&status.text_of("message"))));
    }
    if root.child("summary").is_none() {
        return Err(complaint(&code, "its XML has no summary"));
    }
    Ok(read(&root))
}

/// What an end without a status means.
fn complaint(code: &str, said: &str) -> Trouble {
    let said: String = said.trim().chars().filter(|one| !one.is_control()).take(200).collect();
    let said = match said.starts_with("crm_mon") {
        true => said,
        false => format!("crm_mon: {said}"),
    };
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if code == DENIED || says(&["Permission denied", "nsufficient privileges"]) {
        Trouble::Denied(format!("{said} ({REMEDY})"))
    } else if DISCONNECTED.contains(&code)
        || says(&["onnection refused", "ot connected", "Connection to cluster failed"])
    {
        Trouble::Down(said)
    } else {
        Trouble::Broken(said)
    }
}

/// Whether crm_mon is too old for `--output-as`.
pub(super) fn is_old(stdout: &str, stderr: &str) -> bool {
    let unknown = ["nrecognized option", "nknown option", "invalid option"];
    [stdout, stderr].iter().any(|text| unknown.iter().any(|what| text.contains(what)))
}

fn read(root: &Element) -> ClusterStatus {
    let empty = Element::default();
    let summary = root.child("summary").unwrap_or(&empty);
    let dc = summary.child("current_dc").unwrap_or(&empty);
    let options = summary.child("cluster_options").unwrap_or(&empty);
    let mut status = ClusterStatus {
        dc: dc.is("present").then(|| dc.text_of("name")),
        version: dc.text_of("version"),
        quorum: dc.is("with_quorum"),
        mixed_versions: dc.is("mixed_version"),
        fencing: options.is("stonith-enabled") || options.is("fencing-enabled"),
        maintenance: options.is("maintenance-mode"),
        stop_all: options.is("stop-all-resources"),
        no_quorum_policy: options.text_of("no-quorum-policy"),
        ..ClusterStatus::default()
    };
    let within = |name: &str| root.child(name).map(|list| list.children.as_slice()).unwrap_or_default();
    status.nodes = within("nodes").iter().filter(|one| one.name == "node").map(node).collect();
    for one in within("resources") {
        resources(one, &Resource::default(), &mut status.resources);
    }
    status.failures = within("failures").iter().filter_map(failure).collect();
    status.bans = within("bans")
        .iter()
        .filter(|one| !one.is("promoted-only") && !one.is("master_only"))
        .map(|one| (one.text_of("resource"), one.text_of("node")))
        .collect();
    status.fencings =
        within("fence_history").iter().filter(|one| one.name == "fence_event").map(fencing).collect();
    for host in within("node_history") {
        status.barred.extend(
            host.all("resource_history")
                .filter(|one| is_barred(one))
                .map(|one| (one.text_of("id"), host.text_of("name"))),
        );
    }
    status
}

/// Whether a resource has failed somewhere as often as it may.
fn is_barred(history: &Element) -> bool {
    let number = |name: &str| match history.get(name)? {
        "INFINITY" => Some(1_000_000),
        digits => digits.parse::<u64>().ok(),
    };
    let most = number("migration-threshold").filter(|most| *most > 0).unwrap_or(1_000_000);
    number("fail-count").is_some_and(|count| count >= most)
}

fn node(one: &Element) -> Node {
    Node {
        name: one.text_of("name"),
        id: one.text_of("id"),
        kind: match one.get("type") {
            // A guest is a remote node that some container resource brings along.
            Some("remote") if one.get("id_as_resource").is_some() => "guest".to_string(),
            Some(kind) => kind.to_string(),
            None => "member".to_string(),
        },
        online: one.is("online"),
        standby: one.is("standby"),
        standby_on_fail: one.is("standby_onfail"),
        maintenance: one.is("maintenance"),
        pending: one.is("pending"),
        unclean: one.is("unclean"),
        health: one.text_of("health"),
        feature_set: one.text_of("feature_set"),
        expected_up: one.get("expected_up").map(xml::truth),
    }
}

/// Adds a resource, or those within a group, clone or bundle; `outer` says what they are part of.
fn resources(one: &Element, outer: &Resource, found: &mut Vec<Resource>) {
    let id = one.text_of("id");
    let inner = match one.name.as_str() {
        "resource" => return found.push(resource(one, outer)),
        "group" => outer.clone(),
        "replica" => Resource { replica: id, ..outer.clone() },
        "clone" => {
            let promotable = one.is("multi_state") || one.is("promotable");
            Resource {
                whole: if promotable { Whole::Promotable } else { Whole::Clone },
                of: id,
                ..outer.clone()
            }
        }
        "bundle" => Resource { whole: Whole::Bundle, of: id, ..outer.clone() },
        _ => return,
    };
    let inner = Resource { disabled: inner.disabled || one.is("disabled"), ..inner };
    for child in &one.children {
        resources(child, &inner, found);
    }
}

fn resource(one: &Element, outer: &Resource) -> Resource {
    Resource {
        id: one.text_of("id"),
        agent: one.text_of("resource_agent"),
        role: Role::of(one.get("role").unwrap_or_default()),
        pending: one.text_of("pending"),
        disabled: outer.disabled || one.get("target_role") == Some("Stopped"),
        failed: one.is("failed"),
        blocked: one.is("blocked"),
        managed: one.is("managed"),
        orphaned: ["orphaned", "orphan", "removed"].iter().any(|name| one.is(name)),
        nodes: one.all("node").map(|node| node.text_of("name")).collect(),
        ..outer.clone()
    }
}

fn failure(one: &Element) -> Option<Failure> {
    // A failed action's `id` in place of its key is a failed fencing's of 1.1.
    let operation = one.get("op_key")?.to_string();
    // RESOURCE_TASK_INTERVAL; the resource's name may have underscores, as two of the tasks have.
    let (rest, _) = operation.rsplit_once('_')?;
    let task = one.get("task").filter(|task| rest.ends_with(task)).or_else(|| rest.rsplit('_').next())?;
    let resource = rest.strip_suffix(task)?.trim_end_matches('_').to_string();
    Some(Failure {
        resource,
        task: task.to_string(),
        node: one.text_of("node"),
        status: match one.get("status") {
            // "error" with the status "Timed Out": the status tells more.
            Some(status) if !matches!(status, "" | "complete" | "Done" | "done") => status.to_string(),
            _ => one.text_of("exitstatus"),
        },
        reason: one.text_of("exitreason"),
        code: one.text_of("exitcode"),
        when: one.text_of("last-rc-change"),
        operation,
    })
}

fn fencing(one: &Element) -> Fencing {
    Fencing {
        target: one.text_of("target"),
        action: one.text_of("action"),
        status: one.text_of("status"),
        when: one.text_of("completed"),
        reason: one.text_of("exit-reason"),
    }
}
