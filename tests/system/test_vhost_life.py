"""Vhosts made, opened and deleted where the system has nothing to open them with."""
import os
import resource
import subprocess

import pytest
from raw import Closed, Raw


def at_the_file_limit(broker, vhost):
    """Tries to add the vhost with next to no file descriptor left, fewer each time, and all again afterwards."""
    process = broker.own_process().pid
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    held = len(os.listdir(f"/proc/{process}/fd"))
    results = []
    for spare in range(8, 0, -1):
        resource.prlimit(process, resource.RLIMIT_NOFILE, (held + spare, before[1]))
        try:
            results.append(broker.ctl("add_vhost", vhost, check=False, seconds=5))
        except subprocess.TimeoutExpired:
            pass  # Not even the control socket gets one.
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
        listed = [vhost, "running"] in [[row[0], row[1].split(", ")[-1].rstrip("}]")] for row in
                                        broker.rows("list_vhosts", "name", "cluster_state")]
        assert listed or vhost not in [row[0] for row in broker.rows("list_vhosts", "name")], "known and not open"
        if listed:
            broker.ctl("delete_vhost", vhost)
    return results


def test_a_vhost_is_made_whole_or_not_at_all(make_broker):
    """However many files are left: what is listed is open, and what is refused can be made afterwards."""
    broker = make_broker()
    results = at_the_file_limit(broker, "half")
    assert any(result.returncode == 69 for result in results), results
    broker.ctl("add_vhost", "half")
    broker.ctl("set_permissions", "-p", "half", "guest", ".*", ".*", ".*")
    with Raw(broker, vhost="half") as raw:
        raw.channel()
    broker.restart()
    with Raw(broker, vhost="half") as raw:
        raw.channel()


def test_restart_vhost_says_what_rabbitmqs_does(make_broker):
    """Texts and exit codes as RabbitMQ 3.10.8 has them."""
    broker = make_broker('node.name="rabbit@here"')
    running = broker.ctl("restart_vhost")
    assert running.stdout == ("Trying to restart vhost '/' on node 'rabbit@here' ...\n"
                              "Vhost '/' is already running on node 'rabbit@here'\n")
    missing = broker.ctl("restart_vhost", "-p", "nope", check=False)
    assert missing.returncode == 70
    assert missing.stderr == ("Error:\nFailed to start vhost 'nope' on node 'rabbit@here'"
                              "Reason: {:no_such_vhost, \"nope\"}\n")
    assert broker.ctl("restart_vhost", "nope", check=False).returncode == 64
    with pytest.raises(Closed, match="vhost nope not found"):
        Raw(broker, vhost="nope")
