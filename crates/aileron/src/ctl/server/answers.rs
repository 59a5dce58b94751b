//! Requests carried out on the broker. Everything here may wait for the disk.

use std::path::Path;
use std::time::Duration;

use broker::access::{AccessError, Permission};
use broker::{AdminError, Broker};

use super::super::protocol::{Listing, Refusal, Reply, Request};
use super::super::term::Term;
use super::replies::{denied, document, refused};
use super::{Facts, definitions, rows, state};

/// Carries out one request; the last reply closes the answer.
pub(super) fn answer(request: Request, broker: Option<&Broker>, facts: &Facts) -> Vec<Reply> {
    match &request {
        Request::ServicesOverview => return vec![document(&facts.lookout.overview())],
        Request::ServicesHistory { since } => return vec![document(&facts.lookout.history(*since))],
        Request::ExportDefinitions => {
            return vec![match broker {
                Some(broker) => definitions::export(broker, &facts.node),
                None => Reply::Refused(Refusal::NotReady),
            }];
        }
        _ => {}
    }
    let outcome = match (request, broker) {
        (Request::Ping, _) => Ok((Vec::new(), done())),
        (Request::Environment, _) => Ok((Vec::new(), facts.environment.clone())),
        (Request::Process, _) => Ok((Vec::new(), state::process())),
        (_, None) => Err(Refusal::NotReady),
        (Request::List { what, vhost, columns }, Some(broker)) => {
            list(broker, facts, what, &vhost, &columns).map(|rows| (rows, done()))
        }
        (Request::ListPermissions { vhost, user }, Some(broker)) => {
            permissions(broker, vhost.as_deref(), user.as_deref()).map(|rows| (rows, done()))
        }
        (request, Some(broker)) => carry_out(request, broker, facts).map(|value| (Vec::new(), value)),
    };
    match outcome {
        Ok((rows, end)) => rows.into_iter().map(Reply::Row).chain([Reply::Done(end)]).collect(),
        Err(refusal) => vec![Reply::Refused(refusal)],
    }
}

fn done() -> Term {
    Term::atom("ok")
}

fn list(
    broker: &Broker,
    facts: &Facts,
    what: Listing,
    vhost: &str,
    columns: &[String],
) -> Result<Vec<Vec<Term>>, Refusal> {
    Ok(match what {
        Listing::Queues => rows::all(&broker.list_queues(vhost).map_err(refused)?, columns, rows::queue),
        Listing::Exchanges => {
            rows::all(&broker.list_exchanges(vhost).map_err(refused)?, columns, rows::exchange)
        }
        Listing::Bindings => {
            rows::all(&broker.list_bindings(vhost).map_err(refused)?, columns, rows::binding)
        }
        Listing::Consumers => {
            rows::all(&broker.list_consumers(vhost).map_err(refused)?, columns, rows::consumer)
        }
        Listing::Connections => rows::all(&broker.list_connections(), columns, rows::connection),
        Listing::Channels => rows::all(&broker.list_channels(), columns, rows::channel),
        Listing::Users => rows::all(&broker.access().users(), columns, rows::user),
        Listing::Vhosts => rows::all(&broker.access().vhosts(), columns, |vhost, column| {
            rows::vhost(vhost, column, &facts.node, broker.is_open(&vhost.name))
        }),
    })
}

fn permissions(broker: &Broker, vhost: Option<&str>, user: Option<&str>) -> Result<Vec<Vec<Term>>, Refusal> {
    let access = broker.access();
    let row = |first: &str, granted: &Permission| -> Vec<Term> {
        [first, &granted.configure, &granted.write, &granted.read].into_iter().map(Term::text).collect()
    };
    match (vhost, user) {
        (Some(vhost), _) => {
            let granted = access.list_permissions(vhost).map_err(denied)?;
            Ok(granted.iter().map(|granted| row(&granted.user, granted)).collect())
        }
        (None, Some(user)) => {
            let granted = access.list_user_permissions(user).map_err(denied)?;
            Ok(granted.iter().map(|granted| row(&granted.vhost, granted)).collect())
        }
        (None, None) => Err(Refusal::BadRequest("permissions of what?".to_string())),
    }
}

/// Everything whose answer is one value.
fn carry_out(request: Request, broker: &Broker, facts: &Facts) -> Result<Term, Refusal> {
    let access = broker.access();
    match request {
        Request::Status => return Ok(state::state(broker, facts)),
        Request::Health => return Ok(state::health(&broker.health())),
        Request::Snapshot { dir } => {
            return Ok(state::snapshot(&broker.snapshot(Path::new(&dir)).map_err(refused)?));
        }
        Request::ImportDefinitions { definitions } => {
            return definitions::import(broker, &definitions.0, &facts.node);
        }
        Request::AddUser { name, password } => access.add_user(&name, &password.0).map_err(denied)?,
        Request::DeleteUser { name } => broker.delete_user(&name).map_err(refused)?,
        Request::ChangePassword { name, password } => {
            access.change_password(&name, &password.0).map_err(denied)?
        }
        Request::ClearPassword { name } => access.clear_password(&name).map_err(denied)?,
        Request::AuthenticateUser { name, password } => {
            access.authenticate(&name, password.0.as_bytes()).map_err(|_| Refusal::BadCredentials(name))?;
        }
        Request::SetUserTags { name, tags } => access.set_user_tags(&name, &tags).map_err(denied)?,
        Request::SetPermissions { user, vhost, configure, write, read } => {
            access.set_permissions(&user, &vhost, &configure, &write, &read).map_err(denied)?;
        }
        Request::ClearPermissions { user, vhost } => {
            access.clear_permissions(&user, &vhost).map_err(denied)?
        }
        Request::AddVhost { name, description, tags } => add_vhost(broker, &name, &description, &tags)?,
        Request::RestartVhost { name } => {
            return Ok(broker.restart_vhost(&name).map_err(refused)?.into());
        }
        Request::DeleteVhost { name } => broker.delete_vhost(&name).map_err(refused)?,
        Request::SetTracing { vhost, on } => set_tracing(broker, &vhost, on)?,
        Request::DeleteQueue { vhost, name, if_unused, if_empty } => {
            return Ok(Term::int(broker.delete_queue(&vhost, &name, if_unused, if_empty).map_err(refused)?));
        }
        Request::PurgeQueue { vhost, name } => {
            return Ok(Term::int(broker.purge_queue(&vhost, &name).map_err(refused)?));
        }
        Request::CloseConnection { pid, reason } => {
            // RabbitMQ is content when the connection is gone already.
            broker.close_connection(&pid, &reason);
        }
        Request::CloseAllConnections { vhost, reason, limit, delay_ms } => {
            return Ok(Term::int(close_connections(broker, vhost.as_deref(), &reason, limit, delay_ms)));
        }
        Request::Ping | Request::AwaitStartup | Request::Stop | Request::Environment | Request::Process => {}
        // Not carried out here but in `life`.
        Request::SuspendListeners | Request::ResumeListeners => {}
        Request::StandBy { .. } | Request::SelfCheck => {}
        Request::List { .. } | Request::ListPermissions { .. } => {}
        Request::ServicesOverview | Request::ServicesHistory { .. } | Request::ExportDefinitions => {}
    }
    Ok(done())
}

/// Adding a vhost that is there is no error, as in RabbitMQ; one that is down is opened.
fn add_vhost(broker: &Broker, name: &str, description: &str, tags: &[String]) -> Result<(), Refusal> {
    match broker.add_vhost(name, description, tags) {
        Ok(()) => Ok(()),
        Err(AdminError::Access(AccessError::VhostExists(_))) => {
            broker.restart_vhost(name).map(drop).map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Tracing a vhost that is not there is no error either.
fn set_tracing(broker: &Broker, vhost: &str, on: bool) -> Result<(), Refusal> {
    match broker.set_tracing(vhost, on).map_err(refused) {
        Err(Refusal::NoSuchVhost(_)) => Ok(()),
        other => other,
    }
}

/// Closes connections, at most `limit` (0: all), with a pause between two; says how many.
fn close_connections(broker: &Broker, vhost: Option<&str>, reason: &str, limit: u64, delay_ms: u64) -> u64 {
    if limit == 0 && delay_ms == 0 {
        return u64::try_from(broker.close_all_connections(vhost, reason)).unwrap_or(u64::MAX);
    }
    let most = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let chosen = broker
        .list_connections()
        .into_iter()
        .filter(|connection| vhost.is_none_or(|name| connection.vhost == name));
    let mut closed = 0;
    for connection in chosen.take(most) {
        if closed > 0 {
            std::thread::sleep(Duration::from_millis(delay_ms));
        }
        closed += u64::from(broker.close_connection(&connection.pid, reason));
    }
    closed
}
