//! What the running `aileron serve` has seen, asked over its control socket.

use std::path::Path;
use std::time::Duration;

use services::Overview;
use services::history::Standing;

use super::lookout::{TOLD_VERSION, ToldHistory, ToldOverview};
use super::when;
use crate::ctl::client::{Link, LinkError};
use crate::ctl::protocol::{Refusal, Request};

/// How long the daemon may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The last overview as it counts now, and how everything stands since when.
pub(super) fn overview(socket: &Path) -> Result<(Overview, Vec<Standing>), String> {
    let mut told: ToldOverview = ask(socket, &Request::ServicesOverview)?;
    check(told.version)?;
    let standing = std::mem::take(&mut told.standing);
    Ok((told.into_current(when::now())?, standing))
}

/// The changes at `since` or later.
pub(super) fn history(socket: &Path, since: u64) -> Result<ToldHistory, String> {
    let told: ToldHistory = ask(socket, &Request::ServicesHistory { since })?;
    check(told.version)?;
    Ok(told)
}

fn check(version: u32) -> Result<(), String> {
    match version {
        TOLD_VERSION => Ok(()),
        other => Err(format!(
            "the daemon answers in version {other}, this aileron reads {TOLD_VERSION}: restart the daemon"
        )),
    }
}

fn ask<T: serde::de::DeserializeOwned>(socket: &Path, request: &Request) -> Result<T, String> {
    let answer = Link::open(socket, Some(LIMIT)).and_then(|mut link| link.document(request));
    match answer {
        Ok(Ok(document)) => Ok(document),
        Ok(Err(Refusal::BadRequest(_))) => {
            Err("the daemon is of an older version, which keeps no history: restart it".to_string())
        }
        Ok(Err(refusal)) => Err(format!("the daemon refuses: {refusal:?}")),
        Err(LinkError::Unreachable { path, source }) => Err(unreachable(&path, &source)),
        Err(error) => Err(format!("asking the daemon at {}: {error}", socket.display())),
    }
}

/// Why nobody answers, and what to do.
fn unreachable(path: &Path, source: &std::io::Error) -> String {
    let remedy = match source.kind() {
        std::io::ErrorKind::PermissionDenied => "only root and the daemon's user may ask it",
        _ => {
            "the history is kept by aileron serve: systemctl start aileron, or name its socket with --socket"
        }
    };
    format!("no daemon answers at {}: {source}; {remedy}", path.display())
}
