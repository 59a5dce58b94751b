"""Nova's console proxies, broken for real; the verdict as one of the hosts gives it."""
import shutil
import socket
import subprocess

import pytest
from lab import Lab, binary
from lab.consoles import VNC, Consoles

DEADLINE = 2.0
# How late the verdict may come, by the issue.
LATE = 0.5


def verdict(host, *arguments):
    """(the proxies' verdict, its findings by code, the exit code) as `host` sees it."""
    # Ample: where a deadline counts, the test says so.
    code, answer, _ = host.services("--json", "--deadline", "6", *arguments)
    found = [one for one in answer["services"] if one["service"] == "consoles"]
    assert found, answer
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}, code


@pytest.fixture(scope="module")
def consoles():
    """Three hosts with a noVNC proxy each, that can ask each other."""
    with Lab(3, prefix="consoles") as lab:
        proxies = Consoles(lab)
        proxies.start()
        for host in lab.hosts:
            host.sshd()
        yield proxies


@pytest.fixture()
def host(consoles):
    """The first host, which has a new proxy after a test that broke it."""
    first = consoles.lab.hosts[0]
    before = consoles.novnc[first]
    yield first
    if consoles.novnc[first] is not before or not before.alive:
        consoles.novnc[first].thaw()
        consoles.novnc[first].kill()
        consoles.configure(first)
        consoles.start_novnc(first)


def test_all_are_well_and_the_question_leaves_no_trace(consoles, host):
    seen, findings, code = verdict(host, "--inventory", consoles.lab.inventory())
    assert (seen["state"], findings, code) == ("ok", {}, 0)
    # Debian enables the other two's units as well, and its own file says that they are not wanted.
    assert seen["summary"] == "noVNC 3 of 3 answer"
    assert {one["place"] for one in seen["members"]} == {f"{one.ip}:{VNC}" for one in consoles.lab.hosts}
    assert seen["members"][0]["role"].startswith("noVNC, 0 connections")
    assert seen["risk"] == "one more failure ends the noVNC consoles open through it"
    assert "code 404" not in consoles.novnc[host].log and "GET" not in consoles.novnc[host].log


def test_a_killed_one_is_missed_by_its_unit(consoles, host):
    consoles.novnc[host].kill()
    seen, findings, code = verdict(host, "--inventory", consoles.lab.inventory())
    assert (seen["state"], code, set(findings)) == ("degraded", 1, {"consoles-down"})
    cause = findings["consoles-down"]["cause"]
    assert "refused" in cause and "unit nova-novncproxy.service is enabled" in cause
    assert "HAProxy sends browsers to the 2 others" in cause
    assert findings["consoles-down"]["next"] == f"on {host.name}: systemctl start nova-novncproxy"
    assert seen["summary"] == "noVNC 2 of 3 answer"
    # Alone it is all there is.
    seen, findings, code = verdict(host)
    assert (seen["state"], code) == ("failed", 1)
    assert "no noVNC console can be opened" in findings["consoles-down"]["cause"]


def test_a_frozen_one_is_silent_in_time(consoles, host):
    consoles.novnc[host].freeze()
    try:
        code, answer, seconds = host.services("--json", "--deadline", str(DEADLINE))
    finally:
        consoles.novnc[host].thaw()
    found = next(one for one in answer["services"] if one["service"] == "consoles")
    assert seconds <= DEADLINE + LATE
    assert (found["state"], found["members"][0]["answer"], code) == ("failed", "silent", 1)
    finding = found["findings"][0]
    assert finding["code"] == "consoles-silent" and "did not answer within" in finding["cause"]
    assert "systemctl restart nova-novncproxy" in finding["next"]


def test_an_open_console_keeps_the_port_of_a_killed_one(consoles, host):
    """It forks for each connection, and a child has the listening socket too: nobody accepts there any more."""
    with host.network():
        held = socket.create_connection((host.ip, VNC), timeout=10)
    with held:
        held.sendall(b"GET /vnc_lite.html HTTP/1.1\r\nHost: lab\r\n\r\n")
        assert held.recv(100).startswith(b"HTTP/1.1 200")
        host.lab.until(lambda: verdict(host)[0]["members"][0]["role"] == "noVNC, 1 connection", what="no other connection")
        consoles.novnc[host].kill(tree=False)
        seen, findings, _ = verdict(host, "--inventory", consoles.lab.inventory())
        assert seen["state"] == "degraded" and set(findings) == {"consoles-silent"}, findings
        assert "a check of HAProxy that only connects takes it for well" in findings["consoles-silent"]["cause"]
    host.lab.until(lambda: not host.processes("nova-novncproxy"), what="its child is gone too")


def test_haproxy_in_front_hides_a_frozen_one_and_stands_for_no_dead_one(consoles, host):
    servers = "".join(f"    server {one.name} {one.ip}:{VNC} check inter 200ms\n" for one in consoles.lab.hosts)
    config = host.etc("haproxy/haproxy.cfg", f"""\
global
    stats socket /run/haproxy.sock level user
defaults
    mode tcp
    timeout connect 1s
    timeout client 10s
    timeout server 10s
listen nova_vnc_proxy
    bind 127.0.0.2:{VNC}
{servers}""")  # fmt: skip
    balancer = host.start(["haproxy", "-db", "-f", config])
    try:
        # Until it answers there it is a balancer that does not tell of its servers.
        ask = ["socat", "-t", "3", "-", "UNIX-CONNECT:/run/haproxy.sock"]
        host.lab.until(lambda: "Uptime_sec" in host.run(ask, input="show info\n").stdout, what="haproxy's stats socket")
        consoles.novnc[host].freeze()
        try:
            _, answer, _ = host.services("--json", "--deadline", "6", "--inventory", consoles.lab.inventory())
        finally:
            consoles.novnc[host].thaw()
        states = {one["service"]: one["state"] for one in answer["services"]}
        assert states == {"haproxy": "ok", "consoles": "degraded"}, answer
        consoles.novnc[host].kill()
        seen, findings, _ = verdict(host)
        assert (seen["state"], set(findings)) == ("failed", {"consoles-down"})
    finally:
        balancer.kill()
        (host.folder / "etc/haproxy/haproxy.cfg").unlink()


def test_pages_that_are_not_there(consoles, host):
    empty = host.mine("web")
    consoles.novnc[host].kill()
    consoles.start_novnc(host, "--web", empty)
    seen, findings, code = verdict(host)
    assert (seen["state"], code, findings["consoles-page-missing"]["severity"]) == ("ok", 0, "notice")
    assert "/vnc_lite.html or /vnc_auto.html" in findings["consoles-page-missing"]["cause"]
    consoles.configure(host, url="novncproxy_base_url = https://cloud.example.com:6080/vnc_new.html?x=1")
    seen, findings, _ = verdict(host)
    assert seen["state"] == "degraded"
    assert "no page /vnc_new.html (nova.conf sends users there)" in findings["consoles-page-missing"]["cause"]
    (empty / "vnc_new.html").write_text("<html>")
    seen, findings, _ = verdict(host)
    assert (seen["state"], findings) == ("ok", {})


def test_a_proxy_with_tls_only(consoles, host):
    folder = host.mine("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=lab", "-keyout", "both", "-out", "both"],
        cwd=folder, check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    (folder / "both").chmod(0o644)
    consoles.novnc[host].kill()
    consoles.configure(host, more=f"ssl_only = true\ncert = {folder}/both\n")
    consoles.start_novnc(host, wait=False)

    def answers():
        seen, findings, _ = verdict(host)
        return (seen["state"], findings, seen["members"][0]["role"]) == ("ok", {}, "noVNC, TLS, 0 connections")

    host.lab.until(answers, what="it says hello")
    # Where nova.conf does not tell, it is found by the proxy's hanging up.
    consoles.configure(host)
    assert answers()
    consoles.novnc[host].freeze()
    consoles.configure(host, more="ssl_only = true\n")
    seen, findings, _ = verdict(host)
    assert seen["state"] == "failed" and "TLS hello" in findings["consoles-silent"]["cause"]


def test_serial_consoles_have_no_pages(consoles, host):
    consoles.start_serial(host)
    try:
        seen, findings, _ = verdict(host)
        assert (seen["state"], findings, seen["summary"]) == ("ok", {}, "noVNC 1 of 1 answer, serial 1 of 1 answer")
        consoles.serial[host].freeze()
        seen, findings, _ = verdict(host)
        assert seen["state"] == "failed" and "the serial proxy" in findings["consoles-silent"]["cause"]
    finally:
        consoles.serial[host].kill()


def test_without_root_it_is_asked_too(host):
    program = host.lab.folder / "aileron"
    shutil.copy(binary(), program)  # where everybody can run it
    done = host.run([program, "services", "--json"], user="nobody", check=False)
    assert '"noVNC 1 of 1 answer"' in done.stdout, done.stdout + done.stderr
