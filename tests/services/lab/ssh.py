"""Keys that live as long as the lab, and servers that know them."""
import subprocess

CONFIG = """\
Host controller-* 10.77.0.*
  User root
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
"""
SERVER = """\
ListenAddress 0.0.0.0
HostKey {folder}/host_key
PidFile none
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile {folder}/key.pub
StrictModes no
Subsystem sftp internal-sftp
"""


class Keys:
    """One key for entering, one that all hosts show."""

    def __init__(self, lab):
        self.folder = lab.folder / "ssh"
        self.folder.mkdir(mode=0o700)
        for name in ("key", "host_key"):
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(self.folder / name)]
            subprocess.run(made, check=True, timeout=30)
        self.config = self.folder / "config"
        self.config.write_text(CONFIG.format(folder=self.folder))
        (self.folder / "sshd_config").write_text(SERVER.format(folder=self.folder))
        shown = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text("".join(f"{host.name},{host.ip} {shown}" for host in lab.hosts))

    def sshd(self, host):
        """Starts the server of a host and waits until it answers."""
        # An account locked in /etc/shadow may not enter, with no key either.
        shadow = (host.folder / "etc/shadow").read_text().splitlines()
        shadow = [":".join(["root", "*", *line.split(":")[2:]]) if line.startswith("root:") else line for line in shadow]
        host.etc("shadow", "\n".join(shadow) + "\n", mode=0o600)
        # Not the machine's shell for root, which may read a .bashrc that takes its time, or a lock.
        users = (host.folder / "etc/passwd").read_text().splitlines()
        users = [line.rpartition(":")[0] + ":/bin/sh" if line.startswith("root:") else line for line in users]
        host.etc("passwd", "\n".join(users) + "\n")
        daemon = host.start(["/usr/sbin/sshd", "-D", "-e", "-f", self.folder / "sshd_config"], log="sshd.log")
        host.lab.until(lambda: host.run(["ssh", "-F", self.config, host.ip, "true"], check=False).returncode == 0, what=f"ssh to {host.name}")
        return daemon
