//! One of each method, filled from a random seed; and random field tables.

use amqp::method::{access, basic, channel, confirm, connection, exchange, queue};
use amqp::{FieldTable, Method, RawTable, Value};
use proptest::collection::vec;
use proptest::prelude::*;

/// What methods borrow from.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    texts: [String; 3],
    bytes: Vec<u8>,
    table: Vec<u8>,
    small: u8,
    short: u16,
    long: u32,
    longlong: u64,
    flags: [bool; 5],
}

/// Strings are text here, and names in tables sorted: the oracle knows no others.
pub(crate) fn seed() -> impl Strategy<Value = Seed> {
    let numbers = (any::<u8>(), any::<u16>(), any::<u32>(), any::<u64>(), any::<[bool; 5]>());
    let strings = ([text(), text(), text()], vec(any::<u8>(), 0..300), table());
    (strings, numbers).prop_map(|((texts, bytes, table), (small, short, long, longlong, flags))| Seed {
        texts,
        bytes,
        table: table.to_bytes(),
        small,
        short,
        long,
        longlong,
        flags,
    })
}

/// Text that a short string holds, sometimes just so.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![9 => "\\PC{0,40}", 1 => "[a-z]{255}"]
}

/// A table with names sorted, none twice.
pub(crate) fn table() -> impl Strategy<Value = FieldTable> {
    entries(value()).prop_map(FieldTable::from_iter)
}

fn entries(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    proptest::collection::btree_map("[a-z-]{0,12}", value, 0..5).prop_map(|map| map.into_iter().collect())
}

/// Any value. Floats are such that they equal themselves.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        proptest::num::f32::NORMAL.prop_map(Value::F32),
        proptest::num::f64::NORMAL.prop_map(Value::F64),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        vec(any::<u8>(), 0..40).prop_map(Value::LongStr),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            entries(inner).prop_map(|entries| Value::Table(entries.into_iter().collect())),
        ]
    })
}

impl Seed {
    fn arguments(&self) -> RawTable<'_> {
        RawTable::parse(&self.table).expect("the seed's table is one")
    }

    /// One of each method there is.
    pub(crate) fn methods(&self) -> Vec<Method<'_>> {
        let mut methods = self.connection();
        methods.extend(self.channel_and_access());
        methods.extend(self.exchange());
        methods.extend(self.queue());
        methods.extend(self.basic_content());
        methods.extend(self.basic_others());
        methods.extend([
            Method::BasicQosOk,
            Method::BasicGetEmpty,
            Method::BasicRecoverOk,
            Method::ConfirmSelect(confirm::Select { no_wait: self.flags[0] }),
            Method::ConfirmSelectOk,
            Method::TxSelect,
            Method::TxSelectOk,
            Method::TxCommit,
            Method::TxCommitOk,
            Method::TxRollback,
            Method::TxRollbackOk,
        ]);
        methods
    }

    fn connection(&self) -> Vec<Method<'_>> {
        let [a, b, _] = &self.texts;
        let (channel_max, frame_max, heartbeat) = (self.short, self.long, self.short / 3);
        vec![
            Method::ConnectionStart(connection::Start {
                version_major: self.small,
                version_minor: self.small / 2,
                server_properties: self.arguments(),
                mechanisms: a.as_bytes(),
                locales: &self.bytes,
            }),
            Method::ConnectionStartOk(connection::StartOk {
                client_properties: self.arguments(),
                mechanism: a,
                response: &self.bytes,
                locale: b,
            }),
            Method::ConnectionSecure(connection::Secure { challenge: &self.bytes }),
            Method::ConnectionSecureOk(connection::SecureOk { response: &self.bytes }),
            Method::ConnectionTune(connection::Tune { channel_max, frame_max, heartbeat }),
            Method::ConnectionTuneOk(connection::TuneOk { channel_max, frame_max, heartbeat }),
            Method::ConnectionOpen(connection::Open { virtual_host: a }),
            Method::ConnectionOpenOk,
            Method::ConnectionClose(connection::Close {
                reply_code: self.short,
                reply_text: a,
                class_id: self.short / 2,
                method_id: self.short / 3,
            }),
            Method::ConnectionCloseOk,
            Method::ConnectionBlocked(connection::Blocked { reason: a }),
            Method::ConnectionUnblocked,
            Method::ConnectionUpdateSecret(connection::UpdateSecret { new_secret: &self.bytes, reason: b }),
            Method::ConnectionUpdateSecretOk,
        ]
    }

    fn channel_and_access(&self) -> Vec<Method<'_>> {
        let [exclusive, passive, active, write, read] = self.flags;
        vec![
            Method::ChannelOpen,
            Method::ChannelOpenOk,
            Method::ChannelFlow(channel::Flow { active }),
            Method::ChannelFlowOk(channel::FlowOk { active }),
            Method::ChannelClose(channel::Close {
                reply_code: self.short,
                reply_text: &self.texts[0],
                class_id: self.short / 2,
                method_id: self.short / 3,
            }),
            Method::ChannelCloseOk,
            Method::AccessRequest(access::Request {
                realm: &self.texts[0],
                exclusive,
                passive,
                active,
                write,
                read,
            }),
            Method::AccessRequestOk(access::RequestOk { ticket: self.short }),
        ]
    }

    fn exchange(&self) -> Vec<Method<'_>> {
        let [a, b, c] = &self.texts;
        let [passive, durable, auto_delete, internal, no_wait] = self.flags;
        let (routing_key, arguments) = (c.as_bytes(), self.arguments());
        let declare = exchange::Declare {
            exchange: a,
            exchange_type: b,
            passive,
            durable,
            auto_delete,
            internal,
            no_wait,
            arguments,
        };
        let bind = exchange::Bind { destination: a, source: b, routing_key, no_wait, arguments };
        let unbind = exchange::Unbind { destination: a, source: b, routing_key, no_wait, arguments };
        vec![
            Method::ExchangeDeclare(declare),
            Method::ExchangeDeclareOk,
            Method::ExchangeDelete(exchange::Delete { exchange: a, if_unused: passive, no_wait }),
            Method::ExchangeDeleteOk,
            Method::ExchangeBind(bind),
            Method::ExchangeBindOk,
            Method::ExchangeUnbind(unbind),
            Method::ExchangeUnbindOk,
        ]
    }

    fn queue(&self) -> Vec<Method<'_>> {
        let [a, b, c] = &self.texts;
        let [passive, durable, exclusive, auto_delete, no_wait] = self.flags;
        let (queue, exchange, routing_key, arguments) = (a, b, c.as_bytes(), self.arguments());
        let (message_count, consumer_count) = (self.long, self.long / 3);
        vec![
            Method::QueueDeclare(queue::Declare {
                queue,
                passive,
                durable,
                exclusive,
                auto_delete,
                no_wait,
                arguments,
            }),
            Method::QueueDeclareOk(queue::DeclareOk { queue, message_count, consumer_count }),
            Method::QueueBind(queue::Bind { queue, exchange, routing_key, no_wait, arguments }),
            Method::QueueBindOk,
            Method::QueueUnbind(queue::Unbind { queue, exchange, routing_key, arguments }),
            Method::QueueUnbindOk,
            Method::QueuePurge(queue::Purge { queue, no_wait }),
            Method::QueuePurgeOk(queue::PurgeOk { message_count }),
            Method::QueueDelete(queue::Delete { queue, if_unused: passive, if_empty: durable, no_wait }),
            Method::QueueDeleteOk(queue::DeleteOk { message_count }),
        ]
    }

    fn basic_content(&self) -> Vec<Method<'_>> {
        let [a, b, c] = &self.texts;
        let [mandatory, immediate, redelivered, ..] = self.flags;
        let (exchange, routing_key, delivery_tag) = (b.as_bytes(), c.as_bytes(), self.longlong);
        vec![
            Method::BasicPublish(basic::Publish { exchange, routing_key, mandatory, immediate }),
            Method::BasicReturn(basic::Return {
                reply_code: self.short,
                reply_text: a,
                exchange,
                routing_key,
            }),
            Method::BasicDeliver(basic::Deliver {
                consumer_tag: a,
                delivery_tag,
                redelivered,
                exchange,
                routing_key,
            }),
            Method::BasicGetOk(basic::GetOk {
                delivery_tag,
                redelivered,
                exchange,
                routing_key,
                message_count: self.long,
            }),
        ]
    }

    fn basic_others(&self) -> Vec<Method<'_>> {
        let [queue, consumer_tag, _] = &self.texts;
        let [multiple, requeue, no_local, no_ack, no_wait] = self.flags;
        let delivery_tag = self.longlong;
        vec![
            Method::BasicQos(basic::Qos {
                prefetch_size: self.long,
                prefetch_count: self.short,
                global: multiple,
            }),
            Method::BasicConsume(basic::Consume {
                queue,
                consumer_tag,
                no_local,
                no_ack,
                exclusive: multiple,
                no_wait,
                arguments: self.arguments(),
            }),
            Method::BasicConsumeOk(basic::ConsumeOk { consumer_tag }),
            Method::BasicCancel(basic::Cancel { consumer_tag, no_wait }),
            Method::BasicCancelOk(basic::CancelOk { consumer_tag }),
            Method::BasicGet(basic::Get { queue, no_ack }),
            Method::BasicAck(basic::Ack { delivery_tag, multiple }),
            Method::BasicReject(basic::Reject { delivery_tag, requeue }),
            Method::BasicRecoverAsync(basic::RecoverAsync { requeue }),
            Method::BasicRecover(basic::Recover { requeue }),
            Method::BasicNack(basic::Nack { delivery_tag, multiple, requeue }),
        ]
    }
}
