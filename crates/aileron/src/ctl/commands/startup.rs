//! Waiting for a node to come up, by its process or by its control socket, and for a cluster to be complete.

use std::time::{Duration, Instant};

use super::super::client::Link;
use super::super::command::{BASE, Needs, Patience, Section, Spec};
use super::super::failure::{Failure, SOFTWARE, UNAVAILABLE};
use super::super::format::Output;
use super::super::given::{Given, Misuse, between, no_words, one_word};
use super::super::options::Kind;
use super::super::process::alive;
use super::super::protocol::Request;
use super::super::session::Session;

/// Between two looks at a pid file or a socket.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "await_startup",
        section: Section::Nodes,
        description: "Waits for the RabbitMQ application to start on the target node",
        usage: "await_startup",
        needs: Needs::Process,
        patience: Patience::Startup,
        check: no_words,
        run: |session| session.ask(&Request::AwaitStartup).map(|_| Output::Done),
        ..BASE
    },
    Spec {
        name: "wait",
        section: Section::Nodes,
        description: "Waits for RabbitMQ node startup by monitoring a local PID file. See also 'rabbitmqctl await_online_nodes'",
        usage: "wait [<pidfile>] [--pid|-P <pid>]",
        arguments: &[("<pidfile>", "PID file path"), ("--pid <pid>", "operating system PID to monitor")],
        switches: &[("pid", Kind::Number), ("timeout", Kind::Number)],
        aliases: &[('P', "pid")],
        // It looks for the node itself, for as long as its process is there.
        needs: Needs::Nothing,
        patience: Patience::Health,
        check: |given| {
            between(given, 0, 1)?;
            match (given.words.len(), given.options.number("pid")) {
                (0, None) => Err(Misuse::Told("\"No pid or pidfile specified\"".to_string())),
                (1.., Some(_)) => Err(Misuse::Told("\"Cannot specify both pid and pidfile\"".to_string())),
                _ => Ok(()),
            }
        },
        run: wait,
        ..BASE
    },
    Spec {
        name: "await_online_nodes",
        section: Section::Cluster,
        description: "Waits for <count> nodes to join the cluster",
        usage: "await_online_nodes <count>",
        arguments: &[(
            "<count>",
            "how many cluster members must be up in order for this command to exit. When <count> is 1, always exits immediately.",
        )],
        switches: &[("timeout", Kind::Number)],
        patience: Patience::Startup,
        check: |given| {
            one_word(given)?;
            match given.word(0).parse::<u32>() {
                Ok(1..) => Ok(()),
                _ => Err(Misuse::BadArgument("Argument must be a positive integer")),
            }
        },
        banner: |given| {
            let (count, node, limit) = (given.word(0), &given.node, given.limit());
            Some(format!(
                "Will wait for at least {count} nodes to join the cluster of {node}. Timeout: {limit} seconds."
            ))
        },
        run: await_nodes,
        ..BASE
    },
];

/// A node stands alone: there is nobody to wait for.
fn await_nodes(session: &mut Session) -> Result<Output, Failure> {
    match session.given.word(0) {
        "1" => Ok(Output::Done),
        _ => Err(Failure::error(
            SOFTWARE,
            format!(
                "Error: not enough nodes joined {}'s cluster, and none will: an aileron node stands alone.",
                session.given.node
            ),
        )),
    }
}

/// The steps of RabbitMQ's tool: a pid, a node that can be reached while that process runs, a broker that has started.
fn wait(session: &mut Session) -> Result<Output, Failure> {
    let limit = session.given.limit();
    let deadline = Instant::now() + Duration::from_secs(limit);
    let given = session.given.clone();
    let timed_out = || Failure::timed_out("wait", &given.node, &given.limit_ms().to_string(), "");
    let pid = match given.options.number("pid") {
        Some(pid) => u32::try_from(pid).unwrap_or(0),
        None => {
            say(&given, &format!("Waiting for pid file '{}' to appear", given.word(0)))?;
            let pid = until(deadline, || Ok(read_pid(given.word(0))))?.ok_or_else(timed_out)?;
            say(&given, &format!("pid is {pid}"))?;
            pid
        }
    };
    let node = &given.node;
    say(
        &given,
        &format!("Waiting for erlang distribution on node '{node}' while OS process '{pid}' is running"),
    )?;
    let mut link = until(deadline, || {
        if !alive(pid) {
            return Err(Failure::error(UNAVAILABLE, "process_not_running"));
        }
        let link =
            Link::open(session.socket(), Some(deadline.saturating_duration_since(Instant::now()))).ok();
        let wanted = given.options.text("node");
        Ok(link.filter(|link| wanted.is_none() || link.hello().node == *node))
    })?
    .ok_or_else(timed_out)?;
    let node = link.hello().node.clone();
    say(&given, &format!("Waiting for applications 'rabbit_and_plugins' to start on node '{node}'"))?;
    if !link.hello().ready {
        let started = link.ask(&Request::AwaitStartup);
        if started.is_err() && !alive(pid) {
            return Err(Failure::error(UNAVAILABLE, "process_not_running"));
        }
        started.map_err(|_| timed_out())?;
    }
    say(&given, &format!("Applications 'rabbit_and_plugins' are running on node '{node}'"))?;
    Ok(Output::Done)
}

/// Looks again and again until there is something, or the deadline is past.
fn until<T>(
    deadline: Instant,
    mut look: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(PAUSE.min(left));
    }
}

fn say(given: &Given, text: &str) -> Result<(), Failure> {
    if given.silent() { Ok(()) } else { super::super::print_line(text) }
}

/// A file that is not there, or half written, comes.
fn read_pid(path: &str) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
