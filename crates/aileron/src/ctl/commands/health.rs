//! `node_health_check`, which deployment tools still call: whether the node does its work.

use super::super::command::{BASE, Patience, Section, Spec, TIMEOUT};
use super::super::failure::{Failure, SOFTWARE};
use super::super::format::{Output, cell};
use super::super::given::no_words;
use super::super::protocol::Request;
use super::super::session::Session;
use super::super::term::Term;

const DEPRECATED: &str = "This command is DEPRECATED and will be removed in a future version.\n\
    It performs intrusive, opinionated health checks and requires a fully booted node.\n\
    Use one of the options covered in https://www.rabbitmq.com/monitoring.html#health-checks instead.";

pub(super) const COMMANDS: &[Spec] = &[Spec {
    name: "node_health_check",
    section: Section::Deprecated,
    description: "DEPRECATED. Performs intrusive, opinionated health checks on a fully booted node. See https://www.rabbitmq.com/monitoring.html#health-checks instead",
    usage: "node_health_check",
    guides: &["monitoring"],
    switches: TIMEOUT,
    patience: Patience::Health,
    check: no_words,
    banner: |given| {
        let (limit, node) = (given.limit(), &given.node);
        Some(format!("{DEPRECATED}\nTimeout: {limit} seconds ...\nChecking health of node {node} ..."))
    },
    run: check_health,
    ..BASE
}];

/// Alarms first, from memory; then that a client is greeted and the disk answers.
fn check_health(session: &mut Session) -> Result<Output, Failure> {
    let failed =
        |why: &str| Err(Failure::error(SOFTWARE, format!("Error: health check failed. Message: {why}")));
    let health = session.ask(&Request::Health)?;
    let node = &session.given.node;
    if let Some(Term::List(alarms)) = health.get("alarms").filter(|alarms| **alarms != Term::List(Vec::new()))
    {
        let alarms: Vec<String> =
            alarms.iter().map(|alarm| format!("{{resource_limit,{},{node}}}", cell(alarm))).collect();
        return failed(&format!("resource alarm(s) in effect:[{}]", alarms.join(",")));
    }
    match session.try_ask(&Request::SelfCheck)? {
        Ok(_) => Ok(Output::Said("Health check passed".to_string())),
        Err(refusal) => failed(&super::super::session::usual_words(&refusal).message.replace('\n', " ")),
    }
}
