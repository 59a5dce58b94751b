//! Class 60, basic: publishing, consuming, acknowledging. The busiest room:
//! [`write_deliver_frame`] writes what a broker sends most.

use super::arguments::arguments;
use crate::frame;
use crate::table::RawTable;
use crate::wire::fit_bytes;

arguments! {
    /// How many messages may be on their way unacknowledged.
    Qos {
        /// Bytes; RabbitMQ takes 0 only.
        prefetch_size: u32 = long,
        /// Messages; 0 is no limit.
        prefetch_count: u16 = short,
    } flags {
        /// In RabbitMQ: for the whole channel rather than for each new consumer.
        global,
    };

    /// Starts a consumer.
    Consume<'a> (ticket) {
        /// The queue; empty is the one last declared on the channel.
        queue: &'a str = shortstr,
        /// The consumer's name; empty lets the server choose one.
        consumer_tag: &'a str = shortstr,
    } flags {
        /// Not what this connection published; RabbitMQ ignores it.
        no_local,
        /// Messages count as acknowledged once sent.
        no_ack,
        /// No other consumer may be on the queue.
        exclusive,
        /// No answer wanted.
        no_wait,
    } then {
        /// `x-priority` and the like.
        arguments: RawTable<'a> = table,
    };

    /// The consumer is there.
    ConsumeOk<'a> {
        /// Its name.
        consumer_tag: &'a str = shortstr,
    };

    /// Ends a consumer; from the server: its queue is gone (RabbitMQ's extension).
    Cancel<'a> {
        /// Its name.
        consumer_tag: &'a str = shortstr,
    } flags {
        /// No answer wanted.
        no_wait,
    };

    /// The consumer has ended.
    CancelOk<'a> {
        /// Its name.
        consumer_tag: &'a str = shortstr,
    };

    /// A message to an exchange. Content follows.
    Publish<'a> (ticket) {
        /// The exchange; empty is the default one.
        exchange: &'a [u8] = shortbytes,
        /// The message's key.
        routing_key: &'a [u8] = shortbytes,
    } flags {
        /// Give it back if it reaches no queue.
        mandatory,
        /// Give it back if no consumer takes it at once; RabbitMQ refuses this.
        immediate,
    };

    /// A message given back. Content follows.
    Return<'a> {
        /// Why: one of [`crate::reply`]'s.
        reply_code: u16 = short,
        /// The same in words.
        reply_text: &'a str = shortstr,
        /// The exchange it was published to.
        exchange: &'a [u8] = shortbytes,
        /// The key it was published with.
        routing_key: &'a [u8] = shortbytes,
    };

    /// A message to a consumer. Content follows. To write many of them:
    /// [`write_deliver_frame`].
    Deliver<'a> {
        /// The consumer.
        consumer_tag: &'a str = shortstr,
        /// The delivery's number in its channel, from 1.
        delivery_tag: u64 = longlong,
    } flags {
        /// It may have been delivered before.
        redelivered,
    } then {
        /// The exchange it was published to.
        exchange: &'a [u8] = shortbytes,
        /// The key it was published with.
        routing_key: &'a [u8] = shortbytes,
    };

    /// Asks for one message.
    Get<'a> (ticket) {
        /// The queue; empty is the one last declared on the channel.
        queue: &'a str = shortstr,
    } flags {
        /// It counts as acknowledged once sent.
        no_ack,
    };

    /// Here it is. Content follows.
    GetOk<'a> {
        /// The delivery's number in its channel, from 1.
        delivery_tag: u64 = longlong,
    } flags {
        /// It may have been delivered before.
        redelivered,
    } then {
        /// The exchange it was published to.
        exchange: &'a [u8] = shortbytes,
        /// The key it was published with.
        routing_key: &'a [u8] = shortbytes,
        /// Messages still ready in the queue.
        message_count: u32 = long,
    };

    /// Client: the message is done with. Server: the publish is confirmed.
    Ack {
        /// The delivery's or the publish's number.
        delivery_tag: u64 = longlong,
    } flags {
        /// And all before it; with number 0 all there are.
        multiple,
    };

    /// The message is refused.
    Reject {
        /// The delivery's number.
        delivery_tag: u64 = longlong,
    } flags {
        /// Back to its queue, rather than dropped or dead-lettered.
        requeue,
    };

    /// Unacknowledged messages are to be delivered again. Not answered.
    RecoverAsync {} flags {
        /// To any consumer; RabbitMQ refuses false.
        requeue,
    };

    /// Unacknowledged messages are to be delivered again.
    Recover {} flags {
        /// To any consumer; RabbitMQ refuses false.
        requeue,
    };

    /// Client: messages are refused. Server: publishes failed (RabbitMQ's extension).
    Nack {
        /// The delivery's or the publish's number.
        delivery_tag: u64 = longlong,
    } flags {
        /// And all before it; with number 0 all there are.
        multiple,
        /// Back to their queue, rather than dropped or dead-lettered.
        requeue,
    };
}

/// Appends a whole METHOD frame of `basic.deliver`: the same bytes as
/// [`Deliver`] through [`super::Method::write_frame`], without the detours.
/// Strings over 255 bytes are cut.
#[inline]
pub fn write_deliver_frame(
    channel: u16,
    consumer_tag: &[u8],
    delivery_tag: u64,
    redelivered: bool,
    exchange: &[u8],
    routing_key: &[u8],
    out: &mut Vec<u8>,
) {
    /// Class and method, three lengths, the delivery's number and its flag.
    const FIXED: usize = 4 + 3 + 8 + 1;
    let (tag_len, consumer_tag) = fit_bytes(consumer_tag);
    let (exchange_len, exchange) = fit_bytes(exchange);
    let (key_len, routing_key) = fit_bytes(routing_key);
    let size = FIXED + consumer_tag.len() + exchange.len() + routing_key.len();
    out.reserve(size + frame::OVERHEAD);
    let [c0, c1] = channel.to_be_bytes();
    let [s0, s1, s2, s3] = (size as u32).to_be_bytes();
    out.extend_from_slice(&[frame::METHOD, c0, c1, s0, s1, s2, s3, 0, 60, 0, 60, tag_len]);
    out.extend_from_slice(consumer_tag);
    let [d0, d1, d2, d3, d4, d5, d6, d7] = delivery_tag.to_be_bytes();
    out.extend_from_slice(&[d0, d1, d2, d3, d4, d5, d6, d7, u8::from(redelivered), exchange_len]);
    out.extend_from_slice(exchange);
    out.push(key_len);
    out.extend_from_slice(routing_key);
    out.push(frame::END);
}
