//! MariaDB, alone or as a Galera cluster: all that OpenStack knows is in it.
//!
//! Next door: `options` reads its configuration, `find` the members of a host, `sql` asks, `facts`
//! reads the answers and what a stopped node left on its disk, `judge` compares all members.

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
        let mut last = Trouble::Down("no place to connect to".to_string());
        for place in places(target) {
            match at(target, ask, &place).await {
                Ok(facts) => return Ok(facts),
                // Somebody is there: another address is not better.
                Err(denied @ Trouble::Denied(_)) => return Err(denied),
                Err(trouble) => last = trouble,
            }
        }
        match last {
            Trouble::Down(cause) if target.settings.contains_key("datadir") => {
                stopped(target, ask, cause).await
            }
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
    for (user, password) in logins(target, ask, place).await {
        match sql::enter(ask, place, &user, &password).await? {
            Door::Open(conn) => {
                let server = Some(sql::examine(ask, place, conn).await?);
                return Ok(Facts { phase: Phase::Serving, server, ..Facts::default() });
            }
            Door::Full(trouble) => return Ok(Facts { phase: Phase::Full, trouble, ..Facts::default() }),
            Door::Denied(cause) if refused.is_empty() => refused = cause,
            Door::Denied(_) => {}
        }
    }
    if refused.is_empty() {
        // Whether anybody is there can be told without a name.
        drop(ask.connect(place).await?);
        refused = "there is no [mariadb] user and password for asking over the network".to_string();
    }
    Err(Trouble::Denied(refused))
}

/// Names and passwords to try: what is configured, and on its own host what root has.
async fn logins(target: &Target, ask: &Ask, place: &Place) -> Vec<(String, String)> {
    let mut logins = Vec::new();
    if let Some(credential) = ask.credential(Kind::Mariadb) {
        let user = if credential.user.is_empty() { "root" } else { &credential.user };
        logins.push((user.to_string(), credential.password.clone()));
    }
    if !target.settings.contains_key("datadir") {
        return logins;
    }
    if let Place::Unix(_) = place {
        // The socket tells the server who we are. Root is let in first: what is configured may be meant
        // for the network only, and each refusal is counted by the server.
        let at = if rustix::process::geteuid().is_root() { 0 } else { logins.len() };
        logins.insert(at, ("root".to_string(), String::new()));
    }
    for file in LOGINS {
        if let Ok(bytes) = ask.read(Path::new(file)).await
            && let Some(login) = options::login(&String::from_utf8_lossy(&bytes))
        {
            logins.push(login);
        }
    }
    logins
}

/// What can be said of a server that cannot be connected to.
async fn stopped(target: &Target, ask: &Ask, cause: String) -> Result<Facts, Trouble> {
    let phase = if target.seen { Phase::Starting } else { Phase::Stopped };
    let saved = saved(target, ask).await;
    Ok(Facts { phase, trouble: cause, saved, ..Facts::default() })
}

async fn saved(target: &Target, ask: &Ask) -> Option<Saved> {
    let folder = Path::new(target.settings.get("datadir")?);
    let bytes = ask.read(&folder.join("grastate.dat")).await.ok()?;
    let mut saved = facts::grastate(&String::from_utf8_lossy(&bytes));
    if let Ok(bytes) = ask.read(&folder.join("gvwstate.dat")).await {
        saved.last_view = Some(facts::view_size(&String::from_utf8_lossy(&bytes)));
    }
    if saved.seqno < 0
        && let Some(log) = target.settings.get("log_error")
        && let Ok(output) = ask.run("tail", &["-c", LOG_TAIL, log]).await
    {
        saved.recovered = facts::recovered(&String::from_utf8_lossy(&output.stdout));
    }
    Some(saved)
}
