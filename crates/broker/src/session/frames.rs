//! Frames taken apart and handed to whom they concern, and how errors end channels and connections.

use std::time::Duration;

use amqp::frame::{self, Frame, FrameError};
use amqp::method::{Method, MethodId, channel as channel_class, connection};
use amqp::{DecodeError, reply};

use super::batch::Gathered;
use super::handshake::Phase;
use super::{NO_METHOD, Session};
use crate::card::State;
use crate::error::{Ends, Failure, Outcome};

/// Class, weight and size of a content header, without which it is none.
const CONTENT_HEADER: usize = 12;

/// So long a session works on what one read brought before others have their turn on its thread.
const TURN: Duration = Duration::from_millis(10);
/// After so many frames it looks at the clock.
const FRAMES: u32 = 4;

/// A failure with the method it is stated for.
pub(super) struct Stated {
    failure: Failure,
    method: MethodId,
}

impl From<(Failure, MethodId)> for Stated {
    fn from((failure, method): (Failure, MethodId)) -> Self {
        Stated { failure, method }
    }
}

impl Session {
    /// Works through the bytes and returns how many are done with; the rest is the beginning of a frame, or
    /// ([`is_paused`](Self::is_paused)) has to wait, and to be tried again: for answers before it, for room, or for others
    /// that want the thread too.
    pub(super) fn take_in(&mut self, bytes: &[u8]) -> usize {
        self.is_paused = false;
        let mut gathered = Gathered::new(self.routes.next_batch());
        let (mut done, began, mut frames) = (0, sched::now(), 0_u32);
        while let Some(rest) = bytes.get(done..) {
            if self.phase == Phase::Header {
                match self.protocol_header(rest) {
                    Some(used) => done += used,
                    None => break,
                }
                continue;
            }
            if let Phase::Gone | Phase::Refused { .. } = self.phase {
                return bytes.len();
            }
            match frame::split(rest, self.frame_max + frame::OVERHEAD as u32) {
                Ok(None) => break,
                Ok(Some((frame, _))) if self.has_to_wait(&frame) => {
                    self.is_paused = true;
                    break;
                }
                Ok(Some(_)) if frames == FRAMES && sched::now().duration_since(began) >= TURN => {
                    self.is_paused = true;
                    break;
                }
                Ok(Some((frame, used))) => {
                    frames = frames % FRAMES + 1;
                    let after = rest.get(used..).unwrap_or_default();
                    done += used;
                    match self.frame(frame, after, &mut gathered) {
                        Ok(more) => done += more,
                        Err(stated) => self.fail(frame.channel, &stated, &mut gathered),
                    }
                }
                Err(error) => {
                    self.flush(&mut gathered);
                    self.broken_frame(&error, rest);
                    return bytes.len();
                }
            }
        }
        self.flush(&mut gathered);
        done
    }

    /// Whether this frame has to wait: a method whose answer would come before others that [wait for the
    /// disk](super::promises), or find no room among what the client leaves unread. What is answered there too, or not at
    /// all, need not.
    fn has_to_wait(&self, frame: &Frame<'_>) -> bool {
        if frame.kind != frame::METHOD || !matches!(self.phase, Phase::Open) {
            return false;
        }
        let Some(&[_, class, _, method]) = frame.payload.first_chunk() else { return false };
        match (class, method) {
            // The ends of a connection and a channel: answers that the disk still gives come before theirs.
            (10, 50) | (20, 40) => self.promises.wait_for_sync() && !self.lacks_space(),
            _ if frame.channel == 0 => false,
            // channel.close-ok
            (20, 41) => false,
            // exchange and queue
            (40 | 50, _) => false,
            // basic: publish, ack, reject and nack
            (60, 40 | 80 | 90 | 120) => false,
            _ => self.promises.hold_back(frame.channel) || !self.link.lock().has_room(),
        }
    }

    /// Whether the log waits for space: nobody knows for how long.
    pub(super) fn lacks_space(&self) -> bool {
        self.card.vhost.get().is_some_and(|vhost| vhost.store().log.state() == journal::State::Full)
    }

    /// One frame; returns how much of what comes `after` it was taken along.
    fn frame<'b>(
        &mut self,
        frame: Frame<'b>,
        after: &'b [u8],
        gathered: &mut Gathered<'b>,
    ) -> Result<usize, Stated> {
        if let Phase::Closing { .. } = self.phase {
            self.frame_while_closing(&frame);
            return Ok(0);
        }
        match frame.kind {
            frame::METHOD => self.method_frame(frame, after, gathered),
            frame::HEADER if frame.payload.len() < CONTENT_HEADER => {
                Err((unknown_frame(&frame), NO_METHOD).into())
            }
            frame::HEADER | frame::BODY if frame.channel != 0 => {
                self.content_frame(frame, gathered).map(|()| 0).map_err(|(f, id)| Stated::from((f, id)))
            }
            frame::HEARTBEAT if frame.channel == 0 && frame.payload.is_empty() => Ok(0),
            frame::HEARTBEAT if frame.channel == 0 => Err((unknown_frame(&frame), NO_METHOD).into()),
            frame::HEADER | frame::BODY | frame::HEARTBEAT => {
                Err((unexpected_frame(&frame), NO_METHOD).into())
            }
            _ => Err((unknown_frame(&frame), NO_METHOD).into()),
        }
    }

    fn method_frame<'b>(
        &mut self,
        frame: Frame<'b>,
        after: &'b [u8],
        gathered: &mut Gathered<'b>,
    ) -> Result<usize, Stated> {
        let method = match Method::decode(frame.payload) {
            Ok(method) => method,
            Err(error) => return Err(malformed(&frame, &error).into()),
        };
        let id = method.id();
        if frame.channel == 0 {
            self.flush(gathered);
            return self.on_connection(&method).map(|()| 0).map_err(|f| (f, id).into());
        }
        if !matches!(self.phase, Phase::Open) {
            return Err((unexpected_frame(&frame), NO_METHOD).into());
        }
        if let Some(assembly) = self.channels.get(&frame.channel).and_then(|c| c.assembly.as_ref()) {
            return Err(assembly.interrupted().into());
        }
        match method {
            Method::BasicPublish(publish) => {
                self.on_publish(frame.channel, publish, after, gathered).map_err(|f| (f, id).into())
            }
            Method::BasicAck(ack) => {
                self.gather_ack(frame.channel, ack, gathered).map(|()| 0).map_err(|f| (f, id).into())
            }
            other => {
                self.flush(gathered);
                let done = self.on_channel(frame.channel, &other).map(|()| 0);
                done.map_err(|failure| {
                    // RabbitMQ counts channels before it looks at the method, and names none.
                    let is_limit = other == Method::ChannelOpen && failure.code == reply::NOT_ALLOWED;
                    (failure, if is_limit { NO_METHOD } else { id }).into()
                })
            }
        }
    }

    /// A method on a channel other than 0, but publish and ack.
    fn on_channel(&mut self, number: u16, method: &Method<'_>) -> Outcome {
        if self.channels.get(&number).is_some_and(|c| c.is_closing) {
            return self.while_channel_closes(number, method);
        }
        if let Method::ChannelOpen = method {
            return self.open_channel(number);
        }
        self.channel(number)?;
        match method {
            Method::ChannelClose(_) => self.close_channel(number),
            Method::ChannelFlow(m) => self.channel_flow(number, *m),
            Method::ExchangeDeclare(m) => self.exchange_declare(number, m),
            Method::ExchangeDelete(m) => self.exchange_delete(number, m),
            Method::ExchangeBind(m) => self.exchange_bind(number, m),
            Method::ExchangeUnbind(m) => self.exchange_unbind(number, m),
            Method::QueueDeclare(m) => self.queue_declare(number, m),
            Method::QueueBind(m) => self.queue_bind(number, m),
            Method::QueueUnbind(m) => self.queue_unbind(number, m),
            Method::QueuePurge(m) => self.queue_purge(number, m),
            Method::QueueDelete(m) => self.queue_delete(number, m),
            Method::BasicQos(m) => self.basic_qos(number, *m),
            Method::BasicConsume(m) => self.basic_consume(number, m),
            Method::BasicCancel(m) => self.basic_cancel(number, m),
            Method::BasicGet(m) => self.basic_get(number, m),
            Method::BasicReject(m) => self.basic_nack(number, m.delivery_tag, false, m.requeue),
            Method::BasicNack(m) => self.basic_nack(number, m.delivery_tag, m.multiple, m.requeue),
            Method::BasicRecover(m) => self.basic_recover(number, m.requeue, true),
            Method::BasicRecoverAsync(m) => self.basic_recover(number, m.requeue, false),
            Method::ConfirmSelect(m) => self.confirm_select(number, m.no_wait),
            Method::AccessRequest(_) => {
                self.send(number, &Method::AccessRequestOk(amqp::method::access::RequestOk { ticket: 1 }));
                Ok(())
            }
            Method::TxSelect => self.tx_select(number),
            Method::TxCommit => self.tx_commit(number),
            Method::TxRollback => self.tx_rollback(number),
            _ => Err(Failure::connection(reply::COMMAND_INVALID, "unimplemented method")),
        }
    }

    /// Ends what the failure ends, after what came before it has been carried out.
    fn fail(&mut self, channel: u16, stated: &Stated, gathered: &mut Gathered<'_>) {
        self.flush(gathered);
        self.end_by(channel, &stated.failure, stated.method);
    }

    pub(super) fn end_by(&mut self, channel: u16, failure: &Failure, method: MethodId) {
        let text = failure.text.as_str();
        self.tell_failure(channel, failure);
        if let Phase::Header | Phase::StartOk | Phase::TuneOk = self.phase {
            // Before the login is through RabbitMQ has no words for anybody.
            self.phase = Phase::Gone;
            return;
        }
        match failure.ends {
            Ends::Channel if channel != 0 => {
                let close = channel_class::Close {
                    reply_code: failure.code,
                    reply_text: text,
                    class_id: method.class,
                    method_id: method.method,
                };
                self.abandon_channel(channel);
                self.promise(channel, false, &Method::ChannelClose(close), 0);
            }
            _ => self.close_connection(failure.code, text, method),
        }
    }

    /// Says goodbye; what comes until the client's answer is passed over.
    pub(super) fn close_connection(&mut self, reply_code: u16, text: &str, method: MethodId) {
        self.card.set_state(State::Closing);
        self.release_all();
        self.farewell = Some(text.to_owned());
        let close = connection::Close {
            reply_code,
            reply_text: text,
            class_id: method.class,
            method_id: method.method,
        };
        self.promise(0, false, &Method::ConnectionClose(close), 0);
        self.phase = Phase::Closing { since: sched::now() };
    }

    fn frame_while_closing(&mut self, frame: &Frame<'_>) {
        if frame.kind != frame::METHOD || frame.channel != 0 {
            return;
        }
        match Method::decode(frame.payload) {
            Ok(Method::ConnectionCloseOk) => self.phase = Phase::Gone,
            Ok(Method::ConnectionClose(_)) => self.promise(0, false, &Method::ConnectionCloseOk, 0),
            _ => {}
        }
    }

    fn broken_frame(&mut self, error: &FrameError, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Open) {
            // Before the connection is open RabbitMQ has no words for it, nor do scanners read them.
            if !matches!(self.phase, Phase::Closing { .. }) {
                self.tell_broken_handshake(
                    "bytes that are no frame, or one larger than is taken before the login",
                );
            }
            self.phase = Phase::Gone;
            return;
        }
        let what = match error {
            FrameError::TooLarge { kind, size, max, .. } => {
                // The limit counts whole frames; like RabbitMQ we let a payload of that size pass.
                let max = max - frame::OVERHEAD as u32;
                format!("type {kind}, all octets = <<>>: {{frame_too_large,{size},{max}}}")
            }
            FrameError::BadEnd { kind, payload_size, octet, .. } => {
                let payload = bytes.get(7..7 + *payload_size as usize).unwrap_or_default();
                let all = erlang_binary(payload);
                format!("type {kind}, all octets = {all}: {{invalid_frame_end_marker,{octet}}}")
            }
        };
        let failure = Failure::connection(reply::FRAME_ERROR, what);
        self.end_by(0, &failure, NO_METHOD);
    }
}

fn unexpected_frame(frame: &Frame<'_>) -> Failure {
    let what = format!("type {}, all octets = {}", frame.kind, erlang_binary(frame.payload));
    Failure::connection(reply::UNEXPECTED_FRAME, what)
}

fn unknown_frame(frame: &Frame<'_>) -> Failure {
    let all = erlang_binary(frame.payload);
    Failure::connection(
        reply::FRAME_ERROR,
        format_args!("type {}, all octets = {all}: unknown_frame", frame.kind),
    )
}

/// RabbitMQ drops the socket on methods it does not know; a reply helps whoever looks for the cause.
fn malformed(frame: &Frame<'_>, error: &DecodeError) -> (Failure, MethodId) {
    match error {
        DecodeError::Unknown(id) => {
            (Failure::connection(reply::NOT_IMPLEMENTED, format_args!("unknown method {id}")), *id)
        }
        DecodeError::Malformed { what, .. } if what.contains("UTF-8") => {
            (Failure::connection(reply::FRAME_ERROR, "Malformed UTF-8 in shortstr"), NO_METHOD)
        }
        DecodeError::Malformed { method: Some(id), .. } => {
            let arguments = erlang_binary(frame.payload.get(4..).unwrap_or_default());
            (Failure::connection(reply::FRAME_ERROR, format_args!("cannot decode {arguments}")), *id)
        }
        _ => (unknown_frame(frame), NO_METHOD),
    }
}

/// Bytes as RabbitMQ's texts show them: `<<"abc">>` when printable, `<<0,20>>` when not.
pub(super) fn erlang_binary(bytes: &[u8]) -> String {
    const SHOWN: usize = 256;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let printable =
        !shown.is_empty() && shown.iter().all(|b| matches!(b, 0x20..=0x7e) && !b"\"\\".contains(b));
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    match std::str::from_utf8(shown) {
        Ok(text) if printable => format!("<<\"{text}\"{more}>>"),
        _ => {
            let octets: Vec<String> = shown.iter().map(u8::to_string).collect();
            format!("<<{}{more}>>", octets.join(","))
        }
    }
}
