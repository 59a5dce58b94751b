//! Frames that wait for a client, and the room there is for more.

use super::*;
use crate::link::{Deliveries, Delivery, OUTBOX_LIMIT, Refusal};

fn deliver(link: &Link, consumer: &Consumer, body: &[u8]) -> u64 {
    let parts = Parts { body, ..Parts::default() };
    link.lock().deliver(consumer, &Delivery { parts, redelivered: false })
}

#[test]
fn a_delivery_is_what_was_published_cut_into_frames() {
    let (link, consumer) = (link(), consumer("ctag", 0));
    link.lock().frame_max = 4096;
    let body: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    assert_eq!(deliver(&link, &consumer, &body), 1);
    assert_eq!(deliver(&link, &consumer, b""), 2, "an empty body has no body frame");
    let mut bytes = Vec::new();
    assert!(link.take_frames(&mut bytes) && !link.take_frames(&mut Vec::new()));
    let sizes: Vec<usize> =
        frames(&bytes).iter().map(|frame| frame.payload.len() + frame::OVERHEAD).collect();
    assert!(sizes.iter().all(|size| *size <= 4096), "{sizes:?}");
    let received = deliveries_in(&bytes);
    assert_eq!(received.len(), 2);
    assert_eq!((received[0].consumer.as_str(), received[0].tag, &received[0].body), ("ctag", 1, &body));
    assert!(received[1].body.is_empty());
}

#[test]
fn a_full_outbox_admits_nobody_until_half_of_it_is_written() {
    let (link, consumer, queue) = (link(), consumer("c", 0), FakeQueue::new(7));
    let starve = || link.lock().starve(Arc::clone(&queue) as Arc<_>, &consumer, Refusal::Room);
    assert_eq!(link.lock().admits(&consumer), Ok(()));
    deliver(&link, &consumer, &vec![0; OUTBOX_LIMIT]);
    assert_eq!(link.lock().admits(&consumer), Err(Refusal::Room));
    starve();
    starve();
    let mut bytes = Vec::new();
    link.take_frames(&mut bytes);
    assert_eq!(link.lock().admits(&consumer), Err(Refusal::Room), "what is being written waits too");
    let half = OUTBOX_LIMIT / 2;
    assert!(!link.wrote(bytes.len() - half - 1), "there is too little room to ask the queue again");
    assert!(link.wrote(1));
    assert_eq!(link.lock().next_starved().map(|queue| queue.id()), Some(7));
    assert!(link.lock().next_starved().is_none(), "it is asked once");
    assert_eq!(link.lock().admits(&consumer), Ok(()));
    assert!(!link.wrote(half));
}

#[test]
fn credit_and_the_end_refuse_too() {
    let (link, queue) = (link(), FakeQueue::new(1));
    let consumer = Arc::new(consumer("c", 1));
    let tag = deliver(&link, &consumer, b"one");
    link.lock().track(tag, queue as Arc<_>, &consumer, entry(1));
    assert_eq!(link.lock().admits(&consumer), Err(Refusal::Credit));
    assert_eq!(link.lock().admits(&super::consumer("another", 1)), Ok(()));
    let elsewhere = Consumer { channel: 2, ..super::consumer("elsewhere", 0) };
    assert_eq!(link.lock().admits(&elsewhere), Err(Refusal::Gone), "there is no such channel");
    let unacked = link.lock().close_channel(1);
    assert_eq!(unacked.iter().map(|unacked| unacked.tag).collect::<Vec<_>>(), [1]);
    assert!(link.lock().close_channel(1).is_empty(), "it is given back once");
    assert_eq!(link.lock().admits(&consumer), Err(Refusal::Gone));
    link.lock().open_channel(1);
    assert_eq!(deliver(&link, &consumer, b"two"), 1, "a new channel counts anew");
    link.lock().shut = true;
    assert_eq!(link.lock().admits(&super::consumer("late", 0)), Err(Refusal::Gone));
}

#[test]
fn a_get_is_kept_only_if_it_is_to_be_acknowledged() {
    let (link, queue) = (link(), FakeQueue::new(1));
    let delivery =
        Delivery { parts: Parts { body: &3_u64.to_be_bytes(), ..Parts::default() }, redelivered: true };
    link.lock().deliver_got(1, Arc::clone(&queue) as Arc<_>, &delivery, None, 9);
    link.lock().deliver_got(1, queue as Arc<_>, &delivery, Some(entry(3)), 8);
    let mut bytes = Vec::new();
    link.take_frames(&mut bytes);
    let left: Vec<u32> = frames(&bytes)
        .iter()
        .filter(|frame| frame.kind == frame::METHOD)
        .map(|frame| match Method::decode(frame.payload) {
            Ok(Method::BasicGetOk(got)) => got.message_count,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(left, [9, 8]);
    assert!(deliveries_in(&bytes).iter().all(|got| got.redelivered && got.number() == 3));
    let unacked = link.lock().close_channel(1);
    assert_eq!(unacked.iter().map(|unacked| unacked.tag).collect::<Vec<_>>(), [2]);
}

#[test]
fn starved_queues_are_asked_in_turn_while_there_is_room() {
    let (link, consumer) = (link(), consumer("c", 0));
    for id in [3, 1, 2, 1, 3] {
        link.lock().starve(FakeQueue::new(id) as Arc<_>, &consumer, Refusal::Room);
    }
    assert!(link.wrote(0));
    let next = || link.lock().next_starved().map(|queue| queue.id());
    assert_eq!(next(), Some(3));
    deliver(&link, &consumer, &vec![0; OUTBOX_LIMIT]);
    assert_eq!(next(), None, "the others are not asked in vain");
    let mut bytes = Vec::new();
    link.take_frames(&mut bytes);
    assert!(link.wrote(bytes.len()));
    link.lock().starve(FakeQueue::new(3) as Arc<_>, &consumer, Refusal::Room);
    assert_eq!([next(), next(), next(), next()], [Some(1), Some(2), Some(3), None]);
}

#[test]
fn a_shared_limit_is_waited_for_in_turn() {
    let (link, queue) = (link(), FakeQueue::new(9));
    let consumer = Arc::new(consumer("c", 0));
    if let Some(deliveries) = link.lock().channel(1) {
        deliveries.prefetch_limit = 1;
    }
    let tag = deliver(&link, &consumer, b"one");
    link.lock().track(tag, queue as Arc<_>, &consumer, entry(1));
    assert_eq!(link.lock().admits(&consumer), Err(Refusal::SharedCredit));
    for id in [2, 1, 2] {
        link.lock().starve(FakeQueue::new(id) as Arc<_>, &consumer, Refusal::SharedCredit);
    }
    assert!(link.lock().next_starved().is_none(), "it is not room that they lack");
    let next = || link.lock().channel(1).and_then(Deliveries::next_starved).map(|queue| queue.id());
    assert_eq!(next(), None, "the limit is as tight as before");
    link.lock()
        .channel(1)
        .and_then(|deliveries| deliveries.settle(tag, false, &mut Vec::new()))
        .expect("settled");
    assert_eq!([next(), next(), next()], [Some(2), Some(1), None]);
}
