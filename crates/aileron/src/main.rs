//! aileron: the shared services of an OpenStack controller in one binary.
//!
//! This room reads the command line, wires the others together and gives the exit code. `config` is
//! what is in force, `ctl` is rabbitmqctl, `serve` is the daemon.

mod cli;
mod config;
mod ctl;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
