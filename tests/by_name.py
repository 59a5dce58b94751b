"""pytest plugin for script/test NAME: --name NAME keeps the tests that have it in their name (file::test[case]).

Unlike -k it takes any text, Rust's `queue::paging` too; and a run in which nothing has the name is no failure,
for the name may be another runner's.
"""
import pytest


def pytest_addoption(parser):
    """--name NAME"""
    parser.addoption("--name", help="only tests with this in their name, whatever the case")


def pytest_collection_modifyitems(config, items):
    """Leaves the others out."""
    name = config.getoption("--name")
    if name is None:
        return
    others = [item for item in items if name.lower() not in item.nodeid.lower()]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def pytest_sessionfinish(session, exitstatus):
    """Nothing to run is well."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("--name") is not None:
        session.exitstatus = pytest.ExitCode.OK
