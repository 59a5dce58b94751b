//! Every method there and back, cut short everywhere, and with bytes too many.

use std::collections::HashSet;

use crate::specimens;
use amqp::method::basic;
use amqp::{DecodeError, Method, MethodId, frame};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_method_there_and_back(seed in specimens::seed(), channel: u16) {
        for method in seed.methods() {
            let mut out = vec![0xaa];
            method.write_frame(channel, &mut out);
            let (frame, used) = frame::split(&out[1..], 0).unwrap().unwrap();
            prop_assert_eq!((used, frame.kind, frame.channel), (out.len() - 1, frame::METHOD, channel));
            prop_assert_eq!(Method::decode(frame.payload), Ok(method));
        }
    }

    #[test]
    fn the_fast_deliver_is_the_slow_one(seed in specimens::seed(), channel: u16) {
        for method in seed.methods() {
            let Method::BasicDeliver(deliver) = method else { continue };
            let (mut slow, mut fast) = (Vec::new(), Vec::new());
            method.write_frame(channel, &mut slow);
            let basic::Deliver { consumer_tag, delivery_tag, redelivered, exchange, routing_key } = deliver;
            let tag = consumer_tag.as_bytes();
            basic::write_deliver_frame(channel, tag, delivery_tag, redelivered, exchange, routing_key, &mut fast);
            prop_assert_eq!(slow, fast);
        }
    }
}

proptest! {
    // Each case decodes some tens of thousands of prefixes.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_prefix_and_no_surplus_is_a_method(seed in specimens::seed()) {
        for method in seed.methods() {
            let mut out = Vec::new();
            method.encode(&mut out);
            for end in 0..out.len() {
                prop_assert!(Method::decode(&out[..end]).is_err(), "{} cut at {}", method.id(), end);
            }
            out.push(0);
            let refused = Method::decode(&out);
            let named = matches!(refused, Err(DecodeError::Malformed { method: Some(id), .. }) if id == method.id());
            prop_assert!(named, "{} with a byte too many", method.id());
        }
    }

    #[test]
    fn noise_does_no_harm(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        for id in MethodId::ALL {
            let mut payload = [id.class.to_be_bytes(), id.method.to_be_bytes()].concat();
            payload.extend_from_slice(&noise);
            let _ = Method::decode(&payload);
        }
    }
}

#[test]
fn the_specimens_are_complete() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let seed = specimens::seed().new_tree(&mut runner).unwrap().current();
    let seen: HashSet<MethodId> = seed.methods().iter().map(Method::id).collect();
    assert_eq!(seen, MethodId::ALL.iter().copied().collect());
    assert_eq!(seed.methods().len(), MethodId::ALL.len());
}

#[test]
fn names_are_the_specification_s() {
    let name = |class, method| MethodId { class, method }.to_string();
    assert_eq!(name(60, 40), "basic.publish");
    assert_eq!(name(60, 72), "basic.get-empty");
    assert_eq!(name(40, 51), "exchange.unbind-ok");
    assert_eq!(name(60, 999), "60.999");
    assert_eq!(MethodId { class: 10, method: 10 }.name(), "connection.start");
    assert_eq!(MethodId::default().name(), "unknown");
}

#[test]
fn unknown_methods_are_named() {
    let id = MethodId { class: 60, method: 41 };
    let refused = Method::decode(&[0, 60, 0, 41, 1]).unwrap_err();
    assert_eq!(refused, DecodeError::Unknown(id));
    assert_eq!(refused.to_string(), "unknown method 60.41");
    let short = Method::decode(&[0, 60, 0]).unwrap_err();
    assert_eq!(short.to_string(), "malformed content: ends in the middle of a field");
}

#[test]
fn a_publish_byte_by_byte() {
    let bytes = [0, 60, 0, 40, 0, 7, 2, b'e', 0xff, 1, b'k', 0b1111_1101];
    let publish = basic::Publish { exchange: b"e\xff", routing_key: b"k", mandatory: true, immediate: false };
    assert_eq!(Method::decode(&bytes), Ok(Method::BasicPublish(publish)));
    assert!(Method::BasicPublish(publish).has_content());
    let mut out = Vec::new();
    Method::BasicPublish(publish).encode(&mut out);
    // Ticket and bits without a meaning are written as 0.
    assert_eq!(out, [0, 60, 0, 40, 0, 0, 2, b'e', 0xff, 1, b'k', 1]);
}

#[test]
fn names_must_be_text() {
    let mut out = Vec::new();
    Method::BasicCancelOk(basic::CancelOk { consumer_tag: "xx" }).encode(&mut out);
    *out.last_mut().unwrap() = 0xff;
    let refused = Method::decode(&out).unwrap_err();
    assert_eq!(refused.to_string(), "malformed basic.cancel-ok: short string is not UTF-8");
}

#[test]
fn long_strings_are_cut_and_still_a_frame() {
    let long = "ü".repeat(200);
    let mut out = Vec::new();
    Method::BasicCancelOk(basic::CancelOk { consumer_tag: &long }).encode(&mut out);
    let Ok(Method::BasicCancelOk(read)) = Method::decode(&out) else { panic!("not a method: {out:?}") };
    assert_eq!(read.consumer_tag, "ü".repeat(127));
    out.clear();
    basic::write_deliver_frame(1, &[b'a'; 300], 1, false, &[b'b'; 300], &[b'c'; 300], &mut out);
    let (frame, used) = frame::split(&out, 0).unwrap().unwrap();
    assert_eq!(used, out.len());
    let Ok(Method::BasicDeliver(read)) = Method::decode(frame.payload) else { panic!("not a deliver") };
    assert_eq!((read.consumer_tag.len(), read.exchange.len(), read.routing_key.len()), (255, 255, 255));
}
