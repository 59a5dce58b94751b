//! Adding and removing in any order, against a plain set of bindings; and at what cost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use amqp::table::FieldTable;
use proptest::prelude::*;

use super::{Bindings, ExchangeKind, none, routed};

#[derive(Clone, Debug)]
enum Step {
    Add(u32, &'static str, u8),
    Remove(u32, &'static str, u8),
    RemoveDestination(u32),
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "a.b", "a.*", "#", "#.b", "*.b", "a.#.b", "b"])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6_u32, key(), 0..3_u8).prop_map(|(d, k, a)| Step::Add(d, k, a)),
        4 => (0..6_u32, key(), 0..3_u8).prop_map(|(d, k, a)| Step::Remove(d, k, a)),
        1 => (0..6_u32).prop_map(Step::RemoveDestination),
    ]
}

/// Three sets of arguments: none, a condition, a condition of which any suffices.
fn arguments(which: u8) -> FieldTable {
    let mut arguments = none();
    if which > 0 {
        arguments.insert("format", "pdf");
    }
    if which > 1 {
        arguments.insert("kind", "log");
        arguments.insert("x-match", "any");
    }
    arguments
}

fn kind() -> impl Strategy<Value = ExchangeKind> {
    prop::sample::select(vec![
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Topic,
        ExchangeKind::Headers,
    ])
}

fn by_pattern(pattern: &str, key: &str) -> bool {
    fn walk(pattern: &[&str], key: &[&str]) -> bool {
        match pattern.split_first() {
            None => key.is_empty(),
            Some((&"#", rest)) => (0..=key.len()).any(|from| walk(rest, &key[from..])),
            Some((word, rest)) => key
                .split_first()
                .is_some_and(|(first, key)| (*word == "*" || word == first) && walk(rest, key)),
        }
    }
    let words = |text: &'static str| text.split('.').filter(|_| !text.is_empty()).collect::<Vec<_>>();
    let (pattern, key) = (pattern.to_owned().leak(), key.to_owned().leak());
    walk(&words(pattern), &words(key))
}

fn expected(kind: ExchangeKind, model: &BTreeSet<(u32, &str, u8)>, key: &str, pdf: bool) -> Vec<u32> {
    let hits = model.iter().filter(|(_, bound, arguments)| match kind {
        ExchangeKind::Direct => *bound == key,
        ExchangeKind::Fanout => true,
        ExchangeKind::Topic => by_pattern(bound, key),
        ExchangeKind::Headers => *arguments == 0 || pdf,
    });
    hits.map(|(destination, ..)| *destination).collect::<BTreeSet<_>>().into_iter().collect()
}

proptest! {
    #[test]
    fn any_order_of_changes_ends_where_a_plain_set_does(
        kind in kind(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut bindings = Bindings::new(kind);
        let mut model: BTreeSet<(u32, &str, u8)> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Add(d, k, a) => {
                    prop_assert_eq!(bindings.add(d, k.as_bytes(), &arguments(a)), model.insert((d, k, a)));
                }
                Step::Remove(d, k, a) => {
                    prop_assert_eq!(bindings.remove(&d, k.as_bytes(), &arguments(a)), model.remove(&(d, k, a)));
                }
                Step::RemoveDestination(d) => {
                    let of_destination = bindings.of_destination(&d).count();
                    let before = model.len();
                    model.retain(|(other, ..)| *other != d);
                    prop_assert_eq!(of_destination, before - model.len());
                    prop_assert_eq!(bindings.remove_destination(&d).len(), before - model.len());
                }
            }
            prop_assert_eq!(bindings.len(), model.len());
            prop_assert_eq!(bindings.is_empty(), model.is_empty());
            let mut pdf = none();
            pdf.insert("format", "pdf");
            let pdf = pdf.to_bytes();
            for key in ["", "a", "a.b", "b", "a.x.b", "x"] {
                let headers = amqp::table::RawTable::parse(&pdf).unwrap();
                prop_assert_eq!(routed(&bindings, key, Some(headers)), expected(kind, &model, key, true));
                prop_assert_eq!(routed(&bindings, key, None), expected(kind, &model, key, false));
            }
        }
        let listed: BTreeSet<(u32, Vec<u8>, usize)> =
            bindings.iter().map(|(d, k, a)| (*d, k.to_vec(), a.len())).collect();
        prop_assert_eq!(listed.len(), model.len());
    }
}

#[test]
fn removing_queues_does_not_walk_the_other_bindings() {
    const QUEUES: u32 = 10_000;
    let mut condition = none();
    condition.insert("format", "pdf");
    for kind in [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::Headers] {
        let mut bindings = Bindings::new(kind);
        for queue in 0..QUEUES {
            bindings.add(queue, b"notifications.#", &condition);
            bindings.add(queue, format!("agent.{queue}").as_bytes(), &none());
        }
        assert_eq!(bindings.len(), 2 * QUEUES as usize);
        let start = Instant::now();
        for queue in 0..QUEUES {
            assert_eq!(bindings.remove_destination(&queue).len(), 2);
        }
        // A walk over all of them would be 200 million steps, minutes in a debug build.
        assert!(start.elapsed() < Duration::from_secs(5), "{kind}: {:?}", start.elapsed());
        assert!(bindings.is_empty());
    }
}

#[test]
fn removing_in_any_order_leaves_the_others_routed() {
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    for queue in 0..50 {
        bindings.add(queue, b"all.#", &none());
    }
    for queue in (0..50).step_by(2) {
        assert!(bindings.remove(&queue, b"all.#", &none()));
        assert!(!bindings.remove(&queue, b"all.#", &none()));
    }
    assert_eq!(routed(&bindings, "all.x", None), (1..50).step_by(2).collect::<Vec<_>>());
}
