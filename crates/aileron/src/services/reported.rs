//! The services as `rabbitmqctl report` shows them at its end: what the daemon has seen last and what changed
//! within a day, else a survey that is made while the report gathers the rest.
//!
//! Nothing here may hold the report up or make it fail: what is missing is told in a sentence.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use services::Settings;

use super::table::{self, Known};
use super::terminal::Style;
use super::{daemon, hosts, past, when};

/// The survey's deadline.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long after the rest of the report this part is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// The changes that are told, by their age in seconds.
const RECENT: u64 = 86_400;
/// A page for a file.
const STYLE: Style = Style { width: 100, colour: false, members: true };

/// The part on its way.
pub(crate) struct Reported {
    text: Receiver<String>,
}

impl Reported {
    /// Begins to gather it.
    pub(crate) fn begin(socket: &Path) -> Reported {
        let (tell, text) = channel();
        let socket = socket.to_path_buf();
        // Without a thread nobody tells, which is told.
        let _ = std::thread::Builder::new().spawn(move || {
            // The report may have ended without it.
            let _ = tell.send(gather(&socket));
        });
        Reported { text }
    }

    /// The part, or why it is missing.
    pub(crate) fn end(self) -> String {
        self.text.recv_timeout(PATIENCE).unwrap_or_else(|_| "They were not surveyed in time.".to_string())
    }
}

fn gather(socket: &Path) -> String {
    let now = when::now();
    let Ok((overview, standing)) = daemon::overview(socket) else {
        return fresh().unwrap_or_else(|cause| format!("They could not be surveyed: {cause}"));
    };
    let seen = table::page(&overview, Some(Known { now, standing: &standing }), STYLE);
    match daemon::history(socket, now.saturating_sub(RECENT)) {
        Ok(told) => format!("{seen}\nChanges of the last day:\n\n{}", past::page(&told, now, STYLE)),
        Err(_) => seen,
    }
}

/// A survey of what is configured.
fn fresh() -> Result<String, String> {
    let config = hosts::config()?.map(|config| config.services).unwrap_or_default();
    let settings = Settings {
        deadline: DEADLINE,
        hosts: hosts::configured(&config)?,
        credentials: Arc::new(hosts::credentials(None, &config)?),
        only: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let overview = runtime.block_on(services::survey(&settings));
    runtime.shutdown_background();
    Ok(table::page(&overview, None, STYLE))
}
