//! Deterministic simulation of the broker: one seed decides what clients do, who runs when, what the disk does and
//! when the machine goes down; a plain model says what must be there.
//!
//! | room | what |
//! |---|---|
//! | [`plan`] | what happens, thrown from a seed |
//! | [`client`] | connections that do it, on simulated threads |
//! | [`wire`] | AMQP as a client speaks it |
//! | [`model`] | what must be in the queues, what may, what must not |
//! | [`run`] | a plan carried out |
//! | [`shrink`] | a plan made shorter that finds the same |
//!
//! The machine is `sched::simulated`, the disk `journal::fault`, the core is the broker's own behind
//! `broker::simulation`. Definitions lie on the real disk and are not put to the test here.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a tool for tests: what it says is for its own developers"
)]

pub mod client;
pub mod dice;
pub mod model;
pub mod plan;
pub mod run;
pub mod shrink;
pub mod wire;

/// Says why, and ends the process.
#[allow(clippy::print_stderr, reason = "a tool at a terminal")]
pub fn end(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2);
}
