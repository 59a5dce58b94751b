"""The daemon's own survey: what changed and when, over kills and restarts, and never in the broker's way."""
import json
import os
import re
import signal
import socket
import time

import pytest
from lab import Lab, binary

USER = "nobody"  # as the service runs: not root
INTERVAL = 1


class Serve:
    """`aileron serve` on a host as an ordinary user, beside memcached and Redis."""

    def __init__(self, host):
        self.host, self.lab = host, host.lab
        self.data = host.mine("data", user=USER)
        self.socket = f"{self.data}/ctl.sock"
        self.file = self.data / "services.json"
        self.daemon, self.begun = None, 0
        for unit in ("memcached", "redis-server"):
            host.etc(f"systemd/system/multi-user.target.wants/{unit}.service", "")
        folder = host.mine("redis", user="redis")
        self.redis = host.start(["redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--dir", folder], user="redis", log="redis.log")
        self.start_memcached()
        self.start()

    def start_memcached(self):
        self.memcached = self.host.start(["memcached", "-u", "memcache", "-l", "127.0.0.1"], log="memcached.log")

    def start(self, *settings, interval=INTERVAL):
        """Starts the daemon and waits until it serves."""
        seen = self.log() if self.daemon else ""
        command = [binary(), "serve", "--data-dir", self.data, "--set", f"services.interval={interval}"]
        for setting in settings:
            command += ["--set", setting]
        self.daemon = self.host.start(command, user=USER, log="serve.log")
        self.lab.until(lambda: "aileron: ready" in self.log()[len(seen):], what="the daemon is ready")

    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.daemon.log)

    def ask(self, *arguments):
        """(exit code, answer) of `aileron services ARGUMENTS` for this daemon."""
        return self.host.services(*arguments, "--socket", self.socket)[:2]

    def cached(self):
        code, overview = self.ask("--cached", "--json")
        return code, {one["service"]: one["state"] for one in overview["services"]}

    def changes(self, *arguments):
        code, told = self.ask("--history", "--json", *arguments)
        assert (code, told["version"]) == (0, 1), told
        return told["changes"]

    def change(self, **wanted):
        """The last change with these fields since the test began, once there is one."""
        def found():
            own = [one for one in self.changes() if wanted.items() <= one.items() and one["at"] >= self.begun]
            return own and own[-1]

        return self.lab.until(found, what=f"a change {wanted}")

    def surveyed(self):
        """Waits for a survey after those that are known: what was seen has lasted for more than one."""
        last = lambda: self.ask("--history", "--json")[1]["surveyed_at"]  # noqa: E731
        known = last()
        self.lab.until(lambda: last() > known, what="one more survey")

    def greeting(self):
        """Seconds the broker takes to greet a client."""
        begin = time.monotonic()
        with self.host.network(), socket.create_connection(("127.0.0.1", 5672), timeout=10) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            assert link.recv(3) == b"\x01\x00\x00"
        return time.monotonic() - begin


@pytest.fixture(scope="module")
def serve():
    with Lab(1, prefix="history") as lab:
        served = Serve(lab.hosts[0])
        well(served)
        yield served


@pytest.fixture(autouse=True)
def begun(serve):
    """Times are told in seconds: what is told of the next one belongs to this test."""
    serve.begun = int(time.time()) + 1
    while time.time() < serve.begun:
        time.sleep(0.05)


def well(serve):
    """Waits until the daemon has seen both services and itself twice, and nothing wrong with them."""
    def lasting():
        well = (0, {"aileron": "ok", "memcached": "ok", "redis": "ok"})
        if serve.cached() != well:
            return False
        serve.surveyed()
        return serve.cached() == well

    serve.lab.until(lasting, what="all is well")


def test_a_kill_is_told_with_its_cause_and_so_is_the_return(serve):
    assert [one for one in serve.changes() if one["from"] == "unseen"][0]["about"] == "control-plane"
    before = int(time.time())
    serve.memcached.kill()
    service = serve.change(about="service", service="memcached", to="failed")
    assert service["from"] == "ok" and "refused" in service["cause"]
    assert before - 1 <= service["after"] <= service["at"] <= time.time()
    member = serve.change(about="member", service="memcached", to="failed")
    assert (member["subject"], member["place"]) == ("controller-0", "127.0.0.1:11211")
    finding = serve.change(about="finding", code="memcached-down", to="failed")
    assert finding["from"] == "absent" and "Connection refused" in finding["cause"]
    plane = serve.change(about="control-plane", to="degraded")
    assert plane["cause"] == "memcached failed"
    code, page = serve.ask("--history", "--since", "1h")
    assert code == 0 and "+ memcached-down controller-0  failed" in page and "memcached  ok -> failed" in page
    assert serve.cached() == (1, {"aileron": "ok", "memcached": "failed", "redis": "ok"})
    _, series = serve.ask("--cached", "--prometheus")
    assert f'aileron_service_state_since_timestamp_seconds{{service="memcached"}} {service["at"]}\n' in series
    serve.surveyed()
    serve.start_memcached()
    serve.change(about="service", service="memcached", **{"from": "failed", "to": "ok"})
    serve.change(about="finding", code="memcached-down", to="absent")
    well(serve)


def test_what_lasted_for_one_survey_is_one_entry(serve):
    """Its first sight is told at once; when the next survey sees it gone, both are one."""
    def brief():
        serve.memcached.freeze()
        try:
            serve.change(about="finding", code="memcached-silent", to="failed")
        finally:
            serve.memcached.thaw()
        well(serve)
        return [one for one in serve.changes() if one["about"] == "service" and one["from"] == "ok" and "brief" in one]

    # A busy machine may be late, then it lasted for two.
    found = serve.lab.until(brief, timeout=100, what="a change for one survey only")
    assert found[-1]["to"] == "failed" and found[-1]["brief"]["times"] >= 1
    assert "for one survey only" in serve.ask("--history")[1]


def test_a_frozen_service_is_told_as_silent_and_the_greeting_stays_quick(serve):
    usual = sorted(serve.greeting() for _ in range(20))[10]
    serve.memcached.freeze()
    serve.redis.freeze()
    try:
        for service in ("memcached", "redis"):
            finding = serve.change(about="finding", code=f"{service}-silent")
            assert "did not answer within" in finding["cause"]
        # Surveys with two frozen services now run one after the other.
        times = sorted(serve.greeting() for _ in range(40))
        assert times[20] < usual + 0.25, (usual, times)
        assert serve.ask("--cached", "--json")[0] == 1
        serve.surveyed()
    finally:
        serve.memcached.thaw()
        serve.redis.thaw()
    serve.change(about="service", service="redis", to="ok")
    well(serve)


def test_never_two_surveys_at_once_and_none_left_behind(serve):
    serve.redis.freeze()
    try:
        most = 0
        end = time.monotonic() + 5
        while time.monotonic() < end:
            most = max(most, len(serve.host.processes("aileron-survey")))
        assert most == 1, "a survey runs, and one only"
    finally:
        serve.redis.thaw()
    well(serve)


def test_a_restart_keeps_the_history_and_tells_the_pause(serve):
    before = serve.changes()
    assert serve.daemon.stop() == 0
    serve.memcached.kill()
    code, told = serve.ask("--history")
    assert code == 3 and "no daemon answers at" in told and "systemctl start aileron" in told
    serve.start()
    # Known before the first survey of the new process: the last overview, and what was noted.
    assert serve.changes()[: len(before)] == before
    pause = serve.change(about="survey", **{"from": "stopped", "to": "running"})
    assert "was not running" in pause["cause"]
    down = serve.change(about="service", service="memcached", to="failed")
    assert down["after"] <= pause["at"] <= down["at"]
    serve.start_memcached()
    well(serve)


def test_a_kill_while_writing_never_breaks_a_start(serve):
    known = len(serve.changes())
    for round in range(6):
        # A change each time, so that each survey writes.
        serve.redis.freeze() if round % 2 == 0 else serve.redis.thaw()
        time.sleep(0.4 * round)
        serve.daemon.kill(tree=False)
        serve.start()
    serve.redis.thaw()
    assert "begins anew" not in serve.log(), "no file was found damaged"
    serve.lab.until(lambda: len(serve.changes()) > known, what="history goes on")
    well(serve)


def test_a_damaged_file_is_put_aside(serve):
    assert serve.daemon.stop() == 0
    whole = serve.file.read_bytes()
    serve.file.write_bytes(whole[: len(whole) // 2])
    serve.start()
    serve.lab.until(lambda: "the history of the services begins anew" in serve.log(), what="a warning")
    assert serve.file.with_suffix(".json.damaged").read_bytes() == whole[: len(whole) // 2]
    well(serve)
    # What stood at the first survey stands at least since then: one change only.
    assert [one["from"] for one in serve.changes()][:1] == ["unseen"]


def test_a_full_or_forbidden_disk_costs_the_file_only(serve):
    # A folder in its place: it cannot be written, whoever tries.
    aside = serve.file.with_suffix(".json.new")
    serve.host.run(["mkdir", aside])
    try:
        serve.memcached.kill()
        serve.change(about="service", service="memcached", to="failed")
        serve.lab.until(lambda: "the history of the services cannot be written" in serve.log(), what="a warning")
        assert serve.greeting() < 5
    finally:
        serve.host.run(["rmdir", aside])
    serve.start_memcached()
    well(serve)
    written = lambda: json.loads(serve.file.read_bytes())["history"]["changes"]  # noqa: E731
    serve.lab.until(lambda: written() == serve.changes(), what="written again")


def test_what_cannot_be_surveyed_is_told_and_old_news_are_not_ok(serve):
    assert serve.daemon.stop() == 0
    serve.start("services.inventory=/nowhere/hosts.ini")
    failed = serve.change(about="survey", to="failed")
    assert "/nowhere/hosts.ini" in failed["cause"]
    code, overview = serve.ask("--cached", "--json")
    assert (code, overview["state"]) == (3, "unknown"), overview
    stale = overview["findings"][-1]
    assert stale["code"] == "overview-stale" and "/nowhere/hosts.ini" in stale["cause"]
    assert serve.ask("--cached", "--nagios")[1].startswith("SERVICES UNKNOWN")
    assert serve.daemon.stop() == 0
    serve.start(interval=0)
    code, told = serve.ask("--cached")
    assert code == 3 and "services.interval is 0" in told
    assert serve.daemon.stop() == 0
    serve.start()
    well(serve)
    assert serve.ask("--cached", "--json")[1]["findings"] == []


def test_over_the_socket_any_program_can_ask(serve):
    def ask(request):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(20)
            link.connect(str(serve.socket))
            lines = link.makefile("rw")
            assert json.loads(lines.readline())["ready"] is True
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            return json.loads(lines.readline())["document"]

    told = ask({"command": "services_overview"})
    assert (told["version"], told["interval"], told["overview"]["version"]) == (1, INTERVAL, 1)
    everything = ask({"command": "services_history"})
    assert everything["changes"] == serve.changes()
    states = {(one["about"], one.get("service")): one["state"] for one in everything["standing"] if one["about"] != "member"}
    assert states[("service", "memcached")] == "ok" and states[("survey", None)] == "running"
    assert ask({"command": "services_history", "since": int(time.time()) + 1000})["changes"] == []


def test_the_report_ends_with_the_services(serve):
    def report():
        done = serve.host.run([binary(), "ctl", "--socket", serve.socket, "report"], timeout=30)
        return done.stdout

    text = report()
    part = text[text.index("The services beside node"):]
    assert re.search(r"seen \d+ s ago by aileron serve", part) and "ok        memcached" in part and "Changes of the last day:" in part
    assert text.index("Listing policies") < text.index("The services beside node")
    assert serve.daemon.stop() == 0
    serve.start(interval=0)
    part = report().split("The services beside node")[1]
    assert "seen" not in part and "ok        memcached" in part
    assert serve.daemon.stop() == 0
    serve.start()
    well(serve)


def test_a_survey_that_is_killed_is_told_and_the_broker_lives_on(serve):
    serve.redis.freeze()  # so that the survey lasts
    try:
        def killed():
            for pid in serve.host.processes("aileron-survey"):
                os.kill(pid, signal.SIGKILL)
            return [one for one in serve.changes() if one["about"] == "survey" and one["to"] == "failed" and "signal: 9" in one["cause"]]

        serve.lab.until(killed, what="a killed survey is told", every=0)
        assert serve.daemon.alive and serve.greeting() < 5
    finally:
        serve.redis.thaw()
    well(serve)
