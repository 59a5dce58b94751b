//! memcached: tokens and metadata are cached in it. It has no replication and no word on its health;
//! what tells is the growth of its counters, since its start and between two reads.

mod facts;
mod find;
mod judge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

pub use facts::{Facts, Growth};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::reach::Stream;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::tls;
use crate::view::View;

/// The port where nothing else is said.
const PORT: u16 = 11211;
/// The most that `stats` may answer; it is about 2 kB.
const ANSWER_MAX: usize = 64 << 10;
/// Between two reads of counters that are not zero.
const PAUSE: Duration = Duration::from_millis(200);

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] =
    &[("memcached: stats", |bytes| drop((facts::is_whole(bytes), facts::parse(bytes))))];

/// The kind.
#[derive(Debug)]
pub struct Memcached;

impl Service for Memcached {
    const KIND: Kind = Kind::Memcached;
    const DAEMONS: &'static [&'static str] = &["memcached"];
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        find::find(view)
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        if target.settings.contains_key("tls") {
            tls::hello(&target.place, ask).await?;
            let cause = "it lives, but speaks TLS only, and its counters are not asked through that";
            return Err(Trouble::Denied(cause.to_string()));
        }
        let mut stream = ask.connect(&target.place).await?;
        let answer = stats(&mut stream, target).await?;
        if answer.is_empty() && target.settings.contains_key("sasl") {
            let cause = "it lives, but wants a login by SASL (-S) before it shows its counters";
            return Err(Trouble::Denied(cause.to_string()));
        }
        let mut first = facts::parse(&answer)?;
        // A counter since the start says nothing of now.
        if first.evictions > 0 || first.turned_away() > 0 {
            let share = ask.remaining() / 2;
            let again = async {
                sleep(PAUSE.min(share)).await;
                facts::parse(&stats(&mut stream, target).await?)
            };
            if let Ok(Ok(second)) = timeout(share, again).await {
                first.growth = Some(second.since(&first));
            }
        }
        Ok(first)
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

async fn stats(stream: &mut Stream, target: &Target) -> Result<Vec<u8>, Trouble> {
    let trouble = |error| Trouble::from_io(&error, &format!("asking {} for stats", target.place));
    let mut answer = Vec::new();
    // One that is full says so and hangs up before it is asked: what it said counts, not the broken pipe.
    let sent = stream.write_all(b"stats\r\n").await;
    while !facts::is_whole(&answer) {
        if answer.len() > ANSWER_MAX {
            return Err(Trouble::Broken(format!("{} bytes of stats without an end", answer.len())));
        }
        match stream.read_buf(&mut answer).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(trouble(error)),
        }
    }
    match sent {
        Err(error) if answer.is_empty() => Err(trouble(error)),
        _ => Ok(answer),
    }
}
