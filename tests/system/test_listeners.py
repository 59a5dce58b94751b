"""Listeners suspended and resumed: `rabbitmqctl suspend_listeners`, `serve --standby`; one daemon a data folder."""
import json
import os
import socket
import subprocess

import pika
import pytest
from broker import Broker, free_port

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def refused(broker):
    """True when nobody listens."""
    try:
        broker.socket(2).close()
    except ConnectionRefusedError:
        return True
    return False


def test_suspended_listeners_take_nobody_and_lose_nobody(broker):
    there = broker.connect()
    channel = there.channel()
    channel.queue_declare("work", durable=True)
    done = broker.ctl("suspend_listeners")
    assert done.stdout.startswith("Will suspend client connection listeners on node rabbit@")
    assert done.stdout.endswith(". The node will no longer accept client connections!\n")
    assert refused(broker)
    channel.confirm_delivery()
    channel.basic_publish("", "work", b"still here", PERSISTENT)
    assert broker.ctl("-q", "suspend_listeners").stdout == ""  # once more is no error
    assert "5672" not in broker.ctl("-q", "status").stdout.partition("Listeners")[2]
    done = broker.ctl("resume_listeners")
    assert done.stdout.endswith(". The node will now accept client connections\n")
    broker.ctl("resume_listeners")
    with broker.connect() as again:
        assert again.channel().basic_get("work", auto_ack=True)[2] == b"still here"
    there.close()


def test_a_port_taken_meanwhile_keeps_the_listeners_suspended(broker):
    if broker.external:
        pytest.skip("takes the broker's port")
    broker.ctl("suspend_listeners")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", broker.port))
        other.listen()
        done = broker.ctl("resume_listeners", check=False)
        assert done.returncode == 69 and f"cannot listen on 127.0.0.1:{broker.port}" in done.stderr
        assert f": pid {os.getpid()} (" in done.stderr
    broker.ctl("resume_listeners")
    broker.connect().close()


class Standby(Broker):
    """A broker that is started with its listeners suspended."""

    def command(self):
        return [*super().command(), "--standby"]


def ask(broker, request):
    """What the control socket answers: (greeting, answer)."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(str(broker.data / "ctl.sock"))
        reader = link.makefile("rb")
        greeting = json.loads(reader.readline())
        link.sendall(json.dumps(request).encode() + b"\n")
        return greeting, json.loads(reader.readline())


def test_a_standby_lets_nobody_in_before_it_is_told_to(tmp_path):
    broker = Standby(tmp_path / "standby")
    if broker.external:
        pytest.skip("needs a broker of its own")
    broker.start()
    try:
        assert "standing by" in broker.log_text() and refused(broker)
        greeting, answer = ask(broker, {"command": "self_check"})
        assert (greeting["ready"], greeting["listening"], greeting["log_failed"]) == (True, False, False)
        assert "done" in answer
        broker.ctl("resume_listeners")
        there = broker.connect()
        channel = there.channel()
        channel.confirm_delivery()
        channel.queue_declare("work", durable=True)
        channel.basic_publish("", "work", b"kept", PERSISTENT)
        greeting, answer = ask(broker, {"command": "self_check"})
        assert greeting["listening"] and greeting["log_position"] > 0 and "done" in answer
        # Back to standing by: who is there is told to go.
        ask(broker, {"command": "stand_by", "reason": "this node stands by"})
        assert refused(broker)
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as told:
            there.process_data_events(time_limit=10)
        assert (told.value.reply_code, told.value.reply_text) == (320, "CONNECTION_FORCED - this node stands by")
        assert broker.rows("list_connections", "name") == []
        broker.ctl("resume_listeners")
        with broker.connect() as again:
            assert again.channel().basic_get("work")[2] == b"kept"
        # How far the log has come is known over a restart, too.
        position = ask(broker, {"command": "ping"})[0]["log_position"]
        broker.kill()
        broker.start()
        assert ask(broker, {"command": "ping"})[0]["log_position"] >= position > 0
    finally:
        broker.close()


def test_two_daemons_cannot_have_one_data_folder(broker):
    own = broker.own_process()
    other = [
        broker.command()[0], "serve", "--data-dir", str(broker.data),
        "--set", f"broker.listen=127.0.0.1:{free_port()}", "--set", f"ctl.socket={broker.folder}/other.sock",
    ]  # fmt: skip
    # Not while the first one works, nor while it hangs.
    for signals in ((), ("STOP", "CONT")):
        for name in signals[:1]:
            subprocess.run(["kill", f"-{name}", str(own.pid)], check=True)
        done = subprocess.run(other, capture_output=True, text=True, timeout=30)
        for name in signals[1:]:
            subprocess.run(["kill", f"-{name}", str(own.pid)], check=True)
        assert done.returncode == 69 and f"is in use by pid {own.pid} (aileron)" in done.stderr
    broker.connect().close()
