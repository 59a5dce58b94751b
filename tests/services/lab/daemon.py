"""A daemon in a host, as this process sees it."""
import os
import signal
import subprocess
from pathlib import Path


def descendants(pid):
    """The process and all below it, parents first."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in parentheses may hold anything; the parent stands behind it.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


class Daemon:
    """A running process: pid as seen from the machine, signals, log."""

    def __init__(self, process, command, log):
        self.process, self.command, self.log_file = process, command, log

    def __repr__(self):
        state = "runs" if self.alive else f"ended {self.process.returncode}"
        return f"<{self.command[0]} pid {self.pid} {state}>"

    @property
    def pid(self):
        """Its pid outside."""
        return self.process.pid

    @property
    def alive(self):
        """True until it has ended."""
        return self.process.poll() is None

    @property
    def log(self):
        """All that it wrote."""
        return self.log_file.read_text(errors="replace")

    def _signal(self, number, tree):
        for pid in descendants(self.pid) if tree else [self.pid]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self, tree=True):
        """SIGKILL to it, and (tree) to all below it; returns when it is gone."""
        if self.alive:
            self._signal(signal.SIGKILL, tree)
        return self.process.wait(30)

    def term(self):
        """SIGTERM to it alone; does not wait."""
        if self.alive:
            self.process.terminate()

    def freeze(self):
        """SIGSTOP to it and all below it."""
        self._signal(signal.SIGSTOP, True)

    def thaw(self):
        """SIGCONT to it and all below it."""
        self._signal(signal.SIGCONT, True)

    def wait(self, timeout=30):
        """Its exit code."""
        return self.process.wait(timeout)

    def stop(self, timeout=30):
        """SIGTERM, then SIGKILL when it has not ended in time; its exit code."""
        self.term()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()
