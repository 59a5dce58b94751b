//! `aileron generate`: man pages and shell completions, made from the command line's own description
//! and from the packaged configuration file, so that they cannot say anything else.
//!
//! `pages` is section 1, `keys` is aileron.toml(5). Packages are made with it (`script/package`).

mod keys;
mod pages;

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
    },
}

/// Carries it out for the command line `cli`.
pub(crate) fn run(what: &GenerateCommand, mut cli: clap::Command) -> io::Result<()> {
    match what {
        GenerateCommand::Man { folder } => man_pages(folder, cli),
        GenerateCommand::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut cli, "aileron", &mut text);
            io::stdout().write_all(&text)
        }
    }
}

fn man_pages(folder: &Path, cli: clap::Command) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for page in pages::all(cli)?.into_iter().chain([keys::page()]) {
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
