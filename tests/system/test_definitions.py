"""Definitions out of one broker and into another: ours and the real RabbitMQ 3.10.8, both ways."""
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pika
import pytest
from broker import Broker, free_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER = "rabbitmq"
SECONDS = 120


class RabbitMq:
    """A RabbitMQ of the test's own, as its own user, with everything of it in one folder."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        for name in ("mnesia", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "plugins").write_text("[].")
        self.environment = os.environ | {
            "HOME": str(folder), "RABBITMQ_NODENAME": f"definitions{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()), "ERL_EPMD_PORT": str(free_port()), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"), "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1"}  # fmt: skip
        subprocess.run(["chown", "-R", f"{USER}:", folder], check=True)

    def start(self):
        with open(self.folder / "server.log", "wb") as log:
            self.process = subprocess.Popen([SERVER], stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=USER, group=USER,
                                            extra_groups=[], env=self.environment, cwd=self.folder)
        deadline = time.monotonic() + SECONDS
        while self.ctl("await_startup", "-t", "10", check=False).returncode != 0:
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "server.log").read_text()
            time.sleep(1)

    def ctl(self, *arguments, check=True, stdin=subprocess.DEVNULL):
        done = subprocess.run([SERVER.with_name("rabbitmqctl"), *arguments], capture_output=True, text=True, timeout=SECONDS,
                              stdin=stdin, user=USER, group=USER, extra_groups=[], env=self.environment, cwd=self.folder)
        assert not check or done.returncode == 0, done
        return done

    def connect(self, user="guest", password="guest"):
        return pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.port, "/", pika.PlainCredentials(user, password), socket_timeout=30))

    def close(self):
        self.ctl("stop", check=False)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
        # The port mapper was started by the node, and ends when no node is registered.
        subprocess.run(["epmd", "-kill"], env=self.environment, capture_output=True, timeout=30)


@pytest.fixture
def rabbitmq():
    """In a folder that the server's user can reach, which a test's own is not."""
    if not SERVER.exists() or os.geteuid() != 0:
        pytest.skip("needs root and an installed rabbitmq-server")
    folder = Path(f"/tmp/aileron-definitions-{os.getpid()}")
    broker = RabbitMq(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()
        shutil.rmtree(folder, ignore_errors=True)


def fill(broker, name):
    """Something of everything that a definitions file has, named after its broker."""
    ctl, vhost = broker.ctl, f"vhost-{name}"
    ctl("add_vhost", vhost, "--description", f"of {name}")
    ctl("add_user", f"user-{name}", f"secret-{name}")
    ctl("set_user_tags", f"user-{name}", "monitoring", "policymaker")
    for place in ("/", vhost):
        ctl("set_permissions", "-p", place, f"user-{name}", "^a\\.", ".*", "")
    connection = broker.connect()
    channel = connection.channel()
    arguments = {"x-message-ttl": 60000, "x-max-priority": 5, "x-expires": 3600000, "text": "a \"quoted\" täg",
                 "list": [1, "two", {"three": True}], "table": {"a": False}, "x-queue-mode": "lazy"}
    for kind in ("direct", "fanout", "topic", "headers"):
        channel.exchange_declare(f"x-{kind}-{name}", kind, durable=kind != "fanout", auto_delete=kind == "topic",
                                 arguments={"alternate-exchange": "amq.fanout"} if kind == "direct" else None)
    channel.queue_declare(f"q-{name}", durable=True, arguments=arguments)
    channel.queue_declare(f"q-transient-{name}", auto_delete=True)
    channel.queue_bind(f"q-{name}", f"x-topic-{name}", "a.*.#")
    channel.queue_bind(f"q-{name}", f"x-headers-{name}", "", {"x-match": "any", "a": 1, "b": "two"})
    channel.queue_bind(f"q-transient-{name}", "amq.direct", "k e y")
    channel.exchange_bind(f"x-fanout-{name}", f"x-direct-{name}", "to-exchange")
    connection.close()


def defined(broker):
    """What is defined, comparable: RabbitMQ promises no order, and keeps a vhost's tags as they were given."""
    exported = json.loads(broker.ctl("export_definitions", "-").stdout)
    for vhost in exported["vhosts"]:
        vhost["metadata"].pop("tags")
    exported.pop("global_parameters")
    # To RabbitMQ a binding by the number 1 of another type is another binding: a file that has been to JSON brings it a second.
    exported["bindings"] = [json.loads(each) for each in {json.dumps(each, sort_keys=True) for each in exported["bindings"]}]
    return {key: sorted(value, key=json.dumps) if isinstance(value, list) else value for key, value in exported.items()}


def test_definitions_go_to_rabbitmq_and_come_from_it(broker, rabbitmq, tmp_path):
    broker.own_process()
    fill(broker, "ours")
    fill(rabbitmq, "theirs")
    theirs, ours = rabbitmq.folder / "theirs.json", rabbitmq.folder / "ours.json"
    rabbitmq.ctl("export_definitions", str(theirs))
    done = broker.ctl("import_definitions", str(theirs))
    assert done.stderr == "", "all of it is built here"
    broker.ctl("export_definitions", str(ours))
    assert ours.stat().st_mode & 0o777 == 0o600, "it has password hashes"
    shutil.chown(ours, USER)
    rabbitmq.ctl("import_definitions", str(ours))
    # RabbitMQ's import says of itself that it takes some time.
    deadline = time.monotonic() + 30
    while defined(broker) != defined(rabbitmq) and time.monotonic() < deadline:
        time.sleep(1)
    one, other = defined(broker), defined(rabbitmq)
    for what, definitions in one.items():
        assert definitions == other[what], what
    assert {queue["name"] for queue in defined(broker)["queues"]} == {
        f"q{middle}-{name}" for middle in ("", "-transient") for name in ("ours", "theirs")}
    for each in (broker, rabbitmq):
        for name in ("ours", "theirs"):
            each.ctl("authenticate_user", f"user-{name}", f"secret-{name}")
    # What each has now is what the other one declares: a service notices nothing.
    for each in (broker, rabbitmq):
        connection = each.connect()
        channel = connection.channel()
        for name in ("ours", "theirs"):
            channel.queue_declare(f"q-transient-{name}", auto_delete=True)
            channel.exchange_declare(f"x-headers-{name}", "headers", durable=True)
        connection.close()


def test_an_import_is_on_disk_before_it_is_answered_and_can_be_done_again(make_broker, tmp_path):
    first = make_broker(name="first")
    first.own_process()
    fill(first, "it")
    file = tmp_path / "definitions.json"
    first.ctl("export_definitions", str(file))
    second = make_broker(name="second")
    second.ctl("import_definitions", str(file))
    second.kill()
    second.start()
    before = defined(second)
    kept = [queue["name"] for queue in before["queues"]]
    assert kept == ["q-it"], "transient queues end with the process"
    assert before["users"] == defined(first)["users"]
    # Into the broker that it is from, too, whose bindings know other types of numbers than JSON.
    before = first.ctl("export_definitions", "-").stdout
    first.ctl("import_definitions", str(file))
    assert first.ctl("export_definitions", "-").stdout == before
    for how in ([str(file)], ["-"], []):
        done = subprocess.run([second.ctl_command, "import_definitions", *how], stdin=open(file), capture_output=True,
                              text=True, timeout=60, env=second.ctl_environment)
        assert (done.returncode, done.stderr) == (0, "")
    assert defined(second) == defined(first)


def test_one_mistake_keeps_all_of_an_import_out(broker, tmp_path):
    broker.own_process()
    before = defined(broker)
    good = {"vhosts": [{"name": "v"}], "users": [{"name": "u", "password": "p", "tags": []}],
            "queues": [{"name": "q", "vhost": "v", "durable": True, "auto_delete": False, "arguments": {}}]}
    queue = good["queues"][0]
    for change, code, told in (
            ({"queues": [queue, {**queue, "vhost": "nope"}]}, 65, "Virtual host 'nope' does not exist"),
            ({"queues": [queue, {**queue, "arguments": {"x-message-ttl": "a"}}]}, 69, "invalid arg 'x-message-ttl'"),
            ({"exchanges": [{**queue, "type": "odd"}]}, 69, "unknown exchange type 'odd'"),
            ({"permissions": [{"user": "u", "vhost": "v", "configure": "(", "write": "", "read": ""}]}, 69, "invalid_regexp"),
            ({"permissions": [{"user": "w", "vhost": "v", "configure": "", "write": "", "read": ""}]}, 69, "no_such_user"),
            ({"users": [{"name": "u"}]}, 69, "users[0] 'u'")):
        file = tmp_path / "bad.json"
        file.write_text(json.dumps(good | change))
        done = broker.ctl("import_definitions", str(file), check=False)
        assert done.returncode == code and told in done.stderr, done
        assert defined(broker) == before, told


def test_what_an_import_leaves_out_is_named(broker, tmp_path):
    broker.own_process()
    file = tmp_path / "more.json"
    file.write_text(json.dumps({"policies": [{"name": "ha-all", "vhost": "/"}], "vhosts": [{"name": "v"}],
                                "bindings": [{"source": "amq.topic", "vhost": "/", "destination": "gone",
                                              "destination_type": "queue", "routing_key": "", "arguments": {}}]}))
    done = broker.ctl("import_definitions", str(file))
    assert done.stderr.splitlines() == [
        "left out: 1 policies: ha-all",
        "left out: the binding of 'amq.topic' to 'gone' in vhost '/': there is no queue 'gone'"]
    assert ["v"] in broker.rows("list_vhosts")
