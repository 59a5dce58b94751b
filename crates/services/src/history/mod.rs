//! What changed and when, and since when everything stands as it does.
//!
//! A [`History`] is shown one overview after the other and notes the differences: of the control plane, of
//! each service and member, and findings that came and went. It does no I/O; `aileron serve` keeps one,
//! writes it to disk and tells it over its socket. `things` next door takes an overview apart.
//!
//! - **Nothing is claimed that was not seen.** A change happened between two surveys, and both times are
//!   told. What a host that does not answer had is unknown then, not gone. The first survey has nothing to
//!   compare with: what stood then stands "at least since".
//! - **A change that lasted for one survey is one entry**, with how often it happened, not two entries each
//!   time: a probe that is late once on a busy host would otherwise fill the history. Its first sight is told
//!   at once.
//! - **Bounded**: [`CHANGES_MAX`] changes, and [`OF_ONE_MAX`] of one thing, so that what flaps does not push
//!   out what others did.

mod things;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verdict::Overview;
use things::Seen;

/// The most changes that are kept; the oldest go first.
pub const CHANGES_MAX: usize = 1000;
/// The most changes of one thing that are kept.
pub const OF_ONE_MAX: usize = 50;
/// The most of a cause, in characters.
const CAUSE_MAX: usize = 500;
/// A state's word for what is not there: a service that was not found, a finding that has gone.
pub const ABSENT: &str = "absent";
/// A state's word from before the first survey.
pub const UNSEEN: &str = "unseen";

/// What kind of thing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// The looking itself: it stopped, it failed, it goes on.
    Survey,
    /// All services together.
    ControlPlane,
    /// One service over all hosts.
    Service,
    /// One member of a service.
    Member,
    /// A finding that came, went, or weighs differently.
    Finding,
}

/// A thing whose state is followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Thing {
    /// Its kind.
    pub about: About,
    /// Its service; empty for what concerns no single one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// A finding's code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// A member's host, or what a finding is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Where a member is asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
}

impl Thing {
    /// A thing that needs no further name.
    pub(crate) fn whole(about: About) -> Thing {
        let none = String::new;
        Thing { about, service: none(), code: none(), subject: none(), place: none() }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it was first seen so, in seconds since 1970.
    pub at: u64,
    /// When it was last seen otherwise: it happened between the two. 0 if never.
    pub after: u64,
    /// What changed.
    #[serde(flatten)]
    pub thing: Thing,
    /// Its state before: ok, degraded, failed, unknown, notice (findings), absent, unseen; running, stopped,
    /// failed for the survey.
    pub from: String,
    /// Its state from then on; if `brief`, for one survey only.
    pub to: String,
    /// Why, in words; empty where nothing is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// Whether somebody wanted it so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub intended: bool,
    /// Set when the next survey found everything as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<Brief>,
}

impl Change {
    /// When it happened last.
    pub fn last_at(&self) -> u64 {
        self.brief.map_or(self.at, |brief| brief.last_at)
    }
}

/// That something was otherwise for one survey only, again and again perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// How often.
    pub times: u32,
    /// When it was seen so last, in seconds since 1970.
    pub last_at: u64,
}

/// How a thing stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What.
    #[serde(flatten)]
    pub thing: Thing,
    /// Its state, as in [`Change::to`].
    pub state: String,
    /// When it was first seen so, in seconds since 1970. The history's beginning means: at least since.
    pub since: u64,
}

/// The changes so far, and how everything stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    began_at: u64,
    surveyed_at: u64,
    standing: Vec<Standing>,
    changes: Vec<Change>,
    /// Whether nobody has looked since `surveyed_at`: what is seen next was not seen for one survey only.
    #[serde(skip)]
    gap: bool,
}

impl History {
    /// When the first survey was made, in seconds since 1970; 0 before.
    pub fn began_at(&self) -> u64 {
        self.began_at
    }

    /// When the last survey was made, in seconds since 1970; 0 before the first.
    pub fn surveyed_at(&self) -> u64 {
        self.surveyed_at
    }

    /// The changes, the oldest first.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How everything stands that is there.
    pub fn standing(&self) -> &[Standing] {
        &self.standing
    }

    /// Notes that looking begins again, after a pause of unknown length.
    pub fn resume(&mut self, now: u64) {
        self.gap = true;
        if self.began_at == 0 {
            return;
        }
        let thing = Thing::whole(About::Survey);
        self.stand(&thing, Some("running"), now);
        let cause = "nobody looked meanwhile: aileron serve was not running";
        self.add(self.change(thing, "stopped", "running", now, cause));
    }

    /// Notes a survey that came to nothing. `true` if that is news.
    pub fn failed(&mut self, now: u64, cause: &str) -> bool {
        let thing = Thing::whole(About::Survey);
        let before = self.state_of(&thing).unwrap_or("running").to_string();
        self.gap = true;
        if before == "failed" {
            return false;
        }
        self.stand(&thing, Some("failed"), now);
        self.add(self.change(thing, &before, "failed", now, cause));
        true
    }

    /// Notes how an overview differs from the one before. `true` if it does.
    pub fn take(&mut self, overview: &Overview) -> bool {
        let now = overview.taken_at;
        let known: BTreeMap<Thing, String> =
            self.standing.iter().map(|one| (one.thing.clone(), one.state.clone())).collect();
        let seen = things::of(overview, &known);
        let changed =
            if self.began_at == 0 { self.begin(now, seen) } else { self.compare(now, &known, &seen) };
        self.surveyed_at = now;
        self.gap = false;
        changed
    }

    /// The first survey: everything stands at least since now.
    fn begin(&mut self, now: u64, seen: BTreeMap<Thing, Seen>) -> bool {
        self.began_at = now;
        for (thing, seen) in seen {
            self.stand(&thing, Some(&seen.state), now);
            if thing.about == About::ControlPlane {
                self.add(self.change(thing, UNSEEN, &seen.state, now, &seen.cause));
            }
        }
        true
    }

    fn compare(&mut self, now: u64, known: &BTreeMap<Thing, String>, seen: &BTreeMap<Thing, Seen>) -> bool {
        let mut changed = false;
        for (thing, seen) in seen {
            let was = known.get(thing).map_or(ABSENT, String::as_str);
            if was != seen.state {
                changed = true;
                self.note(now, thing, was, seen);
            }
        }
        for (thing, was) in known.iter().filter(|(thing, _)| !seen.contains_key(*thing)) {
            changed = true;
            self.note(now, thing, was, &Seen::absent());
        }
        changed
    }

    fn note(&mut self, now: u64, thing: &Thing, was: &str, seen: &Seen) {
        self.stand(thing, Some(seen.state.as_str()).filter(|state| *state != ABSENT), now);
        if self.is_over(thing, was, &seen.state) {
            return;
        }
        let mut change = self.change(thing.clone(), was, &seen.state, now, &seen.cause);
        change.intended = seen.intended;
        self.add(change);
    }

    /// Whether this takes back what the last survey brought, which then is one brief change.
    fn is_over(&mut self, thing: &Thing, was: &str, is: &str) -> bool {
        let mut own = self.changes.iter().enumerate().rev().filter(|(_, change)| change.thing == *thing);
        let Some((place, last)) = own.next() else { return false };
        let brief = last.brief.is_none() && last.at == self.surveyed_at && last.from == is && last.to == was;
        if self.gap || !brief {
            return false;
        }
        let at = last.at;
        let like = |other: &Change| other.brief.is_some() && other.from == is && other.to == was;
        let earlier = own.next().filter(|(_, other)| like(other)).map(|(place, _)| place);
        match earlier.and_then(|place| self.changes.get_mut(place)?.brief.as_mut()) {
            Some(brief) => {
                brief.times = brief.times.saturating_add(1);
                brief.last_at = at;
                self.changes.remove(place);
            }
            None => {
                if let Some(last) = self.changes.get_mut(place) {
                    last.brief = Some(Brief { times: 1, last_at: at });
                }
            }
        }
        true
    }

    fn change(&self, thing: Thing, from: &str, to: &str, at: u64, cause: &str) -> Change {
        Change {
            at,
            after: self.surveyed_at,
            thing,
            from: from.to_string(),
            to: to.to_string(),
            cause: cause.chars().take(CAUSE_MAX).collect(),
            intended: false,
            brief: None,
        }
    }

    fn add(&mut self, change: Change) {
        let of_one = self.changes.iter().filter(|one| one.thing == change.thing).count();
        if of_one >= OF_ONE_MAX
            && let Some(oldest) = self.changes.iter().position(|one| one.thing == change.thing)
        {
            self.changes.remove(oldest);
        }
        self.changes.push(change);
        let excess = self.changes.len().saturating_sub(CHANGES_MAX);
        self.changes.drain(..excess);
    }

    fn state_of(&self, thing: &Thing) -> Option<&str> {
        self.standing.iter().find(|one| one.thing == *thing).map(|one| one.state.as_str())
    }

    fn stand(&mut self, thing: &Thing, state: Option<&str>, since: u64) {
        self.standing.retain(|one| one.thing != *thing);
        if let Some(state) = state {
            self.standing.push(Standing { thing: thing.clone(), state: state.to_string(), since });
        }
    }
}

#[cfg(test)]
mod tests;
