//! The three examples of messaging (direct, topic, RPC) that `SYSTEM` orders, through lapin.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use client_tests::Broker;
use futures_lite::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

/// No step of an example takes longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker and a channel to it; both end with the test.
struct Stage {
    _data: tempfile::TempDir,
    broker: Broker,
    connection: Connection,
    channel: Channel,
}

async fn connect(broker: &Broker) -> Connection {
    let uri = broker.uri();
    let connecting = Connection::connect(&uri, ConnectionProperties::default());
    tokio::time::timeout(PATIENCE, connecting).await.unwrap().unwrap()
}

async fn stage() -> Stage {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::start(data.path()).unwrap();
    let connection = connect(&broker).await;
    let channel = connection.create_channel().await.unwrap();
    Stage { _data: data, broker, connection, channel }
}

async fn declare_exchange(channel: &Channel, name: &str, kind: ExchangeKind) {
    channel
        .exchange_declare(name.into(), kind, ExchangeDeclareOptions::default(), FieldTable::default())
        .await
        .unwrap();
}

async fn declare_bound(channel: &Channel, queue: &str, exchange: &str, key: &str) {
    channel.queue_declare(queue.into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
    channel
        .basic_publish(exchange.into(), key.into(), BasicPublishOptions::default(), body, properties)
        .await
        .unwrap()
        .await
        .unwrap();
}

async fn consume(channel: &Channel, queue: &str) -> Consumer {
    channel
        .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap()
}

/// The next delivery's routing key and body, acknowledged.
async fn next(consumer: &mut Consumer) -> (String, Vec<u8>) {
    let delivery = tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    (delivery.routing_key.to_string(), delivery.data)
}

async fn messages_in(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
}

#[tokio::test]
async fn direct_exchange_routes_by_key() {
    let stage = stage().await;
    let channel = &stage.channel;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    declare_exchange(channel, "tasks", ExchangeKind::Direct).await;
    declare_bound(channel, "taskC_queue", "tasks", "taskC_create").await;
    declare_bound(channel, "taskD_queue", "tasks", "taskD_create").await;
    publish(channel, "tasks", "taskC_create", b"create C", BasicProperties::default()).await;
    publish(channel, "tasks", "taskC_delete", b"nobody wants this", BasicProperties::default()).await;
    assert_eq!(messages_in(channel, "taskC_queue").await, 1);
    assert_eq!(messages_in(channel, "taskD_queue").await, 0);
    let mut consumer = consume(channel, "taskC_queue").await;
    assert_eq!(next(&mut consumer).await, ("taskC_create".to_owned(), b"create C".to_vec()));
    stage.connection.close(200, "bye".into()).await.unwrap();
}

#[tokio::test]
async fn topic_exchange_routes_by_pattern() {
    let stage = stage().await;
    let channel = &stage.channel;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    declare_exchange(channel, "tasks", ExchangeKind::Topic).await;
    declare_bound(channel, "compute_tasks", "tasks", "compute.*").await;
    declare_bound(channel, "all_tasks", "tasks", "#").await;
    let keys = ["compute.create", "network.create", "compute.delete"];
    for key in keys {
        publish(channel, "tasks", key, key.as_bytes(), BasicProperties::default()).await;
    }
    assert_eq!(messages_in(channel, "compute_tasks").await, 2);
    let mut everything = consume(channel, "all_tasks").await;
    for key in keys {
        assert_eq!(next(&mut everything).await, (key.to_owned(), key.as_bytes().to_vec()));
    }
    let mut compute = consume(channel, "compute_tasks").await;
    for key in ["compute.create", "compute.delete"] {
        assert_eq!(next(&mut compute).await.0, key);
    }
    stage.connection.close(200, "bye".into()).await.unwrap();
}

/// Takes calls off the server's queue and answers each into the queue it names.
async fn serve(connection: Connection, calls: usize) {
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let mut consumer = consume(&channel, "rpc_server").await;
    for _ in 0..calls {
        let call = tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap();
        let reply_to = call.properties.reply_to().clone().unwrap();
        let id = call.properties.correlation_id().clone().unwrap();
        let properties = BasicProperties::default().with_correlation_id(id);
        publish(&channel, "", reply_to.as_str(), &call.data.to_ascii_uppercase(), properties).await;
        call.ack(BasicAckOptions::default()).await.unwrap();
    }
    connection.close(200, "bye".into()).await.unwrap();
}

#[tokio::test]
async fn rpc_answers_into_the_queue_the_caller_names() {
    const CALLS: usize = 20;
    let stage = stage().await;
    let channel = &stage.channel;
    declare_exchange(channel, "rpc", ExchangeKind::Topic).await;
    declare_bound(channel, "rpc_server", "rpc", "rpc.#").await;
    let server = tokio::spawn(serve(connect(&stage.broker).await, CALLS));
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let reply_queue = channel.queue_declare("".into(), exclusive, FieldTable::default()).await.unwrap();
    let reply_queue = reply_queue.name().to_string();
    let mut answers = consume(channel, &reply_queue).await;
    for number in 0..CALLS {
        let properties = BasicProperties::default()
            .with_reply_to(reply_queue.as_str().into())
            .with_correlation_id(format!("call-{number}").into());
        publish(channel, "rpc", "rpc.upper", format!("call {number}").as_bytes(), properties).await;
        let answer = tokio::time::timeout(PATIENCE, answers.next()).await.unwrap().unwrap().unwrap();
        let id = answer.properties.correlation_id().as_ref().unwrap().to_string();
        assert_eq!(id, format!("call-{number}"));
        assert_eq!(answer.data, format!("CALL {number}").into_bytes());
        answer.ack(BasicAckOptions::default()).await.unwrap();
    }
    tokio::time::timeout(PATIENCE, server).await.unwrap().unwrap();
    stage.connection.close(200, "bye".into()).await.unwrap();
}
