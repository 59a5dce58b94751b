"""RabbitMQ on a lab's hosts: one cluster of Debian's.

    with Lab(3) as lab:
        rabbit = RabbitMq(lab)
        rabbit.start()
        rabbit.daemon[lab.hosts[1]].kill()

Each node listens on its host's address, as deployment tools set it up, and is a member
by its configuration file. Two nodes that lose each other notice it after `tick` seconds.
"""
import json
from pathlib import Path

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
COOKIE = "THELABSOWNCOOKIE"
# RabbitMQ's own choice is 60.
TICK = 4


class RabbitMq:
    """A node on every host; on those of `management` its HTTP API too, on loopback."""

    def __init__(self, lab, management=(), tick=TICK):
        self.lab, self.management, self.tick, self.daemon = lab, management, tick, {}

    def start(self):
        """Brings all up, one after the other, and waits until they are one cluster."""
        for host in self.lab.hosts:
            self.configure(host)
            self.start_node(host)
        self.ready()

    def configure(self, host):
        """The files of one host."""
        lines = [f"listeners.tcp.1 = {host.ip}:5672", "vm_memory_high_watermark.relative = 0.6"]
        if host in self.management:
            lines += ["management.tcp.ip = 127.0.0.1"]
        if len(self.lab.hosts) > 1:
            lines += ["cluster_formation.peer_discovery_backend = classic_config"]
            lines += [f"cluster_formation.classic_config.nodes.{each.number + 1} = {self.name(each)}" for each in self.lab.hosts]
        host.etc("rabbitmq/rabbitmq.conf", "".join(f"{line}\n" for line in lines), owner="rabbitmq")
        plugins = "rabbitmq_management" if host in self.management else ""
        host.etc("rabbitmq/enabled_plugins", f"[{plugins}].\n", owner="rabbitmq")
        host.etc("systemd/system/multi-user.target.wants/rabbitmq-server.service", "")
        cookie = host.folder / "var/lib/rabbitmq/.erlang.cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)
        host.run(["chown", "rabbitmq:", "/var/lib/rabbitmq/.erlang.cookie"])

    def start_node(self, host):
        """Starts (again) a host's node; does not wait for it."""
        # As its unit has it: the Erlang machine takes the place of the shell.
        env = {"RUNNING_UNDER_SYSTEMD": "1", "HOME": "/var/lib/rabbitmq",
               "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"+S 1:1 +SDio 1 -kernel net_ticktime {self.tick}"}  # fmt: skip
        self.daemon[host] = host.start([PROGRAMS / "rabbitmq-server"], log="rabbitmq.log", user="rabbitmq",
                                       env=env, folder="/var/lib/rabbitmq")  # fmt: skip

    @staticmethod
    def name(host):
        """A node's name."""
        return f"rabbit@{host.name}"

    def ctl(self, host, *words, check=True, timeout=60):
        """What rabbitmqctl says on a host."""
        return host.run(["rabbitmqctl", *words], check=check, timeout=timeout).stdout

    def running(self, host):
        """The nodes that a host's node sees running, sorted."""
        return sorted(json.loads(self.ctl(host, "cluster_status", "--formatter", "json"))["running_nodes"])

    def ready(self, *hosts):
        """Waits until the brokers of these hosts (else all) run and see all nodes."""
        everyone = sorted(self.name(host) for host in self.lab.hosts)
        for host in hosts or self.lab.hosts:
            # A node is seen running before the broker in it has started.
            started = ["rabbitmqctl", "await_startup"]
            self.lab.until(
                lambda host=host: host.run(started, timeout=60).returncode == 0, timeout=120, what=f"{host} has started"
            )
            self.lab.until(lambda host=host: self.running(host) == everyone, timeout=120, what=f"{host} sees all nodes")
