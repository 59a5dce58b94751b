"""Ceph, broken for real; the verdict as one of its hosts gives it.

All tests share one cluster of three MONs, two MGRs, two MDSs and an OSD, and leave it well.
"""
import json

import pytest
from lab import Lab, binary
from lab.ceph import Ceph

DEADLINE = 2.0
# How late the verdict may come, by the issue.
LATE = 0.5


def read(code, answer):
    """(Ceph's verdict, its findings by code, Ceph's own checks by theirs, the exit code)."""
    found = [one for one in answer["services"] if one["service"] == "ceph"]
    assert found, answer
    by_code = {one["subject"] if one["code"] == "ceph-health" else one["code"]: one for one in found[0]["findings"]}
    return found[0], by_code, code


def verdict(host, *arguments):
    """(Ceph's verdict, its findings by code, the exit code) as `host` sees it, in time."""
    code, answer, seconds = host.services("--json", *arguments)
    assert seconds < DEADLINE + LATE, seconds
    return read(code, answer)


@pytest.fixture(scope="module")
def ceph():
    """Three hosts, all well."""
    with Lab(3, prefix="ceph") as lab:
        cluster = Ceph(lab)
        cluster.start()
        yield cluster


def well(ceph, host=None):
    """Waits until a host finds nothing wrong."""
    def nothing():
        seen, _, _ = verdict(host or ceph.mons[0])
        assert (seen["state"], seen["findings"]) == ("ok", []), seen
        return True

    ceph.lab.until(nothing, 90, what="Ceph is well again", every=0.3)


def until(ceph, host, code):
    """Waits for a finding; the verdict and the findings with it."""
    def there():
        seen, findings, _ = verdict(host)
        assert code in findings, seen
        return seen, findings

    return ceph.lab.until(there, what=code, every=0.3)


def leader(ceph):
    """The host of the leading MON, and the two others. On a slow disk they may just be electing one."""
    first = ceph.lab.until(lambda: next(host for host in ceph.mons if ceph.mon_status(host)["state"] == "leader"),
                           what="a leading MON", every=0.3)
    return first, [host for host in ceph.mons if host is not first]


def test_all_is_well_and_one_host_shows_all_mons(ceph):
    first, second, third = ceph.mons
    well(ceph)

    def nothing():
        # So soon after their start the MONs may elect once more.
        seen, findings, code = verdict(first)
        assert (seen["state"], findings, code) == ("ok", {}, 0), findings
        return seen

    seen = ceph.lab.until(nothing, what="no finding, and exit code 0", every=0.3)
    assert seen["summary"] == f"leader controller-0, 3 of 3 MONs serve, MGR {ceph.active_mgr().name}, 1 of 1 OSDs up, cephfs 1 of 1 ranks"
    assert seen["risk"] == "one more MON lost is carried, a second one stops Ceph"
    here = {one["role"].split()[0] for one in seen["members"] if one["host"] == first.name}
    assert here == {"MON", "MGR", "MDS"}
    assert {one["host"] for one in seen["members"]} == {first.name, second.name, third.name}


def test_three_controllers_over_ssh(ceph):
    hosts = ceph.lab.hosts
    for host in hosts:
        host.sshd()
    arguments = ("--inventory", ceph.lab.inventory(), "--deadline", "5")

    def asked():
        code, answer, _ = hosts[0].services("--json", *arguments)
        seen, findings, code = read(code, answer)
        assert (seen["state"], findings, code) == ("ok", {}, 0), seen
        return seen

    seen = ceph.lab.until(asked, what="all is well over ssh")
    roles = sorted(one["role"] for one in seen["members"])
    assert roles == ["MDS active cephfs:0", "MDS standby", "MGR active", "MGR standby", "MON leader", "MON peon", "MON peon"]


def test_a_stopped_mon_is_missed_at_once(ceph):
    first, (_, last) = leader(ceph)
    ceph.daemon["mon", last].stop()
    seen, findings, code = verdict(first)
    assert (seen["state"], set(findings), code) == ("degraded", {"ceph-mon-down"}, 1)
    assert "refused" in findings["ceph-mon-down"]["cause"]
    assert findings["ceph-mon-down"]["next"] == f"on {last.name}: systemctl start ceph-mon@{last.name}"
    assert seen["risk"] == "one more MON lost stops Ceph: 2 of 3 serve, 2 must"
    # Where it should run, it is missed by its unit, though nobody there knows of the others.
    seen, findings, _ = verdict(last)
    assert f"unit ceph-mon@{last.name}.service is enabled" in findings["ceph-mon-down"]["cause"]
    assert findings["ceph-quorum-unknown"]["severity"] == "unknown"
    ceph.start_mon(last)
    well(ceph)


@pytest.mark.slow
def test_what_ceph_notices_later_is_not_said_twice(ceph):
    first, (other, last) = leader(ceph)
    ceph.daemon["mon", last].stop()
    ceph.lab.until(lambda: "MON_DOWN" in ceph.health(other), what="MON_DOWN")
    _, findings, _ = verdict(first)
    assert set(findings) == {"ceph-mon-down"}
    ceph.start_mon(last)
    well(ceph)


@pytest.mark.parametrize("leads", [False, True])
def test_a_frozen_mon(ceph, leads):
    first, others = leader(ceph)
    frozen, asked = (first, others[0]) if leads else (others[0], first)
    ceph.daemon["mon", frozen].freeze()
    try:
        seen, findings, _ = verdict(asked)
        assert seen["state"] in ("degraded", "failed") and "ceph-mon-silent" in findings
        assert "did not answer within" in findings["ceph-mon-silent"]["cause"]
        # On its own host the socket tells.
        seen, findings, _ = verdict(frozen)
        assert f"mon.{frozen.name}.asok to mon_status" in findings["ceph-mon-silent"]["cause"]
    finally:
        ceph.daemon["mon", frozen].thaw()
    well(ceph)


def test_two_of_three_mons_gone(ceph):
    first, others = leader(ceph)
    for other in others:
        ceph.daemon["mon", other].kill()
    # At once: it still takes itself for the leader of three.
    seen, findings, code = verdict(first)
    assert (seen["state"], code) == ("failed", 2)
    assert "1 of 3 serve, 2 must" in findings["ceph-no-quorum"]["cause"]
    ceph.lab.until(lambda: ceph.mon_status(first)["state"] in ("probing", "electing"), what="it has noticed")
    seen, findings, code = verdict(first)
    assert (seen["state"], code) == ("failed", 2)
    assert "0 of 3 serve, 2 must" in findings["ceph-no-quorum"]["cause"]
    assert "systemctl start ceph-mon@" in findings["ceph-no-quorum"]["next"]
    assert seen["summary"] == "no quorum, 0 of 3 MONs serve"
    for other in others:
        ceph.start_mon(other)
    well(ceph)


@pytest.mark.slow
def test_a_mon_cut_off(ceph):
    first, others = leader(ceph)
    alone = others[-1]
    alone.cut()
    try:
        ceph.lab.until(lambda: ceph.mon_status(alone)["state"] in ("probing", "electing"), what="it has noticed")
        seen, findings, _ = verdict(alone)
        assert seen["state"] == "failed" and "ceph-no-quorum" in findings
        seen, findings, _ = verdict(first)
        assert seen["state"] == "degraded" and "ceph-mon-silent" in findings
    finally:
        alone.heal()
    well(ceph)


def test_a_killed_mds_is_named_though_the_mons_have_it_as_active(ceph):
    well(ceph)
    active = ceph.active_mds()
    ceph.daemon["mds", active].kill()
    seen, findings, _ = verdict(active)
    assert (seen["state"], set(findings)) == ("degraded", {"ceph-fs-rank-lost"})
    cause = findings["ceph-fs-rank-lost"]["cause"]
    assert "rank 0 of cephfs" in cause and "still have as up:active" in cause and "takes over" in cause
    other = next(host for host in ceph.pairs if host is not active)
    ceph.lab.until(lambda: ceph.active_mds() is other, what="the standby takes over")
    # The MONs name no standby any more, and the host whose MDS it was misses it.
    _, findings, _ = verdict(active)
    assert "ceph-mds-down" in findings
    ceph.start_mds(active)
    well(ceph)


def test_all_mds_gone(ceph):
    well(ceph)
    active = ceph.active_mds()
    spare = next(host for host in ceph.pairs if host is not active)
    ceph.daemon["mds", spare].kill()
    ceph.daemon["mds", active].kill()
    # Another host sees nothing of it until the MONs do.
    until(ceph, active, "ceph-fs-rank-lost")
    far = next(host for host in ceph.mons if host not in ceph.pairs)
    seen, findings = until(ceph, far, "ceph-fs-down")
    assert seen["state"] == "failed"
    assert "silent too long" in findings["ceph-fs-down"]["cause"]
    assert "cephfs 0 of 1 ranks" in seen["summary"]
    # Ceph finds nothing wrong with that, or only that it would like a standby.
    assert not {"MDS_ALL_DOWN", "FS_DEGRADED"} & set(ceph.health())
    ceph.ceph("mds fail 0")
    seen, findings = until(ceph, active, "ceph-fs-down")
    assert "none stands by: its shares hang" in findings["ceph-fs-down"]["cause"]
    for host in ceph.pairs:
        ceph.start_mds(host)
    well(ceph)


def test_a_frozen_mds(ceph):
    active = ceph.active_mds()
    ceph.daemon["mds", active].freeze()
    try:
        seen, findings, _ = verdict(active)
        assert seen["state"] == "degraded"
        assert "did not answer within" in findings["ceph-fs-rank-lost"]["cause"]
    finally:
        ceph.daemon["mds", active].thaw()
    well(ceph)


def test_mgrs_gone(ceph):
    well(ceph)
    active = ceph.active_mgr()
    other = next(host for host in ceph.pairs if host is not active)
    ceph.daemon["mgr", active].kill()
    seen, findings, _ = verdict(active)
    assert (seen["state"], set(findings)) == ("degraded", {"ceph-mgr-down"})
    assert "still take it for the active one" in findings["ceph-mgr-down"]["cause"]
    ceph.lab.until(lambda: ceph.active_mgr() is other, what="the standby takes over")
    _, findings, _ = verdict(other)
    assert findings["ceph-mgr-no-standby"]["severity"] == "notice"
    ceph.daemon["mgr", other].kill()
    seen, findings = until(ceph, other, "ceph-mgr-none")
    assert seen["state"] == "degraded" and "pgmap" in findings["ceph-mgr-none"]["cause"]
    for host in ceph.pairs:
        ceph.start_mgr(host)
    well(ceph)


def test_an_operators_will(ceph):
    ceph.ceph("osd set noout")
    seen, findings = until(ceph, ceph.mons[0], "OSDMAP_FLAGS")
    finding = findings["OSDMAP_FLAGS"]
    assert (seen["state"], finding["severity"], finding["intended"]) == ("ok", "notice", True)
    # This one stops all reads and writes, whoever wanted it.
    ceph.ceph("osd pause")
    ceph.lab.until(lambda: verdict(ceph.mons[0])[0]["state"] == "failed", what="it is paused")
    ceph.ceph("osd unpause")
    ceph.ceph("osd unset noout")
    well(ceph)


def test_nothing_serves_and_ceph_only_warns(ceph):
    """The only OSD is lost: nothing is read or written any more, and Ceph is as yellow as ever."""
    ceph.daemon["osd", ceph.osd].kill()
    ceph.ceph("osd down 0")
    seen, findings = until(ceph, ceph.mons[0], "ceph-osds-down")
    assert seen["state"] == "failed" and "0 of 1 OSDs up" in seen["summary"]
    seen, findings = until(ceph, ceph.mons[0], "PG_AVAILABILITY")
    assert seen["state"] == "failed"
    assert "HEALTH_ERR" not in ceph.health().values()
    ceph.run_osd()
    well(ceph)


def test_without_root_nothing_is_claimed(ceph):
    host = ceph.mons[0]
    done = host.run([binary(), "services", "--json"], check=False, user="nobody")
    seen, findings, code = read(done.returncode, json.loads(done.stdout))
    assert (seen["state"], code) == ("unknown", 3)
    assert {"ceph-mon-denied", "ceph-mgr-denied", "ceph-mds-denied"} <= set(findings)
    assert "root or as the user ceph" in findings["ceph-mon-denied"]["cause"]


def test_the_user_ceph_may_ask(ceph):
    done = ceph.mons[0].run([binary(), "services", "--json"], check=False, user="ceph")
    seen, findings, code = read(done.returncode, json.loads(done.stdout))
    assert (seen["state"], findings, code) == ("ok", {}, 0)


def test_without_a_key_the_health_is_unknown(ceph):
    host = ceph.mons[0]
    keyring, own = host.folder / "etc/ceph/ceph.client.admin.keyring", host.folder / f"var/lib/ceph/mon/ceph-{host.name}/keyring"
    admin, mon = keyring.read_text(), own.read_text()
    try:
        # The administrator's is no longer good: the MON's own is.
        keyring.write_text(ceph.key("mgr." + host.name).replace("mgr." + host.name, "client.admin"))
        seen, findings, _ = verdict(host)
        assert (seen["state"], findings) == ("ok", {})
        own.write_text("")
        seen, findings, _ = verdict(host)
        assert seen["state"] == "unknown"
        assert "does not take the key" in findings["ceph-health-unread"]["cause"]
        # The quorum is known all the same.
        assert "3 of 3 MONs serve" in seen["summary"]
        key = admin.split("key = ")[1].strip()
        credentials = host.root / "credentials"
        credentials.write_text(f'[ceph]\nuser = "client.admin"\nkey = "{key}"\n')
        credentials.chmod(0o600)
        seen, findings, _ = verdict(host, "--credentials", credentials)
        assert (seen["state"], findings) == ("ok", {})
    finally:
        keyring.write_text(admin)
        own.write_text(mon)
    well(ceph)
