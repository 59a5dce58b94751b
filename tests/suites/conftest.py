"""Other people's suites: brokers for them, and one line of counts for each run."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from broker import Broker  # noqa: E402


@pytest.fixture
def broker(tmp_path):
    """A broker of the suite's own; both runs of the suite meet it."""
    broker = Broker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def report(record_property):
    """Takes a suite's Outcome: prints it, and fails on what is not known."""

    def take(outcome):
        record_property("suite", outcome.line())
        return outcome

    return take


def pytest_terminal_summary(terminalreporter):
    """The lines that script/tally adds up."""
    for reports in terminalreporter.stats.values():
        for one in reports:
            for key, value in getattr(one, "user_properties", ()):
                if key == "suite" and one.when == "call":
                    terminalreporter.write_line(value)
