//! Class 85, confirm: RabbitMQ's extension by which the server acknowledges publishes.

use super::arguments::arguments;

arguments! {
    /// From here on publishes of the channel are confirmed.
    Select {} flags {
        /// No answer wanted. The specification's `nowait`.
        no_wait,
    };
}
