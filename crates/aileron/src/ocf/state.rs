//! What the daemon says of itself, and what that means to the cluster.

use std::path::Path;
use std::time::Duration;

use super::code::{Code, Outcome, Trouble};
use super::within;
use crate::ctl::client::{Link, LinkError};
use crate::ctl::protocol::{Hello, Refusal, Request};

/// What came over the control socket.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// Its greeting.
    Hello(Hello),
    /// Nobody listens there; why it is said so.
    Nobody(String),
    /// It takes the connection, or does not even that, and says nothing.
    Silent,
}

/// Connects and reads the greeting.
pub(super) fn greeting(socket: &Path, limit: Duration) -> Heard {
    let path = socket.to_path_buf();
    // Connecting waits too, where a frozen daemon has as many connections waiting as fit.
    match within(limit, move || Link::open(&path, Some(limit)).map(|link| link.hello().clone())) {
        Some(Ok(hello)) => Heard::Hello(hello),
        Some(Err(LinkError::TimedOut)) | None => Heard::Silent,
        Some(Err(error)) => Heard::Nobody(error.to_string()),
    }
}

/// Has the daemon do something, and returns when it has.
pub(super) fn request(socket: &Path, request: Request, limit: Duration) -> Result<(), Trouble> {
    let path = socket.to_path_buf();
    let asked = within(limit, move || Link::open(&path, Some(limit))?.ask(&request));
    match asked {
        Some(Ok(answer)) => match answer.end {
            Ok(_) => Ok(()),
            Err(Refusal::NotReady) => Err(Trouble::failed("the broker is still starting")),
            Err(Refusal::Other(why)) => Err(Trouble::failed(why)),
            Err(other) => Err(Trouble::failed(format!("the broker refuses: {other:?}"))),
        },
        Some(Err(LinkError::TimedOut)) | None => Err(Trouble::failed(silence())),
        Some(Err(error)) => Err(Trouble::failed(error.to_string())),
    }
}

fn silence() -> String {
    "the broker runs and does not answer".to_string()
}

/// What a monitor says of processes that live and of what was heard.
pub(super) fn judge(pids: &[u32], heard: &Heard, promotable: bool) -> Outcome {
    let hello = match heard {
        Heard::Silent => return Err(Trouble::failed(silence())),
        Heard::Nobody(why) => {
            return Err(Trouble::failed(format!("the broker runs and cannot be asked: {why}")));
        }
        Heard::Hello(hello) => hello,
    };
    if !pids.contains(&hello.pid) {
        let reason = format!("another broker, pid {}, has the control socket", hello.pid);
        return Err(Trouble::failed(reason));
    }
    if pids.len() > 1 {
        return Err(Trouble::failed(format!("there are {} brokers, pids {pids:?}", pids.len())));
    }
    if hello.log_failed {
        return Err(Trouble::failed("the disk failed: nothing is stored until the broker is started again"));
    }
    if let Some(hung) = &hello.hung_disk {
        return Err(Trouble::failed(format!("{hung}: nothing is stored until it does")));
    }
    Ok(if promotable && hello.is_promoted() { Code::Promoted } else { Code::Success })
}
