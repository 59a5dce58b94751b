//! Asking a server, by the MySQL protocol.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, IoError, Opts, OptsBuilder, Row};

use super::facts::{self, Rows, Server};
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;

/// The most that is taken for one packet.
const PACKET_MAX: usize = 1 << 20;
/// The time between two readings, to tell what moves.
const MOMENT: Duration = Duration::from_millis(250);
/// Servers' numbers for "no connection left": of all, of all (for root), of this user.
const FULL: &[u16] = &[1040, 1203, 1226];
/// "Access denied", with and without a password, to a database, from this host, from a blocked host.
const DENIED: &[u16] = &[1045, 1698, 1044, 1130, 1129, 3159, 1142, 1227];

/// How an attempt to log in ends.
pub(super) enum Door {
    /// Let in.
    Open(Box<Conn>),
    /// All connections are taken.
    Full(String),
    /// Not with this name and password.
    Denied(String),
}

/// Logs in at a place.
pub(super) async fn enter(ask: &Ask, place: &Place, user: &str, password: &str) -> Result<Door, Trouble> {
    let near = ask.dial(place).await?;
    let mut options = OptsBuilder::default()
        .user(Some(user))
        .pass((!password.is_empty()).then_some(password))
        .prefer_socket(false)
        // Both given, so that nothing is asked before our own first question: a node without quorum
        // refuses to select anything.
        .max_allowed_packet(Some(PACKET_MAX))
        .wait_timeout(Some(60));
    options = match near {
        Place::Tcp(host, port) => options.ip_or_hostname(host).tcp_port(port),
        Place::Unix(path) => options.socket(Some(path.display().to_string())),
        Place::Program(name) => return Err(Trouble::Broken(format!("{name} is a program, not an address"))),
    };
    ask.doing(format!("waiting for the greeting of {place}"));
    match Conn::new(Opts::from(options)).await {
        Ok(connection) => Ok(Door::Open(Box::new(connection))),
        Err(Error::Server(error)) if FULL.contains(&error.code) => {
            Ok(Door::Full(format!("error {}: {}", error.code, error.message)))
        }
        Err(Error::Server(error)) if DENIED.contains(&error.code) => {
            Ok(Door::Denied(format!("error {}: {}", error.code, error.message)))
        }
        Err(error) => Err(trouble(&error, &format!("connecting to {place}"))),
    }
}

/// What an error of the library says of the server.
fn trouble(error: &Error, doing: &str) -> Trouble {
    match error {
        Error::Io(IoError::Io(io)) if io.kind() == io::ErrorKind::UnexpectedEof => {
            Trouble::Broken(format!("{doing}: it hung up"))
        }
        Error::Io(IoError::Io(io)) => Trouble::from_io(io, doing),
        Error::Server(error) => Trouble::Broken(format!("{doing}: error {}: {}", error.code, error.message)),
        other => Trouble::Broken(format!("{doing}: {other}")),
    }
}

/// Asks all that a judgement needs, then hangs up.
pub(super) async fn examine(ask: &Ask, place: &Place, mut conn: Box<Conn>) -> Result<Server, Trouble> {
    ask.doing(format!("waiting for the status of {place}"));
    let status = rows(&mut conn, facts::STATUS).await?;
    ask.doing(format!("waiting for the variables of {place}"));
    let variables = rows(&mut conn, facts::VARIABLES).await?;
    let mut server = facts::server(&status, &variables);
    // From here on all is more detail: what does not come in time must not hide the rest.
    let share = ask.remaining() / 2;
    let more = tokio::time::timeout(share, async {
        if standing(&server) {
            tokio::time::sleep(MOMENT).await;
            if let Ok(status) = rows(&mut conn, facts::AGAIN).await {
                let after_ms = MOMENT.as_millis().try_into().unwrap_or(u64::MAX);
                server.galera.later = Some(facts::later(&status, after_ms));
            }
        }
        if server.galera.connected {
            // Not everybody may read this table, and nobody without quorum.
            server.galera.members = pairs(&mut conn, facts::MEMBERS).await.unwrap_or_default();
        }
        let _ = conn.disconnect().await;
    });
    let _ = more.await;
    Ok(server)
}

/// Whether a second reading would tell something.
fn standing(server: &Server) -> bool {
    server.galera.recv_queue > 0 || server.galera.paused_ns > 0
}

async fn rows(conn: &mut Conn, query: &str) -> Result<Rows, Trouble> {
    let found = pairs(conn, query).await?;
    Ok(found.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect::<BTreeMap<_, _>>())
}

/// The first two columns as text; rows that have none are left out.
async fn pairs(conn: &mut Conn, query: &str) -> Result<Vec<(String, String)>, Trouble> {
    let found: Vec<Row> = conn.query(query).await.map_err(|error| trouble(&error, "asking"))?;
    let text = |row: &Row, at: usize| row.get_opt::<String, usize>(at)?.ok();
    Ok(found.iter().filter_map(|row| Some((text(row, 0)?, text(row, 1)?))).collect())
}
