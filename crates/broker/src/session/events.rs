//! What the log says of a connection: its login, what it did wrong, and why it ended, each with who it is.
//!
//! Names come from outside: they are fields of a line, never its words, and whoever writes the line (the program) escapes
//! and cuts them. What can be had without a password is written a few times only ([`strangers`](crate::strangers)).
//! docs/log.md lists the lines.

use super::Session;
use super::io::Ends;
use crate::error::Failure;
use crate::strangers::Stranger;

impl Session {
    /// The client is in.
    pub(super) fn tell_login(&self) {
        let card = &*self.card;
        tracing::info!(
            user = self.user(),
            vhost = card.vhost_name(),
            client = card.client(),
            connection = card.name,
            "authenticated and granted access"
        );
    }

    /// It is not let in. The cause is for the log alone.
    pub(super) fn tell_refused_login(&self, user: &str, mechanism: &str, cause: &str) {
        if self.node.strangers.may_tell(Stranger::Login) {
            let (client, connection) = (self.card.client(), self.card.name.as_str());
            tracing::warn!(user, mechanism, cause, client, connection, "login refused");
        }
    }

    /// It spoke something else.
    pub(super) fn tell_other_protocol(&self, header: &[u8]) {
        if self.node.strangers.may_tell(Stranger::Header) {
            let header = super::frames::erlang_binary(header);
            tracing::warn!(
                header,
                connection = self.card.name,
                "refused: the client does not speak AMQP 0-9-1"
            );
        }
    }

    /// The handshake came to nothing.
    pub(super) fn tell_broken_handshake(&self, cause: &str) {
        let card = &*self.card;
        if card.identity.get().is_some() {
            let (user, client, connection) = (self.user(), card.client(), card.name.as_str());
            tracing::warn!(cause, user, client, connection, "the handshake was broken off");
        } else if self.node.strangers.may_tell(Stranger::Handshake) {
            let (client, connection) = (card.client(), card.name.as_str());
            tracing::warn!(cause, client, connection, "the handshake was broken off");
        }
    }

    /// Something the client did ends a channel, or all of it.
    pub(super) fn tell_failure(&self, channel: u16, failure: &Failure) {
        if self.card.identity.get().is_none() {
            return self.tell_broken_handshake(&failure.text);
        }
        let what = match failure.ends {
            crate::error::Ends::Channel if channel != 0 => "channel error",
            _ => "connection error",
        };
        let card = &*self.card;
        tracing::warn!(
            error = failure.text,
            channel,
            user = self.user(),
            vhost = card.vhost_name(),
            client = card.client(),
            connection = card.name,
            "{what}"
        );
    }

    /// The connection is over.
    pub(super) fn tell_end(&self, ended: Ends) {
        let card = &*self.card;
        if card.identity.get().is_none() {
            match ended {
                Ends::Slow => self.tell_broken_handshake("it took too long (broker.handshake_timeout)"),
                // Checks of health come and go like this, every few seconds: a load balancer's, our own watchdog's.
                _ => tracing::debug!(connection = card.name, "the client went without logging in"),
            }
            return;
        }
        let told = self.farewell.as_deref();
        let (reason, is_as_it_should) = match ended {
            // Many go as soon as they are told to, without an answer.
            Ends::Orderly | Ends::Lost if told.is_some() => (told.unwrap_or_default().to_owned(), true),
            Ends::Orderly => ("the handshake was broken off".to_owned(), true),
            Ends::Lost => ("client unexpectedly closed TCP connection".to_owned(), false),
            Ends::Silent => (format!("missed heartbeats from client, timeout: {}s", self.heartbeat), false),
            Ends::Slow => ("the handshake took too long (broker.handshake_timeout)".to_owned(), false),
        };
        let seconds = crate::clock::now_ms().saturating_sub(card.connected_at) / 1000;
        let (user, vhost, client) = (self.user(), card.vhost_name(), card.client());
        let connection = card.name.as_str();
        if is_as_it_should {
            tracing::info!(reason, user, vhost, client, connection, seconds, "connection closed");
        } else {
            tracing::warn!(reason, user, vhost, client, connection, seconds, "connection closed");
        }
    }
}
