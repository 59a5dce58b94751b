//! brokerbench: the same load on AMQP 0-9-1 brokers, side by side in one run.
//!
//! ```text
//! brokerbench [--seconds S] [--runs N] [--only NAME,NAME] BROKER=amqp://user:password@host:port/ ...
//! ```
//! The rooms: `scenario` says what is measured, `load` runs one measurement with
//! the `peers` on their `link`s, `process` reads what the broker used. This one
//! takes turns among the brokers and prints the table.

mod link;
mod load;
mod peers;
mod process;
mod scenario;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::link::Address;
use crate::load::{Figures, Span};
use crate::scenario::Scenario;

/// Whatever ends a measurement.
type Trouble = Box<dyn std::error::Error>;

/// The same load on AMQP 0-9-1 brokers, side by side; the first one is what the others are compared with.
#[derive(Debug, Parser)]
#[command(name = "brokerbench", version)]
struct Options {
    /// Brokers: NAME=amqp://user:password@host:port/vhost
    #[arg(required = true)]
    brokers: Vec<String>,
    /// Seconds each measurement counts
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Seconds before it starts to count
    #[arg(long, default_value_t = 1)]
    warm_up: u64,
    /// Runs of each scenario on each broker, interleaved; the median is printed
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Only these scenarios, by name
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A broker's process, for the cores it uses: NAME=PID
    #[arg(long = "pid")]
    pids: Vec<String>,
}

struct Broker {
    name: String,
    address: Address,
    pid: Option<u32>,
}

fn brokers(options: &Options) -> Result<Vec<Broker>, Trouble> {
    let mut found = Vec::new();
    for text in &options.brokers {
        let (name, address) = text.split_once('=').ok_or_else(|| format!("{text}: say NAME=amqp://..."))?;
        let pid = options.pids.iter().filter_map(|text| text.split_once('=')).find(|(of, _)| *of == name);
        let pid = pid.map(|(_, pid)| pid.parse()).transpose()?;
        found.push(Broker { name: name.to_owned(), address: Address::parse(address)?, pid });
    }
    Ok(found)
}

fn scenarios(options: &Options) -> Result<Vec<&'static Scenario>, Trouble> {
    let known = |name: &String| scenario::ALL.iter().any(|scenario| scenario.name == name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        let names: Vec<_> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
        return Err(format!("no scenario {unknown}; there are {}", names.join(", ")).into());
    }
    let wanted = |scenario: &&Scenario| {
        options.only.is_empty() || options.only.iter().any(|name| name == scenario.name)
    };
    Ok(scenario::ALL.iter().filter(wanted).collect())
}

/// The run whose rate is in the middle.
fn median(mut runs: Vec<Figures>) -> Option<Figures> {
    runs.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    runs.get(runs.len() / 2).copied()
}

fn row(scenario: &Scenario, broker: &Broker, figures: Figures, ratio: f64) -> String {
    let cores = figures.cores.map_or("-".to_owned(), |cores| format!("{cores:.2}"));
    let (half, most) = figures
        .latency
        .map_or(("-".to_owned(), "-".to_owned()), |(half, most)| (half.to_string(), most.to_string()));
    format!(
        "| {} | {} | {:.0} | {} | {cores} | {half} | {most} | {ratio:.2} |",
        scenario.name,
        broker.name,
        figures.rate,
        scenario.unit()
    )
}

fn compare(options: &Options) -> Result<bool, Trouble> {
    let (brokers, scenarios) = (brokers(options)?, scenarios(options)?);
    let span = Span {
        warm_up: Duration::from_secs(options.warm_up),
        measured: Duration::from_secs(options.seconds),
    };
    let mut out = std::io::stdout();
    writeln!(out, "| scenario | broker | rate | unit | broker cores | p50 us | p99 us | times the first |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let mut whole = true;
    for scenario in scenarios {
        let mut runs: Vec<Vec<Figures>> = brokers.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.runs {
            for (broker, runs) in brokers.iter().zip(&mut runs) {
                match load::measure(scenario, &broker.address, broker.pid, span) {
                    Ok(figures) => runs.push(figures),
                    Err(trouble) => {
                        whole = false;
                        writeln!(std::io::stderr(), "{} on {}: {trouble}", scenario.name, broker.name)?;
                    }
                }
            }
        }
        let mut first = None;
        for (broker, runs) in brokers.iter().zip(runs) {
            let Some(figures) = median(runs) else { continue };
            let ratio = figures.rate / *first.get_or_insert(figures.rate);
            writeln!(out, "{}", row(scenario, broker, figures, ratio))?;
        }
    }
    Ok(whole)
}

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            // Standard error may be closed; the exit code says it too.
            let _ = writeln!(std::io::stderr(), "brokerbench: {trouble}");
            ExitCode::FAILURE
        }
    }
}
