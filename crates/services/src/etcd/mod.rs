//! etcd: locks and coordination are kept in it, by a majority of its members.
//!
//! A member answers for itself without the others (its status), so that each is asked for what it sees:
//! who leads, which alarms stand, how large its database is.

mod ctl;
mod facts;
mod find;
mod judge;
#[cfg(test)]
mod tests;

pub use facts::{Facts, Listed};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::http;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;

/// The port where nothing else is said; the next one is for the members among themselves.
const PORT: u16 = 2379;

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("etcd: status", |bytes| drop(Facts::parse(&crate::fuzzing::text(bytes)))),
    ("etcd: members", |bytes| drop(facts::members(&crate::fuzzing::text(bytes)))),
    ("etcd: health and metrics", |bytes| {
        let text = crate::fuzzing::text(bytes);
        let _ = (facts::health(&text), facts::quota(&text));
    }),
];

/// The kind.
#[derive(Debug)]
pub struct Etcd;

impl Service for Etcd {
    const KIND: Kind = Kind::Etcd;
    const FILES: &'static [&'static str] = find::FILES;
    const DAEMONS: &'static [&'static str] = &["etcd"];
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        if target.settings.contains_key("scheme") {
            return ctl::probe(target, ask).await;
        }
        let status = http::ask(&target.place, "/v3/maintenance/status", Some("{}"), ask).await?;
        if status.status == 404 {
            return ctl::probe(target, ask).await;
        }
        let mut all = Facts::parse(&status.body)?;
        // None of these is worth losing the status for: a read through consensus may hang.
        let share = ask.remaining() / 2;
        let (members, health, metrics) = tokio::join!(
            tokio::time::timeout(share, http::ask(&target.place, "/v3/cluster/member/list", Some("{}"), ask)),
            tokio::time::timeout(share, http::ask(&target.place, "/health", None, ask)),
            tokio::time::timeout(share, http::ask(&target.place, "/metrics", None, ask)),
        );
        all.members = members.ok().and_then(Result::ok).and_then(|reply| facts::members(&reply.body));
        // No answer to a read through consensus is an answer.
        all.health = match health {
            Ok(reply) => reply.ok().and_then(|reply| facts::health(&reply.body)),
            Err(_) => Some(false),
        };
        let metrics = metrics.ok().and_then(Result::ok);
        all.quota = all.quota.or_else(|| facts::quota(&metrics?.body));
        Ok(all)
    }

    fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
        find::peers(target, facts)
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}
