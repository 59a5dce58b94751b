//! aileron: the shared services of an OpenStack controller in one binary.
//!
//! This room reads the command line, wires the others together and gives the exit code. `config` is
//! what is in force, `ctl` is rabbitmqctl, `serve` is the daemon, `services` is the view
//! of what runs beside it, `ocf` is Pacemaker's agent, `repair` the way on after a loss, `systemd` what the service manager is told, `log` how a line of the log is written, `holder` who holds what a daemon needs, `allocator` where memory comes from, `generate` man pages and completions.

mod allocator;
mod cli;
mod config;
mod ctl;
mod generate;
mod holder;
mod log;
mod ocf;
mod repair;
mod serve;
mod services;
mod systemd;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
