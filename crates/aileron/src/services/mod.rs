//! `aileron services`: which shared services run, and are they well. The crate `services` finds and
//! judges; this room takes the command line and prints.
//!
//! `hosts` says whom to ask; `table`, `series` and `watch` print an overview, `gate` and `past` what follows
//! from it, all on `terminal`. `lookout` is the daemon's own survey, `daemon` asks for what it has seen; `reported` is the part
//! of `rabbitmqctl report`.

mod daemon;
mod gate;
mod hosts;
pub(crate) mod lookout;
mod past;
pub(crate) mod reported;
mod series;
mod table;
mod terminal;
mod watch;
mod when;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use services::gate::Operation;
use services::{Kind, Overview, Settings, State};
use table::Known;
use terminal::Style;

use crate::config;

/// What `aileron services` may be given.
#[derive(Args)]
pub(crate) struct ServicesArgs {
    /// Print the overview as JSON
    #[arg(long)]
    json: bool,
    /// Print Prometheus' text format
    #[arg(long, conflicts_with_all = ["json", "nagios", "watch"])]
    prometheus: bool,
    /// Print one line as a Nagios plug-in does
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    nagios: bool,
    /// Survey again and again; on a pipe, print when something changed
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "5",
          value_parser = seconds)]
    watch: Option<f64>,
    /// List every member
    #[arg(short = 'v', long)]
    members: bool,
    /// Look at these services only
    #[arg(long, value_name = "SERVICE,...", value_delimiter = ',', value_parser = kind)]
    only: Vec<Kind>,
    /// The time for everything together, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    deadline: f64,
    /// Names and passwords for the services, in a file with mode 0600
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Print what changed and when, as `aileron serve` has seen it
    #[arg(long, conflicts_with_all = ["prometheus", "nagios", "watch", "members", "only", "credentials", "inventory",
          "group", "host", "local", "cached", "gate"])]
    history: bool,
    /// Only changes of the last 90s, 15m, 1h, 2d
    #[arg(long, value_name = "TIME", requires = "history", value_parser = when::span)]
    since: Option<Duration>,
    /// Print the last overview of `aileron serve` and ask no service
    #[arg(long, conflicts_with_all = ["watch", "only", "credentials", "inventory", "group", "host", "local", "gate"])]
    cached: bool,
    /// The control socket of `aileron serve`, for --history and --cached
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Say whether a backup may begin, or whether a restore has brought all back: exit code 0 go, 2 stop
    #[arg(long, value_name = "backup|restore", conflicts_with_all = ["prometheus", "nagios", "watch", "members", "only"],
          value_parser = operation)]
    gate: Option<Operation>,
    /// Findings that do not stop the gate
    #[arg(long = "override", value_name = "CODE,...", value_delimiter = ',', requires = "gate")]
    overrides: Vec<String>,
    /// Survey for the daemon, as standard input says
    #[arg(long, hide = true)]
    errand: bool,
    #[command(flatten)]
    hosts: hosts::HostArgs,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("0.1 to 600 seconds are allowed".to_string()),
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let found = Kind::ALL.iter().copied().find(|kind| kind.name() == text);
    found.ok_or_else(|| format!("known are {}", names()))
}

fn operation(text: &str) -> Result<Operation, String> {
    match text {
        "backup" => Ok(Operation::Backup),
        "restore" => Ok(Operation::Restore),
        _ => Err("backup and restore have a gate".to_string()),
    }
}

/// Surveys, prints, and gives the exit code: 0 ok, 1 degraded, 2 failed, 3 unknown.
pub(crate) fn run(arguments: &ServicesArgs) -> ExitCode {
    if arguments.hosts.observe {
        return hosts::observe();
    }
    if arguments.errand {
        return lookout::run_errand();
    }
    match outcome(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(cause) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {cause}");
            ExitCode::from(State::Unknown.exit_code())
        }
    }
}

fn outcome(arguments: &ServicesArgs) -> Result<u8, String> {
    let config = hosts::config()?;
    let socket = || config::client_socket(arguments.socket.clone(), config.as_ref());
    let cannot_print = |error: io::Error| format!("cannot print: {error}");
    if arguments.history {
        let since = arguments.since.map_or(0, |span| when::now().saturating_sub(span.as_secs()));
        let told = daemon::history(&socket(), since)?;
        let page = |style| past::page(&told, when::now(), style);
        return say(arguments, &told, page).map(|()| 0).map_err(cannot_print);
    }
    if arguments.cached {
        let (overview, standing) = daemon::overview(&socket())?;
        let printed = print(arguments, &overview, Some(Known { now: when::now(), standing: &standing }));
        return printed.map(State::exit_code).map_err(cannot_print);
    }
    let config = config.map(|config| config.services).unwrap_or_default();
    let settings = Settings {
        deadline: Duration::from_secs_f64(arguments.deadline),
        hosts: arguments.hosts.hosts(&config)?,
        credentials: Arc::new(hosts::credentials(arguments.credentials.as_ref(), &config)?),
        only: arguments.only.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let outcome = match (arguments.watch, arguments.gate) {
        (Some(every), _) => {
            let every = Duration::from_secs_f64(every);
            runtime
                .block_on(watch::run(&settings, every, arguments.json, arguments.members))
                .map(State::exit_code)
        }
        (None, Some(operation)) => {
            let overview = runtime.block_on(services::survey(&settings));
            let decision = services::gate::gate(&overview, operation, &arguments.overrides);
            say(arguments, &decision, |style| gate::page(&decision, style))
                .map(|()| if decision.go { gate::GO } else { gate::STOP })
        }
        (None, None) => {
            let overview = runtime.block_on(services::survey(&settings));
            print(arguments, &overview, None).map(State::exit_code)
        }
    };
    // A read that hangs in the kernel must not keep the verdict from the operator.
    runtime.shutdown_background();
    outcome.map_err(cannot_print)
}

/// Prints something as JSON, or else as the page.
fn say(
    arguments: &ServicesArgs,
    value: &impl serde::Serialize,
    page: impl FnOnce(Style) -> String,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        writeln!(out, "{text}")?;
    } else {
        out.write_all(page(Style::of_output(arguments.members)).as_bytes())?;
    }
    out.flush()
}

/// Prints an overview as it is asked for, with what the daemon knows beside it.
fn print(arguments: &ServicesArgs, overview: &Overview, known: Option<Known<'_>>) -> io::Result<State> {
    let mut out = io::stdout().lock();
    if arguments.prometheus {
        out.write_all(series::prometheus(overview, known.map_or(&[], |known| known.standing)).as_bytes())?;
    } else if arguments.nagios {
        writeln!(out, "{}", series::nagios(overview))?;
    } else {
        drop(out);
        say(arguments, overview, |style| table::page(overview, known, style))?;
        return Ok(overview.state);
    }
    out.flush()?;
    Ok(overview.state)
}
