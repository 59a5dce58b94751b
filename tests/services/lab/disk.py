"""A host's own files: what it finds where, after "installation"."""
import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

# Folders below /var/lib that each host has for itself. True: with the machine's
# folders inside it, empty (the daemons want them); False: empty.
PRIVATE = {
    "aileron": False, "ceph": True, "corosync": True, "etcd": False, "haproxy": True,
    "libvirt": True, "mysql": False, "pacemaker": True, "pcsd": False, "rabbitmq": False,
    "redis": False,
}  # fmt: skip
# Pacemaker's resource agents: a host's own, so that a test can add one.
AGENTS = Path("/usr/lib/ocf/resource.d")
# Folders of /run that the packages' units or tmpfiles make: owner, group, mode.
RUN = {
    "/run/lock": ("root", "root", 0o1777),
    "/run/sshd": ("root", "root", 0o755),
    "/run/mysqld": ("mysql", "mysql", 0o755),
    "/run/redis": ("redis", "redis", 0o2755),
    "/run/sentinel": ("redis", "redis", 0o2755),
    "/run/memcached": ("memcache", "memcache", 0o755),
    "/run/haproxy": ("haproxy", "haproxy", 0o2775),
    "/run/ceph": ("ceph", "ceph", 0o770),
    "/run/crm": ("hacluster", "haclient", 0o750),
    "/run/pacemaker": ("hacluster", "haclient", 0o750),
    "/run/resource-agents": ("root", "root", 0o1755),
    "/run/libvirt": ("root", "root", 0o755),
}


def like(source, target):
    """Makes the folder `target` with the owner and mode of `source`."""
    target.mkdir(parents=True, exist_ok=True)
    seen = source.stat()
    os.chown(target, seen.st_uid, seen.st_gid)
    os.chmod(target, seen.st_mode & 0o7777)


def skeleton(source, target):
    """The folders of `source`, without the files."""
    like(source, target)
    for entry in source.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            skeleton(entry, target / entry.name)


def prepare(folder):
    """Makes a host's disk below `folder`; the [from, to] pairs to bind."""
    binds = []
    etc = folder / "etc"
    # As the machine's own tool copies it: owners, modes and links as they are.
    subprocess.run(["cp", "-a", "/etc", str(etc)], check=True, timeout=60)
    # What starts with the machine is no concern of the host: a test enables what its host is to run.
    for unit in (etc / "systemd/system").glob("*.wants/*"):
        unit.unlink()
    binds.append([str(etc), "/etc"])
    for name, with_folders in PRIVATE.items():
        place = Path("/var/lib") / name
        if place.is_dir():
            (skeleton if with_folders else like)(place, folder / "var/lib" / name)
            binds.append([str(folder / "var/lib" / name), str(place)])
    skeleton(Path("/var/log"), folder / "var/log")
    binds.append([str(folder / "var/log"), "/var/log"])
    if AGENTS.is_dir():
        shutil.copytree(AGENTS, folder / "agents", symlinks=True)
        binds.append([str(folder / "agents"), str(AGENTS)])
    return binds


def run_folders():
    """[path, uid, gid, mode] of the folders in /run whose users exist here."""
    found = []
    for path, (user, group, mode) in RUN.items():
        try:
            found.append([path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid, mode])
        except KeyError:
            continue  # the package is not installed
    return found


def remove(folder):
    """Takes a lab's folder away, whatever the daemons left in it."""
    shutil.rmtree(folder, ignore_errors=True)
