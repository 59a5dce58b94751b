"""pytest plugin for py-amqp's and kombu's suites: the -E option and the env mark
they use; the file that defines them is not in their source packages."""
import pytest


def pytest_addoption(parser):
    """-E NAME: what the tests may use."""
    parser.addoption("-E", action="append", default=[], metavar="NAME", help="run the tests marked env(NAME)")


def pytest_configure(config):
    """Makes the mark known."""
    config.addinivalue_line("markers", "env(name): needs NAME to run")


def pytest_runtest_setup(item):
    """Skips what needs something else."""
    needed = {mark.args[0] for mark in item.iter_markers("env")}
    if needed and not needed & set(item.config.getoption("-E")):
        pytest.skip(f"needs one of {sorted(needed)}")
