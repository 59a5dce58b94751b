//! `report`: everything a support case needs, one command after the other, each vhost's listings with
//! all columns, and how the services beside the broker are. Secrets are not among it.

use super::super::command::{BASE, Section, Spec};
use super::super::failure::Failure;
use super::super::format::{Output, Style, cell, erlang, render};
use super::super::given::{Given, Misuse, no_words};
use super::super::protocol::{Listing, Request};
use super::super::session::{Session, usual_words};
use super::super::term::Term;
use crate::services::reported::Reported;

pub(super) const COMMANDS: &[Spec] = &[Spec {
    name: "report",
    section: Section::Monitoring,
    description: "Generate a server status report containing a concatenation of all server status information for support purposes",
    usage: "report",
    guides: &["monitoring"],
    check: |given| {
        no_words(given)?;
        match given.options.text("formatter") {
            None | Some("report") => Ok(()),
            Some(_) => Err(Misuse::Told("\"Only report formatter is supported\"".to_string())),
        }
    },
    banner: |given| Some(format!("Reporting server status of node {} ...", given.node)),
    run: report,
    ..BASE
}];

/// What is said once for the node, and what for every vhost.
const FOR_THE_NODE: &[&str] =
    &["status", "cluster_status", "environment", "list_connections", "list_channels"];
const FOR_A_VHOST: &[&str] = &["list_queues", "list_exchanges", "list_bindings", "list_permissions"];

fn report(session: &mut Session) -> Result<Output, Failure> {
    let request =
        Request::List { what: Listing::Vhosts, vhost: String::new(), columns: vec!["name".to_string()] };
    let answer = session.listing(&request)?;
    answer.end.map_err(|refusal| usual_words(&refusal))?;
    let vhosts: Vec<String> = answer.rows.iter().flatten().map(cell).collect();
    let services = Reported::begin(session.socket());
    let mut out = String::new();
    for name in FOR_THE_NODE {
        section(session, name, None, &mut out)?;
    }
    start(session, &mut out)?;
    for vhost in &vhosts {
        for name in FOR_A_VHOST {
            section(session, name, Some(vhost), &mut out)?;
        }
        // There are no policies and parameters to list yet, but who reads the report looks for them.
        announce(session, &format!("Listing policies for vhost \"{vhost}\" ..."), &mut out);
        announce(session, "Listing global runtime parameters ...", &mut out);
        announce(session, &format!("Listing runtime parameters for vhost \"{vhost}\" ..."), &mut out);
    }
    // RabbitMQ's report has no such part: it comes last, and whatever is wrong with it is told there.
    announce(session, &format!("The services beside node {}:", session.given.node), &mut out);
    out.push_str(services.end().trim_end());
    Ok(Output::Text(out))
}

/// How the node was started.
fn start(session: &mut Session, out: &mut String) -> Result<(), Failure> {
    let process = session.ask(&Request::Process)?;
    let node = session.given.node.clone();
    announce(session, &format!("Command line arguments of node {node} ..."), out);
    let arguments = process.get("arguments").cloned().unwrap_or(Term::List(Vec::new()));
    out.push_str(&format!("{}\n", erlang::pretty(&arguments)));
    announce(
        session,
        &format!("Listing RabbitMQ-specific environment variables defined on node {node}"),
        out,
    );
    if let Some(Term::List(variables)) = process.get("variables") {
        for (name, value) in variables.iter().filter_map(Term::as_pair) {
            out.push_str(&format!("{}={}\n", cell(name), cell(value)));
        }
    }
    Ok(())
}

/// Begins a part of the report.
fn announce(session: &Session, banner: &str, out: &mut String) {
    out.push('\n');
    if !session.given.silent() {
        out.push_str(banner);
        out.push('\n');
    }
}

/// Runs one command as if the operator had, with all its columns.
fn section(session: &mut Session, name: &str, vhost: Option<&str>, out: &mut String) -> Result<(), Failure> {
    let Some(spec) = super::find(name) else { return Ok(()) };
    let mut options = session.given.options.clone();
    if let Some(vhost) = vhost {
        options.set_text("vhost", vhost);
    }
    options.set_text("formatter", "");
    let words = spec.columns.all.iter().map(|column| (*column).to_string()).collect();
    let Given { node, patience, .. } = session.given.clone();
    let given = Given { words, options, node, patience };
    let (outer, columns) = (session.command, session.columns);
    let outer_given = std::mem::replace(&mut session.given, given);
    (session.command, session.columns) = (spec.name, spec.columns);
    let banner = (spec.banner)(&session.given).filter(|_| !outer_given.silent());
    let result = (spec.run)(session);
    (session.command, session.columns) = (outer, columns);
    session.given = outer_given;
    let style = Style {
        headless: session.given.options.flag("silent"),
        pad: false,
        node: session.given.node.clone(),
    };
    out.push('\n');
    if let Some(banner) = banner {
        out.push_str(&banner);
        out.push('\n');
    }
    let output = match result? {
        Output::Value(Term::List(items)) if items.is_empty() => Output::Done,
        output => output,
    };
    out.push_str(&render(spec.formatter, &output, &style)?);
    Ok(())
}
