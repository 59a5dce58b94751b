//! `aileron generate`: man pages and shell completions, made from the command line's own description
//! and from the packaged configuration file, so that they cannot say anything else.
//!
//! `pages` is section 1, `facts` what it says of exit codes, variables and signals, `rabbitmqctl` the page and the
//! completions of that name, `keys` is aileron.toml(5). Packages are made with it (`script/package`).

mod facts;
mod keys;
mod pages;
mod rabbitmqctl;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap_complete::Shell;

/// What can be generated.
#[derive(Subcommand)]
pub(crate) enum GenerateCommand {
    /// Write all man pages into a folder
    Man {
        /// The folder, made where it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Write a shell's completions to standard output
    Completions {
        /// The shell
        shell: Shell,
        /// The program: aileron, or rabbitmqctl
        #[arg(default_value = "aileron", value_parser = ["aileron", "rabbitmqctl"])]
        program: String,
    },
}

/// Carries it out for the command line `cli`.
pub(crate) fn run(what: &GenerateCommand, cli: clap::Command) -> io::Result<()> {
    match what {
        GenerateCommand::Man { folder } => man_pages(folder, cli),
        GenerateCommand::Completions { shell, program } => {
            let mut text = Vec::new();
            let mut described = match program.as_str() {
                "rabbitmqctl" => rabbitmqctl::described("rabbitmqctl"),
                _ => cli.mut_subcommand("ctl", |_| rabbitmqctl::described("ctl")),
            };
            clap_complete::generate(*shell, &mut described, program, &mut text);
            io::stdout().write_all(&text)
        }
    }
}

fn man_pages(folder: &Path, cli: clap::Command) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for page in pages::all(cli)?.into_iter().chain([keys::page(), rabbitmqctl::page()]) {
        std::fs::write(folder.join(page.file), page.text)?;
    }
    Ok(())
}

/// A man page.
struct Page {
    /// `aileron-serve.1`
    file: String,
    /// Its source, in roff.
    text: Vec<u8>,
}

/// Text as roff prints it: a leading dot or quote would be a request, a dash a hyphen.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = escaped.lines().map(|line| match line.chars().next() {
        Some('.' | '\'') => format!("\\&{line}"),
        _ => line.to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
