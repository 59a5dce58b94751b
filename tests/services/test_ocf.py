"""The agent ocf:aileron:broker called by hand: each action and each exit code, on daemons killed, frozen, hidden.

`test_ocf_group.py` and `test_ocf_clone.py` are the same agent under Pacemaker.
"""
import os
import signal
import time

import pytest
from lab import Lab, binary, broker

CLONE = {"OCF_RESKEY_CRM_meta_promotable": "true", "OCF_RESKEY_CRM_meta_timeout": "10000"}


@pytest.fixture(scope="module")
def lab():
    """The host of the broker, and one for a client."""
    with Lab(2, prefix="ocf") as lab:
        for host in lab.hosts:
            broker.install(host)
        yield lab


@pytest.fixture
def host(lab):
    """A host without a cluster, and without a broker before and after."""
    host = lab.hosts[0]
    yield host
    for pid in broker.daemons(host):
        os.kill(pid, signal.SIGKILL)
    assert broker.act(host, "stop")[0] == 0


def act(host, action, **environment):
    """The exit code of an action that is not expected to explain itself."""
    code, reason = broker.act(host, action, **environment)
    assert not reason, reason
    return code


def test_a_plain_resource_starts_serves_and_stops(host):
    assert act(host, "monitor") == 7
    assert act(host, "start") == 0 and act(host, "start") == 0
    assert act(host, "monitor") == 0 and act(host, "status") == 0
    assert act(host, "monitor", OCF_CHECK_LEVEL=10) == 0
    assert len(broker.daemons(host)) == 1
    broker.Client(host, host.ip).publish("by hand")
    pid = broker.daemons(host)[0]
    status = open(f"/proc/{pid}/status").read()
    assert f"Uid:\t{broker.USER}\t" in status and "NoNewPrivs:\t1" in status
    assert os.getsid(pid) == pid, "a session of its own: nothing ends with the cluster's daemons"
    assert act(host, "stop") == 0 and act(host, "stop") == 0
    assert act(host, "monitor") == 7 and not broker.daemons(host)


def test_a_promotable_one_waits_to_be_promoted(lab, host):
    def reachable():
        try:
            broker.Client(lab.hosts[1], host.ip).connect()
            return True
        except Exception:
            return False

    assert act(host, "start", **CLONE) == 0 and act(host, "monitor", **CLONE) == 0
    assert not reachable()
    for _ in range(2):
        assert act(host, "promote", **CLONE) == 0
        assert act(host, "monitor", **CLONE) == 8 and reachable()
    for _ in range(2):
        assert act(host, "demote", **CLONE) == 0
        assert act(host, "monitor", **CLONE) == 0 and not reachable()
    assert act(host, "promote", **CLONE) == 0
    # An operator who wants no new clients for a while takes nothing from its role.
    host.run([binary(), "ctl", "suspend_listeners"])
    assert not reachable()
    assert act(host, "monitor", **CLONE) == 8 and act(host, "monitor", OCF_CHECK_LEVEL=10, **CLONE) == 8
    assert act(host, "demote", **CLONE) == 0 and act(host, "monitor", **CLONE) == 0
    assert act(host, "promote", **CLONE) == 0 and act(host, "monitor", **CLONE) == 8 and reachable()
    host.run([binary(), "ctl", "suspend_listeners"])
    host.run([binary(), "ctl", "resume_listeners"])
    assert act(host, "monitor", **CLONE) == 8 and reachable()
    # Whatever it was before, a start leaves it unpromoted.
    assert act(host, "start", **CLONE) == 0 and act(host, "monitor", **CLONE) == 0
    assert act(host, "stop", **CLONE) == 0


def test_a_client_that_does_not_answer_is_waited_for_once(host):
    assert act(host, "start", **CLONE) == 0 and act(host, "promote", **CLONE) == 0
    client = broker.Client(host, host.ip)
    client.connect()
    took = []
    for action in ("demote", "stop"):
        begin = time.monotonic()
        assert act(host, action, **CLONE) == 0
        took.append(time.monotonic() - begin)
    assert took[0] > 0.9, "it did have its time"
    assert sum(took) < 2, took
    client.close()


def test_a_dead_one_is_not_running_and_its_demotion_and_stop_succeed(host):
    for action, code in (("monitor", 7), ("promote", 7), ("demote", 0), ("stop", 0)):
        assert act(host, "start", **CLONE) == 0
        os.kill(broker.daemons(host)[0], signal.SIGKILL)
        host.lab.until(lambda: not broker.daemons(host), what="it is dead")
        assert broker.act(host, action, **CLONE)[0] == code, action


def test_a_frozen_one_has_failed_is_not_called_stopped_and_is_ended_in_time(host):
    limits = {"OCF_RESKEY_CRM_meta_timeout": "8000"}
    assert act(host, "start") == 0
    pid = broker.daemons(host)[0]
    os.kill(pid, signal.SIGSTOP)
    for _ in range(2):
        begin = time.monotonic()
        assert broker.act(host, "monitor", **limits) == (1, "the broker runs and does not answer")
        assert time.monotonic() - begin < 8
    begin = time.monotonic()
    assert act(host, "stop", **limits) == 0
    assert time.monotonic() - begin < 8 and not broker.daemons(host)
    # One that cannot be told to stand by is ended: it must not come back to life promoted.
    assert act(host, "start", **CLONE) == 0 and act(host, "promote", **CLONE) == 0
    broker.kill(host, signal.SIGSTOP)
    assert act(host, "demote", **CLONE | limits) == 0
    assert act(host, "monitor", **CLONE) == 7


def test_it_is_known_without_its_socket_and_its_notes(host):
    assert act(host, "start") == 0
    host.run(["rm", "/run/aileron/ctl.sock"])
    code, reason = broker.act(host, "monitor")
    assert code == 1 and "cannot be asked" in reason
    host.run(["rm", "-r", "/run/resource-agents"])
    assert broker.act(host, "monitor")[0] == 1, "the data folder's lock says so"
    assert act(host, "stop") == 0 and not broker.daemons(host)


def test_one_started_by_hand_is_the_resource_too(host):
    daemon = host.start([binary(), "serve"], log="by-hand.log")
    host.lab.until(lambda: broker.act(host, "monitor")[0] == 0, what="it is seen")
    assert act(host, "start") == 0 and len(broker.daemons(host)) == 1
    assert act(host, "stop") == 0 and daemon.wait() == 0
    # It ran as root: what it made is for the resource's user as well from now on.
    host.run(["chown", "-R", "aileron:aileron", host.root / "data"])


def test_a_broken_configuration_forbids_a_start_and_hides_nothing(host):
    text = (host.folder / "etc/aileron/aileron.toml").read_text()
    assert act(host, "start") == 0
    host.etc("aileron/aileron.toml", text + "colour = 1\n")
    try:
        assert act(host, "monitor") == 0
        assert act(host, "stop") == 0 and not broker.daemons(host)
        code, reason = broker.act(host, "start")
        assert code == 2 and "unknown key 'ctl.colour'" in reason
        assert broker.act(host, "validate-all")[0] == 2 and act(host, "monitor") == 7
    finally:
        host.etc("aileron/aileron.toml", text)
    assert act(host, "validate-all") == 0


def test_wrong_parameters_are_told_from_a_wrong_host(host):
    for code, parameters in (
        (6, {"set": "broker.heartbeat=soon"}),
        (5, {"config": "/nonexistent.toml"}),
        (5, {"data_dir": "/nonexistent/mount/data"}),
        (5, {"user": "nobody-knows"}),
        (5, {"binary": "/nonexistent"}),
    ):
        for action in ("validate-all", "start"):
            seen, reason = broker.act(host, action, **parameters)
            assert seen == code and reason, (parameters, seen, reason)
    assert broker.act(host, "migrate")[0] == 3 and broker.act(host, "")[0] == 2
    assert not broker.daemons(host)


def test_a_start_that_fails_says_why(host):
    host.start(["socat", "TCP-LISTEN:5672,fork,reuseaddr", "PIPE"])
    host.lab.until(lambda: ":5672" in host.run(["ss", "-Hltn"]).stdout, what="the port is taken")
    code, reason = broker.act(host, "start")
    assert code == 1 and reason.startswith("cannot listen on 0.0.0.0:5672")
    assert act(host, "monitor") == 7
    # The port is asked for when clients shall come in: a promotion that fails leaves it unpromoted.
    assert act(host, "start", **CLONE) == 0
    code, reason = broker.act(host, "promote", **CLONE)
    assert code == 1 and reason.startswith("cannot listen on 0.0.0.0:5672")
    assert act(host, "monitor", **CLONE) == 0
    host.daemons[-1].kill()
    assert act(host, "promote", **CLONE) == 0


def test_another_broker_at_the_socket_is_not_taken_for_it(host):
    other = host.start([binary(), "serve", "--data-dir", host.mine("other"), "--set", "broker.listen=127.0.0.1:5673"])
    host.lab.until(lambda: host.run([binary(), "ctl", "await_startup"], check=False).returncode == 0, what="another broker")
    assert act(host, "monitor") == 7
    code, reason = broker.act(host, "start")
    assert code == 1 and reason.startswith("cannot listen on the control socket")
    assert act(host, "stop") == 0 and other.alive
    other.stop()


def test_it_conforms_to_the_api(host):
    done = host.run(["ocf-tester", "-n", "broker", broker.AGENT], timeout=120, check=False)
    assert done.returncode == 0 and "passed all tests" in done.stdout, done.stdout + done.stderr
    shown = host.run(["crm_resource", "--show-metadata=ocf:aileron:broker"])
    assert '<resource-agent name="broker"' in shown.stdout
    described = host.run(["pcs", "resource", "describe", "ocf:aileron:broker"], timeout=60).stdout
    assert "aileron message broker" in described and "timeout=300s" in described, described
