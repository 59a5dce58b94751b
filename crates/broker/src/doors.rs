//! The doors clients come in by: the listening sockets, opened, suspended and opened again.
//!
//! Suspended, the sockets are closed, so that a client is refused at once and tries another host; connections
//! that are open stay. `listener` next door starts the node that stands behind them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::card::ConnectionCard;
use crate::clock::now_ms;
use crate::link::Link;
use crate::node::Node;
use crate::session::serve;
use crate::strangers::Stranger;

/// Pause after the system refused to hand out a connection (too many files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system keeps for us until they are taken.
const BACKLOG: u32 = 1024;

/// A door that cannot be opened.
pub(crate) struct ClosedDoor {
    pub(crate) address: SocketAddr,
    pub(crate) source: std::io::Error,
}

/// All doors of a node.
pub(crate) struct Doors {
    /// Where they are; a port the system chose is kept for the next opening.
    addresses: Mutex<Vec<SocketAddr>>,
    /// Sockets that have them and do not listen yet.
    reserved: Mutex<Vec<(SocketAddr, TcpSocket)>>,
    /// Who stands at each while they are open. Held over a whole opening or closing: these take turns.
    keepers: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    open: AtomicBool,
    /// Closed for another host's sake, and not by an operator who wants no new clients for a while.
    standing_by: AtomicBool,
}

impl Doors {
    /// Doors at these addresses, closed.
    pub(crate) fn at(addresses: Vec<SocketAddr>, standing_by: bool) -> Self {
        Doors {
            addresses: Mutex::new(addresses),
            reserved: Mutex::default(),
            keepers: tokio::sync::Mutex::default(),
            open: false.into(),
            standing_by: standing_by.into(),
        }
    }

    /// Whether clients can come in.
    pub(crate) fn are_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether they are closed because another host is to let clients in.
    pub(crate) fn yielded(&self) -> bool {
        self.standing_by.load(Ordering::Acquire)
    }

    /// The addresses listened on: none while suspended.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        if self.are_open() { self.addresses.lock().clone() } else { Vec::new() }
    }

    /// Takes all addresses without listening: clients are refused, and nobody else gets them who listens already. What was
    /// taken stays so until the doors are opened.
    pub(crate) fn reserve(&self) -> Result<(), ClosedDoor> {
        let mut reserved = self.reserved.lock();
        if reserved.is_empty() {
            let bind = |address: &SocketAddr| {
                bound(*address)
                    .map(|socket| (*address, socket))
                    .map_err(|source| ClosedDoor { address: *address, source })
            };
            *reserved = self.addresses.lock().iter().map(bind).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// Opens all doors, or none where one cannot be opened. Open ones stay as they are.
    pub(crate) async fn open(&self, node: &Arc<Node>) -> Result<(), ClosedDoor> {
        let mut keepers = self.keepers.lock().await;
        if self.are_open() {
            return Ok(());
        }
        self.reserve()?;
        let mut sockets = Vec::new();
        for (address, socket) in std::mem::take(&mut *self.reserved.lock()) {
            let listener = socket.listen(BACKLOG).map_err(|source| ClosedDoor { address, source })?;
            sockets.push((listener.local_addr().unwrap_or(address), listener));
        }
        *self.addresses.lock() = sockets.iter().map(|(address, _)| *address).collect();
        self.standing_by.store(false, Ordering::Release);
        self.open.store(true, Ordering::Release);
        let stand = |(_, listener)| tokio::spawn(accept(Arc::clone(node), listener));
        keepers.extend(sockets.into_iter().map(stand));
        Ok(())
    }

    /// Closes all doors. When this returns, nobody comes in any more, and whoever came in is registered.
    pub(crate) async fn suspend(&self) {
        self.close(&mut *self.keepers.lock().await).await;
    }

    /// The same, until they are opened again, for another host's sake.
    pub(crate) async fn yield_to_another(&self) {
        let mut keepers = self.keepers.lock().await;
        self.standing_by.store(true, Ordering::Release);
        self.close(&mut keepers).await;
    }

    async fn close(&self, keepers: &mut Vec<JoinHandle<()>>) {
        self.open.store(false, Ordering::Release);
        for keeper in keepers.drain(..) {
            keeper.abort();
            // The socket is closed when its task is gone, which was told to end and so ends as an error.
            let _ = keeper.await;
        }
    }
}

fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a broker that has just ended must not keep the next one from the address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(node: Arc<Node>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let limit = node.connection_limit();
                if node.stopping.load(Ordering::Acquire) || node.connection_count() >= limit {
                    if node.strangers.may_tell(Stranger::Crowd) {
                        let peer = canonical(peer);
                        tracing::warn!(%peer, limit, "connection refused: there are too many, or the broker is ending");
                    }
                    continue;
                }
                // Registered before anything is awaited, so that no connection is between door and list.
                if let Some(card) = register(&node, &socket, peer) {
                    tokio::spawn(connection(Arc::clone(&node), socket, card));
                }
            }
            Err(error) => {
                if node.strangers.may_tell(Stranger::Crowd) {
                    tracing::warn!(%error, "no connection could be taken");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn register(node: &Arc<Node>, socket: &TcpStream, peer: SocketAddr) -> Option<Arc<ConnectionCard>> {
    let _ = socket.set_nodelay(true);
    let local = socket.local_addr().ok()?;
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
    Some(card)
}

async fn connection(node: Arc<Node>, socket: TcpStream, card: Arc<ConnectionCard>) {
    serve(socket, Arc::clone(&node), Arc::clone(&card)).await;
    node.unregister(&card);
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
