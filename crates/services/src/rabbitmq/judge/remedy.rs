//! The commands to type, as the node is run: by systemd, by Pacemaker in a bundle, in a container.

use super::One;
use crate::rabbitmq::find::BUNDLE;
use crate::remedy;

/// Starts what does not run, or restarts what hangs.
pub(super) fn unit(member: &One, verb: &str) -> String {
    match container(member) {
        Some((_, name)) if name.starts_with(BUNDLE) && verb == "start" => {
            format!("pcs resource cleanup {BUNDLE}")
        }
        _ => remedy::service(&member.target, verb),
    }
}

/// The engine and name of its container, if it has one.
fn container(member: &One) -> Option<(&str, &str)> {
    member.target.settings.get("inside")?.split_once(' ')
}

/// Runs one of RabbitMQ's own commands where the node is.
pub(super) fn ctl(member: &One, words: &str) -> String {
    format!("on {}: {}", member.target.host, bare_ctl(member, words))
}

/// The same without the host.
pub(super) fn bare_ctl(member: &One, words: &str) -> String {
    let inside =
        container(member).map_or_else(String::new, |(engine, name)| format!("{engine} exec {name} "));
    let program = if words.starts_with("rabbitmq-") { "" } else { "rabbitmqctl " };
    format!("{inside}{program}{words}")
}
