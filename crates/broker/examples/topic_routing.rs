//! What a topic exchange costs: routes keys through 1,000 and 100,000 bindings and prints the time per message.
//!
//! `cargo run --release -p broker --example topic_routing`. Each key matches one binding; the time should
//! hardly depend on how many there are beside it.
#![expect(clippy::print_stdout, reason = "an example that shows figures")]

use std::time::Instant;

use amqp::table::FieldTable;
use broker::exchange::routing::{Bindings, ExchangeKind};

/// Messages per measurement.
const MESSAGES: usize = 1_000_000;
/// Queues the bindings are spread over.
const QUEUES: usize = 10;

fn main() {
    println!("{:>9}  {:>12}  {:>12}  {:>12}", "bindings", "add ns", "route ns", "remove ns");
    for bindings in [1_000, 100_000] {
        measure(bindings);
    }
}

fn measure(count: usize) {
    let none = FieldTable::new();
    let patterns: Vec<String> = (0..count)
        .map(|n| match n % 4 {
            0 => format!("compute.node{n}.*"),
            1 => format!("network.#.port{n}"),
            2 => format!("*.agent{n}.state"),
            _ => format!("volume.host{n}.create"),
        })
        .collect();
    let keys: Vec<String> = (0..count)
        .map(|n| match n % 4 {
            0 => format!("compute.node{n}.start"),
            1 => format!("network.a.port{n}"),
            2 => format!("dhcp.agent{n}.state"),
            _ => format!("volume.host{n}.create"),
        })
        .collect();

    let start = Instant::now();
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    for (n, pattern) in patterns.iter().enumerate() {
        bindings.add(n % QUEUES, pattern.as_bytes(), &none);
    }
    let add = nanoseconds(start, count);

    let start = Instant::now();
    let mut delivered = 0_usize;
    // A stride that visits the keys in an order no cache expects.
    for n in 0..MESSAGES {
        let key = keys.get(n * 7_919 % count).map_or(&b""[..], |key| key.as_bytes());
        bindings.route(key, None, &mut |_| delivered += 1);
    }
    let route = nanoseconds(start, MESSAGES);
    assert_eq!(delivered, MESSAGES, "each key matches one binding");

    let start = Instant::now();
    for (n, pattern) in patterns.iter().enumerate() {
        bindings.remove(&(n % QUEUES), pattern.as_bytes(), &none);
    }
    let remove = nanoseconds(start, count);
    println!("{count:>9}  {add:>12}  {route:>12}  {remove:>12}");
}

fn nanoseconds(start: Instant, count: usize) -> u128 {
    start.elapsed().as_nanos() / count as u128
}
