"""Fixtures for the tests against real services: the switch for slow ones, logs of failures."""
import pytest
from lab import living


def pytest_addoption(parser):
    """--run-slow: also what takes minutes."""
    parser.addoption("--run-slow", action="store_true", help="also run the tests marked slow")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """One worker for a file, whose tests share hosts; no slow tests unless asked for."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    if config.getoption("--run-slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the daemons of its labs wrote."""
    report = yield
    if report.failed:
        for lab in living():
            report.sections.append((f"logs of lab {lab.prefix}", lab.logs()))
    return report
