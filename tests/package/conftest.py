"""Fixtures: the packages, and one machine whose life the tests follow from top to bottom."""
import os
import shutil

import image
import packages
import pytest
from machine import Machine

AMQP = 5672


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """For packages and the machine's files; its path is short enough for ssh's socket."""
    path = tmp_path_factory.mktemp("vm")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def package(folder):
    """The package as script/package makes it."""
    return packages.this_version(folder)


@pytest.fixture(scope="session")
def later_package(folder, package):
    """The same with a higher version."""
    return packages.later_version(folder)


@pytest.fixture(scope="session")
def machine(folder):
    """A Debian 12 without aileron."""
    missing = image.missing_tools()
    if missing:
        pytest.fail(f"please install: {' '.join(missing)}")
    if os.geteuid() != 0:
        pytest.fail("making the machine's disk needs root")
    machine = Machine(image.base_image(), folder, [AMQP])
    try:
        machine.start()
        yield machine
    finally:
        machine.close()
