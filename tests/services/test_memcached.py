"""memcached, filled, flooded, frozen and killed for real; the verdict as one of its hosts gives it."""
import contextlib
import shutil
import socket
import subprocess

import pytest
from lab import Lab, binary

DEADLINE = 2.0
# How late the verdict may come, by the issue.
LATE = 0.5
PORT = 11211


def verdict(host, *arguments):
    """(memcached's verdict, its findings by code, the exit code) as `host` sees it."""
    # Ample: where a deadline counts, the test says so.
    code, answer, _ = host.services("--json", "--deadline", "6", *arguments)
    found = [one for one in answer["services"] if one["service"] == "memcached"]
    assert found, answer
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}, code


def start(host, *more):
    """Starts (again) a host's server with its unit enabled; waits until it answers."""
    host.etc("systemd/system/multi-user.target.wants/memcached.service", "")
    host.memcached = host.start(["memcached", "-u", "memcache", "-l", f"127.0.0.1,{host.ip}", *more], log="memcached.log")
    host.lab.until(lambda: say(host, b"version\r\n"), what="memcached answers")


def say(host, request, until=b"\r\n"):
    """What a host's server answers up to its end."""
    with host.network(), socket.create_connection((host.ip, PORT), timeout=10) as link:
        link.sendall(request)
        answer = b""
        while not answer.endswith(until):
            more = link.recv(65536)
            if not more:
                break
            answer += more
        return answer


def counters(host):
    """Its `stats`, as numbers where they are."""
    lines = [line.split(" ", 2) for line in say(host, b"stats\r\n", b"END\r\n").decode().splitlines()]
    return {line[1]: line[2] for line in lines if line[0] == "STAT"}


def store(host, count, size):
    """Stores so many items of so many bytes without waiting for the answers."""
    with host.network(), socket.create_connection((host.ip, PORT), timeout=60) as link:
        for begin in range(0, count, 1000):
            each = (b"set k%d 0 0 %d noreply\r\n%s\r\n" % (number, size, b"x" * size) for number in range(begin, min(begin + 1000, count)))
            link.sendall(b"".join(each))
        link.sendall(b"version\r\n")
        assert link.recv(100).startswith(b"VERSION")


@contextlib.contextmanager
def held(host, count):
    """So many connections to a host's server, as far as it takes them."""
    with host.network():
        links = [socket.create_connection((host.ip, PORT), timeout=10) for _ in range(count)]
    try:
        yield links
    finally:
        for link in links:
            link.close()


@pytest.fixture(scope="module")
def lab():
    """Three hosts, each with a server and sshd."""
    with Lab(3, prefix="memcached") as lab:
        for host in lab.hosts:
            start(host)
            host.sshd()
        yield lab


@pytest.fixture()
def host(lab):
    """The first host, whose server each test may spoil: it gets a new one."""
    first = lab.hosts[0]
    yield first
    first.memcached.thaw()
    first.memcached.kill()
    start(first)


def test_all_is_well_and_a_new_cache_is_cold(host):
    seen, findings, code = verdict(host)
    assert (seen["state"], set(findings), code) == ("ok", {"memcached-cold"}, 0)
    assert findings["memcached-cold"]["severity"] == "notice"
    assert seen["summary"] == "1 of 1 answer"
    # It listens on the internal network too, but loopback is nearer.
    assert seen["members"][0]["place"] == f"127.0.0.1:{PORT}"


def test_full_shows_by_evictions_and_never_by_the_memory(host):
    host.memcached.kill()
    start(host, "-m", "64")
    store(host, 100_000, 2_000)
    said = counters(host)
    evictions, used = int(said["evictions"]), int(said["bytes"]) / int(said["limit_maxbytes"])
    assert evictions > 50_000 and used < 0.95, said
    seen, findings, code = verdict(host)
    assert (seen["state"], code) == ("degraded", 1)
    cause = findings["memcached-evictions"]["cause"]
    assert f"threw out {evictions} living items" in cause and "and goes on" not in cause
    assert "raise -m" in findings["memcached-evictions"]["next"]


def test_evictions_that_go_on_are_told_apart_from_old_ones(host):
    host.memcached.kill()
    start(host, "-m", "64")
    # Many small stores to one item, so that the evictions of the big ones weigh less than a percent.
    store(host, 34_000, 2_000)
    with host.network(), socket.create_connection((host.ip, PORT), timeout=60) as link:
        for _ in range(40):
            link.sendall(b"set one 0 0 1 noreply\r\nx\r\n" * 25_000)
        link.sendall(b"version\r\n")
        assert link.recv(100).startswith(b"VERSION")
    said = counters(host)
    assert 0 < int(said["evictions"]) * 100 < int(said["cmd_set"]), said
    seen, findings, _ = verdict(host)
    assert (seen["state"], findings["memcached-evictions"]["severity"]) == ("ok", "notice"), findings
    writer = (
        "import socket, time\n"
        f"link = socket.create_connection(('{host.ip}', {PORT}))\n"
        "number = 0\n"
        "while True:\n"
        "    link.sendall(b''.join(b'set n%d 0 0 2000 noreply\\r\\n%s\\r\\n' % (number + n, b'x' * 2000) for n in range(10)))\n"
        "    number += 10\n"
        "    time.sleep(0.02)\n"
    )
    busy = host.start(["python3", "-c", writer])
    try:
        def goes_on():
            seen, findings, _ = verdict(host)
            return seen["state"] == "degraded" and "and goes on" in findings["memcached-evictions"]["cause"]

        host.lab.until(goes_on, what="evictions that go on")
    finally:
        busy.kill()


def test_no_connection_left_is_full_and_not_down(host):
    host.memcached.kill()
    start(host, "-c", "64")
    with held(host, 80) as links:
        # The last ones were told so.
        links[-1].settimeout(10)
        assert links[-1].recv(100) == b"ERROR Too many open connections\r\n"
        seen, findings, code = verdict(host)
        assert (seen["state"], code, set(findings)) == ("degraded", 1, {"memcached-connections-full"})
        assert "Too many open connections" in findings["memcached-connections-full"]["cause"]
        assert "raise -c" in findings["memcached-connections-full"]["next"]
        assert seen["members"][0]["state"] == "degraded"
    host.lab.until(lambda: int(counters(host)["curr_connections"]) < 5, what="they are gone")
    seen, findings, _ = verdict(host)
    assert seen["state"] == "degraded" and "of 64 allowed" in findings["memcached-rejected"]["cause"]


def test_few_connections_left(host):
    host.memcached.kill()
    start(host, "-c", "64")
    with held(host, 37):
        host.lab.until(lambda: int(counters(host)["curr_connections"]) >= 38, what="they are in")
        seen, findings, _ = verdict(host)
        assert seen["state"] == "degraded", findings
        assert "of 64 allowed" in findings["memcached-connections-full"]["cause"]


def test_a_frozen_one_is_silent_in_time(host):
    host.memcached.freeze()
    code, answer, seconds = host.services("--json", "--deadline", str(DEADLINE))
    found = next(one for one in answer["services"] if one["service"] == "memcached")
    assert seconds <= DEADLINE + LATE
    # The only one there is.
    assert (found["state"], found["members"][0]["answer"], code) == ("failed", "silent", 1)
    finding = next(one for one in found["findings"] if one["code"] == "memcached-silent")
    assert "did not answer within" in finding["cause"] and "waiting for the answer" in finding["cause"]
    assert "systemctl restart memcached" in finding["next"]


def test_a_killed_one_is_missed_by_its_unit_and_cold_when_it_is_back(host):
    host.memcached.kill()
    seen, findings, code = verdict(host)
    assert (seen["state"], code, set(findings)) == ("failed", 1, {"memcached-down"})
    cause = findings["memcached-down"]["cause"]
    assert "refused" in cause and "unit memcached.service is enabled" in cause
    assert findings["memcached-down"]["next"] == "on controller-0: systemctl start memcached"
    start(host)
    seen, findings, _ = verdict(host)
    assert (seen["state"], set(findings)) == ("ok", {"memcached-cold"})


def test_one_of_three_is_down(lab):
    first, _, third = lab.hosts
    seen, findings, code = verdict(first, "--inventory", lab.inventory())
    assert (seen["state"], seen["summary"], code) == ("ok", "3 of 3 answer", 0)
    third.memcached.kill()
    try:
        seen, findings, code = verdict(first, "--inventory", lab.inventory())
        assert (seen["state"], seen["summary"], code) == ("degraded", "2 of 3 answer", 1)
        assert findings["memcached-down"]["subject"] == third.name
        assert seen["risk"] == "one more failure costs a share of the cached tokens"
    finally:
        start(third)


def test_without_root_it_is_asked_too(host):
    program = host.lab.folder / "aileron"
    shutil.copy(binary(), program)  # where everybody can run it
    done = host.run([program, "services", "--json"], user="nobody", check=False)
    assert '"1 of 1 answer"' in done.stdout, done.stdout + done.stderr


def test_tls_and_a_login_are_told_apart_from_failures(host):
    folder = host.lab.folder
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=lab", "-keyout", "key", "-out", "crt"],
        cwd=folder, check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    for name in ("key", "crt"):
        (folder / name).chmod(0o644)
    command = ["memcached", "-u", "memcache", "-l", "127.0.0.1"]
    host.memcached.kill()
    host.memcached = host.start([*command, "-Z", "-o", f"ssl_chain_cert={folder}/crt,ssl_key={folder}/key"], log="memcached.log")

    def denied(what):
        seen, findings, code = verdict(host)
        assert (seen["state"], code) == ("unknown", 3)
        assert what in findings["memcached-denied"]["cause"], findings
        return True

    host.lab.until(lambda: denied("speaks TLS only"), what="TLS answers")
    host.memcached.freeze()
    seen, findings, _ = verdict(host)
    assert (seen["state"], set(findings)) == ("failed", {"memcached-silent"})
    assert "TLS hello" in findings["memcached-silent"]["cause"]
    host.memcached.thaw()
    host.memcached.kill()
    (folder / "users").write_text("nova:geheim\n")
    (folder / "users").chmod(0o644)
    host.memcached = host.start([*command, "-Y", folder / "users"], log="memcached.log")
    host.lab.until(lambda: denied("unauthenticated"), what="it asks for a login")
