"""What docs/openstack.md says of oslo.messaging's options: each tried with the newest release and with Debian's own.

A call, a cast, a fanout and a notification, by an unmodified oslo.messaging (oslo_cloud.py). What the page says works
must work; what it says does not must end as it says.
"""
import json
import os
import re
import subprocess
import sys
from functools import cache

import pytest
from broker import REPOSITORY, free_port

PAGE = REPOSITORY / "docs" / "openstack.md"
CLOUD = REPOSITORY / "tests" / "system" / "oslo_cloud.py"
DEBIAN = "/usr/bin/python3"
STREAMS = ("rabbit_stream_fanout=true", "rabbit_quorum_queue=true", "rabbit_transient_quorum_queue=true",
           "rabbit_qos_prefetch_count=10")
# Of one release only; the others are common to both.
NEWEST = {
    "rabbit_transient_quorum_queue": ("rabbit_quorum_queue=true", "rabbit_transient_quorum_queue=true"),
    "rabbit_quorum_max_memory_length": ("rabbit_quorum_queue=true", "rabbit_quorum_max_memory_length=1000",
                                        "rabbit_quorum_max_memory_bytes=1000000"),
    "use_queue_manager": ("use_queue_manager=true",),
}
OLDER = {"heartbeat_in_pthread": ("heartbeat_in_pthread=true",)}
COMMON = {
    "no option": (),
    "amqp_durable_queues": ("amqp_durable_queues=true",),
    "amqp_auto_delete": ("amqp_auto_delete=true",),
    "rabbit_quorum_queue": ("rabbit_quorum_queue=true",),
    "rabbit_quorum_delivery_limit": ("rabbit_quorum_queue=true", "rabbit_quorum_delivery_limit=5"),
    "rabbit_ha_queues": ("rabbit_ha_queues=true",),
    "rabbit_transient_queues_ttl": ("rabbit_transient_queues_ttl=60",),
    "rabbit_qos_prefetch_count": ("rabbit_qos_prefetch_count=5",),
    "enable_cancel_on_failover": ("enable_cancel_on_failover=true",),
    "heartbeat_timeout_threshold": ("heartbeat_timeout_threshold=0",),
    "kombu_compression": ("kombu_compression=gzip",),
    "rabbit_login_method": ("rabbit_login_method=PLAIN",),
}


# What a service that is configured wrongly logs: the page's table of troubles has the words.
TROUBLES = {
    "password": ("rabbit://guest:wrong@127.0.0.1:{port}/", "(403) ACCESS_REFUSED - Login was refused"),
    "vhost": ("rabbit://guest:guest@127.0.0.1:{port}/nowhere", "(530) NOT_ALLOWED - vhost"),
    "nobody listens": ("rabbit://guest:guest@127.0.0.1:{free}/", "[Errno 111] Connection refused"),
    "ssl": ("rabbit://guest:guest@127.0.0.1:{port}/?ssl=true", "[SSL: WRONG_VERSION_NUMBER]"),
}
CONNECT = """
import logging, sys, oslo_messaging
from oslo_config import cfg
logging.basicConfig(level=logging.WARNING)
cfg.CONF([])
transport = oslo_messaging.get_notification_transport(cfg.CONF, url=sys.argv[1])
oslo_messaging.Notifier(transport, "p", driver="messaging", topics=["t"], retry=0).info({}, "event", {})
"""


@cache
def debian_has_it():
    """Whether Debian's python3-oslo.messaging is installed."""
    return subprocess.run([DEBIAN, "-c", "import oslo_messaging"], capture_output=True).returncode == 0


def cloud(python, url, name, options):
    """What a cloud with these options says of each kind of message."""
    if python == DEBIAN and not debian_has_it():
        pytest.skip("no oslo.messaging of Debian's (apt-get install python3-oslo.messaging)")
    done = subprocess.run([python, "-W", "ignore", CLOUD, url, name, *options], capture_output=True, text=True,
                          timeout=100, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def works(said):
    """All four kinds."""
    return {kind: said[kind] for kind in ("call", "cast", "fanout", "notify")} == dict.fromkeys(
        ("call", "cast", "fanout", "notify"), "ok")


CASES = [(python, option) for python, more in ((sys.executable, NEWEST), (DEBIAN, OLDER)) for option in COMMON | more]


@pytest.mark.parametrize("python,option", CASES,
                         ids=[f"{'debian' if python == DEBIAN else 'newest'}-{option}" for python, option in CASES])
def test_an_option_works_as_the_page_says(shared_broker, name, python, option):
    """With the option set all messages arrive; the page's table has a line for it."""
    said = cloud(python, shared_broker.url("rabbit"), name, (COMMON | NEWEST | OLDER)[option])
    assert works(said), said
    if option != "no option":
        assert re.search(rf"^\| `[^|]*\b{option}\b", PAGE.read_text(), re.M), f"docs/openstack.md has no line of {option}"


def test_quorum_queues_are_durable_queues_here(shared_broker, name):
    """They keep their type as an argument, so that services declare them again without a conflict."""
    assert works(cloud(sys.executable, shared_broker.url("rabbit"), name, ("rabbit_quorum_queue=true",)))
    rows = {row[0]: row[1:] for row in shared_broker.rows("list_queues", "name", "type", "durable", "arguments")}
    assert rows[name] == ["classic", "true", '[{"x-queue-type","quorum"}]'], rows


def test_streams_are_refused_in_words(shared_broker, name):
    """rabbit_stream_fanout does not work, and the service's log says why in the words that the page shows."""
    said = cloud(sys.executable, shared_broker.url("rabbit"), name, STREAMS)
    assert "unsupported queue type 'stream'" in said["fanout"], said
    assert "unsupported queue type 'stream'" in PAGE.read_text()


def test_an_option_changed_halfway_is_told_by_the_broker(shared_broker, name):
    """The old exchange is in the way until it is deleted: the words of the page's table of troubles."""
    assert works(cloud(sys.executable, shared_broker.url("rabbit"), name, ()))
    said = cloud(sys.executable, shared_broker.url("rabbit"), name, ("amqp_durable_queues=true",))
    words = f"inequivalent arg 'durable' for exchange '{name}' in vhost '/': received 'true' but current is 'false'"
    assert any(words in what for what in said.values()), said
    assert "inequivalent arg 'durable' for exchange" in PAGE.read_text()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_reads_as_the_page_says(shared_broker, trouble):
    """The words to look for in a service's log."""
    url, words = TROUBLES[trouble]
    command = [sys.executable, "-W", "ignore", "-c", CONNECT, url.format(port=shared_broker.port, free=free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert words in done.stderr, done.stderr[-2000:]
    assert words in PAGE.read_text()


@pytest.mark.parametrize("python", [sys.executable, DEBIAN], ids=["newest", "debian"])
def test_three_addresses_of_which_one_listens(shared_broker, name, python):
    """A transport_url of three nodes, two of them standing by: the one that serves is found."""
    nodes = ",".join(f"guest:guest@127.0.0.1:{port}" for port in (free_port(), free_port(), shared_broker.port))
    assert works(cloud(python, f"rabbit://{nodes}/", name, ("rabbit_retry_interval=1",)))
