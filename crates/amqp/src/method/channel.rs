//! Class 20, channel: flow and closing. Opening has no arguments.

use super::arguments::arguments;

arguments! {
    /// Either way: stop or go on sending content.
    Flow {} flags {
        /// True is go on.
        active,
    };

    /// The answer to it.
    FlowOk {} flags {
        /// True is going on.
        active,
    };

    /// Either way: the channel ends here, and why.
    Close<'a> {
        /// One of [`crate::reply`]'s.
        reply_code: u16 = short,
        /// The same in words.
        reply_text: &'a str = shortstr,
        /// The method at fault: its class, 0 if none is.
        class_id: u16 = short,
        /// The method at fault: its number, 0 if none is.
        method_id: u16 = short,
    };
}
