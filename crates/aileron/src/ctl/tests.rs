//! Command lines that fail before a node is asked, and what they say.

use super::*;

fn run_line(line: &str) -> Result<String, Failure> {
    let words: Vec<String> = line.split_whitespace().map(|word| word.replace("''", "")).collect();
    execute(&words, |_| Place { socket: "/nonexistent/ctl.sock".into(), node: "rabbit@here".into() })
}

fn refused(line: &str) -> (u8, String) {
    let failure = run_line(line).expect_err(line);
    (failure.code, failure.message)
}

const USAGE_LINE: &str = "\n\x1b[1mUsage\x1b[0m\n\nrabbitmqctl [--node <node>] [--longnames] [--quiet] ";

#[test]
fn misuse_is_told_with_the_usage() {
    let told = |text: &str, line: &str, usage: &str| {
        format!("Error (argument validation): {text}\nArguments given:\n\t{line}\n{USAGE_LINE}{usage}")
    };
    let add_user = "add_user <username> <password>";
    for (line, code, text, usage) in [
        ("add_user", 64, "not enough arguments.", add_user),
        ("add_user a b c", 64, "too many arguments.", add_user),
        ("delete_user", 64, "not enough arguments.", "delete_user <username>"),
        ("ping x", 64, "too many arguments.", "ping [--timeout <timeout>]"),
        ("suspend_listeners x", 64, "too many arguments.", "suspend_listeners"),
        ("resume_listeners x", 64, "too many arguments.", "resume_listeners"),
        ("snapshot", 64, "not enough arguments.", "snapshot <dir> [--timeout <timeout>]"),
        ("stop a b", 64, "too many arguments.", "stop [--idempotent] [<pidfile>]"),
        (
            "status --unit zz",
            64,
            "\"unit 'zz' is not supported. Please use one of: bytes, mb, gb\"",
            "status [--unit <unit>] [--timeout <timeout>]",
        ),
        (
            "list_users -t abc",
            64,
            "Invalid options for this command:\n-t : abc",
            "list_users [--no-table-headers] [--timeout <timeout>]",
        ),
        (
            "list_users --formatter json --no-table-headers",
            64,
            "Invalid options for this command:\n--no-table-headers : ",
            "list_users [--no-table-headers] [--timeout <timeout>]",
        ),
        (
            "list_channels zork name,bogus",
            64,
            "Info key(s) bogus,zork are not supported",
            "list_channels [--no-table-headers] [<column> ...]",
        ),
    ] {
        assert_eq!(refused(line), (code, told(text, line, usage)), "{line}");
    }
    let (code, text) = refused("add_user '' x");
    assert_eq!(code, 65);
    assert!(text.starts_with("Error (argument validation): Bad argument: user cannot be an empty string\n"));
}

#[test]
fn unknown_commands_get_a_suggestion_or_the_help() {
    let suggestion = "\nCommand 'lst_queues' not found. \nDid you mean 'list_queues'? \n";
    assert_eq!(refused("lst_queues"), (64, suggestion.to_string()));
    let (code, text) = refused("zzz");
    assert_eq!(code, 64);
    assert!(
        text.starts_with(
            "\nCommand 'zzz' not found. \n\n\x1b[1mUsage\x1b[0m\n\nrabbitmqctl [--node <node>] "
        )
    );
    assert_eq!(refused("").0, 64);
}

#[test]
fn a_node_that_is_not_there_is_diagnosed() {
    for line in ["list_queues", "stop", "await_startup", "environment", "-n other@here status"] {
        let (code, text) = refused(line);
        assert_eq!(code, 69, "{line}");
        assert!(text.starts_with("Error: unable to perform an operation on node '"), "{text}");
        assert!(text.contains("\nDIAGNOSTICS\n===========\n\nattempted to contact: ["), "{text}");
        assert!(text.contains("/nonexistent/ctl.sock"), "{text}");
    }
    let (code, text) = refused("-n rabbit ping");
    assert_eq!(
        (code, text.as_str()),
        (69, "Error:\nFailed to connect and authenticate to rabbit@here in 10000 ms")
    );
    assert_eq!(run_line("stop --idempotent"), Ok("Node rabbit@here is no longer running\n".to_string()));
}

#[test]
fn what_needs_no_node_works_without() {
    assert_eq!(run_line("version"), Ok("3.10.8\n".to_string()));
    assert_eq!(run_line("--version"), Ok("3.10.8\n".to_string()));
    assert_eq!(run_line("version --formatter csv"), Ok("\"version\"\n\"3.10.8\"\n".to_string()));
    let help = run_line("help").expect("help");
    assert!(help.ends_with("\n\nUse 'rabbitmqctl help <command>' to learn more about a specific command\n"));
    for spec in commands::all() {
        let detail = run_line(&format!("help {}", spec.name)).expect(spec.name);
        assert_eq!(run_line(&format!("{} --help", spec.name)), Ok(detail.clone()), "{}", spec.name);
        assert!(detail.contains("--socket <path>"), "{}", spec.name);
        assert!(detail.starts_with(USAGE_LINE), "{detail}");
    }
    assert_eq!(refused("help nosuchthing").1, "Error:\n\nCommand 'nosuchthing' not found.");
}

#[test]
fn passwords_are_not_echoed() {
    let secret = protocol::Secret("hunter2".into());
    let request = protocol::Request::AddUser { name: "u".into(), password: secret };
    assert!(!format!("{request:?}").contains("hunter2"));
}

#[test]
fn terms_survive_the_socket() {
    let term = term::Term::List(vec![
        term::Term::Bytes(vec![0, 255]),
        term::Term::text("ünï"),
        term::Term::int(u64::MAX),
        term::Term::Float(0.5),
        term::Term::Map(vec![(term::Term::atom("k"), term::Term::pid("<a@b.1.2.3>"))]),
    ]);
    let line = serde_json::to_string(&protocol::Reply::Row(vec![term.clone()])).expect("written");
    let back: protocol::Reply = serde_json::from_str(&line).expect("read");
    assert_eq!(back, protocol::Reply::Row(vec![term]));
}
