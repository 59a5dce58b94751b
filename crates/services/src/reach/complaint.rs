//! What ssh's complaints mean: not there, not allowed, or nothing that we know.

use crate::answer::Trouble;

/// What a failed ssh says of the host. `complaint` is its standard error.
pub(super) fn trouble(destination: &str, complaint: &str) -> Trouble {
    let line = last_line(complaint);
    let cause = format!("ssh to {destination}: {line}");
    let has = |text: &str| complaint.contains(text);
    if has("Permission denied") || has("Too many authentication failures") {
        return Trouble::Denied(format!(
            "{cause}; give its user a key that works without a question (ansible_user, ansible_ssh_private_key_file)"
        ));
    }
    if has("Host key verification failed") || has("HOST IDENTIFICATION HAS CHANGED") {
        return Trouble::Denied(format!(
            "{cause}; compare its key, then let ssh know it: ssh-keyscan {destination} >>~/.ssh/known_hosts"
        ));
    }
    if has("sudo:") {
        return Trouble::Denied(format!(
            "{cause}; sudo has to work there without a password, or unset ansible_become"
        ));
    }
    if has("Connection refused")
        || has("No route to host")
        || has("Network is unreachable")
        || has("Could not resolve hostname")
    {
        return Trouble::Down(cause);
    }
    Trouble::Broken(cause)
}

/// Whether the complaint is that the host did not answer in time, which is silence and no trouble.
pub(super) fn is_silence(complaint: &str) -> bool {
    ["timed out", "not responding", "Timeout, server"].iter().any(|text| complaint.contains(text))
}

/// The last line that says something; the lines before are often the server's greeting.
pub(super) fn last_line(complaint: &str) -> String {
    let line = complaint.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no word why");
    line.chars().filter(|one| !one.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        let denied = trouble("c1", "root@10.77.0.12: Permission denied (publickey).\n");
        assert!(matches!(&denied, Trouble::Denied(cause) if cause.contains("(publickey)")), "{denied}");
        let down = trouble("c1", "ssh: connect to host 10.77.0.12 port 22: Connection refused\r\n");
        assert!(matches!(down, Trouble::Down(_)));
        let sudo = trouble("c1", "sudo: a password is required\n");
        assert!(matches!(&sudo, Trouble::Denied(cause) if cause.contains("ansible_become")), "{sudo}");
        assert!(matches!(trouble("c1", ""), Trouble::Broken(_)));
        assert!(is_silence("ssh: connect to host 10.77.0.12 port 22: Connection timed out\r\n"));
    }
}
