//! The admin socket: a command in JSON with a zero behind it; back come four bytes of length, big-endian,
//! and JSON. Every daemon has one, and it answers without the others.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;

/// The most that an answer may have.
const ANSWER_MAX: u32 = 4 << 20;

/// Asks one command; `None` if the daemon does not know it.
pub(super) async fn ask(place: &Place, command: &str, ask: &Ask) -> Result<Option<Value>, Trouble> {
    let mut stream = ask.connect(place).await?;
    ask.doing(format!("waiting for the answer of {place} to {command}"));
    let trouble = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Trouble::Broken(format!("{place} hangs up on {command}")),
        _ => Trouble::from_io(&error, &format!("asking {place}")),
    };
    let question = serde_json::json!({ "prefix": command, "format": "json" }).to_string() + "\0";
    stream.write_all(question.as_bytes()).await.map_err(trouble)?;
    let length = stream.read_u32().await.map_err(trouble)?;
    if length > ANSWER_MAX {
        return Err(Trouble::Broken(format!("{place} answers {command} with {length} bytes")));
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).await.map_err(trouble)?;
    // What it does not know it answers in words, or with nothing.
    Ok(serde_json::from_slice(&answer).ok())
}
