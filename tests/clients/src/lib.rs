//! Starts the real broker binary for tests that speak to it through its socket.
//!
//! The tests next door (`tests/`) are clients that know nothing of this
//! repository: they use lapin as anybody would.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The line the broker prints, after one for each listener, when it serves.
const READY: &str = "aileron: ready";

/// A broker process on a loopback port and a data folder of its own; killed on drop.
#[derive(Debug)]
pub struct Broker {
    process: Child,
    address: SocketAddr,
}

impl Broker {
    /// Starts a broker on `data_dir` and waits until it says that it is ready.
    ///
    /// # Errors
    /// A text for the test's report: no binary, no free port, or the broker
    /// ended before it was ready.
    pub fn start(data_dir: &Path) -> Result<Self, String> {
        let binary = binary()?;
        let address = free_address()?;
        let mut process = Command::new(&binary)
            .arg("serve")
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--set", &format!("broker.listen=[\"{address}\"]")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
        let output = process.stdout.take().ok_or("no standard output")?;
        let broker = Self { process, address };
        // The reader stays until the broker ends: a closed pipe would fail its later lines.
        let (ready, became_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.starts_with(READY) {
                    // Nobody may be waiting any more; that is no error here.
                    let _ = ready.send(());
                }
            }
        });
        became_ready
            .recv_timeout(std::time::Duration::from_secs(30))
            .map_err(|_| "the broker did not become ready".to_owned())?;
        Ok(broker)
    }

    /// The address for a client: user guest, virtual host `/`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program under test: `AILERON_BIN`, else the debug build in the target folder.
fn binary() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("AILERON_BIN") {
        return Ok(path.into());
    }
    // A test program is target/PROFILE/deps/NAME.
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let profile = own.parent().and_then(Path::parent).ok_or("test program in no folder")?;
    let binary = profile.join("aileron");
    if binary.exists() {
        Ok(binary)
    } else {
        Err("no binary: cargo build -p aileron, or set AILERON_BIN".to_owned())
    }
}

/// A loopback address nobody listens on now. Another program may take the port
/// before the broker does; the test then fails with the broker's own words.
fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port: {error}"))
}
