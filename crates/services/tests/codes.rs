//! Every finding has a row on its service's page, and every row a finding.
//!
//! Scripts hang on the codes and operators look them up, so the pages are held to the sources: a code is
//! any text `KIND-...` in a file that makes findings.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use services::Kind;

/// Texts of that shape in judging files that are something else, such as the name of a program.
const OTHERS: &[&str] = &[];
/// Findings about hosts and about everything are made by the survey and the gate, and stand on the first page.
const SURVEY: (&[&str], &str) = (&["host-", "nothing-", "gate-"], "README");

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true if name != "tests" && name != "recorded" => sources(&path, found),
            false if name.ends_with(".rs") && name != "tests.rs" => found.push(path),
            _ => {}
        }
    }
}

/// The part of a file that is no test and no comment, if it makes findings.
fn judging(text: &str) -> Option<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.contains("Finding").then(|| {
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    })
}

/// Texts that begin with one of `prefixes`, are made of words and dashes, and stand between `open` and `close`.
fn named(text: &str, prefixes: &[&str], (open, close): (&str, char)) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in prefixes {
        let begin = format!("{open}{prefix}");
        for rest in text.split(&begin).skip(1) {
            let word: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
                .collect();
            if !word.is_empty() && !word.ends_with('-') && rest[word.len()..].starts_with(close) {
                found.insert(format!("{prefix}{word}"));
            }
        }
    }
    found
}

#[test]
fn the_pages_list_the_codes_that_there_are() {
    let mut files = Vec::new();
    sources(&crate_folder().join("src"), &mut files);
    let texts: Vec<_> = files.iter().filter_map(|path| judging(&fs::read_to_string(path).unwrap())).collect();
    let all = texts.join("\n");
    assert!(!all.contains("Finding::new(&format!"), "a code that is put together cannot be looked for");
    let prefixes: Vec<(String, String)> =
        Kind::ALL.iter().map(|kind| (format!("{}-", kind.name()), kind.name().to_string())).collect();
    let mut pages: Vec<(Vec<&str>, &str)> =
        prefixes.iter().map(|(prefix, page)| (vec![prefix.as_str()], page.as_str())).collect();
    pages.push((SURVEY.0.to_vec(), SURVEY.1));
    let mut wrong = Vec::new();
    for (prefixes, page) in pages {
        let path = crate_folder().join(format!("../../docs/services/{page}.md"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut made = named(&all, &prefixes, ("\"", '"'));
        made.retain(|code| !OTHERS.contains(&code.as_str()));
        let listed = named(&text, &prefixes, ("\n| `", '`'));
        assert!(!made.is_empty(), "no code of {page} is found: is this test blind?");
        wrong.extend(made.difference(&listed).map(|code| format!("{code} is missing in {}", path.display())));
        wrong.extend(
            listed.difference(&made).map(|code| format!("{code} in {} is never made", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
