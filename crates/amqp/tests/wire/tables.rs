//! Field tables: there and back, look-ups, limits, every prefix.

use crate::specimens;
use amqp::table::DEPTH_MAX;
use amqp::{FieldTable, RawTable, Value, ValueRef};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn tables_there_and_back(table in specimens::table()) {
        let bytes = table.to_bytes();
        let raw = RawTable::parse(&bytes).unwrap();
        prop_assert_eq!(raw.to_owned(), table.clone());
        prop_assert_eq!(raw.is_empty(), table.is_empty());
        for (name, value) in table.iter() {
            prop_assert_eq!(table.get(name), Some(value));
            let found = raw.get(name).unwrap();
            prop_assert_eq!(found.to_owned(), value.clone());
            prop_assert_eq!(found.type_letter(), value.type_letter());
            prop_assert_eq!(found.type_name(), value.type_name());
            prop_assert_eq!(found.as_int(), value.as_int());
            prop_assert_eq!(found.as_str(), value.as_str());
        }
        let mut encoded = Vec::new();
        table.encode(&mut encoded);
        prop_assert_eq!(&encoded[..4], &(bytes.len() as u32).to_be_bytes());
        prop_assert_eq!(&encoded[4..], &bytes);
    }

    #[test]
    fn a_table_cut_inside_its_last_entry_is_refused(table in specimens::table(), last in specimens::value()) {
        let before = table.to_bytes().len();
        let mut table = table;
        table.remove("the last");
        table.insert("the last", last);
        let bytes = table.to_bytes();
        for end in before + 1..bytes.len() {
            prop_assert!(RawTable::parse(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn noise_does_no_harm(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(table) = RawTable::parse(&noise) {
            let _ = table.to_owned();
        }
    }
}

#[test]
fn insert_replaces_and_keeps_the_order() {
    let mut table = FieldTable::new();
    table.insert("x-message-ttl", 60_000_i32);
    table.insert("x-dead-letter-exchange", "dlx");
    table.insert("x-message-ttl", 7_i64);
    let names: Vec<&str> = table.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-message-ttl", "x-dead-letter-exchange"]);
    assert_eq!(table.get("x-message-ttl").and_then(Value::as_int), Some(7));
    assert_eq!(table.get("x-dead-letter-exchange").and_then(Value::as_str), Some("dlx"));
    assert_eq!(table.remove("x-message-ttl"), Some(Value::I64(7)));
    assert_eq!((table.len(), table.get("x-message-ttl")), (1, None));
}

#[test]
fn equal_names_are_kept_and_the_first_counts() {
    let bytes = b"\x01at\x01\x01at\x00";
    let raw = RawTable::parse(bytes).unwrap();
    assert_eq!(raw.get("a"), Some(ValueRef::Bool(true)));
    assert_eq!(raw.to_owned().len(), 2);
    assert_eq!(raw.to_owned().to_bytes(), bytes);
}

#[test]
fn letters_as_rabbitmq_reads_them() {
    let cases: [(&[u8], Value, &str); 9] = [
        (b"b\xff", Value::I8(-1), "byte"),
        (b"B\xff", Value::U8(255), "unsignedbyte"),
        (b"s\xff\xfe", Value::I16(-2), "short"),
        (b"u\xff\xfe", Value::U16(65_534), "unsignedshort"),
        (b"I\xff\xff\xff\xff", Value::I32(-1), "signedint"),
        (b"i\xff\xff\xff\xff", Value::U32(u32::MAX), "unsignedint"),
        (b"l\0\0\0\0\0\0\0\x05", Value::I64(5), "long"),
        (b"L\0\0\0\0\0\0\0\x05", Value::I64(5), "long"),
        (b"t\x02", Value::Bool(true), "bool"),
    ];
    for (wire, value, name) in cases {
        let bytes = [b"\x01k", wire].concat();
        let read = RawTable::parse(&bytes).unwrap().get("k").unwrap();
        assert_eq!((read.to_owned(), read.type_name()), (value, name));
    }
    for unknown in [b'U', b'n', 0, 255] {
        assert!(RawTable::parse(&[1, b'k', unknown, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
    assert!(RawTable::parse(b"\x01\xffV").is_err(), "a name that is not text");
}

#[test]
fn nesting_has_a_limit() {
    let nest = |levels: usize, wrap: fn(Value) -> Value| {
        let mut value = Value::Void;
        for _ in 1..levels {
            value = wrap(value);
        }
        FieldTable::from_iter([("k", value)]).to_bytes()
    };
    let array = |value| Value::Array(vec![value]);
    let table = |value| Value::Table(FieldTable::from_iter([("k", value)]));
    for wrap in [array, table] {
        assert!(RawTable::parse(&nest(DEPTH_MAX, wrap)).is_ok());
        assert!(RawTable::parse(&nest(DEPTH_MAX + 1, wrap)).is_err());
        assert!(RawTable::parse(&nest(5_000, wrap)).is_err());
    }
}
