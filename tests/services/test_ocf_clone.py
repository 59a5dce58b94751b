"""The broker under Pacemaker as a promotable clone: one on each of two hosts, the promoted one has the address.

There is no replication, so a message stays on the host that took it. After each failure the cluster remembers
what found it; no stop, demote or promote is left behind.
"""
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lab import Lab, binary, broker
from lab.cluster import Cluster

ADDRESS = "10.77.0.100"
# As docs/pacemaker.md has it, only quicker to notice and to forget.
COMMANDS = [
    "resource create broker ocf:aileron:broker op start timeout=60s op stop timeout=20s op promote timeout=20s"
    " op demote timeout=20s op monitor interval=2s timeout=10s op monitor role=Promoted interval=1s timeout=10s"
    " meta migration-threshold=3 failure-timeout=8s promotable promoted-max=1",
    f"resource create address ocf:heartbeat:IPaddr2 ip={ADDRESS} cidr_netmask=24 op monitor interval=5s",
    "constraint colocation add address with Promoted broker-clone",
    "constraint order promote broker-clone then start address symmetrical=false",
    "constraint order demote broker-clone then stop address symmetrical=false kind=Optional",
]


@pytest.fixture(scope="module")
def cluster():
    """Two hosts with the clone, and a third one for the client."""
    with Lab(3, prefix="ocf-clone") as lab, Cluster(lab, hosts=lab.hosts[:2]) as cluster:
        for host in cluster.hosts:
            broker.install(host)
        for command in COMMANDS:
            cluster.pcs(command)
        cluster.wait()
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    """It knows nothing but the address."""
    client = broker.Client(cluster.lab.hosts[2], ADDRESS)
    client.publish("first")
    yield client
    client.close()


def both_run(cluster):
    """Waits until one is promoted and one stands by; these two hosts."""
    def so():
        promoted = cluster.place("broker", "Promoted")
        return cluster.where("broker", "Unpromoted") == [cluster.other(promoted).name] and promoted

    promoted = cluster.lab.until(so, 90, what="one is promoted and one stands by")
    return promoted, cluster.other(promoted)


def lets_in(cluster, host):
    """Whether a client can log in at a host's own address."""
    try:
        broker.Client(cluster.lab.hosts[2], host.ip).connect()
        return True
    except Exception:  # refused, in one of many words
        return False


def test_the_promoted_one_serves_and_the_other_stands_by(cluster, client):
    promoted, standby = both_run(cluster)
    assert broker.has_address(promoted, ADDRESS) and not broker.has_address(standby, ADDRESS)
    assert len(broker.daemons(standby)) == 1
    assert lets_in(cluster, promoted) and not lets_in(cluster, standby)
    assert cluster.failures() == []


def test_an_operators_suspended_listeners_are_no_failure(cluster, client):
    promoted, _ = both_run(cluster)
    serving = broker.daemons(promoted)
    client.connect()
    promoted.run([binary(), "ctl", "suspend_listeners"])
    try:
        time.sleep(4)  # several monitors
        assert broker.daemons(promoted) == serving and cluster.failures() == []
        assert cluster.place("broker", "Promoted") is promoted and broker.has_address(promoted, ADDRESS)
        assert not lets_in(cluster, promoted)
        client.channel.basic_publish("", client.queue, b"over a connection that was there", broker.PERSISTENT)
    finally:
        promoted.run([binary(), "ctl", "resume_listeners"])
    assert lets_in(cluster, promoted)


def found_by_a_monitor(cluster, status):
    """The cluster remembers one failure of the broker, a monitor's, and forgets it by itself."""
    assert [(name.split("_")[1], code) for name, _, code in cluster.failures()] == [("monitor", status)]
    cluster.forgets()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, "not running"), (signal.SIGSTOP, "error")])
def test_killed_or_frozen_it_comes_back_where_its_messages_are(cluster, client, number, status):
    promoted, _ = both_run(cluster)
    pid = broker.kill(promoted, number)
    client.publish(f"after {number.name}")
    again, standby = both_run(cluster)
    assert again is promoted and pid not in broker.daemons(promoted)
    assert broker.has_address(promoted, ADDRESS) and not lets_in(cluster, standby)
    assert set(client.confirmed) <= set(client.held())
    found_by_a_monitor(cluster, status)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, "not running"), (signal.SIGSTOP, "error")])
def test_a_standby_killed_or_frozen_costs_nobody_anything(cluster, client, number, status):
    promoted, standby = both_run(cluster)
    serving = broker.daemons(promoted)
    pid = broker.kill(standby, number)
    cluster.lab.until(lambda: broker.daemons(standby) not in ([], [pid]), what="another one stands by")
    assert both_run(cluster) == (promoted, standby) and broker.daemons(promoted) == serving
    found_by_a_monitor(cluster, status)


def test_of_two_that_start_the_one_whose_log_has_come_furthest_is_promoted(cluster, client):
    for _ in range(2):
        promoted, standby = both_run(cluster)
        # Twice what the other one has at most, so that a doubling is more than a step of the score.
        for number in range(40):
            client.publish(f"{number} " + "x" * 50_000)
        cluster.pcs("resource disable broker-clone")
        cluster.wait()
        assert not broker.daemons(promoted) and not broker.daemons(standby)
        cluster.pcs("resource enable broker-clone")
        cluster.wait()
        assert both_run(cluster)[0] is promoted
    assert cluster.failures() == []


def test_a_host_in_standby_leaves_its_place_without_a_failure(cluster, client):
    promoted, standby = both_run(cluster)
    reader = broker.Client(cluster.lab.hosts[2], ADDRESS)
    reader.connect()
    with ThreadPoolExecutor() as pool:
        farewell = pool.submit(reader.farewell)
        cluster.pcs(f"node standby {promoted.name}")
        # The address goes after the broker, so that it can say so.
        assert farewell.result(60) == "CONNECTION_FORCED - this node of the broker stands by"
    client.confirmed.clear()  # what is on the other host stays there
    client.publish("with the other host in standby")
    assert cluster.place("broker", "Promoted") is standby and broker.has_address(standby, ADDRESS)
    assert not broker.daemons(promoted)
    cluster.pcs(f"node unstandby {promoted.name}")
    # Back, it stands by, though its log is longer: the promoted one keeps its place.
    assert both_run(cluster) == (standby, promoted)
    cluster.wait()
    assert both_run(cluster) == (standby, promoted) and cluster.failures() == []


def test_after_one_failure_the_other_takes_over_where_the_threshold_says_so(cluster, client):
    promoted, standby = both_run(cluster)
    cluster.pcs("resource update broker meta migration-threshold=1")
    try:
        broker.kill(promoted, signal.SIGKILL)
        client.confirmed.clear()
        client.publish("on the other one")
        assert cluster.place("broker", "Promoted") is standby and broker.has_address(standby, ADDRESS)
        found_by_a_monitor(cluster, "not running")
        # Forgotten, the failure bars the host no more: it stands by.
        assert both_run(cluster) == (standby, promoted)
    finally:
        cluster.pcs("resource update broker meta migration-threshold=3")
    cluster.wait()


def test_a_crashed_hosts_place_is_the_others_and_messages_are_where_they_were_taken(cluster, client):
    promoted, standby = both_run(cluster)
    client.publish("on the host that crashes")
    promoted.crash()
    client.publish("on the other", timeout=120)
    assert cluster.place("broker", "Promoted", host=standby) is standby
    assert "on the other" in client.held() and "on the host that crashes" not in client.held()
    assert cluster.failures(standby) == []
    promoted.boot()
    cluster.start(promoted)
    cluster.settled()
    assert both_run(cluster) == (standby, promoted) and cluster.failures() == []
    # The way back to the messages: the other host goes into standby for a moment.
    cluster.pcs(f"node standby {standby.name}")
    cluster.lab.until(lambda: "on the host that crashes" in client.held(), what="the messages are back")
    cluster.pcs(f"node unstandby {standby.name}")
    assert both_run(cluster) == (promoted, standby) and cluster.failures() == []
