//! `aileron services`: which shared services run, and are they well. The crate `services` finds and
//! judges; this room takes the command line and prints.

mod hosts;
mod series;
mod table;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use services::credentials::Credentials;
use services::{Kind, Overview, Settings, State};

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

/// Surveys, prints, and gives the exit code: 0 ok, 1 degraded, 2 failed, 3 unknown.
pub(crate) fn run(arguments: &ServicesArgs) -> ExitCode {
    if arguments.hosts.observe {
        return hosts::observe();
    }
    match outcome(arguments) {
        Ok(state) => ExitCode::from(state.exit_code()),
        Err(cause) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {cause}");
            ExitCode::from(State::Unknown.exit_code())
        }
    }
}

fn outcome(arguments: &ServicesArgs) -> Result<State, String> {
    let config = hosts::config()?;
    let credentials = match arguments.credentials.as_ref().or(config.credentials.as_ref()) {
        Some(path) => Credentials::load(path).map_err(|error| error.to_string())?,
        None => Credentials::default(),
    };
    let settings = Settings {
        deadline: Duration::from_secs_f64(arguments.deadline),
        hosts: arguments.hosts.hosts(&config)?,
        credentials: Arc::new(credentials),
        only: arguments.only.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let outcome = match arguments.watch {
        Some(every) => {
            let every = Duration::from_secs_f64(every);
            runtime.block_on(watch::run(&settings, every, arguments.json, arguments.members))
        }
        None => print(arguments, &runtime.block_on(services::survey(&settings))),
    };
    // A read that hangs in the kernel must not keep the verdict from the operator.
    runtime.shutdown_background();
    outcome.map_err(|error| format!("cannot print: {error}"))
}

fn print(arguments: &ServicesArgs, overview: &Overview) -> io::Result<State> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let text = serde_json::to_string_pretty(overview).map_err(io::Error::other)?;
        writeln!(out, "{text}")?;
    } else if arguments.prometheus {
        out.write_all(series::prometheus(overview).as_bytes())?;
    } else if arguments.nagios {
        writeln!(out, "{}", series::nagios(overview))?;
    } else {
        table::write(&mut out, overview, table::Style::of_output(arguments.members))?;
    }
    out.flush()?;
    Ok(overview.state)
}
