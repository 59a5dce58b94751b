//! Messages in, deliveries out.

use super::*;
use crate::link::OUTBOX_LIMIT;
use crate::queue::deletion::Condition;

#[test]
fn a_willing_consumer_is_given_the_message_from_the_batch() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, consumer("c", 0));
    let effects = publish(&queue, 1..=3, Publish::default());
    assert_eq!(numbers(&received(&client)), [1, 2, 3]);
    assert_eq!(counts(&queue), (0, 3));
    assert!(effects.settled.is_empty(), "they wait for their acknowledgement");
    assert_eq!(effects.wake.len(), 1, "the client's task is woken once for all");
    assert_eq!(queue.ground.memory.held(), 0, "what is delivered does not wait in memory");
}

#[test]
fn without_acknowledgement_a_message_is_done_with_at_once() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, Consumer { no_ack: true, ..consumer("c", 1) });
    let effects = publish(&queue, 1..=3, Publish::default());
    assert_eq!(numbers(&received(&client)), [1, 2, 3], "a prefetch limit is for acknowledgements only");
    assert_eq!(counts(&queue), (0, 0));
    assert_eq!(effects.settled.len(), 3, "the log hears of each");
    let effects = publish(&queue, 4..=5, Publish { persistent: false, ..Publish::default() });
    assert!(effects.settled.is_empty(), "it has no records of these");
}

#[test]
fn what_waits_goes_before_what_comes() {
    let (queue, client) = (queue(Arguments::default()), link());
    publish(&queue, 1..=4, Publish::default());
    subscribe(&queue, &client, consumer("c", 3));
    publish(&queue, 5..=6, Publish::default());
    assert_eq!(numbers(&received(&client)), [1, 2, 3]);
    assert_eq!(counts(&queue), (3, 3));
    acknowledge(&queue, &client, 2, true);
    assert_eq!(numbers(&received(&client)), [4, 5], "two acknowledged, two more");
    acknowledge(&queue, &client, 4, false);
    assert_eq!(numbers(&received(&client)), [6]);
    assert_eq!(counts(&queue), (0, 3));
}

#[test]
fn higher_priorities_overtake_what_waits_and_nothing_that_is_delivered() {
    let (queue, client) = (queue(Arguments { max_priority: Some(9), ..Arguments::default() }), link());
    for (number, priority) in [(1, 0), (2, 5), (3, 200), (4, 5), (5, 9)] {
        publish(&queue, [number], Publish { priority, ..Publish::default() });
    }
    subscribe(&queue, &client, consumer("c", 2));
    assert_eq!(numbers(&received(&client)), [3, 5], "beyond the highest is the highest");
    requeue(&queue, &client, 1, false);
    assert_eq!(numbers(&received(&client)), [3], "it is the first of the highest still");
    acknowledge(&queue, &client, 0, true);
    assert_eq!(numbers(&received(&client)), [2, 4]);
    acknowledge(&queue, &client, 0, true);
    assert_eq!(numbers(&received(&client)), [1]);
}

#[test]
fn what_has_expired_is_dropped_on_its_way() {
    let (queue, client) = (queue(Arguments::default()), link());
    let long_ago = now_ms() - 10_000;
    let short = Publish { ttl_ms: Some(10), now: long_ago, ..Publish::default() };
    let effects = publish(&queue, [1, 2], short);
    assert_eq!(effects.arm.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [long_ago + 10], "once for both");
    publish(&queue, [3], Publish::default());
    publish(&queue, [4], short);
    let at = queue.clone();
    at.add_consumer(&client, &Arc::new(consumer("c", 0)), || ()).expect("let in");
    let mut effects = Effects::default();
    queue.serve(&mut effects);
    assert_eq!(numbers(&received(&client)), [3]);
    assert_eq!(effects.settled.len(), 3, "heads, and what became one on the way");
    assert_eq!(counts(&queue), (0, 1));
}

#[test]
fn the_timer_drops_heads_and_is_armed_for_the_next() {
    let queue = queue(Arguments { message_ttl_ms: Some(60_000), ..Arguments::default() });
    let now = now_ms();
    publish(&queue, [1], Publish { ttl_ms: Some(1000), now, ..Publish::default() });
    publish(&queue, [2], Publish { ttl_ms: Some(120_000), now, ..Publish::default() });
    let mut effects = Effects::default();
    assert!(!queue.expire(now + 999, &mut effects));
    assert!(effects.settled.is_empty());
    assert_eq!(effects.arm.pop().map(|(at, _)| at), Some(now + 1000));
    assert!(!queue.expire(now + 1000, &mut effects));
    assert_eq!(effects.settled.len(), 1);
    assert_eq!(
        effects.arm.pop().map(|(at, _)| at),
        Some(now + 60_000),
        "the queue's limit is the shorter one"
    );
    assert!(!queue.expire(now + 60_000, &mut effects));
    assert_eq!((effects.settled.len(), counts(&queue)), (2, (0, 0)));
    assert!(effects.arm.is_empty(), "there is nothing to wait for");
}

#[test]
fn a_client_that_does_not_read_starves_its_queue_alone() {
    let (queue, slow, quick) = (queue(Arguments::default()), link(), link());
    let large = Publish { len: 100_000, ..Publish::default() };
    subscribe(&queue, &slow, consumer("slow", 0));
    let effects = publish(&queue, 1..=20, large);
    assert!(effects.backlog.is_some(), "its publisher should wait");
    let fits = OUTBOX_LIMIT.div_ceil(100_000) as u64;
    assert_eq!(counts(&queue), (20 - fits, fits), "the last one may reach beyond the limit");
    subscribe(&queue, &quick, consumer("quick", 3));
    assert_eq!(numbers(&received(&quick)), (fits + 1..fits + 4).collect::<Vec<_>>());
    let mut bytes = Vec::new();
    slow.take_frames(&mut bytes);
    assert!(slow.wrote(bytes.len()), "there is something for it");
    slow.serve_starved(&mut Effects::default());
    assert_eq!(received(&slow).len(), fits as usize, "it goes on where it stopped");
    assert_eq!(counts(&queue), (20 - 3 - 2 * fits, 3 + 2 * fits));
}

#[test]
fn a_deleted_queue_takes_nothing() {
    let (queue, client) = (queue(Arguments::default()), link());
    publish(&queue, 1..=2, Publish::default());
    let remains = queue.condemn(Condition::Always).expect("deleted");
    assert_eq!((remains.messages, remains.records().len()), (2, 2));
    let effects = publish(&queue, [3], Publish::default());
    assert_eq!(effects.settled.len(), 1, "a message that came too late has a record all the same");
    assert_eq!(counts(&queue), (0, 0));
    assert!(queue.add_consumer(&client, &Arc::new(consumer("c", 0)), || ()).is_err());
}
