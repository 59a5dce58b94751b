//! Headers matching, as recorded with Debian's RabbitMQ 3.10.8: one binding, one message, does it arrive?

use amqp::table::{FieldTable, RawTable, Value};

use super::super::check_x_match;
use super::{Bindings, ExchangeKind, none, routed};

fn table(entries: &[(&str, Value)]) -> FieldTable {
    entries.iter().map(|(name, value)| (*name, value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::LongStr(text.into())
}

fn arrives(arguments: &FieldTable, headers: Option<&FieldTable>) -> bool {
    let mut bindings = Bindings::new(ExchangeKind::Headers);
    assert!(bindings.add(1, b"", arguments));
    let bytes = headers.map(FieldTable::to_bytes);
    let headers = bytes.as_deref().map(|bytes| RawTable::parse(bytes).unwrap());
    let found = !routed(&bindings, "", headers).is_empty();
    assert!(bindings.remove(&1, b"", arguments));
    assert!(routed(&bindings, "", headers).is_empty());
    found
}

/// Does a header of the second value satisfy a condition of the first?
#[test]
fn values_compare_as_recorded() {
    let nested = |value: Value| Value::Table(table(&[("a", value)]));
    let decimal = |scale, value| Value::Decimal { scale, value };
    let list = |value: Value| Value::Array(vec![value]);
    let cases = [
        (Value::I32(1), Value::I64(1), true),
        (Value::I8(1), Value::U32(1), true),
        (Value::I32(1), Value::F64(1.0), true),
        (Value::F32(0.5), Value::F64(0.5), true),
        (Value::F32(0.1), Value::F64(0.1), false),
        (Value::I32(5), Value::Timestamp(5), true),
        (Value::Timestamp(5), Value::I64(5), true),
        (text("a"), Value::Bytes(b"a".to_vec()), true),
        (Value::Bytes(b"a".to_vec()), text("a"), true),
        (text("a"), text("a"), true),
        (text("a"), text("A"), false),
        (Value::Bool(true), Value::Bool(true), true),
        (Value::Bool(true), Value::Bool(false), false),
        (Value::Bool(true), Value::I8(1), false),
        (Value::Bool(true), text("true"), false),
        (decimal(1, 5), decimal(1, 5), true),
        (decimal(1, 5), decimal(2, 50), false),
        (decimal(0, 5), Value::I32(5), false),
        (Value::Void, text("a"), true),
        (Value::Void, Value::Void, true),
        (text("a"), Value::Void, false),
        (Value::Bool(true), Value::Void, false),
        (text("undefined"), Value::Void, false),
        (Value::F64(0.0), Value::F64(-0.0), true),
        (Value::I32(0), Value::F64(-0.0), true),
        (Value::I64((1 << 53) + 1), Value::F64(9_007_199_254_740_992.0), false),
        (Value::I64(1 << 53), Value::F64(9_007_199_254_740_992.0), true),
        (Value::I64(i64::MAX), Value::F64(9_223_372_036_854_775_808.0), false),
        (Value::Timestamp(1 << 63), Value::F64(9_223_372_036_854_775_808.0), true),
        (Value::Timestamp(u64::MAX), Value::I64(-1), false),
        (nested(Value::I32(1)), nested(Value::I32(1)), true),
        (nested(Value::I32(1)), nested(Value::I64(1)), false),
        (nested(Value::F32(0.5)), nested(Value::F64(0.5)), false),
        (
            Value::Table(table(&[("a", Value::I32(1)), ("b", Value::I32(2))])),
            Value::Table(table(&[("b", Value::I32(2)), ("a", Value::I32(1))])),
            false,
        ),
        (list(Value::I32(1)), list(Value::I32(1)), true),
        (list(Value::I32(1)), list(Value::I64(1)), false),
        (list(Value::I32(1)), list(Value::F64(1.0)), false),
        (list(Value::Void), list(Value::Void), true),
        (Value::Array(vec![]), Value::Table(none()), true),
        (Value::Array(vec![]), text(""), false),
    ];
    for (wanted, found, expected) in cases {
        let (arguments, headers) = (table(&[("k", wanted.clone())]), table(&[("k", found.clone())]));
        assert_eq!(arrives(&arguments, Some(&headers)), expected, "{wanted:?} and {found:?}");
    }
}

/// Conditions, headers, and whether the message arrives with `all`, `any`, `all-with-x`, `any-with-x`.
#[test]
fn modes_combine_conditions_as_recorded() {
    type Entries<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Entries<'_>, Entries<'_>, [bool; 4]); 19] = [
        (&[], &[], [true, false, true, false]),
        (&[], &[("a", "1")], [true, false, true, false]),
        (&[("x-a", "1")], &[], [true, false, false, false]),
        (&[("x-a", "1")], &[("x-a", "1")], [true, false, true, true]),
        (&[("x-a", "1")], &[("x-a", "2")], [true, false, false, false]),
        (&[("x-a", "1"), ("b", "1")], &[("b", "1")], [true, true, false, true]),
        (&[("a", "1"), ("b", "1")], &[("a", "1")], [false, true, false, true]),
        (&[("a", "1"), ("b", "1")], &[("a", "1"), ("b", "1"), ("c", "1")], [true; 4]),
        (&[("a", "1")], &[("a", "2")], [false; 4]),
        (&[("a", "1"), ("b", "1")], &[("a", "2"), ("b", "1")], [false, true, false, true]),
        (&[("a", "1")], &[("x-match", "foo"), ("a", "1")], [true; 4]),
        (&[("x-", "1")], &[("x-", "1")], [true, false, true, true]),
        (&[("X-a", "1")], &[("X-a", "2")], [false; 4]),
        (&[("a", "1"), ("a", "2")], &[("a", "1")], [false, true, false, true]),
        (&[("a", "2")], &[("a", "1"), ("a", "2")], [false; 4]),
        (&[("a", "1")], &[("a", "1"), ("a", "2")], [true; 4]),
        (&[("a", "1"), ("a", "2")], &[("a", "1"), ("a", "2")], [true; 4]),
        (&[("a", "2"), ("a", "1")], &[("a", "1"), ("a", "2")], [false; 4]),
        (&[("b", "1"), ("a", "1")], &[("a", "1"), ("b", "1")], [true; 4]),
    ];
    for (conditions, headers, expected) in cases {
        for (mode, expected) in ["all", "any", "all-with-x", "any-with-x"].into_iter().zip(expected) {
            let strings = |entries: Entries<'_>| -> Vec<(String, Value)> {
                entries.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect()
            };
            let mut arguments = vec![("x-match".to_owned(), text(mode))];
            arguments.extend(strings(conditions));
            let arguments: FieldTable = arguments.into_iter().collect();
            let sent: FieldTable = strings(headers).into_iter().collect();
            assert_eq!(arrives(&arguments, Some(&sent)), expected, "{mode}: {conditions:?} and {headers:?}");
            if headers.is_empty() {
                assert_eq!(arrives(&arguments, None), expected, "{mode}: {conditions:?} without headers");
            }
        }
    }
}

#[test]
fn all_is_the_mode_of_a_binding_that_names_none() {
    let arguments = table(&[("a", text("1")), ("b", Value::Void)]);
    assert!(arrives(&arguments, Some(&table(&[("b", Value::I8(3)), ("a", text("1"))]))));
    assert!(!arrives(&arguments, Some(&table(&[("a", text("1"))]))));
}

#[test]
fn many_bindings_under_one_condition_are_told_apart() {
    let mut bindings = Bindings::new(ExchangeKind::Headers);
    for destination in 0..200_u32 {
        let arguments = table(&[("format", text("pdf")), ("n", Value::I32(destination as i32 / 2))]);
        assert!(bindings.add(destination, b"", &arguments));
    }
    let any = table(&[("x-match", text("any")), ("format", text("zip")), ("n", Value::I64(7))]);
    assert!(bindings.add(900, b"", &any));
    let bytes = table(&[("n", Value::U8(7)), ("format", text("pdf"))]).to_bytes();
    assert_eq!(routed(&bindings, "", Some(RawTable::parse(&bytes).unwrap())), [14, 15, 900]);
}

#[test]
fn a_wrong_x_match_is_refused_in_rabbitmqs_words() {
    let refused =
        |value: Value| check_x_match(&table(&[("x-match", value)])).map_err(|error| error.to_string());
    assert_eq!(
        refused(text("some")),
        Err("Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"
            .to_owned())
    );
    assert_eq!(
        refused(Value::I32(1)),
        Err("Invalid x-match field type signedint (value 1); expected longstr".to_owned())
    );
    assert_eq!(
        refused(Value::Bool(true)),
        Err("Invalid x-match field type bool (value true); expected longstr".to_owned())
    );
    for mode in ["all", "any", "all-with-x", "any-with-x"] {
        assert_eq!(refused(text(mode)), Ok(()));
    }
    assert!(check_x_match(&none()).is_ok());
}
