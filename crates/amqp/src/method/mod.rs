//! Methods: what the two sides ask of each other and answer.
//!
//! A METHOD frame's payload is the class's number, the method's number and its
//! arguments. Each class has its file with its methods' arguments; here stands
//! the one table that joins numbers, names and arguments.
//!
//! Short strings are text (`&str`, UTF-8 is checked), except where RabbitMQ
//! passes any bytes through and speed matters: routing keys everywhere, and the
//! exchange of publish, return, deliver and get-ok. When encoded, a short string
//! over 255 bytes is cut, text between characters.
#![deny(clippy::indexing_slicing)]

mod arguments;

pub mod access;
pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;

use crate::error::{DecodeError, Malformed};
use crate::frame;
use crate::wire::{self, Reader};

/// A method's number: its class and its place there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MethodId {
    /// The class: 10 connection, 20 channel, 30 access, 40 exchange, 50 queue,
    /// 60 basic, 85 confirm, 90 tx.
    pub class: u16,
    /// The method within the class.
    pub method: u16,
}

/// The specification's name (`basic.publish`, `basic.get-ok`), or the numbers of
/// a method that is unknown (`60.999`).
impl std::fmt::Display for MethodId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.known() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}.{}", self.class, self.method),
        }
    }
}

/// Joins it all. First the methods with arguments, then those without; of the
/// latter some have reserved fields on the wire, which are skipped when read and
/// written empty.
macro_rules! methods {
    (
        $($variant:ident($class:literal, $method:literal, $name:literal, $arguments:ty),)+
        ;
        $($unit:ident($unit_class:literal, $unit_method:literal, $unit_name:literal $(, $reserved:ident)?),)+
    ) => {
        /// Any method, with its arguments. Those without arguments that mean
        /// anything are bare names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method<'a> {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant($arguments),
            )+
            $(
                #[doc = concat!("`", $unit_name, "`")]
                $unit,
            )+
        }

        impl<'a> Method<'a> {
            /// Reads the arguments of the method with that number; `None` if there is none.
            #[inline]
            fn read(id: MethodId, reader: &mut Reader<'a>) -> Option<Result<Self, Malformed>> {
                Some(match (id.class, id.method) {
                    $(($class, $method) => <$arguments>::read(reader).map(Method::$variant),)+
                    $(($unit_class, $unit_method) => methods!(@skip reader $($reserved)?).map(|()| Method::$unit),)+
                    _ => return None,
                })
            }

            /// The method's number.
            #[inline]
            pub fn id(&self) -> MethodId {
                match self {
                    $(Method::$variant(_) => MethodId { class: $class, method: $method },)+
                    $(Method::$unit => MethodId { class: $unit_class, method: $unit_method },)+
                }
            }

            /// Appends class, method and arguments: a METHOD frame's payload.
            #[inline]
            pub fn encode(&self, out: &mut Vec<u8>) {
                let MethodId { class, method } = self.id();
                wire::long(out, u32::from(class) << 16 | u32::from(method));
                match self {
                    $(Method::$variant(arguments) => arguments.write(out),)+
                    $(Method::$unit => methods!(@fill out $($reserved)?),)+
                }
            }
        }

        impl MethodId {
            fn known(self) -> Option<&'static str> {
                Some(match (self.class, self.method) {
                    $(($class, $method) => $name,)+
                    $(($unit_class, $unit_method) => $unit_name,)+
                    _ => return None,
                })
            }

            /// Every method there is.
            pub const ALL: &'static [MethodId] = &[
                $(MethodId { class: $class, method: $method },)+
                $(MethodId { class: $unit_class, method: $unit_method },)+
            ];
        }
    };
    (@skip $reader:ident) => { Ok(()) };
    (@skip $reader:ident $kind:ident) => { $reader.$kind().map(|_| ()) };
    (@fill $out:ident) => { {} };
    (@fill $out:ident $kind:ident) => { wire::$kind($out, b"") };
}

methods! {
    BasicPublish(60, 40, "basic.publish", basic::Publish<'a>),
    BasicAck(60, 80, "basic.ack", basic::Ack),
    BasicDeliver(60, 60, "basic.deliver", basic::Deliver<'a>),
    BasicQos(60, 10, "basic.qos", basic::Qos),
    BasicConsume(60, 20, "basic.consume", basic::Consume<'a>),
    BasicConsumeOk(60, 21, "basic.consume-ok", basic::ConsumeOk<'a>),
    BasicCancel(60, 30, "basic.cancel", basic::Cancel<'a>),
    BasicCancelOk(60, 31, "basic.cancel-ok", basic::CancelOk<'a>),
    BasicReturn(60, 50, "basic.return", basic::Return<'a>),
    BasicGet(60, 70, "basic.get", basic::Get<'a>),
    BasicGetOk(60, 71, "basic.get-ok", basic::GetOk<'a>),
    BasicReject(60, 90, "basic.reject", basic::Reject),
    BasicRecoverAsync(60, 100, "basic.recover-async", basic::RecoverAsync),
    BasicRecover(60, 110, "basic.recover", basic::Recover),
    BasicNack(60, 120, "basic.nack", basic::Nack),
    ConnectionStart(10, 10, "connection.start", connection::Start<'a>),
    ConnectionStartOk(10, 11, "connection.start-ok", connection::StartOk<'a>),
    ConnectionSecure(10, 20, "connection.secure", connection::Secure<'a>),
    ConnectionSecureOk(10, 21, "connection.secure-ok", connection::SecureOk<'a>),
    ConnectionTune(10, 30, "connection.tune", connection::Tune),
    ConnectionTuneOk(10, 31, "connection.tune-ok", connection::TuneOk),
    ConnectionOpen(10, 40, "connection.open", connection::Open<'a>),
    ConnectionClose(10, 50, "connection.close", connection::Close<'a>),
    ConnectionBlocked(10, 60, "connection.blocked", connection::Blocked<'a>),
    ConnectionUpdateSecret(10, 70, "connection.update-secret", connection::UpdateSecret<'a>),
    ChannelFlow(20, 20, "channel.flow", channel::Flow),
    ChannelFlowOk(20, 21, "channel.flow-ok", channel::FlowOk),
    ChannelClose(20, 40, "channel.close", channel::Close<'a>),
    AccessRequest(30, 10, "access.request", access::Request<'a>),
    AccessRequestOk(30, 11, "access.request-ok", access::RequestOk),
    ExchangeDeclare(40, 10, "exchange.declare", exchange::Declare<'a>),
    ExchangeDelete(40, 20, "exchange.delete", exchange::Delete<'a>),
    ExchangeBind(40, 30, "exchange.bind", exchange::Bind<'a>),
    ExchangeUnbind(40, 40, "exchange.unbind", exchange::Unbind<'a>),
    QueueDeclare(50, 10, "queue.declare", queue::Declare<'a>),
    QueueDeclareOk(50, 11, "queue.declare-ok", queue::DeclareOk<'a>),
    QueueBind(50, 20, "queue.bind", queue::Bind<'a>),
    QueuePurge(50, 30, "queue.purge", queue::Purge<'a>),
    QueuePurgeOk(50, 31, "queue.purge-ok", queue::PurgeOk),
    QueueDelete(50, 40, "queue.delete", queue::Delete<'a>),
    QueueDeleteOk(50, 41, "queue.delete-ok", queue::DeleteOk),
    QueueUnbind(50, 50, "queue.unbind", queue::Unbind<'a>),
    ConfirmSelect(85, 10, "confirm.select", confirm::Select),
    ;
    ConnectionOpenOk(10, 41, "connection.open-ok", shortbytes),
    ConnectionCloseOk(10, 51, "connection.close-ok"),
    ConnectionUnblocked(10, 61, "connection.unblocked"),
    ConnectionUpdateSecretOk(10, 71, "connection.update-secret-ok"),
    ChannelOpen(20, 10, "channel.open", shortbytes),
    ChannelOpenOk(20, 11, "channel.open-ok", longstr),
    ChannelCloseOk(20, 41, "channel.close-ok"),
    ExchangeDeclareOk(40, 11, "exchange.declare-ok"),
    ExchangeDeleteOk(40, 21, "exchange.delete-ok"),
    ExchangeBindOk(40, 31, "exchange.bind-ok"),
    // 51, not 41: RabbitMQ's extension kept clear of queue.delete-ok's place.
    ExchangeUnbindOk(40, 51, "exchange.unbind-ok"),
    QueueBindOk(50, 21, "queue.bind-ok"),
    QueueUnbindOk(50, 51, "queue.unbind-ok"),
    BasicQosOk(60, 11, "basic.qos-ok"),
    BasicGetEmpty(60, 72, "basic.get-empty", shortbytes),
    BasicRecoverOk(60, 111, "basic.recover-ok"),
    ConfirmSelectOk(85, 11, "confirm.select-ok"),
    TxSelect(90, 10, "tx.select"),
    TxSelectOk(90, 11, "tx.select-ok"),
    TxCommit(90, 20, "tx.commit"),
    TxCommitOk(90, 21, "tx.commit-ok"),
    TxRollback(90, 30, "tx.rollback"),
    TxRollbackOk(90, 31, "tx.rollback-ok"),
}

impl MethodId {
    /// The specification's name, `basic.get-ok`; `unknown` if it has none.
    pub fn name(self) -> &'static str {
        self.known().unwrap_or("unknown")
    }
}

impl<'a> Method<'a> {
    /// Reads a METHOD frame's payload, to its last byte.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`] for a number no method has,
    /// [`DecodeError::Malformed`] for arguments that are short, left over, not
    /// text where text must be, or a table that [`crate::RawTable::parse`] refuses.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Method<'a>, DecodeError> {
        let mut reader = Reader::new(payload);
        let id = MethodId { class: reader.short()?, method: reader.short()? };
        // Publish and ack are most of what a broker reads: they need not wait
        // for the long table.
        let read = match (id.class, id.method) {
            (60, 40) => basic::Publish::read(&mut reader).map(Method::BasicPublish),
            (60, 80) => basic::Ack::read(&mut reader).map(Method::BasicAck),
            _ => Self::read(id, &mut reader).ok_or(DecodeError::Unknown(id))?,
        };
        let method = read.map_err(|error| error.of(id))?;
        reader.finish().map_err(|error| error.of(id))?;
        Ok(method)
    }

    /// Appends the whole METHOD frame.
    #[inline]
    pub fn write_frame(&self, channel: u16, out: &mut Vec<u8>) {
        let mark = frame::begin(out, frame::METHOD, channel);
        self.encode(out);
        frame::finish(out, mark);
    }

    /// Whether a HEADER frame and BODY frames follow.
    #[inline]
    pub fn has_content(&self) -> bool {
        matches!(
            self,
            Method::BasicPublish(_)
                | Method::BasicReturn(_)
                | Method::BasicDeliver(_)
                | Method::BasicGetOk(_)
        )
    }
}
