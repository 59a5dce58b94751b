//! A connection without a socket: what [`io`](super::io) does for one, as plain calls. For the simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use parking_lot::Mutex;

use super::Session;
use super::handshake::Phase;
use crate::card::ConnectionCard;
use crate::link::{Effects, Link};
use crate::node::Node;

/// See the module's documentation.
pub(crate) struct Pipe {
    node: Arc<Node>,
    session: Session,
    /// The beginning of a frame whose rest has not come.
    leftover: Vec<u8>,
}

impl Pipe {
    pub(crate) fn new(node: &Arc<Node>) -> Pipe {
        let id = node.next_id();
        let name = format!("simulated {id}");
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let card = Arc::new(ConnectionCard {
            link: Arc::new(Link::new(id, name.clone())),
            pid: node.pid(id),
            name,
            peer: nowhere,
            local: nowhere,
            connected_at: crate::clock::now_ms(),
            identity: OnceLock::new(),
            vhost: OnceLock::new(),
            greeting: OnceLock::new(),
            frame_max: AtomicU32::new(0),
            channel_max: AtomicU16::new(0),
            heartbeat: AtomicU16::new(0),
            state: AtomicU8::new(0),
            channels: Mutex::default(),
        });
        node.register(&card);
        Pipe { node: Arc::clone(node), session: Session::new(Arc::clone(node), card), leftover: Vec::new() }
    }

    /// What one read brought.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.leftover.extend_from_slice(bytes);
        if !self.session.is_paused {
            self.take_in();
        }
    }

    /// `false`: it still has to wait.
    fn take_in(&mut self) -> bool {
        let done = self.session.take_in(&self.leftover);
        self.leftover.drain(..done.min(self.leftover.len()));
        done > 0 || !self.session.is_paused
    }

    /// A turn of the connection's task: appends what the client is to be sent. `false`: the connection is over.
    pub(crate) fn turn(&mut self, out: &mut Vec<u8>) -> bool {
        if let Some(reason) = self.session.link.take_close_request() {
            self.session.force_close(&reason);
        }
        self.session.take_cancelled();
        self.session.confirm();
        while self.session.is_paused && self.take_in() {
            self.session.confirm();
        }
        let mut frames = Vec::new();
        while self.session.link.take_frames(&mut frames) {
            out.extend_from_slice(&frames);
            let is_wanted = self.session.link.wrote(frames.len());
            frames.clear();
            if let (true, Some(vhost)) = (is_wanted, self.session.card.vhost.get()) {
                let mut effects = Effects::default();
                self.session.link.serve_starved(&mut effects);
                vhost.carry_out(&mut effects);
            }
        }
        self.session.phase != Phase::Gone
    }

    /// Whether an answer waits for the disk, or what was read for its turn behind one.
    pub(crate) fn owes_answer(&self) -> bool {
        !self.session.promises.is_empty() || self.session.is_paused
    }

    /// Whether an alarm holds this client back, so that it would not be read from.
    pub(crate) fn is_held_back(&mut self) -> bool {
        self.session.throttle.note_alarm(self.node.alarms.any());
        self.session.throttle.is_blocked()
    }

    /// Who is woken when there is something for this client.
    pub(crate) fn register(&self, task: &Waker) {
        self.session.link.register(task);
    }

    /// The client is gone.
    pub(crate) fn hang_up(&mut self) {
        self.session.release_all();
        self.node.unregister(&self.session.card);
    }
}
