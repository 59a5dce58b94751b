//! Topic patterns: examples, a naive matcher as oracle, pruning, and keys made to be expensive.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::registry::Place;
use super::super::topic::Topic;
use super::{Bindings, ExchangeKind, none, routed};

fn bound(patterns: &[&str]) -> Bindings<u32> {
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    for (destination, pattern) in (0..).zip(patterns) {
        assert!(bindings.add(destination, pattern.as_bytes(), &none()));
    }
    bindings
}

fn matches(pattern: &str, key: &str) -> bool {
    !routed(&bound(&[pattern]), key, None).is_empty()
}

/// What a pattern means, straight from its definition.
fn naive(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (Some((&"#", rest)), None) => naive(rest, key),
        (Some((&"#", rest)), Some((_, after))) => naive(rest, key) || naive(pattern, after),
        (Some((&"*", rest)), Some((_, after))) => naive(rest, after),
        (Some((word, rest)), Some((other, after))) => word == other && naive(rest, after),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

#[test]
fn the_examples_of_every_tutorial_hold() {
    for (pattern, key, expected) in [
        ("compute.#", "compute.node1.start", true),
        ("compute.#", "compute", true),
        ("compute.*", "compute", false),
        ("compute.*", "compute.a", true),
        ("compute.*", "compute.a.b", false),
        ("*.orange.*", "quick.orange.rabbit", true),
        ("lazy.#", "lazy.orange.male.rabbit", true),
        ("#", "", true),
        ("#", "a.b.c", true),
        ("*", "", false),
        ("", "", true),
        ("", "a", false),
        ("*", "a", true),
        ("#.#", "", true),
        ("#.*", "a", true),
        ("*.#", "", false),
        ("a.#.b", "a.b", true),
        ("a.#.b", "a.x.y.b", true),
        ("a.#.b", "a.x.y.c", false),
        ("a..b", "a..b", true),
        ("a.*.b", "a..b", true),
        (".", ".", true),
        ("*.*", ".", true),
        ("*", ".", false),
        ("a", "A", false),
        ("a*", "ab", false),
        ("#.a.#.b.#", "x.a.y.b.z", true),
        ("*", "#", true),
        ("a.b", "*.b", false),
    ] {
        assert_eq!(matches(pattern, key), expected, "{pattern:?} and {key:?}");
        assert_eq!(naive(&words(pattern), &words(key)), expected, "the oracle on {pattern:?} and {key:?}");
    }
}

#[test]
fn all_matching_patterns_are_found_among_many() {
    let bindings = bound(&["compute.#", "*.create", "#", "compute.create", "network.*", "compute.*.x"]);
    assert_eq!(routed(&bindings, "compute.create", None), [0, 1, 2, 3]);
    assert_eq!(routed(&bindings, "network.x", None), [2, 4]);
    assert_eq!(routed(&bindings, "compute.a.x", None), [0, 2, 5]);
}

#[test]
fn removing_patterns_prunes_the_tree() {
    let mut topic = Topic::default();
    let patterns = ["a.b.c", "a.b", "a.*.c", "a.#.c.#", "#", "a.b.c.d.e.f", "x.y.z"];
    let places: Vec<Place> =
        (0..).zip(patterns).map(|(id, pattern)| topic.add(id, &id, pattern.as_bytes())).collect();
    assert!(topic.size() > 12);
    for place in places {
        assert_eq!(topic.remove(place), None);
    }
    assert_eq!(topic.size(), 1, "only the root is left");
}

#[test]
fn hashes_in_a_row_do_not_multiply_the_work() {
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    for destination in 0..40_u32 {
        let pattern = ["#.a"; 40].join(".") + &".#".repeat(1 + destination as usize % 3) + ".b";
        bindings.add(destination, pattern.as_bytes(), &none());
    }
    let key = ["a"; 127].join(".");
    let start = Instant::now();
    for _ in 0..100 {
        assert!(routed(&bindings, &key, None).is_empty());
    }
    assert!(start.elapsed() < Duration::from_secs(5), "backtracking would take longer than the universe");
    assert_eq!(routed(&bindings, &format!("{key}.b"), None).len(), 40);
}

#[test]
fn more_than_a_few_hashes_are_all_kept() {
    let patterns: Vec<String> = (0..100).map(|n| format!("#.w{n}.#")).collect();
    let bindings = bound(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
    let key = (0..60).map(|n| format!("w{n}")).collect::<Vec<_>>().join(".");
    assert_eq!(routed(&bindings, &key, None), (0..60).collect::<Vec<_>>());
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "", "c"])
}

fn pattern_word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "", "*", "#", "#"])
}

proptest! {
    #[test]
    fn the_tree_agrees_with_the_naive_matcher(
        patterns in prop::collection::vec(prop::collection::vec(pattern_word(), 0..6), 1..30),
        keys in prop::collection::vec(prop::collection::vec(word(), 0..8), 1..10),
    ) {
        let patterns: Vec<String> = patterns.iter().map(|words| words.join(".")).collect();
        let bindings = bound(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        for key in keys.iter().map(|words| words.join(".")) {
            let expected: Vec<u32> = (0..).zip(&patterns)
                .filter(|(_, pattern)| naive(&words(pattern), &words(&key)))
                .map(|(destination, _)| destination)
                .collect();
            prop_assert_eq!(routed(&bindings, &key, None), expected, "key {:?} on {:?}", key, patterns);
        }
    }
}
