//! Against amq-protocol, a codec written by others: it reads what we write,
//! finds the same values, and what it writes is what we wrote.

use crate::specimens;
use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parse_frame};
use amqp::{ContentHeader, FieldTable, Method, Properties, RawTable, frame, properties};
use proptest::prelude::*;

/// Their reading of our bytes, all of them.
fn theirs(ours: &[u8]) -> AMQPFrame {
    let (rest, frame) = parse_frame(ours).expect("they read our frame");
    assert!(rest.is_empty(), "they leave {} bytes", rest.len());
    frame
}

/// Their bytes.
fn written(frame: &AMQPFrame) -> Vec<u8> {
    gen_frame(frame)(WriteContext::from(Vec::new())).expect("they write").write
}

/// Flags and numbers in a struct's `Debug`, in order: what both codecs' structs
/// have in common however they are made.
fn plain_fields(debug: &str) -> Vec<String> {
    let fields = debug.split(['{', ',', '}']).filter_map(|field| field.split_once(": "));
    fields
        .map(|(_, value)| value.trim())
        .filter(|value| matches!(*value, "true" | "false") || value.parse::<u64>().is_ok())
        .map(str::to_owned)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn methods_are_theirs(seed in specimens::seed(), channel: u16) {
        for mut method in seed.methods() {
            // They take these two fields for reserved and write constants.
            match &mut method {
                Method::AccessRequestOk(ok) => ok.ticket = 1,
                Method::BasicQos(qos) => qos.prefetch_size = 0,
                _ => {}
            }
            let mut ours = Vec::new();
            method.write_frame(channel, &mut ours);
            let bytes = written(&theirs(&ours));
            prop_assert_eq!(&bytes, &ours, "{}", method.id());
            let (frame, _) = frame::split(&bytes, 0).unwrap().unwrap();
            prop_assert_eq!(Method::decode(frame.payload), Ok(method));
        }
    }

    #[test]
    fn headers_are_theirs(table in specimens::table(), texts in [specimens::text(), specimens::text()],
                          mode: u8, time: u64, body_size: u64, channel: u16) {
        let headers = table.to_bytes();
        let some = Properties {
            content_type: Some(texts[0].as_bytes()),
            headers_raw: Some(&headers),
            delivery_mode: Some(mode),
            reply_to: Some(texts[1].as_bytes()),
            timestamp: Some(time),
            cluster_id: Some(b"cluster"),
            ..Properties::default()
        };
        let (mut encoded, mut ours) = (Vec::new(), Vec::new());
        some.encode(&mut encoded);
        properties::write_header_frame(channel, body_size, &encoded, &mut ours);
        let parsed = theirs(&ours);
        let AMQPFrame::Header(_, header) = &parsed else { panic!("not a header: {parsed:?}") };
        prop_assert_eq!(header.body_size, body_size);
        prop_assert_eq!(header.properties.delivery_mode(), &Some(mode));
        prop_assert_eq!(header.properties.timestamp(), &Some(time));
        prop_assert_eq!(header.properties.reply_to().as_ref().map(|text| text.as_str()), Some(texts[1].as_str()));
        let bytes = written(&parsed);
        prop_assert_eq!(&bytes, &ours);
        let (frame, _) = frame::split(&bytes, 0).unwrap().unwrap();
        let header = ContentHeader::parse(frame.payload).unwrap();
        prop_assert_eq!(Properties::parse(header.properties), Ok(some));
    }
}

/// Methods with several flags, one of them set at a time.
fn one_flag_at_a_time() -> Vec<Method<'static>> {
    use amqp::method::{access, basic, exchange, queue};
    let empty = RawTable::default();
    let mut methods = Vec::new();
    for bit in 0..5 {
        let [a, b, c, d, e] = std::array::from_fn(|place| place == bit);
        methods.push(Method::ExchangeDeclare(exchange::Declare {
            exchange: "x",
            exchange_type: "topic",
            passive: a,
            durable: b,
            auto_delete: c,
            internal: d,
            no_wait: e,
            arguments: empty,
        }));
        methods.push(Method::QueueDeclare(queue::Declare {
            queue: "q",
            passive: a,
            durable: b,
            exclusive: c,
            auto_delete: d,
            no_wait: e,
            arguments: empty,
        }));
        methods.push(Method::QueueDelete(queue::Delete {
            queue: "q",
            if_unused: a,
            if_empty: b,
            no_wait: c,
        }));
        methods.push(Method::BasicConsume(basic::Consume {
            queue: "q",
            consumer_tag: "t",
            no_local: a,
            no_ack: b,
            exclusive: c,
            no_wait: d,
            arguments: empty,
        }));
        methods.push(Method::BasicNack(basic::Nack { delivery_tag: 9, multiple: a, requeue: b }));
        methods.push(Method::AccessRequest(access::Request {
            realm: "r",
            exclusive: a,
            passive: b,
            active: c,
            write: d,
            read: e,
        }));
    }
    methods
}

/// Equal bytes do not show that a field stands in its place: two of a kind might
/// be swapped. Flags and numbers are told apart by their values.
#[test]
fn flags_and_numbers_are_in_their_places() {
    use amqp::method::{connection, queue};
    let mut methods = one_flag_at_a_time();
    methods.push(Method::ConnectionTune(connection::Tune { channel_max: 1, frame_max: 2, heartbeat: 3 }));
    methods.push(Method::ConnectionClose(connection::Close {
        reply_code: 320,
        reply_text: "t",
        class_id: 60,
        method_id: 40,
    }));
    methods.push(Method::QueueDeclareOk(queue::DeclareOk {
        queue: "q",
        message_count: 4,
        consumer_count: 5,
    }));
    for method in methods {
        let mut ours = Vec::new();
        method.write_frame(1, &mut ours);
        let AMQPFrame::Method(1, class) = theirs(&ours) else { panic!("not a method on channel 1") };
        assert_eq!(
            plain_fields(&format!("{method:?}")),
            plain_fields(&format!("{class:?}")),
            "{}",
            method.id()
        );
    }
}

#[test]
fn strings_are_in_their_places() {
    use amq_protocol::protocol::{AMQPClass, basic, exchange, queue};
    let mut arguments = FieldTable::new();
    arguments.insert("x-match", "any");
    let arguments = arguments.to_bytes();
    let arguments = RawTable::parse(&arguments).unwrap();
    let frame = |method: Method<'_>| {
        let mut ours = Vec::new();
        method.write_frame(1, &mut ours);
        match theirs(&ours) {
            AMQPFrame::Method(1, class) => class,
            other => panic!("not a method on channel 1: {other:?}"),
        }
    };

    let deliver = amqp::method::basic::Deliver {
        consumer_tag: "tag",
        delivery_tag: 7,
        redelivered: true,
        exchange: b"ex",
        routing_key: b"key",
    };
    let AMQPClass::Basic(basic::AMQPMethod::Deliver(read)) = frame(Method::BasicDeliver(deliver)) else {
        panic!()
    };
    assert_eq!(
        (read.consumer_tag.as_str(), read.exchange.as_str(), read.routing_key.as_str()),
        ("tag", "ex", "key")
    );

    let bind = amqp::method::queue::Bind {
        queue: "q",
        exchange: "ex",
        routing_key: b"key",
        no_wait: false,
        arguments,
    };
    let AMQPClass::Queue(queue::AMQPMethod::Bind(read)) = frame(Method::QueueBind(bind)) else { panic!() };
    assert_eq!((read.queue.as_str(), read.exchange.as_str(), read.routing_key.as_str()), ("q", "ex", "key"));
    assert_eq!(read.arguments.inner().len(), 1);

    let unbind = amqp::method::exchange::Unbind {
        destination: "to",
        source: "from",
        routing_key: b"key",
        no_wait: true,
        arguments,
    };
    let AMQPClass::Exchange(exchange::AMQPMethod::Unbind(read)) = frame(Method::ExchangeUnbind(unbind))
    else {
        panic!()
    };
    assert_eq!(
        (read.destination.as_str(), read.source.as_str(), read.routing_key.as_str()),
        ("to", "from", "key")
    );
}
