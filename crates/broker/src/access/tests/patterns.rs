//! Patterns against what Erlang was recorded to do with them, and names made to be expensive.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::pattern::Pattern;
use super::super::pcre::translate;

const RECORDED: &str = include_str!("erlang_patterns.txt");

/// Valid for Erlang, refused here with a clear error rather than read differently.
const REFUSED_HERE: [&str; 8] =
    ["(?|a|b)", "\\g1(a)", "\\pL", "\\p{L}", "(?m)^a$", "(?x) a b", "(?=a)*", "\\8"];

/// Refused by both, in other words or at another offset.
const OTHER_WORDS: [&str; 7] = ["(?R)", "\\p{Foo}", "\\p{", "(?(1)a)", "(?P>n)", "\\g{1}", "(*a)"];

/// Refused by Erlang, where what it would mean is clear enough.
const ACCEPTED_HERE: [&str; 1] = ["(?<!a+)d"];

#[test]
fn patterns_mean_what_they_mean_to_erlang() {
    let mut wrong = Vec::new();
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[pattern, name, verdict, ..] = fields.as_slice() else { panic!("a row is short: {line:?}") };
        let compiled = Pattern::compile(pattern);
        let seen = match (&compiled, verdict) {
            (Ok(compiled), "match" | "nomatch") => {
                (if compiled.allows(name) { "match" } else { "nomatch" }).to_owned()
            }
            (Ok(_), _) if ACCEPTED_HERE.contains(&pattern) => continue,
            (Ok(_), _) => "accepted".to_owned(),
            (Err(_), "match" | "nomatch") if REFUSED_HERE.contains(&pattern) => continue,
            (Err(_), "error") if OTHER_WORDS.contains(&pattern) => continue,
            (Err(error), _) => format!("error\t{}\t{}", error.cause, error.offset),
        };
        let expected = fields[2..].join("\t");
        if seen != expected {
            wrong.push(format!("{pattern:?} on {name:?}: {seen:?}, recorded {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn look_around_and_possessive_patterns_use_the_backtracking_engine_only() {
    for (pattern, backtracking) in
        [("^nova", false), ("^(?!amq\\.)", true), ("a*+b", true), ("(a)\\1", true), ("(?:a|b)+", false)]
    {
        assert_eq!(translate(pattern).unwrap().backtracking, backtracking, "{pattern}");
    }
}

#[test]
fn an_expensive_name_is_refused_in_bounded_time() {
    let pattern = Pattern::compile(r"^(?=(a+)+$)(?!b).*$").unwrap();
    let start = Instant::now();
    assert!(!pattern.allows(&format!("{}!", "a".repeat(254))));
    assert!(start.elapsed() < Duration::from_secs(10));
    let pattern = Pattern::compile(r"(a|aa)+\1$").unwrap();
    assert!(!pattern.allows(&format!("{}!", "a".repeat(254))));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn too_large_patterns_are_refused() {
    for pattern in ["(((a{1000}){1000}){1000})", "(?!x)(((a{1000}){1000}){1000})", &"(".repeat(300)] {
        assert!(Pattern::compile(pattern).is_err(), "{pattern}");
    }
}

proptest! {
    #[test]
    fn no_pattern_makes_the_translator_fail_other_than_by_an_error(pattern in ".{0,40}", name in ".{0,20}") {
        if let Ok(pattern) = Pattern::compile(&pattern) {
            pattern.allows(&name);
        }
    }

    #[test]
    fn patterns_of_pattern_characters_never_panic(
        pattern in r"[\\\[\](){}?*+|^$.:=!<>P#\-,0-9a-zé&]{0,24}",
        name in "[a-c.]{0,8}",
    ) {
        if let Ok(pattern) = Pattern::compile(&pattern) {
            pattern.allows(&name);
        }
    }

    #[test]
    fn a_quoted_name_matches_itself_and_nothing_else(name in r"[ -~é]{1,20}", other in "[ -~é]{1,20}") {
        prop_assume!(!name.contains("\\E"));
        let pattern = Pattern::compile(&format!(r"\A\Q{name}\E\z")).unwrap();
        prop_assert!(pattern.allows(&name));
        prop_assert_eq!(pattern.allows(&other), name == other);
    }
}
