//! The node: its vhosts, its connections, and what all of them share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use journal::{Event, Journal};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::access::{Access, AccessError, Definitions};
use crate::card::ConnectionCard;
use crate::clock::now_ms;
use crate::files;
use crate::flow::alarms::{self, Alarms, Resource};
use crate::hung_disk::{HungDisk, Told};
use crate::memory::Memory;
use crate::settings::Settings;
use crate::strangers::Strangers;
use crate::timers::Timers;
use crate::vhost::recovery::{DiskListener, Surroundings};
use crate::vhost::{Spawn, Vhost};
use crate::vhost_folders::{self, FolderError, VhostFolders};

/// How often memory, disk and dead log segments are looked at.
const ROUND: Duration = Duration::from_millis(500);

/// See the module's documentation.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    folders: VhostFolders,
    /// Held while a vhost is made or deleted.
    making_vhosts: Mutex<()>,
    pub(crate) access: Access,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) started: Instant,
    /// Set apart the processes of one node's lives, as RabbitMQ's pids do.
    pub(crate) boot: u64,
    vhosts: RwLock<HashMap<String, Arc<Vhost>>>,
    connections: Mutex<BTreeMap<u64, Arc<ConnectionCard>>>,
    around: Surroundings,
    told_of_hung_disk: Told,
    /// What the log has said of clients that have not logged in.
    pub(crate) strangers: Strangers,
    pids: AtomicU64,
    /// No more connections are taken.
    pub(crate) stopping: AtomicBool,
    /// A connection ended.
    pub(crate) ended: Notify,
    /// Somebody asked the node to end.
    pub(crate) stop: Notify,
}

/// What is defined at one moment.
pub(crate) struct Defined {
    pub(crate) definitions: Definitions,
    /// The vhosts with their numbers.
    pub(crate) vhosts: Vec<(Arc<Vhost>, u64)>,
    /// Those that are not open.
    pub(crate) down: Vec<String>,
}

/// Why a node does not start, or a vhost not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The vhosts' folders cannot be used.
    #[error(transparent)]
    Folders(#[from] FolderError),
    /// The definitions cannot be opened.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A vhost's log cannot be opened.
    #[error("cannot open the vhost '{vhost}': {source}{}", way_on(source))]
    Log {
        /// The vhost.
        vhost: String,
        /// What is wrong with its log.
        source: journal::Error,
    },
    /// The vhosts would need files that clients, or an operator, need.
    #[error(
        "{vhosts} vhosts are too many where {limit} files may be open: allow more (`LimitNOFILE=` of the systemd unit, or \
         `ulimit -n`), and restart"
    )]
    TooFewFiles {
        /// The vhosts.
        vhosts: u64,
        /// Files that may be open.
        limit: u64,
    },
    /// A new vhost did not open, and is defined all the same.
    #[error(
        "{opening}; nor can the vhost '{vhost}' be taken back: {undoing}. It is defined and down: `rabbitmqctl \
         restart_vhost -p '{vhost}'` opens it, `delete_vhost` removes it"
    )]
    HalfMade {
        /// The vhost.
        vhost: String,
        /// Why it did not open.
        opening: Box<NodeError>,
        /// Why it is defined still.
        undoing: Box<NodeError>,
    },
    /// A vhost is gone, and its folder is not.
    #[error("the vhost '{vhost}' is deleted, but not its folder, which goes at the next start: {source}")]
    FolderLeft {
        /// The vhost.
        vhost: String,
        /// Why not.
        source: FolderError,
    },
}

fn way_on(error: &journal::Error) -> &'static str {
    match error.is_of_files() {
        true => ". Put the right files back; `aileron repair` tells how to go on without",
        false => "",
    }
}

impl Node {
    /// Opens definitions and all vhosts. Blocks on the disk. `spawn` starts jobs that wait for the disk.
    pub(crate) fn open(settings: Settings, spawn: Spawn) -> Result<Arc<Self>, NodeError> {
        let folders = VhostFolders::open(&settings.data_dir, Arc::clone(&settings.storage))?;
        let access = Access::open(folders.definitions())?;
        access.set_loopback_users(settings.loopback_users.clone());
        if access.is_empty() {
            folders.settle(|_| false, access.next_vhost())?;
            folders.create(access.next_vhost(), &settings.default_vhost)?;
            access.bootstrap(&settings.default_vhost, &settings.default_user, &settings.default_pass)?;
        }
        let named: HashSet<u64> = access.vhosts().iter().map(|vhost| vhost.id.0).collect();
        folders.settle(|number| named.contains(&number), access.next_vhost())?;
        look_through(&settings, &folders, &access)?;
        let alarms = Arc::new(Alarms::default());
        let around = Surroundings {
            node: Arc::from(settings.node_name.as_str()),
            timers: Arc::new(Timers::default()),
            memory: Arc::new(Memory::new(settings.memory_for_messages)),
            spawn,
            segment_bytes: settings.segment_bytes,
            storage: Arc::clone(&settings.storage),
            on_disk_event: disk_listener(Arc::clone(&alarms)),
            damages: Arc::default(),
        };
        let node = Arc::new(Node {
            settings,
            folders,
            making_vhosts: Mutex::default(),
            access,
            alarms,
            started: Instant::now(),
            boot: now_ms() / 1000,
            vhosts: RwLock::default(),
            connections: Mutex::default(),
            around,
            told_of_hung_disk: Told::default(),
            strangers: Strangers::default(),
            pids: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            ended: Notify::new(),
            stop: Notify::new(),
        });
        for record in node.access.vhosts() {
            let folder = node.folders.existing(record.id.0, &record.name)?;
            node.open_vhost(&record.name, record.id.0, &folder)?;
        }
        Ok(node)
    }

    fn open_vhost(&self, name: &str, number: u64, folder: &Path) -> Result<(), NodeError> {
        let vhost = Vhost::open(name, folder, &self.around)
            .map_err(|source| NodeError::Log { vhost: name.to_owned(), source })?;
        // The log's own name has to outlive a power cut before anything in it is confirmed.
        vhost_folders::sync(folder)?;
        self.folders.note_log(number, name, vhost.store().log.identity())?;
        self.vhosts.write().insert(name.to_owned(), vhost);
        Ok(())
    }

    /// Makes a vhost: its folder, its definition, its log, or nothing of it. A definition without a folder is a loss.
    pub(crate) fn add_vhost(&self, name: &str, description: &str, tags: &[String]) -> Result<(), NodeError> {
        let _one_at_a_time = self.making_vhosts.lock();
        if self.access.has_vhost(name) {
            return Err(AccessError::VhostExists(name.to_owned()).into());
        }
        let (limit, vhosts) = (files::limit(), self.vhosts.read().len() as u64);
        if !files::have_room(limit, vhosts) {
            return Err(NodeError::TooFewFiles { vhosts: vhosts + 1, limit });
        }
        let number = self.access.next_vhost();
        self.folders.clear_unused(number)?;
        let folder = self.folders.create(number, name)?;
        if let Err(error) = self.access.add_vhost_with(name, description, tags) {
            self.folders.remove_or_leave(number);
            return Err(error.into());
        }
        self.open_vhost(name, number, &folder).map_err(|opening| match self.undefine_vhost(name, number) {
            Ok(()) => {
                self.folders.remove_or_leave(number);
                opening
            }
            Err(undoing) => NodeError::HalfMade {
                vhost: name.to_owned(),
                opening: Box::new(opening),
                undoing: Box::new(undoing),
            },
        })
    }

    /// Opens a vhost that is defined and down; `false` where it is open.
    pub(crate) fn restart_vhost(&self, name: &str) -> Result<bool, NodeError> {
        let _one_at_a_time = self.making_vhosts.lock();
        let Some(record) = self.access.vhost(name) else {
            return Err(AccessError::NoSuchVhost(name.to_owned()).into());
        };
        if self.vhost(name).is_some() {
            return Ok(false);
        }
        let folder = self.folders.existing(record.id.0, name)?;
        self.open_vhost(name, record.id.0, &folder)?;
        Ok(true)
    }

    /// Takes a vhost out of the definitions: its folder is nobody's then.
    fn undefine_vhost(&self, name: &str, number: u64) -> Result<(), NodeError> {
        self.folders.mark_deleted(number, true)?;
        self.access.delete_vhost(name).map(drop).map_err(|error| {
            if let Err(error) = self.folders.mark_deleted(number, false) {
                tracing::warn!(vhost = name, %error, "a vhost that could not be deleted is marked as deleted in its folder");
            }
            error.into()
        })
    }

    /// The definitions, and every vhost that they name, with its number.
    pub(crate) fn defined(&self) -> Result<Defined, AccessError> {
        let _one_at_a_time = self.making_vhosts.lock();
        let definitions = self.access.copy()?;
        let (mut vhosts, mut down) = (Vec::new(), Vec::new());
        for (name, number) in definitions.vhosts()? {
            match self.vhost(&name) {
                Some(vhost) => vhosts.push((vhost, number)),
                None => down.push(name),
            }
        }
        Ok(Defined { definitions, vhosts, down })
    }

    /// Ends a vhost: its connections, its log, its definition.
    pub(crate) fn delete_vhost(&self, name: &str) -> Result<(), NodeError> {
        let _one_at_a_time = self.making_vhosts.lock();
        let Some(record) = self.access.vhost(name) else {
            return Err(AccessError::NoSuchVhost(name.to_owned()).into());
        };
        let number = record.id.0;
        self.undefine_vhost(name, number)?;
        // One whose log could not be opened is not there.
        let removed = self.vhosts.write().remove(name);
        if let Some(vhost) = removed {
            for card in self.connections() {
                if card.vhost.get().is_some_and(|v| Arc::ptr_eq(v, &vhost)) {
                    card.link.request_close(&format!("vhost '{name}' is down"));
                }
            }
            if let Err(error) = vhost.store().close() {
                tracing::warn!(vhost = name, %error, "the log of the deleted vhost did not close cleanly");
            }
        }
        let left = |source| NodeError::FolderLeft { vhost: name.to_owned(), source };
        self.folders.remove(number).map_err(left)
    }

    pub(crate) fn vhost(&self, name: &str) -> Option<Arc<Vhost>> {
        self.vhosts.read().get(name).cloned()
    }

    pub(crate) fn vhosts(&self) -> Vec<Arc<Vhost>> {
        self.vhosts.read().values().cloned().collect()
    }

    pub(crate) fn connections(&self) -> Vec<Arc<ConnectionCard>> {
        self.connections.lock().values().cloned().collect()
    }

    /// Connections there may be: as many as are allowed, and leave files for logs and the control socket.
    pub(crate) fn connection_limit(&self) -> usize {
        let by_files = files::clients(files::limit(), self.vhosts.read().len() as u64);
        let by_files = usize::try_from(by_files).unwrap_or(usize::MAX);
        match self.settings.max_connections {
            0 => by_files,
            allowed => allowed.min(by_files),
        }
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.connections.lock().len()
    }

    pub(crate) fn register(&self, card: &Arc<ConnectionCard>) {
        self.connections.lock().insert(card.link.id, Arc::clone(card));
    }

    pub(crate) fn unregister(&self, card: &ConnectionCard) {
        self.connections.lock().remove(&card.link.id);
        self.ended.notify_waiters();
    }

    /// Damaged places that were found in the logs as they were opened.
    pub(crate) fn damages(&self) -> u64 {
        self.around.damages.load(Ordering::Relaxed)
    }

    #[cfg(feature = "simulated")]
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.around
    }

    /// Bytes of messages held in memory.
    pub(crate) fn message_memory(&self) -> u64 {
        self.around.memory.held()
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.pids.fetch_add(1, Ordering::Relaxed)
    }

    /// `<node.boot.number.0>`.
    pub(crate) fn pid(&self, number: u64) -> String {
        format!("<{}.{}.{number}.0>", self.settings.node_name, self.boot)
    }

    pub(crate) fn next_pid(&self) -> String {
        self.pid(self.next_id())
    }

    /// 22 letters that nobody guesses, for names of our making.
    pub(crate) fn random_name(&self) -> String {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // No randomness: unique at least.
            let (low, high) = bytes.split_at_mut(8);
            low.copy_from_slice(&self.next_id().to_be_bytes());
            high.copy_from_slice(&now_ms().to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Looks after memory, disk and logs until the node ends.
    pub(crate) async fn keep_house(self: Arc<Self>) {
        tokio::spawn(Arc::clone(&self.around.timers).run());
        // Each on its own: a disk that hangs must not keep memory from being looked at.
        tokio::spawn(Arc::clone(&self).repeat(Node::watch_disk));
        tokio::spawn(Arc::clone(&self).repeat(Node::watch_answers));
        tokio::spawn(Arc::clone(&self).repeat(Node::tell_strangers));
        tokio::spawn(Arc::clone(&self).repeat(Node::give_space_back));
        self.repeat(Node::watch_memory).await;
    }

    /// Does this now and then on a thread that may wait, until the node ends.
    async fn repeat(self: Arc<Self>, what: fn(&Node)) {
        loop {
            let node = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || what(&node)).await {
                tracing::error!(%error, "a round of house-keeping failed");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    fn watch_memory(&self) {
        let short = self.settings.memory_limit / 10 * 9;
        // What is free and not yet given back is nobody's reason to wait.
        (self.settings.give_memory_back)(alarms::resident_bytes() > short);
        let used = alarms::resident_bytes();
        self.alarms.memory_used.store(used, Ordering::Relaxed);
        self.around.memory.set_pressed(used > short);
        self.judge(Resource::Memory, used > self.settings.memory_limit);
    }

    fn watch_disk(&self) {
        if let Some(free) = alarms::free_bytes(&self.settings.data_dir) {
            self.alarms.disk_free.store(free, Ordering::Relaxed);
            self.judge(Resource::Disk, free < self.settings.disk_free_limit);
        }
    }

    /// The disk, if it hangs. Reads memory only.
    pub(crate) fn hung_disk(&self) -> Option<HungDisk> {
        HungDisk::under(&self.vhosts(), self.settings.disk_timeout)
    }

    fn tell_strangers(&self) {
        self.strangers.tell_counted();
    }

    fn watch_answers(&self) {
        self.told_of_hung_disk.tell(self.hung_disk().as_ref());
    }

    fn judge(&self, resource: Resource, is_short: bool) {
        if self.alarms.set(resource, is_short) {
            match resource {
                Resource::Disk => self.tell_disk(is_short),
                _ => self.tell_memory(is_short),
            }
        }
        self.announce_alarms();
    }

    fn tell_memory(&self, is_short: bool) {
        let used = self.alarms.memory_used.load(Ordering::Relaxed);
        let (limit, messages) = (self.settings.memory_limit, self.message_memory());
        if is_short {
            tracing::warn!(used, limit, messages, "memory alarm set: publishers are blocked until it clears");
        } else {
            tracing::warn!(used, limit, messages, "memory alarm cleared");
        }
    }

    fn tell_disk(&self, is_short: bool) {
        let free = self.alarms.disk_free.load(Ordering::Relaxed);
        let (limit, folder) = (self.settings.disk_free_limit, self.settings.data_dir.display().to_string());
        if is_short {
            tracing::warn!(free, limit, folder, "disk alarm set: publishers are blocked until it clears");
        } else {
            tracing::warn!(free, limit, folder, "disk alarm cleared");
        }
    }

    pub(crate) fn give_space_back(&self) {
        for vhost in self.vhosts() {
            // A full disk above all needs what is dead to go.
            vhost.reclaim();
            vhost.store().pay_owed();
        }
    }

    /// Lets every connection look whether it is held back.
    pub(crate) fn announce_alarms(&self) {
        if self.alarms.take_news() {
            self.connections().iter().for_each(|card| card.link.wake());
        }
    }

    /// Ends all connections: tells the clients why, and waits until they are gone, but not for ever. `patience` begins
    /// when a client is told first: one that let its time pass at a demotion has no second one at the stop behind it.
    pub(crate) async fn part_with_clients(&self, reason: &str, patience: Duration) {
        for card in self.connections() {
            card.link.request_close(reason);
        }
        let told = self.connections().iter().filter_map(|card| card.link.told_to_end()).max();
        let Some(until) = told.map(|told| tokio::time::Instant::from_std(told + patience)) else { return };
        while self.connection_count() > 0 {
            let ended = self.ended.notified();
            if self.connection_count() == 0 || tokio::time::timeout_at(until, ended).await.is_err() {
                break;
            }
        }
    }

    /// Ends all connections and closes all logs: everything confirmed or not is on disk then.
    pub(crate) async fn shut_down(&self, patience: Duration) {
        self.stopping.store(true, Ordering::Release);
        self.part_with_clients("broker forced connection closure with reason 'shutdown'", patience).await;
        for vhost in self.vhosts() {
            let name = Arc::clone(&vhost.name);
            let closed = tokio::task::spawn_blocking(move || vhost.close()).await;
            match closed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(vhost = %name, %error, "the log did not close cleanly"),
                Err(error) => tracing::error!(vhost = %name, %error, "the log did not close"),
            }
        }
    }
}

/// Finds whatever would refuse a vhost before any of them is opened, and changed by that: a start that is tried again and
/// again changes nothing.
fn look_through(settings: &Settings, folders: &VhostFolders, access: &Access) -> Result<(), NodeError> {
    let (limit, vhosts) = (files::limit(), access.vhosts().len() as u64);
    if !files::suffice(limit, vhosts) {
        return Err(NodeError::TooFewFiles { vhosts, limit });
    }
    let user = rustix::process::geteuid().as_raw();
    if let Ok(owner) = std::fs::metadata(&settings.data_dir).map(|folder| folder.uid())
        && owner != user
    {
        let folder = settings.data_dir.display();
        tracing::warn!(%folder, owner, user, "the data folder is another user's, who may not be let into what is made now");
    }
    for record in access.vhosts() {
        let folder = folders.existing(record.id.0, &record.name)?;
        let refused = |source| NodeError::Log { vhost: record.name.clone(), source };
        Journal::examine_scratch(&folder.join("pages"), &*settings.storage).map_err(refused)?;
        let refusals = Journal::examine(&folder.join("log"), &*settings.storage).map_err(refused)?;
        if let Some(refusal) = refusals.into_iter().next() {
            return Err(refused(refusal.error));
        }
    }
    Ok(())
}

fn disk_listener(alarms: Arc<Alarms>) -> DiskListener {
    Arc::new(move |vhost, event| match event {
        Event::Full(why) => {
            alarms.set(Resource::Log, true);
            tracing::error!(vhost, why, "no room for the log: publishers are held back until there is");
        }
        Event::SpaceBack => {
            alarms.set(Resource::Log, false);
            tracing::warn!(vhost, "there is room for the log again");
        }
        Event::Failed(why) => {
            alarms.set(Resource::Failed, true);
            tracing::error!(
                vhost,
                why,
                "the disk failed: nothing is confirmed any more. Check the disk and restart the broker"
            );
        }
        _ => {}
    })
}

#[cfg(test)]
mod tests;
