"""Unmodified oslo.messaging: RPC servers and a client as Nova uses them."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import oslo_messaging
import pytest
from oslo_config import cfg

PEER = Path(__file__).with_name("oslo_peer.py")


class Peers:
    """Servers and listeners in processes of their own, and what they noted."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []

    def start(self, kind, broker, topic, host):
        """Starts one; returns its file of notes once it is ready."""
        out, log = self.folder / f"{host}.notes", open(self.folder / f"{host}.log", "wb")
        command = [sys.executable, PEER, kind, broker.url("rabbit"), topic, host, out]
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log,
                                               env=os.environ | {"PYTHONWARNINGS": "ignore"}))
        wait_for(lambda: notes(out), 40, lambda: (self.folder / f"{host}.log").read_text()[-3000:])
        return out

    def stop(self):
        """Ends all of them."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def notes(path):
    """What a peer noted so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition, seconds, explain=lambda: ""):
    """Waits until the condition holds; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"did not happen in {seconds} s\n{explain()}")


@pytest.fixture
def peers(tmp_path):
    """Starts peers and ends them with the test."""
    peers = Peers(tmp_path)
    yield peers
    peers.stop()


@pytest.fixture
def rpc_client():
    """Makes RPC clients; cleans their transports up."""
    transports = []

    def make(broker, topic, timeout=20):
        conf = cfg.CONF
        conf([])
        transport = oslo_messaging.get_rpc_transport(conf, url=broker.url("rabbit"))
        transports.append(transport)
        return oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic=topic, version="1.0"),
                                             timeout=timeout)

    yield make
    for transport in transports:
        transport.cleanup()


def test_call(shared_broker, peers, rpc_client, name):
    """A call by topic, one to a named server, and a body of many frames."""
    peers.start("server", shared_broker, name, "one")
    client = rpc_client(shared_broker, name)
    assert client.call({}, "add", a=2, b=3) == 5
    assert client.prepare(server="one").call({}, "add", a="x", b="y") == "xy"
    large = "0123456789" * 50_000
    assert client.call({}, "echo", text=large) == large


def test_exception_comes_back(shared_broker, peers, rpc_client, name):
    """What the server raises is raised at the caller, class and text."""
    peers.start("server", shared_broker, name, "one")
    with pytest.raises(ValueError, match="no such instance"):
        rpc_client(shared_broker, name).call({}, "fail", why="no such instance")


def test_timeout(shared_broker, peers, rpc_client, name):
    """A late answer is a timeout at the caller; the next call works."""
    peers.start("server", shared_broker, name, "one")
    client = rpc_client(shared_broker, name)
    with pytest.raises(oslo_messaging.MessagingTimeout):
        client.prepare(timeout=1).call({}, "sleep", seconds=3)
    assert client.call({}, "add", a=1, b=1) == 2


def test_cast_goes_to_one_and_fanout_to_all(shared_broker, peers, rpc_client, name):
    """Casts are shared out among the servers of a topic, fanouts reach each of them."""
    files = [peers.start("server", shared_broker, name, host) for host in ("one", "two", "three")]
    client = rpc_client(shared_broker, name)

    def casts(path):
        return [note["cast"] for note in notes(path) if "cast" in note]

    sent = [f"cast {number}" for number in range(30)]
    for text in sent:
        client.cast({}, "remember", text=text)
    wait_for(lambda: sum(len(casts(path)) for path in files) >= 30, 20)
    assert sorted(text for path in files for text in casts(path)) == sorted(sent)
    client.prepare(fanout=True).cast({}, "remember", text="to all")
    wait_for(lambda: all("to all" in casts(path) for path in files), 20)
    assert all(casts(path).count("to all") == 1 for path in files)


def test_notification(shared_broker, peers, name):
    """Notifications of two priorities reach the listener, published before it came too."""
    conf = cfg.CONF
    conf([])
    transport = oslo_messaging.get_notification_transport(conf, url=shared_broker.url("rabbit"))
    notifier = oslo_messaging.Notifier(transport, publisher_id="compute.one", driver="messaging", topics=[name])
    notifier.info({}, "instance.create", {"id": 1})
    listener = peers.start("listener", shared_broker, name, "listener")
    notifier.error({}, "instance.fault", {"id": 2})
    events = wait_for(lambda: [n for n in notes(listener) if "event" in n][1:] and notes(listener), 20)
    got = {note["event"]: (note["priority"], note["publisher"], note["payload"]) for note in events if "event" in note}
    assert got == {"instance.create": ("info", "compute.one", {"id": 1}),
                   "instance.fault": ("error", "compute.one", {"id": 2})}
    transport.cleanup()


@pytest.mark.parametrize("how", ["clean", "kill"])
def test_reconnect_after_restart(broker, peers, rpc_client, name, how):
    """After a restart, clean or by kill -9, servers and clients find their way back by themselves."""
    broker.own_process()
    peers.start("server", broker, name, "one")
    client = rpc_client(broker, name, timeout=8)
    assert client.call({}, "add", a=1, b=2) == 3
    if how == "clean":
        broker.stop()
    else:
        broker.kill()
    time.sleep(1)
    broker.start()

    def answered():
        try:
            return client.call({}, "add", a=2, b=2) == 4
        except oslo_messaging.MessagingTimeout:
            return False

    wait_for(answered, 60, lambda: (peers.folder / "one.log").read_text()[-3000:])
    assert client.prepare(server="one").call({}, "add", a=3, b=3) == 6
