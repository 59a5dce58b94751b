//! aileron: our own message broker, which is what this program is when it runs as `aileron serve`.
//!
//! Each is a broker of its own: there is no replication between them yet. It is asked two things at once:
//! its greeting, which proves that it serves clients, and its health over the control socket, for which one
//! has to be root or its user.

mod control;
mod facts;
mod find;
mod judge;
#[cfg(test)]
mod tests;

use tokio::time::timeout;

pub use facts::{Facts, Health};

use crate::amqp_greeting;
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;

/// The port where nothing else is said.
const PORT: u16 = 5672;

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] =
    &[("aileron: health", |bytes| drop(control::parse(&crate::fuzzing::text(bytes))))];

/// The kind.
#[derive(Debug)]
pub struct Aileron;

impl Service for Aileron {
    const KIND: Kind = Kind::Aileron;
    const FILES: &'static [&'static str] = &[find::CONFIG];
    const DAEMONS: &'static [&'static str] = &["aileron"];
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        // What is left of the time is for telling what one of the two has said.
        let patience = ask.remaining() * 3 / 4;
        let (greeting, control) = tokio::join!(
            timeout(patience, amqp_greeting::greet(&target.place, ask)),
            timeout(patience, control::ask(target, ask))
        );
        let control = control.unwrap_or_else(|_| Err(Trouble::Broken("no answer in time".to_string())));
        match (greeting, control) {
            (Ok(Ok(greeting)), _) if !greeting.is_aileron() => {
                Err(Trouble::Down(format!("it is {} that listens at {}", greeting.product, target.place)))
            }
            (Ok(Ok(_)), control) => Ok(Facts {
                serves: true,
                unread: control.as_ref().err().map(ToString::to_string).unwrap_or_default(),
                health: control.ok().flatten(),
                ..Facts::default()
            }),
            (Ok(Err(trouble)), Ok(health)) => Ok(unserved(trouble.to_string(), health)),
            (Err(_), Ok(health)) => Ok(unserved(format!("no greeting at {}", target.place), health)),
            (Ok(Err(trouble)), Err(_)) => Err(trouble),
            (Err(_), Err(_)) => {
                ask.doing(format!("waiting for the greeting of {}", target.place));
                std::future::pending().await
            }
        }
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

/// Without health from a control socket that answers, it is not ready yet.
fn unserved(why: String, health: Option<Health>) -> Facts {
    Facts { serves: false, starting: health.is_none(), unserved: why, health, unread: String::new() }
}
