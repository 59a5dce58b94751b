"""etcd, broken for real; the verdict as one of its hosts gives it."""
import pytest
from lab import Lab
from lab.etcd import Etcd


def verdict(host, *arguments):
    """(etcd's verdict, its findings by code, the exit code) as `host` sees it."""
    code, answer, _ = host.services("--json", *arguments)
    found = [one for one in answer["services"] if one["service"] == "etcd"]
    assert found, answer
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}, code


@pytest.fixture(scope="module")
def etcd():
    """Three hosts, all well."""
    with Lab(3, prefix="etcd") as lab:
        cluster = Etcd(lab, "--quota-backend-bytes", "2000000")
        cluster.start()
        yield cluster


def well(etcd, host):
    """Waits until `host` finds nothing wrong."""
    def nothing():
        seen, _, _ = verdict(host)
        assert seen["state"] == "ok", seen
        return True

    etcd.lab.until(nothing, what="etcd is well again")


def split(etcd):
    """The leader and the others."""
    first = etcd.leader()
    return first, [host for host in etcd.lab.hosts if host is not first]


def test_all_is_well_and_one_host_shows_all_members(etcd):
    well(etcd, etcd.lab.hosts[0])
    seen, findings, code = verdict(etcd.lab.hosts[0])
    assert (seen["state"], findings, code) == ("ok", {}, 0)
    assert "3 of 3 members serve" in seen["summary"]
    assert "one more failure is carried" in seen["risk"]
    assert sorted(one["role"] for one in seen["members"]) == ["follower", "follower", "leader"]


def test_a_killed_leader_is_replaced_and_missed(etcd):
    first, others = split(etcd)
    etcd.daemon[first].kill()

    def replaced():
        seen, findings, _ = verdict(others[0])
        assert seen["state"] == "degraded" and set(findings) == {"etcd-down"}, findings
        return seen, findings

    seen, findings = etcd.lab.until(replaced, what="a new leader")
    assert "refused" in findings["etcd-down"]["cause"]
    assert seen["risk"] == "one more failure stops etcd: 2 of 3 serve, 2 must"
    # The host where it was killed misses it too, by its unit.
    seen, findings, _ = verdict(first)
    assert "unit etcd.service is enabled" in findings["etcd-down"]["cause"]
    etcd.start_member(first)
    well(etcd, others[0])


def test_a_frozen_member(etcd):
    first, others = split(etcd)
    etcd.daemon[others[0]].freeze()
    try:
        seen, findings, _ = verdict(others[1])
        assert (seen["state"], set(findings)) == ("degraded", {"etcd-silent"})
        assert "did not answer within" in findings["etcd-silent"]["cause"]
    finally:
        etcd.daemon[others[0]].thaw()
    well(etcd, first)


def test_two_of_three_gone(etcd):
    first, others = split(etcd)
    for other in others:
        etcd.daemon[other].kill()
    # At once: it still takes itself for the leader.
    seen, findings, code = verdict(first)
    assert (seen["state"], code) == ("failed", 1)
    assert {"etcd-no-quorum", "etcd-no-leader"} & set(findings)
    etcd.lab.until(lambda: not etcd.status(first).get("leader"), what="it has no leader")
    seen, findings, _ = verdict(first)
    assert seen["state"] == "failed"
    assert "etcd has no leader: 0 of 3 members serve, 2 must" in findings["etcd-no-leader"]["cause"]
    assert "systemctl start etcd" in findings["etcd-no-leader"]["next"]
    for other in others:
        etcd.start_member(other)
    well(etcd, first)


def test_a_member_cut_off_has_no_leader(etcd):
    first, others = split(etcd)
    alone = others[0]
    alone.cut()
    try:
        etcd.lab.until(lambda: not etcd.status(alone).get("leader"), what="it has no leader")
        seen, findings, _ = verdict(alone)
        assert seen["state"] == "failed" and "etcd-no-leader" in findings
        seen, findings, _ = verdict(first)
        assert seen["state"] == "degraded" and "etcd-silent" in findings
    finally:
        alone.heal()
    well(etcd, first)


def test_no_space(etcd):
    first, _ = split(etcd)

    def fill(until):
        for number in range(120):
            put = first.run(["etcdctl", "put", f"/fill{number}"], input="x" * 20_000, check=False)
            if until(put):
                return
        raise AssertionError("it takes all")

    fill(lambda _: etcd.status(first)["dbSize"] > 1_620_000)
    seen, findings, _ = verdict(first)
    assert seen["state"] == "degraded" and "of 2000000 bytes" in findings["etcd-near-quota"]["cause"]
    fill(lambda put: put.returncode != 0)
    seen, findings, _ = verdict(first)
    assert seen["state"] == "failed"
    cause = findings["etcd-nospace"]["cause"]
    assert "refuses all writes" in cause and "alarm NOSPACE" in cause and "quota 2000000" in cause
    # What the finding says to type helps.
    etcd.ctl(first, "del", "/fill", "--prefix")
    revision = etcd.status(first)["header"]["revision"]
    etcd.ctl(first, "compact", str(revision))
    etcd.ctl(first, "defrag", "--cluster")
    etcd.ctl(first, "alarm", "disarm")
    well(etcd, first)


def test_endpoints_with_tls_are_asked_through_etcdctl():
    with Lab(3, prefix="etcd-tls") as lab:
        cluster = Etcd(lab, tls=True)
        cluster.start()
        first = lab.hosts[0]
        # The certificates are found on the daemon's command line.
        seen, findings, _ = verdict(first)
        assert (seen["state"], findings) == ("ok", {})
        assert "3 of 3 members serve" in seen["summary"]
        cluster.daemon[lab.hosts[2]].kill()
        seen, findings, _ = verdict(first)
        assert seen["state"] == "degraded" and "refused" in findings["etcd-down"]["cause"]
        # Others have to be given some.
        (lab.folder / "etcd.key").unlink()
        seen, findings, _ = verdict(first)
        assert seen["state"] == "unknown" and "[etcd]" in findings["etcd-denied"]["cause"]
