"""Pacemaker on three hosts, broken for real: partitions, crashes, stale failures, an operator's will."""
import os
import signal

import pytest
from lab import Lab, binary
from lab.cluster import Cluster

VIP = "10.77.0.100"
PORT = "5405"


def verdict(host, *arguments):
    """(Pacemaker's verdict, its findings by code, the overview) as `host` sees it."""
    _, overview, _ = host.services("--json", "--deadline", "4", *arguments)
    found = [one for one in overview["services"] if one["service"] == "pacemaker"]
    assert found, overview
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}, overview


def everywhere(cluster, host=None):
    """The same from all hosts, over ssh."""
    return verdict(host or cluster.hosts[0], "--inventory", cluster.lab.inventory())


def codes(findings):
    """Without fencing, which is off all the time."""
    return set(findings) - {"pacemaker-fencing-off"}


@pytest.fixture(scope="module")
def running():
    """Three hosts with an address, a daemon, a promotable and a plain clone."""
    with Lab(3, prefix="pacemaker") as lab, Cluster(lab) as cluster:
        for host in lab.hosts:
            host.sshd()
        for line in (
            f"vip ocf:heartbeat:IPaddr2 ip={VIP} cidr_netmask=24 op monitor interval=2s timeout=20s",
            "worker ocf:heartbeat:anything binfile=/usr/bin/sleep cmdline_options=infinity op monitor interval=2s timeout=20s",
            "state ocf:pacemaker:Stateful promotable promoted-max=1",
            "each ocf:pacemaker:Dummy clone",
        ):
            cluster.pcs(f"resource create {line}")
        cluster.wait()
        yield cluster


@pytest.fixture()
def cluster(running):
    """The same, well at the beginning; what a test leaves to be remembered is forgotten."""
    well(running)
    yield running
    if running.failures():
        running.pcs("resource cleanup", check=False)


def well(cluster):
    """Waits until all members agree that all is well."""
    def nothing():
        seen, findings, _ = everywhere(cluster)
        assert seen["state"] == "ok" and not codes(findings) and len(seen["members"]) == 3, seen
        return True

    cluster.lab.until(nothing, 90, what="Pacemaker is well", every=0.5)


def soon(cluster, ask, code, timeout=60):
    """Waits until `ask` gives a finding, and returns its (verdict, findings, overview)."""
    def there():
        answer = ask()
        return answer if code in answer[1] else None

    return cluster.lab.until(there, timeout, what=code, every=0.5)


def host_of(cluster, resource, role=None):
    """The host on which a resource is active."""
    name = cluster.where(resource, role)[0]
    return next(host for host in cluster.hosts if host.name == name)


def restart(cluster, *hosts):
    """Starts what was killed, and takes away what a reboot would have."""
    for host in hosts:
        host.run(["ip", "addr", "del", f"{VIP}/24", "dev", "eth0"], check=False)
        cluster.start(host)
    cluster.settled()


def cut_corosync(host, what="add"):
    """Lets nothing of corosync leave a host, while ssh goes on."""
    host.run(f"ip rule {what} ipproto udp dport {PORT} blackhole".split())


def test_all_is_well(cluster):
    seen, findings, overview = everywhere(cluster)
    assert (seen["state"], set(findings), overview["state"]) == ("ok", {"pacemaker-fencing-off"}, "ok")
    assert findings["pacemaker-fencing-off"]["severity"] == "notice"
    assert "with quorum, 3 of 3 hosts online" in seen["summary"]
    assert "one more host may be lost" in seen["risk"] and "fencing off" in seen["risk"]
    assert sorted(member["role"] for member in seen["members"]) == ["DC", "online", "online"]
    # One host alone shows the whole cluster as it sees it.
    seen, findings, _ = verdict(cluster.hosts[1])
    assert (seen["state"], codes(findings)) == ("ok", set())


def test_a_killed_daemon_leaves_a_stale_failure_until_the_cleanup_that_is_named(cluster):
    host = host_of(cluster, "worker")
    for pid in host.processes("sleep"):
        os.kill(pid, signal.SIGKILL)
    cluster.lab.until(cluster.failures, what="the monitor has noticed")
    cluster.wait()
    seen, findings, _ = soon(cluster, lambda: verdict(cluster.hosts[0]), "pacemaker-stale-failure")
    stale = findings["pacemaker-stale-failure"]
    assert (seen["state"], codes(findings), stale["severity"]) == ("ok", {"pacemaker-stale-failure"}, "notice")
    assert f"monitor of worker on {host.name} failed" in stale["cause"] and "ago (error" in stale["cause"]
    assert f"by now it is well on {cluster.where('worker')[0]}" in stale["cause"]
    assert stale["next"] == f"pcs resource cleanup worker node={host.name}"
    cluster.hosts[0].run(stale["next"].split())
    well(cluster)


def test_a_failure_that_stands(cluster):
    cluster.pcs("resource create other ocf:heartbeat:IPaddr2 ip=10.99.0.5 nic=nosuch0")
    try:
        seen, findings, _ = soon(cluster, lambda: verdict(cluster.hosts[0]), "pacemaker-resource-stopped")
        assert seen["state"] == "failed" and "pacemaker-stale-failure" not in findings
        cluster.lab.until(lambda: cluster.failures(), what="the start has failed")
        stopped = verdict(cluster.hosts[0])[1]["pacemaker-resource-stopped"]
        assert "other runs nowhere: start of other on" in stopped["cause"], stopped
    finally:
        cluster.pcs("resource delete other --force", check=False)
        cluster.wait()


def test_a_resource_that_is_barred_from_a_host(cluster):
    host = host_of(cluster, "worker")
    cluster.pcs("resource meta worker migration-threshold=1")
    try:
        for pid in host.processes("sleep"):
            os.kill(pid, signal.SIGKILL)
        seen, findings, _ = soon(cluster, lambda: verdict(cluster.hosts[0]), "pacemaker-barred")
        assert seen["state"] == "degraded"
        assert f"worker is not started on {host.name} again" in findings["pacemaker-barred"]["cause"]
    finally:
        cluster.pcs("resource meta worker migration-threshold=")
        cluster.pcs("resource cleanup worker")
        cluster.wait()


def test_maintenance_is_an_operators_will(cluster):
    cluster.pcs("property set maintenance-mode=true")
    try:
        seen, findings, _ = soon(cluster, lambda: everywhere(cluster), "pacemaker-maintenance")
        assert seen["state"] == "degraded" and findings["pacemaker-maintenance"]["intended"]
        # Nobody watches meanwhile, but us: once the monitors that ran are cancelled.
        cluster.wait()
        holder = host_of(cluster, "vip")
        holder.run(["ip", "addr", "del", f"{VIP}/24", "dev", "eth0"])
        seen, findings, _ = everywhere(cluster)
        assert seen["state"] == "failed" and f"{holder.name} does not have" in findings["pacemaker-address-missing"]["cause"]
        holder.run(["ip", "addr", "add", f"{VIP}/24", "dev", "eth0"])
    finally:
        cluster.pcs("property set maintenance-mode=false")
        cluster.wait()


def test_standby_is_an_operators_will(cluster):
    cluster.pcs("node standby controller-2")
    try:
        cluster.wait()
        seen, findings, _ = everywhere(cluster)
        assert (seen["state"], codes(findings)) == ("ok", {"pacemaker-node-standby"}), findings
        assert findings["pacemaker-node-standby"]["intended"]
        assert next(one for one in seen["members"] if one["host"] == "controller-2")["role"].endswith("standby")
    finally:
        cluster.pcs("node unstandby controller-2")
        cluster.wait()


def test_a_frozen_pacemaker_is_silent_in_time(cluster):
    third = cluster.hosts[2]
    pids = third.processes("pacemakerd")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        seen, findings, overview = everywhere(cluster)
        assert (seen["state"], codes(findings)) == ("degraded", {"pacemaker-silent"})
        silent = findings["pacemaker-silent"]["cause"]
        assert "did not answer within" in silent and "waiting for crm_mon" in silent and "sees it online still" in silent
        assert overview["took_ms"] <= overview["deadline_ms"] + 500
        seen, findings, _ = verdict(third)
        assert seen["state"] == "failed" and "pacemaker-silent" in findings
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_without_root_nothing_is_known_but_the_remedy(cluster):
    # A user's PATH has no sbin, where crm_mon is.
    done = cluster.hosts[0].run([binary(), "services", "--json"], user="nobody", check=False, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 3, done.stdout + done.stderr
    assert '"pacemaker-denied"' in done.stdout and "group haclient" in done.stdout


def test_a_host_cut_off_corosync_alone_is_seen_from_both_sides(cluster):
    third = cluster.hosts[2]
    cut_corosync(third)
    try:
        seen, findings, _ = soon(cluster, lambda: everywhere(cluster), "pacemaker-partitioned")
        assert seen["state"] == "degraded", seen
        cause = findings["pacemaker-partitioned"]["cause"]
        assert "controller-2 sees only itself (DC controller-2, without quorum)" in cause
        assert "controller-0 and controller-1 see each other" in cause
        assert "one more host lost stops all resources: 2 votes are left and 2 are needed" in seen["risk"]
    finally:
        cut_corosync(third, "del")
    cluster.settled()


def test_a_host_cut_off_the_network(cluster):
    third = cluster.hosts[2]
    third.cut()
    try:
        seen, findings, overview = soon(cluster, lambda: everywhere(cluster), "pacemaker-node-offline")
        assert seen["state"] == "degraded" and overview["state"] == "degraded"
        assert "lost without taking leave) and did not answer us either" in findings["pacemaker-node-offline"]["cause"]
        assert findings["pacemaker-fencing-off"]["severity"] == "degraded"
        seen, findings, _ = soon(cluster, lambda: verdict(third), "pacemaker-no-quorum")
        cause = findings["pacemaker-no-quorum"]["cause"]
        assert seen["state"] == "failed" and "1 of 3 votes where 2 are needed" in cause
        assert "controller-0 and controller-1 may go on without it" in cause
    finally:
        third.heal()
    cluster.settled()


def test_a_crash_without_fencing_and_then_a_second(cluster):
    first = host_of(cluster, "vip")
    cluster.crash_daemons(first)
    others = [host for host in cluster.hosts if host is not first]

    def twice():
        # On the way there it is stopped for a moment.
        seen, findings, _ = everywhere(cluster, others[0])
        assert seen["state"] == "failed" and {"pacemaker-down", "pacemaker-address-twice"} == codes(findings), seen
        return seen, findings

    seen, findings = cluster.lab.until(twice, what="the address twice", every=0.3)
    cause = findings["pacemaker-address-twice"]["cause"]
    assert VIP in cause and f"{first.name} has kept it (Pacemaker is down there and nobody has fenced it)" in cause
    assert "unit pacemaker.service is enabled" in findings["pacemaker-down"]["cause"]
    # On the host itself it is down, and that is all that can be known there.
    seen, findings, _ = verdict(first)
    assert (seen["state"], set(findings)) == ("failed", {"pacemaker-down"})

    cluster.crash_daemons(others[1])
    seen, findings, _ = soon(cluster, lambda: everywhere(cluster, others[0]), "pacemaker-no-quorum")
    assert seen["state"] == "failed" and f"{others[0].name} sees only itself" in findings["pacemaker-no-quorum"]["cause"]
    assert "nothing runs until 2 votes are together again" in seen["risk"]
    restart(cluster, first, others[1])
    well(cluster)


def test_pacemaker_stopped_on_purpose(cluster):
    third = cluster.hosts[2]
    cluster.pacemaker[third].stop(60)
    seen, findings, _ = soon(cluster, lambda: everywhere(cluster), "pacemaker-down")
    seen, findings, _ = everywhere(cluster)
    cause = findings["pacemaker-down"]["cause"]
    assert (seen["state"], codes(findings)) == ("degraded", {"pacemaker-down"})
    assert "corosync runs and has quorum" in cause and "it has taken leave" in cause, cause
    assert findings["pacemaker-fencing-off"]["severity"] == "notice"
    cluster.corosync[third].stop()
    restart(cluster, third)


@pytest.mark.slow
def test_a_frozen_corosync_keeps_what_others_take_over(cluster):
    holder = host_of(cluster, "vip")
    other = next(host for host in cluster.hosts if host is not holder)
    for pid in holder.processes("corosync"):
        os.kill(pid, signal.SIGSTOP)
    try:
        seen, findings, _ = soon(cluster, lambda: everywhere(cluster, other), "pacemaker-address-twice")
        assert seen["state"] == "failed"
        assert "corosync hangs there" in findings["pacemaker-address-twice"]["cause"]
        assert f"{other.name} sees it offline" in findings["pacemaker-corosync-silent"]["cause"]
    finally:
        for pid in holder.processes("corosync"):
            os.kill(pid, signal.SIGCONT)
    cluster.settled()
    well(cluster)


@pytest.mark.slow
def test_two_hosts_cut_apart_run_everything_twice():
    with Lab(2, prefix="pacemaker-two") as lab, Cluster(lab) as cluster:
        first, second = lab.hosts
        for host in lab.hosts:
            host.sshd()
        cluster.pcs(f"resource create vip ocf:heartbeat:IPaddr2 ip={VIP} cidr_netmask=24")
        cluster.wait()
        seen, findings, _ = everywhere(cluster)
        assert (seen["state"], set(findings)) == ("degraded", {"pacemaker-fencing-off"})
        cut_corosync(second)
        soon(cluster, lambda: everywhere(cluster), "pacemaker-address-twice")
        seen, findings, _ = everywhere(cluster)
        assert seen["state"] == "failed" and "pacemaker-split-brain" in findings
