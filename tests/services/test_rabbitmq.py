"""RabbitMQ, broken for real; the verdict as one of its hosts gives it."""
import contextlib

import pytest
from lab import Lab
from lab.rabbitmq import RabbitMq


def verdict(host, *arguments, user=None):
    """(RabbitMQ's verdict, its findings by code) as `host` sees it."""
    words = ["--json", "--only", "rabbitmq", *arguments]
    _, answer, _ = host.services(*words, user=user)
    found = [one for one in answer["services"] if one["service"] == "rabbitmq"]
    assert found, answer
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}


@pytest.fixture(scope="module")
def rabbit():
    """Three nodes, all well; the last one's management is off."""
    with Lab(3, prefix="rabbit") as lab:
        cluster = RabbitMq(lab, management=lab.hosts[:2])
        cluster.start()
        yield cluster


def well(rabbit, host=None):
    """Waits until nothing is wrong."""
    def nothing():
        seen, findings = verdict(host or rabbit.lab.hosts[0])
        assert (seen["state"], findings) == ("ok", {}), seen
        return True

    rabbit.lab.until(nothing, what="RabbitMQ is well again")


def expect(rabbit, host, state, *codes):
    """Waits until `host` gives this state with exactly these findings."""
    def given():
        seen, findings = verdict(host)
        assert (seen["state"], sorted(findings)) == (state, sorted(codes)), seen
        return seen, findings

    return rabbit.lab.until(given, what=f"{state} with {codes}")


@contextlib.contextmanager
def again(rabbit, host):
    """Afterwards the host's node is started and all is well."""
    try:
        yield
    finally:
        rabbit.start_node(host)
        rabbit.ready(rabbit.lab.hosts[0], host)
    well(rabbit)


def test_all_is_well_and_one_host_shows_all_nodes(rabbit):
    well(rabbit)
    for host in rabbit.lab.hosts:
        seen, _ = verdict(host)
        assert seen["summary"] == "3 of 3 nodes serve"
        assert [one["role"] for one in seen["members"]] == ["serves, 3.10.8"] * 3
        assert sorted(one["host"] for one in seen["members"]) == [each.name for each in rabbit.lab.hosts]
    assert "one more failure takes only the queues" in seen["risk"]


def test_without_root_the_greeting_is_enough(rabbit):
    host = rabbit.lab.hosts[0]
    seen, findings = verdict(host, user="nobody")
    assert (seen["state"], list(findings)) == ("ok", ["rabbitmq-unread"])
    # The others are asked too: the configuration names them.
    assert seen["summary"] == "3 of 3 nodes serve"
    assert "cookie" in findings["rabbitmq-unread"]["cause"]


def test_without_root_the_management_tells_more(rabbit):
    host = rabbit.lab.hosts[0]
    file = host.mine("credentials", "nobody") / "credentials.toml"
    file.write_text('[rabbitmq]\nuser = "guest"\npassword = "guest"\n')
    file.chmod(0o600)
    host.run(["chown", "nobody", file])
    well(rabbit)
    seen, findings = verdict(host, "--credentials", str(file), user="nobody")
    assert (seen["state"], findings) == ("ok", {}), seen
    # A node's name and its peers come from there.
    assert {one["host"] for one in seen["members"]} == {each.name for each in rabbit.lab.hosts}
    file.write_text('[rabbitmq]\nuser = "guest"\npassword = "wrong"\n')
    _, findings = verdict(host, "--credentials", str(file), user="nobody")
    assert "answers 401" in findings["rabbitmq-unread"]["cause"]


def test_a_killed_node_is_missed_by_all(rabbit):
    first, _, last = rabbit.lab.hosts
    with again(rabbit, last):
        rabbit.daemon[last].kill()
        _, findings = expect(rabbit, first, "degraded", "rabbitmq-down")
        assert findings["rabbitmq-down"]["next"] == f"on {last.name}: systemctl start rabbitmq-server"
        # On its own host its unit tells that it should run; the others are not asked from there.
        seen, findings = verdict(last)
        assert seen["state"] == "degraded" and "is enabled" in findings["rabbitmq-down"]["cause"]
        assert f"the others ({first.name}, " in findings["rabbitmq-none-serves"]["cause"]


def test_a_frozen_node_is_silent_and_keeps_nobody(rabbit):
    first, second, last = rabbit.lab.hosts
    with again(rabbit, second):
        rabbit.daemon[second].freeze()
        # At once, while the others still take it for running, and after they have noticed.
        seen, findings = verdict(first)
        assert (seen["state"], list(findings)) == ("degraded", ["rabbitmq-silent"]), seen
        assert f"{second.name} did not answer" in findings["rabbitmq-silent"]["cause"]
        assert {one["host"]: one["role"] for one in seen["members"]}[last.name] == "serves, 3.10.8"
        rabbit.lab.until(lambda: len(rabbit.running(first)) == 2, what="the others have noticed")
        expect(rabbit, first, "degraded", "rabbitmq-silent")
        # Its own host knows that it is there.
        seen, findings = verdict(second)
        assert "rabbitmq-silent" in findings
        rabbit.daemon[second].kill()


def test_a_partition_stands_after_the_network_is_whole(rabbit):
    first, second, last = rabbit.lab.hosts
    last.cut()
    try:
        _, findings = expect(rabbit, first, "degraded", "rabbitmq-silent")
        rabbit.lab.until(lambda: len(rabbit.running(first)) == len(rabbit.running(second)) == 2, what="it is missed")
        rabbit.lab.until(lambda: len(rabbit.running(last)) == 1, what="it misses the others")
    finally:
        last.heal()
    seen, findings = expect(rabbit, first, "failed", "rabbitmq-partition")
    assert seen["summary"] == "3 of 3 nodes serve"
    assert f"({first.name}, {second.name}) against ({last.name})" in findings["rabbitmq-partition"]["cause"]
    assert verdict(last)[0]["state"] == "failed"
    # What the finding says to type helps.
    host, _, commands = findings["rabbitmq-partition"]["next"].removeprefix("on ").partition(": ")
    assert host == last.name
    for command in commands.split(" && "):
        last.run(command.split(), timeout=60)
    rabbit.ready()
    well(rabbit)


def test_a_memory_alarm_on_one_node_blocks_all(rabbit):
    first, second, _ = rabbit.lab.hosts
    rabbit.ctl(second, "set_vm_memory_high_watermark", "0.0001")
    try:
        seen, findings = expect(rabbit, first, "failed", "rabbitmq-memory-alarm")
        assert f"all publishers are blocked: RabbitMQ on {second.name} is short of memory" in findings["rabbitmq-memory-alarm"]["cause"]
        assert {one["host"]: one["state"] for one in seen["members"]}[second.name] == "failed"
    finally:
        rabbit.ctl(second, "set_vm_memory_high_watermark", "0.6")
    well(rabbit)


def test_a_disk_alarm(rabbit):
    first = rabbit.lab.hosts[0]
    rabbit.ctl(first, "set_disk_free_limit", "900000GB")
    try:
        _, findings = expect(rabbit, first, "failed", "rabbitmq-disk-alarm")
        assert "short of disk space" in findings["rabbitmq-disk-alarm"]["cause"]
    finally:
        rabbit.ctl(first, "set_disk_free_limit", "50MB")
    well(rabbit)


def test_maintenance_is_somebodys_will_and_a_stopped_broker_is_not(rabbit):
    first, _, last = rabbit.lab.hosts
    last.run(["rabbitmq-upgrade", "drain"], timeout=60)
    seen, findings = expect(rabbit, first, "ok", "rabbitmq-drained")
    assert findings["rabbitmq-drained"]["intended"] and seen["summary"] == "2 of 3 nodes serve"
    last.run(["rabbitmq-upgrade", "revive"], timeout=60)
    well(rabbit)
    rabbit.ctl(last, "stop_app")
    _, findings = expect(rabbit, first, "degraded", "rabbitmq-stopped")
    assert "rabbitmqctl start_app" in findings["rabbitmq-stopped"]["next"]
    rabbit.ctl(last, "start_app")
    rabbit.ready()
    well(rabbit)


@pytest.mark.slow
def test_a_node_that_pauses_itself_in_the_minority(rabbit):
    first, _, last = rabbit.lab.hosts
    for host in rabbit.lab.hosts:
        rabbit.ctl(host, "eval", "application:set_env(rabbit, cluster_partition_handling, pause_minority).")
    last.cut()
    try:
        _, findings = expect(rabbit, last, "failed", "rabbitmq-stopped", "rabbitmq-silent", "rabbitmq-none-serves")
        assert "paused itself" in findings["rabbitmq-stopped"]["cause"]
        expect(rabbit, first, "degraded", "rabbitmq-silent")
    finally:
        last.heal()
    # It goes on by itself, now and then after minutes only: what it does then is not ours to test.
    rabbit.daemon[last].kill()
    rabbit.start_node(last)
    rabbit.ready()
    well(rabbit)
    for host in rabbit.lab.hosts:
        rabbit.ctl(host, "eval", "application:set_env(rabbit, cluster_partition_handling, ignore).")
