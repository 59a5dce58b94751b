//! Running a program to its end, with a bound on what it may say.

use std::process::{Output, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// The most that is taken of a program's output, and of its complaints.
pub(crate) const OUTPUT_MAX: u64 = 16 << 20;

/// Runs a command that is killed when the caller stops waiting; what it says beyond [`OUTPUT_MAX`] is cut.
pub(crate) async fn output(command: &mut Command) -> std::io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::try_join!(all(out), all(err))?;
    let status = child.wait().await?;
    Ok(Output { status, stdout, stderr })
}

async fn all(source: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut source) = source {
        (&mut source).take(OUTPUT_MAX).read_to_end(&mut bytes).await?;
        // The rest is thrown away, so that the program does not wait for a reader.
        tokio::io::copy(&mut source, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}
