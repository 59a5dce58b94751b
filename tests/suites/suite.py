"""How a suite written by others is fetched, run within a time limit, and counted.

Packages come through pip and cargo as set up on the machine; work is kept under
.work/suites, so that a second run downloads and compiles nothing.
"""
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
WORK = REPOSITORY / ".work" / "suites"
KNOWN = Path(__file__).with_name("known.txt")


@dataclass
class Outcome:
    """What a suite's run came to."""

    suite: str
    passed: int = 0
    failed: list = field(default_factory=list)
    skipped: int = 0
    log: Path | None = None

    def known(self):
        """Names of this suite's tests that fail on RabbitMQ as well."""
        rows = [line.split(None, 2) for line in KNOWN.read_text().splitlines() if line and line[0] != "#"]
        return {row[1] for row in rows if row[0] == self.suite.split("/")[0]}

    def unknown(self):
        """Failures that are ours to explain."""
        return sorted(set(self.failed) - self.known())

    def line(self):
        """The line that script/tally reads; known failures count as skipped."""
        ours = self.unknown()
        excused = sorted(set(self.failed) - set(ours))
        more = f" (known: {', '.join(excused)})" if excused else ""
        skipped = self.skipped + len(excused)
        return f"suite {self.suite}: {self.passed} passed, {len(ours)} failed, {skipped} skipped{more}"

    def check(self):
        """Fails the test where the suite failed, or ran nothing."""
        assert self.passed > 0, f"{self.suite} ran nothing, see {self.log}:\n{tail(self.log)}"
        assert not self.unknown(), f"{self.suite} failed, see {self.log}:\n" + "\n".join(self.unknown())


def tail(path, characters=3000):
    """The end of a log."""
    return path.read_text(errors="replace")[-characters:] if path and path.exists() else ""


def run(command, log, seconds, folder, **environment):
    """Runs a command, bounded in time, output to a file; its exit code."""
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | {k: str(v) for k, v in environment.items()}
    # A pytest inside must not take itself for a worker of the pytest outside.
    for name in [name for name in env if name.startswith("PYTEST_")]:
        del env[name]
    with open(log, "wb") as out:
        process = subprocess.Popen([str(part) for part in command], cwd=folder, env=env, stdout=out,
                                   stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            out.write(f"\ncut off after {seconds} s\n".encode())
            return 124


def extract(tar, folder):
    """Unpacks plain files and folders that stay inside. Debian 12's Python has no filter that sees to it."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
        return
    inside = folder.resolve()
    for member in tar.getmembers():
        target = (inside / member.name).resolve()
        if not target.is_relative_to(inside):
            raise ValueError(f"{tar.name}: {member.name} leads out of the archive's folder")
        if member.issym() or member.islnk():
            aims_at = (target.parent if member.issym() else inside) / member.linkname
            if not aims_at.resolve().is_relative_to(inside):
                raise ValueError(f"{tar.name}: the link {member.name} leads out of the archive's folder")
        elif not (member.isfile() or member.isdir()):
            raise ValueError(f"{tar.name}: {member.name} is neither a file nor a folder")
    tar.extractall(folder)


def unpack(archive, folder):
    """Unpacks an archive with one top folder afresh; the path of that folder."""
    run(["rm", "-rf", folder], os.devnull, 60, WORK)
    folder.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        extract(tar, folder)
    (top,) = folder.iterdir()
    return top


def source_of(project, version):
    """The unpacked source package of a Python project."""
    downloads = WORK / "download"
    downloads.mkdir(parents=True, exist_ok=True)
    pattern = f"{project.replace('.', '[._-]')}-{version}.tar.gz"
    if not list(downloads.glob(pattern)):
        log = WORK / f"{project}-download.log"
        run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", project,
             "-d", downloads, f"{project}=={version}"], log, 300, WORK)
        assert list(downloads.glob(pattern)), f"cannot get {project} {version}:\n{tail(log)}"
    return unpack(next(downloads.glob(pattern)), WORK / project)


def crate_source(name, version):
    """The unpacked package of a crate, as a workspace of its own."""
    fetcher = WORK / f"fetch-{name}"
    (fetcher / "src").mkdir(parents=True, exist_ok=True)
    (fetcher / "src/lib.rs").write_text("")
    (fetcher / "Cargo.toml").write_text(
        '[package]\nname = "fetcher"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
        f'[dependencies]\n{name} = {{ version = "={version}", default-features = false }}\n')
    log = WORK / f"{name}-download.log"
    code = run(["cargo", "fetch"], log, 300, fetcher)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = list(home.glob(f"registry/cache/*/{name}-{version}.crate"))
    assert code == 0 and found, f"cannot get crate {name} {version}:\n{tail(log)}"
    source = unpack(found[0], WORK / name)
    with open(source / "Cargo.toml", "a") as manifest:
        manifest.write("\n[workspace]\n")
    return source


def read_junit(suite, xml, log):
    """The outcome a JUnit file tells. A test that ran again is there twice: the last word counts."""
    outcome = Outcome(suite, log=log)
    if not xml.exists():
        return outcome
    states = {}
    for case in ElementTree.parse(xml).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        state = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        states[f"{case.get('classname')}::{case.get('name')}"] = state
    outcome.passed = list(states.values()).count("passed")
    outcome.skipped = list(states.values()).count("skipped")
    outcome.failed = [name for name, state in states.items() if state == "failed"]
    return outcome
