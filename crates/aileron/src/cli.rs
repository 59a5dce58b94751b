//! The command line: `aileron serve | ctl | services | ocf | config`, and `rabbitmqctl` when called by that name.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{self, Config, ConfigErrors, Sources};
use crate::ctl;
use crate::generate::{self, GenerateCommand};
use crate::ocf;
use crate::repair;
use crate::serve;
use crate::services::{self, ServicesArgs};

/// Exit code for wrong configuration, as `sysexits.h` has it.
const EXIT_CONFIG: u8 = 78;
/// Exit code for a daemon that could not start: an address in use, a data folder of a newer version.
const EXIT_UNAVAILABLE: u8 = 69;
/// Exit code for a command line that is not understood.
const EXIT_USAGE: u8 = 64;

/// The shared services of an OpenStack controller in one binary.
#[derive(Parser)]
#[command(name = "aileron", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run this node's services
    Serve(ServeArgs),
    /// Administer a running node: rabbitmqctl's commands (`aileron ctl help`)
    #[command(disable_help_flag = true)]
    Ctl {
        /// What rabbitmqctl would be given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        line: Vec<String>,
    },
    /// Say which shared services run here and whether they are well
    Services(ServicesArgs),
    /// Be Pacemaker's resource agent for the broker, ocf:aileron:broker
    ///
    /// Pacemaker calls it, as /usr/lib/ocf/resource.d/aileron/broker, with the resource's parameters in the
    /// environment (OCF_RESKEY_config and so on); `pcs resource describe ocf:aileron:broker` lists them. By hand,
    /// `aileron ocf monitor; echo $?` says 0 for a broker that runs (8 where it is promoted), 7 for none, 1 for one
    /// that is not well.
    Ocf {
        /// start, stop, monitor, promote, demote, validate-all or meta-data
        action: Option<String>,
    },
    /// Say what keeps the broker from starting, and go on without what is lost
    ///
    /// For a data folder of which something is missing or damaged: definitions, a vhost's folder. The broker must not
    /// run. Ends with 0 where nothing is wrong, or all of it was mended, 1 where something is.
    Repair(RepairArgs),
    /// Check the configuration, or show what is in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Write man pages or shell completions; packages are made with it
    #[command(subcommand, hide = true)]
    Generate(GenerateCommand),
}

/// How the daemon is started.
#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Let no clients in before `rabbitmqctl resume_listeners`; Pacemaker's agent starts a promotable clone so
    #[arg(long)]
    standby: bool,
}

/// What is repaired, and whether at all.
#[derive(Args)]
struct RepairArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Make the folder one that starts, without what is lost; what cannot be used is renamed, never removed
    #[arg(long)]
    accept_loss: bool,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration is good
    Check(ConfigArgs),
    /// Print every key with the value in force
    Show(ConfigArgs),
}

/// Where the configuration comes from.
#[derive(Args)]
struct ConfigArgs {
    /// The configuration file [default: /etc/aileron/aileron.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for everything durable (broker.data_dir)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Set one key, over file and environment; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the program with its arguments, the program's name among them.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let called = arguments.first().map(PathBuf::from).unwrap_or_default();
    if called.file_name().is_some_and(|name| name == "rabbitmqctl") {
        let line =
            arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
        return run_ctl(&line);
    }
    // clap would take the options behind `ctl` apart, and does not know them.
    if arguments.get(1).is_some_and(|word| word == "ctl") {
        let line =
            arguments.iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
        return run_ctl(&line);
    }
    match Cli::try_parse_from(arguments) {
        Ok(cli) => dispatch(cli.command),
        Err(error) => {
            let failed = error.use_stderr();
            // Nobody left to tell if even this cannot be printed.
            let _ = error.print();
            ExitCode::from(if failed { EXIT_USAGE } else { 0 })
        }
    }
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Serve(ServeArgs { config, standby }) => {
            with_config(config, |config| serve(&config, standby))
        }
        Command::Ctl { line } => run_ctl(&line),
        Command::Services(arguments) => services::run(&arguments),
        Command::Ocf { action } => ExitCode::from(ocf::run(action.as_deref())),
        Command::Repair(RepairArgs { config, accept_loss }) => {
            serve::make_private();
            with_config(config, |config| ExitCode::from(repair::run(&config, accept_loss)))
        }
        Command::Config(ConfigCommand::Check(arguments)) => with_config(arguments, |config| check(&config)),
        Command::Config(ConfigCommand::Show(arguments)) => {
            with_config(arguments, |config| say(config::as_toml(&config).trim_end()))
        }
        Command::Generate(what) => match generate::run(&what, Cli::command()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Nobody left to tell if standard error is closed.
                let _ = writeln!(std::io::stderr(), "aileron: cannot write what was generated: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Says that a configuration is good, and what of it is not what somebody may have meant.
fn check(config: &Config) -> ExitCode {
    let complain = |text: &dyn std::fmt::Display| {
        // Nobody left to tell if standard error is closed.
        let _ = writeln!(std::io::stderr(), "aileron: {text}");
    };
    config.warnings.iter().chain(&config.unread).for_each(|warning| complain(warning));
    if let Err(error) = serve::addresses(&config.broker.listen) {
        complain(&error);
        return ExitCode::from(EXIT_CONFIG);
    }
    say(&match (&config.file, &config.environment_file) {
        (Some(path), Some(variables)) => format!("{} with {} is good", path.display(), variables.display()),
        (Some(path), None) => format!("{} is good", path.display()),
        (None, _) => "the configuration is good (no file, defaults)".to_string(),
    })
}

fn serve(config: &Config, standby: bool) -> ExitCode {
    match serve::run(config, standby) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "aileron: {error}");
            ExitCode::from(EXIT_UNAVAILABLE)
        }
    }
}

fn with_config(arguments: ConfigArgs, run: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    let sources = Sources { file: arguments.config, data_dir: arguments.data_dir, set: arguments.set };
    match load(&sources) {
        Ok(config) => run(config),
        Err(errors) => {
            for error in errors.iter() {
                // Nobody left to tell if standard error is closed.
                let _ = writeln!(std::io::stderr(), "aileron: {error}");
            }
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn load(sources: &Sources) -> Result<Config, ConfigErrors> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config::load(sources, environment)
}

fn run_ctl(line: &[String]) -> ExitCode {
    ExitCode::from(ctl::run(line, |socket| {
        // A configuration that is broken must not keep the operator from a node that runs.
        let config = load(&Sources::default()).ok();
        let node =
            config.as_ref().map_or_else(|| "rabbit@localhost".to_string(), |config| config.node.name.clone());
        ctl::Place { socket: config::client_socket(socket.map(PathBuf::from), config.as_ref()), node }
    }))
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
