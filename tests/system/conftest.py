"""Fixtures for the system tests: brokers, and the switch for slow tests."""
import subprocess
import uuid

import pytest
from broker import Broker


def pytest_addoption(parser):
    """--run-slow: also what takes minutes or gigabytes."""
    parser.addoption("--run-slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config, items):
    """Leaves the slow tests out unless they are asked for."""
    if config.getoption("--run-slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory):
    """One broker for all tests of this worker that leave it as they found it."""
    broker = Broker(tmp_path_factory.mktemp("shared-broker"))
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def broker(tmp_path):
    """A broker of the test's own, on an empty data folder."""
    broker = Broker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def make_broker(tmp_path):
    """Makes brokers with settings, and a folder, of their own: make_broker("broker.heartbeat=2", name="copy")."""
    made = []

    def make(*settings, name=None, environment=None):
        broker = Broker(tmp_path / (name or f"broker{len(made)}"), settings, environment)
        if broker.external and (settings or environment):
            pytest.skip("needs a broker with settings of its own")
        made.append(broker)
        broker.start()
        return broker

    yield make
    for broker in made:
        broker.close()


@pytest.fixture
def make_disk(tmp_path):
    """Makes a file system of its own: make_disk("112m"); skips where none can be mounted."""
    made = []

    def make(size):
        folder = tmp_path / "disk"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        mounted = subprocess.run(mount, capture_output=True, text=True)
        if mounted.returncode != 0:
            pytest.skip(f"cannot mount a file system: {mounted.stderr.strip()}")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def name():
    """A name that no other test uses, for queues and exchanges."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def channel(shared_broker):
    """A pika channel on the shared broker."""
    connection = shared_broker.connect()
    yield connection.channel()
    if connection.is_open:
        connection.close()
