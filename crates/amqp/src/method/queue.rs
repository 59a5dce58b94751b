//! Class 50, queue: declaring, binding, purging, deleting.

use super::arguments::arguments;
use crate::table::RawTable;

arguments! {
    /// Creates a queue, or checks that it is there.
    Declare<'a> (ticket) {
        /// Its name; empty lets the server choose one.
        queue: &'a str = shortstr,
    } flags {
        /// Only check.
        passive,
        /// Survives a restart.
        durable,
        /// For this connection only, and gone with it.
        exclusive,
        /// Goes with its last consumer.
        auto_delete,
        /// No answer wanted.
        no_wait,
    } then {
        /// `x-message-ttl` and the like.
        arguments: RawTable<'a> = table,
    };

    /// The queue is there.
    DeclareOk<'a> {
        /// Its name.
        queue: &'a str = shortstr,
        /// Messages ready.
        message_count: u32 = long,
        /// Consumers it has.
        consumer_count: u32 = long,
    };

    /// Binds a queue to an exchange.
    Bind<'a> (ticket) {
        /// The queue; empty is the one last declared on the channel.
        queue: &'a str = shortstr,
        /// The exchange.
        exchange: &'a str = shortstr,
        /// The binding's key.
        routing_key: &'a [u8] = shortbytes,
    } flags {
        /// No answer wanted.
        no_wait,
    } then {
        /// For the headers exchange.
        arguments: RawTable<'a> = table,
    };

    /// Removes a binding. Always answered.
    Unbind<'a> (ticket) {
        /// The queue; empty is the one last declared on the channel.
        queue: &'a str = shortstr,
        /// The exchange.
        exchange: &'a str = shortstr,
        /// The binding's key.
        routing_key: &'a [u8] = shortbytes,
        /// As they were when it was bound.
        arguments: RawTable<'a> = table,
    };

    /// Throws away the messages that are ready.
    Purge<'a> (ticket) {
        /// The queue; empty is the one last declared on the channel.
        queue: &'a str = shortstr,
    } flags {
        /// No answer wanted.
        no_wait,
    };

    /// They are gone.
    PurgeOk {
        /// How many there were.
        message_count: u32 = long,
    };

    /// Deletes a queue.
    Delete<'a> (ticket) {
        /// The queue; empty is the one last declared on the channel.
        queue: &'a str = shortstr,
    } flags {
        /// Only if it has no consumer.
        if_unused,
        /// Only if it has no message.
        if_empty,
        /// No answer wanted.
        no_wait,
    };

    /// It is gone.
    DeleteOk {
        /// How many messages went with it.
        message_count: u32 = long,
    };
}
