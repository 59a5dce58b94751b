//! The proxies that browsers reach instances' consoles through: Nova's for noVNC, SPICE and serial lines.
//!
//! Next door: `sorts` has what differs between them, `conf` reads nova.conf, `find` the members of a host,
//! `judge` compares those of a sort.
//!
//! All three are websockify under another name. They are asked for a page as a browser would, never for a
//! console: that costs a fork of the proxy, no token, no call to Nova, and no line in its log.

mod conf;
mod find;
mod judge;
mod sorts;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;
use crate::{http, tls};

/// What a proxy shows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Facts {
    /// It served the page that consoles are opened with.
    Page {
        /// The page's path.
        path: String,
    },
    /// It has no such page.
    Missing {
        /// The paths that were asked for.
        paths: Vec<String>,
    },
    /// It serves no pages at all, only WebSockets.
    Sockets,
    /// It answered the hello of TLS, and speaks nothing else.
    Tls,
}

/// The kind.
#[derive(Debug)]
pub struct Consoles;

impl Service for Consoles {
    const KIND: Kind = Kind::Consoles;
    const FILES: &'static [&'static str] = find::FILES;
    const DAEMONS: &'static [&'static str] = find::DAEMONS;
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        if target.settings.contains_key("tls") {
            return tls::hello(&target.place, ask).await.map(|()| Facts::Tls);
        }
        let paths: Vec<String> = find::pages(target);
        for path in &paths {
            let reply = match http::ask(&target.place, path, None, ask).await {
                Ok(reply) => reply,
                // It hangs up on who does not speak TLS, if that was configured where we cannot read it.
                Err(Trouble::Broken(cause)) => {
                    let hello = tls::hello(&target.place, ask).await;
                    return hello.map(|()| Facts::Tls).map_err(|_| Trouble::Broken(cause));
                }
                Err(other) => return Err(other),
            };
            match reply.status {
                200..=399 => return Ok(Facts::Page { path: path.clone() }),
                405 => return Ok(Facts::Sockets),
                403 | 404 => {}
                status => return Err(Trouble::Broken(format!("{path} is answered by status {status}"))),
            }
        }
        Ok(Facts::Missing { paths })
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}
