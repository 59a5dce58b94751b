//! What a vhost's folder says of itself, in a small file that people can read too: `vhost.json`.
//!
//! It is written before the definitions name the vhost and again once the vhost has a log, so that an empty folder (a
//! volume that is not mounted), a log that is gone, and folders that changed places can be told from a new vhost. Folders
//! that an older release made have none, and get one as they are opened.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

const NAME: &str = "vhost.json";
const NEXT: &str = "vhost.json.new";

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label {
    /// The vhost's number, which is its folder's name.
    pub(super) number: u64,
    pub(super) name: String,
    /// The identity of its log, in hexadecimal; none before it was opened once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<String>,
    /// It is being deleted: once no definitions name it, what is in the folder is nobody's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) deleted: bool,
}

impl Label {
    pub(super) fn new(number: u64, name: &str) -> Label {
        Label { number, name: name.to_owned(), log: None, deleted: false }
    }

    /// The label in a folder. None where there is none; a damaged one says nothing either.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Label>> {
        let path = folder.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let label = serde_json::from_slice(&text);
        if let Err(error) = &label {
            tracing::warn!(path = %path.display(), %error, "the file is damaged and says nothing of the vhost");
        }
        Ok(label.ok())
    }

    /// Puts it into the folder, whole or not at all; on disk when this returns.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        let next = folder.join(NEXT);
        let mut file = File::create(&next)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&next, folder.join(NAME))?;
        File::open(folder)?.sync_all()
    }

    /// Whether a file in a vhost's folder is one of these.
    pub(super) fn is(name: &str) -> bool {
        name == NAME || name == NEXT
    }
}

/// An identity as a label has it.
pub(super) fn hexadecimal(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}
