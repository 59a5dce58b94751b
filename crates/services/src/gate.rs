//! Whether a control plane is in a state for an operation: before a backup, after a restore.
//!
//! Pure: an overview and what is to be done give a decision with its reasons. A reason is a finding of the
//! overview, or one of the gate's own (`gate-...`) where the overview lacks what is needed. An operator who
//! knows better names a reason's code, and it no longer stops.
//!
//! - **A backup** needs every vital service to serve, and a database that can lose the node it is taken
//!   from: all members Primary and Synced, none desynced already. The rest may limp: a dead memcached is no
//!   reason to go without a backup.
//! - **After a restore** all has to be as it was: whatever is not well stops, also what somebody wanted,
//!   since a maintenance mode that was left on is the usual thing to forget.
//!
//! What is not known stops both.

use serde::{Deserialize, Serialize};

use crate::service::Kind;
use crate::verdict::{Finding, Overview, Severity, State, Verdict};

/// The version of [`Decision`]'s form.
const VERSION: u32 = 1;
/// Findings on the database that make no difference to a backup.
const HARMLESS_FOR_BACKUP: &[&str] = &["mariadb-connections"];

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A backup is about to begin.
    Backup,
    /// A restore has ended.
    Restore,
}

/// Go or stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The version of this form; grows when a field changes its meaning.
    pub version: u32,
    /// For what.
    pub operation: Operation,
    /// Whether nothing stops it.
    pub go: bool,
    /// When the overview was taken, in seconds since 1970.
    pub taken_at: u64,
    /// What stops it.
    pub stops: Vec<Reason>,
    /// What would stop it, had the operator not said otherwise.
    pub overridden: Vec<Reason>,
    /// What is not well and does not matter for this.
    pub notes: Vec<Reason>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The service; empty for what concerns no single one.
    pub service: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Decides. `overrides` are codes of findings that are not to stop it.
pub fn gate(overview: &Overview, operation: Operation, overrides: &[String]) -> Decision {
    let mut decision = Decision {
        version: VERSION,
        operation,
        go: false,
        taken_at: overview.taken_at,
        stops: Vec::new(),
        overridden: Vec::new(),
        notes: Vec::new(),
    };
    for finding in &overview.findings {
        let stops = finding.severity != Severity::Notice;
        decision.put(stops, "", finding.clone(), overrides);
    }
    for verdict in &overview.services {
        for finding in &verdict.findings {
            let stops = match operation {
                Operation::Backup => stops_backup(verdict, finding),
                Operation::Restore => finding.severity != Severity::Notice,
            };
            decision.put(stops, verdict.service.name(), finding.clone(), overrides);
        }
        if let Some(unexplained) = unexplained(verdict, operation) {
            decision.put(true, verdict.service.name(), unexplained, overrides);
        }
    }
    if !overview.services.iter().any(|verdict| verdict.service == Kind::Mariadb) {
        let cause = "no database was found, and OpenStack has all its state in one";
        let missing = Finding::new("gate-no-database", Severity::Unknown, "", cause)
            .next("name the controllers with --inventory or --host, or look with: aileron services");
        decision.put(true, Kind::Mariadb.name(), missing, overrides);
    }
    decision.go = decision.stops.is_empty();
    decision
}

impl Decision {
    fn put(&mut self, stops: bool, service: &str, finding: Finding, overrides: &[String]) {
        let list = match stops {
            false => &mut self.notes,
            true if overrides.contains(&finding.code) => &mut self.overridden,
            true => &mut self.stops,
        };
        list.push(Reason { service: service.to_string(), finding });
    }
}

fn stops_backup(verdict: &Verdict, finding: &Finding) -> bool {
    match finding.severity {
        Severity::Notice => false,
        Severity::Failed | Severity::Unknown => verdict.service.vital(),
        // The node that a backup is taken from leaves the others alone with the work.
        Severity::Degraded => {
            verdict.service == Kind::Mariadb && !HARMLESS_FOR_BACKUP.contains(&finding.code.as_str())
        }
    }
}

/// A state that no finding gives a reason for must not slip through.
fn unexplained(verdict: &Verdict, operation: Operation) -> Option<Finding> {
    let explained = verdict.findings.iter().any(|finding| finding.severity != Severity::Notice);
    let matters = operation == Operation::Restore || verdict.service.vital();
    (verdict.state != State::Ok && !explained && matters).then(|| {
        let cause = format!("{} is {} and does not say why", verdict.service.name(), verdict.state.name());
        Finding::new("gate-unexplained", Severity::Unknown, "", cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::HostVerdict;

    fn verdict(service: Kind, findings: Vec<Finding>) -> Verdict {
        Verdict {
            service,
            state: Verdict::state_of(&findings),
            summary: String::new(),
            risk: String::new(),
            fragile: false,
            members: Vec::new(),
            findings,
        }
    }

    fn finding(code: &str, severity: Severity) -> Finding {
        Finding::new(code, severity, "c1", "because")
    }

    fn overview(services: Vec<Verdict>, findings: Vec<Finding>) -> Overview {
        let host = HostVerdict {
            name: "c0".to_string(),
            answer: "got".to_string(),
            trouble: String::new(),
            took_ms: 1,
        };
        Overview {
            version: 1,
            state: State::Ok,
            summary: String::new(),
            risk: String::new(),
            taken_at: 7,
            took_ms: 1,
            deadline_ms: 2000,
            hosts: vec![host],
            services,
            findings,
        }
    }

    /// The codes that stop each operation, with a well database beside.
    fn stops(service: Kind, one: Finding) -> (Vec<String>, Vec<String>) {
        let mut services = vec![verdict(service, vec![one])];
        if service != Kind::Mariadb {
            services.push(verdict(Kind::Mariadb, Vec::new()));
        }
        let overview = overview(services, Vec::new());
        let codes = |operation| {
            let decision = gate(&overview, operation, &[]);
            assert_eq!(decision.go, decision.stops.is_empty());
            decision.stops.iter().map(|reason| reason.finding.code.clone()).collect::<Vec<_>>()
        };
        (codes(Operation::Backup), codes(Operation::Restore))
    }

    fn both(codes: &[&str]) -> (Vec<String>, Vec<String>) {
        let codes: Vec<String> = codes.iter().map(|code| (*code).to_string()).collect();
        (codes.clone(), codes)
    }

    fn restore_only(code: &str) -> (Vec<String>, Vec<String>) {
        (Vec::new(), vec![code.to_string()])
    }

    #[test]
    fn all_well_is_go() {
        let notice = finding("memcached-cold", Severity::Notice);
        assert_eq!(stops(Kind::Memcached, notice), both(&[]));
        assert_eq!(stops(Kind::Mariadb, finding("mariadb-connections", Severity::Notice)), both(&[]));
    }

    #[test]
    fn a_vital_service_that_failed_or_hides_stops_both() {
        let down = finding("haproxy-down", Severity::Failed);
        assert_eq!(stops(Kind::Haproxy, down), both(&["haproxy-down"]));
        let denied = finding("mariadb-denied", Severity::Unknown);
        assert_eq!(stops(Kind::Mariadb, denied), both(&["mariadb-denied"]));
        let lost = finding("mariadb-no-primary", Severity::Failed);
        assert_eq!(stops(Kind::Mariadb, lost), both(&["mariadb-no-primary"]));
    }

    #[test]
    fn a_database_that_cannot_spare_a_node_stops_a_backup() {
        for code in ["mariadb-desynced", "mariadb-size", "mariadb-lagging", "mariadb-down", "mariadb-joining"]
        {
            let found = finding(code, Severity::Degraded);
            assert_eq!(stops(Kind::Mariadb, found), both(&[code]), "{code}");
        }
        // Somebody's will or not: the node is away.
        let wanted = finding("mariadb-desynced", Severity::Degraded).intended();
        assert_eq!(stops(Kind::Mariadb, wanted), both(&["mariadb-desynced"]));
        let full = finding("mariadb-connections", Severity::Degraded);
        assert_eq!(stops(Kind::Mariadb, full), restore_only("mariadb-connections"));
    }

    #[test]
    fn what_a_backup_can_do_without_stops_a_restore_only() {
        for (kind, code, severity) in [
            (Kind::Memcached, "memcached-down", Severity::Failed),
            (Kind::Redis, "redis-no-primary", Severity::Failed),
            (Kind::Redis, "redis-denied", Severity::Unknown),
            (Kind::Haproxy, "haproxy-no-spare", Severity::Degraded),
        ] {
            assert_eq!(stops(kind, finding(code, severity)), restore_only(code), "{code}");
        }
        let drained = finding("haproxy-backend-down", Severity::Degraded).intended();
        assert_eq!(stops(Kind::Haproxy, drained), restore_only("haproxy-backend-down"));
    }

    #[test]
    fn what_is_not_known_stops_both() {
        let no_answer = finding("host-no-answer", Severity::Degraded);
        let seen = overview(vec![verdict(Kind::Mariadb, Vec::new())], vec![no_answer]);
        let nothing = overview(Vec::new(), vec![finding("nothing-found", Severity::Unknown)]);
        for operation in [Operation::Backup, Operation::Restore] {
            let codes = |overview: &Overview| {
                let decision = gate(overview, operation, &[]);
                decision.stops.into_iter().map(|reason| reason.finding.code).collect::<Vec<_>>()
            };
            assert_eq!(codes(&seen), ["host-no-answer"]);
            assert_eq!(codes(&nothing), ["nothing-found", "gate-no-database"]);
        }
    }

    #[test]
    fn a_state_without_a_reason_does_not_slip_through() {
        let mut odd = verdict(Kind::Haproxy, Vec::new());
        odd.state = State::Failed;
        let overview = overview(vec![odd, verdict(Kind::Mariadb, Vec::new())], Vec::new());
        let decision = gate(&overview, Operation::Backup, &[]);
        assert_eq!(decision.stops[0].finding.code, "gate-unexplained");
        assert_eq!(decision.stops[0].finding.cause, "haproxy is failed and does not say why");
    }

    #[test]
    fn an_operator_may_know_better() {
        let findings = vec![
            finding("mariadb-desynced", Severity::Degraded),
            finding("mariadb-size", Severity::Degraded),
        ];
        let overview = overview(vec![verdict(Kind::Mariadb, findings)], Vec::new());
        let one = gate(&overview, Operation::Backup, &["mariadb-desynced".to_string()]);
        assert!(!one.go);
        assert_eq!((one.stops.len(), one.overridden[0].finding.code.as_str()), (1, "mariadb-desynced"));
        let all = gate(&overview, Operation::Backup, &["mariadb-desynced".into(), "mariadb-size".into()]);
        assert!(all.go && all.overridden.len() == 2);
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let overview = overview(vec![verdict(Kind::Mariadb, Vec::new())], Vec::new());
        let decision = serde_json::to_value(gate(&overview, Operation::Backup, &[])).unwrap();
        let expected = serde_json::json!({
            "version": 1, "operation": "backup", "go": true, "taken_at": 7,
            "stops": [], "overridden": [], "notes": [],
        });
        assert_eq!(decision, expected);
    }
}
