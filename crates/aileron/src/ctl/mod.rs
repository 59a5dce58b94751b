//! `aileron ctl`: rabbitmqctl's commands, arguments, output and exit codes.
//!
//! A command line is read (`options`), its command found (`commands/`, `suggest`), its arguments
//! checked, and carried out against the node's control socket (`session`, `client`, `protocol`); what
//! comes back are `term`s, printed by `format/`. `server` is the daemon's end of the socket.
//! Everything is compared with recordings of RabbitMQ 3.10.8's own tool (tests/conformance).

pub(crate) mod client;
mod command;
mod commands;
mod failure;
mod format;
mod given;
mod options;
mod process;
pub(crate) mod protocol;
pub(crate) mod server;
mod session;
mod suggest;
pub(crate) mod term;

use std::io::Write;
use std::path::PathBuf;

use command::Needs;
pub(crate) use command::{Section, Spec};
use failure::{Failure, SOFTWARE, USAGE};
use format::{Formatter, Output, Style};
use given::{Given, Misuse};
use options::Options;
pub(crate) use options::{COMMON, COMMON_ALIASES, Kind};
use session::Session;

/// Every command, by name: what manual and completions are made of.
pub(crate) fn commands() -> Vec<&'static Spec> {
    commands::all()
}

/// Where a client looks for the node, and what the node is called if nobody answers.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The control socket.
    pub(crate) socket: PathBuf,
    /// The node's name by configuration.
    pub(crate) node: String,
}

/// Carries out one command line (without the program's name) and gives the exit code. `place` is
/// asked for only when the command line does not say where the node is.
pub(crate) fn run(line: &[String], place: impl FnOnce(Option<&str>) -> Place) -> u8 {
    match execute(line, place).and_then(|text| print(&text)) {
        Ok(()) => 0,
        Err(failure) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "{}", failure.message);
            failure.code
        }
    }
}

/// Prints a line on standard output at once.
fn print_line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Prints on standard output. A reader that has gone (`| head`) is no error; a full disk is.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(SOFTWARE, format!("Error: cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells the operator what the answer itself has no place for. Scripts read standard output.
fn warn(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn execute(line: &[String], place: impl FnOnce(Option<&str>) -> Place) -> Result<String, Failure> {
    let version = ["version".to_string()];
    let line =
        if line.len() == 1 && line.first().is_some_and(|word| word == "--version") { &version } else { line };
    let global = Options::parse(line, &[], &[]);
    let program = global.text("script_name").unwrap_or("rabbitmqctl").to_string();
    let Some(name) = global.words.first() else {
        let usage = commands::all_usage(&program);
        let asked = line.len() == 1 && line.first().is_some_and(|word| word == "--help");
        return if asked { Ok(format!("{usage}\n")) } else { Err(Failure::new(USAGE, usage)) };
    };
    let spec = find(name, &program)?;
    let formatter = chosen_formatter(&global, spec)?;
    let mut options = read_for(line, spec, formatter);
    let misuse = |misuse: &Misuse, kind: &str| -> Failure {
        let text = format!("{kind}: {}\nArguments given:\n\t{}\n", misuse.text(), line.join(" "));
        Failure::new(misuse.code(), format!("{text}{}", commands::base_usage(&program, spec)))
    };
    if !options.invalid.is_empty() {
        return Err(misuse(&Misuse::BadSwitches(options.invalid), "Error (argument validation)"));
    }
    if options.flag("help") {
        return Ok(format!("{}\n", commands::command_usage(&program, spec)));
    }
    let place = place(options.text("socket"));
    let node = node_name(options.text("node"), &place.node);
    let words = options.words.drain(..).skip(1).collect();
    let given = Given { words, options, node, patience: spec.patience.seconds() };
    (spec.check)(&given).map_err(|bad| misuse(&bad, "Error (argument validation)"))?;
    let mut session = Session::new(spec.name, spec.columns, spec.patience, given, place.socket);
    if spec.needs == Needs::Node && !session.greet()?.ready {
        let text = "this command requires the 'rabbit' app to be running on the target node. \
                    Start it with 'rabbitmqctl start_app'.";
        return Err(misuse(&Misuse::Told(text.to_string()), "Error"));
    }
    carry_out(spec, &mut session, formatter)
}

/// Prints the banner, runs the command and renders what it says.
fn carry_out(spec: &Spec, session: &mut Session, formatter: Formatter) -> Result<String, Failure> {
    if spec.needs == Needs::Process {
        // The banner names the node; one that cannot be reached is the command's to report.
        let _ = session.greet();
    }
    let quiet = session.given.silent() || formatter.for_machines();
    if let Some(banner) = (spec.banner)(&session.given).filter(|_| !quiet) {
        print_line(&banner)?;
    }
    if session.given.options.flag("dry_run") {
        return Ok(String::new());
    }
    let output: Output = (spec.run)(session)?;
    let options = &session.given.options;
    let style = Style {
        headless: options.flag("silent") || !options.flag_or("table_headers", true),
        pad: options.flag("pad_to_header"),
        node: session.given.node.clone(),
    };
    format::render(formatter, &output, &style)
}

fn find(name: &str, program: &str) -> Result<&'static Spec, Failure> {
    let missing = format!("\nCommand '{name}' not found. \n");
    if let Some(lacking) = commands::lacking(name) {
        return Err(lacking);
    }
    match (commands::find(name), commands::closest(name)) {
        (Some(spec), _) => Ok(spec),
        (None, Some(near)) => Err(Failure::new(USAGE, format!("{missing}Did you mean '{near}'? \n"))),
        (None, None) => Err(Failure::new(USAGE, format!("{missing}{}", commands::all_usage(program)))),
    }
}

fn chosen_formatter(options: &Options, spec: &Spec) -> Result<Formatter, Failure> {
    match options.text("formatter") {
        None => Ok(spec.formatter),
        Some(name) => Formatter::named(name).ok_or_else(|| {
            let known = "json, pretty_table, table, csv, erlang";
            Failure::new(USAGE, format!("Error: there is no formatter '{name}'; use one of: {known}"))
        }),
    }
}

/// Reads the line again with the command's own switches and those of its formatter.
fn read_for(line: &[String], spec: &Spec, formatter: Formatter) -> Options {
    let mut switches = spec.switches.to_vec();
    if formatter == Formatter::Table {
        switches.extend([("table_headers", Kind::Flag), ("pad_to_header", Kind::Flag)]);
    }
    Options::parse(line, &switches, spec.aliases)
}

/// The node that is meant: a name without a host is on this one.
fn node_name(given: Option<&str>, configured: &str) -> String {
    match given {
        None => configured.to_string(),
        Some(name) if name.contains('@') => name.to_string(),
        Some(name) => format!("{name}@{}", configured.split_once('@').map_or("localhost", |(_, host)| host)),
    }
}

#[cfg(test)]
mod tests;
