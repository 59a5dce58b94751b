//! The broker on a disk that fails: power cuts, flipped bits, no space, a sync that fails. The disk is the
//! journal's [`FaultyStorage`]; everything above it is the real broker and a real client.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Settings};
use futures_lite::StreamExt as _;
use journal::fault::{Crash, FaultyStorage};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(30);
const SEGMENT: u64 = 1 << 20;

/// One life of a broker: it ends with its runtime, as a process would.
struct Life {
    runtime: Runtime,
    broker: Broker,
}

impl Life {
    fn start(folder: &std::path::Path, disk: &FaultyStorage) -> Life {
        let runtime = Runtime::new().unwrap();
        let mut settings = Settings::new("rabbit@localhost", folder);
        settings.listen = vec![([127, 0, 0, 1], 0).into()];
        settings.segment_bytes = SEGMENT;
        settings.storage = Arc::new(disk.clone());
        let broker = runtime.block_on(Broker::start(settings)).unwrap();
        Life { runtime, broker }
    }

    fn run<T>(&self, test: impl AsyncFnOnce(Channel) -> T) -> T {
        let uri = format!("amqp://guest:guest@{}/%2f", self.broker.addresses()[0]);
        self.runtime.block_on(async {
            let connecting = Connection::connect(&uri, ConnectionProperties::default());
            let connection = tokio::time::timeout(PATIENCE, connecting).await.unwrap().unwrap();
            let channel = connection.create_channel().await.unwrap();
            channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            channel.basic_qos(0, BasicQosOptions::default()).await.unwrap();
            let outcome = tokio::time::timeout(PATIENCE, test(channel)).await.unwrap();
            drop(connection);
            outcome
        })
    }

    fn end(self) {
        drop(self.broker);
        self.runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

async fn declare(channel: &Channel, queue: &str) {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
}

/// Publishes persistent messages `from..to`, numbered in their bodies, and returns which were confirmed.
async fn publish(channel: &Channel, queue: &str, numbers: std::ops::Range<u32>, size: usize) -> Vec<u32> {
    let mut waiting = Vec::new();
    for number in numbers {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(size, b'x');
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let sending = channel.basic_publish("".into(), queue.into(), options, &body, properties);
        // A client that was told to hold back waits.
        let Ok(Ok(confirm)) = tokio::time::timeout(Duration::from_secs(3), sending).await else { break };
        waiting.push((number, confirm));
    }
    let mut confirmed = Vec::new();
    for (number, confirm) in waiting {
        match tokio::time::timeout(Duration::from_secs(3), confirm).await {
            Ok(Ok(Confirmation::Ack(_))) => confirmed.push(number),
            Ok(_) => {}
            // The broker neither promises nor refuses: the disk is full, and it keeps trying.
            Err(_) => break,
        }
    }
    confirmed
}

/// Consumes and acknowledges until nothing more comes.
async fn drain(channel: &Channel, queue: &str) -> Vec<u32> {
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap();
    let mut numbers = Vec::new();
    while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_secs(1), consumer.next()).await {
        let delivery = delivery.unwrap();
        numbers.push(u32::from_be_bytes(delivery.data[..4].try_into().unwrap()));
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    numbers
}

fn is_ascending(numbers: &[u32]) -> bool {
    numbers.is_sorted_by(|a, b| a < b)
}

#[test]
fn confirmed_messages_survive_power_cuts() {
    for seed in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyStorage::new();
        let life = Life::start(folder.path(), &disk);
        let confirmed = life.run(async |channel| {
            declare(&channel, "orders").await;
            let confirmed = publish(&channel, "orders", 0..400, 900).await;
            // These are in flight when the power goes.
            let options = BasicPublishOptions::default();
            for number in 400u32..500 {
                let properties = BasicProperties::default().with_delivery_mode(2);
                let body = number.to_be_bytes();
                let _ = channel.basic_publish("".into(), "orders".into(), options, &body, properties).await;
            }
            confirmed
        });
        assert_eq!(confirmed.len(), 400);
        let disk = disk.crash(if seed == 0 { Crash::PowerAll } else { Crash::Power(seed) });
        life.end();

        let life = Life::start(folder.path(), &disk);
        let found = life.run(async |channel| drain(&channel, "orders").await);
        assert!(is_ascending(&found), "seed {seed}: order is kept, nothing comes twice");
        assert_eq!(found.get(..400), Some(&confirmed[..]), "seed {seed}: all that was confirmed is there");
        life.end();
    }
}

#[test]
fn acknowledged_messages_stay_gone_through_reclaims_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = FaultyStorage::new();
    let mut next = 0;
    for round in 0..6 {
        let life = Life::start(folder.path(), &disk);
        life.run(async |channel| {
            declare(&channel, "quiet").await;
            declare(&channel, "busy").await;
            // One message a round stays in the quiet queue, megabytes go through the busy one.
            publish(&channel, "quiet", round..round + 1, 100).await;
            let sent = publish(&channel, "busy", next..next + 3000, 1000).await;
            assert_eq!(drain(&channel, "busy").await, sent, "round {round}");
            next += 3000;
        });
        // Reclaim runs every half second.
        std::thread::sleep(Duration::from_millis(1500));
        disk = disk.crash(Crash::Process);
        life.end();
    }
    let life = Life::start(folder.path(), &disk);
    life.run(async |channel| {
        assert_eq!(drain(&channel, "quiet").await, (0..6).collect::<Vec<_>>());
        let back = drain(&channel, "busy").await;
        assert!(back.len() < 3000, "of 18000 acknowledged messages {} came back", back.len());
    });
    let used = disk.used();
    assert!(used <= 8 * SEGMENT, "18 MB went through, {used} bytes are left of the log");
    life.end();
}

/// The log's file with the body that holds `number`, and where that body is.
fn find_body(disk: &FaultyStorage, number: u32, size: usize) -> (PathBuf, u64) {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(size, b'x');
    for path in disk.paths() {
        let bytes = disk.bytes(&path).unwrap();
        if let Some(at) = bytes.windows(body.len()).position(|window| window == body) {
            return (path, at as u64);
        }
    }
    panic!("message {number} is in no file");
}

#[test]
fn a_flipped_bit_costs_one_message_and_is_never_served() {
    for messages in [50, 5000] {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyStorage::new();
        let life = Life::start(folder.path(), &disk);
        let sent = life.run(async |channel| {
            declare(&channel, "orders").await;
            publish(&channel, "orders", 0..messages, 700).await
        });
        assert_eq!(sent.len(), messages as usize);
        let disk = disk.crash(Crash::Process);
        life.end();
        let damaged = messages / 3;
        let (path, at) = find_body(&disk, damaged, 700);
        disk.flip_bit(&path, at + 200, 3);

        let life = Life::start(folder.path(), &disk);
        let found = life.run(async |channel| drain(&channel, "orders").await);
        let rest: Vec<u32> = (0..messages).filter(|number| *number != damaged).collect();
        assert_eq!(found, rest, "of {messages}");
        life.end();
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyStorage::new();
    let life = Life::start(folder.path(), &disk);
    let mut confirmed = life.run(async |channel| {
        declare(&channel, "orders").await;
        publish(&channel, "orders", 0..100, 1000).await
    });
    disk.limit(Some(disk.used() + 2 * SEGMENT));
    let before_full = life.run(async |channel| publish(&channel, "orders", 100..8100, 1000).await);
    assert!(before_full.len() < 8000, "a full disk takes no 8 MB");
    assert!(is_ascending(&before_full));
    confirmed.extend(&before_full);
    assert!(life.broker.status().alarms.iter().any(|alarm| alarm.contains("no space")));

    disk.limit(None);
    let deadline = std::time::Instant::now() + PATIENCE;
    while !life.broker.status().alarms.is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", life.broker.status().alarms);
        std::thread::sleep(Duration::from_millis(100));
    }
    let after = life.run(async |channel| publish(&channel, "orders", 10_000..10_100, 1000).await);
    assert_eq!(after.len(), 100, "with space again everything is taken");
    confirmed.extend(after);
    let disk = disk.crash(Crash::PowerAll);
    life.end();

    let life = Life::start(folder.path(), &disk);
    let found = life.run(async |channel| drain(&channel, "orders").await);
    assert!(is_ascending(&found));
    let missing: Vec<_> = confirmed.iter().filter(|number| found.binary_search(number).is_err()).collect();
    assert!(missing.is_empty(), "confirmed and lost: {missing:?}");
    life.end();
}

#[test]
fn consuming_makes_room_on_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyStorage::new();
    disk.limit(Some(8 * SEGMENT));
    let life = Life::start(folder.path(), &disk);
    let confirmed = life.run(async |channel| {
        declare(&channel, "orders").await;
        publish(&channel, "orders", 0..12_000, 1000).await
    });
    assert!(!confirmed.is_empty() && confirmed.len() < 12_000, "{} were confirmed", confirmed.len());
    let found = life.run(async |channel| drain(&channel, "orders").await);
    assert!(is_ascending(&found) && found.len() >= confirmed.len());
    let deadline = std::time::Instant::now() + PATIENCE;
    while !life.broker.status().alarms.is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", life.broker.status().alarms);
        std::thread::sleep(Duration::from_millis(100));
    }
    let after = life.run(async |channel| publish(&channel, "orders", 20_000..20_100, 1000).await);
    assert_eq!(after.len(), 100, "the room is used again");
    life.end();
}

#[test]
fn after_a_failed_sync_nothing_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyStorage::new();
    let life = Life::start(folder.path(), &disk);
    let confirmed = life.run(async |channel| {
        declare(&channel, "orders").await;
        publish(&channel, "orders", 0..10, 100).await
    });
    assert_eq!(confirmed.len(), 10);
    assert!(!life.broker.log_has_failed());
    disk.fail_sync(1);
    let refused = life.run(async |channel| publish(&channel, "orders", 10..20, 100).await);
    assert_eq!(refused, [] as [u32; 0], "what is not on disk is not confirmed");
    let later = life.run(async |channel| publish(&channel, "orders", 20..30, 100).await);
    assert_eq!(later, [] as [u32; 0], "a later sync that works proves nothing");
    let alarms = life.broker.status().alarms;
    assert!(alarms.iter().any(|alarm| alarm.contains("check the disk, then restart")), "{alarms:?}");
    assert!(life.broker.log_has_failed(), "what Pacemaker's agent goes by");
    let disk = disk.crash(Crash::PowerAll);
    life.end();

    let life = Life::start(folder.path(), &disk);
    let found = life.run(async |channel| drain(&channel, "orders").await);
    assert_eq!(found.get(..10), Some(&confirmed[..]));
    life.end();
}
