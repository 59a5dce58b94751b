//! The journal from outside: one room for each thing that it promises.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod damage;
mod disk;
mod full_disk;
mod group;
mod manifest;
mod model;
mod reclaim;
mod release;
mod snapshot;
mod support;
