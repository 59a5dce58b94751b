//! Answers that promise something, and what is said behind them.

use amqp::method::confirm;

use super::*;

/// Methods of a channel in one read.
fn read(methods: &[(u16, Method<'_>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    methods.iter().for_each(|(channel, method)| method.write_frame(*channel, &mut bytes));
    bytes
}

fn passive(queue: &str) -> Method<'_> {
    Method::QueueDeclare(queue::Declare { queue, passive: true, ..queue::Declare::default() })
}

/// Takes these in and hears the answers, which must not come before the log has on disk what it had then.
fn answered_when_on_disk(server: &Server, client: &mut Client, methods: &[(u16, Method<'_>)]) -> Vec<String> {
    let bytes = read(methods);
    let done = client.session.take_in(&bytes);
    client.leftover.extend_from_slice(&bytes[done..]);
    let vhost = server.node.vhost("/").expect("there");
    let end = vhost.store().log.end();
    let mut heard = client.heard();
    assert!(heard.is_empty() || vhost.store().log.durable() >= end, "answered before it is on disk");
    client.keep_promises();
    client.feed(&[]);
    heard.extend(client.heard());
    said(&heard)
}

#[test]
fn a_close_comes_behind_the_answers_before_it() {
    let server = Server::new();
    let close = || Method::ConnectionClose(connection::Close::default());
    let mut client = server.client();
    let heard = answered_when_on_disk(&server, &mut client, &[(1, declare("a")), (0, close())]);
    assert_eq!(heard, ["1 queue.declare-ok", "0 connection.close-ok"]);
    client.end();
    let mut client = server.client();
    let close = || Method::ChannelClose(channel::Close::default());
    let heard = answered_when_on_disk(&server, &mut client, &[(1, declare("b")), (1, close())]);
    assert_eq!(heard, ["1 queue.declare-ok", "1 channel.close-ok"]);
    client.end();
}

#[test]
fn an_error_comes_behind_the_answers_before_it() {
    let server = Server::new();
    let mut client = server.client();
    client.say(2, &Method::ChannelOpen);
    client.heard();
    let heard = answered_when_on_disk(
        &server,
        &mut client,
        &[(1, declare("a")), (1, passive("nope")), (2, declare("b"))],
    );
    assert_eq!(heard, ["1 queue.declare-ok", "1 channel.close 404", "2 queue.declare-ok"]);
    let heard = answered_when_on_disk(&server, &mut client, &[(2, declare("c")), (7, declare("d"))]);
    assert_eq!(heard, ["2 queue.declare-ok", "0 connection.close 504"]);
    client.say(0, &Method::ConnectionCloseOk);
    client.end();
}

#[test]
fn a_waived_answer_is_promised_by_the_next_one() {
    let server = Server::new();
    let mut client = server.client();
    let waived = Method::QueueDeclare(queue::Declare {
        queue: "q",
        durable: true,
        no_wait: true,
        ..queue::Declare::default()
    });
    let heard = answered_when_on_disk(
        &server,
        &mut client,
        &[(1, waived), (1, Method::BasicQos(basic::Qos::default()))],
    );
    assert_eq!(heard, ["1 basic.qos-ok"]);
    client.end();
}

#[test]
fn a_purge_is_answered_when_it_is_on_disk() {
    let server = Server::new();
    let mut client = server.client();
    client.say(1, &declare("q"));
    client.say(1, &Method::ConfirmSelect(confirm::Select::default()));
    client.feed(&publish(1, "q", b"gone"));
    server.node.vhost("/").expect("there").store().log.sync().expect("on disk");
    client.session.confirm();
    client.heard();
    let purge = Method::QueuePurge(queue::Purge { queue: "q", ..queue::Purge::default() });
    let heard = answered_when_on_disk(&server, &mut client, &[(1, purge)]);
    assert_eq!(heard, ["1 queue.purge-ok"]);
    client.end();
}
