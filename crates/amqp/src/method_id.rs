//! Every method there is: the one table that joins numbers, names and arguments,
//! and a method's number. Next door: `method` makes the arguments' types out of
//! the same table.
#![deny(clippy::indexing_slicing)]

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

/// Hands the table to a macro. First the methods with arguments, then those without;
/// of the latter some have reserved fields on the wire, which are skipped when read
/// and written empty.
macro_rules! every_method {
    ($with:ident) => {
        $with! {
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
    };
}

pub(crate) use every_method;

macro_rules! numbers {
    (
        $($variant:ident($class:literal, $method:literal, $name:literal, $arguments:ty),)+
        ;
        $($unit:ident($unit_class:literal, $unit_method:literal, $unit_name:literal $(, $reserved:ident)?),)+
    ) => {
        impl MethodId {
            /// Every method there is.
            pub const ALL: &'static [MethodId] = &[
                $(MethodId { class: $class, method: $method },)+
                $(MethodId { class: $unit_class, method: $unit_method },)+
            ];

            fn known(self) -> Option<&'static str> {
                Some(match (self.class, self.method) {
                    $(($class, $method) => $name,)+
                    $(($unit_class, $unit_method) => $unit_name,)+
                    _ => return None,
                })
            }
        }
    };
}

every_method!(numbers);

impl MethodId {
    /// The specification's name, `basic.get-ok`; `unknown` if it has none.
    pub fn name(self) -> &'static str {
        self.known().unwrap_or("unknown")
    }
}
