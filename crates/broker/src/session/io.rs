//! A connection's task: bytes in and out of the socket, heartbeats, alarms, the end.
//!
//! One future does it all, polled by hand: what others put into the outbox goes out, what the socket has comes in,
//! and nothing waits for anything else. Reads go into a buffer of the thread, so that an idle connection holds none.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use amqp::frame;
use amqp::method::{Method, connection as class};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Session;
use super::handshake::Phase;
use crate::card::{ConnectionCard, State};
use crate::flow::Admission;
use crate::link::Effects;
use crate::node::Node;

/// Bytes read at a time at the most.
const READ_BYTES: usize = 256 * 1024;
/// How long a client has for its answer to our `connection.close`.
const CLOSING_TIME: Duration = Duration::from_secs(10);
/// A written buffer larger than this is not kept.
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why a connection's task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Both sides said goodbye.
    Orderly,
    /// The client went without a word, or the network did.
    Lost,
    /// It was silent for two heartbeats.
    Silent,
    /// It did not get through the handshake in time.
    Slow,
}

/// Serves one connection until its end.
pub(crate) async fn serve<S>(socket: S, node: Arc<Node>, card: Arc<ConnectionCard>) -> Ends
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut session = Session::new(Arc::clone(&node), card);
    let ended = Driver::new(socket, &mut session).await;
    session.release_all();
    ended
}

struct Driver<'s, S> {
    socket: S,
    session: &'s mut Session,
    /// The beginning of a frame whose rest has not come.
    leftover: Vec<u8>,
    writing: Vec<u8>,
    written: usize,
    clock: Pin<Box<Sleep>>,
    started: Instant,
    last_read: Instant,
    last_write: Instant,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Driver<'s, S> {
    fn new(socket: S, session: &'s mut Session) -> Self {
        let now = Instant::now();
        let handshake = session.node.settings.handshake_timeout;
        Driver {
            socket,
            session,
            leftover: Vec::new(),
            writing: Vec::new(),
            written: 0,
            clock: Box::pin(tokio::time::sleep(handshake)),
            started: now,
            last_read: now,
            last_write: now,
        }
    }

    /// Sends what waits, and serves the queues that waited for that. `Pending`: the socket takes no more.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.written = 0;
                if self.writing.capacity() > KEPT_BYTES && !self.session.throttle.has_met_backlog() {
                    self.writing.shrink_to(KEPT_BYTES);
                }
                if !self.session.link.take_frames(&mut self.writing) {
                    return Poll::Ready(Ok(()));
                }
            }
            let rest = self.writing.get(self.written..).unwrap_or_default();
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.last_write = Instant::now();
            let traffic = &self.session.link.traffic;
            traffic.sent_bytes.fetch_add(written as u64, Ordering::Relaxed);
            traffic.sent_writes.fetch_add(1, Ordering::Relaxed);
            let starved = self.session.link.wrote(written);
            if let (false, Some(vhost)) = (starved.is_empty(), self.session.card.vhost.get()) {
                let mut effects = Effects::default();
                starved.into_iter().for_each(|queue| queue.pump(&mut effects));
                vhost.carry_out(&mut effects);
            }
        }
    }

    /// Reads once and works through what came. `Ready(Ok(false))`: the client is gone.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let room = READ_BYTES.max(self.session.frame_max as usize + 2 * frame::OVERHEAD);
            if buffer.len() < room {
                buffer.resize(room, 0);
            }
            let kept = self.leftover.len();
            if let Some(front) = buffer.get_mut(..kept) {
                front.copy_from_slice(&self.leftover);
            }
            let mut read = ReadBuf::new(buffer.get_mut(kept..).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let came = read.filled().len();
            if came == 0 {
                return Poll::Ready(Ok(false));
            }
            self.last_read = Instant::now();
            let traffic = &self.session.link.traffic;
            traffic.received_bytes.fetch_add(came as u64, Ordering::Relaxed);
            traffic.received_reads.fetch_add(1, Ordering::Relaxed);
            let bytes = buffer.get(..kept + came).unwrap_or_default();
            let done = self.session.take_in(bytes);
            self.leftover.clear();
            let rest = bytes.get(done..).unwrap_or_default();
            if rest.is_empty() && self.leftover.capacity() > KEPT_BYTES {
                self.leftover = Vec::new();
            }
            self.leftover.extend_from_slice(rest);
            Poll::Ready(Ok(true))
        })
    }

    /// Whether the client is to be read from now: not while an alarm, the log or a queue it fills holds it back.
    fn may_read(&mut self) -> bool {
        self.note_alarm();
        let session = &mut *self.session;
        let log_pending = session.card.vhost.get().map_or(0, |vhost| vhost.store().log.pending_bytes());
        match session.throttle.judge(Instant::now(), log_pending, session.link.waker()) {
            Admission::Free => true,
            Admission::Freed => {
                session.card.set_state(State::Running);
                true
            }
            Admission::HeldBack(until) => {
                session.card.set_state(State::Flow);
                self.clock.as_mut().reset(until.into());
                false
            }
            Admission::StillHeldBack | Admission::Blocked => false,
        }
    }

    /// Tells the client of alarms that hold it back, or no longer do.
    fn note_alarm(&mut self) {
        let session = &mut *self.session;
        if session.phase != Phase::Open {
            session.throttle.forget_alarm();
            return;
        }
        let Some(blocked) = session.throttle.note_alarm(session.node.alarms.any()) else { return };
        session.card.set_state(if blocked { State::Blocked } else { State::Running });
        if session.blocked_notify {
            if blocked {
                let reason = session.node.alarms.reason();
                session.send(0, &Method::ConnectionBlocked(class::Blocked { reason: &reason }));
            } else {
                session.send(0, &Method::ConnectionUnblocked);
            }
        }
        // What it sent meanwhile counts as signs of life.
        self.last_read = Instant::now();
    }

    /// Timers: handshake, heartbeats, the wait for an answer. `Some`: the connection is over.
    fn check_clock(&mut self, cx: &mut Context<'_>) -> Option<Ends> {
        while self.clock.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let heartbeat = Duration::from_secs(self.session.heartbeat.into());
            let next = match self.session.phase {
                Phase::Open if heartbeat.is_zero() => now + Duration::from_secs(3600),
                Phase::Open => {
                    if now.duration_since(self.last_read) >= heartbeat * 2
                        && !self.session.throttle.is_blocked()
                    {
                        return Some(Ends::Silent);
                    }
                    if now.duration_since(self.last_write) >= heartbeat / 2 {
                        frame::heartbeat(&mut self.session.link.lock().frames);
                        self.last_write = now;
                    }
                    now + heartbeat / 2
                }
                Phase::Closing { since } if now.duration_since(since) >= CLOSING_TIME => {
                    return Some(Ends::Lost);
                }
                Phase::Closing { since } => since + CLOSING_TIME,
                Phase::Gone => now + CLOSING_TIME,
                _ => {
                    let until = self.started + self.session.node.settings.handshake_timeout;
                    if now >= until {
                        return Some(Ends::Slow);
                    }
                    until
                }
            };
            let next = self.session.throttle.until(now).map_or(next, |until| until.min(next));
            self.clock.as_mut().reset(next.into());
        }
        None
    }

    fn end(&self) -> Ends {
        if self.session.phase == Phase::Gone { Ends::Orderly } else { Ends::Lost }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<'_, S> {
    type Output = Ends;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ends> {
        let this = &mut *self;
        this.session.link.register(cx.waker());
        if let Some(reason) = this.session.link.take_close_request() {
            this.session.force_close(&reason);
        }
        this.session.take_cancelled();
        this.session.confirm();
        let phase = this.session.phase;
        if let Some(end) = this.check_clock(cx) {
            return Poll::Ready(end);
        }
        let may_read = this.may_read();
        let blocked_out = match this.write(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(this.end()),
            Poll::Ready(Ok(())) => false,
            Poll::Pending => true,
        };
        if this.session.phase == Phase::Gone {
            return this.finish(cx, blocked_out);
        }
        // A client that leaves our answers unread is not asked for more.
        if !may_read || (blocked_out && this.session.link.lock().frames.len() > crate::link::OUTBOX_LIMIT) {
            return Poll::Pending;
        }
        match this.read(cx) {
            Poll::Ready(Ok(true)) => {}
            Poll::Ready(_) => return Poll::Ready(this.end()),
            Poll::Pending => return Poll::Pending,
        }
        if this.session.phase != phase {
            // Another phase, other time limits: the clock is looked at now.
            this.clock.as_mut().reset(Instant::now().into());
        }
        // What was read has answers; and others want this thread before the next read.
        if this.write(cx).is_ready() || this.session.phase != Phase::Gone {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.finish(cx, true)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<'_, S> {
    /// Everything is said: once it is written, the socket is closed in an orderly way.
    fn finish(&mut self, cx: &mut Context<'_>, blocked_out: bool) -> Poll<Ends> {
        if blocked_out && self.last_write.elapsed() < CLOSING_TIME {
            return Poll::Pending;
        }
        let _ = ready!(Pin::new(&mut self.socket).poll_shutdown(cx));
        Poll::Ready(Ends::Orderly)
    }
}
