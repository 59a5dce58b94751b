//! libvirt on the computes: it runs the instances, and names their consoles' addresses to Nova.
//!
//! Next door: `find` names the daemon of a host, `facts` reads what virsh prints, `judge` weighs it. Asked
//! is the socket for reading only, by one virsh: the protocol behind it is libvirt's own business.

mod facts;
mod find;
mod judge;
#[cfg(test)]
mod tests;

pub use facts::{Domain, Facts, Stand};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::View;

/// State alone needs no answer of a guest's QEMU, and does not wait for one that is busy.
const QUESTION: &str = "version --daemon; domstats --state --nowait";

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[("libvirt: virsh", |bytes| {
    let text = crate::fuzzing::text(bytes);
    let _ = (facts::parse(&text), facts::trouble(&text));
})];

/// The kind.
#[derive(Debug)]
pub struct Libvirt;

impl Service for Libvirt {
    const KIND: Kind = Kind::Libvirt;
    const DAEMONS: &'static [&'static str] = find::DAEMONS;
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        let Place::Unix(socket) = &target.place else {
            return Err(Trouble::Broken(format!("{} is no socket", target.place)));
        };
        let uri = |root: &str| format!("qemu+unix:///system?socket={root}{}", socket.display());
        let outcome = virsh(ask, &uri("")).await;
        let setting = |name: &str| target.settings.get(name).map(String::as_str);
        match outcome {
            // The folder need not be the host's: a container may have one of its own.
            Err(Trouble::Down(cause)) => match setting("root") {
                Some(root) => virsh(ask, &uri(root)).await,
                None => Err(Trouble::Down(cause)),
            },
            // Hosts of TripleO and Kolla have libvirt's client only in the container.
            Err(Trouble::Denied(cause)) if cause.ends_with("not installed") => {
                match setting("inside").and_then(|one| one.split_once(' ')) {
                    Some((engine, container)) => inside(ask, engine, container, &uri("")).await,
                    None => {
                        drop(ask.connect(&target.place).await?);
                        Err(Trouble::Denied(format!("{cause}, and nothing else is asked")))
                    }
                }
            }
            other => other,
        }
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

async fn inside(ask: &Ask, engine: &str, container: &str, uri: &str) -> Result<Facts, Trouble> {
    let words = ["exec", "--env", "LC_ALL=C", container, "virsh"];
    let question = ["--quiet", "--readonly", "--connect", uri, QUESTION];
    facts::read(&ask.run(engine, &[&words[..], &question[..]].concat()).await?)
}

async fn virsh(ask: &Ask, uri: &str) -> Result<Facts, Trouble> {
    facts::read(&ask.run("virsh", &["--quiet", "--readonly", "--connect", uri, QUESTION]).await?)
}
