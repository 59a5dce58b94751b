//! Pacemaker on corosync: what decides which host runs what.
//!
//! Each member is asked for its own status, since each part of a split cluster has one of its own, with a
//! coordinator (DC) of its own. `mon`, `cib` and `corosync` read what the programs print, `find` names the
//! members; `judge` picks the status to go by and compares the others with it.
//!
//! | room | what |
//! |---|---|
//! | `find` | the hosts that are members |
//! | `mon`, `cib`, `corosync`, `xml` | what the programs print |
//! | `facts` | what one member says |
//! | `judge` | which status to go by, and what is said of the cluster as a whole |
//! | `members` | who is there, and who sees whom |
//! | `resources` | what runs, and whether enough of it does |
//! | `addresses` | where the addresses really are |
//! | `failures` | failed actions that still stand |
//! | `fencing` | whether lost hosts are switched off |

mod addresses;
mod cib;
mod corosync;
mod facts;
mod failures;
mod fencing;
mod find;
mod judge;
mod members;
mod mon;
mod resources;
#[cfg(test)]
mod tests;
mod xml;

pub use facts::Facts;

use std::process::Output;

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;

/// The program that is asked.
const PROGRAM: &str = "crm_mon";

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("pacemaker: crm_mon", |bytes| drop(mon::status(&crate::fuzzing::text(bytes), "", Some(0)))),
    ("pacemaker: cib", |bytes| drop(cib::configured(&crate::fuzzing::text(bytes)))),
    ("pacemaker: corosync", |bytes| {
        let text = crate::fuzzing::text(bytes);
        let _ = (corosync::votes(&text), corosync::faults(&text));
    }),
];

/// The kind.
#[derive(Debug)]
pub struct Pacemaker;

impl Service for Pacemaker {
    const KIND: Kind = Kind::Pacemaker;
    const FILES: &'static [&'static str] = &[find::CONFIGURATION];
    const DAEMONS: &'static [&'static str] = find::DAEMONS;
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(_: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        // Nothing beside the status is worth losing it for.
        let share = ask.remaining() * 3 / 4;
        // The status comes last: it is what is told to be waited for, if it does not come.
        let (votes, links, cib, status) = tokio::join!(
            tokio::time::timeout(share, ask.run("corosync-quorumtool", &["-s"])),
            tokio::time::timeout(share, ask.run("corosync-cfgtool", &["-s"])),
            tokio::time::timeout(share, ask.run("cibadmin", &["-Q"])),
            status(ask),
        );
        let silent = votes.is_err() || links.is_err();
        let corosync = facts::Corosync {
            silent,
            votes: votes.ok().and_then(|said| corosync::votes(&text(&said.ok()?.stdout))),
            faults: links
                .ok()
                .and_then(Result::ok)
                .map(|said| corosync::faults(&text(&said.stdout)))
                .unwrap_or_default(),
        };
        let status = status.map_err(|trouble| below(trouble, &corosync))?;
        let configured = cib.ok().and_then(|said| cib::configured(&text(&said.ok()?.stdout)));
        Ok(Facts { status, configured, corosync })
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

/// Asks crm_mon, and one of before 2.0.3 by its old name for XML.
async fn status(ask: &Ask) -> Result<facts::ClusterStatus, Trouble> {
    let read = |said: &Output| mon::status(&text(&said.stdout), &text(&said.stderr), said.status.code());
    let said = ask.run(PROGRAM, &["-1", "--output-as=xml"]).await?;
    if mon::is_old(&text(&said.stdout), &text(&said.stderr)) {
        return read(&ask.run(PROGRAM, &["-1", "--as-xml"]).await?);
    }
    read(&said)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where Pacemaker is down, whether corosync is too.
fn below(trouble: Trouble, corosync: &facts::Corosync) -> Trouble {
    let Trouble::Down(cause) = trouble else { return trouble };
    Trouble::Down(match &corosync.votes {
        Some(votes) if votes.quorate => format!("{cause}; corosync runs and has quorum"),
        Some(_) => format!("{cause}; corosync runs, without quorum"),
        None if corosync.silent => format!("{cause}; corosync does not answer"),
        None => cause,
    })
}
