//! A connection's bytes, as the broker takes them apart: whatever is accepted is
//! written again and must be read as the same.
#![no_main]

use amqp::{ContentHeader, Method, Properties, frame, properties};
use libfuzzer_sys::fuzz_target;

/// Large enough for most inputs, small enough that the limit is met, too.
const FRAME_MAX: u32 = 4096;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok(Some((frame, used))) = frame::split(rest, FRAME_MAX) {
        assert_eq!(used, frame.payload.len() + frame::OVERHEAD);
        match frame.kind {
            frame::METHOD => method(frame.payload, frame.channel),
            frame::HEADER => header(frame.payload, frame.channel),
            frame::BODY => body(frame.payload, frame.channel),
            _ => {}
        }
        rest = &rest[used..];
    }
    // The frame's envelope is a threshold for the fuzzer: payloads alone, too.
    method(data, 1);
    header(data, 1);
});

fn method(payload: &[u8], channel: u16) {
    let Ok(method) = Method::decode(payload) else { return };
    let mut out = Vec::new();
    method.write_frame(channel, &mut out);
    let (frame, used) = frame::split(&out, 0).expect("our frame is one").expect("our frame is whole");
    assert_eq!((used, frame.kind, frame.channel), (out.len(), frame::METHOD, channel));
    assert_eq!(Method::decode(frame.payload), Ok(method));
    if let Method::BasicDeliver(deliver) = method {
        let mut fast = Vec::new();
        amqp::method::basic::write_deliver_frame(
            channel,
            deliver.consumer_tag.as_bytes(),
            deliver.delivery_tag,
            deliver.redelivered,
            deliver.exchange,
            deliver.routing_key,
            &mut fast,
        );
        assert_eq!(fast, out);
    }
}

fn header(payload: &[u8], channel: u16) {
    let Ok(header) = ContentHeader::parse(payload) else { return };
    let Ok(parsed) = Properties::parse(header.properties) else { return };
    let mut encoded = Vec::new();
    parsed.encode(&mut encoded);
    assert_eq!(Properties::parse(&encoded), Ok(parsed));
    let _ = parsed.headers();

    let mut out = Vec::new();
    properties::write_header_frame(channel, header.body_size, header.properties, &mut out);
    let (frame, _) = frame::split(&out, 0).expect("our frame is one").expect("our frame is whole");
    let again = ContentHeader::parse(frame.payload).expect("our header is one");
    assert_eq!((again.body_size, again.properties), (header.body_size, header.properties));
}

fn body(payload: &[u8], channel: u16) {
    let mut out = Vec::new();
    // A frame size that makes many frames of few bytes.
    properties::write_body_frames(channel, payload, 16, &mut out);
    let (mut rest, mut joined) = (&out[..], Vec::new());
    while let Some((frame, used)) = frame::split(rest, 16).expect("our frames are small enough") {
        joined.extend_from_slice(frame.payload);
        rest = &rest[used..];
    }
    assert!(rest.is_empty());
    assert_eq!(joined, payload);
}
