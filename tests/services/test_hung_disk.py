"""The broker on a disk that does not answer: a file system of its own, frozen. The survey and the agent say so, and a
killed broker that hangs in the kernel with its data folder is no stopped one.

What writes to a frozen file system cannot even be killed, so every test thaws it, whatever happened.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from lab import Lab, broker

LIMITS = {"OCF_RESKEY_CRM_meta_timeout": "8000", "OCF_RESKEY_set": "journal.disk_timeout=2"}
HANGS = "the disk has not answered a write or sync of vhost '/' for "
STUCK = "was killed and does not end, and holds its data folder: its disk hangs, or the kernel does"

needed = [os.geteuid() == 0, *map(shutil.which, ("mkfs.ext4", "fsfreeze", "losetup"))]
pytestmark = pytest.mark.skipif(not all(needed), reason="needs root, mkfs.ext4, fsfreeze and losetup")


class Disk:
    """A small file system in a file."""

    def __init__(self):
        # Open to the broker's user, which pytest's own folders are not.
        self.place = Path(tempfile.mkdtemp(prefix="hung-disk-"))
        self.place.chmod(0o755)
        self.image, self.folder = self.place / "image", self.place / "disk"
        self.folder.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(128 << 20)
        self._do("mkfs.ext4", "-q", self.image)
        self._do("mount", "-o", "loop", self.image, self.folder)
        self.data = self.folder / "data"
        self.data.mkdir()
        os.chown(self.data, broker.USER, broker.USER)

    @staticmethod
    def _do(*command):
        subprocess.run(command, check=True, timeout=60)

    def freeze(self):
        """Whoever writes waits from now on."""
        self._do("fsfreeze", "-f", self.folder)

    def thaw(self):
        """All goes on; nothing happens to one that is not frozen."""
        subprocess.run(["fsfreeze", "-u", self.folder], check=False, stderr=subprocess.DEVNULL, timeout=60)

    def close(self):
        """Takes it away."""
        self.thaw()
        self._do("umount", self.folder)
        shutil.rmtree(self.place)


@pytest.fixture(scope="module")
def disk():
    """The disk of the broker."""
    disk = Disk()
    try:
        yield disk
    finally:
        disk.close()


@pytest.fixture(scope="module")
def lab(disk):
    """One host with its data on that disk."""
    with Lab(1, prefix="hung") as lab:
        broker.install(lab.hosts[0], disk.data)
        yield lab


@pytest.fixture
def host(lab, disk):
    """A host whose broker runs, and is gone after the test."""
    host = lab.hosts[0]
    assert broker.act(host, "start", **LIMITS) == (0, "")
    try:
        yield host
    finally:
        disk.thaw()
        for pid in broker.daemons(host):
            os.kill(pid, signal.SIGKILL)
        lab.until(lambda: broker.act(host, "monitor", **LIMITS)[0] == 7, what="the broker is gone")
        assert broker.act(host, "stop", **LIMITS) == (0, "")


class Publisher(threading.Thread):
    """Publishes one message, and waits until it is confirmed."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.client, self.is_confirmed = broker.Client(host, host.ip), False
        self.client.connect()

    def run(self):
        try:
            self.client.channel.basic_publish("", "work", b"waits", broker.PERSISTENT, mandatory=True)
            self.is_confirmed = True
        except Exception:  # the broker went: it is not confirmed
            pass


def hangs(host, disk):
    """Freezes the disk under a broker that has something to store, and waits until the agent's monitor says so."""
    publisher = Publisher(host)
    disk.freeze()
    publisher.start()
    begin = time.monotonic()
    code, reason = host.lab.until(
        lambda: (seen := broker.act(host, "monitor", **LIMITS))[0] != 0 and seen, 30, what="the monitor fails")
    assert code == 1 and reason.startswith(HANGS), reason
    assert 1 < time.monotonic() - begin < 20 and not publisher.is_confirmed
    return publisher


def findings(host):
    """The survey's codes with their causes."""
    _, answer, _ = host.services("--json", "--local", "--only", "aileron")
    return {finding["code"]: finding["cause"] for one in answer["services"] for finding in one["findings"]}


def test_a_disk_that_hangs_is_told_and_forgotten_when_it_answers(host, disk):
    assert findings(host) == {} and broker.act(host, "monitor", OCF_CHECK_LEVEL=10, **LIMITS) == (0, "")
    publisher = hangs(host, disk)
    deep = broker.act(host, "monitor", OCF_CHECK_LEVEL=10, **LIMITS)
    assert deep[0] == 1 and deep[1].startswith(HANGS), deep
    seen = findings(host)
    assert list(seen) == ["aileron-disk-hangs"] and "vhost '/'" in seen["aileron-disk-hangs"], seen
    disk.thaw()
    host.lab.until(lambda: publisher.is_confirmed, what="the message is confirmed")
    host.lab.until(lambda: broker.act(host, "monitor", **LIMITS) == (0, ""), what="the monitor is content")
    assert findings(host) == {}


def test_one_that_hangs_in_the_kernel_is_not_called_stopped(host, disk):
    hangs(host, disk)
    for action in ("stop", "monitor", "stop", "demote"):
        begin = time.monotonic()
        code, reason = broker.act(host, action, **LIMITS)
        assert code == 1 and reason.endswith(STUCK), (action, code, reason)
        assert time.monotonic() - begin < 8, action
    disk.thaw()
    host.lab.until(lambda: broker.act(host, "monitor", **LIMITS) == (7, ""), what="it is gone")
    assert broker.act(host, "stop", **LIMITS) == (0, "")
