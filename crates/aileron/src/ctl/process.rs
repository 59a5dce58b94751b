//! Watching another process: whether it is still there.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until the process is gone, or the limit has passed; says whether it is gone.
pub(crate) fn wait_for_death(pid: u32, limit: Option<Duration>) -> bool {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    while alive(pid) {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

/// Whether there is such a process that has not ended; a zombie has.
pub(crate) fn alive(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => {
            // The state follows the name in brackets, which may itself hold brackets.
            let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
            !matches!(state, Some('Z' | 'X'))
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_there_until_it_has_ended() {
        assert!(alive(std::process::id()));
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep starts");
        assert!(!wait_for_death(child.id(), Some(Duration::from_millis(60))));
        child.kill().expect("the child is ours");
        assert!(wait_for_death(child.id(), Some(Duration::from_secs(5))), "a zombie has ended");
        child.wait().expect("the child is ours");
    }
}
