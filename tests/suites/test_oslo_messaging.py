"""oslo.messaging's functional tests (rabbit driver, classic queues), twice on one broker."""
import os
import re
import sys
from pathlib import Path

import pytest
from suite import WORK, Outcome, run, source_of

# It starts a cluster of its own through pifpaf, with an option value that the
# current oslo.config refuses: it fails before any broker is touched.
LEFT_OUT = "RabbitMQFailoverTests"


def oslo_run(suite, source, broker, vhost):
    """One run; stestr's own lines are read."""
    log = WORK / f"{suite.replace('/', '-')}.log"
    # Without resolving links: the environment's programs stand beside its python.
    programs = Path(sys.executable).parent
    address = broker.url("rabbit", vhost)
    run([programs / "stestr", "run", "--concurrency", "5", "--exclude-regex", LEFT_OUT, "oslo_messaging.tests.functional"],
        log, 500, source, TRANSPORT_DRIVER="rabbit", RPC_TRANSPORT_URL=address, NOTIFY_TRANSPORT_URL=address,
        OS_TEST_TIMEOUT=120, PYTHONPATH=source, PATH=f"{programs}:{os.environ['PATH']}")
    outcome = Outcome(suite, log=log)
    for test, word in re.findall(r"^\{\d+\} (\S+) .*\.\.\. (ok|FAILED|SKIPPED)", log.read_text(errors="replace"), re.M):
        outcome.passed += word == "ok"
        outcome.skipped += word == "SKIPPED"
        if word == "FAILED":
            outcome.failed.append(test)
    return outcome


@pytest.mark.xdist_group("oslo")
def test_oslo_messaging(broker, report):
    """31 tests, in a virtual host of their own."""
    source = source_of("oslo.messaging", "18.3.1")
    vhost = "oslo-suite"
    broker.ctl("delete_vhost", vhost, check=False)
    broker.ctl("add_vhost", vhost)
    broker.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
    outcomes = [report(oslo_run(f"oslo/{n}", source, broker, vhost)) for n in (1, 2)]
    for outcome in outcomes:
        outcome.check()
