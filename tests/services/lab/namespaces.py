"""Processes in namespaces: made, entered, and started there, by system calls.

Entering happens between fork and exec of a plain `subprocess.Popen`, so the object
stands for the process itself and not for a `nsenter` before it: its pid, its exit
code and its signals are the daemon's.
"""
import contextlib
import ctypes
import os
import pwd
import subprocess

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWPID, NEWNET = 0x20000000, 0x40000000
HOST = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def setns(descriptor, kinds):
    """Takes the calling thread (for NEWPID: its next children) into namespaces."""
    _check(_libc.setns(descriptor, kinds), "setns")


def unshare(kinds):
    """Gives the calling thread (for NEWPID: its next children) new namespaces."""
    _check(_libc.unshare(kinds), "unshare")


@contextlib.contextmanager
def _children(change):
    """The calling thread's next children are born in another pid namespace."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        change()
        try:
            yield
        finally:
            setns(own, NEWPID)
    finally:
        os.close(own)


def make(command, kinds=HOST, **options):
    """Starts a process in new namespaces; with NEWPID it is their pid 1."""
    rest = kinds & ~NEWPID
    with _children(lambda: unshare(NEWPID)) if kinds & NEWPID else contextlib.nullcontext():
        return subprocess.Popen(command, preexec_fn=lambda: unshare(rest), **options)


def enter(command, pidfd, kinds=HOST, user=None, folder=None, **options):
    """Starts a process in the namespaces of another one, in a session of its own."""
    account = pwd.getpwnam(user) if user else None
    groups = os.getgrouplist(user, account.pw_gid) if user else None
    rest = kinds & ~NEWPID

    def before_exec():
        setns(pidfd, rest)
        if folder is not None:
            os.chdir(folder)
        if account is not None:
            os.setgroups(groups)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)

    with _children(lambda: setns(pidfd, NEWPID)) if kinds & NEWPID else contextlib.nullcontext():
        return subprocess.Popen(command, preexec_fn=before_exec, start_new_session=True, **options)


@contextlib.contextmanager
def network(pidfd):
    """The calling thread is in another process's network meanwhile."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(pidfd, NEWNET)
        try:
            yield
        finally:
            setns(own, NEWNET)
    finally:
        os.close(own)
