"""A laboratory of controllers: several "hosts" on this one machine.

    from lab import Lab

    with Lab(3, prefix="gal") as lab:
        h1, h2, h3 = lab.hosts
        h1.etc("redis/redis.conf", "bind 127.0.0.1 10.77.0.11\n")
        daemon = h1.start(["redis-server", "/etc/redis/redis.conf"], user="redis")
        lab.until(lambda: h1.run(["redis-cli", "ping"]).stdout == "PONG\n", what="redis answers")
        h3.cut()
        code, answer, seconds = h1.services("--json")

A host is a set of namespaces of its own (network, mounts, uts, ipc, pids) with a
small pid 1 (`init.py`). The hosts hang on a bridge in one more network namespace.
No namespace has a name and none is the machine's own, so any number of labs run
side by side, all with the same addresses. Nothing is left behind: the namespaces
end with their pid 1, and that ends when this process lets go of its standard
input, by leaving the `with` or by being killed. Needs root.

What a host has of its own:

- its name `controller-0`, `controller-1`, ... (`host.name`), its address on the
  "internal API" `10.77.0.11`, `10.77.0.12`, ... (`host.ip`, device eth0) and
  127.0.0.1; all hosts stand in `/etc/hosts` (also as NAME.internalapi.localdomain);
- `/etc` (a copy of the machine's), `/run`, `/dev/shm`, `/var/log`, and the folders
  of `disk.PRIVATE` below `/var/lib`, empty as after an installation;
- `/usr/lib/ocf/resource.d`, a copy of the machine's (`host.folder / "agents"`);
- `/proc`, which shows its processes only. A daemon's pid as this process sees it is
  `daemon.pid`; inside, it has another.

The rest of the machine's files are seen as they are, `/tmp` included, so the binary
under test and a test's own folder can be used inside by their paths. `host.root` is
such a folder for data and logs. `/etc`, `/var/lib/*` and `host.root` survive
`host.crash()` followed by `host.boot()`, as a disk would; `/run` does not.

`host.run` runs a command to its end, `host.start` a daemon (`daemon.kill()`,
`.term()`, `.freeze()`, `.thaw()`, `.stop()`, `.alive`), `host.services` the program
under test. `host.network()` takes the calling thread into the host's network, so
that a client library of the test itself connects from there. `host.cut()` takes the
host off the bridge (its own link stays up, as when a switch splits), `host.heal()`
puts it back. `host.sshd()` starts a server that `lab.ssh_config` and
`lab.inventory()` know how to reach, from any host of the lab.

`cluster.Cluster` makes the hosts of a lab a Pacemaker cluster.
"""
from .binary import binary
from .daemon import Daemon
from .host import Host
from .lab import Lab, living

__all__ = ["Daemon", "Host", "Lab", "binary", "living"]
