//! One host's part of a survey: what runs there and what it says.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{Host, Settings, asking, millis, remote, wanted};
use crate::answer::{Answer, Trouble};
use crate::place::Place;
use crate::reach::Reach;
use crate::service::{Observation, Target};
use crate::view::{self, View};

/// The version of a report's form, the same as of the request for it.
pub(super) const VERSION: u32 = 1;

/// What was seen of one host; this is what an aileron on another host sends.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// The host's own name.
    pub host: String,
    /// Its addresses, to know it again when another member names it.
    pub addresses: Vec<IpAddr>,
    /// The members there.
    pub observations: Vec<Observation>,
    /// Members elsewhere that these know of, asked from there over the network.
    pub peers: Vec<Observation>,
}

/// A report as it comes from a host, before each observation is known to be of a kind that we know.
#[derive(Deserialize)]
struct Sent {
    version: u32,
    host: String,
    addresses: Vec<IpAddr>,
    observations: Vec<Value>,
    #[serde(default)]
    peers: Vec<Value>,
}

impl Report {
    /// Reads a report that another aileron sent. Observations of kinds that this one does not know are left
    /// out: an aileron of another version may run there.
    ///
    /// # Errors
    /// When it is no report, or of another version.
    pub(super) fn read(bytes: &[u8]) -> Result<Report, Trouble> {
        let sent: Sent = serde_json::from_slice(bytes)
            .map_err(|error| Trouble::Broken(format!("the report of the aileron there: {error}")))?;
        if sent.version != VERSION {
            return Err(Trouble::Broken(format!(
                "the aileron there sends reports of version {}, this one reads {VERSION}: install the same",
                sent.version
            )));
        }
        let known = |all: Vec<Value>| {
            all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect::<Vec<Observation>>()
        };
        Ok(Report {
            version: VERSION,
            host: sent.host,
            addresses: sent.addresses,
            observations: known(sent.observations),
            peers: known(sent.peers),
        })
    }

    /// Whether a peer is a member that its own host has shown: the port, and one of the host's addresses or
    /// its name.
    pub(super) fn has(&self, peer: &Target) -> bool {
        is_among(&self.observations, &self.addresses, &self.host, peer)
    }
}

/// See [`Report::has`].
pub(super) fn is_among(own: &[Observation], addresses: &[IpAddr], host: &str, peer: &Target) -> bool {
    let Place::Tcp(name, port) = &peer.place else { return false };
    let short = name.split('.').next().unwrap_or(name);
    let here = match name.parse::<IpAddr>() {
        Ok(address) => addresses.contains(&address),
        Err(_) => short == host,
    };
    here && own.iter().any(|one| one.target.kind == peer.kind && one.target.port == Some(*port))
}

/// Looks at a host and asks the members there.
pub(super) async fn of(settings: &Settings, host: &Host, deadline: Instant) -> Answer<Report> {
    match &*host.reach {
        Reach::Local => match look(deadline).await {
            Ok(view) => ask(settings, &host.reach, view, deadline).await,
            Err(answer) => answer,
        },
        Reach::Ssh(ssh) => remote::report(settings, host, ssh, deadline).await,
    }
}

/// Looks at this host.
async fn look(deadline: Instant) -> Result<View, Answer<Report>> {
    let begun = Instant::now();
    let looking = tokio::task::spawn_blocking(view::collect);
    match timeout_at(deadline, looking).await {
        Ok(Ok(view)) => Ok(view),
        Ok(Err(error)) => Err(Answer::Broken { cause: format!("looking at the host: {error}") }),
        Err(_) => Err(Answer::Silent { doing: "looking at the host".to_string(), after_ms: millis(begun) }),
    }
}

/// Finds the members in a view and asks them, and those that they know of.
pub(super) async fn ask(
    settings: &Settings,
    reach: &Arc<Reach>,
    view: View,
    deadline: Instant,
) -> Answer<Report> {
    let targets = wanted(settings).flat_map(|kind| kind.examine().find(&view)).collect();
    let (observations, peers) = asking::all(settings, reach, &view, targets, deadline).await;
    Answer::Got {
        facts: Report { version: VERSION, host: view.host, addresses: view.addresses, observations, peers },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_again_and_strangers_are_left_out() {
        let text = r#"{"version":1,"host":"c1","addresses":["10.77.0.12"],"peers":[],"observations":[
            {"target":{"kind":"memcached","host":"c1","place":{"tcp":["127.0.0.1",11211]},"port":11211,"seen":true,
             "evidence":"process 7"},"answer":"down","cause":"connection refused","took_ms":1},
            {"target":{"kind":"oracle","host":"c1"},"answer":"got"}]}"#;
        let report = Report::read(text.as_bytes()).unwrap();
        assert_eq!(report.observations.len(), 1);
        let again = Report::read(&serde_json::to_vec(&report).unwrap()).unwrap();
        assert_eq!(again.observations[0].target, report.observations[0].target);
    }

    #[test]
    fn a_report_of_another_version_says_what_to_do() {
        let text = r#"{"version":9,"host":"c1","addresses":[],"observations":[]}"#;
        let trouble = Report::read(text.as_bytes()).unwrap_err().to_string();
        assert!(trouble.contains("version 9") && trouble.contains("install the same"), "{trouble}");
        assert!(Report::read(b"Welcome to c1!").is_err());
    }
}
