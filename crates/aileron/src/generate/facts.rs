//! What the command line's own description does not say: exit codes, variables, signals, examples.

use super::roff;

/// A list of a page: what is named, and what it means.
type Facts = &'static [(&'static str, &'static str)];

/// What one page says.
struct About {
    /// The page: `aileron-serve`.
    page: &'static str,
    exit: Facts,
    signals: Facts,
    examples: Facts,
}

const CONFIGURED: Facts = &[
    ("0", "It worked."),
    ("64", "The command line is not understood."),
    ("78", "The configuration is wrong; what and where is said on standard error."),
];

/// Variables that every command reads which reads the configuration.
const VARIABLES: Facts = &[
    (
        "AILERON_SECTION__KEY",
        "A key of the configuration, over the file: AILERON_BROKER__DATA_DIR is broker.data_dir. See aileron.toml(5).",
    ),
    ("AILERON_CTL_SOCKET", "The control socket that clients of the daemon connect to."),
];

const ABOUT: &[About] = &[
    About {
        page: "aileron",
        exit: CONFIGURED,
        signals: &[],
        examples: &[
            ("aileron serve --data-dir /var/lib/aileron", "Run a broker on that folder."),
            ("aileron ctl list_queues name messages", "The same as rabbitmqctl list_queues name messages."),
            ("aileron services", "Which shared services run on this host, and whether they are well."),
        ],
    },
    About {
        page: "aileron-serve",
        exit: &[
            ("0", "It was asked to stop and has stopped in good order."),
            ("64", "The command line is not understood."),
            ("69", "It cannot start: an address or a folder in use, damage, a folder of a newer version."),
            ("78", "The configuration is wrong; what and where is said on standard error."),
        ],
        signals: &[
            ("SIGTERM, SIGINT", "Stop in good order: clients are told, everything is on disk."),
            ("SIGHUP, SIGUSR1, SIGUSR2", "Passed over: the configuration is read at a start only."),
        ],
        examples: &[(
            "aileron serve --set 'broker.listen=[\"127.0.0.1:5700\"]'",
            "Listen on another address than the configuration says.",
        )],
    },
    About {
        page: "aileron-services",
        exit: &[
            ("0", "All that was found is well, or, with --gate, go."),
            ("1", "Something is not well, or, with --gate, stop; with --nagios a warning."),
            ("2", "With --nagios: critical."),
            ("3", "With --nagios: unknown."),
            ("64", "The command line is not understood."),
        ],
        signals: &[],
        examples: &[
            ("aileron services --watch", "Survey again and again, on one screen."),
            ("aileron services --gate backup", "Whether a backup may begin."),
        ],
    },
    About {
        page: "aileron-ocf",
        exit: &[
            ("0", "It worked; the broker runs."),
            ("1", "It did not, or the broker is not well."),
            ("7", "The broker does not run."),
            ("8", "The broker runs and is promoted."),
        ],
        signals: &[],
        examples: &[("aileron ocf monitor; echo $?", "What Pacemaker would be told.")],
    },
    About {
        page: "aileron-repair",
        exit: &[
            ("0", "Nothing is wrong, or all of it was mended."),
            ("1", "Something keeps the broker from starting."),
            ("64", "The command line is not understood."),
            ("78", "The configuration is wrong; what and where is said on standard error."),
        ],
        signals: &[],
        examples: &[("aileron repair --data-dir /var/lib/aileron", "What is wrong with that folder.")],
    },
];

/// The sections of a page.
pub(super) fn sections(page: &str) -> String {
    let own = ABOUT.iter().find(|about| about.page == page);
    let exit = own.map_or(CONFIGURED, |about| about.exit);
    [
        section("EXIT STATUS", exit),
        section("ENVIRONMENT", VARIABLES),
        section("SIGNALS", own.map_or(&[], |about| about.signals)),
        section("EXAMPLES", own.map_or(&[], |about| about.examples)),
    ]
    .concat()
}

/// A section that is a list; nothing where it is empty.
pub(super) fn section(heading: &str, facts: Facts) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let items: String =
        facts.iter().map(|(what, means)| format!(".TP\n\\fB{}\\fR\n{}\n", roff(what), roff(means))).collect();
    format!(".SH {}\n{items}", roff(heading))
}

#[cfg(test)]
mod tests {
    use super::super::pages;
    use super::*;

    #[test]
    fn what_is_said_is_said_of_pages_that_there_are() {
        use clap::CommandFactory as _;
        let pages = pages::all(crate::cli::Cli::command()).expect("pages");
        for About { page, .. } in ABOUT {
            let found = pages.iter().find(|made| made.file == format!("{page}.1"));
            let text = String::from_utf8_lossy(&found.expect(page).text).into_owned();
            assert!(text.contains(".SH EXIT STATUS") && text.contains(".SH ENVIRONMENT"), "{page}");
            assert!(text.contains(".SH EXAMPLES"), "{page}");
        }
    }
}
