"""py-amqp's and kombu's own integration tests, twice on one broker."""
import sys
from pathlib import Path

import pytest
from suite import WORK, read_junit, run, source_of

HERE = Path(__file__).parent


def pytest_run(suite, source, broker, arguments, seconds):
    """One run of a suite that uses pytest."""
    xml, log = WORK / f"{suite.replace('/', '-')}.xml", WORK / f"{suite.replace('/', '-')}.log"
    xml.unlink(missing_ok=True)
    run([sys.executable, "-m", "pytest", "-q", "-p", "environments", "-p", "no:cacheprovider", "--timeout", "60",
         f"--junitxml={xml}", *arguments], log, seconds, source,
        PYTHONPATH=HERE, RABBITMQ_HOST="localhost", RABBITMQ_5672_TCP=broker.port)
    return read_junit(suite, xml, log)


@pytest.mark.xdist_group("python-clients")
def test_py_amqp(broker, report):
    """Without its TLS tests: TLS listeners come with a later issue."""
    source = source_of("amqp", "5.4.2")
    arguments = ["-E", "rabbitmq", "-k", "not tls", "t/integration"]
    outcomes = [report(pytest_run(f"py-amqp/{n}", source, broker, arguments, 180)) for n in (1, 2)]
    for outcome in outcomes:
        outcome.check()


@pytest.mark.xdist_group("python-clients")
def test_kombu(broker, report):
    """Its requeue test leaves messages in a durable queue that would fail its next run; RabbitMQ has that too."""
    source = source_of("kombu", "5.7.0")
    arguments = ["-E", "py-amqp", "t/integration/test_py_amqp.py"]
    outcomes = []
    for n in (1, 2):
        broker.ctl("delete_queue", "priority_requeue_test", check=False)
        outcomes.append(report(pytest_run(f"kombu/{n}", source, broker, arguments, 240)))
    for outcome in outcomes:
        outcome.check()
