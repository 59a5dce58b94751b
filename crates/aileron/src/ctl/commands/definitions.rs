//! `export_definitions` and `import_definitions`: the file is this program's side of it, the definitions the node's.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::command::{BASE, Patience, Section, Spec};
use super::super::failure::{DATA, Failure};
use super::super::format::Output;
use super::super::given::{Given, Misuse, between, one_word};
use super::super::options::{Kind, Switches};
use super::super::protocol::{LINE_MAX, Request, Secret};
use super::super::session::{Session, usual_words};
use super::super::term::Term;

const FORMAT: Switches = &[("format", Kind::Text), ("timeout", Kind::Number)];

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "export_definitions",
        section: Section::Definitions,
        description: "Exports definitions in JSON",
        usage: "export_definitions <file_path | \"-\"> [--format <json | erlang>]",
        arguments: &[
            ("<file>", "Local file path to export to. Pass a dash (-) for stdout."),
            ("--format", "output format to use: json (erlang is not written here)"),
        ],
        guides: &["definitions"],
        switches: FORMAT,
        patience: Patience::Startup,
        check: |given| {
            one_word(given)?;
            check_format(given)?;
            let folder = Path::new(given.word(0)).parent().filter(|folder| !folder.as_os_str().is_empty());
            match folder {
                Some(folder) if !folder.is_dir() => {
                    Err(Misuse::BadValue(format!("Directory {} does not exist", folder.display())))
                }
                _ => Ok(()),
            }
        },
        banner: |given| match given.word(0) {
            "-" => None,
            path => Some(format!("Exporting definitions in JSON to a file at \"{path}\" ...")),
        },
        run: export,
        ..BASE
    },
    Spec {
        name: "import_definitions",
        section: Section::Definitions,
        description: "Imports definitions in JSON",
        usage: "import_definitions <file_path | \"-\"> [--format <json | erlang>] [--skip-if-unchanged]",
        arguments: &[
            ("[file]", "Local file path to import from. If omitted, or -, will be read from standard input"),
            ("--format", "input format to use: json (erlang is not read here)"),
            ("--skip-if-unchanged", "accepted: an import that changes nothing is cheap"),
        ],
        guides: &["definitions"],
        switches: &[("format", Kind::Text), ("skip_if_unchanged", Kind::Flag), ("timeout", Kind::Number)],
        patience: Patience::Startup,
        check: |given| {
            between(given, 0, 1)?;
            check_format(given)?;
            match file(given) {
                Some(path) if !Path::new(path).exists() => {
                    Err(Misuse::BadValue(format!("File {path} does not exist")))
                }
                _ => Ok(()),
            }
        },
        banner: |given| {
            Some(match file(given) {
                Some(path) => format!("Importing definitions in JSON from a file at \"{path}\" ..."),
                None => "Importing definitions in JSON from standard input ...".to_string(),
            })
        },
        run: import,
        ..BASE
    },
];

/// Where an import comes from, if not from standard input.
fn file(given: &Given) -> Option<&str> {
    given.words.first().map(String::as_str).filter(|path| *path != "-")
}

fn check_format(given: &Given) -> Result<(), Misuse> {
    match given.options.text("format").map(str::to_lowercase).as_deref() {
        None | Some("json") => Ok(()),
        Some("erlang") => Err(Misuse::BadArgument("Format erlang is RabbitMQ's own; here it is json")),
        Some(_) => Err(Misuse::BadArgument("Format should be either json or erlang")),
    }
}

fn export(session: &mut Session) -> Result<Output, Failure> {
    let exported = session.exported()?.map_err(|refusal| usual_words(&refusal))?;
    let text = exported.definitions.to_string();
    let written = match session.given.word(0) {
        "-" => Output::Exact(text),
        path => {
            write_file(path, &text)?;
            Output::Done
        }
    };
    if exported.left_out.is_empty() {
        return Ok(written);
    }
    if let Output::Exact(text) = &written {
        super::super::print(text)?;
    }
    // A backup that lacks something must not look whole to a script.
    let lacking: Vec<String> = exported.left_out.iter().map(|what| format!(" * {what}")).collect();
    Err(Failure::error(DATA, format!("exported, but for what JSON cannot hold:\n{}", lacking.join("\n"))))
}

/// Readable for its owner only: it has password hashes.
fn write_file(path: &str, text: &str) -> Result<(), Failure> {
    if path.is_empty() || Path::new(path).is_dir() {
        return Err(Failure::error(DATA, format!("Path {path} is a directory")));
    }
    let write = || {
        let options =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let mut file = options?;
        file.write_all(text.as_bytes())?;
        // A pipe has no disk to wait for.
        if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
    };
    write().map_err(|error| Failure::error(DATA, format!("cannot write {path}: {error}")))
}

fn import(session: &mut Session) -> Result<Output, Failure> {
    let text = read(file(&session.given))?;
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::error(DATA, format!("Failed to deserialise input (format: JSON) (error: {error})"))
    };
    serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|error| wrong(&error))?;
    let request = Request::ImportDefinitions { definitions: Secret(text) };
    let answer = session.ask(&request)?;
    if let Term::List(left_out) = answer {
        for what in left_out {
            super::super::warn(&format!("left out: {}", super::super::format::cell(&what)));
        }
    }
    if session.given.silent() {
        return Ok(Output::Done);
    }
    Ok(Output::Said("Successfully imported definitions. All of them are on disk.".to_string()))
}

fn read(path: Option<&str>) -> Result<String, Failure> {
    // Quotes and line ends take two bytes each on their way to the node.
    let most = LINE_MAX / 2;
    let mut text = String::new();
    let read = match path {
        Some(path) => {
            std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text))
        }
        None => std::io::stdin().lock().take(most + 1).read_to_string(&mut text),
    };
    let place = path.unwrap_or("standard input");
    match read {
        Ok(length) if length as u64 <= most => Ok(text),
        Ok(_) => {
            Err(Failure::error(DATA, format!("{place} is larger than {most} bytes: import it in parts")))
        }
        Err(error) => Err(Failure::error(DATA, format!("cannot read {place}: {error}"))),
    }
}
