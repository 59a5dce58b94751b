//! Content headers, properties and bodies.

use crate::specimens;
use amqp::{ContentHeader, Properties, RawTable, frame, properties};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Short strings, table, numbers: what properties borrow from, and copy.
type Seed = ([Option<Vec<u8>>; 10], Option<Vec<u8>>, Option<u8>, Option<u8>, Option<u64>);

fn seed() -> impl Strategy<Value = Seed> {
    let string = || option::of(vec(any::<u8>(), 0..=255));
    let strings = [(); 10].map(|()| string());
    let table = option::of(specimens::table().prop_map(|table| table.to_bytes()));
    (strings, table, any::<Option<u8>>(), any::<Option<u8>>(), any::<Option<u64>>())
}

fn filled((strings, table, mode, priority, time): &Seed) -> Properties<'_> {
    let [a, b, c, d, e, f, g, h, i, j] = strings.each_ref().map(Option::as_deref);
    Properties {
        content_type: a,
        content_encoding: b,
        headers_raw: table.as_deref(),
        delivery_mode: *mode,
        priority: *priority,
        correlation_id: c,
        reply_to: d,
        expiration: e,
        message_id: f,
        timestamp: *time,
        message_type: g,
        user_id: h,
        app_id: i,
        cluster_id: j,
    }
}

proptest! {
    #[test]
    fn properties_there_and_back(seed in seed()) {
        let properties = filled(&seed);
        let mut out = Vec::new();
        properties.encode(&mut out);
        prop_assert_eq!(Properties::parse(&out), Ok(properties));
        prop_assert_eq!(properties.headers().is_some(), seed.1.is_some());
        prop_assert!(properties.headers().is_none_or(|headers| headers.is_ok()));
    }

    #[test]
    fn no_prefix_and_no_surplus_are_properties(seed in seed()) {
        let mut out = Vec::new();
        filled(&seed).encode(&mut out);
        for end in 0..out.len() {
            prop_assert!(Properties::parse(&out[..end]).is_err());
        }
        out.push(0);
        prop_assert!(Properties::parse(&out).is_err());
    }

    #[test]
    fn bodies_come_back_joined(body in vec(any::<u8>(), 0..2000), frame_max in 9_u32..600, channel: u16) {
        let mut out = Vec::new();
        properties::write_body_frames(channel, &body, frame_max, &mut out);
        let (mut rest, mut joined, mut frames) = (&out[..], Vec::new(), 0);
        while let Some((frame, used)) = frame::split(rest, frame_max).unwrap() {
            prop_assert_eq!((frame.kind, frame.channel), (frame::BODY, channel));
            prop_assert!(!frame.payload.is_empty());
            joined.extend_from_slice(frame.payload);
            frames += 1;
            rest = &rest[used..];
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(frames, body.len().div_ceil(frame_max as usize - 8));
        prop_assert_eq!(joined, body);
    }
}

#[test]
fn a_header_byte_by_byte() {
    let mut out = Vec::new();
    properties::write_header_frame(5, 258, &[0x10, 0, 2], &mut out);
    assert_eq!(out, [2, 0, 5, 0, 0, 0, 15, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0x10, 0, 2, 206]);
    let (frame, _) = frame::split(&out, 4096).unwrap().unwrap();
    let header = ContentHeader::parse(frame.payload).unwrap();
    assert_eq!((header.class, header.body_size), (properties::CLASS_BASIC, 258));
    let properties = Properties::parse(header.properties).unwrap();
    assert_eq!(properties, Properties { delivery_mode: Some(2), ..Properties::default() });
}

#[test]
fn headers_are_not_looked_at_before_they_are_asked_for() {
    let mut out = Vec::new();
    Properties { headers_raw: Some(b"\x01k?"), ..Properties::default() }.encode(&mut out);
    let properties = Properties::parse(&out).unwrap();
    assert!(properties.headers().unwrap().is_err());
    assert_eq!(Properties::default().headers(), None::<Result<RawTable<'_>, _>>);
}

#[test]
fn what_is_no_header_is_refused() {
    assert!(ContentHeader::parse(&[0, 60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "weight");
    assert!(ContentHeader::parse(&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "short");
    assert!(Properties::parse(&[0, 1, 0, 0]).is_err(), "more flags");
    assert_eq!(Properties::parse(&[0, 2]), Ok(Properties::default()), "the bit that means nothing");
}

#[test]
fn an_empty_body_has_no_frame_and_no_limit_is_one_frame() {
    let mut out = Vec::new();
    properties::write_body_frames(1, b"", 4096, &mut out);
    assert!(out.is_empty());
    properties::write_body_frames(1, &[7; 100_000], 0, &mut out);
    assert_eq!(out.len(), 100_008);
    out.clear();
    properties::write_body_frames(1, &[7; 5000], 8, &mut out);
    assert_eq!(out.len(), 5016);
}
