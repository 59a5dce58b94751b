//! Tests of routing: each kind by examples, topics against a naive matcher, changes against a model.

mod changes;
mod headers;
mod topic;

use amqp::table::{FieldTable, RawTable};

use super::{Bindings, ExchangeKind};

/// Where a message goes, sorted. Fails when a destination is reported twice.
fn routed(bindings: &Bindings<u32>, key: &str, headers: Option<RawTable<'_>>) -> Vec<u32> {
    let mut found = Vec::new();
    bindings.route(key.as_bytes(), headers, &mut |destination| found.push(*destination));
    found.sort_unstable();
    let mut distinct = found.clone();
    distinct.dedup();
    assert_eq!(found, distinct, "a destination was reported twice for {key:?}");
    found
}

fn none() -> FieldTable {
    FieldTable::new()
}

#[test]
fn direct_routes_by_the_exact_key() {
    let mut bindings = Bindings::new(ExchangeKind::Direct);
    assert!(bindings.add(1, b"taskC_create", &none()));
    assert!(bindings.add(2, b"taskC_create", &none()));
    assert!(bindings.add(3, b"", &none()));
    assert_eq!(routed(&bindings, "taskC_create", None), [1, 2]);
    assert_eq!(routed(&bindings, "", None), [3]);
    assert!(routed(&bindings, "taskC", None).is_empty());
    assert!(routed(&bindings, "taskC_create.x", None).is_empty());
}

#[test]
fn a_destination_bound_twice_gets_a_message_once() {
    for kind in [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::Headers] {
        let mut bindings = Bindings::new(kind);
        assert!(bindings.add(1, b"a", &none()));
        let mut arguments = none();
        arguments.insert("x-note", "other");
        assert!(bindings.add(1, b"a", &arguments), "other arguments are another binding");
        assert!(bindings.add(1, b"#", &none()));
        assert!(!bindings.add(1, b"#", &none()));
        assert_eq!(bindings.len(), 3);
        assert_eq!(routed(&bindings, "a", None), [1], "{kind}");
    }
}

#[test]
fn fanout_ignores_the_key_and_scales_past_the_short_list() {
    let mut bindings = Bindings::new(ExchangeKind::Fanout);
    for destination in 0..100 {
        assert!(bindings.add(destination, b"x", &none()));
    }
    assert_eq!(routed(&bindings, "anything", None), (0..100).collect::<Vec<_>>());
    assert!(bindings.add(7, b"y", &none()), "bound twice: duplicates are looked for from now on");
    assert_eq!(routed(&bindings, "anything", None).len(), 100);
}

#[test]
fn the_order_of_arguments_is_no_part_of_a_binding() {
    let mut one = none();
    one.insert("b", 2);
    one.insert("a", 1);
    let mut other = none();
    other.insert("a", 1);
    other.insert("b", 2);
    let mut bindings = Bindings::new(ExchangeKind::Direct);
    assert!(bindings.add(1, b"k", &one));
    assert!(!bindings.add(1, b"k", &other));
    assert!(bindings.contains(&1, b"k", &other));
    let (_, _, kept) = bindings.iter().next().unwrap();
    assert_eq!(kept.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
    assert!(bindings.remove(&1, b"k", &other));
    assert!(bindings.is_empty());
}

#[test]
fn types_of_arguments_are_part_of_a_binding() {
    let mut small = none();
    small.insert("a", 1_i32);
    let mut large = none();
    large.insert("a", 1_i64);
    let mut not_a_number = none();
    not_a_number.insert("a", f64::NAN);
    let mut bindings = Bindings::new(ExchangeKind::Headers);
    assert!(bindings.add(1, b"", &small));
    assert!(bindings.add(1, b"", &large));
    assert!(bindings.add(1, b"", &not_a_number));
    assert!(!bindings.add(1, b"", &not_a_number), "a NaN is the same argument as itself");
    assert!(bindings.remove(&1, b"", &not_a_number));
    assert_eq!(bindings.len(), 2);
}

#[test]
fn kinds_are_known_by_their_names() {
    for kind in [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::Headers] {
        assert_eq!(ExchangeKind::from_name(kind.name()), Some(kind));
        assert_eq!(Bindings::<u32>::new(kind).kind(), kind);
    }
    assert_eq!(ExchangeKind::from_name("x-delayed-message"), None);
}
