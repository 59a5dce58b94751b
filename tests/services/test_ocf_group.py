"""The broker under Pacemaker as a plain resource: one group of file system, address and broker, on two hosts.

The messages go with the file system. After each failure the cluster remembers the monitor that found it, and
nothing else: no stop, start or monitor that failed on the way; and that one it forgets by itself.
"""
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from lab import Lab, binary, broker
from lab.cluster import Cluster

ADDRESS = "10.77.0.100"
MOUNTED = "/run/shared/broker"
# As docs/pacemaker.md has it, only quicker to notice and to forget.
GROUP = [
    f"data ocf:heartbeat:Filesystem device={{shared}} directory={MOUNTED} fstype=none options=bind",
    f"address ocf:heartbeat:IPaddr2 ip={ADDRESS} cidr_netmask=24 op monitor interval=5s",
    "broker ocf:aileron:broker op start timeout=60s op stop timeout=20s op monitor interval=2s timeout=10s"
    " meta migration-threshold=3 failure-timeout=8s",
]


@pytest.fixture(scope="module")
def cluster():
    """Two hosts with the group, and a third one for the client."""
    with Lab(3, prefix="ocf-group") as lab, Cluster(lab, hosts=lab.hosts[:2]) as cluster:
        # One disk that both can mount: no fencing here, so a test must not leave two of them at it.
        shared = lab.folder / "shared"
        shared.mkdir()
        os.chown(shared, broker.USER, broker.USER)
        for host in cluster.hosts:
            broker.install(host, data=MOUNTED)
            host.run(["mkdir", "-p", MOUNTED])
        for resource in GROUP:
            cluster.pcs(f"resource create {resource.format(shared=shared)} --group messaging")
        cluster.wait()
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    """It knows nothing but the address."""
    client = broker.Client(cluster.lab.hosts[2], ADDRESS)
    client.publish("first")
    yield client
    client.close()


def everything_is_there(client):
    """Every confirmed message can be read through the address."""
    held = client.held()
    assert not set(client.confirmed) - set(held), (client.confirmed, held)


def found_by_a_monitor(cluster, status):
    """The cluster remembers one failure of the broker, a monitor's, and forgets it by itself."""
    assert [(name.split("_")[1], code) for name, _, code in cluster.failures()] == [("monitor", status)]
    cluster.forgets()


def test_the_group_serves_at_its_address(cluster, client):
    host = cluster.place("broker")
    assert broker.has_address(host, ADDRESS) and len(broker.daemons(host)) == 1
    assert not broker.daemons(cluster.other(host))
    assert cluster.failures() == []


def test_a_killed_broker_is_started_again(cluster, client):
    host = cluster.place("broker")
    pid = broker.kill(host, signal.SIGKILL)
    client.publish("after the kill")
    now = cluster.place("broker")
    assert pid not in broker.daemons(now) and broker.has_address(now, ADDRESS)
    everything_is_there(client)
    found_by_a_monitor(cluster, "not running")


def test_a_frozen_broker_is_ended_and_started_again(cluster, client):
    host = cluster.place("broker")
    pid = broker.kill(host, signal.SIGSTOP)
    client.publish("after the freeze")
    assert pid not in broker.daemons(cluster.place("broker")) and not os.path.exists(f"/proc/{pid}")
    everything_is_there(client)
    found_by_a_monitor(cluster, "error")


def test_one_stopped_behind_the_clusters_back_is_started_again(cluster, client):
    host = cluster.place("broker")
    pid = broker.daemons(host)
    host.run([binary(), "ctl", "stop"], timeout=30)
    cluster.lab.until(lambda: broker.daemons(cluster.place("broker")) not in ([], pid), what="another one runs")
    client.publish("after the stop")
    everything_is_there(client)
    found_by_a_monitor(cluster, "not running")


def test_one_that_fails_too_often_goes_to_the_other_host(cluster, client):
    host = cluster.place("broker")
    # The port is somebody else's: it does not start here, and one failed start is enough.
    host.run(["sh", "-c", "echo '[broker' >/etc/aileron/aileron.toml"])
    try:
        broker.kill(host, signal.SIGKILL)
        client.publish("on the other host")
        assert cluster.place("broker") is cluster.other(host)
        assert ("broker_start_0", host.name, "invalid parameter") in cluster.failures()
        everything_is_there(client)
    finally:
        broker.install(host, data=MOUNTED)
    cluster.forgets()


def test_a_host_in_standby_gives_it_away_without_a_failure(cluster, client):
    host = cluster.place("broker")
    reader = broker.Client(cluster.lab.hosts[2], ADDRESS)
    reader.connect()
    with ThreadPoolExecutor() as pool:
        farewell = pool.submit(reader.farewell)
        cluster.pcs(f"node standby {host.name}")
        # The address goes after the broker, so that it can say so.
        assert "CONNECTION_FORCED" in farewell.result(60)
    client.publish("with the other host in standby")
    rest = cluster.other(host)
    assert cluster.place("broker") is rest and not broker.daemons(host)
    assert broker.has_address(rest, ADDRESS) and not broker.has_address(host, ADDRESS)
    cluster.pcs(f"node unstandby {host.name}")
    cluster.wait()
    assert cluster.failures() == []
    everything_is_there(client)


def test_a_crashed_hosts_broker_comes_up_on_the_other(cluster, client):
    host = cluster.place("broker")
    rest = cluster.other(host)
    host.crash()
    client.publish("after the crash", timeout=120)
    assert cluster.where("broker", host=rest) == [rest.name] and broker.has_address(rest, ADDRESS)
    assert cluster.failures(rest) == []
    everything_is_there(client)
    host.boot()
    host.run(["mkdir", "-p", MOUNTED])
    cluster.start(host)
    cluster.settled()
    assert cluster.place("broker") in cluster.hosts and cluster.failures() == []
    everything_is_there(client)
