"""How the scripts behave towards who types them: help, wrong options, long silences, two at once, one build for all."""
import fcntl
import os
import subprocess
import time

import pytest
from broker import REPOSITORY

SCRIPTS = sorted(path.name for path in (REPOSITORY / "script").iterdir() if os.access(path, os.X_OK))
TREE = ["cargo", "tree", "--locked", "--offline", "-e", "normal,build", "--prefix", "none", "--no-dedupe", "-f", "{p} {f}"]


def script(name, *arguments, seconds=60, **environment):
    """Runs a script of the project; it gets no terminal and nothing to read."""
    return subprocess.run([REPOSITORY / "script" / name, *arguments], capture_output=True, text=True, timeout=seconds,
                          cwd=REPOSITORY, stdin=subprocess.DEVNULL, env=os.environ | environment)


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_help(name, option):
    """It says how it is called, and does nothing else."""
    done = script(name, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"script/{name}" in done.stdout and len(done.stdout.splitlines()) >= 3


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_unknown_option_is_an_error(name):
    """Told at once, in one line that names it and the way to the help."""
    done = script(name, "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{name}: unknown: --no-such-option (script/{name} --help)\n"


def test_nobody_waits_before_silence():
    """What takes long says what it is, and for how long it has been at it; its exit code stays."""
    done = script("announce", "building a house", "sh", "-c", "sleep 2.5; echo brick; exit 3", ANNOUNCE_SECONDS="1")
    said = done.stderr.splitlines()
    assert done.returncode == 3 and done.stdout == ""
    assert said[:2] == ["building a house", "building a house: 1 s so far"], said
    assert "brick" in said and said[-1].startswith("building a house: failed with 3 after "), said


def test_a_second_bootstrap_waits_for_the_first():
    """Two at once would take each other's Python environment away."""
    with open(REPOSITORY / ".work/bootstrap.lock", "a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = subprocess.Popen([REPOSITORY / "script/bootstrap", "server"], stderr=subprocess.PIPE, text=True)
        assert second.stderr.readline() == "bootstrap: another bootstrap runs here: waiting for it\n"
        time.sleep(0.5)
        assert second.poll() is None
    with second:
        assert second.wait(60) == 0


def test_the_program_is_built_once_whatever_is_built_beside_it():
    """A crate that another package of the workspace wants with more features is compiled a second time, with all above it."""
    alone, beside = (set(subprocess.run([*TREE, *packages], cwd=REPOSITORY, capture_output=True, text=True, check=True,
                                        timeout=60).stdout.splitlines())
                     for packages in (["-p", "aileron"], ["-p", "aileron", "-p", "brokerbench"]))
    assert alone - beside == set()


def test_the_slowest_are_told(tmp_path):
    """By file where the runner told of its tests, else by stage; the slowest first, ten of them."""
    (tmp_path / "times").write_text("".join(f"{n} stage{n}\n" for n in range(12)) + "31 system\n30 rust\n")
    (tmp_path / "rust.xml").write_text('<testsuites><testsuite><testcase classname="broker" time="5"/></testsuite></testsuites>')
    (tmp_path / "system.xml").write_text(
        '<testsuites><testsuite><testcase classname="test_a.TestIt" time="7.5"/><testcase classname="test_a" time="6.0"/>'
        '<testcase classname="test_b" time="0.2"/></testsuite></testsuites>')
    said = script("slowest", str(tmp_path)).stdout.splitlines()
    assert said[:4] == ["slowest:", "      25 s  rust: the rest", "      17 s  system: the rest", "      14 s  system: test_a"] and len(said) == 11, said


def test_what_services_are_missing_is_told(tmp_path):
    """One line with all of them, where dpkg knows none; nothing is installed, or asked of root."""
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    done = subprocess.run([REPOSITORY / "tests/services/install", "--missing"], capture_output=True, text=True, timeout=30,
                          env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1), done
    assert {"mariadb-server", "ceph-mon", "pacemaker"} <= set(done.stdout.split())
