//! Acknowledgements, transactions, and what a connection's end gives back.

use super::*;

/// A client with messages `1` to `count` of the queue `q` delivered and not acknowledged.
fn with_deliveries(server: &Server, count: u32) -> Client {
    let mut client = server.client();
    client.say(1, &declare("q"));
    let published: Vec<u8> =
        (1..=count).flat_map(|number| publish(1, "q", number.to_string().as_bytes())).collect();
    client.feed(&published);
    client.say(1, &consume("q", "c"));
    assert_eq!(client.deliveries().len(), count as usize);
    client
}

#[test]
fn acknowledgements_of_one_read_are_carried_out_together() {
    let server = Server::new();
    let mut client = with_deliveries(&server, 6);
    let mut read = Vec::new();
    for (tag, multiple) in [(2, false), (4, true), (6, false)] {
        ack(tag, multiple).write_frame(1, &mut read);
    }
    client.feed(&read);
    assert!(client.answers().is_empty());
    assert_eq!(client.session.link.lock().channel(1).map(|deliveries| deliveries.outstanding), Some(1));
    client.end();
    assert_eq!(server.queue("q").counts(), (1, 0), "5 is back");
}

#[test]
fn an_unknown_tag_closes_its_channel_and_gives_back_the_rest() {
    let server = Server::new();
    let mut client = with_deliveries(&server, 4);
    let mut read = Vec::new();
    for tag in [1, 1, 2] {
        ack(tag, false).write_frame(1, &mut read);
    }
    client.feed(&read);
    assert_eq!(client.answers(), ["1 channel.close 406"]);
    assert_eq!(server.queue("q").counts(), (3, 0), "what came behind the error is not looked at");
    let mut next = server.client();
    next.say(1, &consume("q", "next"));
    let back = next.deliveries();
    assert_eq!(bodies(&back), ["2", "3", "4"]);
    assert!(back.iter().all(|got| got.redelivered));
}

#[test]
fn nack_and_recover_put_messages_back_in_order() {
    let server = Server::new();
    let mut client = with_deliveries(&server, 4);
    let nack =
        |delivery_tag, multiple, requeue| Method::BasicNack(basic::Nack { delivery_tag, multiple, requeue });
    client.say(1, &nack(2, true, true));
    assert_eq!(bodies(&client.deliveries()), ["1", "2"]);
    client.say(1, &nack(3, false, false));
    client.say(1, &Method::BasicRecover(basic::Recover { requeue: true }));
    let recovered = client.heard();
    assert_eq!(said(&recovered)[0], "1 basic.recover-ok");
    assert_eq!(bodies(&deliveries_in(&recovered)), ["1", "2", "4"], "3 was rejected for good");
}

#[test]
fn a_rollback_publishes_nothing_and_leaves_deliveries_outstanding() {
    let server = Server::new();
    let mut client = with_deliveries(&server, 3);
    client.say(1, &declare("answers"));
    client.say(1, &Method::TxSelect);
    client.feed(&publish(1, "answers", b"forgotten"));
    client.say(1, &ack(2, true));
    assert_eq!(server.queue("answers").counts().0, 0, "nothing before the commit");
    client.say(1, &Method::TxRollback);
    assert_eq!(client.answers(), ["1 queue.declare-ok", "1 tx.select-ok", "1 tx.rollback-ok"]);
    assert_eq!(server.queue("answers").counts().0, 0);
    assert_eq!(server.node.message_memory(), 0, "the account of memory forgets it too");
    client.feed(&publish(1, "answers", b"kept"));
    client.say(1, &ack(2, true));
    client.say(1, &Method::TxCommit);
    server.node.vhost("/").expect("there").store().log.sync().expect("on disk");
    client.session.confirm();
    assert_eq!(client.answers(), ["1 tx.commit-ok"], "the tags were outstanding still");
    assert_eq!(server.queue("answers").counts().0, 1);
    client.end();
    assert_eq!(server.queue("q").counts().0, 1);
}

#[test]
fn a_connection_that_ends_gives_back_everything() {
    let server = Server::new();
    let mut client = with_deliveries(&server, 3);
    let mine = queue::Declare { queue: "mine", exclusive: true, ..queue::Declare::default() };
    client.say(1, &Method::QueueDeclare(mine));
    let going = queue::Declare { queue: "going", auto_delete: true, ..queue::Declare::default() };
    client.say(1, &Method::QueueDeclare(going));
    client.say(1, &consume("going", "last"));
    client.say(1, &Method::TxSelect);
    client.say(1, &ack(1, false));
    let vhost = server.node.vhost("/").expect("there");
    assert_eq!(vhost.queue_count(), 3);
    client.end();
    assert_eq!(
        (vhost.queue_count(), server.queue("q").counts()),
        (1, (3, 0)),
        "an ack is void without its commit"
    );
}

#[test]
fn a_global_limit_that_grows_lets_waiting_messages_through() {
    let server = Server::new();
    let mut client = server.client();
    client.say(1, &declare("q"));
    let qos = |prefetch_count| {
        Method::BasicQos(basic::Qos { prefetch_count, global: true, ..basic::Qos::default() })
    };
    client.say(1, &qos(2));
    client.say(1, &consume("q", "a"));
    client.say(1, &consume("q", "b"));
    client.heard();
    let published: Vec<u8> = (1..=9).flat_map(|number| publish(1, "q", &[b'0' + number])).collect();
    client.feed(&published);
    assert_eq!(bodies(&client.deliveries()), ["1", "2"]);
    client.say(1, &qos(5));
    assert_eq!(bodies(&client.deliveries()), ["3", "4", "5"]);
    client.say(1, &ack(0, true));
    assert_eq!(client.deliveries().len(), 4);
}

#[test]
fn a_deleted_queue_cancels_its_consumers() {
    let server = Server::new();
    let mut client = with_deliveries(&server, 1);
    let mut other = server.client();
    other.say(1, &Method::QueueDelete(queue::Delete { queue: "q", ..queue::Delete::default() }));
    assert_eq!(other.answers(), ["1 queue.delete-ok"]);
    client.session.take_cancelled();
    assert_eq!(client.answers(), ["1 basic.cancel"]);
    client.say(1, &ack(1, false));
    assert!(client.answers().is_empty(), "what it was given can be acknowledged all the same");
}
