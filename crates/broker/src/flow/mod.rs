//! Flow control: why a publisher is held back, and until when.
//!
//! | room | why |
//! |---|---|
//! | [`alarms`] | memory or disk run short |
//! | [`backlog`] | the queues it publishes to have more than their consumers can take |
//! | [`wakers`] | who is to be told when that is over |
//! | [`throttle`] | these, and a log that is behind, judged for one publisher |

pub(crate) mod alarms;
pub(crate) mod backlog;
pub(crate) mod throttle;
pub(crate) mod wakers;

pub(crate) use self::backlog::{Backlog, HeldBack};
pub(crate) use self::throttle::{Admission, Throttle};
pub(crate) use self::wakers::Wakers;
