//! What the listings show: one struct for each kind of row, one field for each of `rabbitmqctl`'s columns.

use amqp::table::FieldTable;

use crate::hung_disk::HungDisk;

/// A row of `list_queues`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "fields are rabbitmqctl's columns")]
pub struct QueueInfo {
    pub name: String,
    pub durable: bool,
    pub auto_delete: bool,
    pub arguments: FieldTable,
    pub policy: Option<String>,
    pub pid: String,
    pub owner_pid: Option<String>,
    pub exclusive: bool,
    pub exclusive_consumer_pid: Option<String>,
    pub exclusive_consumer_tag: Option<String>,
    pub messages_ready: u64,
    pub messages_unacknowledged: u64,
    pub messages: u64,
    pub messages_ready_ram: u64,
    pub messages_unacknowledged_ram: u64,
    pub messages_ram: u64,
    pub messages_persistent: u64,
    pub message_bytes: u64,
    pub message_bytes_ready: u64,
    pub message_bytes_unacknowledged: u64,
    pub message_bytes_ram: u64,
    pub message_bytes_persistent: u64,
    pub head_message_timestamp: Option<u64>,
    pub disk_reads: u64,
    pub disk_writes: u64,
    pub consumers: u64,
    pub consumer_utilisation: f64,
    pub memory: u64,
    pub state: &'static str,
    pub queue_type: &'static str,
}

/// A row of `list_exchanges`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "fields are rabbitmqctl's columns")]
pub struct ExchangeInfo {
    pub name: String,
    pub kind: &'static str,
    pub durable: bool,
    pub auto_delete: bool,
    pub internal: bool,
    pub arguments: FieldTable,
    pub policy: Option<String>,
}

/// A row of `list_bindings`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "fields are rabbitmqctl's columns")]
pub struct BindingInfo {
    pub source_name: String,
    pub source_kind: &'static str,
    pub destination_name: String,
    pub destination_kind: &'static str,
    pub routing_key: Vec<u8>,
    pub arguments: FieldTable,
}

/// A row of `list_connections`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "fields are rabbitmqctl's columns")]
pub struct ConnectionInfo {
    pub pid: String,
    pub name: String,
    pub port: u16,
    pub host: String,
    pub peer_port: u16,
    pub peer_host: String,
    pub state: &'static str,
    pub channels: u64,
    pub protocol: &'static str,
    pub auth_mechanism: String,
    pub user: String,
    pub vhost: String,
    /// Heartbeat in seconds.
    pub timeout: u16,
    pub frame_max: u32,
    pub channel_max: u16,
    pub client_properties: FieldTable,
    pub recv_oct: u64,
    pub recv_cnt: u64,
    pub send_oct: u64,
    pub send_cnt: u64,
    pub send_pend: u64,
    /// Milliseconds since the epoch.
    pub connected_at: u64,
}

/// A row of `list_channels`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "fields are rabbitmqctl's columns")]
pub struct ChannelInfo {
    pub pid: String,
    pub connection: String,
    pub name: String,
    pub number: u16,
    pub user: String,
    pub vhost: String,
    pub transactional: bool,
    pub confirm: bool,
    pub consumer_count: u64,
    pub messages_unacknowledged: u64,
    pub messages_uncommitted: u64,
    pub acks_uncommitted: u64,
    pub messages_unconfirmed: u64,
    pub prefetch_count: u16,
    pub global_prefetch_count: u16,
}

/// A row of `list_consumers`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "fields are rabbitmqctl's columns")]
pub struct ConsumerInfo {
    pub queue_name: String,
    pub channel_pid: String,
    pub consumer_tag: String,
    pub ack_required: bool,
    pub prefetch_count: u16,
    pub active: bool,
    pub activity_status: &'static str,
    pub arguments: FieldTable,
}

/// The node as `status` shows it.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Name of the node.
    pub node: String,
    /// Process number.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime: u64,
    /// This program's version.
    pub version: String,
    /// The RabbitMQ version whose behaviour this one has.
    pub emulated_version: String,
    /// Bytes of memory in use.
    pub memory_used: u64,
    /// Bytes at which publishers are held back.
    pub memory_limit: u64,
    /// Bytes of messages held in memory.
    pub message_memory: u64,
    /// Bytes free where the data folder is.
    pub disk_free: u64,
    /// Bytes below which publishers are held back.
    pub disk_free_limit: u64,
    /// Bytes of all vhosts' logs on disk.
    pub log_bytes: u64,
    /// Alarms that are on.
    pub alarms: Vec<String>,
    /// Protocol and address of each listener.
    pub listeners: Vec<(String, String)>,
    /// Connections open now.
    pub connections: u64,
    /// Channels open now.
    pub channels: u64,
    /// Queues in all vhosts.
    pub queues: u64,
    /// The data folder.
    pub data_dir: String,
    /// File descriptors open and allowed.
    pub file_descriptors: (u64, u64),
}

/// What the survey of the services asks for: read from memory, without a lock that work holds for long
/// and without the disk, so that it is answered whatever the broker waits for.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// This program's version.
    pub version: String,
    /// Seconds since the start.
    pub uptime: u64,
    /// Why publishers are held back: `memory`, `disk`, `log-full`, `log-failed`.
    pub alarms: Vec<&'static str>,
    /// Bytes of memory in use at the last look, at most a second ago.
    pub memory_used: u64,
    /// Bytes at which publishers are held back.
    pub memory_limit: u64,
    /// Bytes free where the data folder is, at the last look.
    pub disk_free: u64,
    /// Bytes below which publishers are held back.
    pub disk_free_limit: u64,
    /// Damaged places found as the logs were opened; what they held is lost.
    pub damages: u64,
    /// The disk, where it hangs.
    pub hung_disk: Option<HungDisk>,
    /// Connections open now.
    pub connections: u64,
    /// Most connections at a time; 0 for any number.
    pub max_connections: u64,
    /// File descriptors open and allowed.
    pub file_descriptors: (u64, u64),
}
