//! Bytes taken in: whole, in pieces, and wrong.

use super::*;

/// A connection's life in bytes: a message in one frame, one in several, an empty one, each got back.
fn life() -> Vec<u8> {
    let mut bytes = greeting(60);
    let method = |method: &Method<'_>, bytes: &mut Vec<u8>| method.write_frame(1, bytes);
    method(&Method::ChannelOpen, &mut bytes);
    let exclusive = queue::Declare { queue: "mine", exclusive: true, ..queue::Declare::default() };
    method(&Method::QueueDeclare(exclusive), &mut bytes);
    let get = Method::BasicGet(basic::Get { queue: "mine", no_ack: true });
    for body in [&b"short"[..], &[b'x'; 5000], b""] {
        bytes.extend(publish(1, "mine", body));
        frame::heartbeat(&mut bytes);
        method(&get, &mut bytes);
    }
    method(&get, &mut bytes);
    method(&Method::ChannelClose(channel::Close::default()), &mut bytes);
    bytes
}

#[test]
fn it_does_not_matter_where_bytes_are_cut() {
    let server = Server::new();
    let bytes = life();
    let live = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut client = server.connect();
        let mut heard = Vec::new();
        for piece in pieces {
            client.feed(piece);
            heard.extend(client.heard());
        }
        assert!(client.leftover.is_empty());
        client.end();
        heard
    };
    let whole = live(&mut std::iter::once(bytes.as_slice()));
    let last = ["basic.get-ok", "basic.get-ok", "basic.get-ok", "basic.get-empty", "channel.close-ok"];
    let named = said(&whole);
    assert!(
        named.iter().map(|said| &said[2..]).rev().zip(last.iter().rev()).all(|(a, b)| a == *b),
        "{named:?}"
    );
    assert_eq!(deliveries_in(&whole).iter().map(|got| got.body.len()).collect::<Vec<_>>(), [5, 5000, 0]);
    // Within the large body's bytes one cut is like another.
    for cut in (0..bytes.len()).filter(|cut| *cut < 1200 || cut % 97 == 0 || bytes.len() - cut < 300) {
        assert_eq!(live(&mut [&bytes[..cut], &bytes[cut..]].into_iter()), whole, "cut at {cut}");
    }
    for size in [1, 2, 7, 64, 1000] {
        assert_eq!(live(&mut bytes.chunks(size)), whole, "in pieces of {size}");
    }
}

#[test]
fn an_error_ends_its_channel_and_nothing_around_it() {
    let server = Server::new();
    let mut client = server.client();
    client.say(2, &Method::ChannelOpen);
    client.say(1, &declare("q"));
    client.heard();
    let mut read = publish(1, "q", b"before");
    read.extend(publish_to(2, "nowhere", "q", b"lost"));
    read.extend(publish(2, "q", b"passed over"));
    read.extend(publish(1, "q", b"after"));
    client.feed(&read);
    assert_eq!(client.answers(), ["2 channel.close 404"]);
    assert_eq!(server.queue("q").counts().0, 2);
    client.say(2, &Method::ChannelOpen);
    assert_eq!(client.answers(), Vec::<String>::new(), "the number is taken until the client's answer");
    client.say(2, &Method::ChannelCloseOk);
    client.say(2, &Method::ChannelOpen);
    assert_eq!(client.answers(), ["2 channel.open-ok"]);
}

#[test]
fn a_broken_frame_ends_the_connection_with_what_came_before_it_done() {
    for (broken, code) in [
        (vec![1, 0, 1, 0, 0, 0x60, 0], 501),
        (vec![1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 40, 0xcd], 501),
        (vec![99, 0, 1, 0, 0, 0, 0, 206], 501),
        (vec![1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 99, 206], 540),
        (vec![2, 0, 0, 0, 0, 0, 14, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 206], 505),
    ] {
        let server = Server::new();
        let mut client = server.client();
        client.say(1, &declare("q"));
        client.heard();
        let mut read = publish(1, "q", b"before");
        read.extend(&broken);
        client.feed(&read);
        assert_eq!(client.answers(), [format!("0 connection.close {code}")], "{broken:?}");
        assert_eq!(server.queue("q").counts().0, 1, "{broken:?}");
        client.feed(&publish(1, "q", b"after the end"));
        client.say(0, &Method::ConnectionCloseOk);
        assert_eq!((client.answers().len(), server.queue("q").counts().0), (0, 1));
        client.end();
    }
}

#[test]
fn before_the_connection_is_open_errors_end_it_without_a_word() {
    let server = Server::new();
    let mut wrong_version = server.connect();
    wrong_version.feed(b"AMQP\x00\x01\x00\x00 and more");
    assert_eq!(wrong_version.heard(), PROTOCOL_HEADER);
    let mut stranger = server.connect();
    stranger.feed(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(stranger.heard(), PROTOCOL_HEADER);
    let mut hasty = server.connect();
    let mut bytes = PROTOCOL_HEADER.to_vec();
    declare("q").write_frame(1, &mut bytes);
    hasty.feed(&bytes);
    assert_eq!(hasty.answers(), ["0 connection.start"]);
    assert!(hasty.session.channels.is_empty() && hasty.session.card.vhost.get().is_none());
}

#[test]
fn content_has_to_be_what_was_announced() {
    let server = Server::with(|settings| settings.max_message_size = 10_000);
    let publishing = |then: &dyn Fn(&mut Vec<u8>)| {
        let mut client = server.client();
        let mut bytes = Vec::new();
        Method::BasicPublish(basic::Publish::default()).write_frame(1, &mut bytes);
        then(&mut bytes);
        client.feed(&bytes);
        let answers = client.answers();
        client.end();
        answers
    };
    let header = |size: u64, out: &mut Vec<u8>| write_header_frame(1, size, &[0, 0], out);
    let body = |len: usize, out: &mut Vec<u8>| write_body_frames(1, &vec![0; len], 8192, out);
    assert_eq!(publishing(&|out| body(1, out)), ["0 connection.close 505"], "no header");
    assert_eq!(publishing(&|out| declare("q").write_frame(1, out)), ["0 connection.close 505"]);
    let too_long = |out: &mut Vec<u8>| {
        header(3, out);
        body(2, out);
        body(2, out);
    };
    assert_eq!(publishing(&too_long), ["0 connection.close 505"]);
    let twice = |out: &mut Vec<u8>| {
        header(3, out);
        header(3, out);
    };
    assert_eq!(publishing(&twice), ["0 connection.close 505"]);
    assert_eq!(publishing(&|out| header(10_001, out)), ["1 channel.close 406"], "refused when announced");
    let exact = |out: &mut Vec<u8>| {
        header(10_000, out);
        body(10_000, out);
    };
    assert!(publishing(&exact).is_empty());
}

#[test]
fn confirms_keep_their_order_when_the_disk_has_what_it_must() {
    let server = Server::new();
    let mut client = server.client();
    client.say(1, &declare("q"));
    client.say(1, &Method::ConfirmSelect(amqp::method::confirm::Select::default()));
    client.heard();
    let mut read = publish(1, "q", b"1");
    read.extend(publish(1, "nowhere", b"2"));
    read.extend(publish(1, "q", b"3"));
    client.feed(&read);
    let vhost = server.node.vhost("/").expect("there");
    vhost.store().log.sync().expect("on disk");
    client.session.confirm();
    let bytes = client.heard();
    let acks: Vec<(u64, bool)> = frames(&bytes)
        .iter()
        .filter_map(|frame| match Method::decode(frame.payload) {
            Ok(Method::BasicAck(ack)) => Some((ack.delivery_tag, ack.multiple)),
            _ => None,
        })
        .collect();
    let last = acks.last().map(|(tag, _)| *tag);
    assert_eq!(last, Some(3), "{acks:?}");
    assert!(acks.windows(2).all(|pair| pair[0].0 < pair[1].0), "{acks:?}");
}
