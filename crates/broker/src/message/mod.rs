//! A message: how it arrives (borrowed from the read buffer) and how it is kept (one allocation).
//!
//! A kept message is one block of bytes, the same in memory and as the body of a journal record:
//!
//! ```text
//! exchange length (1) | exchange | routing key length (1) | routing key
//! | properties length (4, big endian) | properties as on the wire | body
//! ```
//!
//! Properties stay in wire form: only what the broker itself must know is ever decoded.

mod entry;

use std::cell::{Cell, OnceCell};
use std::mem::MaybeUninit;
use std::sync::Arc;

pub(crate) use self::entry::Entry;

/// Where a message lies on disk, and what its queue knows of that. The default lies nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Position in the vhost's log (persistent) or in the page file ([`Stored::PAGED`]); 0 is in memory only.
    pub(crate) id: u64,
    /// Size of that record in bytes.
    pub(crate) size: u32,
    pub(crate) flags: u8,
}

impl Stored {
    /// Was delivered before.
    pub(crate) const REDELIVERED: u8 = 1;
    /// Lies in the page file and not in the log: it does not survive a restart.
    pub(crate) const PAGED: u8 = 2;
    /// Its record belongs to other queues too.
    pub(crate) const SHARED: u8 = 4;
    /// The log has been told that its queue is done with it.
    pub(crate) const SETTLED: u8 = 8;

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it has a record in the log, which has to be settled when it is done with.
    pub(crate) fn is_in_log(self) -> bool {
        self.id != 0 && !self.has(Self::PAGED)
    }
}

/// A message held by the broker. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Message(Arc<[u8]>);

/// The parts of a message, wherever they lie.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) exchange: &'a [u8],
    pub(crate) routing_key: &'a [u8],
    /// Property flags and list, as in the content header.
    pub(crate) properties: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads the parts back from a kept block; `None` when the block is cut short.
    pub(crate) fn parse(block: &'a [u8]) -> Option<Self> {
        let (exchange, rest) = short(block)?;
        let (routing_key, rest) = short(rest)?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (properties, body) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        Some(Parts { exchange, routing_key, properties, body })
    }

    /// The block's pieces in order, for a writer that can gather. Names come from the wire, and are short strings.
    pub(crate) fn with_pieces<R>(&self, write: impl FnOnce(&[&[u8]]) -> R) -> R {
        let (exchange, routing_key) = (clip(self.exchange), clip(self.routing_key));
        let properties_len = (self.properties.len() as u32).to_be_bytes();
        write(&[
            &[exchange.len() as u8],
            exchange,
            &[routing_key.len() as u8],
            routing_key,
            &properties_len,
            self.properties,
            self.body,
        ])
    }

    /// Length of the block these parts make.
    pub(crate) fn block_len(&self) -> usize {
        let names = clip(self.exchange).len() + clip(self.routing_key).len();
        6 + names + self.properties.len() + self.body.len()
    }
}

/// What a short string has room for.
fn clip(name: &[u8]) -> &[u8] {
    name.get(..amqp::SHORT_STRING_MAX).unwrap_or(name)
}

fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

impl Message {
    /// Copies the parts into one block.
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        let mut block = Arc::<[u8]>::new_uninit_slice(parts.block_len());
        let mut written = 0;
        if let Some(room) = Arc::get_mut(&mut block) {
            parts.with_pieces(|pieces| {
                let mut room: &mut [MaybeUninit<u8>] = room;
                for piece in pieces {
                    let (here, rest) = room.split_at_mut(piece.len());
                    here.write_copy_of_slice(piece);
                    written += piece.len();
                    room = rest;
                }
            });
        }
        assert_eq!(written, parts.block_len(), "a new block has one owner");
        // SAFETY: the assertion above says that every one of the block's bytes was written.
        #[allow(unsafe_code)]
        Message(unsafe { block.assume_init() })
    }

    /// Takes a block read back from disk; `None` when it is not a whole message.
    pub(crate) fn from_block(block: &[u8]) -> Option<Self> {
        Parts::parse(block)?;
        Some(Message(Arc::from(block)))
    }

    /// The message's parts.
    pub(crate) fn parts(&self) -> Parts<'_> {
        // A message is only made of whole parts, so the default is never seen.
        Parts::parse(&self.0).unwrap_or_default()
    }

    /// The whole block.
    pub(crate) fn block(&self) -> &[u8] {
        &self.0
    }

    /// Bytes this message holds in memory.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A message on its way in: its parts lie in the connection's read buffer (or, when the body came in several
/// frames, in a buffer of its own). It becomes a [`Message`] only when something has to keep it.
pub(crate) struct Incoming<'a> {
    /// Void once `kept` holds the message.
    borrowed: Parts<'a>,
    /// `delivery-mode` 2: wanted on disk where the queue is durable.
    pub(crate) persistent: bool,
    pub(crate) priority: u8,
    /// The `expiration` property in milliseconds.
    pub(crate) ttl_ms: Option<u64>,
    /// Its record in the log, once it has one.
    pub(crate) stored: Cell<Option<Stored>>,
    kept: OnceCell<Message>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(parts: Parts<'a>, persistent: bool, priority: u8, ttl_ms: Option<u64>) -> Self {
        let (stored, kept) = (Cell::new(None), OnceCell::new());
        Incoming { borrowed: parts, persistent, priority, ttl_ms, stored, kept }
    }

    /// A message that had to be put together in memory of its own.
    pub(crate) fn kept(message: Message, persistent: bool, priority: u8, ttl_ms: Option<u64>) -> Self {
        let (borrowed, stored) = (Parts::default(), Cell::new(None));
        Incoming { borrowed, persistent, priority, ttl_ms, stored, kept: OnceCell::from(message) }
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        self.kept.get().map_or(self.borrowed, Message::parts)
    }

    /// The kept message, made at the first call and shared by all queues afterwards.
    pub(crate) fn keep(&self) -> Message {
        self.kept.get_or_init(|| Message::new(&self.borrowed)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_gives_back_its_parts() {
        for body_len in [0, 1, 17, 4096, 200_000] {
            let body: Vec<u8> = (0..body_len).map(|i| i as u8).collect();
            let parts = Parts {
                exchange: b"nova",
                routing_key: b"compute.cmp1",
                properties: &[0x10, 0, 2],
                body: &body,
            };
            let message = Message::new(&parts);
            assert_eq!(message.len(), parts.block_len());
            let back = message.parts();
            assert_eq!((back.exchange, back.routing_key), (parts.exchange, parts.routing_key));
            assert_eq!((back.properties, back.body), (parts.properties, parts.body));
        }
    }

    #[test]
    fn a_block_cut_short_is_no_message() {
        let parts = Parts { exchange: b"x", routing_key: b"key", properties: &[0, 0], body: b"" };
        let whole = parts.with_pieces(|pieces| pieces.concat());
        assert!(Message::from_block(&whole).is_some());
        for cut in 0..whole.len() {
            assert!(Message::from_block(&whole[..cut]).is_none(), "cut at {cut}");
        }
    }
}
