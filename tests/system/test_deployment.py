"""What deployment tools call beside the everyday commands: waiting, health, what cannot be set, arguments without effect."""
import os
import signal
import subprocess
import time

import pytest


def test_wait_follows_a_pid_file_until_the_broker_has_started(broker, tmp_path):
    process = broker.own_process()
    pid_file = tmp_path / "pid"
    waiting = subprocess.Popen([broker.ctl_command, "wait", "--timeout", "30", str(pid_file)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=broker.ctl_environment)
    time.sleep(0.5)
    assert waiting.poll() is None, "there is no file yet"
    pid_file.write_text(f"{process.pid}\n")
    out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, err) == (0, ""), out
    lines = out.splitlines()
    assert lines[:2] == [f"Waiting for pid file '{pid_file}' to appear", f"pid is {process.pid}"]
    assert lines[-1].startswith("Applications 'rabbit_and_plugins' are running on node '")


def test_wait_ends_with_the_process_and_with_its_time(broker):
    process = broker.own_process()
    gone = broker.ctl("wait", "--pid", "99999999", check=False)
    assert (gone.returncode, gone.stderr) == (69, "Error:\nprocess_not_running\n")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        frozen = broker.ctl("wait", "--pid", str(process.pid), "-t", "2", check=False)
        assert frozen.returncode == 75 and "operation wait on node" in frozen.stderr
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert broker.ctl("wait", "-q", "--pid", str(process.pid)).stdout == ""


def test_health_is_not_passed_under_an_alarm(make_broker):
    broker = make_broker("broker.memory_high_watermark=1000000")
    for _ in range(50):
        if broker.rows("list_users") and "memory" in broker.ctl("status").stdout.split("Alarms")[1][:200]:
            break
        time.sleep(0.2)
    sick = broker.ctl("node_health_check", "-q", check=False)
    assert sick.returncode == 70
    assert sick.stderr.startswith("Error:\nError: health check failed. Message: resource alarm(s) in effect:[{resource_limit,memory,")


@pytest.mark.parametrize("line", ["set_policy ha-all .* {}", "clear_policy x", "set_vhost_limits {}", "stop_app", "eval 1."])
def test_what_is_not_there_says_so_in_one_line(broker, line):
    broker.own_process()
    done = broker.ctl(*line.split(), check=False)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith(f"Error: aileron has no '{line.split()[0]}': ")
    assert "docs/compatibility.md" in done.stderr and done.stderr.count("\n") == 1


def test_hash_password_makes_what_a_definitions_file_takes(broker, tmp_path):
    broker.own_process()
    hashed = broker.ctl("-q", "hash_password", "s3cret").stdout.strip()
    file = tmp_path / "users.json"
    file.write_text('{"users": [{"name": "hashed", "password_hash": "%s", "tags": []}]}' % hashed)
    broker.ctl("import_definitions", str(file))
    assert broker.ctl("authenticate_user", "hashed", "s3cret").returncode == 0
    assert "s3cret" not in broker.ctl("hash_password", "s3cret").stdout


def test_arguments_without_effect_are_told_once_a_queue(broker):
    broker.own_process()
    connection = broker.connect()
    channel = connection.channel()
    arguments = {"x-max-length": 5, "x-dead-letter-exchange": "dlx", "x-single-active-consumer": True, "x-message-ttl": 1000}
    for _ in range(3):
        channel.queue_declare("told-once", arguments=arguments)
    channel.queue_declare("quiet", arguments={"x-message-ttl": 1000, "x-single-active-consumer": False, "x-ha-policy": "all"})
    connection.close()
    told = [line for line in broker.log_text().splitlines() if "no effect" in line]
    assert len(told) == 1, told
    assert "WARN" in told[0] and "x-max-length, x-dead-letter-exchange, x-single-active-consumer" in told[0]
    assert "told-once" in told[0] and "docs/compatibility.md" in told[0]
