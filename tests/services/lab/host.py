"""One host of a lab."""
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import disk, namespaces
from .binary import binary
from .daemon import Daemon

INIT = Path(__file__).with_name("init.py")
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host:
    """A controller: run, start, write, cut, crash. Made by `Lab`."""

    def __init__(self, lab, number):
        self.lab, self.number = lab, number
        self.name = f"controller-{number}"
        self.ip = f"10.77.0.{11 + number}"
        self.folder = lab.folder / self.name
        self.root = self.folder / "root"
        self.daemons = []
        self._init = self._pidfd = None
        self.root.mkdir(parents=True)
        # Daemons that are not root write there too.
        self.root.chmod(0o1777)
        self._binds = disk.prepare(self.folder)

    def __repr__(self):
        return f"<{self.name} {self.ip}>"

    # Life

    def boot(self):
        """Brings the host up: also again, after a crash, with the disk it had."""
        assert self._init is None, f"{self.name} is up"
        wanted = {
            "name": self.name, "binds": self._binds, "folders": disk.run_folders(),
            "tmpfs": [["/run", "755"], ["/dev/shm", "1777"]],
        }  # fmt: skip
        with open(self.folder / "init.log", "ab") as log:
            self._init = namespaces.make(
                [sys.executable, "-I", "-S", str(INIT), json.dumps(wanted)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._pidfd = os.pidfd_open(self._init.pid)
        if self._init.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{self.name} does not come up:\n{(self.folder / 'init.log').read_text()}")
        self.lab.plug(self.number, self._init.pid)
        self.run(["ip", "-batch", "-"], input=f"link set lo up\naddr add {self.ip}/24 dev eth0\nlink set eth0 up\n")

    def crash(self):
        """Pulls the plug: every process is killed at once, the link goes with them."""
        if self._init is None:
            return
        self._init.kill()
        # Pid 1 is gone only when its last process is, and these are ours to bury.
        for daemon in self.daemons:
            daemon.process.wait(30)
        self._init.wait(30)
        self._init.stdin.close()
        self._init.stdout.close()
        os.close(self._pidfd)
        self.daemons, self._init, self._pidfd = [], None, None

    @property
    def up(self):
        """True between boot and crash."""
        return self._init is not None

    @property
    def pid(self):
        """Pid of the host's pid 1, outside."""
        return self._init.pid

    # Files

    def path(self, inside):
        """A path inside the host (also of its /run) as this process reaches it."""
        return Path(f"/proc/{self.pid}/root") / str(inside).lstrip("/")

    def etc(self, name, text, owner=None, mode=0o644):
        """Writes a file below the host's own /etc; its path inside."""
        target = self.folder / "etc" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        if owner:
            account = pwd.getpwnam(owner)
            os.chown(target, account.pw_uid, account.pw_gid)
        return f"/etc/{name}"

    def mine(self, name, user=None):
        """A folder of this name below `root`, owned by `user`; its path, the same inside."""
        target = self.root / name
        target.mkdir(parents=True, exist_ok=True)
        if user:
            account = pwd.getpwnam(user)
            os.chown(target, account.pw_uid, account.pw_gid)
        return target

    # Processes

    def _environment(self, env):
        return os.environ | {"HOME": "/root", "LC_ALL": "C.UTF-8", "PATH": PATHS} | (env or {})

    def run(self, command, timeout=10, check=True, input=None, user=None, env=None, folder="/"):
        """Runs a command to its end inside; a CompletedProcess with text."""
        command = [str(word) for word in command]
        # Files, not pipes: a daemon that the command leaves behind may keep them open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
            given.write((input or "").encode())
            given.seek(0)
            process = namespaces.enter(
                command, self._pidfd, user=user, folder=folder, env=self._environment(env), stdin=given, stdout=out, stderr=err
            )
            try:
                process.wait(timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
                raise
            out, err = (_text(file) for file in (out, err))
        if check and process.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(command)} ended with {process.returncode}\n{out}{err}")
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def start(self, command, log=None, user=None, env=None, folder="/"):
        """Starts a daemon (in the foreground form of its command line); a `Daemon`."""
        command = [str(word) for word in command]
        log = self.root / (log or f"{Path(command[0]).name}.log")
        with open(log, "ab") as output:
            process = namespaces.enter(
                command, self._pidfd, user=user, folder=folder, env=self._environment(env),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        daemon = Daemon(process, command, log)
        self.daemons.append(daemon)
        return daemon

    def processes(self, name=None):
        """Pids (outside) of the host's processes, of those with this name if given."""
        own, found = os.readlink(f"/proc/{self.pid}/ns/pid"), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "ns/pid") == own:
                    # The kernel keeps 15 letters of a name.
                    if name is None or (entry / "comm").read_text().strip() == name[:15]:
                        found.append(int(entry.name))
            except OSError:
                continue  # ended meanwhile
        return sorted(found)

    def commands(self, name=None):
        """The same with each one's arguments, those that ended meanwhile left out: [(pid, [bytes, ...]), ...]."""
        found = []
        for pid in self.processes(name):
            try:
                found.append((pid, Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")))
            except OSError:
                continue
        return found

    def services(self, *arguments, timeout=60, env=None, user=None):
        """`aileron services ARGUMENTS` inside: (exit code, its JSON or else text, seconds)."""
        begin = time.monotonic()
        done = self.run([binary(), "services", *arguments], timeout=timeout, check=False, env=env, user=user)
        seconds = time.monotonic() - begin
        try:
            return done.returncode, json.loads(done.stdout), seconds
        except ValueError:
            assert "--json" not in arguments, f"no JSON, ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            return done.returncode, done.stdout + done.stderr, seconds

    # Network

    def network(self):
        """Context: sockets that the calling thread makes are in the host's network."""
        return namespaces.network(self._pidfd)

    def cut(self):
        """Takes the host off the bridge; its own link stays up."""
        self.lab.wire(f"link set p{self.number} nomaster")

    def heal(self):
        """Puts it back."""
        self.lab.wire(f"link set p{self.number} master br0")

    def sshd(self):
        """Starts an SSH server on the host's address; root may enter with the lab's key."""
        return self.lab.keys.sshd(self)


def _text(file):
    file.seek(0)
    return file.read().decode(errors="replace")
