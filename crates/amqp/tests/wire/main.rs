//! The wire from outside: one binary, a room for each thing it carries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails may say so by panicking"
)]

mod content;
mod methods;
mod oracle;
mod specimens;
mod tables;
