//! A channel: its state, opening and closing it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use amqp::method::{Method, channel as class};
use amqp::reply;
use hashbrown::HashMap;

use super::Session;
use super::confirm::Confirms;
use super::publish::Assembly;
use super::tx::Transaction;
use crate::card::ChannelCard;
use crate::error::{Failure, Outcome};
use crate::link::Consumer;
use crate::queue::Queue;
use crate::queue::deletion::Condition;

/// One channel of a connection.
pub(super) struct Channel {
    pub(super) card: Arc<ChannelCard>,
    /// Publisher confirms are on.
    pub(super) confirms: Option<Confirms>,
    /// It is in transaction mode.
    pub(super) tx: Option<Transaction>,
    pub(super) consumers: HashMap<Box<str>, (Arc<Consumer>, Arc<Queue>)>,
    /// A name for the empty name: the queue declared last.
    pub(super) last_queue: Option<Arc<str>>,
    /// Prefetch limit of consumers yet to come.
    pub(super) prefetch: u16,
    /// Content that has begun and is not whole.
    pub(super) assembly: Option<Assembly>,
    /// Takes the answers to requests, for `amq.rabbitmq.reply-to`.
    pub(super) replies: Option<Arc<Queue>>,
    /// The client was told that the channel is closed; what comes before its answer is passed over.
    pub(super) is_closing: bool,
}

impl Session {
    pub(super) fn open_channel(&mut self, number: u16) -> Outcome {
        if self.channels.contains_key(&number) {
            return Err(Failure::connection(reply::CHANNEL_ERROR, "second 'channel.open' seen"));
        }
        let max = self.channel_max;
        if max != 0 && self.channels.len() >= usize::from(max) {
            let open = self.channels.len();
            return Err(Failure::connection(
                reply::NOT_ALLOWED,
                format_args!(
                    "number of channels opened ({open}) has reached the negotiated channel_max ({max})"
                ),
            ));
        }
        let card = Arc::new(ChannelCard { pid: self.node.next_pid(), ..ChannelCard::default() });
        self.card.channels.lock().insert(number, Arc::clone(&card));
        let channel = Channel {
            card,
            confirms: None,
            tx: None,
            consumers: HashMap::new(),
            last_queue: None,
            prefetch: 0,
            assembly: None,
            replies: None,
            is_closing: false,
        };
        self.channels.insert(number, channel);
        self.link.lock().open_channel(number);
        self.send(number, &Method::ChannelOpenOk);
        Ok(())
    }

    pub(super) fn close_channel(&mut self, number: u16) -> Outcome {
        self.release_channel(number);
        self.promises.forget(number);
        self.channels.remove(&number);
        self.send(number, &Method::ChannelCloseOk);
        Ok(())
    }

    /// The broker closes the channel: everything is given back now, the number is free after the client's answer.
    pub(super) fn abandon_channel(&mut self, number: u16) {
        self.release_channel(number);
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.is_closing = true;
            channel.confirms = None;
            channel.assembly = None;
        }
    }

    /// Only the answer to our close is of interest, and the client's own close that crossed it.
    pub(super) fn while_channel_closes(&mut self, number: u16, method: &Method<'_>) -> Outcome {
        match method {
            Method::ChannelCloseOk => {
                self.channels.remove(&number);
            }
            Method::ChannelClose(_) => self.promise(number, false, &Method::ChannelCloseOk, 0),
            _ => {}
        }
        Ok(())
    }

    /// Takes back what the channel held: its consumers, its unacknowledged messages.
    fn release_channel(&mut self, number: u16) {
        self.promises.give_up_owed(number);
        self.card.channels.lock().remove(&number);
        let mut unacked = self.link.lock().close_channel(number);
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let consumers = std::mem::take(&mut channel.consumers);
        let replies = channel.replies.take();
        let tx = channel.tx.take();
        let Ok(vhost) = self.vhost() else { return };
        let vhost = Arc::clone(vhost);
        for (_, (consumer, queue)) in consumers {
            vhost.remove_consumer(&queue, &consumer);
        }
        if let Some(queue) = replies {
            vhost.remove_replies(&queue);
        }
        if let Some(tx) = tx {
            unacked.extend(tx.abandon(&vhost));
        }
        vhost.requeue_all(unacked);
    }

    /// The connection ends: every channel is released, exclusive queues go.
    pub(super) fn release_all(&mut self) {
        self.link.lock().shut = true;
        for number in self.channels.keys().copied().collect::<Vec<_>>() {
            self.release_channel(number);
        }
        self.promises.give_up_all_owed();
        self.channels.clear();
        self.routes.clear();
        let Ok(vhost) = self.vhost() else { return };
        let vhost = Arc::clone(vhost);
        for queue in vhost.owned_by(self.link.id) {
            let _ = vhost.delete_queue(&queue, Condition::Always);
        }
    }

    pub(super) fn channel_flow(&mut self, number: u16, flow: class::Flow) -> Outcome {
        if !flow.active {
            return Err(Failure::connection(reply::NOT_IMPLEMENTED, "active=false"));
        }
        self.send(number, &Method::ChannelFlowOk(class::FlowOk { active: true }));
        Ok(())
    }

    pub(super) fn confirm_select(&mut self, number: u16, no_wait: bool) -> Outcome {
        let channel = self.channel(number)?;
        if channel.tx.is_some() {
            return Err(Failure::precondition("cannot switch from tx to confirm mode"));
        }
        channel.confirms.get_or_insert_default();
        channel.card.confirm.store(true, Ordering::Relaxed);
        self.answer(number, no_wait, &Method::ConfirmSelectOk);
        Ok(())
    }
}
