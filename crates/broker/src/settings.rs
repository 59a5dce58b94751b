//! What an operator sets of the broker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use journal::{DiskStorage, Storage};

/// The broker's settings. Defaults are RabbitMQ 3.10.8's where it has the same.
#[derive(Clone)]
pub struct Settings {
    /// Name of the node, as `rabbit@controller0`.
    pub node_name: String,
    /// Where definitions and vhosts live; created when missing.
    pub data_dir: PathBuf,
    /// Addresses to listen on. Without one beyond the loopback nobody from outside can come.
    pub listen: Vec<SocketAddr>,
    /// Start without listening, until told to.
    pub standby: bool,
    /// Seconds between heartbeats offered to clients; 0 is none.
    pub heartbeat: u16,
    /// Largest frame offered, in bytes, 4096 or more.
    pub frame_max: u32,
    /// Most channels of a connection; 0 is no limit.
    pub channel_max: u16,
    /// Largest message body taken, in bytes.
    pub max_message_size: u64,
    /// Bytes of memory the process may use before publishers are held back.
    pub memory_limit: u64,
    /// Bytes that have to stay free on the data folder's disk; below, publishers are held back.
    pub disk_free_limit: u64,
    /// Bytes of messages held in memory; what comes beyond is kept on disk only.
    pub memory_for_messages: u64,
    /// Users that may log in from the loopback only.
    pub loopback_users: Vec<String>,
    /// The vhost a first start makes.
    pub default_vhost: String,
    /// The user a first start makes, with every right in that vhost.
    pub default_user: String,
    /// That user's password.
    pub default_pass: String,
    /// Time for the handshake.
    pub handshake_timeout: Duration,
    /// Most connections at a time; 0 is no limit.
    pub max_connections: usize,
    /// Size of a log segment in bytes.
    pub segment_bytes: u64,
    /// How long the disk may take for one write or sync of a log before it counts as hung; zero for any time.
    pub disk_timeout: Duration,
    /// What logs are stored with: the disk, but for tests that break it.
    pub storage: Arc<dyn Storage>,
    /// Has the allocator give free memory back to the system, at once where that is urgent: asked a few times a second,
    /// before memory is judged.
    pub give_memory_back: fn(urgent: bool),
}

impl Settings {
    /// The defaults, for a node with its data in `data_dir`.
    pub fn new(node_name: impl Into<String>, data_dir: impl Into<PathBuf>) -> Self {
        Settings {
            node_name: node_name.into(),
            data_dir: data_dir.into(),
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5672))],
            standby: false,
            heartbeat: 60,
            frame_max: 131_072,
            channel_max: 2047,
            max_message_size: 128 << 20,
            memory_limit: crate::flow::alarms::machine_memory() / 10 * 4,
            disk_free_limit: 50_000_000,
            memory_for_messages: 256 << 20,
            loopback_users: vec!["guest".to_owned()],
            default_vhost: crate::access::DEFAULT_VHOST.to_owned(),
            default_user: "guest".to_owned(),
            default_pass: "guest".to_owned(),
            handshake_timeout: Duration::from_secs(10),
            max_connections: 0,
            segment_bytes: 16 << 20,
            disk_timeout: Duration::from_secs(30),
            storage: Arc::new(DiskStorage),
            give_memory_back: |_| {},
        }
    }
}
