"""HAProxy broken for real: what `aileron services` makes of it."""
import contextlib
import signal
import socket

import pytest
from lab import Lab
from lab.haproxy import Haproxy


@pytest.fixture(scope="module")
def proxy():
    """Three controllers with HAProxy before stand-in APIs and real Redis."""
    with Lab(3, prefix="hap") as lab, Haproxy(lab) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def afresh(proxy):
    """Each test's failures are counted from none: what the one before broke is not flapping."""
    for host in proxy.lab.hosts:
        proxy.tell(host, "clear counters all")


def seen(host, state=None, *codes, user=None):
    """HAProxy's verdict on a host; asserts its state and exactly these codes."""
    _, overview, _ = host.services("--json")
    verdict = next(one for one in overview["services"] if one["service"] == "haproxy")
    if state:
        found = sorted(one["code"] for one in verdict["findings"])
        assert (verdict["state"], found) == (state, sorted(codes)), verdict
    return verdict


def finding(verdict, code):
    """The finding of a code."""
    return next(one for one in verdict["findings"] if one["code"] == code)


@contextlib.contextmanager
def without(proxy, name, *hosts):
    """The stand-ins of an API on these hosts are dead meanwhile; all HAProxies have seen it."""
    for host in hosts:
        proxy.backends[name][host].kill()

    def noticed(host):
        status = proxy.status(host, name)
        # A replica's check fails anyway: what counts is that nothing listens any more.
        return all(status[each.name] == ("DOWN", "L4CON") for each in hosts)

    try:
        for host in proxy.lab.hosts:
            proxy.lab.until(lambda host=host: noticed(host), what=f"{name} down")
        yield
    finally:
        for host in hosts:
            proxy.redis(host) if name == "redis" else proxy.backend(name, host)
        proxy.settled()


@contextlib.contextmanager
def told(proxy, host, line, undo):
    """An operator's word to the stats socket, taken back at the end."""
    proxy.tell(host, line)
    try:
        yield
    finally:
        proxy.tell(host, undo)
        proxy.settled()


def test_all_is_well_with_a_redis_of_one_primary_and_a_mysql_of_backups(proxy):
    verdict = seen(proxy.lab.hosts[0], "ok")
    assert proxy.up(proxy.lab.hosts[0], "redis") == ["controller-0"]
    assert verdict["members"][0]["role"] == "5 of 5 backends"
    assert verdict["risk"] == "this is the only HAProxy: its failure stops all APIs"


def test_a_killed_api_server_degrades_and_the_last_one_is_no_spare(proxy):
    first, second, third = proxy.lab.hosts
    with without(proxy, "nova_osapi", second):
        cause = finding(seen(first, "degraded", "haproxy-server-down"), "haproxy-server-down")["cause"]
        assert "nova_osapi (Nova API): 2 of 3 servers usable, controller-1 DOWN (L4CON" in cause
    with without(proxy, "nova_osapi", second, third):
        verdict = seen(first, "degraded", "haproxy-no-spare")
        assert "no spare is left" in finding(verdict, "haproxy-no-spare")["cause"]
        assert verdict["risk"] == "one more failure stops nova_osapi (Nova API)"


def test_an_api_without_any_server_has_failed_by_name(proxy):
    with without(proxy, "keystone_public", *proxy.lab.hosts):
        verdict = seen(proxy.lab.hosts[0], "failed", "haproxy-backend-down")
        found = finding(verdict, "haproxy-backend-down")
        assert "keystone_public (Keystone API): none of 3 servers usable" in found["cause"]
        assert found["next"].startswith("on controller-0: echo 'show servers state keystone_public' | socat")
    with without(proxy, "custom_board", *proxy.lab.hosts):
        seen(proxy.lab.hosts[0], "degraded", "haproxy-backend-down")


def test_a_server_that_answers_503_is_down_by_its_check(proxy):
    first, second, _ = proxy.lab.hosts
    with proxy.bad("keystone_public", second):
        proxy.lab.until(lambda: second.name not in proxy.up(first, "keystone_public"))
        cause = finding(seen(first, "degraded", "haproxy-server-down"), "haproxy-server-down")["cause"]
        assert "(L7STS 503" in cause
    proxy.settled()


def test_mysql_is_counted_by_its_backup_servers(proxy):
    first, second, third = proxy.lab.hosts
    with proxy.bad("mysql", second):
        proxy.lab.until(lambda: second.name not in proxy.up(first, "mysql"))
        cause = finding(seen(first, "degraded", "haproxy-server-down"), "haproxy-server-down")["cause"]
        assert "mysql (database): 2 of 3 servers usable" in cause
        with proxy.bad("mysql", third):
            proxy.lab.until(lambda: third.name not in proxy.up(first, "mysql"))
            seen(first, "degraded", "haproxy-no-spare")
    proxy.settled()


def test_redis_needs_one_primary_and_no_more(proxy):
    first, second, third = proxy.lab.hosts
    with without(proxy, "redis", first):
        cause = finding(seen(third, "failed", "haproxy-backend-down"), "haproxy-backend-down")["cause"]
        assert "redis (Redis): none of 3 servers usable, none is the primary" in cause
    with without(proxy, "redis", third):
        cause = finding(seen(first, "degraded", "haproxy-server-down"), "haproxy-server-down")["cause"]
        assert "controller-2 DOWN (L4CON" in cause and "controller-1" not in cause
    second.run(["redis-cli", "-h", second.ip, "replicaof", "no", "one"])
    proxy.lab.until(lambda: len(proxy.up(first, "redis")) == 2)
    cause = finding(seen(first, "degraded", "haproxy-two-primaries"), "haproxy-two-primaries")["cause"]
    assert "controller-0, controller-1 all pass" in cause
    second.run(["redis-cli", "-h", second.ip, "replicaof", first.ip, "6379"])
    proxy.settled()


def test_what_somebody_took_out_is_a_will_until_all_is_out(proxy):
    first = proxy.lab.hosts[0]
    with told(proxy, first, "disable server nova_osapi/controller-1", "enable server nova_osapi/controller-1"):
        found = finding(seen(first, "ok", "haproxy-taken-out"), "haproxy-taken-out")
        assert found["intended"] and "controller-1 MAINT" in found["cause"]
        assert "set server nova_osapi/controller-1 state ready" in found["next"]
    with told(proxy, first, "set server mysql/controller-2 state drain", "set server mysql/controller-2 state ready"):
        found = finding(seen(first, "ok", "haproxy-taken-out"), "haproxy-taken-out")
        assert found["intended"] and "controller-2 DRAIN" in found["cause"]
    with contextlib.ExitStack() as stack:
        for host in proxy.lab.hosts:
            server = f"keystone_public/{host.name}"
            stack.enter_context(told_raw(proxy, first, f"disable server {server}", f"enable server {server}"))
        found = finding(seen(first, "failed", "haproxy-backend-down"), "haproxy-backend-down")
        assert found["intended"] and "somebody took out all 3" in found["cause"]
    proxy.settled()


@contextlib.contextmanager
def told_raw(proxy, host, line, undo):
    """As `told`, without waiting."""
    proxy.tell(host, line)
    try:
        yield
    finally:
        proxy.tell(host, undo)


def test_a_frontend_that_somebody_disabled_refuses_clients(proxy):
    first = proxy.lab.hosts[0]
    with told(proxy, first, "disable frontend nova_osapi", "enable frontend nova_osapi"):
        found = finding(seen(first, "failed", "haproxy-frontend-stopped"), "haproxy-frontend-stopped")
        assert found["intended"] and "nova_osapi (Nova API)" in found["cause"]


def test_a_frontend_at_its_limit_is_full(proxy):
    first = proxy.lab.hosts[0]
    with told_raw(proxy, first, "set maxconn frontend redis 2", "set maxconn frontend redis 2000"), first.network():
        links = [socket.create_connection(("10.77.0.100", 6379), timeout=5) for _ in range(2)]
        proxy.lab.until(lambda: "redis,FRONTEND,,,2," in proxy.tell(first, "show stat"))
        cause = finding(seen(first, "degraded", "haproxy-frontend-full"), "haproxy-frontend-full")["cause"]
        assert "redis (Redis): " in cause and "2" in cause
        for link in links:
            link.close()


def test_a_server_that_comes_and_goes_is_flapping(proxy):
    first, second, _ = proxy.lab.hosts
    for _ in range(3):
        with proxy.bad("custom_board", second):
            proxy.lab.until(lambda: second.name not in proxy.up(first, "custom_board"))
        proxy.lab.until(lambda: second.name in proxy.up(first, "custom_board"))
    verdict = seen(first)
    flapping = [one for one in verdict["findings"] if one["subject"] == "custom_board/controller-1"]
    assert [(one["code"], one["severity"]) for one in flapping] == [("haproxy-flapping", "degraded")], verdict
    assert "went down 3 times in" in flapping[0]["cause"]


def test_without_its_socket_the_page_is_asked_and_without_any_it_is_denied(proxy):
    second = proxy.lab.hosts[1]
    config = proxy.config()
    try:
        proxy.daemons[second].stop()
        # The admin socket is the test's own way in: it stays, but not where the configuration says.
        hidden = config.replace("stats socket /var/lib/haproxy/stats mode 660 level user\n", "")
        proxy.start(second, hidden)
        second.etc("haproxy/haproxy.cfg", hidden.replace("/run/haproxy/control.sock", "/run/elsewhere.sock"))
        verdict = seen(second)
        assert verdict["members"][0]["answer"] == "got" and verdict["members"][0]["role"].startswith("5 of 5")
        # Without the right password.
        second.etc("haproxy/haproxy.cfg", hidden.replace("/run/haproxy/control.sock", "/run/elsewhere.sock").replace("letmein", "wrong"))
        cause = finding(seen(second, "unknown", "haproxy-denied"), "haproxy-denied")["cause"]
        assert "401" in cause
    finally:
        proxy.daemons[second].stop()
        proxy.start(second)
        proxy.settled()


def test_a_reloaded_one_with_old_connections_has_an_old_process(proxy):
    third = proxy.lab.hosts[2]
    with third.network():
        link = socket.create_connection(("127.0.0.1", 1993), timeout=5)
        link.sendall(b"GET / HTTP/1.1\r\n")
        proxy.lab.until(lambda: "haproxy.stats,FRONTEND,,,1," in proxy.tell(third, "show stat"))
        proxy.daemons[third].process.send_signal(signal.SIGUSR2)
        proxy.lab.until(lambda: len(third.processes("haproxy")) == 3)
        proxy.settled()
        verdict = seen(third, "ok", "haproxy-old-processes")
        assert "1 old process" in finding(verdict, "haproxy-old-processes")["cause"]
        link.close()
        proxy.lab.until(lambda: len(third.processes("haproxy")) == 2)


def test_a_frozen_one_is_silent_and_a_killed_one_down(proxy):
    second = proxy.lab.hosts[1]
    proxy.daemons[second].freeze()
    code, overview, seconds = second.services("--json", "--deadline", "1")
    proxy.daemons[second].thaw()
    verdict = next(one for one in overview["services"] if one["service"] == "haproxy")
    assert (verdict["state"], verdict["findings"][0]["code"]) == ("failed", "haproxy-silent"), verdict
    assert "did not answer within" in verdict["findings"][0]["cause"]
    assert code == 2
    proxy.daemons[second].kill()
    try:
        found = finding(seen(second, "failed", "haproxy-down"), "haproxy-down")
        assert "unit haproxy.service is enabled" in found["cause"]
        assert found["next"] == "on controller-1: systemctl start haproxy"
    finally:
        proxy.start(second)
        proxy.settled()
