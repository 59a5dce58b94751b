//! Section 1 of the manual: a page for the program and one for each of its commands.

use std::io;

use clap::Command;
use clap_mangen::Man;

use super::{Page, facts, roff};

/// The files that every command knows, with what they are.
const FILES: [(&str, &str); 4] = [
    ("/etc/aileron/aileron.toml", "The configuration, see aileron.toml(5)."),
    ("/etc/aileron/aileron.env", "Settings of the service that not everybody may read, as variables."),
    ("/var/lib/aileron", "Messages, queues, users: everything durable."),
    ("/run/aileron/ctl.sock", "The control socket, for root and the service's user."),
];

/// The pages of `cli` and of all commands under it that help shows.
pub(super) fn all(mut cli: Command) -> io::Result<Vec<Page>> {
    // Gives every command its whole name.
    cli.build();
    let mut names = Vec::new();
    collect_names(&cli, &mut names);
    let mut pages = Vec::new();
    render(&cli, &names, &mut pages)?;
    Ok(pages)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn page_name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_string()
}

fn collect_names(command: &Command, names: &mut Vec<String>) {
    names.push(page_name(command));
    shown(command).for_each(|command| collect_names(command, names));
}

fn render(command: &Command, names: &[String], pages: &mut Vec<Page>) -> io::Result<()> {
    let name = page_name(command);
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(format!("aileron {}", env!("CARGO_PKG_VERSION")))
        .manual("aileron");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if shown(command).next().is_some() {
        text.extend_from_slice(commands(command).as_bytes());
    }
    text.extend_from_slice(facts::sections(&name).as_bytes());
    text.extend_from_slice(closing(&name, names).as_bytes());
    pages.push(Page { file: format!("{name}.1"), text });
    shown(command).try_for_each(|command| render(command, names, pages))
}

/// The list of a command's own commands, each with its page.
fn commands(command: &Command) -> String {
    let mut text = String::from(".SH COMMANDS\n");
    for command in shown(command) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!(".TP\n\\fB{}\\fR(1)\n{}\n", roff(&page_name(command)), roff(&about)));
    }
    text
}

/// The files, as a list.
pub(super) fn files() -> String {
    FILES.iter().map(|(path, what)| format!(".TP\n\\fI{}\\fR\n{}\n", roff(path), roff(what))).collect()
}

/// The files, and the other pages.
fn closing(own: &str, names: &[String]) -> String {
    let mut text = String::from(".SH FILES\n");
    text.push_str(&files());
    let others = names.iter().filter(|name| *name != own).map(|name| format!("\\fB{}\\fR(1)", roff(name)));
    let others: Vec<String> =
        others.chain(["\\fBrabbitmqctl\\fR(1)", "\\fBaileron.toml\\fR(5)"].map(String::from)).collect();
    text.push_str(&format!(".SH SEE ALSO\n{}\n", others.join(",\n")));
    text
}
