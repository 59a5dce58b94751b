//! What a node is asked by Erlang's own protocol (`erlang`): functions that answer from its own memory.
//!
//! Which of them there are changes between versions; each that is missing is a fact less. None asks other
//! nodes, but for the count of quorum queues, which waits for a frozen one and is then left out.

use std::path::Path;

use tokio::time::Instant;

use super::erlang::{self, Call, Connection, Term, atom};
use super::facts::{Backlog, Node};
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::Target;

/// A queue with more messages than this has a backlog.
pub(super) const BACKLOG: i64 = 10_000;
/// How far a node's port for other nodes is from its port for clients, where nothing else is said.
const DISTANCE: u16 = 20_000;

/// How many calls there are.
#[cfg(test)]
pub(super) const CALLS: usize = 16;

/// The calls, in the order in which [`read`] takes their results.
fn calls(node: &str) -> Vec<Call> {
    vec![
        ("mnesia", "system_info", vec![atom("running_db_nodes")]),
        ("mnesia", "system_info", vec![atom("db_nodes")]),
        ("rabbit_node_monitor", "partitions", vec![]),
        ("rabbit_alarm", "get_alarms", vec![]),
        ("rabbit", "is_running", vec![]),
        ("rabbit_misc", "version", vec![]),
        ("rabbit_nodes", "cluster_name", vec![]),
        ("application", "get_env", vec![atom("rabbit"), atom("cluster_partition_handling")]),
        ("rabbit_maintenance", "is_being_drained_local_read", vec![atom(node)]),
        ("vm_memory_monitor", "get_process_memory", vec![]),
        ("vm_memory_monitor", "get_memory_limit", vec![]),
        ("rabbit_disk_monitor", "get_disk_free", vec![]),
        ("rabbit_disk_monitor", "get_disk_free_limit", vec![]),
        ("file_handle_cache", "info", vec![]),
        ("ets", "select", vec![atom("queue_coarse_metrics"), large_queues()]),
        ("rabbit_quorum_queue", "list_with_minimum_quorum", vec![]),
    ]
}

/// The rows of queues (name, ready, unacknowledged, together, reductions) with a backlog.
fn large_queues() -> Term {
    let row = ["$1", "$2", "$3", "$4", "_"].into_iter().map(atom).collect();
    let wanted = Term::Tuple(vec![atom(">"), atom("$4"), Term::Int(BACKLOG)]);
    let shown = Term::Tuple(vec![Term::Tuple(["$1", "$2", "$3"].into_iter().map(atom).collect())]);
    Term::List(vec![Term::Tuple(vec![Term::Tuple(row), Term::List(vec![wanted]), Term::List(vec![shown])])])
}

/// Asks a node until then.
///
/// # Errors
/// When its cookie cannot be read, it cannot be found, or does not let us in.
pub(super) async fn ask(target: &Target, ask: &Ask, until: Instant) -> Result<Node, Trouble> {
    let Place::Tcp(host, port) = &target.place else {
        return Err(Trouble::Broken(format!("{} is no address", target.place)));
    };
    let setting = |name: &str| target.settings.get(name).map(String::as_str).unwrap_or_default();
    let cookie = ask.read(Path::new(setting("cookie"))).await?;
    let listed = erlang::names(host, ask).await?;
    let nodes: Vec<_> = listed.into_iter().filter(|(name, _)| !name.starts_with("rabbitmqcli")).collect();
    let usual = port.checked_add(DISTANCE);
    let own = |wanted: u16| setting("listens").split(',').any(|one| one.ends_with(&format!(":{wanted}")));
    let (_, port) = nodes
        .iter()
        .find(|(_, port)| own(*port))
        .or_else(|| nodes.iter().find(|(_, port)| Some(*port) == usual))
        .or_else(|| nodes.iter().find(|(name, _)| name.starts_with("rabbit")))
        .ok_or_else(|| Trouble::Down(format!("the Erlang port mapper on {host} knows no such node")))?;
    let known = setting("listens").split(',').find_map(|one| one.strip_suffix(&format!(":{port}")));
    let place = Place::Tcp(known.unwrap_or(host).to_string(), *port);
    let stream = ask.connect(&place).await?;
    ask.doing(format!("waiting for the Erlang node at {place}"));
    let mut connection = Connection::open(stream, cookie.trim_ascii()).await?;
    let results = connection.call(&calls(&connection.node), until).await;
    Ok(read(connection.node, results))
}

/// Makes the facts of the results.
pub(super) fn read(name: String, results: Vec<Option<Term>>) -> Node {
    let mut results = results.into_iter();
    let mut next = || results.next().flatten();
    let running = next().map(|term| names(&term)).unwrap_or_default();
    let members = next().map(|term| names(&term)).unwrap_or_default();
    let partitions = next().map(|term| names(&term)).unwrap_or_default();
    let alarms = next().map(|term| term.items().iter().filter_map(|one| alarm(one, &name)).collect());
    let broker_runs = next().and_then(|term| Some(term.text()? == "true"));
    let text = |term: Option<Term>| term.and_then(|term| Some(term.text()?.to_string())).unwrap_or_default();
    let version = text(next());
    let cluster = text(next());
    let partition_handling = text(next().and_then(|term| match term {
        Term::Tuple(pair) => pair.into_iter().nth(1),
        _ => None,
    }));
    let drained = text(next()) == "true";
    let mut pair = || {
        let (first, second) = (next(), next());
        Some((first?.number()?, second?.number()?))
    };
    let (memory, disk) = (pair(), pair());
    let handles = next();
    let figures = |used: &str, limit: &str| {
        let handles = handles.as_ref()?;
        Some((handles.value(used)?.number()?, handles.value(limit)?.number()?))
    };
    Node {
        running,
        members,
        partitions,
        partition_handling,
        alarms: alarms.unwrap_or_default(),
        broker_runs,
        version,
        cluster,
        drained,
        memory,
        disk,
        descriptors: figures("total_used", "total_limit"),
        sockets: figures("sockets_used", "sockets_limit"),
        backlogs: next().map(|term| term.items().iter().filter_map(backlog).collect()).unwrap_or_default(),
        critical_queues: next().map(|term| term.items().len() as u64),
        name,
    }
}

fn names(term: &Term) -> std::collections::BTreeSet<String> {
    term.items().iter().filter_map(|item| Some(item.text()?.to_string())).collect()
}

/// `{{resource_limit, memory, 'rabbit@a'}, []}`, or a name for one of the node's own.
fn alarm(term: &Term, own: &str) -> Option<(String, String)> {
    let [alarm, _] = term.items() else { return None };
    match alarm {
        Term::Tuple(parts) => match parts.as_slice() {
            [_, what, node] => Some((node.text()?.to_string(), what.text()?.to_string())),
            _ => None,
        },
        other => Some((own.to_string(), other.text()?.to_string())),
    }
}

/// `{{resource, Vhost, queue, Name}, Ready, Unacknowledged}`.
fn backlog(row: &Term) -> Option<Backlog> {
    let [name, ready, unacknowledged] = row.items() else { return None };
    let [_, vhost, _, queue] = name.items() else { return None };
    let (vhost, queue) = (vhost.text()?, queue.text()?);
    let queue = if vhost == "/" { queue.to_string() } else { format!("{queue} in {vhost}") };
    Some(Backlog { queue, ready: ready.number()?, unacknowledged: unacknowledged.number()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recordings_have_as_many_calls() {
        assert_eq!(calls("rabbit@a").len(), CALLS);
    }

    #[test]
    fn fewer_results_are_fewer_facts() {
        assert_eq!(
            read("rabbit@a".to_string(), Vec::new()),
            Node { name: "rabbit@a".to_string(), ..Node::default() }
        );
    }
}
