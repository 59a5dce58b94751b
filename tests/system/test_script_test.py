"""script/test itself, on a project of stubs: what it runs, leaves out, and says last."""
import os
import shutil
import subprocess

import pytest
from broker import REPOSITORY

CARGO = """#!/bin/sh
case $1 in
  build) mkdir -p target/debug && touch target/debug/aileron ;;
  nextest) echo "     Summary [   0.1s] $TESTS tests run: $TESTS passed, 0 skipped" ;;
esac
"""
PYTEST = """#!/bin/sh
echo "$@" >>asked
case " $* " in *tests/services*) exit 1 ;; esac
case " $* " in *" --name conformance-only "*test_*.py*) echo "2 passed in 0.1s"; exit 0 ;; esac
echo "no tests ran in 0.1s"
"""
PYTHON = '#!/bin/sh\nshift\nexec "$@"\n'


@pytest.fixture
def project(tmp_path):
    """A folder with the real script/test, a bootstrap that lacks something, and cargo and pytest of a few lines."""
    for name in ("test", "tally", "slowest"):
        (tmp_path / "script").mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "script" / name, tmp_path / "script" / name)
    stubs = {"script/bootstrap": "#!/bin/sh\nexit 3\n", "bin/cargo": CARGO, ".work/venv/bin/pytest": PYTEST,
             ".work/venv/bin/python": PYTHON, "tests/conformance/test_protocol.py": ""}
    for name, text in stubs.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path


def run(project, *arguments, rust_tests=0, **environment):
    """(exit code, lines) of script/test there."""
    done = subprocess.run([project / "script/test", *arguments], capture_output=True, text=True, timeout=60, cwd=project,
                          env=os.environ | {"HOME": str(project), "PATH": f"{project}/bin:{os.environ['PATH']}",
                                            "TESTS": str(rust_tests)} | environment)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_a_name_that_only_rust_tests_have_ends_green(project):
    """And the others are asked too: conformance among them."""
    code, lines, errors = run(project, "outbox", "--without-services", rust_tests=3)
    assert (code, lines[-1]) == (0, "4 passed, 0 failed, 1 skipped"), (lines, errors)
    assert any("tests/conformance/test_protocol.py" in line for line in (project / "asked").read_text().splitlines())


def test_a_name_that_only_conformance_tests_have_ends_green(project):
    code, lines, errors = run(project, "conformance-only", "--without-services")
    assert (code, lines[-1]) == (0, "3 passed, 0 failed, 1 skipped"), (lines, errors)


def test_a_name_that_nobody_has_is_an_error(project):
    code, lines, _ = run(project, "misspelt", "--without-services")
    assert code == 1 and "No test has misspelt in its name." in lines


@pytest.mark.parametrize("arguments,environment", [(("--without-services",), {}), ((), {"AILERON_TEST_SERVICES": "no"})])
def test_services_can_be_left_out(project, arguments, environment):
    """By option or environment: none is run, and the line says why."""
    code, lines, errors = run(project, "services", *arguments, rust_tests=1, **environment)
    assert "services       left out: asked to (--without-services)" in lines, (lines, errors)
    assert not (project / "asked").exists() and code == 0


def test_what_is_missing_is_left_out_and_counted(project):
    """Without the Python environment the rest is run; the ten slowest stand before the closing line."""
    (project / ".work/venv/bin/pytest").unlink()
    code, lines, errors = run(project, "system")
    assert (code, lines[-1]) == (0, "1 passed, 0 failed, 2 skipped"), (lines, errors)
    assert "Not all is here: what that leaves out is named below." in lines
    assert "system         left out: no Python environment (script/bootstrap clients)" in lines
    assert lines[-3] == "slowest:" and lines[-2].endswith("build")
