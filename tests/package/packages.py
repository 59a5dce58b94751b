"""The packages under test, both made by script/package: this version and a later one."""
import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LATER = "99.0.0-1"
ADDED = "# A later version says this.\n"


def build(folder, *arguments):
    """Runs script/package; the package's path."""
    done = subprocess.run([REPOSITORY / "script" / "package", "--output", folder, *arguments],
                          capture_output=True, text=True, timeout=1800, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-4000:]
    return Path(done.stdout.splitlines()[-1])


def this_version(folder):
    """The package as it is made here; of AILERON_BIN where that names a program."""
    return build(folder)


def later_version(folder):
    """The same with a higher version and, as later versions may, another configuration file."""
    package = build(folder, "--version", LATER)
    tree = Path(folder) / "later"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True, timeout=120)
    with open(tree / "etc/aileron/aileron.toml", "a") as conffile:
        conffile.write(ADDED)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, package], check=True, timeout=300,
                   stdout=subprocess.DEVNULL)
    return package


def lintian(package):
    """What Debian's checker says of it: errors and warnings."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", package],
                          capture_output=True, text=True, timeout=300, env=environment)
    return done.returncode, done.stdout + done.stderr
