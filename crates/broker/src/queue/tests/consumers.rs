//! Who is served next.

use super::*;

/// The consumers' tags, one for each message, in the order of the numbers.
fn served(clients: &[&Arc<Link>]) -> Vec<String> {
    let mut all: Vec<(u64, String)> = clients
        .iter()
        .flat_map(|client| received(client))
        .map(|got| (got.number(), got.consumer.clone()))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, consumer)| consumer).collect()
}

#[test]
fn equals_take_turns() {
    let (queue, one, two) = (queue(Arguments::default()), link(), link());
    subscribe(&queue, &one, consumer("a", 0));
    subscribe(&queue, &two, consumer("b", 0));
    subscribe(&queue, &two, consumer("c", 0));
    let effects = publish(&queue, 1..=7, Publish::default());
    assert_eq!(served(&[&one, &two]), ["a", "b", "c", "a", "b", "c", "a"]);
    assert_eq!(effects.wake.len(), 2, "a connection is woken once");
    publish(&queue, 8..=9, Publish::default());
    assert_eq!(served(&[&one, &two]), ["b", "c"], "the turn goes on where it was");
}

#[test]
fn the_highest_priority_is_served_as_long_as_it_has_credit() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, consumer("low", 0));
    subscribe(&queue, &client, Consumer { priority: 10, ..consumer("high", 2) });
    subscribe(&queue, &client, Consumer { priority: -1, ..consumer("lowest", 0) });
    publish(&queue, 1..=4, Publish::default());
    assert_eq!(served(&[&client]), ["high", "high", "low", "low"]);
    acknowledge(&queue, &client, 1, false);
    publish(&queue, 5..=6, Publish::default());
    assert_eq!(served(&[&client]), ["high", "low"]);
}

#[test]
fn whoever_has_no_credit_is_passed_over() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, consumer("a", 1));
    subscribe(&queue, &client, consumer("b", 2));
    publish(&queue, 1..=5, Publish::default());
    assert_eq!(served(&[&client]), ["a", "b", "b"]);
    assert_eq!(counts(&queue), (2, 3));
    acknowledge(&queue, &client, 0, true);
    assert_eq!(served(&[&client]).len(), 2);
    assert_eq!(counts(&queue), (0, 2));
}

#[test]
fn a_closed_channel_is_given_nothing() {
    let (queue, gone, there) = (queue(Arguments::default()), link(), link());
    subscribe(&queue, &gone, consumer("gone", 0));
    subscribe(&queue, &there, consumer("there", 0));
    publish(&queue, 1..=2, Publish::default());
    assert_eq!(served(&[&gone, &there]), ["gone", "there"]);
    let unacked = gone.lock().close_channel(1);
    assert_eq!(unacked.len(), 1);
    publish(&queue, 3..=4, Publish::default());
    assert_eq!(served(&[&gone, &there]), ["there", "there"]);
}

#[test]
fn a_limit_that_a_channel_shares_holds_for_all_its_consumers() {
    let (queue, client) = (queue(Arguments::default()), link());
    if let Some(deliveries) = client.lock().channel(1) {
        deliveries.prefetch_limit = 3;
    }
    subscribe(&queue, &client, consumer("a", 0));
    subscribe(&queue, &client, consumer("b", 1));
    publish(&queue, 1..=9, Publish::default());
    assert_eq!(served(&[&client]), ["a", "b", "a"]);
    acknowledge(&queue, &client, 1, false);
    assert_eq!(served(&[&client]), ["a"], "b waits for its own acknowledgement");
    acknowledge(&queue, &client, 3, true);
    assert_eq!(served(&[&client]).len(), 2);
}
