//! What the services beside the broker answer, what stands in their configuration, what another host reports:
//! the first byte chooses the reader, the rest is read. No panic, no endless loop, no memory beyond its size.
//!
//! The readers are listed by their rooms, see `fuzzing.rs` in crates/services. Recorded answers are a good start:
//! `cargo fuzz run service_answers CORPUS crates/services/src/*/recorded`.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use services::fuzzing::{Parser, parsers};

fuzz_target!(|data: &[u8]| {
    static ALL: OnceLock<Vec<&Parser>> = OnceLock::new();
    let all = ALL.get_or_init(|| parsers().collect());
    let Some((which, data)) = data.split_first() else { return };
    let (_, read) = all[usize::from(*which) % all.len()];
    read(data);
});
