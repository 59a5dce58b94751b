"""What the README tells a newcomer to type, typed: script/server, a message, rabbitmqctl, Ctrl-C."""
import os
import re
import shlex
import signal
import subprocess
import time

import pika
import pytest
from broker import REPOSITORY, binary, free_port

README = REPOSITORY / "README.md"


def blocks(language):
    """The README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.M | re.S)


@pytest.fixture
def served(tmp_path):
    """script/server on a port and folder of its own, ended by the test or, at the latest, here."""
    if "AMQP_PORT" in os.environ or "release" not in binary().parts:
        pytest.skip("script/server would have to compile first: runs with the release build only")
    port, log = free_port(), tmp_path / "server.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [REPOSITORY / "script/server", "--data-dir", tmp_path / "data", "--set",
             f'broker.listen=["127.0.0.1:{port}"]'], stdout=out, stderr=out, cwd=REPOSITORY)
    process.port, process.log, process.data = port, log, tmp_path / "data"
    end = time.monotonic() + 900
    while "aileron: ready" not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait(30)


@pytest.mark.timeout(1200)
def test_server_starts_and_stops(served):
    """Ready, usable, and gone cleanly on Ctrl-C."""
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", served.port))
    connection.channel().queue_declare("greeting")
    served.send_signal(signal.SIGINT)
    assert served.wait(30) == 0
    assert f"amqp listening on 127.0.0.1:{served.port}" in served.log.read_text()


def test_readme_walk_through(broker, tmp_path):
    """The README's commands, each with the address of the broker under test, show what it says they show."""
    if broker.external:
        pytest.skip("needs our rabbitmqctl")
    environment = broker.ctl_environment | {
        "PATH": f"{broker.folder}:{REPOSITORY}/.work/venv/bin:{os.environ['PATH']}"}
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    walked = [command for command in commands if shlex.split(command)[0] in ("python3", "rabbitmqctl")]
    assert len(walked) >= 4, "the README's walk-through is gone"
    text = README.read_text()
    for command in walked:
        done = subprocess.run(command.replace(":5672", f":{broker.port}"), shell=True, env=environment,
                              cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        for line in done.stdout.splitlines():
            assert line in text, f"{command} printed {line!r}, which the README does not show"
