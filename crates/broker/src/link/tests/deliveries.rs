//! What is delivered and not settled: tags, limits, and what an acknowledgement takes out.

use std::sync::atomic::Ordering;

use super::*;
use crate::link::Deliveries;

/// Ten deliveries, of two queues in turn, to one consumer and, each fifth, to `basic.get`.
fn ten() -> (Deliveries, Arc<Consumer>) {
    let (queues, consumer) = ([FakeQueue::new(1), FakeQueue::new(2)], Arc::new(consumer("c", 0)));
    let mut deliveries = Deliveries::default();
    for at in 1..=10_usize {
        let tag = deliveries.next_tag();
        let queue: Arc<dyn QueueType> = Arc::clone(&queues[at % 2]) as Arc<_>;
        let consumer = (at % 5 != 0).then(|| Arc::clone(&consumer));
        deliveries.track(Unacked { tag, queue, consumer, entry: Some(entry(tag)) });
    }
    (deliveries, consumer)
}

/// Settles and names the tags that were taken out.
fn settle(deliveries: &mut Deliveries, tag: u64, multiple: bool) -> Option<Vec<u64>> {
    let mut out = Vec::new();
    deliveries.settle(tag, multiple, &mut out)?;
    assert!(out.iter().all(|unacked| unacked.entry.is_some()));
    Some(out.iter().map(|unacked| unacked.tag).collect())
}

#[test]
fn each_delivery_is_settled_once_in_any_order() {
    let (mut deliveries, consumer) = ten();
    assert_eq!((deliveries.outstanding, consumer.in_flight.load(Ordering::Relaxed)), (10, 8));
    for tag in [4, 1, 10, 3, 2, 7, 5, 6, 9, 8] {
        assert_eq!(settle(&mut deliveries, tag, false), Some(vec![tag]));
        assert_eq!(settle(&mut deliveries, tag, false), None, "{tag} is settled");
    }
    assert_eq!((deliveries.outstanding, consumer.in_flight.load(Ordering::Relaxed)), (0, 0));
    assert_eq!(settle(&mut deliveries, 11, false), None, "it was never sent");
    assert_eq!(deliveries.next_tag(), 11, "tags are not used twice");
}

#[test]
fn multiple_takes_all_up_to_its_tag_and_leaves_out_what_is_settled() {
    let (mut deliveries, consumer) = ten();
    assert_eq!(settle(&mut deliveries, 3, false), Some(vec![3]));
    assert_eq!(settle(&mut deliveries, 3, true), None, "RabbitMQ wants the very tag, with multiple too");
    assert_eq!(settle(&mut deliveries, 5, true), Some(vec![1, 2, 4, 5]));
    assert_eq!(settle(&mut deliveries, 5, true), None);
    assert_eq!(settle(&mut deliveries, 8, false), Some(vec![8]));
    assert_eq!(settle(&mut deliveries, 0, true), Some(vec![6, 7, 9, 10]), "0 is all there are");
    assert_eq!(settle(&mut deliveries, 0, true), Some(vec![]), "and may be none");
    assert_eq!(settle(&mut deliveries, 0, false), None, "one delivery has a tag");
    assert_eq!((deliveries.outstanding, consumer.in_flight.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn what_is_taken_out_counts_until_it_is_discounted() {
    let (mut deliveries, consumer) = ten();
    let mut taken = Vec::new();
    assert_eq!(deliveries.take_out(6, true, &mut taken), Some(()));
    assert_eq!((deliveries.outstanding, consumer.in_flight.load(Ordering::Relaxed)), (10, 8));
    deliveries.discount(&taken);
    assert_eq!((deliveries.outstanding, consumer.in_flight.load(Ordering::Relaxed)), (4, 3));
}

#[test]
fn what_is_put_back_is_found_again_in_its_place() {
    let (mut deliveries, _) = ten();
    let mut taken = Vec::new();
    // One whose place stays, because it is not at the front, and all up to another.
    assert_eq!(deliveries.take_out(8, false, &mut taken), Some(()));
    assert_eq!(deliveries.take_out(4, true, &mut taken), Some(()));
    deliveries.put_back(taken);
    assert_eq!(settle(&mut deliveries, 0, true), Some((1..=10).collect()));
}

#[test]
fn a_shared_limit_counts_consumers_only() {
    let (mut deliveries, consumer) = ten();
    let without_acknowledgement = Consumer { no_ack: true, ..super::consumer("n", 0) };
    assert!(deliveries.has_credit(&consumer), "0 is no limit");
    deliveries.prefetch_limit = 9;
    assert!(deliveries.has_credit(&consumer), "two of ten were got");
    deliveries.prefetch_limit = 8;
    assert!(!deliveries.has_credit(&consumer));
    assert!(deliveries.has_credit(&without_acknowledgement), "what is not acknowledged has no limit");
    settle(&mut deliveries, 5, false);
    assert!(!deliveries.has_credit(&consumer), "a message that was got makes no room");
    settle(&mut deliveries, 1, false);
    assert!(deliveries.has_credit(&consumer));
}
