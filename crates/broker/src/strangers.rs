//! How much the log says of clients that have not logged in: whoever has no password must not fill a disk with it.
//!
//! Of each kind of thing that a stranger can do, a few lines are written in any ten seconds. The rest is counted, and one
//! line tells how many they were: `node`'s house-keeping writes it, so that it comes when the flood is over, too.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines of one kind that are written in one span of time.
const LINES: u32 = 10;
/// That span.
const SPAN: Duration = Duration::from_secs(10);

/// What a stranger did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// Something other than AMQP 0-9-1 was spoken.
    Header,
    /// A login was refused.
    Login,
    /// The handshake was broken off, by what was sent or by the clock.
    Handshake,
    /// There was no room for another connection.
    Crowd,
}

impl Stranger {
    const ALL: [Stranger; 4] = [Stranger::Header, Stranger::Login, Stranger::Handshake, Stranger::Crowd];

    fn in_words(self) -> &'static str {
        match self {
            Stranger::Header => "clients that do not speak AMQP 0-9-1",
            Stranger::Login => "refused logins",
            Stranger::Handshake => "handshakes that were broken off",
            Stranger::Crowd => "connections for which there was no room",
        }
    }
}

/// What was written and what was only counted, of each kind.
#[derive(Default)]
pub(crate) struct Strangers([Mutex<Span>; Stranger::ALL.len()]);

#[derive(Default)]
struct Span {
    since: Option<Instant>,
    written: u32,
    counted: u64,
}

impl Strangers {
    /// Whether a line may be written for this one.
    pub(crate) fn may_tell(&self, what: Stranger) -> bool {
        let Some(span) = self.0.get(what as usize) else { return false };
        let (mut span, now) = (span.lock(), sched::now());
        // One with a count stays until that is told.
        if span.counted == 0 && !span.lasts(now) {
            *span = Span { since: Some(now), ..Span::default() };
        }
        let may = span.written < LINES;
        if may {
            span.written += 1;
        } else {
            span.counted += 1;
        }
        may
    }

    /// Writes one line for all that were counted in a span that is over.
    pub(crate) fn tell_counted(&self) {
        for what in Stranger::ALL {
            if let Some(more) = self.take_counted(what, sched::now()) {
                let (kind, seconds) = (what.in_words(), SPAN.as_secs());
                tracing::warn!(kind, more, seconds, "more of a kind came than are written one by one");
            }
        }
    }

    fn take_counted(&self, what: Stranger, now: Instant) -> Option<u64> {
        let mut span = self.0.get(what as usize)?.lock();
        if span.counted == 0 || span.lasts(now) {
            return None;
        }
        Some(std::mem::take(&mut *span).counted)
    }
}

impl Span {
    fn lasts(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) < SPAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_count() {
        let strangers = Strangers::default();
        let written = (0..1_000).filter(|_| strangers.may_tell(Stranger::Login)).count();
        assert_eq!(written, 10);
        assert!(strangers.may_tell(Stranger::Header), "one kind does not hide another");
        let now = sched::now();
        assert_eq!(strangers.take_counted(Stranger::Login, now), None, "not before the span is over");
        assert_eq!(strangers.take_counted(Stranger::Login, now + SPAN), Some(990));
        assert_eq!(strangers.take_counted(Stranger::Login, now + SPAN), None, "told once");
        assert!(strangers.may_tell(Stranger::Login), "and the next span has lines of its own");
    }
}
