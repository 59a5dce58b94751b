//! Reply codes: why a method, channel or connection was refused. Numbers are
//! the specification's, names are written as RabbitMQ puts them before its reply
//! texts (`PRECONDITION_FAILED - ...`).

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: u16 = $code;)*

        /// The code's name as it stands at the front of a reply text;
        /// `UNKNOWN` for a code that is not one of this module's.
        pub fn name(code: u16) -> &'static str {
            match code {
                $($name => stringify!($name),)*
                _ => "UNKNOWN",
            }
        }

        #[cfg(test)]
        const ALL: &[u16] = &[$($code),*];
    };
}

codes! {
    /// All is well; also the code of an orderly close.
    REPLY_SUCCESS = 200;
    /// The content is larger than the server takes. Channel level.
    CONTENT_TOO_LARGE = 311;
    /// No queue for a mandatory message. Channel level; with `basic.return`.
    NO_ROUTE = 312;
    /// No consumer for an immediate message. Channel level; with `basic.return`.
    NO_CONSUMERS = 313;
    /// The operator closed the connection. Connection level.
    CONNECTION_FORCED = 320;
    /// The virtual host is unknown. Connection level.
    INVALID_PATH = 402;
    /// Not permitted. Channel level; at login connection level.
    ACCESS_REFUSED = 403;
    /// No such queue, exchange or virtual host. Channel level.
    NOT_FOUND = 404;
    /// Somebody else's exclusive queue. Channel level.
    RESOURCE_LOCKED = 405;
    /// Arguments or state do not fit. Channel level.
    PRECONDITION_FAILED = 406;
    /// A frame that cannot be decoded. Connection level.
    FRAME_ERROR = 501;
    /// A frame with illegal values. Connection level.
    SYNTAX_ERROR = 502;
    /// A method at the wrong time. Connection level.
    COMMAND_INVALID = 503;
    /// A channel that is not open, or open already. Connection level.
    CHANNEL_ERROR = 504;
    /// A frame that was not expected here. Connection level.
    UNEXPECTED_FRAME = 505;
    /// The server lacks resources. Connection level.
    RESOURCE_ERROR = 506;
    /// Forbidden by the server's settings. Connection level.
    NOT_ALLOWED = 530;
    /// Not in this server. Connection level.
    NOT_IMPLEMENTED = 540;
    /// The server failed. Connection level.
    INTERNAL_ERROR = 541;
}

/// Whether the code ends the connection and not only the channel (the
/// specification's "hard" errors).
pub fn closes_connection(code: u16) -> bool {
    matches!(code, CONNECTION_FORCED | INVALID_PATH | FRAME_ERROR..=RESOURCE_ERROR | NOT_ALLOWED..=INTERNAL_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels() {
        assert_eq!(name(PRECONDITION_FAILED), "PRECONDITION_FAILED");
        assert_eq!(name(200), "REPLY_SUCCESS");
        assert_eq!(name(999), "UNKNOWN");
        let hard: Vec<u16> = ALL.iter().copied().filter(|&code| closes_connection(code)).collect();
        assert_eq!(hard, [320, 402, 501, 502, 503, 504, 505, 506, 530, 540, 541]);
    }
}
