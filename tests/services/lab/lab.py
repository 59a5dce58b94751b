"""The lab: hosts on a bridge, and their end."""
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

from . import disk, namespaces
from .host import INIT, Host
from .ssh import Keys

_living = weakref.WeakSet()


def living():
    """The labs that are up now."""
    return list(_living)


class Lab:
    """`count` hosts; `prefix` names its folder, for who looks at it from outside."""

    def __init__(self, count, prefix="lab"):
        if os.geteuid() != 0:
            raise RuntimeError("the lab makes namespaces: it needs root")
        self.count, self.prefix = count, prefix
        self.hosts, self.folder, self._switch, self._pidfd = [], None, None, None

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix=f"aileron-{self.prefix}-"))
        # Daemons that are not root pass through it.
        self.folder.chmod(0o755)
        try:
            self._switch = namespaces.make(
                [sys.executable, "-I", "-S", str(INIT)], namespaces.NEWNET, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._pidfd = os.pidfd_open(self._switch.pid)
            assert self._switch.stdout.readline() == b"ready\n"
            self.wire("link set lo up", "link add br0 type bridge", "link set br0 up")
            for number in range(self.count):
                self.hosts.append(Host(self, number))
            names = "127.0.0.1 localhost\n" + "".join(
                f"{host.ip} {host.name}.internalapi.localdomain {host.name}.internalapi {host.name}\n" for host in self.hosts
            )
            for host in self.hosts:
                host.etc("hosts", names)
                host.etc("hostname", f"{host.name}\n")
                host.boot()
            _living.add(self)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends every process of the lab and takes its folder away."""
        _living.discard(self)
        for host in self.hosts:
            host.crash()
        if self._switch is not None:
            self._switch.kill()
            self._switch.wait(30)
            self._switch.stdin.close()
            self._switch.stdout.close()
            if self._pidfd is not None:
                os.close(self._pidfd)
            self._switch = self._pidfd = None
        kept = os.environ.get("LAB_KEEP")
        if kept:
            shutil.copytree(self.folder, Path(kept) / self.folder.name, symlinks=True, ignore=_no_sockets)
        disk.remove(self.folder)

    # The bridge

    def wire(self, *lines):
        """Runs lines of ip(8) in the bridge's network."""
        process = namespaces.enter(
            ["ip", "-batch", "-"], self._pidfd, namespaces.NEWNET, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        with process:
            out, _ = process.communicate("".join(f"{line}\n" for line in lines), 10)
        assert process.returncode == 0, out

    def plug(self, number, pid):
        """Connects the network of a process as host `number`."""
        # The same hardware address after every boot, as a real one has: the others remember it.
        hardware = f"02:77:00:00:00:{11 + number:02x}"
        self.wire(
            f"link add p{number} type veth peer name eth0 address {hardware} netns {pid}", f"link set p{number} master br0 up"
        )

    # For tests

    @functools.cached_property
    def keys(self):
        """The lab's SSH keys, made when first asked for."""
        return Keys(self)

    @property
    def ssh_config(self):
        """A client configuration (`ssh -F`) with key, user and known hosts."""
        return self.keys.config

    def inventory(self, *hosts):
        """Path of an Ansible inventory (INI) of these hosts, else of all."""
        lines = ["[Controller]"]
        for host in hosts or self.hosts:
            lines.append(
                f"{host.name} ansible_host={host.ip} ansible_user=root "
                f"ansible_ssh_private_key_file={self.keys.folder}/key ansible_ssh_common_args='-F {self.keys.config}'"
            )
        target = self.folder / "inventory.ini"
        target.write_text("\n".join(lines) + "\n")
        return target

    def until(self, predicate, timeout=60, what=None, every=0.1):
        """Asks until the answer is true, and returns it; an exception means not yet."""
        end = time.monotonic() + timeout
        while True:
            try:
                last = predicate()
                if last:
                    return last
            except Exception as problem:  # whatever a client says while its server comes up
                last = problem
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what or predicate}; last: {last!r}")
            time.sleep(every)

    def logs(self, lines=40):
        """The ends of all logs below the hosts' own folders."""
        shown = []
        for host in self.hosts:
            for log in sorted(host.root.rglob("*.log")) + sorted((host.folder / "var/log").rglob("*.log")):
                text = log.read_text(errors="replace").splitlines()
                if text:
                    shown.append("\n".join([f"--- {host.name} {log.relative_to(host.folder)}", *text[-lines:]]))
        return "\n".join(shown)


def _no_sockets(folder, names):
    return [name for name in names if not (Path(folder) / name).is_symlink() and not (Path(folder) / name).is_file() and not (Path(folder) / name).is_dir()]
