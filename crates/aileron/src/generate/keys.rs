//! aileron.toml(5): the keys as the packaged configuration file explains them, with what each allows.
//!
//! The words are the file's comments, so that there is one place to write them; the tests hold the file
//! to the keys there are and to their defaults.

use super::{Page, roff};
use crate::config;

/// The configuration file that packages install.
const PACKAGED: &str = include_str!("../../../../packaging/aileron.toml");

/// What the file says of one key.
#[derive(Debug)]
struct Entry {
    /// `section.key`
    name: String,
    /// The comment above it.
    about: String,
    /// `key = value` as it stands there.
    line: String,
    /// Whether it is commented out, and so the default.
    default: bool,
}

/// The manual's page.
pub(super) fn page() -> Page {
    let mut text = format!(
        ".TH AILERON.TOML 5 \"\" \"aileron {}\" \"aileron\"\n.SH NAME\naileron.toml \\- configuration of aileron\n.SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION")
    );
    text.push_str(&format!("{}\n.SH KEYS\n", roff(&introduction())));
    for entry in entries() {
        let allowed = config::keys().find(|(name, _)| *name == entry.name).map_or("", |(_, allowed)| allowed);
        let kind = if entry.default { "Default" } else { "As packaged" };
        text.push_str(&format!(
            ".TP\n\\fB{}\\fR\n{}\nAllowed: {}.\n{kind}: {}\n",
            roff(&entry.name),
            roff(&entry.about),
            roff(allowed),
            roff(&entry.line)
        ));
    }
    text.push_str(
        ".SH SEE ALSO\n\\fBaileron\\fR(1),\n\\fBaileron\\-serve\\fR(1),\n\\fBaileron\\-config\\fR(1)\n",
    );
    Page { file: "aileron.toml.5".to_string(), text: text.into_bytes() }
}

/// The comment at the file's head, its empty lines as paragraphs.
fn introduction() -> String {
    let head = PACKAGED.lines().take_while(|line| line.starts_with('#'));
    let lines = head.map(|line| line.trim_start_matches('#').trim());
    lines
        .map(|line| if line.is_empty() { "\n" } else { line })
        .collect::<Vec<_>>()
        .join("\n")
        .replace("\n\n\n", "\n\n")
}

/// The keys of the file in its order.
fn entries() -> Vec<Entry> {
    let (mut section, mut about, mut found) = ("", Vec::new(), Vec::new());
    for line in PACKAGED.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            about.clear();
        } else if let Some(words) = line.strip_prefix("# ") {
            about.push(words);
        } else if let Some((key, _)) = line.trim_start_matches('#').split_once(" = ") {
            found.push(Entry {
                name: format!("{section}.{key}"),
                about: about.join("\n"),
                line: line.trim_start_matches('#').to_string(),
                default: line.starts_with('#'),
            });
            about.clear();
        } else {
            about.clear();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_file_explains_every_key_once() {
        let mut explained: Vec<String> = entries().into_iter().map(|entry| entry.name).collect();
        let mut known: Vec<&str> = config::keys().map(|(name, _)| name).collect();
        explained.sort();
        known.sort_unstable();
        assert_eq!(explained, known, "packaging/aileron.toml and the keys of config/schema.rs");
        assert!(entries().iter().all(|entry| !entry.about.is_empty()));
    }

    #[test]
    fn what_is_commented_out_is_the_default() {
        let load = |text: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("aileron.toml");
            std::fs::write(&path, text).expect("written");
            let sources = config::Sources { file: Some(path), ..config::Sources::default() };
            let mut config = config::load(&sources, std::iter::empty()).expect("a good file");
            config.file = None;
            config
        };
        let as_packaged = load(PACKAGED);
        let all: String = PACKAGED
            .lines()
            .map(|line| {
                match line.strip_prefix('#').filter(|rest| rest.contains(" = ") && !rest.starts_with(' ')) {
                    // The one default that is another on every host.
                    Some(rest) if !rest.starts_with("name = ") => format!("{rest}\n"),
                    _ => format!("{line}\n"),
                }
            })
            .collect();
        assert_eq!(load(&all), as_packaged);
        assert_eq!(as_packaged.ctl.socket.to_str(), Some("/run/aileron/ctl.sock"));
        assert_eq!(as_packaged.broker.data_dir.to_str(), Some("/var/lib/aileron"));
    }

    #[test]
    fn the_page_has_every_key() {
        let text = String::from_utf8(page().text).expect("text");
        for (name, _) in config::keys() {
            assert!(text.contains(&format!("\\fB{}\\fR", roff(name))), "{name}");
        }
    }
}
