//! From the protocol header to `connection.open-ok`, and the methods of channel 0 after it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use amqp::frame::PROTOCOL_HEADER;
use amqp::method::{Method, MethodId, connection as class};
use amqp::reply;
use amqp::table::{FieldTable, RawTable, Value};

use super::{NO_METHOD, Session};
use crate::card::{Greeting, State};
use crate::error::{Failure, Outcome};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The 8 bytes that name the protocol.
    Header,
    StartOk,
    TuneOk,
    OpenMethod,
    Open,
    /// The login was refused; the client learns that a little later.
    Refused {
        since: Instant,
        /// By a `connection.close`, for which it asked; else by the end of the stream.
        by_close: bool,
    },
    /// `connection.close` was sent, the answer is awaited.
    Closing {
        since: Instant,
    },
    /// To be closed once everything is written.
    Gone,
}

/// Bytes of the largest frame before the login is through: RabbitMQ 4's limit (3.10 has 4096). Nobody who has no password
/// makes the broker gather more.
pub(super) const FIRST_FRAMES: u32 = 8192;
/// Bytes of the largest frame whatever was agreed: RabbitMQ's largest message.
const LARGEST_FRAME: u32 = 128 << 20;

/// So long a refused login waits for its answer, that guessing passwords is slow. A right one never waits, and what one
/// client did wrong no other has to wait for: all services of a controller share its address. (RabbitMQ answers at once,
/// and holds such a connection for three seconds.)
pub(super) const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// What RabbitMQ states, and what we honour.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

impl Session {
    /// Reads the protocol header; `None` when it is not all there. Anything but AMQP 0-9-1 is answered with the
    /// header we speak, and the end.
    pub(super) fn protocol_header(&mut self, bytes: &[u8]) -> Option<usize> {
        let header = bytes.get(..PROTOCOL_HEADER.len())?;
        // 1-1-9-1 was in use before the protocol's number was settled: RabbitMQ takes it.
        if header == PROTOCOL_HEADER || header == *b"AMQP\x01\x01\x09\x01" {
            self.phase = Phase::StartOk;
            self.greet();
        } else {
            self.tell_other_protocol(header);
            self.link.lock().frames.extend_from_slice(&PROTOCOL_HEADER);
            self.phase = Phase::Gone;
        }
        Some(PROTOCOL_HEADER.len())
    }

    fn greet(&self) {
        let capabilities: FieldTable =
            CAPABILITIES.iter().map(|name| ((*name).to_owned(), Value::Bool(true))).collect();
        let text = |text: &str| Value::LongStr(text.as_bytes().to_vec());
        let mut properties = FieldTable::new();
        properties.insert("capabilities", Value::Table(capabilities));
        properties.insert("cluster_name", text(&self.node.settings.node_name));
        properties.insert("copyright", text("Copyright (c) 2026 the aileron authors"));
        properties.insert("information", text("aileron, a message broker for OpenStack's control plane"));
        properties.insert("platform", text("Rust"));
        properties.insert("product", text("RabbitMQ"));
        properties.insert("version", text(crate::EMULATED_VERSION));
        let bytes = properties.to_bytes();
        let Ok(server_properties) = RawTable::parse(&bytes) else { return };
        let start = class::Start {
            version_major: 0,
            version_minor: 9,
            server_properties,
            mechanisms: b"AMQPLAIN PLAIN",
            locales: b"en_US",
        };
        self.send(0, &Method::ConnectionStart(start));
    }

    /// A method on channel 0.
    pub(super) fn on_connection(&mut self, method: &Method<'_>) -> Outcome {
        match (self.phase, method) {
            (Phase::Open, Method::ConnectionClose(close)) => {
                self.release_all();
                self.farewell =
                    Some(format!("closed by the client: {} {}", close.reply_code, close.reply_text));
                self.send(0, &Method::ConnectionCloseOk);
                self.phase = Phase::Gone;
                self.is_answered = true;
                Ok(())
            }
            (Phase::StartOk, Method::ConnectionStartOk(start)) => {
                self.start_ok(start);
                Ok(())
            }
            (Phase::TuneOk, Method::ConnectionTuneOk(tune)) => {
                self.tune_ok(*tune);
                Ok(())
            }
            (Phase::OpenMethod, Method::ConnectionOpen(open)) => self.open(open.virtual_host),
            (Phase::Open, Method::ConnectionUpdateSecret(_)) => {
                self.send(0, &Method::ConnectionUpdateSecretOk);
                Ok(())
            }
            (Phase::Open, _) => Err(unexpected("running")),
            (Phase::OpenMethod, _) => Err(unexpected("opening")),
            _ => {
                // RabbitMQ ends such a connection without a word.
                self.tell_broken_handshake("a method that does not belong there");
                self.phase = Phase::Gone;
                Ok(())
            }
        }
    }

    fn start_ok(&mut self, start: &class::StartOk<'_>) {
        let capabilities = start.client_properties.get("capabilities").and_then(|value| value.as_table());
        let capability = |name: &str| {
            let value = capabilities.and_then(|table| table.get(name)).map(|value| value.to_owned());
            value.and_then(|value| value.as_bool()).unwrap_or(false)
        };
        self.cancel_notify = capability("consumer_cancel_notify");
        self.blocked_notify = capability("connection.blocked");
        let by_close = capability("authentication_failure_close");
        let _ = self.card.greeting.set(Greeting::new(start.client_properties, start.mechanism.to_owned()));
        let Some((user, password)) = credentials(start.mechanism, start.response) else {
            let cause = "the mechanism is none of those offered, or its response is not understood";
            self.tell_refused_login("", start.mechanism, cause);
            self.phase = Phase::Gone;
            return;
        };
        match self.log_in(&user, &password) {
            Ok(identity) => {
                let _ = self.card.identity.set(identity);
                self.phase = Phase::TuneOk;
                self.card.set_state(State::Tuning);
                let settings = &self.node.settings;
                let (channel_max, frame_max) = (settings.channel_max, settings.frame_max);
                let tune = class::Tune { channel_max, frame_max, heartbeat: settings.heartbeat };
                self.send(0, &Method::ConnectionTune(tune));
            }
            Err(cause) => {
                self.tell_refused_login(&String::from_utf8_lossy(&user), start.mechanism, &cause);
                self.phase = Phase::Refused { since: sched::now(), by_close };
            }
        }
    }

    /// Tells the client that its login was refused.
    pub(super) fn answer_refused(&mut self) {
        let Phase::Refused { by_close, .. } = self.phase else { return };
        self.phase = Phase::Gone;
        if by_close {
            let mechanism = self.card.greeting.get().map_or("", |greeting| &greeting.mechanism);
            let text = format!(
                "ACCESS_REFUSED - Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
            );
            self.close_connection(reply::ACCESS_REFUSED, &text, NO_METHOD);
        }
    }

    fn log_in(&self, user: &[u8], password: &[u8]) -> Result<Arc<crate::access::Identity>, String> {
        let user = std::str::from_utf8(user).map_err(|_| "the user's name is not UTF-8".to_owned())?;
        let access = &self.node.access;
        let identity = access.authenticate(user, password).map_err(|refused| refused.to_string())?;
        if access.loopback_only(user) && !self.card.peer.ip().to_canonical().is_loopback() {
            return Err("this user may log in from the loopback only (broker.loopback_users)".to_owned());
        }
        Ok(identity)
    }

    /// A client may ask for less than was offered, not for more; RabbitMQ drops one that does.
    fn tune_ok(&mut self, tune: class::TuneOk) {
        let settings = &self.node.settings;
        let fits = |asked: u32, offered: u32| offered == 0 || (asked != 0 && asked <= offered);
        let channel_max_fits = fits(u32::from(tune.channel_max), u32::from(settings.channel_max));
        let frame_max_fits = fits(tune.frame_max, settings.frame_max)
            && (tune.frame_max == 0 || tune.frame_max >= amqp::frame::MIN_FRAME_SIZE);
        if !channel_max_fits || !frame_max_fits {
            self.tell_broken_handshake(&format!(
                "the client wants other limits than were offered: channel_max {}, frame_max {}",
                tune.channel_max, tune.frame_max
            ));
            self.phase = Phase::Gone;
            return;
        }
        self.channel_max = tune.channel_max;
        self.frame_max = limit_of(tune.frame_max);
        self.heartbeat = tune.heartbeat;
        self.card.channel_max.store(tune.channel_max, Ordering::Relaxed);
        self.card.frame_max.store(tune.frame_max, Ordering::Relaxed);
        self.card.heartbeat.store(tune.heartbeat, Ordering::Relaxed);
        self.link.lock().frame_max = tune.frame_max;
        self.phase = Phase::OpenMethod;
        self.card.set_state(State::Opening);
    }

    fn open(&mut self, name: &str) -> Outcome {
        let refused = |what: String| Failure::connection(reply::NOT_ALLOWED, what);
        if !self.node.access.has_vhost(name) {
            return Err(refused(format!("vhost {name} not found")));
        }
        let user = self.user();
        if self.node.access.rights(user, name).is_none() {
            return Err(refused(format!("access to vhost '{name}' refused for user '{user}'")));
        }
        let Some(vhost) = self.node.vhost(name) else {
            let what = format!("access to vhost '{name}' refused for user '{user}': vhost '{name}' is down");
            return Err(Failure::connection(reply::INTERNAL_ERROR, what));
        };
        let _ = self.card.vhost.set(vhost);
        self.phase = Phase::Open;
        self.card.set_state(State::Running);
        self.send(0, &Method::ConnectionOpenOk);
        self.tell_login();
        Ok(())
    }

    /// The operator or the broker itself ends the connection.
    pub(super) fn force_close(&mut self, reason: &str) {
        match self.phase {
            Phase::Open => {
                let text = format!("CONNECTION_FORCED - {reason}");
                let none = MethodId::default();
                self.close_connection(reply::CONNECTION_FORCED, &text, none);
            }
            Phase::Closing { .. } | Phase::Gone => {}
            _ => {
                self.farewell = Some(format!("CONNECTION_FORCED - {reason}"));
                self.phase = Phase::Gone;
            }
        }
    }
}

/// The largest frame that is taken, where 0 asks for no limit: a client must not make the broker gather what it likes.
pub(super) fn limit_of(frame_max: u32) -> u32 {
    if frame_max == 0 { LARGEST_FRAME } else { frame_max.min(LARGEST_FRAME) }
}

fn unexpected(state: &str) -> Failure {
    Failure::connection(reply::CHANNEL_ERROR, format_args!("unexpected method in connection state {state}"))
}

/// User and password out of a SASL response.
fn credentials(mechanism: &str, response: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    match mechanism {
        // RFC 4616 without an authorization identity, as RabbitMQ takes it.
        "PLAIN" => {
            let mut parts = response.strip_prefix(b"\0")?.split(|byte| *byte == 0);
            let (user, password) = (parts.next()?, parts.next()?);
            parts.next().is_none().then(|| (user.to_vec(), password.to_vec()))
        }
        // AMQP 0-8's own: a field table without its length.
        "AMQPLAIN" => {
            let table = RawTable::parse(response).ok()?;
            let text = |name| table.get(name).and_then(|value| value.as_bytes().map(<[u8]>::to_vec));
            Some((text("LOGIN")?, text("PASSWORD")?))
        }
        _ => None,
    }
}
