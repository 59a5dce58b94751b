"""What the README tells a newcomer to type, typed: script/server, a message, rabbitmqctl, Ctrl-C."""
import os
import re
import shlex
import signal
import subprocess
import time

import pika
import pytest
from broker import REPOSITORY, binary, free_port

README = REPOSITORY / "README.md"


def blocks(language):
    """The README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.M | re.S)


@pytest.fixture
def served(tmp_path):
    """script/server on a port and folder of its own, ended by the test or, at the latest, here."""
    if "AMQP_PORT" in os.environ or "release" not in binary().parts:
        pytest.skip("script/server would have to compile first: runs with the release build only")
    port, log = free_port(), tmp_path / "server.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [REPOSITORY / "script/server", "--data-dir", tmp_path / "data", "--set",
             f'broker.listen=["127.0.0.1:{port}"]'], stdout=out, stderr=out, cwd=REPOSITORY)
    process.port, process.log, process.data = port, log, tmp_path / "data"
    end = time.monotonic() + 900
    while "aileron: ready" not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait(30)


@pytest.mark.timeout(1200)
def test_server_starts_and_stops(served):
    """Ready, usable, and gone cleanly on Ctrl-C."""
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", served.port))
    connection.channel().queue_declare("greeting")
    served.send_signal(signal.SIGINT)
    assert served.wait(30) == 0
    assert f"amqp listening on 127.0.0.1:{served.port}" in served.log.read_text()


def test_readme_walk_through(broker, tmp_path):
    """The README's commands, each with the address of the broker under test, show what it says they show."""
    if broker.external:
        pytest.skip("needs our rabbitmqctl")
    environment = broker.ctl_environment | {
        "PATH": f"{broker.folder}:{REPOSITORY}/.work/venv/bin:{os.environ['PATH']}"}
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    walked = [command for command in commands if shlex.split(command)[0] in ("python3", "rabbitmqctl")]
    assert len(walked) >= 4, "the README's walk-through is gone"
    text = README.read_text()
    for command in walked:
        done = subprocess.run(command.replace(":5672", f":{broker.port}"), shell=True, env=environment,
                              cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        for line in done.stdout.splitlines():
            assert line in text, f"{command} printed {line!r}, which the README does not show"


# Files of a small crate, and the circle that script/circles tells of: what its lines must name.
CIRCLES = {
    "by use": ({"lib.rs": "mod a; mod b;", "a.rs": "use crate::b::B;", "b.rs": "use crate::a::A; pub struct B;"},
               ["a.rs", "b.rs"]),
    "by paths in code": ({"lib.rs": "mod a; mod b;", "a.rs": "fn f() { crate::b::g() }",
                          "b.rs": "pub fn g() { super::a::f() }"}, ["a.rs", "b.rs"]),
    "by a group, an alias and a module's name": (
        {"lib.rs": "mod a; mod b; mod c;", "a.rs": "use crate::{b::{self as bee}, c};\nfn f() { bee::g(); }",
         "b.rs": "pub fn g() { crate::c::h() }", "c.rs": "use super::a; pub fn h() { a::f() }"},
        ["a.rs", "b.rs", "c.rs"]),
    "through a re-export": ({"lib.rs": "mod a; mod room;", "a.rs": "use crate::room::Inner; pub struct A;",
                             "room/mod.rs": "mod inner; pub(crate) use self::inner::Inner;",
                             "room/inner.rs": "use crate::a::A; pub struct Inner(A);"}, ["a.rs", "room/inner.rs"]),
    "between rooms": ({"lib.rs": "mod a; mod room;", "a.rs": "use crate::room::one::One; pub struct A;",
                       "room/mod.rs": "pub(crate) mod one; mod two;", "room/one.rs": "pub struct One;",
                       "room/two.rs": "use crate::a::A;"}, ["a.rs", "room/mod.rs", "room/two.rs"]),
    "between brothers": ({"lib.rs": "mod a;", "a.rs": "mod b; mod c; pub struct A;", "a/b.rs": "use super::c::C;",
                          "a/c.rs": "use super::b::B;"}, ["a/b.rs", "a/c.rs"]),
}
NO_CIRCLES = {
    "a child uses its parent's": {"lib.rs": "mod a;", "a.rs": "mod b; use self::b::B; pub struct A(B);",
                                  "a/b.rs": "use super::A; pub struct B; impl A {}"},
    "comments, strings, tests": {
        "lib.rs": "mod a; mod b;", "a.rs": "use crate::b::B; pub struct A;",
        "b.rs": "//! [`a`](crate::a::A)\n/* crate::a::A */ pub struct B; const X: &str = \"crate::a::A\";\n"
                "#[cfg(test)]\nuse crate::a::A;\n#[cfg(any(test, feature = \"x\"))]\nmod tests { use crate::a::A; }"},
    "a re-export that is not used": {"lib.rs": "mod a; mod b;", "a.rs": "pub(crate) use crate::b::B; pub struct A;",
                                     "b.rs": "use crate::a::A; pub struct B(A);"},
}


def circles(tmp_path, files, allowed=""):
    """script/circles on a crate of these files."""
    for name, text in files.items():
        path = tmp_path / "crates/small/src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "script").mkdir(exist_ok=True)
    (tmp_path / "script/circles.allow").write_text(allowed)
    return subprocess.run([REPOSITORY / "script/circles"], cwd=tmp_path, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("case", CIRCLES)
def test_a_planted_circle_is_found(tmp_path, case):
    """Each way to import closes a circle, which is told file by file."""
    files, members = CIRCLES[case]
    done = circles(tmp_path, files)
    assert done.returncode == 1 and not done.stderr, done
    assert "a circle of" in done.stdout
    assert all(f"crates/small/src/{name}" in done.stdout for name in members), done.stdout


@pytest.mark.parametrize("case", NO_CIRCLES)
def test_what_is_no_circle_passes(tmp_path, case):
    """What the rule leaves out does not count."""
    done = circles(tmp_path, NO_CIRCLES[case])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exceptions_to_circles_have_reasons_and_are_needed(tmp_path):
    """A named exception opens its circle; one without a reason, or without a circle, is an error."""
    files, _ = CIRCLES["by use"]
    excuse = "crates/small/src/a.rs crates/small/src/b.rs"
    assert circles(tmp_path, files, f"{excuse} they have always been like that").returncode == 0
    assert "has no reason" in circles(tmp_path, files, excuse).stderr
    needless = circles(tmp_path, {**files, "b.rs": "pub struct B;"}, f"{excuse} once upon a time")
    assert needless.returncode == 1 and "is in no circle" in needless.stdout
