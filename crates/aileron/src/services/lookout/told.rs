//! What the daemon tells of its surveys over the control socket: the overview and the history, as JSON in a
//! form that only grows (docs/services.md).

use serde::{Deserialize, Serialize};
use services::history::{Change, Standing};
use services::{Finding, Overview, Severity, State};

use super::Lookout;

/// The version of both forms.
pub(crate) const VERSION: u32 = 1;
/// So many intervals without a survey, and the last one no longer tells how things are.
const STALE_INTERVALS: f64 = 3.0;
/// What a survey may take, and a clock be off, before an overview counts as stale, in seconds.
const STALE_MARGIN: f64 = 15.0;

/// The last overview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToldOverview {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// Seconds between two surveys; 0 where none are made.
    pub(crate) interval: f64,
    /// Why the last survey came to nothing; empty if it did not.
    #[serde(default)]
    pub(crate) trouble: String,
    /// The last that came to something; null before the first.
    pub(crate) overview: Option<Overview>,
    /// How everything stands, and since when.
    #[serde(default)]
    pub(crate) standing: Vec<Standing>,
}

/// The changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToldHistory {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// Seconds between two surveys; 0 where none are made.
    pub(crate) interval: f64,
    /// When the first survey was made, in seconds since 1970; 0 before.
    pub(crate) began_at: u64,
    /// When the last one was made that came to something.
    pub(crate) surveyed_at: u64,
    /// Why the last survey came to nothing; empty if it did not.
    #[serde(default)]
    pub(crate) trouble: String,
    /// How everything stands, and since when.
    pub(crate) standing: Vec<Standing>,
    /// The changes, the oldest first.
    pub(crate) changes: Vec<Change>,
}

impl Lookout {
    /// The last overview.
    pub(crate) fn overview(&self) -> ToldOverview {
        let seen = self.lock();
        ToldOverview {
            version: VERSION,
            interval: seen.interval.as_secs_f64(),
            trouble: seen.trouble.clone(),
            overview: seen.overview.as_deref().cloned(),
            standing: seen.history.standing().to_vec(),
        }
    }

    /// The changes that happened at `since` or later, in seconds since 1970.
    pub(crate) fn history(&self, since: u64) -> ToldHistory {
        let seen = self.lock();
        let history = &seen.history;
        ToldHistory {
            version: VERSION,
            interval: seen.interval.as_secs_f64(),
            began_at: history.began_at(),
            surveyed_at: history.surveyed_at(),
            trouble: seen.trouble.clone(),
            standing: history.standing().to_vec(),
            changes: history.changes().iter().filter(|one| one.last_at() >= since).cloned().collect(),
        }
    }
}

impl ToldOverview {
    /// The overview for whoever reads it at `now`: one that is too old, or that the last survey could not
    /// renew, says so and is not ok.
    pub(crate) fn into_current(self, now: u64) -> Result<Overview, String> {
        let Some(mut overview) = self.overview else {
            return Err(match (self.interval > 0.0, self.trouble.as_str()) {
                (false, _) => "the daemon makes no surveys: services.interval is 0".to_string(),
                (true, "") => "the daemon has not finished its first survey yet".to_string(),
                (true, trouble) => format!("the daemon could not survey: {trouble}"),
            });
        };
        let age = now.saturating_sub(overview.taken_at);
        #[allow(clippy::cast_precision_loss)] // ages are far below 2^53 seconds
        let stale = self.interval <= 0.0 || age as f64 > STALE_INTERVALS * self.interval + STALE_MARGIN;
        if !self.trouble.is_empty() || stale {
            let mut cause = format!("the daemon's last survey was made {age} s ago");
            if !self.trouble.is_empty() {
                cause = format!("{cause} and could not be renewed: {}", self.trouble);
            }
            overview.summary = format!("{cause}; then: {}", overview.summary);
            let finding = Finding::new("overview-stale", Severity::Unknown, "", cause);
            overview.findings.push(finding.next("aileron services"));
            overview.state = overview.state.worst(State::Unknown);
        }
        Ok(overview)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: State, trouble: &str) -> ToldOverview {
        let overview = Overview {
            version: 1,
            state,
            summary: "5 services are well".to_string(),
            risk: String::new(),
            taken_at: 1000,
            took_ms: 1,
            deadline_ms: 5000,
            hosts: Vec::new(),
            services: Vec::new(),
            findings: Vec::new(),
        };
        ToldOverview {
            version: VERSION,
            interval: 30.0,
            trouble: trouble.to_string(),
            overview: Some(overview),
            standing: Vec::new(),
        }
    }

    #[test]
    fn an_old_overview_is_not_ok() {
        let fresh = told(State::Ok, "").into_current(1040).expect("there");
        assert_eq!((fresh.state, fresh.findings.len()), (State::Ok, 0));
        let old = told(State::Ok, "").into_current(1200).expect("there");
        assert_eq!(old.state, State::Unknown);
        assert_eq!(old.findings[0].cause, "the daemon's last survey was made 200 s ago");
        assert_eq!(old.summary, "the daemon's last survey was made 200 s ago; then: 5 services are well");
        let failed = told(State::Failed, "").into_current(9000).expect("there");
        assert_eq!(failed.state, State::Failed, "bad news do not get better with age");
        let blind = told(State::Ok, "no such inventory").into_current(1010).expect("there");
        assert_eq!(blind.state, State::Unknown);
        assert!(blind.findings[0].cause.ends_with("could not be renewed: no such inventory"));
    }

    #[test]
    fn without_an_overview_the_reason_is_told() {
        let none = |interval: f64, trouble: &str| {
            let told = ToldOverview { interval, overview: None, ..told(State::Ok, trouble) };
            told.into_current(1000).expect_err("nothing there")
        };
        assert!(none(0.0, "").contains("services.interval is 0"));
        assert!(none(30.0, "").contains("first survey"));
        assert!(none(30.0, "no such inventory").ends_with("could not survey: no such inventory"));
    }
}
