//! Starting and ending the broker, and taking connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::now_ms;
use crate::link::Link;
use crate::node::{Node, NodeError};
use crate::session::card::ConnectionCard;
use crate::session::{Ends, serve};
use crate::settings::Settings;

/// Time that connections have to say goodbye at a shutdown.
const GOODBYE_TIME: Duration = Duration::from_secs(5);
/// Pause after the system refused to hand out a connection (too many files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running broker. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Broker {
    node: Arc<Node>,
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
}

/// Why the broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Definitions or logs cannot be opened.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The thread that reads the disk at the start failed.
    #[error("the start was broken off: {0}")]
    BrokenOff(String),
}

impl Broker {
    /// Opens the data folder, then listens on all addresses. Must be called within a tokio runtime.
    pub async fn start(settings: Settings) -> Result<Broker, StartError> {
        raise_file_limit();
        let listen = settings.listen.clone();
        let runtime = tokio::runtime::Handle::current();
        let opened = tokio::task::spawn_blocking(move || Node::open(settings, runtime)).await;
        let node = opened.map_err(|error| StartError::BrokenOff(error.to_string()))??;
        tokio::spawn(Arc::clone(&node).keep_house());
        let broker = Broker { node, addresses: Arc::default() };
        for address in listen {
            let listening = TcpListener::bind(address).await;
            let listener = listening.map_err(|source| StartError::Listen { address, source })?;
            broker.addresses.lock().push(listener.local_addr().unwrap_or(address));
            tokio::spawn(accept(Arc::clone(&broker.node), listener));
        }
        Ok(broker)
    }

    /// The addresses listened on, with the ports the system chose where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.lock().clone()
    }

    /// Protocol and address of each listener.
    pub(crate) fn listeners(&self) -> Vec<(String, String)> {
        self.addresses().iter().map(|address| ("amqp".to_owned(), address.to_string())).collect()
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Asks the broker to end; whoever waits in [`Broker::stop_requested`] carries it out.
    pub fn request_stop(&self) {
        self.node.stop.notify_one();
    }

    /// Returns when somebody asked for the end.
    pub async fn stop_requested(&self) {
        self.node.stop.notified().await;
    }

    /// Closes all connections (clients are told), then all logs.
    pub async fn shutdown(&self) {
        self.node.shut_down(GOODBYE_TIME).await;
    }
}

/// Every connection is a file: as many as the system lets us have, whatever the shell's soft limit was.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
}

async fn accept(node: Arc<Node>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let limit = node.settings.max_connections;
                if node.stopping.load(Ordering::Acquire) || (limit != 0 && node.connection_count() >= limit) {
                    tracing::warn!(%peer, limit, "connection refused: there are too many, or the broker is ending");
                    continue;
                }
                tokio::spawn(connection(Arc::clone(&node), socket, peer));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(node: Arc<Node>, socket: TcpStream, peer: SocketAddr) {
    let _ = socket.set_nodelay(true);
    let Ok(local) = socket.local_addr() else { return };
    let id = node.next_id();
    let name = format!("{} -> {}", canonical(peer), canonical(local));
    let card = Arc::new(ConnectionCard {
        link: Arc::new(Link::new(id, name.clone())),
        pid: node.pid(id),
        name,
        peer,
        local,
        connected_at: now_ms(),
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
    tracing::debug!(connection = %card.name, "accepted");
    let ended = serve(socket, Arc::clone(&node), Arc::clone(&card)).await;
    node.unregister(&card);
    match ended {
        Ends::Orderly => tracing::debug!(connection = %card.name, "closed"),
        // Checks of health come and go like this, every few seconds: a load balancer's, our own watchdog's.
        Ends::Lost if card.identity.get().is_none() => {
            tracing::debug!(connection = %card.name, "the client went without logging in");
        }
        Ends::Lost => tracing::info!(connection = %card.name, "the client went without closing"),
        Ends::Silent => tracing::warn!(connection = %card.name, "no heartbeats from the client: closed"),
        Ends::Slow => tracing::warn!(connection = %card.name, "the handshake took too long: closed"),
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
