//! Direct reply-to: hidden queues that answers to a client's own requests come to.

use std::sync::Arc;

use amqp::table::FieldTable;
use journal::Cause;

use super::Vhost;
use crate::queue::deletion::Condition;
use crate::queue::{self, Arguments, Owner, Queue};

/// The name under which a client consumes the answers to its own requests.
pub(crate) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

impl Vhost {
    /// The hidden queue of a `amq.rabbitmq.reply-to` consumer: found by its address alone, and in no listing.
    pub(crate) fn create_replies(self: &Arc<Self>, address: &str, owner: Owner) -> Arc<Queue> {
        let declaration = queue::Declaration {
            name: Arc::from(address),
            id: self.transient_id(),
            record_size: 0,
            durable: false,
            auto_delete: false,
            owner: Some(owner),
            table: FieldTable::default(),
            arguments: Arguments::default(),
        };
        let queue = Queue::new(declaration, Arc::clone(&self.ground));
        self.replies.write().insert(Arc::clone(&queue.name), Arc::clone(&queue));
        queue
    }

    /// The consumer of replies is gone.
    pub(crate) fn remove_replies(&self, queue: &Arc<Queue>) {
        self.replies.write().remove(&queue.name);
        if let Ok(remains) = queue.condemn(Condition::Always) {
            self.clear_away(queue, remains, Some(Cause::scratch()));
        }
    }

    /// The queue that a message to the default exchange with this key goes to.
    pub(crate) fn find_addressee(&self, name: &str) -> Option<Arc<Queue>> {
        self.find_queue(name).or_else(|| self.find_replies(name))
    }

    /// The hidden queue with this address.
    pub(crate) fn find_replies(&self, address: &str) -> Option<Arc<Queue>> {
        if !address.starts_with("amq.rabbitmq.reply-to.") {
            return None;
        }
        self.replies.read().get(address).cloned()
    }
}
