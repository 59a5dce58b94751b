//! What many consumers cost: a serve asks those who may take something, however many cannot.

use super::*;
use crate::link::OUTBOX_LIMIT;

/// Consumers of one channel, let in one after the other.
const MANY: usize = 2000;

fn limit(client: &Link, limit: u16) {
    client.lock().channel(1).expect("open").prefetch_limit = limit;
}

fn subscribe_many(queue: &Arc<Queue>, client: &Arc<Link>, prefetch: u16) -> Vec<Arc<Consumer>> {
    (0..MANY).map(|at| subscribe(queue, client, consumer(&format!("c{at}"), prefetch))).collect()
}

/// How often consumers were asked meanwhile.
fn asked(queue: &Queue, meanwhile: impl FnOnce()) -> u64 {
    let before = queue.lock().consumers.asked;
    meanwhile();
    queue.lock().consumers.asked - before
}

/// The consumers' tags, in the order of the deliveries.
fn tags(client: &Link) -> Vec<String> {
    received(client).into_iter().map(|got| got.consumer).collect()
}

#[test]
fn a_shared_limit_costs_what_it_lets_through() {
    let (queue, client) = (queue(Arguments::default()), link());
    limit(&client, 1);
    publish(&queue, 1..=200, Publish::default());
    let cost = asked(&queue, || drop(subscribe_many(&queue, &client, 0)));
    assert!(cost <= 2 * MANY as u64, "{cost} for {MANY} that come");
    let cost = asked(&queue, || (1..=100).for_each(|tag| drop(acknowledge(&queue, &client, tag, false))));
    assert!(cost <= 300, "{cost} for 100 acknowledgements");
    let cost = asked(&queue, || (101..=120).for_each(|tag| drop(requeue(&queue, &client, tag, false))));
    assert!(cost <= 60, "{cost} for 20 that come back");
    let cost = asked(&queue, || (0..100).for_each(|_| client.serve_limited(1, &mut Effects::default())));
    assert_eq!(cost, 0, "the limit is as tight as before");
    let cost = asked(&queue, || {
        limit(&client, 11);
        client.serve_limited(1, &mut Effects::default());
    });
    assert!(cost <= 30, "{cost} for ten more");
    let expected: Vec<String> = [0].into_iter().chain(0..130).map(|at| format!("c{at}")).collect();
    assert_eq!(tags(&client), expected, "the first while it was alone, then each in turn");
}

#[test]
fn credit_of_their_own_is_asked_for_where_it_came_back() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe_many(&queue, &client, 1);
    publish(&queue, 1..=MANY as u64, Publish::default());
    let cost = asked(&queue, || {
        for number in 0..100 {
            publish(&queue, [number], Publish::default());
        }
    });
    assert!(cost <= 1, "{cost} for 100 messages that nobody can take");
    let cost = asked(&queue, || (1..=100).for_each(|tag| drop(acknowledge(&queue, &client, tag, false))));
    assert!(cost <= 300, "{cost} for 100 acknowledgements");
    assert_eq!(counts(&queue), (0, MANY as u64));
    let expected: Vec<String> = (0..MANY).chain(0..100).map(|at| format!("c{at}")).collect();
    assert_eq!(tags(&client), expected);
}

#[test]
fn room_costs_what_fits_in() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe_many(&queue, &client, 0);
    let large = Publish { len: OUTBOX_LIMIT / 4, persistent: false, ..Publish::default() };
    let first = asked(&queue, || drop(publish(&queue, 1..=40, large)));
    assert!(first <= MANY as u64 + 8, "{first} ask once whoever is in the line");
    assert_eq!(tags(&client).len(), 4);
    for round in 0..5 {
        let cost = asked(&queue, || client.serve_starved(&mut Effects::default()));
        assert!(cost <= 12, "{cost} for four messages");
        let at = 4 + 4 * round;
        let expected: Vec<String> = (at..at + 4).map(|at| format!("c{at}")).collect();
        assert_eq!(tags(&client), expected, "each in turn");
    }
    let cost = asked(&queue, || (0..100).for_each(|_| drop(publish(&queue, [1], large))));
    assert!(cost <= 4, "{cost} while there is no room, or nobody was asked since there is");
}

#[test]
fn whoever_waits_with_others_and_goes_leaves_the_turn_to_the_next() {
    let (queue, client) = (queue(Arguments::default()), link());
    limit(&client, 1);
    let all = ["a", "b", "c", "d"].map(|tag| subscribe(&queue, &client, consumer(tag, 0)));
    publish(&queue, 1..=4, Publish::default());
    assert_eq!(tags(&client), ["a"]);
    let mut effects = Effects::default();
    queue.remove_consumer(&all[1], &mut effects);
    acknowledge(&queue, &client, 1, false);
    assert_eq!(tags(&client), ["c"]);
    queue.remove_consumer(&all[3], &mut effects);
    queue.remove_consumer(&all[0], &mut effects);
    acknowledge(&queue, &client, 2, false);
    assert_eq!(tags(&client), ["c"], "who alone is left");
    assert_eq!(counts(&queue), (1, 1));
    limit(&client, 0);
    client.serve_limited(1, &mut effects);
    assert_eq!(tags(&client), ["c"]);
    assert!(!queue.remove_consumer(&all[3], &mut effects), "it is gone");
    assert_eq!(queue.counts(), (0, 1));
}

#[test]
fn who_waits_for_room_and_for_a_shared_limit_is_served_when_it_has_both() {
    let (queue, client, large) = (queue(Arguments::default()), link(), OUTBOX_LIMIT);
    limit(&client, 1);
    let large = Publish { len: large, persistent: false, ..Publish::default() };
    for tag in ["a", "b", "c"] {
        subscribe(&queue, &client, consumer(tag, 0));
    }
    subscribe(&queue, &client, Consumer { no_ack: true, priority: -1, ..consumer("n", 0) });
    publish(&queue, 1..=9, large);
    assert_eq!(counts(&queue), (8, 1), "a has it, and there is no room for n");
    acknowledge(&queue, &client, 1, false);
    assert_eq!(counts(&queue), (8, 0), "the limit lets through what there is no room for");
    assert_eq!(tags(&client), ["a"]);
    let mut effects = Effects::default();
    client.serve_starved(&mut effects);
    assert_eq!(tags(&client), ["b"], "the turn is kept");
    client.serve_starved(&mut effects);
    assert_eq!(tags(&client), ["n"], "whose messages are not acknowledged");
    acknowledge(&queue, &client, 2, false);
    client.serve_starved(&mut effects);
    assert_eq!(tags(&client), ["c"]);
}
