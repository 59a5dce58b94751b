//! Redis and its Sentinels: coordination locks, job boards and metrics in transit are kept in it.
//!
//! One kind, since neither can be judged alone: the servers say who has the data, the Sentinels who
//! is to be the primary when that one is gone. On TripleO there are no Sentinels; Pacemaker promotes.
//!
//! | room | what |
//! |---|---|
//! | `find` | the daemons of a host, and which others they name |
//! | `config` | `redis.conf` and `sentinel.conf` |
//! | `resp` | asks a daemon |
//! | `facts` | what a server and a Sentinel say |
//! | `members` | who copies from whom, and who watches |
//! | `judge`, `servers`, `sentinels` | the rules |

mod config;
mod facts;
mod find;
mod judge;
mod members;
mod resp;
mod sentinels;
mod servers;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

pub use facts::{Address, Facts, Known, Replica, Sentinel, Server, Upstream, Watched};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;
use config::Config;
use resp::{Connection, Value};

/// A server's port where nothing else is said.
const PORT: u16 = 6379;
/// A Sentinel's port where nothing else is said.
const SENTINEL_PORT: u16 = 26379;
/// The most primaries of one Sentinel that are asked about.
const WATCHED_MAX: usize = 16;
/// How long a server at its limit of clients may take to say so.
const REFUSAL: Duration = Duration::from_millis(300);

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("redis: answer", answer),
    ("redis: INFO", |bytes| drop(Server::parse(&crate::fuzzing::text(bytes), &[]))),
    ("redis: configuration", |bytes| drop(Config::parse(&crate::fuzzing::text(bytes)))),
];

/// Answers one after the other, each as a server's and as a Sentinel's.
#[cfg(any(test, feature = "fuzzing"))]
fn answer(mut bytes: &[u8]) {
    while let Ok(Some((value, used))) = resp::parse(bytes) {
        assert!(used > 0 && used <= bytes.len());
        let _ = (facts::known(&value), Sentinel::parse("", &value), value.pairs().count());
        let _ = value.text().map(|info| Server::parse(info, &[]));
        bytes = bytes.get(used..).unwrap_or_default();
    }
}

/// The kind.
#[derive(Debug)]
pub struct Redis;

impl Service for Redis {
    const KIND: Kind = Kind::Redis;
    const FILES: &'static [&'static str] = find::FILES;
    const DAEMONS: &'static [&'static str] = &["redis-server", "redis-sentinel"];
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        if target.settings.contains_key("tls") {
            let cause = format!(
                "{} speaks TLS only, which is not asked: give it a plain port on loopback",
                target.place
            );
            return Err(Trouble::Denied(cause));
        }
        let mut connection = Connection::open(&target.place, ask).await?;
        let first = match connection.say(&["PING"], ask).await {
            // At its limit of clients a server says so and hangs up at once, and what it said is lost
            // to who was sending.
            Err(Trouble::Broken(_)) => refusal(target, ask).await?,
            other => other?,
        };
        if let Value::Error(error) = &first {
            enter(&mut connection, error, target, ask).await?;
        }
        let info = text(connection.say(&["INFO"], ask).await?)?;
        if info.contains("redis_mode:sentinel") {
            sentinel(&mut connection, &info, ask).await
        } else {
            server(&mut connection, &info, ask).await
        }
    }

    fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
        find::peers(target, facts)
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

/// Listens to what a server says that hung up on us.
async fn refusal(target: &Target, ask: &Ask) -> Result<Value, Trouble> {
    let mut connection = Connection::open(&target.place, ask).await?;
    match tokio::time::timeout(REFUSAL, connection.answer()).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::Broken(format!("{} hangs up on a PING", target.place))),
    }
}

/// Gets past the error that a PING was answered with, if a password is all that is missing.
async fn enter(connection: &mut Connection, error: &str, target: &Target, ask: &Ask) -> Result<(), Trouble> {
    match error.split(' ').next().unwrap_or_default() {
        "NOAUTH" | "NOPERM" => {}
        "DENIED" => return Err(Trouble::Denied(error.chars().take(80).collect())),
        _ if error.contains("max number of clients") => return Err(Trouble::Denied(error.to_string())),
        // LOADING, MISCONF, MASTERDOWN: it cannot serve now, but tells why when asked.
        _ => return Ok(()),
    }
    for (user, password) in passwords(target, ask).await {
        let words = if user.is_empty() { vec!["AUTH", &password] } else { vec!["AUTH", &user, &password] };
        if connection.say(&words, ask).await? == Value::Text("OK".to_string()) {
            return Ok(());
        }
    }
    let remedy = "put user and password into [redis] of the credentials file, or run where its configuration can be read";
    Err(Trouble::Denied(format!("{error} ({remedy})")))
}

/// What may let us in: the operator's word first, then the configuration next to the daemon. It is
/// read here, so that no password travels with a target.
async fn passwords(target: &Target, ask: &Ask) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if let Some(section) = ask.credential(Kind::Redis) {
        let of_sentinel =
            section.more.get("sentinel_password").filter(|_| target.settings.contains_key("sentinel"));
        all.push((section.user.clone(), of_sentinel.unwrap_or(&section.password).clone()));
    }
    for path in target.settings.get("config").into_iter().flat_map(|paths| paths.split(':')) {
        if let Ok(bytes) = ask.read(Path::new(path)).await
            && let Some(config) = Config::parse(&String::from_utf8_lossy(&bytes))
        {
            all.extend(config.passwords);
        }
    }
    all.retain(|(_, password)| !password.is_empty());
    all.dedup();
    all.truncate(4);
    all
}

fn text(value: Value) -> Result<String, Trouble> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Error(error) if error.starts_with("NOPERM") || error.starts_with("NOAUTH") => {
            Err(Trouble::Denied(error))
        }
        Value::Error(error) => Err(Trouble::Broken(error)),
        other => Err(Trouble::Broken(format!("INFO is answered by {other:?}").chars().take(80).collect())),
    }
}

async fn server(connection: &mut Connection, info: &str, ask: &Ask) -> Result<Facts, Trouble> {
    let mut settings = Vec::new();
    for pattern in ["min-*", "stop-writes-on-bgsave-error"] {
        // An error means that it is not allowed or renamed: the rest is worth having.
        settings.push(connection.say(&["CONFIG", "GET", pattern], ask).await?);
    }
    let pairs: Vec<(&str, &str)> = settings.iter().flat_map(Value::pairs).collect();
    Ok(Facts::Server(Box::new(Server::parse(info, &pairs))))
}

async fn sentinel(connection: &mut Connection, info: &str, ask: &Ask) -> Result<Facts, Trouble> {
    let masters = connection.say(&["SENTINEL", "MASTERS"], ask).await?;
    if let Value::Error(error) = masters {
        return Err(Trouble::Denied(error));
    }
    let mut sentinel = Sentinel::parse(info, &masters);
    sentinel.watched.truncate(WATCHED_MAX);
    for watched in &mut sentinel.watched {
        // Known as SLAVES before version 5, and still understood.
        watched.replicas = facts::known(&connection.say(&["SENTINEL", "SLAVES", &watched.name], ask).await?);
        watched.sentinels =
            facts::known(&connection.say(&["SENTINEL", "SENTINELS", &watched.name], ask).await?);
        watched.quorum_check = match connection.say(&["SENTINEL", "CKQUORUM", &watched.name], ask).await? {
            Value::Text(text) => Some(Ok(text)),
            Value::Error(error) if error.starts_with("NO") && !error.starts_with("NOPERM") => {
                Some(Err(error))
            }
            _ => None,
        };
    }
    Ok(Facts::Sentinel(sentinel))
}
