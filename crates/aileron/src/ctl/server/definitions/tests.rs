//! The file out and in again, a file that RabbitMQ 3.10.8 wrote, and mistakes in one.

use amqp::table::Value as Field;
use serde_json::{Value, json};

use super::{read, write};

/// `rabbitmqctl export_definitions` of a RabbitMQ 3.10.8 (tests/system/test_definitions.py does it with a running one).
const RABBITMQS: &str = include_str!("../../../../../../tests/recorded/definitions.json");

#[test]
fn a_file_of_rabbitmqs_is_read_whole_and_written_again() {
    let read = read::document(RABBITMQS, "rabbit@localhost").expect("good");
    assert_eq!(read.left_out, Vec::<String>::new());
    let all = &read.definitions;
    let queue = |name: &str| all.queues.iter().find(|queue| queue.name == name).expect("there");
    assert_eq!(queue("q-limits").arguments.get("x-message-ttl"), Some(&Field::I64(60000)));
    assert!(queue("q-limits").durable && !queue("q-plain").durable);
    assert_eq!((all.vhosts.len(), all.users.len(), all.permissions.len()), (2, 3, 2));
    let second = all.vhosts.iter().find(|vhost| vhost.name == "v1").expect("there");
    assert_eq!((second.description.as_str(), second.tags.join("+")), ("a vhost", "a+b".to_string()));
    let (written, left_out) = write::document(all, "rabbit@localhost");
    assert_eq!(left_out, Vec::<String>::new());
    let mut theirs: Value = serde_json::from_str(RABBITMQS).expect("JSON");
    // The one thing that we write otherwise.
    *theirs.pointer_mut("/vhosts/1/metadata/tags").expect("there") = json!(["a", "b"]);
    assert_eq!(written, theirs);
}

#[test]
fn what_is_not_built_is_named() {
    let text = json!({
        "policies": [{"name": "ha-all", "vhost": "/"}, {"name": "ttl", "vhost": "/"}],
        "parameters": [],
        "topic_permissions": [{"user": "nova", "vhost": "/", "exchange": "x"}],
        "global_parameters": [{"name": "cluster_name", "value": "other"}],
        "users": [{"name": "u", "password_hash": "", "tags": "", "limits": {"max-channels": 5}}],
        "vhosts": [{"name": "v", "limits": [{"max-queues": 1}], "metadata": {"default_queue_type": "quorum"}}],
        "nonsense": 1,
    });
    let mut told = read::document(&text.to_string(), "rabbit@here").expect("good").left_out;
    told.sort();
    assert_eq!(
        told,
        [
            "'nonsense', which is no part of a definitions file that is known here",
            "1 global parameters: cluster_name",
            "1 topic permissions: nova",
            "2 policies: ha-all, ttl",
            "the default queue type 'quorum' of vhost 'v'",
            "the limits of user 'u'",
            "the limits of vhost 'v'",
        ]
    );
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (text, told) in [
        ("[]", "this is no definitions file"),
        ("{\"users\":", "this is no definitions file"),
        ("{\"users\": 1}", "'users' is no list"),
        ("{\"users\": [{\"name\": \"x\"}]}", "users[0] 'x': missing field `tags`"),
        ("{\"users\": [{\"name\": \"x\", \"tags\": []}]}", "users[0] 'x': it has neither"),
        (
            "{\"queues\": [{\"name\": \"q\", \"vhost\": \"/\", \"durable\": true, \"auto_delete\": false, \"arguments\": {\"a\": null}}]}",
            "queues[0] 'q': its argument 'a' is null",
        ),
        (
            "{\"bindings\": [{\"source\": \"x\", \"vhost\": \"/\", \"destination\": \"q\", \"destination_type\": \"topic\", \"routing_key\": \"\"}]}",
            "bindings[0] 'x': its destination_type 'topic'",
        ),
    ] {
        let why = read::document(text, "rabbit@here").err().expect(text);
        assert!(why.starts_with(told), "{text}: {why}");
    }
}

#[test]
fn bytes_that_are_no_text_are_left_out_and_named() {
    let mut all = read::document(RABBITMQS, "rabbit@localhost").expect("good").definitions;
    let count = all.bindings.len();
    let binding = all.bindings.first_mut().expect("there");
    binding.routing_key = vec![0xff];
    let name = binding.source.clone();
    let (written, left_out) = write::document(&all, "rabbit@localhost");
    assert_eq!(written.pointer("/bindings").and_then(Value::as_array).map(Vec::len), Some(count - 1));
    assert!(left_out.iter().any(|why| why.contains(&name) && why.contains("routing key")), "{left_out:?}");
}
