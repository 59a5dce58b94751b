//! The wire of AMQP 0-9-1 with RabbitMQ's extensions: bytes in, meaning out, and back.
//!
//! This crate does no I/O, keeps no state and knows nobody. Decoding borrows
//! from the caller's buffer and copies nothing; encoding appends to a `Vec<u8>`
//! that the caller owns. Bytes from outside never make it panic.
//!
//! A tour, in the order in which bytes meet the rooms:
//!
//! 1. [`frame`] cuts the read buffer into frames and wraps what goes out.
//! 2. [`method`] turns a METHOD frame's payload into a [`Method`] and back, one
//!    file for each class of the protocol.
//! 3. [`properties`] reads a HEADER frame (size and properties of a message) and
//!    writes headers and bodies.
//! 4. [`table`] is the field table: arguments of methods, headers of messages.
//! 5. [`reply`] has the codes with which the two sides refuse each other.
//!
//! Beneath them `wire` has the primitive types. Which bytes are accepted follows
//! RabbitMQ wherever it and the specification differ; each such place says so.

pub mod error;
pub mod frame;
pub mod method;
mod method_id;
pub mod properties;
pub mod reply;
pub mod table;
mod wire;

pub use error::DecodeError;
pub use frame::{Frame, FrameError};
pub use method::{Method, MethodId};
pub use properties::{ContentHeader, Properties};
pub use table::{FieldTable, RawTable, Value, ValueRef};
pub use wire::SHORT_STRING_MAX;
