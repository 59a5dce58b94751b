//! Load for AMQP 0-9-1 brokers.
fn main() {}
