//! Which arguments of a new queue do nothing, though a RabbitMQ would do something: what the log says of a declaration.

use amqp::table::{FieldTable, Value};

use super::DEAD_LETTER_EXCHANGE;

/// Those of a new queue's arguments that are accepted and do nothing, though a RabbitMQ would do something: their
/// features are not built. docs/compatibility.md names each. What decides where messages lie, or which host of a
/// cluster has them, is not among these: nobody's messages depend on it.
pub(crate) fn without_effect(table: &FieldTable) -> Vec<&'static str> {
    const UNBUILT: &[&str] = &[
        "x-max-length",
        "x-max-length-bytes",
        "x-overflow",
        DEAD_LETTER_EXCHANGE,
        "x-dead-letter-routing-key",
        "x-dead-letter-strategy",
        "x-single-active-consumer",
        "x-delivery-limit",
    ];
    let asks = |name: &&str| match table.get(name) {
        // What asks for nothing lacks nothing.
        Some(Value::Bool(asked)) => *asked,
        given => given.is_some(),
    };
    UNBUILT.iter().copied().filter(asks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_for_something_that_is_not_built_is_named() {
        let mut table = FieldTable::new();
        table.insert("x-message-ttl", Value::I64(1));
        table.insert("x-queue-mode", Value::LongStr(b"lazy".to_vec()));
        table.insert("x-ha-policy", Value::LongStr(b"all".to_vec()));
        table.insert("x-single-active-consumer", Value::Bool(false));
        assert_eq!(without_effect(&table), [""; 0]);
        table.insert("x-overflow", Value::LongStr(b"reject-publish".to_vec()));
        table.insert("x-max-length", Value::I64(0));
        assert_eq!(without_effect(&table), ["x-max-length", "x-overflow"]);
    }
}
