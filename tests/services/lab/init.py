"""Pid 1 of a host: mounts what is the host's own, says "ready", then buries the dead.

Run as a program. Its one argument is JSON: `name`, `binds` ([from, to] pairs),
`tmpfs` ([path, mode] pairs), `folders` ([path, uid, gid, mode]). It ends, and with
it everything in its pid namespace, when its standard input is closed.
"""
import ctypes
import json
import os
import select
import signal
import socket
import sys

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind=None, flags=0, data=None):
    """mount(2)."""
    words = [word if word is None else word.encode() for word in (source, target, kind)]
    if libc.mount(*words, flags, None if data is None else data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


def furnish(wanted):
    """What the host has of its own."""
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    for source, target in wanted["binds"]:
        mount(source, target, flags=MS_BIND)
    for target, mode in wanted["tmpfs"]:
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode}")
    mount("proc", "/proc", "proc")
    for path, uid, gid, mode in wanted["folders"]:
        os.makedirs(path, exist_ok=True)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
    socket.sethostname(wanted["name"])


def bury():
    """Takes the exit codes of orphans."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def main():
    """Until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    if len(sys.argv) > 1:
        furnish(json.loads(sys.argv[1]))
    os.write(1, b"ready\n")
    while True:
        readable, _, _ = select.select([0, wake], [], [])
        if 0 in readable and not os.read(0, 1):
            return
        if wake in readable:
            os.read(wake, 4096)
        bury()


main()
