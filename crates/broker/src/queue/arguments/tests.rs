//! Against what RabbitMQ 3.10.8 answered: by name where the case is in tests/recorded/protocol.json, word by word
//! where it was tried by hand on a running one.

use amqp::table::{FieldTable, Value};
use serde_json::Value as Json;

use super::{Arguments, Invalid, Overflow, Properties, QueueType, check_server_named, difference};

const RECORDED: &str = include_str!("../../../../../tests/recorded/protocol.json");
const ARGUMENTS: [&str; 16] = [
    "x-expires",
    "x-message-ttl",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-overflow",
    "x-queue-mode",
    "x-single-active-consumer",
    "x-queue-version",
    "x-queue-type",
    "x-queue-master-locator",
    "x-ha-policy",
    "x-cancel-on-ha-failover",
    "x-nonsense",
];

/// What came of a declaration: nothing, a text behind 406, or 541.
#[derive(Debug, PartialEq)]
enum Answer {
    Accepted,
    Refused(String),
    Internal,
}

impl From<Option<String>> for Answer {
    fn from(difference: Option<String>) -> Self {
        difference.map_or(Answer::Accepted, Answer::Refused)
    }
}

fn answer<T>(outcome: Result<T, Invalid>, queue: &str) -> Answer {
    match outcome {
        Ok(_) => Answer::Accepted,
        Err(invalid) if invalid.is_internal() => Answer::Internal,
        Err(invalid) => Answer::Refused(invalid.text(queue, "/")),
    }
}

fn recorded(cases: &Json, name: &str) -> Answer {
    let event = &cases[name][0];
    match (event["method"].as_str(), event["reply_code"].as_u64(), event["reply_text"].as_str()) {
        (Some("queue.declare-ok"), ..) => Answer::Accepted,
        (Some("connection.close"), Some(541), Some("INTERNAL_ERROR")) => Answer::Internal,
        (Some("channel.close"), Some(406), Some(text)) => {
            Answer::Refused(text.strip_prefix("PRECONDITION_FAILED - ").unwrap().to_owned())
        }
        _ => panic!("{name}: {event}"),
    }
}

fn cases() -> Json {
    serde_json::from_str(RECORDED).unwrap()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> FieldTable {
    entries.into_iter().collect()
}

fn refused(table: &FieldTable) -> String {
    Arguments::parse(table).unwrap_err().text("q", "/")
}

const TRANSIENT: Properties = Properties { durable: false, exclusive: false, auto_delete: false };
const DURABLE: Properties = Properties { durable: true, ..TRANSIENT };

/// `NAME=TYPE:VALUE` as the recorder labels its cases.
fn values() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    let array = |values: Vec<Value>| Value::Array(values);
    let nested = table([("a", table([("b", 1.into())]).into())]);
    vec![
        ("x-expires", numbers(&[0, -1, 1, 1 << 32, (1 << 32) - 1, 1 << 31, i64::MAX])),
        ("x-expires", texts(&["1000"])),
        ("x-expires", vec![("float:1.5", 1.5.into()), ("bool:True", true.into())]),
        ("x-expires", vec![("NoneType:None", Value::Void), ("list:[]", array(vec![]))]),
        ("x-expires", vec![("dict:{}", FieldTable::new().into())]),
        ("x-message-ttl", numbers(&[0, -1, 1 << 32, (1 << 32) - 1, i64::MAX])),
        ("x-message-ttl", texts(&["1000"])),
        ("x-message-ttl", vec![("float:1.5", 1.5.into()), ("bool:True", true.into())]),
        ("x-message-ttl", vec![("NoneType:None", Value::Void), ("list:[1]", array(vec![1.into()]))]),
        ("x-message-ttl", vec![("dict:{}", FieldTable::new().into())]),
        ("x-max-length", numbers(&[0, -1, i64::MAX])),
        ("x-max-length", texts(&["10"])),
        ("x-max-length", vec![("float:1.5", 1.5.into()), ("NoneType:None", Value::Void)]),
        ("x-max-length-bytes", numbers(&[0, -1, i64::MAX])),
        ("x-max-length-bytes", texts(&["10"])),
        ("x-max-priority", numbers(&[0, 1, -1, 255, 256])),
        ("x-max-priority", texts(&["5"])),
        ("x-max-priority", vec![("float:5.0", 5.0.into()), ("NoneType:None", Value::Void)]),
        ("x-dead-letter-exchange", texts(&["", "amq.direct", "missing"])),
        ("x-dead-letter-exchange", numbers(&[5])),
        ("x-dead-letter-exchange", vec![("NoneType:None", Value::Void), ("bool:True", true.into())]),
        ("x-dead-letter-routing-key", texts(&["key", ""])),
        ("x-dead-letter-routing-key", numbers(&[5])),
        ("x-dead-letter-strategy", texts(&["at-most-once", "at-least-once", "nonsense"])),
        ("x-overflow", texts(&["drop-head", "reject-publish", "reject-publish-dlx", "nonsense", ""])),
        ("x-overflow", numbers(&[5])),
        ("x-queue-mode", texts(&["default", "lazy", "nonsense"])),
        ("x-queue-mode", numbers(&[5])),
        ("x-queue-version", numbers(&[0, 1, 2, 3])),
        ("x-queue-version", texts(&["1"])),
        ("x-queue-type", texts(&["classic", "nonsense", "", "Classic"])),
        ("x-queue-type", numbers(&[5])),
        ("x-queue-master-locator", texts(&["min-masters", "client-local", "random", "nonsense"])),
        ("x-queue-master-locator", numbers(&[5])),
        ("x-single-active-consumer", vec![("bool:True", true.into()), ("bool:False", false.into())]),
        ("x-single-active-consumer", texts(&["true"])),
        ("x-single-active-consumer", numbers(&[1])),
        ("x-nonsense", numbers(&[1])),
        ("x-nonsense", texts(&["a"])),
        ("x-nonsense", vec![("NoneType:None", Value::Void), ("float:1.5", 1.5.into())]),
        ("x-nonsense", vec![("list:[1,'a']", array(vec![1.into(), "a".into()]))]),
        ("x-nonsense", vec![("dict:{'a':{'b':1}}", nested.into())]),
        ("x-ha-policy", texts(&["all", "nonsense"])),
        ("x-delivery-limit", numbers(&[1, -1])),
        ("x-delivery-limit", texts(&["a"])),
        ("x-max-age", texts(&["1D", "x"])),
        ("x-initial-cluster-size", numbers(&[3])),
        ("x-max-in-memory-length", numbers(&[5])),
        ("x-quorum-initial-group-size", numbers(&[3])),
        ("x-queue-leader-locator", texts(&["balanced", "zz"])),
        ("x-stream-max-segment-size-bytes", numbers(&[5])),
        ("x-cancel-on-ha-failover", vec![("bool:True", true.into())]),
        ("x-max-in-memory-bytes", numbers(&[5])),
    ]
}

fn numbers(numbers: &[i64]) -> Vec<(&'static str, Value)> {
    let value = |&n: &i64| i32::try_from(n).map_or(Value::I64(n), Value::I32);
    numbers.iter().map(|n| (&*format!("int:{n}").leak(), value(n))).collect()
}

fn texts(texts: &[&'static str]) -> Vec<(&'static str, Value)> {
    let label = |text: &&'static str| if text.is_empty() { "empty" } else { text };
    texts.iter().map(|text| (&*format!("str:{}", label(text)).leak(), (*text).into())).collect()
}

#[test]
fn values_as_recorded() {
    let cases = cases();
    for (name, values) in values() {
        for (label, value) in values {
            let case = format!("argument-{name}={label}");
            let outcome = Arguments::of_new_queue(&table([(name, value)]), TRANSIENT);
            assert_eq!(answer(outcome, &format!("q.{case}")), recorded(&cases, &case), "{case}");
        }
    }
}

#[test]
fn types_as_recorded() {
    let cases = cases();
    let decimal = Value::Decimal { scale: 0, value: 5 };
    let values = [
        ("f", Value::F32(1.0)),
        ("d", Value::F64(1.0)),
        ("D", decimal),
        ("T", Value::Timestamp(1000)),
        ("V", Value::Void),
        ("x", Value::Bytes(b"100".to_vec())),
        ("A", Value::Array(vec![])),
    ];
    for (letter, value) in values {
        for (kind, name) in [("ttl", "x-message-ttl"), ("unknown", "x-nonsense")] {
            let case = format!("argument-{kind}-of-type-{letter}");
            let outcome = Arguments::parse(&table([(name, value.clone())]));
            assert_eq!(answer(outcome, &format!("q.{case}")), recorded(&cases, &case), "{case}");
        }
    }
}

/// Two values of an argument, and what has to stand beside them.
fn two_values(name: &str) -> (Value, Value, FieldTable) {
    let (one, other): (Value, Value) = match name {
        "x-expires" => (500_000.into(), 600_000.into()),
        "x-message-ttl" => (5000.into(), 6000.into()),
        "x-max-length" => (10.into(), 20.into()),
        "x-max-length-bytes" => (1000.into(), 2000.into()),
        "x-max-priority" => (5.into(), 6.into()),
        "x-overflow" => ("drop-head".into(), "reject-publish".into()),
        "x-queue-mode" => ("default".into(), "lazy".into()),
        "x-queue-type" => ("classic".into(), "quorum".into()),
        "x-queue-master-locator" => ("min-masters".into(), "client-local".into()),
        "x-ha-policy" => ("all".into(), "nodes".into()),
        "x-single-active-consumer" | "x-cancel-on-ha-failover" => (true.into(), false.into()),
        "x-queue-version" | "x-nonsense" => (1.into(), 2.into()),
        _ => ("a".into(), "b".into()),
    };
    let beside = if name == "x-dead-letter-routing-key" {
        table([("x-dead-letter-exchange", "dlx".into())])
    } else {
        FieldTable::new()
    };
    (one, other, beside)
}

#[test]
fn differences_as_recorded() {
    let cases = cases();
    for name in ARGUMENTS {
        let (one, other, beside) = two_values(name);
        let with = |value: Value| {
            let mut with = beside.clone();
            with.insert(name, value);
            with
        };
        let pairs = [
            ("other", with(one.clone()), with(other)),
            ("left-out", with(one.clone()), beside.clone()),
            ("added", beside.clone(), with(one.clone())),
            ("same", with(one.clone()), with(one)),
        ];
        for (how, current, received) in pairs {
            let case = format!("argument-{name}-{how}");
            let found = difference(&current, &received, &format!("q.{case}"), "/");
            assert_eq!(Answer::from(found), recorded(&cases, &case), "{case}");
        }
    }
}

#[test]
fn numbers_of_all_types_compare_as_recorded() {
    type Typed = fn(i8) -> Value;
    let cases = cases();
    let current = table([("x-message-ttl", 100.into())]);
    let types: [(&str, Typed); 8] = [
        ("b", Value::I8),
        ("B", |n| Value::U8(n.unsigned_abs())),
        ("s", |n| Value::I16(n.into())),
        ("u", |n| Value::U16(n.unsigned_abs().into())),
        ("I", |n| Value::I32(n.into())),
        ("i", |n| Value::U32(n.unsigned_abs().into())),
        ("l", |n| Value::I64(n.into())),
        ("L", |n| Value::I64(n.into())),
    ];
    for (letter, typed) in types {
        for (end, number) in [("", 100), ("-other", 99)] {
            let case = format!("argument-integer-type-{letter}{end}");
            let received = table([("x-message-ttl", typed(number))]);
            let found = difference(&current, &received, &format!("q.{case}"), "/");
            assert_eq!(Answer::from(found), recorded(&cases, &case), "{case}");
        }
    }
}

#[test]
fn several_arguments_as_recorded() {
    let cases = cases();
    let both = |ttl: i32, expires: i32| table([("x-message-ttl", ttl.into()), ("x-expires", expires.into())]);
    let turned = table([("x-expires", 60_000.into()), ("x-message-ttl", 100.into())]);
    let exchange = |value: Value| table([("x-dead-letter-exchange", value)]);
    let pairs = [
        ("argument-order-is-free", both(100, 60_000), turned),
        ("argument-two-differ", both(100, 60_000), both(101, 60_001)),
        ("argument-type-differs-from-string", exchange("a".into()), exchange(1.into())),
    ];
    for (case, current, received) in pairs {
        let found = difference(&current, &received, &format!("q.{case}"), "/");
        assert_eq!(Answer::from(found), recorded(&cases, case), "{case}");
    }
    let tables = [
        ("argument-given-twice", table([("x-message-ttl", 100.into()), ("x-message-ttl", 100.into())])),
        (
            "argument-priority-and-lazy",
            table([("x-max-priority", 5.into()), ("x-queue-mode", "lazy".into())]),
        ),
        ("argument-dlx-key-without-dlx", table([("x-dead-letter-routing-key", "k".into())])),
        (
            "argument-ttl-and-length-bad",
            table([("x-message-ttl", (-1).into()), ("x-max-length", (-1).into())]),
        ),
    ];
    for (case, sent) in tables {
        let outcome = Arguments::of_new_queue(&sent, TRANSIENT);
        assert_eq!(answer(outcome, &format!("q.{case}")), recorded(&cases, case), "{case}");
    }
}

#[test]
fn other_queue_types_as_recorded() {
    let cases = cases();
    for kind in ["quorum", "stream"] {
        let kinded = |name: &str, value: Value| table([("x-queue-type", kind.into()), (name, value)]);
        let plain = table([("x-queue-type", kind.into())]);
        let declared = [
            ("not-durable", plain.clone(), TRANSIENT),
            ("exclusive", plain.clone(), Properties { exclusive: true, ..DURABLE }),
            ("auto-delete", plain.clone(), Properties { auto_delete: true, ..DURABLE }),
            ("x-max-priority", kinded("x-max-priority", 5.into()), DURABLE),
            ("x-expires", kinded("x-expires", (-1).into()), DURABLE),
        ];
        for (end, sent, properties) in declared {
            let case = format!("{kind}-{end}");
            let outcome = Arguments::of_new_queue(&sent, properties);
            assert_eq!(answer(outcome, &format!("q.{case}")), recorded(&cases, &case), "{case}");
        }
        let case = format!("{kind}-server-named");
        assert_eq!(answer(check_server_named(&plain), ""), recorded(&cases, &case), "{case}");
    }
}

#[test]
fn names_by_the_server() {
    assert_eq!(check_server_named(&FieldTable::new()), Ok(()));
    assert_eq!(check_server_named(&table([("x-queue-type", "classic".into())])), Ok(()));
    for nonsense in [Value::from("z"), Value::from(1)] {
        assert_eq!(check_server_named(&table([("x-queue-type", nonsense)])), Err(Invalid::Internal));
    }
}

#[test]
fn streams_are_not_supported_yet() {
    let stream = table([("x-queue-type", "stream".into()), ("x-max-age", "1D".into())]);
    let text = r#"invalid arg 'x-queue-type' for queue 'q' in vhost '/': "unsupported queue type 'stream'""#;
    assert_eq!(refused(&stream), text);
}

#[test]
fn what_is_asked_is_kept() {
    assert_eq!(Arguments::parse(&FieldTable::new()), Ok(Arguments::default()));
    let sent = table([
        ("x-message-ttl", 0.into()),
        ("x-expires", Value::U32(1_800_000)),
        ("x-max-priority", Value::U8(255)),
        ("x-max-length", 10.into()),
        ("x-max-length-bytes", i64::MAX.into()),
        ("x-overflow", "reject-publish-dlx".into()),
        ("x-dead-letter-exchange", "".into()),
        ("x-dead-letter-routing-key", "key".into()),
        ("x-single-active-consumer", true.into()),
        ("x-queue-type", "classic".into()),
        ("x-ha-policy", "all".into()),
    ]);
    let kept = Arguments {
        message_ttl_ms: Some(0),
        expires_ms: Some(1_800_000),
        max_priority: Some(255),
        max_length: Some(10),
        max_length_bytes: Some(i64::MAX.unsigned_abs()),
        overflow: Overflow::RejectPublishDlx,
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some(b"key".to_vec()),
        single_active_consumer: true,
        queue_type: QueueType::Classic,
    };
    assert_eq!(Arguments::parse(&sent), Ok(kept));
    // What oslo.messaging sends with rabbit_quorum_queue and its limits set.
    let quorum = table([
        ("x-queue-type", "quorum".into()),
        ("x-delivery-limit", 3.into()),
        ("x-max-in-memory-length", 100.into()),
        ("x-max-in-memory-bytes", 100_000.into()),
    ]);
    assert_eq!(
        Arguments::parse(&quorum),
        Ok(Arguments { queue_type: QueueType::Quorum, ..Arguments::default() })
    );
}

#[test]
fn first_refusal_wins() {
    let bad_exchange: (&str, Value) = ("x-dead-letter-exchange", 5.into());
    let exchange_text = "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'";
    assert_eq!(refused(&table([("x-expires", (-1).into()), bad_exchange.clone()])), exchange_text);
    assert_eq!(refused(&table([("x-queue-type", "z".into()), bad_exchange])), exchange_text);
    let type_and_value = table([("x-expires", (-1).into()), ("x-queue-type", "z".into())]);
    assert!(refused(&type_and_value).ends_with(r#""unsupported queue type 'z'""#));
    let foreign_and_value = table([("x-delivery-limit", 1.into()), ("x-queue-version", 9.into())]);
    assert!(refused(&foreign_and_value).ends_with(r#""unsupported queue version '9'""#));
    // Foreign ones in the order in which they came, and before a locator RabbitMQ fails over.
    let foreign = "of queue type rabbit_classic_queue";
    for (first, second) in [("x-max-age", "x-delivery-limit"), ("x-delivery-limit", "x-max-age")] {
        let text = refused(&table([
            ("x-queue-master-locator", "zz".into()),
            (first, "1D".into()),
            (second, "1D".into()),
        ]));
        assert_eq!(text, format!("invalid arg '{first}' for queue 'q' in vhost '/' {foreign}"));
    }
    let quorum = table([("x-queue-type", "quorum".into()), ("x-expires", (-1).into())]);
    let text = Arguments::of_new_queue(&quorum, TRANSIENT).unwrap_err().text("q", "/");
    assert!(text.ends_with("{value_negative,-1}"));
    let everything = Properties { durable: false, exclusive: true, auto_delete: true };
    let plain = table([("x-queue-type", "quorum".into())]);
    let text = Arguments::of_new_queue(&plain, everything).unwrap_err().text("q", "/");
    assert_eq!(text, "invalid property 'auto-delete' for queue 'q' in vhost '/'");
    // Of two equal names the first counts.
    let twice = table([("x-message-ttl", (-1).into()), ("x-message-ttl", 1.into())]);
    assert!(refused(&twice).ends_with("{value_negative,-1}"));
}

#[test]
fn expiry_limit_and_locators() {
    for name in ["x-message-ttl", "x-expires"] {
        assert!(Arguments::parse(&table([(name, 315_360_000_000_i64.into())])).is_ok());
        let text = refused(&table([(name, 315_360_000_001_i64.into())]));
        assert!(text.ends_with(": {value_too_large,315360000001}"), "{text}");
    }
    let nonsense = table([("x-queue-master-locator", "nonsense".into())]);
    assert_eq!(Arguments::parse(&nonsense), Err(Invalid::Internal));
    let exclusive = Properties { exclusive: true, ..TRANSIENT };
    assert!(Arguments::of_new_queue(&nonsense, exclusive).is_ok());
}

#[test]
fn quorum_values() {
    let text = |name: &str, value: Value| refused(&table([("x-queue-type", "quorum".into()), (name, value)]));
    let refusals = [
        (text("x-quorum-initial-group-size", 0.into()), "{value_zero,0}"),
        (text("x-queue-leader-locator", "zz".into()), "invalid_queue_locator_arg"),
        (text("x-queue-leader-locator", 5.into()), "{unacceptable_type,signedint}"),
        (text("x-dead-letter-strategy", "zz".into()), "invalid_dlx_strategy"),
        (text("x-max-in-memory-length", (-1).into()), "{value_negative,-1}"),
        (text("x-max-in-memory-bytes", "a".into()), "\"expected integer, got longstr\""),
        (text("x-queue-mode", "lazy".into()), "of queue type rabbit_quorum_queue"),
    ];
    for (text, end) in refusals {
        assert!(text.ends_with(end), "{text}");
    }
    let limit = table([("x-queue-type", "quorum".into()), ("x-delivery-limit", "a".into())]);
    assert!(Arguments::parse(&limit).is_ok());
}

#[test]
fn quoted_text_as_erlang_writes_it() {
    let reason = |mode: &[u8]| {
        let text = refused(&table([("x-queue-mode", Value::LongStr(mode.to_vec()))]));
        text.strip_prefix("invalid arg 'x-queue-mode' for queue 'q' in vhost '/': ").unwrap().to_owned()
    };
    assert_eq!(reason("é".as_bytes()), "\"unsupported queue mode 'é'\"");
    assert_eq!(reason(br#"a"b\c'd"#), r#""unsupported queue mode 'a\"b\\c'd'""#);
    assert_eq!(reason(b"a\tb"), r#""unsupported queue mode 'a\tb'""#);
    let list =
        "[117,110,115,117,112,112,111,114,116,101,100,32,113,117,101,117,101,32,109,111,100,101,32,39,";
    assert_eq!(reason("À".as_bytes()), format!("{list}195,128,39]"));
    assert_eq!(reason(b"a\0b"), format!("{list}97,0,98,39]"));
    assert_eq!(reason(b"\x1b\x7f\n"), format!("{list}27,127,10,39]"));
}

#[test]
fn odd_values_in_a_second_declaration() {
    let current = table([("x-message-ttl", 100.into())]);
    let received = |value: Value| difference(&current, &table([("x-message-ttl", value)]), "q", "/");
    let added = |value: Value| {
        let text = difference(&FieldTable::new(), &table([("x-message-ttl", value)]), "q", "/").unwrap();
        text.split_once("received the value ")
            .unwrap()
            .1
            .strip_suffix(" but current is none")
            .unwrap()
            .to_owned()
    };
    assert_eq!(received(Value::Timestamp(100)), None);
    let texts = [
        (Value::F64(100.0), "'100.0'"),
        (Value::Void, "none"),
        (Value::from(true), "'true'"),
        (Value::from(FieldTable::new()), "'[]'"),
        (Value::from("é"), "'é'"),
        (Value::Bytes(b"abc".to_vec()), "'abc'"),
        (Value::Array(vec![1.into(), "a".into()]), r#"'[{signedint,1},{longstr,<<"a">>}]'"#),
        (
            Value::Array(vec![Value::Bytes(vec![255, 0]), "é".into()]),
            r#"'[{binary,<<255,0>>},{longstr,<<"é">>}]'"#,
        ),
    ];
    for (value, text) in texts {
        let expected = format!(
            "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received {text} but current is '100'"
        );
        assert_eq!(received(value), Some(expected));
    }
    assert_eq!(added(Value::Void), "'undefined' of type 'void'");
    assert_eq!(added(Value::F32(0.1)), "'0.10000000149011612' of type 'float'");
    assert_eq!(added(Value::Decimal { scale: 2, value: 5 }), "'{2,5}' of type 'decimal'");
    assert_eq!(added(Value::Timestamp(100)), "'100' of type 'timestamp'");
    let inner = Value::Array(vec![1.5.into(), Value::Void, true.into()]);
    let nested = table([("a", 1.into()), ("c", inner)]);
    let text = r#"'[{<<"a">>,signedint,1},{<<"c">>,array,[{double,1.5},{void,undefined},{bool,true}]}]' of type 'table'"#;
    assert_eq!(added(nested.into()), text);
}

#[test]
fn second_declarations_of_other_types() {
    let quorum = table([("x-queue-type", "quorum".into())]);
    let against = |current: &FieldTable, received: &FieldTable| difference(current, received, "q", "/");
    let with = |name: &str, value: Value| table([("x-queue-type", "quorum".into()), (name, value)]);
    let text = |current: &FieldTable, received: &FieldTable| {
        against(current, received).unwrap().replace("for queue 'q' in vhost '/': ", "")
    };
    let none = FieldTable::new();
    let is_quorum = "the value 'quorum' of type 'longstr'";
    let binary = table([("x-queue-type", Value::Bytes(b"classic".to_vec()))]);
    let classic = table([("x-queue-type", "classic".into())]);
    assert_eq!(
        text(&none, &quorum),
        format!("inequivalent arg 'x-queue-type' received {is_quorum} but current is none")
    );
    assert_eq!(
        text(&quorum, &none),
        format!("inequivalent arg 'x-queue-type' received none but current is {is_quorum}")
    );
    assert_eq!(
        text(&quorum, &classic),
        "inequivalent arg 'x-queue-type' received 'classic' but current is 'quorum'"
    );
    assert!(text(&none, &binary).contains("'classic' of type 'binary'"));
    assert_eq!(against(&classic, &binary), None);
    assert_eq!(
        text(&with("x-delivery-limit", 1.into()), &with("x-delivery-limit", 2.into())),
        "inequivalent arg 'x-delivery-limit' received '2' but current is '1'"
    );
    // What the existing queue's type does not know is not looked at.
    assert_eq!(against(&quorum, &with("x-max-priority", 2.into())), None);
    assert_eq!(against(&none, &table([("x-delivery-limit", 2.into())])), None);
    // Its own order, too: a quorum queue's dead letters come before its expiry.
    let both = table([("x-expires", 1.into()), ("x-dead-letter-exchange", "b".into())]);
    assert!(text(&quorum, &both).starts_with("inequivalent arg 'x-dead-letter-exchange'"));
    assert!(text(&none, &both).starts_with("inequivalent arg 'x-expires'"));
}

#[test]
fn floats_as_erlang_writes_them() {
    let written = "0.0 -0.0 1.0 5.0e3 100.0 1.0e3 1.0e4 1.5 0.1 0.01 0.001 0.0001 1.0e-5 1.2e-4 0.012 1.0e15 \
        1.0e16 9007199254740991.0 9.007199254740992e15 123456789.0 1.23e4 1.23e5 1.0e22 1.0e300 5.0e-324 -5.0e3 \
        -0.001 0.00123 1.2345e-7 1.8e6 1.7976931348623157e308";
    for text in written.split_whitespace() {
        assert_eq!(super::float_term(text.parse().unwrap()), text);
    }
}
