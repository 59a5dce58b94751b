//! What lies on disk only, and its way back.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::*;

/// Carries out the loads a queue wants, until it wants none; how many those were.
fn load_all(queue: &Arc<Queue>, effects: &mut Effects) -> usize {
    let mut loads = 0;
    while let Some(wanted) = effects.load.pop() {
        assert!(effects.load.is_empty(), "one read at a time");
        loads += 1;
        wanted.load(effects);
        queue.ground.store.settle(&mut effects.settled);
    }
    loads
}

#[test]
fn above_the_budget_messages_lie_on_disk_and_come_back_in_order() {
    for persistent in [true, false] {
        let (queue, client) = (queue_on(&ground(&FaultyStorage::new(), 0), Arguments::default()), link());
        publish(&queue, 1..=50, Publish { persistent, len: 1000, ..Publish::default() });
        assert_eq!((queue.lock().ready.in_memory(), queue.ground.memory.held()), (0, 0));
        let written = queue.counters.disk_writes.load(Ordering::Relaxed);
        assert_eq!(written, if persistent { 0 } else { 50 }, "a persistent one is in the log anyway");
        let subscriber = Arc::new(consumer("c", 20));
        queue.add_consumer(&client, &subscriber, || ()).expect("let in");
        let mut effects = Effects::default();
        queue.serve(&mut effects);
        queue.serve(&mut effects);
        assert!(received(&client).is_empty(), "nothing is read under the queue's lock");
        assert_eq!(load_all(&queue, &mut effects), 1);
        let got = received(&client);
        assert_eq!(numbers(&got), (1..=20).collect::<Vec<_>>());
        assert!(got.iter().all(|got| got.body.len() == 1000 && got.body[8..].iter().all(|byte| *byte == 7)));
        assert_eq!(counts(&queue), (30, 20));
        let mut effects = acknowledge(&queue, &client, 0, true);
        assert_eq!(effects.settled.len(), 20);
        queue.ground.store.settle(&mut effects.settled);
        assert_eq!(
            numbers(&received(&client)),
            (21..=40).collect::<Vec<_>>(),
            "read back along with the first"
        );
    }
}

#[test]
fn a_backlog_keeps_a_few_megabytes_and_is_read_back_in_parts() {
    let (queue, client) = (queue(Arguments::default()), link());
    publish(&queue, 1..=100, Publish { len: 100_000, ..Publish::default() });
    let kept = queue.lock().ready.in_memory();
    assert!((40..45).contains(&kept), "4 MiB, not {kept} messages of 100 kB");
    subscribe(&queue, &client, Consumer { no_ack: true, ..consumer("c", 0) });
    let (mut got, mut loads, mut effects) = (Vec::new(), 0, Effects::default());
    while got.len() < 100 {
        let news = numbers(&received(&client));
        got.extend_from_slice(&news);
        client.serve_starved(&mut effects);
        queue.serve(&mut effects);
        loads += load_all(&queue, &mut effects);
        assert!(queue.lock().ready.memory() <= 4 << 20, "reading ahead has a limit");
    }
    assert_eq!(got, (1..=100).collect::<Vec<_>>());
    assert!((2..=4).contains(&loads), "{loads} reads of 2 MiB");
    assert_eq!(counts(&queue), (0, 0));
}

#[test]
fn below_the_budget_transient_messages_stay() {
    let queue = queue_on(&ground(&FaultyStorage::new(), 5000), Arguments::default());
    let transient = Publish { persistent: false, len: 1000, ..Publish::default() };
    publish(&queue, 1..=3, transient);
    assert_eq!(queue.lock().ready.in_memory(), 3);
    publish(&queue, 4..=6, transient);
    publish(&queue, 7..=9, transient);
    assert_eq!(queue.lock().ready.in_memory(), 6, "the account is settled once for a batch");
    queue.ground.memory.set_pressed(true);
    assert_eq!(queue.ground.memory.held(), queue.lock().ready.memory());
    publish(&queue, [10], transient);
    assert_eq!(queue.lock().ready.in_memory(), 6);
}

#[test]
fn get_reads_its_head_in_place() {
    let (queue, client) = (queue_on(&ground(&FaultyStorage::new(), 0), Arguments::default()), link());
    let user = Arc::from("guest");
    publish(&queue, 1..=2, Publish::default());
    publish(&queue, [3], Publish { persistent: false, ..Publish::default() });
    let mut effects = Effects::default();
    while queue.get((&client, 1, &user), true, &mut effects) {}
    assert_eq!(numbers(&received(&client)), [1, 2, 3]);
    assert_eq!(effects.settled.len(), 3, "the page file's space is given back like the log's");
}

#[test]
fn what_was_purged_while_it_was_read_is_not_delivered() {
    let (queue, client) = (queue_on(&ground(&FaultyStorage::new(), 0), Arguments::default()), link());
    publish(&queue, 1..=5, Publish::default());
    queue.add_consumer(&client, &Arc::new(consumer("c", 0)), || ()).expect("let in");
    let mut effects = Effects::default();
    queue.serve(&mut effects);
    queue.purge(&mut effects);
    assert_eq!(effects.settled.len(), 5);
    queue.ground.store.settle(&mut effects.settled);
    publish(&queue, 6..=7, Publish::default());
    load_all(&queue, &mut effects);
    assert_eq!(numbers(&received(&client)), [6, 7]);
    assert!(effects.settled.is_empty());
}

#[test]
fn a_damaged_message_does_not_hold_up_the_others() {
    let disk = FaultyStorage::new();
    let (queue, client) = (queue_on(&ground(&disk, 0), Arguments::default()), link());
    publish(&queue, 1..=3, Publish { len: 1000, ..Publish::default() });
    queue.ground.store.log.sync().expect("written");
    let second = queue.lock().ready.iter().nth(1).expect("there").stored;
    let is_log = |path: &PathBuf| path.starts_with("/log") && path.extension().is_some_and(|e| e == "seg");
    let file = disk.paths().into_iter().find(is_log).expect("a segment");
    let base = u64::from_str_radix(file.file_stem().and_then(|stem| stem.to_str()).expect("a name"), 16);
    disk.flip_bit(&file, second.id - base.expect("its base") + u64::from(second.size) / 2, 3);
    queue.add_consumer(&client, &Arc::new(consumer("c", 0)), || ()).expect("let in");
    let mut effects = Effects::default();
    queue.serve(&mut effects);
    let wanted = effects.load.pop().expect("a read");
    wanted.load(&mut effects);
    assert_eq!(numbers(&received(&client)), [1, 3]);
    assert_eq!(effects.settled.iter().map(|(_, stored)| stored.id).collect::<Vec<_>>(), [second.id]);
    assert_eq!(counts(&queue), (0, 2));
}
