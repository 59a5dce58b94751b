//! memcached: tokens and metadata are cached in it. It has no replication and no word on its health;
//! what tells is the growth of its counters since its start.

mod facts;
mod judge;
#[cfg(test)]
mod tests;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub use facts::Facts;

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;

/// The port where nothing else is said.
const PORT: u16 = 11211;
/// The most that `stats` may answer; it is about 2 kB.
const ANSWER_MAX: usize = 64 << 10;
/// Debian's and Red Hat's unit.
const UNITS: &[&str] = &["memcached.service"];
/// TripleO's and Kolla's container.
const CONTAINER: &str = "memcached";

/// The kind.
#[derive(Debug)]
pub struct Memcached;

impl Service for Memcached {
    const KIND: Kind = Kind::Memcached;
    const FILES: &'static [&'static str] = &["/etc/memcached.conf", "/etc/sysconfig/memcached"];
    const DAEMONS: &'static [&'static str] = &["memcached"];
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        let mut found = Vec::new();
        for process in view.named(Self::DAEMONS) {
            let Some(address) = view.listening(process.pid).next().or_else(|| view.listens_on(PORT)) else {
                continue;
            };
            let (host, port) = View::reachable(address);
            let evidence = format!("process {}", process.pid);
            found.push(target(view, Place::Tcp(host, port), true, evidence));
        }
        if found.is_empty()
            && let Some(evidence) = view.expected(UNITS, CONTAINER)
        {
            found.push(target(view, Place::Tcp("127.0.0.1".to_string(), PORT), false, evidence));
        }
        found
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        let mut stream = ask.connect(&target.place).await?;
        let trouble = |error| Trouble::from_io(&error, &format!("asking {} for stats", target.place));
        stream.write_all(b"stats\r\n").await.map_err(trouble)?;
        let mut answer = Vec::new();
        while !facts::is_whole(&answer) {
            if answer.len() > ANSWER_MAX {
                return Err(Trouble::Broken(format!("{} bytes of stats without an end", answer.len())));
            }
            if stream.read_buf(&mut answer).await.map_err(trouble)? == 0 {
                break;
            }
        }
        facts::parse(&answer)
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

fn target(view: &View, place: Place, seen: bool, evidence: String) -> Target {
    let port = match &place {
        Place::Tcp(_, port) => Some(*port),
        _ => None,
    };
    Target {
        kind: Kind::Memcached,
        host: view.host.clone(),
        place,
        port,
        seen,
        evidence,
        settings: std::collections::BTreeMap::new(),
    }
}
