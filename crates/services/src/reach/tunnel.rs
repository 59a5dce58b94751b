//! A connection through ssh: the two pipes of an `ssh -W`, and what ssh says when there is nobody to talk to.
//!
//! ssh gives no sign that the connection stands; that it does not, is known when ssh ends before a byte came.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::complaint;

/// The most that is read of ssh's complaints.
const COMPLAINT_MAX: u64 = 8 << 10;

/// How ssh ended: `None` as it should.
type Ending = Pin<Box<dyn Future<Output = Option<io::Error>> + Send>>;

/// Both directions of a connection.
pub struct Tunnel {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    child: Option<(Child, ChildStderr)>,
    heard: bool,
    ending: Option<Ending>,
    refusal: io::ErrorKind,
    destination: String,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tunnel").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl Tunnel {
    /// Starts ssh. `refusal` is what it means when the place does not take the connection.
    pub(super) fn open(
        command: &mut Command,
        refusal: io::ErrorKind,
        destination: &str,
    ) -> io::Result<Tunnel> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("ssh without pipes"));
        };
        Ok(Tunnel {
            stdin: Some(stdin),
            stdout,
            child: Some((child, stderr)),
            heard: false,
            ending: None,
            refusal,
            destination: destination.to_string(),
        })
    }

    /// Waits for ssh's end, and says what it means.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Error>> {
        if let Some((child, stderr)) = self.child.take() {
            self.ending = Some(Box::pin(end(child, stderr, self.refusal, self.destination.clone())));
        }
        let Some(ending) = &mut self.ending else { return Poll::Ready(None) };
        let ended = ready!(ending.as_mut().poll(context));
        self.ending = None;
        Poll::Ready(ended)
    }
}

async fn end(
    mut child: Child,
    mut stderr: ChildStderr,
    refusal: io::ErrorKind,
    destination: String,
) -> Option<io::Error> {
    let mut said = Vec::new();
    // The background connection never holds this pipe, so it ends with ssh.
    let _ = (&mut stderr).take(COMPLAINT_MAX).read_to_end(&mut said).await;
    let status = child.wait().await.ok()?;
    if status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&said);
    let line = complaint::last_line(&said);
    if refused(&said) {
        let cause = if refusal == io::ErrorKind::PermissionDenied {
            format!("{destination} listens there, but its sshd forbids forwarding (AllowTcpForwarding)")
        } else {
            format!("nothing accepts connections there, says ssh on {destination} ({line})")
        };
        return Some(io::Error::new(refusal, cause));
    }
    let kind = match complaint::trouble(&destination, &said) {
        crate::Trouble::Denied(_) => io::ErrorKind::PermissionDenied,
        crate::Trouble::Down(_) => io::ErrorKind::ConnectionRefused,
        crate::Trouble::Broken(_) => io::ErrorKind::Other,
    };
    Some(io::Error::new(kind, format!("ssh to {destination}: {line}")))
}

/// Whether it was the far end that refused, as seen through the shared connection or without it.
fn refused(said: &str) -> bool {
    ["refused by peer", "open failed", "forwarding failed"].iter().any(|text| said.contains(text))
}

impl AsyncRead for Tunnel {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ending.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stdout).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                this.heard = true;
                return Poll::Ready(Ok(()));
            }
            if this.heard {
                return Poll::Ready(Ok(()));
            }
        }
        match ready!(this.poll_end(context)) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(stdin) = &mut this.stdin else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if this.ending.is_none() {
            match ready!(Pin::new(stdin).poll_write(context, bytes)) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe && !this.heard => {}
                other => return Poll::Ready(other),
            }
        }
        let ended = ready!(this.poll_end(context));
        Poll::Ready(Err(ended.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Only closing the pipe tells ssh that no more comes.
        self.get_mut().stdin = None;
        Poll::Ready(Ok(()))
    }
}
