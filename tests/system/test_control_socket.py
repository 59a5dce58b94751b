"""The control socket while the broker does not answer, and standard output that cannot be written."""
import os
import signal
import socket
import subprocess
import time

import pytest


@pytest.fixture
def frozen(broker):
    """The broker, stopped by a signal as a machine without memory or a debugger stops it."""
    process = broker.own_process()
    os.kill(process.pid, signal.SIGSTOP)
    yield broker
    os.kill(process.pid, signal.SIGCONT)


def timed(broker, *line, seconds=90):
    begin = time.monotonic()
    done = broker.ctl(*line, check=False, seconds=seconds)
    return done, time.monotonic() - begin


def test_no_command_waits_for_ever_on_a_frozen_daemon(frozen):
    """Without --timeout health checks end after ten seconds. What RabbitMQ 3.10.8 says was tried with one that was stopped."""
    done, took = timed(frozen, "ping")
    node = done.stdout.split()[2].rstrip(".")
    assert (done.returncode, 9 < took < 20) == (69, True), (done, took)
    assert done.stderr == f"Error:\nFailed to connect and authenticate to {node} in 10000 ms\n"
    for command in ("status", "cluster_status", "node_health_check"):
        done, took = timed(frozen, command)
        assert (done.returncode, 9 < took < 20) == (75, True), (command, done, took)
        assert done.stderr == f"Error: operation {command} on node {node} timed out. Timeout value used: 10000\n"


def test_a_frozen_daemons_listings_and_changes_end_as_rabbitmqs(frozen):
    for line, limit in (("list_users", "2000"), ("list_queues", "2000"), ("add_user x y", "2000"),
                        ("export_definitions -", "2000"), ("await_startup", "2000"), ("shutdown", "2000")):
        done, took = timed(frozen, *line.split(), "-t", "2")
        assert (done.returncode, took < 10) == (75, True), (line, done, took)
        assert f"timed out. Timeout value used: {limit}" in done.stderr, line


@pytest.mark.slow
def test_a_frozen_daemons_listings_end_after_a_minute(frozen):
    done, took = timed(frozen, "list_queues")
    assert (done.returncode, 55 < took < 75) == (75, True), (done, took)


def test_a_frozen_daemon_whose_backlog_is_full(frozen):
    """Connecting itself waits then, and knows no time limit of its own."""
    path = str(frozen.data / "ctl.sock")
    waiting = []
    try:
        while len(waiting) < 8192:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            client.connect(path)
    except BlockingIOError:
        pass
    assert len(waiting) < 8192
    try:
        done, took = timed(frozen, "ping", "-t", "2")
        assert (done.returncode, took < 10) == (69, True), (done, took)
        done, took = timed(frozen, "list_queues", "-t", "2")
        assert (done.returncode, took < 10) == (75, True), (done, took)
    finally:
        for client in waiting:
            client.close()


def test_a_thawed_daemon_answers_again(broker):
    process = broker.own_process()
    os.kill(process.pid, signal.SIGSTOP)
    assert timed(broker, "list_users", "-t", "1")[0].returncode == 75
    os.kill(process.pid, signal.SIGCONT)
    assert broker.ctl("list_users", "-q").returncode == 0


@pytest.mark.parametrize("line", ["list_users", "list_users -q", "status", "help", "version", "export_definitions -"])
def test_an_answer_that_cannot_be_written_is_an_error(broker, line):
    broker.own_process()
    with open("/dev/full", "w") as full:
        done = subprocess.run([broker.ctl_command, *line.split()], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, env=broker.ctl_environment)
    assert done.returncode == 70, done
    assert done.stderr == "Error: cannot write to standard output: No space left on device (os error 28)\n"


def test_a_reader_that_has_gone_is_no_error(broker):
    broker.own_process()
    done = subprocess.run(f"{broker.ctl_command} help | head -1; exit ${{PIPESTATUS[0]}}", shell=True,
                          executable="/bin/bash", capture_output=True, timeout=60, env=broker.ctl_environment)
    assert (done.returncode, done.stderr) == (0, b"")
