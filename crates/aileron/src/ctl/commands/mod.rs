//! Every command, a room for each kind of thing they work on.

mod cluster;
mod connections;
mod definitions;
mod empty;
mod health;
mod help;
mod lacking;
mod listings;
mod node;
mod permissions;
mod queues;
mod report;
mod snapshot;
mod startup;
mod status;
mod users;
mod vhosts;

pub(crate) use help::{all_usage, base_usage, command_usage};
pub(crate) use lacking::lacking;

use super::command::Spec;
use super::suggest;

/// All commands, by name.
pub(crate) fn all() -> Vec<&'static Spec> {
    let mut all: Vec<&'static Spec> = [
        cluster::COMMANDS,
        connections::COMMANDS,
        definitions::COMMANDS,
        empty::COMMANDS,
        health::COMMANDS,
        help::COMMANDS,
        listings::COMMANDS,
        node::COMMANDS,
        permissions::COMMANDS,
        queues::COMMANDS,
        report::COMMANDS,
        snapshot::COMMANDS,
        startup::COMMANDS,
        status::COMMANDS,
        users::COMMANDS,
        vhosts::COMMANDS,
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|spec| spec.name);
    all
}

/// The command that was probably meant by a name that is none.
pub(crate) fn closest(typed: &str) -> Option<&'static str> {
    suggest::closest(typed, all().into_iter().map(|spec| spec.name))
}

/// The command of that name.
pub(crate) fn find(name: &str) -> Option<&'static Spec> {
    all().into_iter().find(|spec| spec.name == name)
}
