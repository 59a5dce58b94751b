"""A cloud's service that knows one address, while RabbitMQ there becomes aileron and RabbitMQ again (docs/openstack.md)."""
import sys

import pytest
from lab import Lab, binary, broker
from lab.binary import REPOSITORY
from lab.rabbitmq import RabbitMq

PEER = REPOSITORY / "tests/system/oslo_peer.py"
# A call as nova-api makes it, in a process of its own; prints the answer.
CALL = """
import sys
import oslo_messaging
from oslo_config import cfg
cfg.CONF([])
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=sys.argv[1])
client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic="compute", version="1.0"), timeout=5)
print(client.call({}, "add", a=2, b=3))
"""
USER = ("add_user", "openstack", "secret")
PERMISSIONS = ("set_permissions", "-p", "/", "openstack", ".*", ".*", ".*")


@pytest.fixture()
def host():
    """One controller with RabbitMQ and, not started, aileron."""
    with Lab(1, prefix="change") as lab:
        [host] = lab.hosts
        broker.install(host)
        yield host


def answered(host, url):
    """Waits until a call is answered: by the same server, which nobody restarts."""
    call = [sys.executable, "-W", "ignore", "-c", CALL, url]
    host.lab.until(lambda: host.run(call, timeout=60, check=False).stdout == "5\n", timeout=90, what="a call is answered")


def ended(host, daemon):
    """Stops it, and waits until it has let go of its address."""
    daemon.term()
    host.lab.until(lambda: not daemon.alive, what="the broker ends")


@pytest.mark.parametrize("options", ["", "?amqp_durable_queues=true", "?rabbit_quorum_queue=true"],
                         ids=["plain", "durable", "quorum"])
def test_there_and_back(host, options):
    """The services come by themselves, both ways, whatever their queues' kind."""
    url, rabbit = f"rabbit://openstack:secret@{host.ip}:5672//{options}", RabbitMq(host.lab)
    rabbit.start()
    rabbit.ctl(host, *USER)
    rabbit.ctl(host, *PERMISSIONS)
    server = host.start([sys.executable, "-W", "ignore", PEER, "server", url, "compute", "cmp1", host.mine("notes") / "out"])
    answered(host, url)

    ended(host, rabbit.daemon[host])
    host.run(["mkdir", "-p", "/run/aileron"])
    ours = host.start([binary(), "serve"])
    host.lab.until(lambda: "aileron: ready" in ours.log, what="aileron serves")
    for words in (USER, PERMISSIONS):
        host.run([binary(), "ctl", *words])
    answered(host, url)
    ended(host, ours)

    rabbit.start_node(host)
    rabbit.ready()
    answered(host, url)
    assert server.alive, server.log
