//! Ceph's MONs, MGRs and MDSs: disks and images are in it, and CephFS. Each daemon of a host is a member.
//!
//! A daemon is asked on its admin socket (`socket`), which answers even without quorum. What the cluster as
//! a whole is like every MON in quorum is asked as the `ceph` tool would, by a client of our own (`wire`):
//! the tool takes a second to start, hangs without quorum, and is not there on hosts with containers.
//! `health` weighs Ceph's own health checks, by their codes.
//!
//! | room | what |
//! |---|---|
//! | `find` | the MONs, MGRs and MDSs of a host, and the MONs that these know of |
//! | `config` | what `ceph.conf` says of one daemon |
//! | `socket` | asks a daemon on its admin socket |
//! | `wire` | a small client of a MON, reading only |
//! | `facts` | what a daemon says, and a MON of its cluster |
//! | `judge` | the rules: MONs, MGRs, ranks of CephFS |
//! | `health` | what Ceph's own health checks weigh |

mod config;
mod facts;
mod find;
mod health;
mod judge;
mod socket;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

pub use facts::{Check, Cluster, Facts, FileSystem, Greeting, Listed, Map, Mds, Mgr, Mon, Rank};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("ceph: answers", |bytes| {
        let Ok(answer) = serde_json::from_slice::<Value>(bytes) else { return };
        let _ =
            (Mon::parse(&answer), Greeting::quorum(&answer), Mgr::parse(Some(&answer)), Mds::parse(&answer));
        let _ =
            (facts::version(&answer), Cluster::parse(&std::array::from_fn::<_, 4, _>(|_| answer.clone())));
    }),
    ("ceph: configuration and keys", |bytes| {
        let text = crate::fuzzing::text(bytes);
        let _ = (config::Config::parse(&text), config::keyring(&text));
    }),
    ("ceph: messenger", wire::parse),
];

/// The kind.
#[derive(Debug)]
pub struct Ceph;

impl Service for Ceph {
    const KIND: Kind = Kind::Ceph;
    const FILES: &'static [&'static str] = find::FILES;
    const DAEMONS: &'static [&'static str] = find::DAEMONS;
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        if let Place::Tcp(host, port) = &target.place {
            wire::greet(&target.place, ask).await?;
            let quorum = match host.parse() {
                Ok(ip) => quorum(target, SocketAddr::new(ip, *port), ask).await,
                Err(_) => None,
            };
            return Ok(Facts::Greeting(Greeting { quorum }));
        }
        if !target.seen {
            return Err(Trouble::Down(format!("no process, though {}", target.evidence)));
        }
        match setting(target, "daemon") {
            "mon" => mon(target, ask).await,
            "mgr" => mgr(target, ask).await,
            _ => mds(target, ask).await,
        }
    }

    fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
        find::peers(target, facts)
    }

    fn judge(members: &[Member<Facts>], _: &Context) -> Judgement {
        judge::judge(members)
    }
}

fn setting<'a>(target: &'a Target, name: &str) -> &'a str {
    target.settings.get(name).map_or("", String::as_str)
}

async fn mon(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
    let (place, answer) = first(target, "mon_status", ask).await?;
    let mut mon = answer.as_ref().and_then(Mon::parse).ok_or_else(|| nonsense(&place, "mon_status"))?;
    mon.version = version(&place, ask).await;
    if mon.in_quorum() {
        // Where the leader is frozen the others wait for it: what the socket said must not be lost for that.
        let share = ask.remaining() / 2;
        match tokio::time::timeout(share, cluster(target, &mon, ask)).await {
            Ok(Ok(cluster)) => mon.cluster = Some(cluster),
            Ok(Err(trouble)) => mon.unread = trouble.to_string(),
            Err(_) => {
                mon.unread =
                    format!("did not answer within {:.1} s ({})", share.as_secs_f64(), ask.last_doing())
            }
        }
    }
    Ok(Facts::Mon(Box::new(mon)))
}

async fn mgr(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
    let (place, status) = first(target, "mgr_status", ask).await?;
    Ok(Facts::Mgr(Mgr { version: version(&place, ask).await, ..Mgr::parse(status.as_ref()) }))
}

async fn mds(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
    let (place, answer) = first(target, "status", ask).await?;
    let mds = answer.as_ref().and_then(Mds::parse).ok_or_else(|| nonsense(&place, "status"))?;
    Ok(Facts::Mds(Mds { version: version(&place, ask).await, ..mds }))
}

fn nonsense(place: &Place, command: &str) -> Trouble {
    Trouble::Broken(format!("{place} does not answer {command} as Ceph does"))
}

/// A daemon's version; empty if it does not say, which is not worth losing the rest for.
async fn version(place: &Place, ask: &Ask) -> String {
    let answer = socket::ask(place, "version", ask).await.ok().flatten();
    answer.as_ref().map(facts::version).unwrap_or_default()
}

/// Asks the first of a daemon's possible sockets that is there.
async fn first(target: &Target, command: &str, ask: &Ask) -> Result<(Place, Option<Value>), Trouble> {
    let mut trouble = None;
    for path in setting(target, "sockets").lines() {
        let place = Place::Unix(path.into());
        match socket::ask(&place, command, ask).await {
            Ok(answer) => return Ok((place, answer)),
            // That one is not ours to open says more than that another is not there.
            Err(denied @ Trouble::Denied(_)) => trouble = Some(denied),
            Err(other) => trouble = trouble.or(Some(other)),
        }
    }
    Err(match trouble {
        Some(Trouble::Denied(cause)) => {
            Trouble::Denied(format!("{cause} (run this as root or as the user ceph)"))
        }
        Some(Trouble::Down(cause)) if cause.contains("No such file") => {
            Trouble::Denied(format!("it runs, but its admin socket is not there ({cause})"))
        }
        Some(trouble) => trouble,
        None => Trouble::Denied("its admin socket is not known".to_string()),
    })
}

/// What a MON in quorum says of the cluster.
async fn cluster(target: &Target, mon: &Mon, ask: &Ask) -> Result<Cluster, Trouble> {
    let own = mon.map.mons.iter().find(|one| one.name == mon.name).and_then(|one| one.address);
    let address =
        own.ok_or_else(|| Trouble::Denied("it does not listen for messenger version 2".to_string()))?;
    let fsid = fsid(&mon.map.fsid).ok_or_else(|| Trouble::Broken("its cluster has no fsid".to_string()))?;
    let mut trouble = None;
    for login in logins(target, ask).await {
        match wire::commands(address, fsid, &login, &Cluster::COMMANDS, ask).await {
            Ok(replies) => return read(&replies),
            Err(denied @ Trouble::Denied(_)) => trouble = Some(denied),
            Err(other) => return Err(other),
        }
    }
    Err(trouble.unwrap_or_else(|| {
        Trouble::Denied(
            "no keyring can be read or used: run this as root, or put user and key into [ceph] of the credentials file"
                .to_string(),
        )
    }))
}

/// Who is in quorum as a MON on another host says: nobody if it does not answer, `None` without a key for it.
async fn quorum(target: &Target, address: SocketAddr, ask: &Ask) -> Option<Vec<String>> {
    let fsid = fsid(setting(target, "fsid"))?;
    let share = ask.remaining() / 2;
    for login in logins(target, ask).await {
        let asking = wire::commands(address, fsid, &login, &[Greeting::COMMAND], ask);
        match tokio::time::timeout(share, asking).await {
            Ok(Err(Trouble::Denied(_))) => {}
            Ok(Ok(replies)) => {
                let answer = replies.first().and_then(|reply| serde_json::from_slice(&reply.output).ok());
                return Some(answer.map(|answer| Greeting::quorum(&answer)).unwrap_or_default());
            }
            Ok(Err(_)) | Err(_) => return Some(Vec::new()),
        }
    }
    None
}

fn read(replies: &[wire::Reply]) -> Result<Cluster, Trouble> {
    if let Some(refused) = replies.iter().find(|reply| reply.result != 0) {
        let cause = format!("a MON refuses to tell (error {}): {}", refused.result, refused.words);
        return Err(Trouble::Denied(format!("{cause} (the user needs the capability mon 'allow r')")));
    }
    let answers: Vec<Value> =
        replies.iter().map(|reply| serde_json::from_slice(&reply.output).unwrap_or_default()).collect();
    Cluster::parse(&answers).ok_or_else(|| Trouble::Broken("its health is no such JSON".to_string()))
}

/// Who may ask, best first: the operator's word, then the keyrings on the host. They are read here, so that
/// no key travels with a target.
async fn logins(target: &Target, ask: &Ask) -> Vec<wire::Login> {
    let mut all = Vec::new();
    if let Some(section) = ask.credential(Kind::Ceph) {
        let name = if section.user.contains('.') {
            section.user.clone()
        } else {
            format!("client.{}", section.user)
        };
        let key = section.more.get("key").unwrap_or(&section.password);
        all.extend(wire::Login::new(&name, key));
    }
    for path in setting(target, "keyrings").lines() {
        if let Ok(bytes) = ask.read(Path::new(path)).await
            && let Some((name, key)) = config::keyring(&String::from_utf8_lossy(&bytes))
        {
            all.extend(wire::Login::new(&name, &key));
        }
    }
    all
}

fn fsid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(number.to_be_bytes())
}
