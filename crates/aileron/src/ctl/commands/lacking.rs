//! RabbitMQ's commands that are not here: one line says why, and where to read, instead of a screen of help.

use super::super::failure::{Failure, UNAVAILABLE};

/// Commands by the reason that they are not there.
const LACKING: &[(&str, &[&str])] = &[
    (
        "policies cannot be set yet",
        &["set_policy", "clear_policy", "set_operator_policy", "clear_operator_policy"],
    ),
    (
        "runtime parameters cannot be set yet",
        &["set_parameter", "clear_parameter", "set_global_parameter", "clear_global_parameter"],
    ),
    (
        "limits of users and vhosts cannot be set yet",
        &["set_vhost_limits", "clear_vhost_limits", "set_user_limits", "clear_user_limits"],
    ),
    ("topic permissions cannot be set yet", &["set_topic_permissions", "clear_topic_permissions"]),
    (
        "a node stands alone, there is no cluster to change",
        &[
            "join_cluster",
            "force_boot",
            "force_reset",
            "reset",
            "change_cluster_node_type",
            "rename_cluster_node",
            "update_cluster_nodes",
            "sync_queue",
            "cancel_sync_queue",
        ],
    ),
    (
        "broker and process are one: use 'rabbitmqctl stop' or the service manager, or suspend_listeners",
        &["start_app", "stop_app"],
    ),
    (
        "it is set in the configuration file and takes a restart",
        &["set_disk_free_limit", "set_vm_memory_high_watermark", "set_log_level", "rotate_logs"],
    ),
    (
        "there is no Erlang machine",
        &["eval", "eval_file", "exec", "force_gc", "hipe_compile", "encode", "decode", "schema_info"],
    ),
    (
        "it is not built yet",
        &[
            "set_vhost_tags",
            "close_all_user_connections",
            "list_unresponsive_queues",
            "list_node_auth_attempt_stats",
            "list_ciphers",
            "list_hashes",
            "autocomplete",
        ],
    ),
];

/// What is said of a command of RabbitMQ's that is not here; nothing of any other name.
pub(crate) fn lacking(name: &str) -> Option<Failure> {
    let (why, _) = LACKING.iter().find(|(_, names)| names.contains(&name))?;
    let text = format!(
        "Error: aileron has no '{name}': {why}. See docs/compatibility.md (/usr/share/doc/aileron/compatibility.md)."
    );
    Some(Failure::new(UNAVAILABLE, text))
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;

    /// As RabbitMQ 3.10.8's `help --list-commands` has them.
    const RABBITMQS: &str = include_str!("../../../../../tests/recorded/commands.txt");

    #[test]
    fn every_command_of_rabbitmqs_is_there_or_says_why_not() {
        assert!(RABBITMQS.lines().count() > 90);
        for name in RABBITMQS.lines() {
            assert!(find(name).is_some() != lacking(name).is_some(), "{name}");
        }
        assert_eq!(lacking("nonsense"), None);
        for (_, names) in LACKING {
            for name in *names {
                let said = lacking(name).expect("lacking").message;
                assert_eq!(said.lines().count(), 1, "{said}");
                assert!(RABBITMQS.lines().any(|command| command == *name), "{name} is none of RabbitMQ's");
            }
        }
    }
}
