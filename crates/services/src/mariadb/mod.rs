//! MariaDB, alone or as a Galera cluster: all that OpenStack knows is in it.
//!
//! | room | what |
//! |---|---|
//! | `find` | the servers and arbitrators of a host, and whom their configuration names |
//! | `options` | option files and command lines |
//! | `sql` | asks a server |
//! | `facts` | what a server answers, and what a stopped one left on its disk |
//! | `judge` | compares all members |

mod facts;
mod find;
mod judge;
mod options;
mod sql;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use facts::{Facts, Galera, Later, Phase, Saved, Server};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;
use sql::Door;

/// The port where nothing else is said.
const PORT: u16 = 3306;
const SERVERS: &[&str] = &["mariadbd", "mysqld"];
const ARBITRATORS: &[&str] = &["garbd"];
/// Programs that take a copy, and a node out of step while they do.
const BACKUPS: &[&str] = &["mariadb-backup", "mariabackup", "mysqldump", "mariadb-dump", "xtrabackup"];
/// Option files with root's password: an operator's, Debian's, TripleO's.
const LOGINS: &[&str] =
    &["/root/.my.cnf", "/etc/mysql/debian.cnf", "/var/lib/config-data/puppet-generated/mysql/root/.my.cnf"];
/// How much of the error log's end is searched for a recovered position.
const LOG_TAIL: &str = "262144";

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("mariadb: status and variables", status),
    ("mariadb: grastate.dat", |bytes| drop(facts::grastate(&crate::fuzzing::text(bytes)))),
    ("mariadb: gvwstate.dat", |bytes| {
        let _ = facts::view_size(&crate::fuzzing::text(bytes));
    }),
    ("mariadb: recovered position", |bytes| drop(facts::recovered(&crate::fuzzing::text(bytes)))),
    ("mariadb: login", |bytes| drop(options::login(&crate::fuzzing::text(bytes)))),
    ("mariadb: addresses", |bytes| drop(options::cluster_hosts(&crate::fuzzing::text(bytes)))),
];

/// Rows as the server sends them, from lines `name value`.
#[cfg(any(test, feature = "fuzzing"))]
fn status(bytes: &[u8]) {
    let text = crate::fuzzing::text(bytes);
    let pair = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        Some((name.to_string(), value.to_string()))
    };
    let rows: facts::Rows = text.lines().filter_map(pair).collect();
    let _ = (facts::server(&rows, &rows), facts::later(&rows, 1000));
}

/// The kind.
#[derive(Debug)]
pub struct Mariadb;

impl Service for Mariadb {
    const KIND: Kind = Kind::Mariadb;
    const FILES: &'static [&'static str] = &[
        "/etc/my.cnf",
        "/etc/my.cnf.d/*.cnf",
        "/etc/mysql/my.cnf",
        "/etc/mysql/conf.d/*.cnf",
        "/etc/mysql/mariadb.conf.d/*.cnf",
        "/etc/kolla/mariadb/galera.cnf",
        "/var/lib/config-data/puppet-generated/mysql/etc/my.cnf",
        "/var/lib/config-data/puppet-generated/mysql/etc/my.cnf.d/*.cnf",
        find::GRASTATE,
        find::GARB_FILES[0],
        find::GARB_FILES[1],
        "/var/lib/pacemaker/cib/cib.xml",
        "/etc/hosts",
    ];
    const DAEMONS: &'static [&'static str] = &[
        "mariadbd",
        "mysqld",
        "garbd",
        "mariadb-backup",
        "mariabackup",
        "mysqldump",
        "mariadb-dump",
        "xtrabackup",
    ];
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        if target.settings.contains_key("arbitrator") {
            return match target.seen {
                true => Ok(Facts { phase: Phase::Arbitrator, ..Facts::default() }),
                false => Err(Trouble::Down("there is no process".to_string())),
            };
        }
        let found_here = target.settings.contains_key("datadir");
        let mut last = Trouble::Down("no place to connect to".to_string());
        for place in places(target) {
            match at(target, ask, &place).await {
                Ok(facts) => return Ok(facts),
                // Somebody is there: another address is not better.
                Err(denied @ Trouble::Denied(_)) => return Err(denied),
                // Without a process nobody can be behind a socket. A tunnel to one that is gone hangs up.
                Err(Trouble::Down(cause) | Trouble::Broken(cause)) if found_here && !target.seen => {
                    last = Trouble::Down(cause);
                    break;
                }
                Err(trouble) => last = trouble,
            }
        }
        match last {
            Trouble::Down(cause) if found_here => stopped(target, ask, cause).await,
            other => Err(other),
        }
    }

    fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
        find::peers(target, facts)
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

/// Where a server may be asked: its socket, the same seen through its container, its port.
fn places(target: &Target) -> Vec<Place> {
    if let Place::Tcp(..) = target.place {
        return vec![target.place.clone()];
    }
    let sockets = target.settings.get("sockets").map_or("", String::as_str);
    let root = target.settings.get("root").filter(|_| target.settings.contains_key("container"));
    let inside = sockets.split(' ').filter_map(|socket| root.map(|root| format!("{root}{socket}")));
    let mut places: Vec<Place> =
        sockets.split(' ').map(str::to_string).chain(inside).map(|path| Place::Unix(path.into())).collect();
    if let (Some(host), Some(port)) = (target.settings.get("tcp"), target.port) {
        places.push(Place::Tcp(host.clone(), port));
    }
    places
}

/// Logs in at one place, with whatever there is to do so, and asks.
async fn at(target: &Target, ask: &Ask, place: &Place) -> Result<Facts, Trouble> {
    let mut refused = String::new();
    let given = logins(target, ask, place);
    let mut denied = match attempt(ask, place, &given, &mut refused).await? {
        Some(facts) => return Ok(facts),
        None => refused,
    };
    if target.settings.contains_key("datadir") {
        // Only now: over ssh each file costs a round trip.
        let (one, two, three) =
            tokio::join!(login_of(ask, LOGINS[0]), login_of(ask, LOGINS[1]), login_of(ask, LOGINS[2]));
        let found: Vec<_> = [one, two, three].into_iter().flatten().collect();
        if let Some(facts) = attempt(ask, place, &found, &mut denied).await? {
            return Ok(facts);
        }
    }
    if denied.is_empty() {
        // Whether anybody is there can be told without a name.
        drop(ask.connect(place).await?);
        denied = "there is no [mariadb] user and password for asking over the network".to_string();
    }
    Err(Trouble::Denied(denied))
}

/// Tries names and passwords in turn; `refused` becomes the first refusal.
async fn attempt(
    ask: &Ask,
    place: &Place,
    logins: &[(String, String)],
    refused: &mut String,
) -> Result<Option<Facts>, Trouble> {
    for (user, password) in logins {
        match sql::enter(ask, place, user, password).await? {
            Door::Open(conn) => {
                let server = Some(sql::examine(ask, place, conn).await?);
                return Ok(Some(Facts { phase: Phase::Serving, server, ..Facts::default() }));
            }
            Door::Full(trouble) => {
                return Ok(Some(Facts { phase: Phase::Full, trouble, ..Facts::default() }));
            }
            Door::Denied(cause) if refused.is_empty() => *refused = cause,
            Door::Denied(_) => {}
        }
    }
    Ok(None)
}

/// Names and passwords to try first: what is configured, and root by the socket.
fn logins(target: &Target, ask: &Ask, place: &Place) -> Vec<(String, String)> {
    let mut logins = Vec::new();
    if let Some(credential) = ask.credential(Kind::Mariadb) {
        let user = if credential.user.is_empty() { "root" } else { &credential.user };
        logins.push((user.to_string(), credential.password.clone()));
    }
    if let (Place::Unix(_), true) = (place, target.settings.contains_key("datadir")) {
        // The socket tells the server who we are. Root is let in first: what is configured may be meant
        // for the network only, and each refusal is counted by the server.
        let at = if rustix::process::geteuid().is_root() { 0 } else { logins.len() };
        logins.insert(at, ("root".to_string(), String::new()));
    }
    logins
}

/// The name and password of an option file on the member's host, if there is one.
async fn login_of(ask: &Ask, file: &str) -> Option<(String, String)> {
    let bytes = ask.read(Path::new(file)).await.ok()?;
    options::login(&String::from_utf8_lossy(&bytes))
}

/// What can be said of a server that cannot be connected to.
async fn stopped(target: &Target, ask: &Ask, cause: String) -> Result<Facts, Trouble> {
    let phase = if target.seen { Phase::Starting } else { Phase::Stopped };
    let saved = saved(target, ask).await;
    Ok(Facts { phase, trouble: cause, saved, ..Facts::default() })
}

async fn saved(target: &Target, ask: &Ask) -> Option<Saved> {
    let folder = Path::new(target.settings.get("datadir")?);
    let (state, view) = (folder.join("grastate.dat"), folder.join("gvwstate.dat"));
    let log = target.settings.get("log_error").map_or("/dev/null", String::as_str);
    let tail = ["-c", LOG_TAIL, "--", log];
    // All at once: over ssh each costs a round trip.
    let (state, view, log) = tokio::join!(ask.read(&state), ask.read(&view), ask.run("tail", &tail));
    let mut saved = facts::grastate(&String::from_utf8_lossy(&state.ok()?));
    if let Ok(bytes) = view {
        saved.last_view = Some(facts::view_size(&String::from_utf8_lossy(&bytes)));
    }
    if let Ok(output) = log
        && saved.seqno < 0
    {
        saved.recovered = facts::recovered(&String::from_utf8_lossy(&output.stdout));
    }
    Some(saved)
}
