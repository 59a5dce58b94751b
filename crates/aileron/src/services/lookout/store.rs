//! The history on disk: one small file in the data folder, replaced as a whole.
//!
//! It is written beside, made durable and renamed, so that a kill at any moment leaves the old one or the
//! new one. One that cannot be read is put aside with a warning: the daemon starts in any case.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use services::Overview;
use services::history::History;

/// The version of the file's form.
const VERSION: u32 = 1;
/// The most that is read.
const FILE_MAX: u64 = 32 << 20;

/// What is kept over restarts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    pub(super) history: History,
    /// The last overview; one with a service that this version does not know is left out.
    overview: Value,
}

impl Kept {
    pub(super) fn new(history: &History, overview: Option<&Overview>) -> Kept {
        let overview = overview.and_then(|one| serde_json::to_value(one).ok()).unwrap_or(Value::Null);
        Kept { version: VERSION, history: history.clone(), overview }
    }

    pub(super) fn overview(&self) -> Option<Overview> {
        Overview::deserialize(&self.overview).ok()
    }
}

/// The file.
pub(super) struct Store {
    path: PathBuf,
}

impl Store {
    pub(super) fn new(path: PathBuf) -> Store {
        Store { path }
    }

    /// What was kept, with a warning if that could not be read.
    pub(super) fn load(&self) -> (Kept, Option<String>) {
        let cause = match self.read() {
            Ok(None) => return (Kept::default(), None),
            Ok(Some(kept)) if kept.version == VERSION => return (kept, None),
            Ok(Some(kept)) => format!("it has version {}, this aileron knows {VERSION}", kept.version),
            Err(error) => error.to_string(),
        };
        let aside = self.path.with_extension("json.damaged");
        let put = match fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is now {}", aside.display()),
            Err(error) => format!("it could not be put aside: {error}"),
        };
        let path = self.path.display();
        (
            Kept::default(),
            Some(format!("the history of the services begins anew, {path} is of no use: {cause}; {put}")),
        )
    }

    fn read(&self) -> io::Result<Option<Kept>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(FILE_MAX).read_to_end(&mut bytes)?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Replaces what is kept.
    pub(super) fn save(&self, kept: &Kept) -> io::Result<()> {
        let new = self.path.with_extension("json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let mut history = History::default();
        history.take(&overview());
        history.take(&Overview { state: services::State::Failed, taken_at: 20, ..overview() });
        Kept::new(&history, Some(&overview()))
    }

    fn overview() -> Overview {
        Overview {
            version: 1,
            state: services::State::Ok,
            summary: "0 services are well".to_string(),
            risk: String::new(),
            taken_at: 10,
            took_ms: 1,
            deadline_ms: 2000,
            hosts: Vec::new(),
            services: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().join("services.json"));
        (folder, store)
    }

    #[test]
    fn what_is_kept_is_there_again() {
        let (_folder, store) = store();
        let (nothing, warning) = store.load();
        assert!(nothing.overview().is_none() && warning.is_none(), "the first start");
        store.save(&kept()).expect("written");
        store.save(&kept()).expect("replaced");
        let (again, warning) = store.load();
        assert_eq!(warning, None);
        assert_eq!(again.history, kept().history);
        assert_eq!(again.overview(), Some(overview()));
    }

    #[test]
    fn a_file_cut_anywhere_or_with_a_byte_changed_never_stops_a_start() {
        let (folder, store) = store();
        store.save(&kept()).expect("written");
        let path = folder.path().join("services.json");
        let whole = fs::read(&path).expect("read");
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("cut");
            let (kept, warning) = store.load();
            assert_eq!(kept.history, History::default());
            let warning = warning.expect("told");
            assert!(warning.contains("services.json") && warning.contains("json.damaged"), "{warning}");
            assert!(!path.exists());
        }
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x80;
            fs::write(&path, &damaged).expect("damaged");
            let _ = store.load();
        }
    }

    #[test]
    fn a_torn_write_leaves_the_old_file() {
        let (folder, store) = store();
        store.save(&kept()).expect("written");
        fs::write(folder.path().join("services.json.new"), "{\"version\":1,\"hist").expect("torn");
        let (again, warning) = store.load();
        assert_eq!((again.history, warning), (kept().history, None));
        store.save(&kept()).expect("written over it");
    }

    #[test]
    fn another_version_is_put_aside() {
        let (folder, store) = store();
        let mut newer = kept();
        newer.version = 9;
        fs::write(folder.path().join("services.json"), serde_json::to_vec(&newer).expect("JSON"))
            .expect("written");
        let (kept, warning) = store.load();
        assert_eq!(kept.history, History::default());
        assert!(warning.expect("told").contains("it has version 9"));
        assert!(folder.path().join("services.json.damaged").exists());
    }

    #[test]
    fn an_overview_of_a_later_version_costs_the_overview_only() {
        let (folder, store) = store();
        let mut value = serde_json::to_value(kept()).expect("JSON");
        value["overview"]["services"] = serde_json::json!([{ "service": "oracle" }]);
        fs::write(folder.path().join("services.json"), value.to_string()).expect("written");
        let (again, warning) = store.load();
        assert_eq!(warning, None);
        assert_eq!((again.overview(), again.history), (None, kept().history));
    }
}
