//! Class 30, access: tickets of AMQP 0-8 days. RabbitMQ grants any.

use super::arguments::arguments;

arguments! {
    /// Client to server: asks for a ticket.
    Request<'a> {
        /// What it is for.
        realm: &'a str = shortstr,
    } flags {
        /// Nobody else may.
        exclusive,
        /// To see that it is there.
        passive,
        /// To administer.
        active,
        /// To publish.
        write,
        /// To consume.
        read,
    };

    /// The ticket.
    RequestOk {
        /// Its number, which no one looks at.
        ticket: u16 = short,
    };
}
