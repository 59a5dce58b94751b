//! Flow control: why a publisher is held back, and until when.
//!
//! | room | why |
//! |---|---|
//! | [`alarms`] | memory or disk run short |
//! | [`backlog`] | the queues it publishes to have more than their consumers can take |

pub(crate) mod alarms;
pub(crate) mod backlog;

pub(crate) use self::backlog::{Backlog, HeldBack};
