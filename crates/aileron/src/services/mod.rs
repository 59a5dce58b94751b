//! `aileron services`: which shared services run, and are they well. The crate `services` finds and
//! judges; this room takes the command line and prints.

mod hosts;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use services::credentials::Credentials;
use services::{Overview, Settings, State};

/// What `aileron services` may be given.
#[derive(Args)]
pub(crate) struct ServicesArgs {
    /// Print the overview as JSON
    #[arg(long)]
    json: bool,
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

/// Surveys, prints, and gives the exit code: 0 ok, 1 degraded, 2 failed, 3 unknown.
pub(crate) fn run(arguments: &ServicesArgs) -> ExitCode {
    if arguments.hosts.observe {
        return hosts::observe();
    }
    match survey(arguments) {
        Ok(overview) => print(arguments, &overview),
        Err(cause) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {cause}");
            ExitCode::from(State::Unknown.exit_code())
        }
    }
}

fn survey(arguments: &ServicesArgs) -> Result<Overview, String> {
    let config = hosts::config()?;
    let credentials = match arguments.credentials.as_ref().or(config.credentials.as_ref()) {
        Some(path) => Credentials::load(path).map_err(|error| error.to_string())?,
        None => Credentials::default(),
    };
    let settings = Settings {
        deadline: Duration::from_secs_f64(arguments.deadline),
        hosts: arguments.hosts.hosts(&config)?,
        credentials: Arc::new(credentials),
        only: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let overview = runtime.block_on(services::survey(&settings));
    // A read that hangs in the kernel must not keep the verdict from the operator.
    runtime.shutdown_background();
    Ok(overview)
}

fn print(arguments: &ServicesArgs, overview: &Overview) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let printed = if arguments.json {
        serde_json::to_string_pretty(overview)
            .map_err(std::io::Error::other)
            .and_then(|text| writeln!(out, "{text}"))
    } else {
        table::write(&mut out, overview)
    };
    match printed {
        Ok(()) => ExitCode::from(overview.state.exit_code()),
        Err(_) => ExitCode::from(State::Unknown.exit_code()),
    }
}
