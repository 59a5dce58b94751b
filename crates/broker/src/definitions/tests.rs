//! Definitions out of one node and into another, twice; and refusals that change nothing.

use std::sync::Arc;

use amqp::table::{FieldTable, Value};
use tempfile::TempDir;

use super::*;
use crate::node::Node;
use crate::settings::Settings;

fn open(folder: &TempDir) -> Broker {
    let settings = Settings::new("rabbit@test", folder.path());
    Broker::on(Node::open(settings, Arc::new(|job| job())).expect("opens"))
}

fn table(name: &str, value: Value) -> FieldTable {
    let mut table = FieldTable::new();
    table.insert(name, value);
    table
}

/// Something of everything, in two vhosts.
fn specimen() -> Definitions {
    let other = || "v\u{e4}".to_owned();
    Definitions {
        vhosts: vec![VhostDefinition { name: other(), description: "second".into(), tags: vec!["a".into()] }],
        users: vec![UserDefinition {
            name: "nova".into(),
            password_hash: "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR".into(),
            hashing_algorithm: "rabbit_password_hashing_sha256".into(),
            tags: vec!["monitoring".into()],
        }],
        permissions: vec![Permission {
            user: "nova".into(),
            vhost: other(),
            configure: "^a".into(),
            write: ".*".into(),
            read: String::new(),
        }],
        exchanges: vec![ExchangeDefinition {
            vhost: other(),
            name: "x".into(),
            kind: "topic".into(),
            durable: true,
            arguments: table("alternate-exchange", Value::LongStr(b"amq.fanout".to_vec())),
            ..ExchangeDefinition::default()
        }],
        queues: vec![
            QueueDefinition {
                vhost: other(),
                name: "q".into(),
                durable: true,
                arguments: table("x-message-ttl", Value::I64(5000)),
                ..QueueDefinition::default()
            },
            QueueDefinition { vhost: "/".into(), name: "short-lived".into(), ..QueueDefinition::default() },
        ],
        bindings: vec![BindingDefinition {
            vhost: other(),
            source: "x".into(),
            destination: "q".into(),
            to_queue: true,
            routing_key: b"a.#".to_vec(),
            ..BindingDefinition::default()
        }],
    }
}

/// Of what a node exports, what the specimen brought.
fn without_bootstrap(mut all: Definitions) -> Definitions {
    all.vhosts.retain(|vhost| vhost.name != "/");
    all.users.retain(|user| user.name != "guest");
    all.permissions.retain(|permission| permission.user != "guest");
    all.queues.reverse();
    all
}

#[test]
fn what_is_imported_is_exported_again_and_outlives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = open(&folder);
    for _ in 0..2 {
        assert_eq!(broker.import_definitions(&specimen()).expect("imported"), []);
        assert_eq!(without_bootstrap(broker.export_definitions()), specimen());
    }
    assert!(broker.access().authenticate("nova", b"test12").is_ok(), "RabbitMQ's documented example");
    drop(broker);
    let again = open(&folder);
    let mut kept = specimen();
    kept.queues.retain(|queue| queue.durable);
    assert_eq!(without_bootstrap(again.export_definitions()), kept);
}

#[test]
fn one_bad_definition_keeps_all_of_them_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = open(&folder);
    let before = broker.export_definitions();
    type Spoil = fn(&mut Definitions);
    let spoils: [(&str, Spoil); 9] = [
        ("vhost 'nope' does not exist", |all| all.bindings[0].vhost = "nope".into()),
        ("vhost 'nope' does not exist", |all| all.permissions[0].vhost = "nope".into()),
        ("nobody", |all| all.permissions[0].user = "nobody".into()),
        ("(", |all| all.permissions[0].read = "(".into()),
        ("rot13", |all| all.users[0].hashing_algorithm = "rot13".into()),
        ("unknown exchange type 'odd'", |all| all.exchanges[0].kind = "odd".into()),
        ("invalid arg 'x-message-ttl' for queue 'q'", |all| {
            all.queues[0].arguments = table("x-message-ttl", Value::I64(-1));
        }),
        ("300 bytes", |all| all.queues[0].name = "q".repeat(300)),
        ("x-match", |all| {
            all.exchanges[0].kind = "headers".into();
            all.bindings[0].arguments = table("x-match", Value::LongStr(b"some".to_vec()));
        }),
    ];
    for (why, spoil) in spoils {
        let mut bad = specimen();
        spoil(&mut bad);
        let error = broker.import_definitions(&bad).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
        assert_eq!(broker.export_definitions(), before, "{why}");
    }
}

#[test]
fn what_is_there_stays_and_what_has_no_end_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = open(&folder);
    broker.import_definitions(&specimen()).expect("imported");
    let mut other = specimen();
    other.queues[0].arguments = table("x-message-ttl", Value::I64(1));
    other.exchanges[0].durable = false;
    other.exchanges[0].arguments = FieldTable::new();
    other.exchanges.push(ExchangeDefinition { name: "amq.mine".into(), ..other.exchanges[0].clone() });
    other.bindings[0].destination = "gone".into();
    let left_out = broker.import_definitions(&other).expect("imported");
    let told: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    for (nth, part) in ["its durable is another", "amq.mine", "x-message-ttl", "there is no queue 'gone'"]
        .into_iter()
        .enumerate()
    {
        assert!(told.get(nth).is_some_and(|line| line.contains(part)), "{part}: {told:?}");
    }
    assert_eq!(without_bootstrap(broker.export_definitions()), specimen());
}
