//! Class 10, connection: greeting, login, tuning, closing.

use super::arguments::arguments;
use crate::table::RawTable;

arguments! {
    /// Server to client: who the server is and how one may log in.
    Start<'a> {
        /// 0
        version_major: u8 = octet,
        /// 9
        version_minor: u8 = octet,
        /// Product, version, capabilities and the like.
        server_properties: RawTable<'a> = table,
        /// SASL mechanisms, separated by spaces.
        mechanisms: &'a [u8] = longstr,
        /// Locales, separated by spaces.
        locales: &'a [u8] = longstr,
    };

    /// Client to server: who the client is, and its login.
    StartOk<'a> {
        /// Product, connection name, capabilities and the like.
        client_properties: RawTable<'a> = table,
        /// The SASL mechanism chosen.
        mechanism: &'a str = shortstr,
        /// Its first response: for PLAIN and AMQPLAIN the whole login.
        response: &'a [u8] = longstr,
        /// The locale chosen.
        locale: &'a str = shortstr,
    };

    /// Server to client: the login's next question.
    Secure<'a> {
        /// The mechanism's challenge.
        challenge: &'a [u8] = longstr,
    };

    /// Client to server: the answer to it.
    SecureOk<'a> {
        /// The mechanism's response.
        response: &'a [u8] = longstr,
    };

    /// Server to client: the limits the server offers.
    Tune {
        /// Channels at a time; 0 is no limit.
        channel_max: u16 = short,
        /// Bytes in a frame, overhead included; 0 is no limit.
        frame_max: u32 = long,
        /// Seconds between signs of life; 0 is none.
        heartbeat: u16 = short,
    };

    /// Client to server: the limits the client chose.
    TuneOk {
        /// Channels at a time; 0 is no limit.
        channel_max: u16 = short,
        /// Bytes in a frame, overhead included; 0 is no limit.
        frame_max: u32 = long,
        /// Seconds between signs of life; 0 is none.
        heartbeat: u16 = short,
    };

    /// Either way: the connection ends here, and why.
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

    /// Server to client: publishes are held back (RabbitMQ's extension).
    Blocked<'a> {
        /// What runs short.
        reason: &'a str = shortstr,
    };

    /// Client to server: a new password or token (RabbitMQ's extension).
    UpdateSecret<'a> {
        /// The new secret.
        new_secret: &'a [u8] = longstr,
        /// Why, for the log.
        reason: &'a str = shortstr,
    };
}

/// Client to server: the virtual host to work in. Two reserved fields follow on
/// the wire (a short string and a bit), which this server does not look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open<'a> {
    /// Its name.
    pub virtual_host: &'a str,
}

impl<'a> Open<'a> {
    pub(super) fn read(reader: &mut crate::wire::Reader<'a>) -> Result<Self, crate::error::Malformed> {
        let virtual_host = reader.shortstr()?;
        reader.shortbytes()?;
        reader.octet()?;
        Ok(Open { virtual_host })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        crate::wire::shortstr(out, self.virtual_host);
        out.extend_from_slice(&[0, 0]);
    }
}
