"""Redis with Sentinels, broken for real; the verdict as the first host gives it.

Most tests share one group of three servers and three Sentinels and leave it well.
"""
import re
import socket

import pytest
from lab import Lab
from lab.redis import Redis


def verdict(host, *arguments):
    """(Redis' verdict, its findings by code, the exit code) as `host` sees it."""
    code, answer, _ = host.services("--json", *arguments)
    found = [one for one in answer["services"] if one["service"] == "redis"]
    assert found, answer
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}, code


@pytest.fixture(scope="module")
def redis():
    """Three hosts, all well."""
    with Lab(3, prefix="redis") as lab:
        group = Redis(lab)
        group.start()
        yield group


def well(redis, host):
    """Waits until `host` finds nothing wrong."""
    def nothing():
        seen, _, _ = verdict(host)
        assert seen["state"] == "ok", seen
        return True

    redis.lab.until(nothing, what="Redis is well again")


def primary(redis):
    """The host that all Sentinels have as the primary, and the two others."""
    address = redis.primary(redis.lab.hosts[0])
    first = next(host for host in redis.lab.hosts if host.ip == address)
    return first, [host for host in redis.lab.hosts if host is not first]


def test_all_is_well_and_one_host_shows_the_whole_group(redis):
    seen, findings, code = verdict(redis.lab.hosts[0])
    assert (seen["state"], findings, code) == ("ok", {}, 0)
    assert seen["summary"] == "primary controller-0, 2 of 2 replicas follow, 3 of 3 Sentinels"
    assert "a replica is promoted" in seen["risk"]
    assert len(seen["members"]) == 6


def test_a_full_memory(redis):
    host, _ = primary(redis)
    redis.say(host, "CONFIG", "SET", "maxmemory", "3mb")
    try:
        redis.lab.until(lambda: "OOM" in redis.say(host, "RPUSH", "fat", *["x" * 90_000]), what="it is full", every=0)
        seen, findings, code = verdict(host)
        # OpenStack's API goes on without Redis.
        assert (seen["state"], code) == ("failed", 1)
        cause = findings["redis-memory-full"]["cause"]
        assert "refuses writes (OOM" in cause and "of 3145728 bytes" in cause and "noeviction" in cause
    finally:
        redis.say(host, "CONFIG", "SET", "maxmemory", "0")
        redis.say(host, "DEL", "fat")


def test_a_snapshot_that_cannot_be_written(redis):
    host, _ = primary(redis)
    folder = str(host.root / "redis")
    host.run(["chmod", "555", folder])
    redis.say(host, "CONFIG", "SET", "save", "3600 1")
    try:
        redis.say(host, "BGSAVE")
        redis.lab.until(lambda: "MISCONF" in redis.say(host, "SET", "a", "b"), what="writes are refused")
        seen, findings, _ = verdict(host)
        assert seen["state"] == "failed"
        assert "could not save its last snapshot to disk and it refuses writes (MISCONF)" in findings["redis-snapshot-failed"]["cause"]
    finally:
        host.run(["chmod", "755", folder])
        redis.say(host, "BGSAVE")
        redis.lab.until(lambda: "OK" in redis.say(host, "SET", "a", "b"), what="it saves again")


def test_no_more_clients(redis):
    host, others = primary(redis)
    replica = others[0]
    redis.say(replica, "CONFIG", "SET", "maxclients", "12")
    held = []
    try:
        with replica.network():
            held = [socket.create_connection((replica.ip, 6379), timeout=5) for _ in range(14)]
        seen, findings, _ = verdict(replica)
        assert seen["state"] == "degraded"
        assert "max number of clients reached" in findings["redis-clients-full"]["cause"]
    finally:
        for link in held:
            link.close()
        redis.lab.until(lambda: "OK" in redis.say(replica, "CONFIG", "SET", "maxclients", "4000"), what="clients may come")


def test_frozen_replicas_stop_the_writes(redis):
    host, replicas = primary(redis)
    redis.say(host, "CONFIG", "SET", "min-replicas-to-write", "2")
    redis.say(host, "CONFIG", "SET", "min-replicas-max-lag", "3")
    # Their primary would give them up sooner than its lag is seen otherwise.
    redis.say(host, "CONFIG", "SET", "repl-timeout", "60")
    try:
        for replica in replicas:
            redis.server[replica].freeze()
        redis.lab.until(lambda: "NOREPLICAS" in redis.say(host, "SET", "a", "b"), what="writes are refused")
        seen, findings, _ = verdict(host)
        assert seen["state"] == "failed"
        cause = findings["redis-noreplicas"]["cause"]
        assert re.search(r"refuses all writes \(NOREPLICAS\): [01] replicas answered within 3 s, min-replicas-to-write is 2", cause)
        assert "though it lists it as online" in findings["redis-lag"]["cause"]
        assert "did not answer within" in findings["redis-silent"]["cause"]
    finally:
        for replica in replicas:
            redis.server[replica].thaw()
        redis.say(host, "CONFIG", "SET", "min-replicas-to-write", "0")
        redis.say(host, "CONFIG", "SET", "min-replicas-max-lag", "10")
    well(redis, host)


def test_a_sentinel_alone_has_no_quorum(redis):
    host, others = primary(redis)
    for other in others:
        redis.sentinel[other].kill()
    redis.lab.until(lambda: "NOQUORUM" in redis.ask(host, "SENTINEL", "CKQUORUM", "main"), what="no quorum")
    seen, findings, _ = verdict(host)
    assert seen["state"] == "degraded"
    assert "NOQUORUM 1 usable Sentinels" in findings["redis-sentinel-noquorum"]["cause"]
    assert "the next failure of the primary is not handled" in findings["redis-sentinel-noquorum"]["cause"]
    assert "refused" in findings["redis-sentinel-down"]["cause"]
    assert "nothing would promote a replica" in seen["risk"]
    for other in others:
        redis.start_sentinel(other)
    well(redis, host)


def test_two_primaries(redis):
    host, others = primary(redis)
    stray = others[0]
    redis.say(stray, "REPLICAOF", "NO", "ONE")
    seen, findings, _ = verdict(host)
    assert seen["state"] in ("failed", "degraded"), findings
    assert "two servers take writes" in findings["redis-two-primaries"]["cause"]
    assert f"REPLICAOF {host.ip} 6379" in findings["redis-two-primaries"]["next"]
    # The Sentinels would do it themselves, after some time.
    redis.say(stray, "REPLICAOF", host.ip, "6379")
    well(redis, host)


def test_a_killed_primary_is_replaced_and_missed(redis):
    host, others = primary(redis)
    redis.server[host].kill()
    seen, findings, _ = verdict(others[0])
    if seen["state"] == "failed":  # the Sentinels may have been quicker
        assert "replicas wait for" in findings["redis-no-primary"]["cause"]
    redis.lab.until(lambda: redis.primary(others[0]) != host.ip, what="another primary")

    def replaced():
        seen, findings, _ = verdict(others[0])
        assert seen["state"] == "degraded", seen
        assert "redis-down" in findings and "redis-no-primary" not in findings, findings
        # The other replica follows the new primary a moment after there is one.
        assert "1 of 2 replicas follow" in seen["summary"], seen
        return findings

    findings = redis.lab.until(replaced, what="a new primary, one replica that follows and one member down")
    assert "refused" in findings["redis-down"]["cause"]
    redis.start_server(host)
    well(redis, host)


def test_a_frozen_primary(redis):
    host, others = primary(redis)
    redis.server[host].freeze()
    try:
        seen, findings, code = verdict(others[0])
        assert "did not answer within" in findings["redis-silent"]["cause"] and code == 1
        redis.lab.until(lambda: redis.primary(others[0]) != host.ip, what="another primary")

        def replaced():
            seen, findings, _ = verdict(others[0])
            return seen["state"] == "degraded" and "redis-silent" in findings and "redis-no-primary" not in findings

        redis.lab.until(replaced, what="a new primary and one member silent")
    finally:
        redis.server[host].thaw()
    well(redis, host)


def test_a_password_is_found_in_the_configuration_or_asked_for():
    with Lab(2, prefix="redis-auth") as lab:
        group = Redis(lab, password="geheim")
        group.start(sentinels=False)
        first, _ = lab.hosts
        seen, findings, _ = verdict(first)
        assert (seen["state"], set(findings)) == ("ok", {"redis-no-failover"}), findings
        assert "2 of 2" not in seen["summary"] and "1 of 1 replicas follow" in seen["summary"]
        # Without the file nobody knows it.
        first.etc("redis/redis.conf", "port 6379\n")
        seen, findings, code = verdict(first)
        assert (seen["state"], code) == ("unknown", 3)
        assert "NOAUTH" in findings["redis-denied"]["cause"]
        given = lab.folder / "credentials.toml"
        given.touch(mode=0o600)
        given.write_text('[redis]\npassword = "geheim"\n')
        seen, findings, _ = verdict(first, "--credentials", str(given))
        assert seen["state"] == "ok"
