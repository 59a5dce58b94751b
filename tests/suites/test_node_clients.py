"""Node's clients: amqplib's own tests, and what users of amqplib and rabbitmq-client do; each twice on one broker."""
import re
import shutil
import threading
from pathlib import Path

import pytest
from suite import WORK, Outcome, run, tail

HERE = Path(__file__).parent / "node"
RUNS = (1, 2)


@pytest.fixture(scope="module")
def clients():
    """A folder with the pinned packages and our files, made by npm as the lock file says."""
    folder, wanted = WORK / "node", HERE / "package-lock.json"
    made = folder / "package-lock.json"
    if not made.exists() or made.read_bytes() != wanted.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        staging = WORK / "node-new"
        shutil.rmtree(staging, ignore_errors=True)
        shutil.copytree(HERE, staging)
        log = WORK / "node-npm.log"
        code = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], log, 300, staging)
        assert code == 0, f"cannot get the Node clients:\n{tail(log)}"
        staging.rename(folder)
    for path in HERE.iterdir():
        shutil.copy(path, folder)
    return folder


class Restarter(threading.Thread):
    """Restarts the broker whenever a test asks for it with a file, and takes the file away."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker, self.file, self.over = broker, broker.folder / "restart", threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            if self.file.exists():
                self.broker.restart()
                self.file.unlink()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def node_run(suite, folder, files, broker, seconds):
    """One run; the lines of report.mjs are read."""
    log = WORK / f"{suite.replace('/', '-')}.log"
    with Restarter(broker) as restarter:
        code = run(["node", "--test", "--test-reporter", HERE / "report.mjs", *files],
                   log, seconds, folder, NODE_OPTIONS=f"--require={HERE / 'elsewhere.cjs'}", BROKER_PORT=broker.port,
                   BROKER_URL=broker.url(vhost=""), RESTART_FILE=restarter.file)
    outcome = Outcome(suite, log=log)
    for word, test in re.findall(r"^(ok|not ok|skipped) (.+)$", log.read_text(errors="replace"), re.M):
        outcome.passed += word == "ok"
        outcome.skipped += word == "skipped"
        if word == "not ok":
            outcome.failed.append(test.replace(" ", "_"))
    if code != 0 and not outcome.failed:
        outcome.failed.append(f"the_run_ended_with_{code}")
    return outcome


@pytest.mark.xdist_group("node")
def test_amqplib_its_own(clients, broker, report):
    """Those of its package; the files one after the other, for they share names of queues."""
    package = clients / "node_modules/amqplib"
    files = ["--test-concurrency=1", *sorted(package.glob("test/*.test.js"))]
    outcomes = [report(node_run(f"amqplib/{n}", package, files, broker, 180)) for n in RUNS]
    for outcome in outcomes:
        outcome.check()


@pytest.mark.xdist_group("node")
@pytest.mark.parametrize("client", ["amqplib", "rabbitmq-client"])
def test_scenarios(clients, broker, report, client):
    """Ours, in node/*.scenarios.mjs."""
    files = [clients / f"{client}.scenarios.mjs"]
    outcomes = [report(node_run(f"{client}-users/{n}", clients, files, broker, 100)) for n in RUNS]
    for outcome in outcomes:
        outcome.check()
