"""Our own broker, broken for real; the verdict as one of its hosts gives it."""
import shutil

import pika
import pytest
from lab import Lab, binary

CONFIG = """\
[broker]
listen = ["{ip}:5672"]
data_dir = "/var/lib/aileron"
{more}
"""


class Brokers:
    """One on every host, by its package's unit and configuration."""

    def __init__(self, lab):
        self.lab, self.daemon = lab, {}

    def start(self, host, more="", ready=True):
        """Starts a host's broker; `more` are further lines of its section [broker]."""
        host.etc("aileron/aileron.toml", CONFIG.format(ip=host.ip, more=more))
        host.etc("systemd/system/multi-user.target.wants/aileron.service", "")
        # Where the lab's machine has no package of it, the folder is the test's to make.
        data = host.mine("data")
        command = [binary(), "serve", "--config", "/etc/aileron/aileron.toml", "--data-dir", data]
        self.daemon[host] = host.start(command, log="aileron.log")
        if ready:
            self.lab.until(lambda: self.daemon[host].log.count("aileron: ready"), what=f"the broker on {host}")

    def restart(self, host, more=""):
        """The same again, from an empty log."""
        self.daemon[host].kill()
        self.daemon[host].log_file.write_text("")
        self.start(host, more)


def verdict(host, user=None):
    """(aileron's verdict, its findings by code, the exit code) as `host` sees it."""
    code, answer, _ = host.services("--json", "--only", "aileron", user=user)
    found = [one for one in answer["services"] if one["service"] == "aileron"]
    assert found, answer
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}, code


@pytest.fixture(scope="module")
def brokers():
    """Two hosts, all well."""
    with Lab(2, prefix="aileron") as lab:
        found = Brokers(lab)
        for host in lab.hosts:
            found.start(host, "loopback_users = []")
        yield found


@pytest.fixture
def host(brokers):
    """A host whose broker is well before and after."""
    found = brokers.lab.hosts[0]
    assert verdict(found)[0]["state"] == "ok"
    yield found
    brokers.restart(found, "loopback_users = []")


def test_a_broker_that_is_well(brokers):
    seen, findings, code = verdict(brokers.lab.hosts[0])
    assert (seen["state"], findings, code) == ("ok", {}, 0)
    assert seen["summary"] == "1 of 1 serve" and "it is the only one" in seen["risk"]
    own = seen["members"][0]
    assert own["place"] == "10.77.0.11:5672" and own["role"].startswith("serves, ") and "connections" in own["role"]


def test_several_are_brokers_of_their_own(brokers):
    first, second = brokers.lab.hosts
    for each in brokers.lab.hosts:
        each.sshd()
    inventory = brokers.lab.inventory()
    _, answer, _ = first.services("--json", "--only", "aileron", "--inventory", str(inventory))
    seen = answer["services"][0]
    assert (seen["state"], seen["summary"]) == ("ok", "2 of 2 serve"), answer
    assert "each is a broker of its own" in seen["risk"]
    brokers.daemon[second].freeze()
    try:
        _, answer, _ = first.services("--json", "--only", "aileron", "--inventory", str(inventory))
        seen = answer["services"][0]
        assert (seen["state"], seen["summary"]) == ("degraded", "1 of 2 serve"), answer
        assert seen["fragile"]
        assert [one["code"] for one in seen["findings"]] == ["aileron-silent"]
    finally:
        brokers.daemon[second].thaw()


def test_without_root_the_greeting_is_enough(brokers):
    seen, findings, _ = verdict(brokers.lab.hosts[0], user="nobody")
    assert (seen["state"], list(findings)) == ("ok", ["aileron-unread"])
    assert "does not let us in" in findings["aileron-unread"]["cause"]


def test_a_killed_broker(brokers, host):
    brokers.daemon[host].kill()
    seen, findings, code = verdict(host)
    assert (seen["state"], code) == ("failed", 2)
    assert set(findings) == {"aileron-down", "aileron-none-serves"}
    assert "unit aileron.service is enabled" in findings["aileron-down"]["cause"]
    assert findings["aileron-down"]["next"] == f"on {host.name}: systemctl start aileron"


def test_a_frozen_broker_is_silent(brokers, host):
    brokers.daemon[host].freeze()
    try:
        seen, findings, code = verdict(host)
        assert (seen["state"], code) == ("failed", 2)
        assert set(findings) == {"aileron-silent", "aileron-none-serves"}
        assert "waiting for the greeting" in findings["aileron-silent"]["cause"]
        assert "systemctl restart aileron" in findings["aileron-silent"]["next"]
    finally:
        brokers.daemon[host].thaw()


def test_memory_and_disk_alarms(brokers, host):
    brokers.restart(host, 'memory_high_watermark = "1MiB"')

    def alarmed(code):
        seen, findings, _ = verdict(host)
        assert (seen["state"], list(findings)) == ("failed", [code]), seen
        return findings[code]["cause"]

    cause = brokers.lab.until(lambda: alarmed("aileron-memory-alarm"), what="the alarm")
    assert "all publishers are blocked" in cause and "the limit is 1" in cause
    brokers.restart(host, 'disk_free_limit = "900TiB"')
    cause = brokers.lab.until(lambda: alarmed("aileron-disk-alarm"), what="the alarm")
    assert "MiB of disk free, the limit is 943718400" in cause


def test_connections_near_their_limit(brokers, host):
    brokers.restart(host, 'max_connections = 10\nloopback_users = []')
    with host.network():
        clients = [pika.BlockingConnection(pika.ConnectionParameters(host.ip, heartbeat=0)) for _ in range(9)]
    try:
        seen, findings, _ = verdict(host)
        # The survey's own greeting is one more while it lasts.
        assert seen["state"] == "degraded" and set(findings) == {"aileron-connections-near"}, seen
        assert "of 10 connections" in findings["aileron-connections-near"]["cause"]
    finally:
        for client in clients:
            client.close()


def test_a_damaged_log_is_told(brokers, host):
    with host.network():
        client = pika.BlockingConnection(pika.ConnectionParameters(host.ip, heartbeat=0))
    channel = client.channel()
    channel.confirm_delivery()
    channel.queue_declare("marked", durable=True)
    for number in range(20):
        channel.basic_publish("", "marked", f"<MARK {number:02}>".encode() * 100, pika.BasicProperties(delivery_mode=2))
    brokers.daemon[host].kill()
    path, offset = next(
        (path, path.read_bytes().find(b"<MARK 07>"))
        for path in (host.root / "data").rglob("*")
        if path.is_file() and b"<MARK 07>" in path.read_bytes()
    )
    with open(path, "r+b") as file:
        file.seek(offset + 300)
        byte = file.read(1)[0]
        file.seek(offset + 300)
        file.write(bytes([byte ^ 0x10]))
    brokers.restart(host, "loopback_users = []")
    seen, findings, code = verdict(host)
    assert (seen["state"], list(findings), code) == ("degraded", ["aileron-log-damaged"], 1)
    assert "found 1 damaged places" in findings["aileron-log-damaged"]["cause"]
    # The damage stays, and is found at each start.
    brokers.daemon[host].kill()
    shutil.rmtree(host.root / "data")


def test_rabbitmq_for_the_same_port_is_told(brokers, host):
    host.etc("systemd/system/multi-user.target.wants/rabbitmq-server.service", "")
    host.etc("rabbitmq/rabbitmq.conf", f"listeners.tcp.1 = {host.ip}:5672\n")
    try:
        seen, findings, _ = verdict(host)
        assert (seen["state"], list(findings)) == ("ok", ["aileron-port-contested"])
        assert "unit rabbitmq-server.service is enabled" in findings["aileron-port-contested"]["cause"]
        # RabbitMQ is not missed where we have taken its place.
        _, answer, _ = host.services("--json", "--only", "rabbitmq")
        rabbit = answer["services"][0]
        assert (rabbit["state"], [one["code"] for one in rabbit["findings"]]) == ("ok", ["rabbitmq-replaced"]), rabbit
    finally:
        (host.folder / "etc/systemd/system/multi-user.target.wants/rabbitmq-server.service").unlink()
