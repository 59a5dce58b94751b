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
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::Session;
use super::handshake::{Phase, REFUSAL_TIME};
use crate::card::{ConnectionCard, State};
use crate::flow::Admission;
use crate::link::Effects;
use crate::node::Node;

/// Bytes read at a time at the most.
const READ_BYTES: usize = 256 * 1024;
/// How long a client has for its answer to our `connection.close`, and to close its end once all is said.
const CLOSING_TIME: Duration = Duration::from_secs(10);
/// A client that seems silent is listened to for so much longer: what it sent may not have been looked at, where it is
/// the broker that was slow (a machine that was paused, or is overloaded).
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// A written buffer larger than this is not kept.
const KEPT_BYTES: usize = 64 * 1024;
/// A connection at rest keeps no buffers larger than this.
const REST_BYTES: usize = 4 * 1024;
/// When nothing was written for so long, it is at rest.
const REST_TIME: Duration = Duration::from_secs(1);
/// How often a client that an alarm blocks, and that is not read from, is looked after.
const BLOCKED_LOOK: Duration = Duration::from_secs(1);

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

/// The broker's end of a connection.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Whether the client has closed its end, or is gone, whatever lies there unread.
    fn is_closed(&self) -> bool;
}

impl Socket for TcpStream {
    fn is_closed(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut asked = [PollFd::new(self, PollFlags::RDHUP)];
        poll(&mut asked, Some(&Timespec::default())).is_ok()
            && asked.first().is_some_and(|answer| answer.revents().intersects(gone))
    }
}

/// Serves one connection until its end.
pub(crate) async fn serve<S: Socket>(socket: S, node: Arc<Node>, card: Arc<ConnectionCard>) -> Ends {
    let mut session = Session::new(Arc::clone(&node), card);
    let ended = Driver::new(socket, &mut session).await;
    session.release_all();
    session.tell_end(ended);
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
    /// The phase that the clock was set for.
    clocked: Phase,
    /// The client was found silent then.
    silent_since: Option<Instant>,
    /// All is said since then; the client has its end to close.
    over_since: Option<Instant>,
    /// The clock is set for the time at which large buffers are let go.
    will_rest: bool,
    /// Since when what was read does not get on.
    stuck_since: Option<Instant>,
}

impl<'s, S: Socket> Driver<'s, S> {
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
            clocked: Phase::Header,
            silent_since: None,
            over_since: None,
            will_rest: false,
            stuck_since: None,
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
                    self.come_to_rest();
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
            let is_wanted = self.session.link.wrote(written);
            if let (true, Some(vhost)) = (is_wanted, self.session.card.vhost.get()) {
                let mut effects = Effects::default();
                self.session.link.serve_starved(&mut effects);
                vhost.carry_out(&mut effects);
            }
        }
    }

    /// Reads once and works through what came. `Ready(Ok(false))`: the client is gone.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(READ_BYTES, 0);
            // The beginning of a frame stands before what comes; of a large one all is gathered apart.
            let kept = Some(self.leftover.len()).filter(|kept| *kept <= READ_BYTES / 2);
            if let Some(front) = buffer.get_mut(..kept.unwrap_or(0)) {
                front.copy_from_slice(self.leftover.get(..front.len()).unwrap_or_default());
            }
            let from = kept.unwrap_or(0);
            let mut read = ReadBuf::new(buffer.get_mut(from..).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let came = read.filled().len();
            if came == 0 {
                return Poll::Ready(Ok(false));
            }
            self.note_read(came);
            let bytes = buffer.get(..from + came).unwrap_or_default();
            if kept.is_none() {
                self.leftover.extend_from_slice(bytes);
                let done = self.session.take_in(&self.leftover);
                self.leftover.drain(..done.min(self.leftover.len()));
                return Poll::Ready(Ok(true));
            }
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

    /// All is written: has the clock come by for buffers that are large.
    fn come_to_rest(&mut self) {
        if !self.will_rest && self.writing.capacity().max(self.leftover.capacity()) > REST_BYTES {
            self.will_rest = true;
            let at = (Instant::now() + REST_TIME).into();
            if self.clock.deadline() > at {
                self.clock.as_mut().reset(at);
            }
        }
    }

    /// Lets buffers go that a connection at rest has no use for. `Some`: it is not at rest before then.
    fn rest(&mut self) -> Option<Instant> {
        if !self.will_rest {
            return None;
        }
        let at = self.last_write + REST_TIME;
        if self.written < self.writing.len() || Instant::now() < at {
            return Some(at.max(Instant::now() + REST_TIME / 4));
        }
        self.will_rest = false;
        (self.writing, self.written) = (Vec::new(), 0);
        self.leftover.shrink_to_fit();
        self.session.link.lock().frames.shrink_to_fit();
        None
    }

    /// Works on with what came before and had to wait. `false`: it still has to.
    fn go_on(&mut self) -> bool {
        let done = self.session.take_in(&self.leftover);
        self.leftover.drain(..done.min(self.leftover.len()));
        let gets_on = done > 0 || !self.session.is_paused;
        if gets_on {
            self.stuck_since = None;
        } else if self.stuck_since.is_none() {
            // Nobody reads from it now: that the client goes is looked for.
            let now = *self.stuck_since.insert(Instant::now());
            let at = (now + CLOSING_TIME).into();
            if self.clock.deadline() > at {
                self.clock.as_mut().reset(at);
            }
        }
        gets_on
    }

    fn note_read(&mut self, bytes: usize) {
        self.last_read = Instant::now();
        self.silent_since = None;
        let traffic = &self.session.link.traffic;
        traffic.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        traffic.received_reads.fetch_add(1, Ordering::Relaxed);
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
        if blocked {
            self.clock.as_mut().reset((Instant::now() + BLOCKED_LOOK).into());
        }
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
                    if now.duration_since(self.last_read) >= heartbeat * 2 {
                        self.silent_since.get_or_insert(now);
                    }
                    if now.duration_since(self.last_write) >= heartbeat / 2 {
                        frame::heartbeat(&mut self.session.link.lock().frames);
                        self.last_write = now;
                    }
                    let second_look =
                        self.silent_since.map(|since| (since + SECOND_LOOK).max(now + SECOND_LOOK / 4));
                    second_look.unwrap_or(now + heartbeat / 2)
                }
                Phase::Closing { since } if now.duration_since(since) >= CLOSING_TIME => {
                    return Some(Ends::Lost);
                }
                Phase::Closing { since } => since + CLOSING_TIME,
                Phase::Gone => now + CLOSING_TIME,
                // A refused login has waited for its answer.
                Phase::Refused { since, .. } if now.duration_since(since) >= REFUSAL_TIME => {
                    self.session.answer_refused();
                    now
                }
                Phase::Refused { since, .. } => since + REFUSAL_TIME,
                _ => {
                    let until = self.started + self.session.node.settings.handshake_timeout;
                    if now >= until {
                        return Some(Ends::Slow);
                    }
                    until
                }
            };
            let next = self.session.throttle.until(now).map_or(next, |until| until.min(next));
            let next = self.rest().map_or(next, |at| at.min(next));
            let is_blocked = self.session.throttle.is_blocked();
            // One that waits for its client's reading instead finds out by writing.
            let stuck_until = self.stuck_since.filter(|_| !self.session.promises.is_empty());
            let stuck_until = stuck_until.map(|since| since + CLOSING_TIME);
            let is_stuck = stuck_until.is_some_and(|until| now >= until);
            if (is_blocked || is_stuck) && self.socket.is_closed() {
                // Nobody reads from it, so that nobody else would notice; and what it holds may be what the alarm is for,
                // or what the disk is full of.
                return Some(Ends::Lost);
            }
            let next = if is_blocked { next.min(now + BLOCKED_LOOK) } else { next };
            let next = stuck_until.map_or(next, |until| next.min(until.max(now + BLOCKED_LOOK)));
            self.clock.as_mut().reset(next.into());
        }
        None
    }

    /// Whether the client, whose socket has nothing for us just now, was silent for too long: looked at twice.
    fn is_silent(&self) -> bool {
        self.session.phase == Phase::Open
            && self.silent_since.is_some_and(|since| since.elapsed() >= SECOND_LOOK)
    }

    fn end(&self) -> Ends {
        if self.session.phase == Phase::Gone { Ends::Orderly } else { Ends::Lost }
    }
}

impl<S: Socket> Future for Driver<'_, S> {
    type Output = Ends;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ends> {
        let this = &mut *self;
        this.session.link.register(cx.waker());
        if let Some(reason) = this.session.link.take_close_request() {
            this.session.force_close(&reason);
        }
        this.session.take_cancelled();
        this.session.confirm();
        if this.session.phase != this.clocked {
            // Another phase, other time limits: the clock is looked at now.
            this.clocked = this.session.phase;
            this.clock.as_mut().reset(Instant::now().into());
        }
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
        if let Phase::Refused { .. } = this.session.phase {
            return Poll::Pending;
        }
        // A client that leaves our answers unread is not asked for more.
        if !may_read || (blocked_out && this.session.link.lock().frames.len() > crate::link::OUTBOX_LIMIT) {
            // Nor is it silent while nobody listens.
            this.silent_since = None;
            return Poll::Pending;
        }
        if this.session.is_paused {
            // Nor is it silent then; and others want this thread before the next part. (Without progress no new turn is asked
            // for: the disk, the client's reading or the clock wakes.)
            this.silent_since = None;
            if this.go_on() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        match this.read(cx) {
            Poll::Ready(Ok(true)) => {}
            Poll::Ready(_) => return Poll::Ready(this.end()),
            Poll::Pending if this.is_silent() => return Poll::Ready(Ends::Silent),
            Poll::Pending => return Poll::Pending,
        }
        // What was read has answers; and others want this thread before the next read.
        if this.write(cx).is_ready() || this.session.phase != Phase::Gone {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.finish(cx, true)
    }
}

impl<S: Socket> Driver<'_, S> {
    /// Everything is said: once it is written, the client is to close its end. Closed while it still writes, the socket
    /// would answer with a reset, which takes from it what it has not read yet. So what comes is read and passed over, for
    /// a while; RabbitMQ does the same.
    fn finish(&mut self, cx: &mut Context<'_>, blocked_out: bool) -> Poll<Ends> {
        if blocked_out && self.last_write.elapsed() < CLOSING_TIME {
            return Poll::Pending;
        }
        let since = match self.over_since {
            Some(since) => since,
            None => {
                self.leftover = Vec::new();
                // One that closed the connection itself knows that it is over; others learn it from the end of the stream.
                if !self.session.is_answered {
                    let _ = ready!(Pin::new(&mut self.socket).poll_shutdown(cx));
                }
                *self.over_since.insert(Instant::now())
            }
        };
        while since.elapsed() < CLOSING_TIME && !self.session.node.stopping.load(Ordering::Acquire) {
            match ready!(self.pass_over(cx)) {
                Ok(came) if came > 0 => {}
                _ => return Poll::Ready(Ends::Orderly),
            }
        }
        let _ = ready!(Pin::new(&mut self.socket).poll_shutdown(cx));
        Poll::Ready(Ends::Orderly)
    }

    fn pass_over(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(READ_BYTES, 0);
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            Poll::Ready(Ok(read.filled().len()))
        })
    }
}
