//! `help`: the list of commands, and one command in detail.

use super::super::command::{BASE, Needs, Section, Spec};
use super::super::failure::{Failure, USAGE};
use super::super::format::Output;
use super::super::given::between;
use super::super::options::Kind;
use super::super::session::Session;
use super::status::heading;

pub(super) const COMMANDS: &[Spec] = &[Spec {
    name: "help",
    section: Section::Help,
    description: "Displays usage information for a command",
    usage: "help (<command> | [--list-commands])",
    arguments: &[("--list-commands", "only output a list of discovered commands")],
    switches: &[("list_commands", Kind::Flag)],
    needs: Needs::Nothing,
    check: |given| between(given, 0, 1),
    run: help,
    ..BASE
}];

const GENERAL_OPTIONS: &str = "The following options are accepted by most or all commands.

short            | long          | description
-----------------|---------------|--------------------------------
-?               | --help        | displays command help
-n <node>        | --node <node> | connect to node <node>
-l               | --longnames   | use long host names
-t               | --timeout <n> | for commands that support it, operation timeout in seconds
-q               | --quiet       | suppress informational messages
-s               | --silent      | suppress informational messages
                                 | and table header row
-p               | --vhost       | for commands that are scoped to a virtual host,
                 |               | virtual host to use
                 | --formatter   | alternative result formatter to use
                                 | if supported: json, pretty_table, table, csv, erlang
                                   not all commands support all (or any) alternative formatters.
                 | --socket <path> | control socket of the node
                                 | (or AILERON_CTL_SOCKET; by default the configuration's)";

fn help(session: &mut Session) -> Result<Output, Failure> {
    let program = program(session.given.options.text("script_name"));
    let Some(name) = session.given.words.first() else {
        let text = if session.given.options.flag("list_commands") { list() } else { all_usage(program) };
        return Ok(Output::Text(text));
    };
    if let Some(lacking) = super::lacking(name) {
        return Err(lacking);
    }
    match (super::find(name), super::closest(name)) {
        (Some(spec), _) => Ok(Output::Text(command_usage(program, spec))),
        (None, Some(near)) => {
            Err(Failure::error(USAGE, format!("\nCommand '{name}' not found. \nDid you mean '{near}'? \n")))
        }
        (None, None) => Err(Failure::error(USAGE, format!("\nCommand '{name}' not found."))),
    }
}

/// The name we go by in usage texts.
fn program(given: Option<&str>) -> &str {
    given.unwrap_or("rabbitmqctl")
}

/// The whole help.
pub(crate) fn all_usage(program: &str) -> String {
    format!(
        "\n{}\n{program} [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] <command> [<command options>]\
         \n\nAvailable commands:\n{}Use '{program} help <command>' to learn more about a specific command",
        heading("Usage"),
        list()
    )
}

/// How a command is called; printed behind its misuse too.
pub(crate) fn base_usage(program: &str, spec: &Spec) -> String {
    let timeout =
        if spec.switches.iter().any(|(name, _)| *name == "timeout") { " [--timeout <timeout>]" } else { "" };
    format!(
        "\n{}\n{program} [--node <node>] [--longnames] [--quiet] {}{timeout}",
        heading("Usage"),
        spec.usage
    )
}

/// A command in detail.
pub(crate) fn command_usage(program: &str, spec: &Spec) -> String {
    let mut parts = vec![base_usage(program, spec)];
    if !spec.description.is_empty() {
        parts.push(format!("{}.\n", spec.description));
    }
    if !spec.arguments.is_empty() {
        let lines: Vec<String> = std::iter::once(heading("Arguments and Options"))
            .chain(spec.arguments.iter().map(|(name, meaning)| format!("{name}\n\t{meaning}\n")))
            .collect();
        parts.push(lines.join("\n"));
    }
    if !spec.guides.is_empty() {
        let lines: Vec<String> = std::iter::once(heading("Relevant Doc Guides"))
            .chain(spec.guides.iter().map(|guide| format!(" * https://rabbitmq.com/{guide}.html\n")))
            .collect();
        parts.push(lines.join("\n"));
    }
    parts.push(format!("{}\n{GENERAL_OPTIONS}", heading("General Options")));
    format!("{}\n", parts.join("\n\n"))
}

/// The commands by section.
fn list() -> String {
    let all = super::all();
    let width = all.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for section in Section::ALL {
        out.push_str(&format!("\n\x1b[1m{}\x1b[0m:\n\n", section.heading()));
        for spec in all.iter().filter(|spec| spec.section == section) {
            out.push_str(&format!("   {:<width$}  {}\n", spec.name, spec.description));
        }
    }
    out.push('\n');
    out
}
