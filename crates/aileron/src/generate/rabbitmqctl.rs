//! rabbitmqctl(1) and the completions of `rabbitmqctl` and `aileron ctl`: made from the commands' own table.

use clap::{Arg, ArgAction, Command};

use super::{Page, facts, pages, roff};
use crate::ctl::{self, COMMON, COMMON_ALIASES, Kind, Section, Spec};

const EXIT: &[(&str, &str)] = &[
    ("0", "It worked."),
    ("64", "The command line is not understood: an unknown command, column or option."),
    ("65", "An argument names something wrong: a vhost that is not there, a password that does not fit."),
    ("67", "There is no such user."),
    ("69", "The node cannot be reached, or said no; also a command of RabbitMQ's that aileron lacks."),
    ("70", "Something is there already, a health check failed, or the answer could not be written."),
    ("75", "The node did not answer in time. It may have done what it was asked."),
];
const VARIABLES: &[(&str, &str)] =
    &[("AILERON_CTL_SOCKET", "The control socket of the node; --socket goes before it.")];
const TIME: &str = "Every command ends: without --timeout, ping, status, cluster_status, node_health_check and wait \
    after 10 seconds, await_startup, await_online_nodes and definitions after 300, snapshot, close_all_connections, \
    stop and shutdown after an hour, all others after 60.";
const EXAMPLES: &[(&str, &str)] = &[
    ("rabbitmqctl list_queues -p / name messages consumers", "Queues with what waits in them."),
    ("rabbitmqctl --quiet list_connections user peer_host name", "Who is connected, for a script."),
    (
        "rabbitmqctl export_definitions /root/definitions.json",
        "Vhosts, users, exchanges, queues, bindings in a file.",
    ),
    ("rabbitmqctl --socket /var/lib/aileron/ctl.sock status", "A node whose socket is elsewhere."),
];
/// What the common options mean; those that only an Erlang node has a use for are taken and left out here.
const OPTIONS: &[(&str, &str)] = &[
    ("node", "the node that is meant; it has to be the one at the socket"),
    ("vhost", "the virtual host"),
    ("timeout", "seconds to wait for the node"),
    ("quiet", "no informational messages"),
    ("silent", "no informational messages and no heading"),
    ("longnames", "accepted"),
    ("formatter", "table, pretty_table, csv, json or erlang"),
    ("socket", "the control socket of the node"),
    ("dry_run", "check the command line only"),
    ("help", "how the command is called"),
];

/// The command line in clap's terms: for completions, not for reading one (`ctl/options.rs` does that as RabbitMQ does).
pub(super) fn described(name: &'static str) -> Command {
    let mut program = Command::new(name)
        .about("Administer a running node")
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .args(common());
    for spec in ctl::commands() {
        program = program.subcommand(command(spec));
    }
    program
}

fn common() -> Vec<Arg> {
    let meaning = |name: &str| OPTIONS.iter().find(|(option, _)| *option == name).map(|(_, means)| *means);
    COMMON
        .iter()
        .filter_map(|(name, kind)| {
            let letter = COMMON_ALIASES.iter().find(|(_, of)| of == name).map(|(letter, _)| *letter);
            Some(option(name, *kind, letter).help(meaning(name)?))
        })
        .map(|arg| match arg.get_id().as_str() {
            "formatter" => arg.value_parser(["table", "pretty_table", "csv", "json", "erlang"]),
            "socket" => arg.value_hint(clap::ValueHint::FilePath),
            _ => arg,
        })
        .collect()
}

fn command(spec: &'static Spec) -> Command {
    let mut command = Command::new(spec.name).about(spec.description).disable_help_flag(true).args(common());
    for (name, kind) in
        spec.switches.iter().filter(|(name, _)| !COMMON.iter().any(|(common, _)| common == name))
    {
        let letter = spec.aliases.iter().find(|(_, of)| of == name).map(|(letter, _)| *letter);
        command = command.arg(option(name, *kind, letter));
    }
    if spec.columns.all.is_empty() {
        return command.arg(Arg::new("words").num_args(0..).value_hint(clap::ValueHint::AnyPath));
    }
    command.arg(Arg::new("columns").num_args(0..).value_parser(spec.columns.all.to_vec()))
}

fn option(name: &'static str, kind: Kind, letter: Option<char>) -> Arg {
    let action = if kind == Kind::Flag { ArgAction::SetTrue } else { ArgAction::Set };
    let arg = Arg::new(name).long(name.replace('_', "-")).action(action);
    match letter {
        Some(letter) => arg.short(letter),
        None => arg,
    }
}

/// The manual's page.
pub(super) fn page() -> Page {
    let mut text = format!(
        ".TH RABBITMQCTL 1 \"\" \"aileron {}\" \"aileron\"\n.SH NAME\nrabbitmqctl \\- administer a running aileron node\n\
         .SH SYNOPSIS\n\\fBrabbitmqctl\\fR [\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]\n.br\n\
         \\fBaileron ctl\\fR [\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]\n.SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION")
    );
    text.push_str(&roff(
        "RabbitMQ's commands, options, output and exit codes, against an aileron node on this host. The node is reached \
         over its control socket, which only root and the service's user may open.",
    ));
    text.push_str(&format!("\n.PP\n{}\n.SH OPTIONS\n", roff(TIME)));
    for (name, means) in OPTIONS {
        let letter = COMMON_ALIASES
            .iter()
            .find(|(_, of)| of == name)
            .map_or(String::new(), |(c, _)| format!("-{c}, "));
        let long = format!("{letter}--{}", name.replace('_', "-"));
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", roff(&long), roff(means)));
    }
    text.push_str(".SH COMMANDS\n");
    Section::ALL.into_iter().for_each(|section| text.push_str(&commands(section)));
    text.push_str(&facts::section("EXIT STATUS", EXIT));
    text.push_str(&facts::section("ENVIRONMENT", VARIABLES));
    text.push_str(&format!(".SH FILES\n{}", pages::files()));
    text.push_str(&facts::section("EXAMPLES", EXAMPLES));
    text.push_str(".SH SEE ALSO\n\\fBaileron\\fR(1),\n\\fBaileron\\-ctl\\fR(1),\n\\fBaileron.toml\\fR(5)\n");
    Page { file: "rabbitmqctl.1".to_string(), text: text.into_bytes() }
}

fn commands(section: Section) -> String {
    let mut text = format!(".SS {}\n", roff(section.heading()));
    for spec in ctl::commands().into_iter().filter(|spec| spec.section == section) {
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{}.\n", roff(spec.usage), roff(described_as(spec))));
        for (name, means) in spec.arguments {
            text.push_str(&format!(".br\n\\fI{}\\fR: {}\n", roff(name), roff(means)));
        }
    }
    text
}

/// What it does, in words; RabbitMQ's help has none for tracing.
fn described_as(spec: &Spec) -> &str {
    match (spec.description, spec.name) {
        ("", "trace_on") => "Switches the firehose of a virtual host on",
        ("", "trace_off") => "Switches it off",
        (description, _) => description.trim_end_matches('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_with_its_section() {
        let text = String::from_utf8(page().text).expect("text");
        for spec in ctl::commands() {
            assert!(text.contains(&format!("\\fB{}", roff(spec.name))), "{}", spec.name);
        }
        for heading in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"] {
            assert!(text.contains(&format!(".SH {heading}\n")), "{heading}");
        }
    }

    fn completions(shell: clap_complete::Shell) -> String {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut described("rabbitmqctl"), "rabbitmqctl", &mut text);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn every_shell_completes_commands_and_options_and_columns_where_it_can() {
        use clap_complete::Shell;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = completions(shell);
            for word in ["list_queues", "import_definitions", "socket", "if-unused"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
        for shell in [Shell::Bash, Shell::Zsh] {
            assert!(completions(shell).contains("messages_unacknowledged"), "{shell}");
        }
    }
}
