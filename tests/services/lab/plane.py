"""A whole control plane on a lab's hosts: every service that aileron knows of controllers.

    with Lab(3) as lab, Plane(lab) as plane:
        for daemon in plane.daemons(lab.hosts[1])["mariadb"]:
            daemon.freeze()

RabbitMQ and our own broker run side by side, on ports 5672 and 5673. Nothing is fenced.
"""
from .binary import binary
from .ceph import Ceph
from .cluster import Cluster
from .consoles import Consoles
from .etcd import Etcd
from .haproxy import APIS, CLUSTERCHECK, VIRTUAL, Haproxy
from .mariadb import Galera
from .rabbitmq import RabbitMq
from .redis import Redis

BROKER = """\
[broker]
listen = ["{host.ip}:5673"]
data_dir = "{data}"
disk_free_limit = "1MiB"

[services]
interval = 0
"""


class Plane:
    """Everything on every host; a MGR and a MDS of Ceph on the first two."""

    def __init__(self, lab):
        self.lab = lab
        self.galera, self.redis, self.etcd = Galera(lab), Redis(lab), Etcd(lab)
        self.haproxy, self.cluster, self.consoles, self.ceph = Haproxy(lab), Cluster(lab), Consoles(lab), Ceph(lab)
        # A node that is frozen for one survey must not be one that the others have given up.
        self.rabbit = RabbitMq(lab, tick=60)
        self.memcached, self.broker, self.sshd = {}, {}, {}

    def __enter__(self):
        self.cluster.__enter__()
        self.cluster.pcs(f"resource create vip ocf:heartbeat:IPaddr2 ip={VIRTUAL} cidr_netmask=24")
        self.galera.__enter__()
        self.redis.start()
        self.etcd.start()
        for host in self.lab.hosts:
            self.start_memcached(host)
            self.start_broker(host)
            self.sshd[host] = host.sshd()
        self.start_haproxy()
        self.consoles.start()
        self.rabbit.start()
        self.ceph.start()
        return self

    def __exit__(self, *exit):
        self.galera.__exit__(*exit)

    def start_memcached(self, host):
        """Starts a host's cache."""
        host.etc("systemd/system/multi-user.target.wants/memcached.service", "")
        self.memcached[host] = host.start(["memcached", "-u", "memcache", "-l", f"127.0.0.1,{host.ip}"])

    def start_broker(self, host):
        """Starts a host's own broker."""
        host.etc("aileron/aileron.toml", BROKER.format(host=host, data=host.mine("data")))
        host.etc("systemd/system/multi-user.target.wants/aileron.service", "")
        self.broker[host] = host.start([binary(), "serve", "--config", "/etc/aileron/aileron.toml"])

    def start_haproxy(self):
        """The balancers in front of APIs (stand-ins), the database and Redis."""
        for name, port in [*APIS.items(), ("mysql", CLUSTERCHECK)]:
            for host in self.lab.hosts:
                self.haproxy.backend(name, host, port)
        for host in self.lab.hosts:
            self.haproxy.start(host)
        self.haproxy.settled()

    def daemons(self, host):
        """A host's daemons by the service they belong to; several sorts of one service have a list each."""
        found = {
            "pacemaker": [self.cluster.pacemaker[host]], "corosync": [self.cluster.corosync[host]],
            "mariadb": [self.galera.daemons[host]], "rabbitmq": [self.rabbit.daemon[host]],
            "aileron": [self.broker[host]], "haproxy": [self.haproxy.daemons[host]],
            "redis": [self.redis.server[host]], "sentinel": [self.redis.sentinel[host]],
            "memcached": [self.memcached[host]], "etcd": [self.etcd.daemon[host]],
            "consoles": [self.consoles.novnc[host]],
        }  # fmt: skip
        for (kind, where), daemon in self.ceph.daemon.items():
            if where is host and kind != "osd":
                found[f"ceph-{kind}"] = [daemon]
        return found
