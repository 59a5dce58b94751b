//! Content that comes in pieces: header first, then body frames until the announced size is reached.

use amqp::frame::{self, Frame};
use amqp::method::{MethodId, basic};
use amqp::properties::ContentHeader;
use amqp::reply;

use super::{BASIC, PUBLISH};
use crate::error::{Ends, Failure};
use crate::message::Parts;

/// A message on its way in, kept between reads.
pub(in crate::session) struct Assembly {
    exchange: Box<[u8]>,
    routing_key: Box<[u8]>,
    pub(super) mandatory: bool,
    properties: Option<Box<[u8]>>,
    body_size: u64,
    body: Vec<u8>,
}

/// How far a message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Whole,
}

const NO_HEADER: &str = "expected content header for class 60, got non content header frame instead";
const NO_BODY: &str = "expected content body, got non content body frame instead";
impl Assembly {
    pub(super) fn new(publish: &basic::Publish<'_>) -> Self {
        Assembly {
            exchange: publish.exchange.into(),
            routing_key: publish.routing_key.into(),
            mandatory: publish.mandatory,
            properties: None,
            body_size: 0,
            body: Vec::new(),
        }
    }

    /// Takes a header or body frame. A body over `limit` bytes is refused when it is announced (RabbitMQ waits until
    /// all of it has come).
    pub(super) fn take(&mut self, frame: &Frame<'_>, limit: u64) -> Result<Progress, (Failure, MethodId)> {
        if self.properties.is_none() {
            return self.header(frame, limit);
        }
        if frame.kind != frame::BODY {
            return Err(unexpected(NO_BODY));
        }
        let size = self.body.len() as u64 + frame.payload.len() as u64;
        if size > self.body_size {
            let what = format!("content body size {size} is larger than the announced {}", self.body_size);
            return Err(unexpected(&what));
        }
        self.body.extend_from_slice(frame.payload);
        Ok(if size == self.body_size { Progress::Whole } else { Progress::More })
    }

    /// A method came where the content should go on.
    pub(in crate::session) fn interrupted(&self) -> (Failure, MethodId) {
        unexpected(if self.properties.is_none() { NO_HEADER } else { NO_BODY })
    }

    fn header(&mut self, frame: &Frame<'_>, limit: u64) -> Result<Progress, (Failure, MethodId)> {
        if frame.kind != frame::HEADER {
            return Err(unexpected(NO_HEADER));
        }
        let header = ContentHeader::parse(frame.payload).map_err(|_| unexpected(NO_HEADER))?;
        if header.class != BASIC {
            let what =
                format!("expected content header for class 60, got one for class {} instead", header.class);
            return Err(unexpected(&what));
        }
        if header.body_size > limit {
            let text = format!(
                "PRECONDITION_FAILED - message size {} is larger than configured max size {limit}",
                header.body_size
            );
            let failure = Failure { code: reply::PRECONDITION_FAILED, text, ends: Ends::Channel };
            return Err((failure, PUBLISH));
        }
        self.properties = Some(header.properties.into());
        // Memory is taken as the bytes come: an announcement costs nothing.
        self.body_size = header.body_size;
        Ok(if header.body_size == 0 { Progress::Whole } else { Progress::More })
    }

    pub(super) fn parts(&self) -> Parts<'_> {
        Parts {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            properties: self.properties.as_deref().unwrap_or_default(),
            body: &self.body,
        }
    }
}

fn unexpected(what: &str) -> (Failure, MethodId) {
    (Failure::connection(reply::UNEXPECTED_FRAME, what), PUBLISH)
}
