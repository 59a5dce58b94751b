//! Class 40, exchange: declaring, deleting and, as RabbitMQ's extension, binding
//! exchanges to each other.

use super::arguments::arguments;
use crate::table::RawTable;

arguments! {
    /// Creates an exchange, or checks that it is there.
    Declare<'a> (ticket) {
        /// Its name.
        exchange: &'a str = shortstr,
        /// The field `type`: direct, fanout, topic, headers.
        exchange_type: &'a str = shortstr,
    } flags {
        /// Only check.
        passive,
        /// Survives a restart.
        durable,
        /// Goes with its last binding.
        auto_delete,
        /// Not for publishes, only for bindings.
        internal,
        /// No answer wanted.
        no_wait,
    } then {
        /// `alternate-exchange` and the like.
        arguments: RawTable<'a> = table,
    };

    /// Deletes an exchange.
    Delete<'a> (ticket) {
        /// Its name.
        exchange: &'a str = shortstr,
    } flags {
        /// Only if nothing is bound to it.
        if_unused,
        /// No answer wanted.
        no_wait,
    };

    /// Binds an exchange to an exchange.
    Bind<'a> (ticket) {
        /// Where messages go.
        destination: &'a str = shortstr,
        /// Where they come from.
        source: &'a str = shortstr,
        /// The binding's key.
        routing_key: &'a [u8] = shortbytes,
    } flags {
        /// No answer wanted.
        no_wait,
    } then {
        /// For the headers exchange.
        arguments: RawTable<'a> = table,
    };

    /// Removes such a binding.
    Unbind<'a> (ticket) {
        /// Where messages went.
        destination: &'a str = shortstr,
        /// Where they came from.
        source: &'a str = shortstr,
        /// The binding's key.
        routing_key: &'a [u8] = shortbytes,
    } flags {
        /// No answer wanted.
        no_wait,
    } then {
        /// As they were when it was bound.
        arguments: RawTable<'a> = table,
    };
}
