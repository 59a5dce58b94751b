//! The definitions on disk: one redb file, one table per kind of record, values in JSON.
//!
//! Tables: `meta` (`format`, `next_vhost`), `vhosts` and `users` by name, `permissions` by user and
//! vhost. A change is one transaction, durable when `commit` returns. It is committed in two phases:
//! otherwise redb takes a damaged last commit for a torn one and serves the one before, in which a
//! deleted user is still there. Every page is checked at an open. JSON lets later versions add
//! fields without a new format; what a version does not know it must not drop, so an incompatible
//! addition raises [`FORMAT`], and an older version refuses the file without touching it.

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use super::error::AccessError;
use super::image::{Account, Change, Grant, Image, Permission, VhostId, VhostRecord};
use super::password::{Hashing, PasswordHash};
use super::rights::Rights;

/// The newest format this version reads, and the one it writes.
pub(super) const FORMAT: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VHOSTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("vhosts");
const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
const PERMISSIONS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("permissions");

/// Bytes of redb's page cache; all records are in memory anyway.
const CACHE_SIZE: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct StoredVhost {
    id: u64,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredUser {
    password_hash: String,
    hashing_algorithm: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredPermission {
    configure: String,
    write: String,
    read: String,
}

/// The open file. Dropping it releases the lock.
pub(super) struct Store {
    database: Database,
    path: PathBuf,
}

impl Store {
    /// Opens or creates the file and reads everything in it.
    pub(super) fn open(path: &Path) -> Result<(Store, Image), AccessError> {
        let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if length == 0 {
            create(path, &|_| Ok(()))?;
        }
        examine(path)?;
        let opened = Builder::new().set_cache_size(CACHE_SIZE).set_check_integrity_on_open(true).open(path);
        let database = opened.map_err(|error| open_error(path, error))?;
        let store = Store { database, path: path.to_owned() };
        let image = store.load()?;
        Ok((store, image))
    }

    /// Reads everything in a file that is there, and changes no byte of it.
    pub(super) fn look(path: &Path) -> Result<Image, AccessError> {
        let store = Store { database: examine(path)?, path: path.to_owned() };
        store.load()
    }

    /// Makes `changes` durable, all or none.
    pub(super) fn commit(&self, changes: &[Change]) -> Result<(), AccessError> {
        self.write(changes).map_err(|source| AccessError::Store {
            attempted: "write",
            path: self.path.clone(),
            source: Box::new(source),
        })
    }

    fn write(&self, changes: &[Change]) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        {
            let mut meta = transaction.open_table(META)?;
            let mut vhosts = transaction.open_table(VHOSTS)?;
            let mut users = transaction.open_table(USERS)?;
            let mut permissions = transaction.open_table(PERMISSIONS)?;
            for change in changes {
                match change {
                    Change::PutVhost(vhost) => {
                        vhosts.insert(vhost.name.as_str(), encode(&StoredVhost::of(vhost))?.as_slice())?;
                        let next = vhost.id.0 + 1;
                        let known = meta.get("next_vhost")?.map_or(0, |guard| guard.value());
                        if next > known {
                            meta.insert("next_vhost", next)?;
                        }
                    }
                    Change::DropVhost(name) => {
                        vhosts.remove(name.as_str())?;
                    }
                    Change::PutUser(account) => {
                        let name = account.identity.name.as_str();
                        users.insert(name, encode(&StoredUser::of(account))?.as_slice())?;
                    }
                    Change::DropUser(name) => {
                        users.remove(name.as_str())?;
                    }
                    Change::PutGrant(grant) => {
                        let key = (grant.permission.user.as_str(), grant.permission.vhost.as_str());
                        permissions.insert(key, encode(&StoredPermission::of(grant))?.as_slice())?;
                    }
                    Change::DropGrant { user, vhost } => {
                        permissions.remove((user.as_str(), vhost.as_str()))?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Everything in the file, as of now.
    pub(super) fn copy(&self) -> Result<Definitions, AccessError> {
        let mut records = Vec::new();
        let next_vhost = self.read_all(&mut records).map_err(|source| read_error(&self.path, source))?;
        Ok(Definitions { path: self.path.clone(), records, next_vhost })
    }

    fn load(&self) -> Result<Image, AccessError> {
        let mut records = Vec::new();
        let read = self.read_all(&mut records).map_err(|source| read_error(&self.path, source))?;
        let mut image = Image { next_vhost: read, ..Image::default() };
        for record in records {
            image.apply(record.decode().map_err(|what| self.damaged(what))?);
        }
        Ok(image)
    }

    /// Collects every record still encoded; returns the next vhost's number.
    fn read_all(&self, records: &mut Vec<Record>) -> Result<u64, redb::Error> {
        let transaction = self.database.begin_read()?;
        for row in transaction.open_table(VHOSTS)?.iter()? {
            let (name, value) = row?;
            records.push(Record::Vhost(name.value().to_owned(), value.value().to_vec()));
        }
        for row in transaction.open_table(USERS)?.iter()? {
            let (name, value) = row?;
            records.push(Record::User(name.value().to_owned(), value.value().to_vec()));
        }
        for row in transaction.open_table(PERMISSIONS)?.iter()? {
            let (key, value) = row?;
            let (user, vhost) = key.value();
            records.push(Record::Permission(user.to_owned(), vhost.to_owned(), value.value().to_vec()));
        }
        let meta = transaction.open_table(META)?;
        let next = meta.get("next_vhost")?.map_or(0, |guard| guard.value());
        Ok(next)
    }

    fn damaged(&self, what: String) -> AccessError {
        AccessError::Damaged { path: self.path.clone(), what }
    }
}

/// All definitions, taken out of one file to go into another.
pub(crate) struct Definitions {
    /// Where they are from.
    path: PathBuf,
    records: Vec<Record>,
    next_vhost: u64,
}

impl Definitions {
    /// Nothing but these vhosts, by number, and the number that the next one gets.
    ///
    /// # Errors
    /// [`AccessError::VhostExists`] for a name that stands there twice.
    pub(super) fn of_vhosts(
        path: &Path,
        vhosts: &[(u64, String)],
        next_vhost: u64,
    ) -> Result<Definitions, AccessError> {
        let mut records = Vec::with_capacity(vhosts.len());
        for (n, (number, name)) in vhosts.iter().enumerate() {
            if vhosts.iter().take(n).any(|(_, before)| before == name) {
                return Err(AccessError::VhostExists(name.clone()));
            }
            let stored = StoredVhost { id: *number, description: String::new(), tags: Vec::new() };
            let json = encode(&stored).map_err(|source| read_error(path, source))?;
            records.push(Record::Vhost(name.clone(), json));
        }
        Ok(Definitions { path: path.to_owned(), records, next_vhost })
    }

    /// The vhosts' names and numbers.
    pub(crate) fn vhosts(&self) -> Result<Vec<(String, u64)>, AccessError> {
        let mut vhosts = Vec::new();
        for record in &self.records {
            if let Record::Vhost(name, json) = record {
                let stored: StoredVhost = decode(json).map_err(|what| {
                    let (path, what) = (self.path.clone(), format!("vhost \"{name}\": {what}"));
                    AccessError::Damaged { path, what }
                })?;
                vhosts.push((name.clone(), stored.id));
            }
        }
        Ok(vhosts)
    }

    /// Without a vhost and the permissions in it.
    pub(crate) fn drop_vhost(&mut self, name: &str) {
        self.records.retain(|record| match record {
            Record::Vhost(vhost, _) | Record::Permission(_, vhost, _) => vhost != name,
            Record::User(..) => true,
        });
    }

    /// A new file of them, readable for its owner alone. All of it is on disk when this returns.
    pub(crate) fn write_to(&self, path: &Path) -> Result<(), AccessError> {
        create(path, &|transaction| {
            let mut vhosts = transaction.open_table(VHOSTS)?;
            let mut users = transaction.open_table(USERS)?;
            let mut permissions = transaction.open_table(PERMISSIONS)?;
            for record in &self.records {
                match record {
                    Record::Vhost(name, json) => drop(vhosts.insert(name.as_str(), json.as_slice())?),
                    Record::User(name, json) => drop(users.insert(name.as_str(), json.as_slice())?),
                    Record::Permission(user, vhost, json) => {
                        permissions.insert((user.as_str(), vhost.as_str()), json.as_slice())?;
                    }
                }
            }
            transaction.open_table(META)?.insert("next_vhost", self.next_vhost)?;
            Ok(())
        })
    }
}

/// A row as read, before its JSON is.
enum Record {
    Vhost(String, Vec<u8>),
    User(String, Vec<u8>),
    Permission(String, String, Vec<u8>),
}

impl Record {
    fn decode(self) -> Result<Change, String> {
        match self {
            Record::Vhost(name, json) => {
                let stored: StoredVhost =
                    decode(&json).map_err(|error| format!("vhost \"{name}\": {error}"))?;
                Ok(Change::PutVhost(VhostRecord {
                    id: VhostId(stored.id),
                    name,
                    description: stored.description,
                    tags: stored.tags,
                    tracing: false,
                }))
            }
            Record::User(name, json) => {
                let account = read_user(&name, &json).map_err(|error| format!("user \"{name}\": {error}"))?;
                Ok(Change::PutUser(account))
            }
            Record::Permission(user, vhost, json) => {
                let place = format!("permissions of user \"{user}\" in vhost \"{vhost}\"");
                let stored: StoredPermission = decode(&json).map_err(|error| format!("{place}: {error}"))?;
                let StoredPermission { configure, write, read } = stored;
                let rights = Rights::compile(&configure, &write, &read)
                    .map_err(|(which, error)| format!("{place}: {which}: {error}"))?;
                let permission = Permission { user, vhost, configure, write, read };
                Ok(Change::PutGrant(Grant { permission, rights: Arc::new(rights) }))
            }
        }
    }
}

impl StoredVhost {
    fn of(vhost: &VhostRecord) -> StoredVhost {
        StoredVhost { id: vhost.id.0, description: vhost.description.clone(), tags: vhost.tags.clone() }
    }
}

impl StoredUser {
    fn of(account: &Account) -> StoredUser {
        StoredUser {
            password_hash: account.password.to_base64(),
            hashing_algorithm: account.password.hashing().name().to_owned(),
            tags: account.identity.tags.clone(),
        }
    }
}

impl StoredPermission {
    fn of(grant: &Grant) -> StoredPermission {
        let Permission { configure, write, read, .. } = grant.permission.clone();
        StoredPermission { configure, write, read }
    }
}

fn read_user(name: &str, json: &[u8]) -> Result<Account, String> {
    let stored: StoredUser = decode(json)?;
    let hashing = Hashing::from_name(&stored.hashing_algorithm).map_err(|error| error.to_string())?;
    let password =
        PasswordHash::from_base64(&stored.password_hash, hashing).map_err(|error| error.to_string())?;
    Ok(Account::new(name, password, stored.tags))
}

fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(record).map_err(|error| redb::Error::Io(error.into()))
}

fn decode<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

/// Makes the file, with its format and what `fill` puts into its empty tables, under another name first: a crash half way
/// leaves no file that is neither new nor readable.
fn create(
    path: &Path,
    fill: &dyn Fn(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), AccessError> {
    let error = |source: redb::Error| AccessError::Store {
        attempted: "create",
        path: path.to_owned(),
        source: Box::new(source),
    };
    let unfinished = path.with_extension("new");
    let make = || -> Result<(), redb::Error> {
        remove_if_there(&unfinished)?;
        let database = Builder::new().set_cache_size(CACHE_SIZE).create(&unfinished)?;
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(true);
        transaction.open_table(META)?.insert("format", FORMAT)?;
        transaction.open_table(VHOSTS)?;
        transaction.open_table(USERS)?;
        transaction.open_table(PERMISSIONS)?;
        fill(&transaction)?;
        transaction.commit()?;
        database.close()?;
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
            remove_if_there(path)?;
        }
        // A link, not a rename: it never replaces a file that another process made meanwhile.
        match std::fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => std::fs::remove_file(&unfinished)?,
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    };
    make().map_err(error)
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Reads the format and checks every page, without changing a byte of the file; the copy that was checked.
///
/// redb trusts a file that was closed and panics over a damaged one, unless its check is asked for; the check
/// writes, as does the repair of a file that was not closed. So both are done on a copy in memory first.
/// Definitions are few, and the copy is small.
fn examine(path: &Path) -> Result<Database, AccessError> {
    let copy = copy_in_memory(path)?;
    let opened = Builder::new().set_check_integrity_on_open(true).create_with_backend(copy);
    let database = opened.map_err(|error| open_error(path, error))?;
    match read_format(&database).map_err(|source| read_error(path, source))? {
        Some(FORMAT) => Ok(database),
        Some(found) if found > FORMAT => {
            Err(AccessError::NewerFormat { path: path.to_owned(), found, supported: FORMAT })
        }
        _ => Err(AccessError::Damaged { path: path.to_owned(), what: "it states no format".to_owned() }),
    }
}

/// The file's bytes, read while nobody writes them.
fn copy_in_memory(path: &Path) -> Result<InMemoryBackend, AccessError> {
    let refused = |source: std::io::Error| AccessError::Store {
        attempted: "open",
        path: path.to_owned(),
        source: Box::new(source.into()),
    };
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(refused)?;
    let file = FileBackend::new(file).map_err(|error| open_error(path, error))?;
    match file.try_lock_range(Bound::Unbounded, Bound::Unbounded) {
        Ok(true) => {}
        Ok(false) => return Err(AccessError::InUse { path: path.to_owned() }),
        Err(error) => return Err(open_error(path, DatabaseError::Storage(error.into()))),
    }
    let bytes = std::fs::read(path).map_err(refused)?;
    let backend = InMemoryBackend::new();
    let filled = backend.set_len(bytes.len() as u64).and_then(|()| backend.write(0, &bytes));
    filled.map_err(|error| open_error(path, DatabaseError::Storage(error.into())))?;
    Ok(backend)
}

/// The stated format; none in a redb file of another program.
fn read_format(database: &impl ReadableDatabase) -> Result<Option<u64>, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let format = meta.get("format")?.map(|guard| guard.value());
    Ok(format)
}

fn open_error(path: &Path, error: DatabaseError) -> AccessError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => AccessError::InUse { path: path.to_owned() },
        error => told_apart("open", path, error.into()),
    }
}

fn read_error(path: &Path, source: redb::Error) -> AccessError {
    told_apart("read", path, source)
}

/// Damage, or a refusal of the system, which says nothing of what is in the file.
fn told_apart(attempted: &'static str, path: &Path, source: redb::Error) -> AccessError {
    let what = match &source {
        redb::Error::Corrupted(what) => what.clone(),
        // How redb tells of a file that is none of its own, or was cut short.
        redb::Error::Io(error)
            if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            error.to_string()
        }
        redb::Error::UpgradeRequired(_) | redb::Error::RepairAborted => source.to_string(),
        _ => return AccessError::Store { attempted, path: path.to_owned(), source: Box::new(source) },
    };
    AccessError::Damaged { path: path.to_owned(), what }
}
