//! What an operator asks of a running broker and does to it: the other side of `rabbitmqctl`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use amqp::properties::Properties;
use amqp::table::FieldTable;

use crate::access::{Access, AccessError};
use crate::card::{ConnectionCard, Greeting};
use crate::exchange::{Destination, Exchange};
use crate::flow::alarms::Resource;
use crate::hung_disk::HungDisk;
use crate::info::{
    BindingInfo, ChannelInfo, ConnectionInfo, ConsumerInfo, ExchangeInfo, Health, QueueInfo, Status,
};
use crate::link::Effects;
use crate::node::{Node, NodeError};
use crate::queue::Queue;
use crate::queue::consumers::Subscription;
use crate::queue::deletion::{Condition, Kept};
use crate::snapshot::{self, SnapshotError, SnapshotInfo};
use crate::vhost::Vhost;
use crate::{Broker, EMULATED_VERSION};

/// Why an operator's request is not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// There is no such vhost.
    #[error("vhost '{0}' does not exist")]
    NoSuchVhost(String),
    /// The vhost is defined and not open.
    #[error("the vhost '{0}' is down: `rabbitmqctl restart_vhost -p '{0}'` opens it, or says why not")]
    VhostDown(String),
    /// There is no such queue.
    #[error("no queue '{queue}' in vhost '{vhost}'")]
    NoSuchQueue {
        /// The queue's name.
        queue: String,
        /// The vhost's name.
        vhost: String,
    },
    /// The queue has consumers.
    #[error("queue '{0}' is in use")]
    InUse(String),
    /// The queue has messages.
    #[error("queue '{0}' is not empty")]
    NotEmpty(String),
    /// The definitions do not allow it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The node could not do it.
    #[error(transparent)]
    Node(NodeError),
    /// It is done in memory, and the disk does not have it: a restart takes it back.
    #[error(
        "queue '{queue}' was {done}, but the log could not be told, so that a restart may bring back what was in it: {cause}"
    )]
    NotOnDisk {
        /// The queue's name.
        queue: String,
        /// `deleted` or `purged`.
        done: &'static str,
        /// What the log says, with the remedy.
        cause: String,
    },
    /// A snapshot was not taken.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl From<NodeError> for AdminError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Access(error) => AdminError::Access(error),
            other => AdminError::Node(other),
        }
    }
}

impl Broker {
    /// Users, permissions and vhosts. Vhosts are added and deleted by [`Broker::add_vhost`] and
    /// [`Broker::delete_vhost`], users deleted by [`Broker::delete_user`], so that what runs follows.
    pub fn access(&self) -> &Access {
        &self.node().access
    }

    /// The node's name.
    pub fn node_name(&self) -> &str {
        &self.node().settings.node_name
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.node().settings.data_dir
    }

    fn vhost(&self, name: &str) -> Result<Arc<Vhost>, AdminError> {
        self.node().vhost(name).ok_or_else(|| match self.access().has_vhost(name) {
            true => AdminError::VhostDown(name.to_owned()),
            false => AdminError::NoSuchVhost(name.to_owned()),
        })
    }

    fn queue(&self, vhost: &str, name: &str) -> Result<(Arc<Vhost>, Arc<Queue>), AdminError> {
        let home = self.vhost(vhost)?;
        let queue = home.find_queue(name);
        let missing = || AdminError::NoSuchQueue { queue: name.to_owned(), vhost: vhost.to_owned() };
        Ok((home, queue.ok_or_else(missing)?))
    }

    /// Makes a vhost with its log. Blocks on the disk.
    pub fn add_vhost(&self, name: &str, description: &str, tags: &[String]) -> Result<(), AdminError> {
        Ok(self.node().add_vhost(name, description, tags)?)
    }

    /// Opens a vhost that is down; `false` where it is open already. Blocks on the disk.
    pub fn restart_vhost(&self, name: &str) -> Result<bool, AdminError> {
        Ok(self.node().restart_vhost(name)?)
    }

    /// Whether a vhost is open. One that is defined and is not is down.
    pub fn is_open(&self, vhost: &str) -> bool {
        self.node().vhost(vhost).is_some()
    }

    /// Deletes a vhost with all it holds and closes its connections. Blocks on the disk.
    pub fn delete_vhost(&self, name: &str) -> Result<(), AdminError> {
        Ok(self.node().delete_vhost(name)?)
    }

    /// Deletes a user and closes its connections. Blocks on the disk.
    pub fn delete_user(&self, name: &str) -> Result<(), AdminError> {
        self.access().delete_user(name)?;
        // Their connections say so as they end.
        for card in self.node().connections() {
            if card.identity.get().is_some_and(|identity| identity.name == name) {
                card.link.request_close(&format!("user '{name}' is deleted"));
            }
        }
        Ok(())
    }

    /// A copy of definitions and logs in `dir`, which must be empty or not there, while everything goes on: a broker
    /// started on it has everything that was confirmed or answered before this was called. Blocks on the disk.
    pub fn snapshot(&self, dir: &Path) -> Result<SnapshotInfo, AdminError> {
        let taken = snapshot::take(self.node(), dir)?;
        let folder = dir.display().to_string();
        tracing::info!(folder, vhosts = taken.vhosts, segments = taken.segments, "snapshot taken");
        Ok(taken)
    }

    /// The queues of a vhost.
    pub fn list_queues(&self, vhost: &str) -> Result<Vec<QueueInfo>, AdminError> {
        let vhost = self.vhost(vhost)?;
        Ok(vhost.queues().iter().map(|queue| queue_info(queue, self.node())).collect())
    }

    /// The exchanges of a vhost.
    pub fn list_exchanges(&self, vhost: &str) -> Result<Vec<ExchangeInfo>, AdminError> {
        Ok(self.vhost(vhost)?.exchanges().iter().map(|exchange| exchange_info(exchange)).collect())
    }

    /// The bindings of a vhost, those of the default exchange to every queue among them.
    pub fn list_bindings(&self, vhost: &str) -> Result<Vec<BindingInfo>, AdminError> {
        let vhost = self.vhost(vhost)?;
        let implicit = vhost.queues().into_iter().map(|queue| BindingInfo {
            source_kind: "exchange",
            destination_name: queue.name.to_string(),
            destination_kind: "queue",
            routing_key: queue.name.as_bytes().to_vec(),
            ..BindingInfo::default()
        });
        let mut rows: Vec<BindingInfo> = implicit.collect();
        for exchange in vhost.exchanges() {
            let bindings = exchange.bindings.read();
            rows.extend(
                bindings.iter().map(|(to, key, arguments)| binding_info(&exchange, to, key, arguments)),
            );
        }
        Ok(rows)
    }

    /// The connections of the node.
    pub fn list_connections(&self) -> Vec<ConnectionInfo> {
        self.node().connections().iter().map(|card| connection_info(card)).collect()
    }

    /// The channels of the node.
    pub fn list_channels(&self) -> Vec<ChannelInfo> {
        self.node().connections().iter().flat_map(|card| channel_infos(card)).collect()
    }

    /// The consumers of a vhost.
    pub fn list_consumers(&self, vhost: &str) -> Result<Vec<ConsumerInfo>, AdminError> {
        let cards = self.node().connections();
        let mut rows = Vec::new();
        for queue in self.vhost(vhost)?.queues() {
            let state = queue.lock();
            rows.extend(state.consumers.iter().map(|to| consumer_info(&queue, to, &cards)));
        }
        Ok(rows)
    }

    /// Deletes a queue; returns how many messages were ready. Blocks on the disk.
    pub fn delete_queue(
        &self,
        vhost: &str,
        name: &str,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<u64, AdminError> {
        let (vhost, queue) = self.queue(vhost, name)?;
        match vhost.delete_queue(&queue, Condition::Asked { if_unused, if_empty }) {
            Ok(messages) => {
                tracing::info!(queue = name, vhost = &*vhost.name, messages, "queue deleted by an operator");
                on_disk(&vhost, &queue, "deleted").map(|()| messages)
            }
            Err(Kept::Gone) => Ok(0),
            Err(Kept::NotEmpty) => Err(AdminError::NotEmpty(name.to_owned())),
            Err(Kept::InUse) => Err(AdminError::InUse(name.to_owned())),
        }
    }

    /// Empties a queue; returns how many messages were ready. Blocks on the disk.
    pub fn purge_queue(&self, vhost: &str, name: &str) -> Result<u64, AdminError> {
        let (vhost, queue) = self.queue(vhost, name)?;
        let mut effects = Effects::default();
        let messages = queue.purge(&mut effects);
        vhost.carry_out(&mut effects);
        tracing::info!(queue = name, vhost = &*vhost.name, messages, "queue purged by an operator");
        on_disk(&vhost, &queue, "purged")?;
        Ok(messages)
    }

    /// Closes the connection with this pid; `false` when there is none.
    pub fn close_connection(&self, pid: &str, reason: &str) -> bool {
        let card = self.node().connections().into_iter().find(|card| card.pid == pid);
        card.is_some_and(|card| {
            tracing::info!(
                reason,
                pid,
                connection = card.name,
                client = card.client(),
                "connection to be closed"
            );
            card.link.request_close(reason);
            true
        })
    }

    /// Closes all connections, or those of one vhost; returns how many.
    pub fn close_all_connections(&self, vhost: Option<&str>, reason: &str) -> usize {
        let cards = self.node().connections().into_iter().filter(|card| {
            vhost.is_none_or(|name| card.vhost.get().is_some_and(|vhost| &*vhost.name == name))
        });
        let closed = cards.map(|card| card.link.request_close(reason)).count();
        tracing::info!(reason, vhost, connections = closed, "connections to be closed");
        closed
    }

    /// Switches the firehose of a vhost. It is off after a restart.
    pub fn set_tracing(&self, vhost: &str, on: bool) -> Result<(), AdminError> {
        self.vhost(vhost)?.set_tracing(on);
        self.access().set_tracing(vhost, on)?;
        tracing::info!(vhost, on, "firehose switched");
        Ok(())
    }

    /// Whether a log has failed for good, so that nothing is confirmed until a restart. Reads memory only.
    pub fn log_has_failed(&self) -> bool {
        self.node().alarms.is_on(Resource::Failed)
    }

    /// The disk, if it has not answered a log for longer than [`Settings::disk_timeout`](crate::Settings::disk_timeout).
    /// Reads memory only.
    pub fn hung_disk(&self) -> Option<HungDisk> {
        self.node().hung_disk()
    }

    /// How far the logs have come, all vhosts together: bytes ever made durable in this data folder. It grows for
    /// as long as no vhost is deleted, over restarts too.
    pub fn log_position(&self) -> u64 {
        self.node().vhosts().iter().map(|vhost| vhost.store().log.durable()).sum()
    }

    /// How well the node is, from memory.
    pub fn health(&self) -> Health {
        let node = self.node();
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: node.started.elapsed().as_secs(),
            alarms: node.alarms.codes(),
            memory_used: node.alarms.memory_used.load(Ordering::Relaxed),
            memory_limit: node.settings.memory_limit,
            disk_free: node.alarms.disk_free.load(Ordering::Relaxed),
            disk_free_limit: node.settings.disk_free_limit,
            damages: node.damages(),
            hung_disk: node.hung_disk(),
            connections: node.connection_count() as u64,
            max_connections: node.connection_limit() as u64,
            file_descriptors: file_descriptors(),
        }
    }

    /// The node's state in figures.
    pub fn status(&self) -> Status {
        let node = self.node();
        let vhosts = node.vhosts();
        let cards = node.connections();
        Status {
            node: node.settings.node_name.clone(),
            pid: std::process::id(),
            uptime: node.started.elapsed().as_secs(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            emulated_version: EMULATED_VERSION.to_owned(),
            memory_used: crate::flow::alarms::resident_bytes(),
            memory_limit: node.settings.memory_limit,
            message_memory: node.message_memory(),
            disk_free: crate::flow::alarms::free_bytes(&node.settings.data_dir).unwrap_or(0),
            disk_free_limit: node.settings.disk_free_limit,
            log_bytes: vhosts.iter().map(|vhost| vhost.store().log.stats().bytes).sum(),
            alarms: node.alarms.names(),
            listeners: self.listeners(),
            connections: cards.len() as u64,
            channels: cards.iter().map(|card| card.channels.lock().len() as u64).sum(),
            queues: vhosts.iter().map(|vhost| vhost.queue_count() as u64).sum(),
            data_dir: node.settings.data_dir.display().to_string(),
            file_descriptors: file_descriptors(),
        }
    }
}

fn queue_info(queue: &Arc<Queue>, node: &Node) -> QueueInfo {
    let state = queue.lock();
    let (ready, unacked) = (state.ready.tally(), state.unacked);
    let exclusive_consumer = state.consumers.iter().find(|to| to.consumer.exclusive);
    let head = state.ready.front().and_then(|entry| entry.message.clone());
    let timestamp = head.and_then(|m| Properties::parse(m.parts().properties).ok().and_then(|p| p.timestamp));
    let can_take = state.consumers.iter().any(|to| to.consumer.has_credit());
    QueueInfo {
        name: queue.name.to_string(),
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        arguments: queue.table.clone(),
        policy: None,
        pid: node.pid(queue.id % 1_000_000_007),
        owner_pid: queue.owner.as_ref().map(|owner| owner.pid.clone()),
        exclusive: queue.owner.is_some(),
        exclusive_consumer_pid: exclusive_consumer.map(|c| channel_pid(c, &node.connections())),
        exclusive_consumer_tag: exclusive_consumer.map(|to| to.consumer.tag.to_string()),
        messages_ready: ready.messages,
        messages_unacknowledged: unacked.messages,
        messages: ready.messages + unacked.messages,
        messages_ready_ram: state.ready.in_memory(),
        messages_unacknowledged_ram: unacked.messages,
        messages_ram: state.ready.in_memory() + unacked.messages,
        messages_persistent: ready.persistent + unacked.persistent,
        message_bytes: ready.body_bytes + unacked.body_bytes,
        message_bytes_ready: ready.body_bytes,
        message_bytes_unacknowledged: unacked.body_bytes,
        message_bytes_ram: state.ready.memory() + unacked.body_bytes,
        message_bytes_persistent: ready.persistent_bytes + unacked.persistent_bytes,
        head_message_timestamp: timestamp,
        disk_reads: queue.counters.disk_reads.load(Ordering::Relaxed),
        disk_writes: queue.counters.disk_writes.load(Ordering::Relaxed),
        consumers: state.consumers.len() as u64,
        consumer_utilisation: if can_take { 1.0 } else { 0.0 },
        memory: state.ready.memory() + ready.messages * size_of::<crate::message::Entry>() as u64,
        state: "running",
        queue_type: "classic",
    }
}

fn exchange_info(exchange: &Exchange) -> ExchangeInfo {
    ExchangeInfo {
        name: exchange.name.to_string(),
        kind: exchange.kind.name(),
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        internal: exchange.internal,
        arguments: exchange.arguments.clone(),
        policy: None,
    }
}

fn binding_info(exchange: &Exchange, to: &Destination, key: &[u8], arguments: &FieldTable) -> BindingInfo {
    BindingInfo {
        source_name: exchange.name.to_string(),
        source_kind: "exchange",
        destination_name: to.name().to_string(),
        destination_kind: if to.is_queue() { "queue" } else { "exchange" },
        routing_key: key.to_vec(),
        arguments: arguments.clone(),
    }
}

fn connection_info(card: &ConnectionCard) -> ConnectionInfo {
    let traffic = &card.link.traffic;
    let greeting = card.greeting.get();
    ConnectionInfo {
        pid: card.pid.clone(),
        name: card.name.clone(),
        port: card.local.port(),
        host: card.local.ip().to_canonical().to_string(),
        peer_port: card.peer.port(),
        peer_host: card.peer.ip().to_canonical().to_string(),
        state: card.state().name(),
        channels: card.channels.lock().len() as u64,
        protocol: "{0,9,1}",
        auth_mechanism: greeting.map(|g| g.mechanism.clone()).unwrap_or_default(),
        user: card.identity.get().map(|identity| identity.name.clone()).unwrap_or_default(),
        vhost: card.vhost.get().map(|vhost| vhost.name.to_string()).unwrap_or_default(),
        timeout: card.heartbeat.load(Ordering::Relaxed),
        frame_max: card.frame_max.load(Ordering::Relaxed),
        channel_max: card.channel_max.load(Ordering::Relaxed),
        client_properties: greeting.map(Greeting::properties).unwrap_or_default(),
        recv_oct: traffic.received_bytes.load(Ordering::Relaxed),
        recv_cnt: traffic.received_reads.load(Ordering::Relaxed),
        send_oct: traffic.sent_bytes.load(Ordering::Relaxed),
        send_cnt: traffic.sent_writes.load(Ordering::Relaxed),
        send_pend: card.link.lock().waiting() as u64,
        connected_at: card.connected_at,
    }
}

fn channel_infos(card: &ConnectionCard) -> Vec<ChannelInfo> {
    let user = card.identity.get().map(|identity| identity.name.clone()).unwrap_or_default();
    let vhost = card.vhost.get().map(|vhost| vhost.name.to_string()).unwrap_or_default();
    let channels = card.channels.lock().clone();
    let rows = channels.into_iter().map(|(number, channel)| {
        let outstanding = card.link.lock().channel(number).map_or(0, |d| d.outstanding);
        let acks_uncommitted = channel.acks_uncommitted.load(Ordering::Relaxed);
        ChannelInfo {
            pid: channel.pid.clone(),
            connection: card.pid.clone(),
            name: format!("{} ({number})", card.name),
            number,
            user: user.clone(),
            vhost: vhost.clone(),
            transactional: channel.transactional.load(Ordering::Relaxed),
            confirm: channel.confirm.load(Ordering::Relaxed),
            consumer_count: channel.consumers.load(Ordering::Relaxed).into(),
            messages_unacknowledged: u64::from(outstanding).saturating_sub(acks_uncommitted),
            messages_uncommitted: channel.messages_uncommitted.load(Ordering::Relaxed),
            acks_uncommitted,
            messages_unconfirmed: channel.unconfirmed.load(Ordering::Relaxed),
            prefetch_count: channel.prefetch.load(Ordering::Relaxed),
            global_prefetch_count: channel.global_prefetch.load(Ordering::Relaxed),
        }
    });
    rows.collect()
}

/// What was done with a queue is on disk, where it has to be.
fn on_disk(vhost: &Vhost, queue: &Queue, done: &'static str) -> Result<(), AdminError> {
    if !queue.durable {
        return Ok(());
    }
    vhost.store().reach_disk().map_err(|error| {
        let (queue, cause) = (queue.name.to_string(), error.to_string());
        AdminError::NotOnDisk { queue, done, cause }
    })
}

fn consumer_info(queue: &Queue, to: &Subscription, cards: &[Arc<ConnectionCard>]) -> ConsumerInfo {
    let consumer = &to.consumer;
    ConsumerInfo {
        queue_name: queue.name.to_string(),
        channel_pid: channel_pid(to, cards),
        consumer_tag: consumer.tag.to_string(),
        ack_required: !consumer.no_ack,
        prefetch_count: consumer.prefetch,
        active: true,
        activity_status: "up",
        arguments: consumer.arguments.clone(),
    }
}

fn channel_pid(to: &Subscription, cards: &[Arc<ConnectionCard>]) -> String {
    let card = cards.iter().find(|card| card.link.id == to.link.id);
    let channel = card.and_then(|card| card.channels.lock().get(&to.consumer.channel).map(Arc::clone));
    channel.map(|channel| channel.pid.clone()).unwrap_or_default()
}

/// Open and allowed file descriptors of this process.
fn file_descriptors() -> (u64, u64) {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    (open, limit.unwrap_or(u64::MAX))
}
