//! Starting and ending the broker; `doors` next door takes connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::doors::{ClosedDoor, Doors};
use crate::node::{Node, NodeError};
use crate::settings::Settings;
use crate::vhost::Spawn;

/// Time that connections have to say goodbye at a shutdown, or where another host waits to take over. A client that is
/// late has been told all the same, and what it sends is not looked at any more; many read only when they want something.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// A running broker. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Broker {
    node: Arc<Node>,
    doors: Arc<Doors>,
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

impl From<ClosedDoor> for StartError {
    fn from(ClosedDoor { address, source }: ClosedDoor) -> Self {
        StartError::Listen { address, source }
    }
}

impl Broker {
    /// A broker without doors, for tests of what operators do.
    #[cfg(test)]
    pub(crate) fn on(node: Arc<Node>) -> Broker {
        Broker { node, doors: Arc::new(Doors::at(Vec::new(), true)) }
    }

    /// Takes all addresses, opens the data folder, then listens, unless told to stand by. Must be called within a
    /// tokio runtime.
    pub async fn start(settings: Settings) -> Result<Broker, StartError> {
        raise_file_limit();
        let doors = Arc::new(Doors::at(settings.listen.clone(), settings.standby));
        let standby = settings.standby;
        if !standby {
            // Before the logs are read, which may take minutes: an address that is taken is told at once.
            doors.reserve()?;
        }
        let runtime = tokio::runtime::Handle::current();
        let spawn: Spawn = Arc::new(move |job| drop(runtime.spawn_blocking(job)));
        let opened = tokio::task::spawn_blocking(move || Node::open(settings, spawn)).await;
        let node = opened.map_err(|error| StartError::BrokenOff(error.to_string()))??;
        tokio::spawn(Arc::clone(&node).keep_house());
        let broker = Broker { node, doors };
        if !standby {
            broker.resume_listeners().await?;
        }
        Ok(broker)
    }

    /// The addresses listened on, with the ports the system chose where 0 was asked for; none while suspended.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.addresses()
    }

    /// Whether clients can come in. Reads memory and takes no lock.
    pub fn is_listening(&self) -> bool {
        self.doors.are_open()
    }

    /// Whether it lets no clients in because another host is to: it was started or told to stand by, and not told to
    /// listen since. Listeners that an operator suspended are another matter. Reads memory and takes no lock.
    pub fn stands_by(&self) -> bool {
        self.doors.yielded()
    }

    /// Listens on all addresses again, or on none where one cannot be had. One that listens is left alone.
    pub async fn resume_listeners(&self) -> Result<(), StartError> {
        self.doors.open(&self.node).await?;
        for (_, address) in self.listeners() {
            tracing::info!(address, "amqp listening");
        }
        Ok(())
    }

    /// Stops listening; connections that are open stay.
    pub async fn suspend_listeners(&self) {
        self.doors.suspend().await;
        tracing::info!("listeners suspended: no new clients");
    }

    /// Stops listening and closes all connections, whose clients are told `reason`. Returns when they are gone, or
    /// have had their time.
    pub async fn stand_by(&self, reason: &str) {
        self.doors.yield_to_another().await;
        tracing::info!(reason, "standing by: no new clients, and those that are here have to go");
        self.node.part_with_clients(reason, GOODBYE_TIME).await;
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

    /// Lets nobody in any more, closes all connections (clients are told), then all logs.
    pub async fn shutdown(&self) {
        self.doors.suspend().await;
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
