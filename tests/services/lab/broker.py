"""Our broker as the Debian package leaves it on a host, for Pacemaker to run; and a client of it.

    broker.install(host)
    cluster.pcs("resource create broker ocf:aileron:broker")
    client = broker.Client(other_host, "10.77.0.100")
"""
import logging
import os
from pathlib import Path

import pika
import pika.exceptions

from .binary import REPOSITORY, binary

# A client that finds nobody is what these tests are about, not worth pages of log.
logging.getLogger("pika").setLevel(logging.CRITICAL)

AGENT = "/usr/lib/ocf/resource.d/aileron/broker"
USER = 987
CONFIG = """\
[broker]
listen = ["0.0.0.0:5672"]
data_dir = "{data}"
loopback_users = []
# Nothing of a lab is large, and the machine's disk may be nearly full.
disk_free_limit = "1MiB"

[ctl]
socket = "/run/aileron/ctl.sock"
"""
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def install(host, data=None):
    """The agent, the user, the configuration; messages in `data`, else in a folder of the host's own."""
    agent = host.folder / "agents/aileron/broker"
    agent.parent.mkdir(exist_ok=True)
    text = (REPOSITORY / "packaging/pacemaker/broker").read_text()
    agent.write_text(text.replace("/usr/bin/aileron", str(binary())))
    agent.chmod(0o755)
    for name, line in (("passwd", f"aileron:x:{USER}:{USER}::/nonexistent:/usr/sbin/nologin"), ("group", f"aileron:x:{USER}:")):
        text = (host.folder / "etc" / name).read_text()
        if "\naileron:" not in text:
            host.etc(name, f"{text}{line}\n")
    folder = Path(data) if data else host.mine("data")
    if not data:
        os.chown(folder, USER, USER)
    host.etc("aileron/aileron.toml", CONFIG.format(data=folder))


def daemons(host):
    """Pids (outside) of the brokers that run on a host: the agent's own calls are none."""
    return [pid for pid, words in host.commands("aileron") if b"serve" in words]


def kill(host, number):
    """Sends a signal to the one broker of a host; its pid (outside)."""
    [pid] = daemons(host)
    os.kill(pid, number)
    return pid


def has_address(host, address):
    """Whether a host has an address now."""
    return f" {address}/" in host.run(["ip", "-4", "-o", "addr", "show", "dev", "eth0"]).stdout


def act(host, action, timeout=60, **environment):
    """Calls the agent as Pacemaker does: (exit code, its reason)."""
    names = {name if name.startswith("OCF_") else f"OCF_RESKEY_{name}": str(value) for name, value in environment.items()}
    done = host.run([AGENT, action], timeout=timeout, check=False, env=names)
    return done.returncode, done.stderr.removeprefix("ocf-exit-reason:").strip()


class Client:
    """A client on a host that knows the broker by one address, and connects again as long as it has to."""

    def __init__(self, host, address, queue="work"):
        self.host, self.address, self.queue = host, address, queue
        self.connection = self.channel = None
        self.confirmed = []

    def connect(self):
        """One attempt."""
        self.close()
        with self.host.network():
            self.connection = pika.BlockingConnection(pika.ConnectionParameters(
                self.address, socket_timeout=2, stack_timeout=4, blocked_connection_timeout=4, heartbeat=4))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.channel.queue_declare(self.queue, durable=True)

    def close(self):
        """Lets go of the connection, whatever state it is in."""
        try:
            if self.connection is not None:
                self.connection.close()
        except Exception:  # a connection that is lost says so in many ways
            pass
        self.connection = self.channel = None

    def farewell(self):
        """Reads until the connection ends; the broker's last words, or how it was lost."""
        try:
            while True:
                self.connection.process_data_events(1)
        except pika.exceptions.ConnectionClosedByBroker as told:
            return told.reply_text
        except Exception as lost:
            return repr(lost)

    def publish(self, body, timeout=90):
        """Publishes durably until it is confirmed, over as many connections as it takes."""
        def once():
            if self.channel is None:
                self.connect()
            try:
                self.channel.basic_publish("", self.queue, body.encode(), PERSISTENT, mandatory=True)
            except Exception:
                self.close()
                raise
            return True

        self.host.lab.until(once, timeout, what=f"{body} is confirmed through {self.address}")
        self.confirmed.append(body)

    def held(self, timeout=90):
        """The bodies in the queue, each once; they stay."""
        def once():
            self.connect()
            found = []
            while (message := self.channel.basic_get(self.queue))[0] is not None:
                found.append(message[2].decode())
            self.close()
            return sorted(set(found)) or ["nothing"]

        return self.host.lab.until(once, timeout, what="the queue can be read")
