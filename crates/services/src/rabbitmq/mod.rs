//! RabbitMQ: everything in OpenStack speaks through it. A cluster shares its definitions; a classic queue
//! lives on one node, and a queue with copies on several.
//!
//! Every node is asked two things at once: its greeting, which proves that it serves clients, and what it
//! knows (`inside`, `management`), for which we have to be let in. `epmd` answers for anything and proves
//! nothing.
//!
//! | room | what |
//! |---|---|
//! | `find` | the nodes of a host, and which others they name |
//! | `config` | its configuration, in three forms |
//! | `inside`, `erlang` | asks a node by Erlang's own protocol |
//! | `management` | asks a node over HTTP |
//! | `facts` | what a node says |
//! | `judge` | the rules for a node, and for all of a cluster |

mod config;
mod erlang;
mod facts;
mod find;
mod inside;
mod judge;
mod management;
#[cfg(test)]
mod tests;

use tokio::time::{Instant, timeout, timeout_at};

pub use facts::{Backlog, Facts, Node};
pub(crate) use find::find;

use crate::amqp_greeting;
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;

/// The port where nothing else is said.
const PORT: u16 = 5672;
/// The same with TLS.
const TLS_PORT: u16 = 5671;
/// How to be let in.
const LET_IN: &str = "run as root where a node runs, or put a user with the tag monitoring into [rabbitmq] of the \
    credentials file";

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("rabbitmq: configuration", |bytes| drop(config::parse(&crate::fuzzing::text(bytes)))),
    ("rabbitmq: management", |bytes| {
        let text = crate::fuzzing::text(bytes);
        let _ = (management::parse(&text, "[]"), management::parse("{}", &text));
    }),
    ("rabbitmq: erlang", erlang::parse),
];

/// The kind.
#[derive(Debug)]
pub struct Rabbitmq;

impl Service for Rabbitmq {
    const KIND: Kind = Kind::Rabbitmq;
    const FILES: &'static [&'static str] = find::FILES;
    const DAEMONS: &'static [&'static str] = find::DAEMONS;
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        // What is left of the time is for telling what one of the two has said.
        let patience = ask.remaining() * 3 / 4;
        let until = Instant::now() + patience;
        let (greeting, node) = tokio::join!(
            timeout(patience, amqp_greeting::greet(&target.place, ask)),
            inner(target, ask, until)
        );
        match (greeting, node) {
            (Ok(Ok(greeting)), _) if greeting.is_aileron() => {
                Ok(Facts { replaced: true, ..Facts::default() })
            }
            (Ok(Ok(greeting)), node) => Ok(Facts {
                greeting: Some(greeting),
                unread: node.as_ref().err().map(ToString::to_string).unwrap_or_default(),
                node: node.ok(),
                ..Facts::default()
            }),
            (Ok(Err(trouble)), Ok(node)) => Ok(unserved(trouble.to_string(), node)),
            (Err(_), Ok(node)) => Ok(unserved(format!("no greeting at {}", target.place), node)),
            (Ok(Err(trouble)), Err(_)) => Err(trouble),
            (Err(_), Err(_)) => {
                ask.doing(format!("waiting for the greeting of {}", target.place));
                std::future::pending().await
            }
        }
    }

    fn peers(target: &Target, facts: &Facts) -> Vec<Target> {
        find::peers(target, facts)
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

fn unserved(why: String, node: Node) -> Facts {
    Facts { unserved: why, node: Some(node), ..Facts::default() }
}

/// What the node knows: by Erlang's protocol, else by its management; the queues' totals by either.
async fn inner(target: &Target, ask: &Ask, until: Instant) -> Result<Node, Trouble> {
    let late = || Trouble::Broken("no answer in time".to_string());
    let by_erlang = async {
        if !target.settings.contains_key("cookie") {
            return Err(Trouble::Denied("its cookie is not known here".to_string()));
        }
        timeout_at(until, inside::ask(target, ask, until)).await.unwrap_or_else(|_| Err(late()))
    };
    let by_management = async {
        let page = target.settings.get("management").and_then(|at| at.rsplit_once(':'));
        let (host, port) = page.and_then(|(host, port)| Some((host, port.parse().ok()?)))?;
        let login = ask.credential(Kind::Rabbitmq)?;
        let place = Place::Tcp(host.to_string(), port);
        let asked = timeout_at(until, management::ask(&place, login, ask)).await;
        Some(asked.unwrap_or_else(|_| Err(late())))
    };
    // A frozen management must not keep what the node itself has said.
    match by_erlang.await {
        Ok(node) => Ok(node),
        Err(trouble) => by_management.await.unwrap_or(Err(trouble)),
    }
}
