//! What becomes of deliveries, and the ways around consumers.

use super::*;
use crate::queue::deletion::Condition;
use crate::queue::settlement::ConsumeRefusal;

#[test]
fn what_comes_back_takes_its_old_place_and_is_marked() {
    let (queue, first, second) = (queue(Arguments::default()), link(), link());
    publish(&queue, 1..=6, Publish::default());
    let consumer_of_first = subscribe(&queue, &first, consumer("first", 5));
    assert_eq!(numbers(&received(&first)), [1, 2, 3, 4, 5]);
    let mut effects = Effects::default();
    queue.remove_consumer(&consumer_of_first, &mut effects);
    for tag in [3, 1, 5] {
        requeue(&queue, &first, tag, false);
    }
    assert_eq!(counts(&queue), (4, 2));
    subscribe(&queue, &second, consumer("second", 0));
    let got = received(&second);
    assert_eq!(numbers(&got), [1, 3, 5, 6]);
    assert_eq!(got.iter().map(|got| got.redelivered).collect::<Vec<_>>(), [true, true, true, false]);
}

#[test]
fn acknowledgements_settle_records_once() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, consumer("c", 0));
    publish(&queue, 1..=3, Publish::default());
    publish(&queue, 4..=5, Publish { persistent: false, ..Publish::default() });
    let one = acknowledge(&queue, &client, 2, false);
    assert_eq!(one.settled.len(), 1);
    let rest = acknowledge(&queue, &client, 0, true);
    assert_eq!(rest.settled.len(), 2, "1 and 3; the others have no records");
    let mut ids: Vec<u64> = one.settled.iter().chain(&rest.settled).map(|(_, stored)| stored.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert!(rest.settled.iter().all(|(holder, _)| *holder == queue.id));
    assert_eq!(counts(&queue), (0, 0));
}

#[test]
fn what_comes_back_to_a_deleted_queue_is_settled() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, consumer("c", 0));
    publish(&queue, 1..=2, Publish::default());
    let remains = queue.condemn(Condition::Always).expect("deleted");
    assert_eq!(remains.consumers.len(), 1, "it is the caller's to tell");
    let effects = requeue(&queue, &client, 0, true);
    assert_eq!((effects.settled.len(), counts(&queue)), (2, (0, 0)));
}

#[test]
fn what_comes_back_expired_is_dropped() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, consumer("c", 1));
    publish(&queue, [1], Publish { ttl_ms: Some(20), ..Publish::default() });
    publish(&queue, [2], Publish { ttl_ms: Some(60_000), ..Publish::default() });
    std::thread::sleep(std::time::Duration::from_millis(40));
    let effects = requeue(&queue, &client, 1, false);
    assert_eq!(effects.settled.len(), 1);
    assert_eq!(numbers(&received(&client)), [1, 2]);
    assert_eq!(counts(&queue), (0, 1));
}

#[test]
fn get_takes_the_head_and_keeps_it_if_asked() {
    let (queue, client) = (queue(Arguments::default()), link());
    let user = Arc::from("guest");
    let get = |no_ack: bool| {
        let mut effects = Effects::default();
        let got = queue.get((&client, 1, &user), no_ack, &mut effects);
        (got, effects.settled.len())
    };
    assert_eq!(get(true), (false, 0));
    publish(&queue, 1..=3, Publish::default());
    assert_eq!(get(true), (true, 1));
    assert_eq!(get(false), (true, 0));
    assert_eq!(numbers(&received(&client)), [1, 2]);
    assert_eq!(counts(&queue), (1, 1));
    requeue(&queue, &client, 2, false);
    assert_eq!(get(false), (true, 0));
    let back = received(&client);
    assert_eq!((numbers(&back), back[0].redelivered), (vec![2], true));
}

#[test]
fn a_purge_leaves_what_is_delivered_alone() {
    let (queue, client) = (queue(Arguments::default()), link());
    subscribe(&queue, &client, consumer("c", 2));
    publish(&queue, 1..=9, Publish::default());
    let mut effects = Effects::default();
    assert_eq!(queue.purge(&mut effects), 7);
    assert_eq!((effects.settled.len(), counts(&queue)), (7, (0, 2)));
    assert_eq!(queue.ground.memory.held(), 0);
    requeue(&queue, &client, 0, true);
    assert_eq!(numbers(&received(&client)), [1, 2, 1, 2]);
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let (queue, client) = (queue(Arguments::default()), link());
    let exclusive = || Arc::new(Consumer { exclusive: true, ..consumer("x", 0) });
    let plain = || Arc::new(consumer("p", 0));
    let alone = exclusive();
    assert_eq!(queue.add_consumer(&client, &alone, || ()), Ok(()));
    assert_eq!(queue.add_consumer(&client, &plain(), || ()), Err(ConsumeRefusal::Exclusive));
    let mut effects = Effects::default();
    queue.remove_consumer(&alone, &mut effects);
    let one = plain();
    assert_eq!(queue.add_consumer(&client, &one, || ()), Ok(()));
    assert_eq!(queue.add_consumer(&client, &exclusive(), || ()), Err(ConsumeRefusal::Exclusive));
    assert_eq!(queue.add_consumer(&client, &plain(), || ()), Ok(()));
}

#[test]
fn an_unused_queue_expires_and_a_consumer_is_a_use() {
    let (queue, client) = (queue(Arguments { expires_ms: Some(1000), ..Arguments::default() }), link());
    let consumer = subscribe(&queue, &client, consumer("c", 0));
    let mut effects = Effects::default();
    assert!(!queue.expire(now_ms() + 5000, &mut effects), "it is in use, however long");
    assert!(effects.arm.is_empty(), "and nothing is to be waited for");
    queue.remove_consumer(&consumer, &mut effects);
    let (at, _) = effects.arm.pop().expect("its time begins now");
    assert!(!queue.expire(at - 1, &mut effects));
    assert!(queue.expire(at, &mut effects));
}
